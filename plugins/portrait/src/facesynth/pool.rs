//! Picture buffers: downstream's pool where it offers one, else an own pool, so that no frame allocates.

use gst::prelude::*;

/// Answers an allocation query: keeps downstream's pool, adds a video pool where there is none.
pub fn decide(cat: gst::DebugCategory, query: &mut gst::query::Allocation) -> Result<(), gst::LoggableError> {
    let caps = query.get().0.map(ToOwned::to_owned);
    let caps = caps.ok_or_else(|| gst::loggable_error!(cat, "allocation query without caps"))?;
    let info = gst_video::VideoInfo::from_caps(&caps)?;
    let offered = query.allocation_pools().next();
    let strides = query.find_allocation_meta::<gst_video::VideoMeta>().is_some();

    let (pool, size, min, max) = match &offered {
        Some((Some(pool), size, min, max)) => (pool.clone(), *size, *min, *max),
        Some((None, size, min, max)) => (gst_video::VideoBufferPool::new().upcast(), *size, *min, *max),
        None => (gst_video::VideoBufferPool::new().upcast(), 0, 0, 0),
    };
    let size = size.max(u32::try_from(info.size()).unwrap_or(u32::MAX));

    let mut config = pool.config();
    config.set_params(Some(&caps), size, min, max);
    if strides && pool.has_option(gst_video::BUFFER_POOL_OPTION_VIDEO_META.as_str()) {
        config.add_option(gst_video::BUFFER_POOL_OPTION_VIDEO_META.as_str());
    }
    pool.set_config(config)?;
    if offered.is_some() {
        query.set_nth_allocation_pool(0, Some(&pool), size, min, max);
    } else {
        query.add_allocation_pool(Some(&pool), size, min, max);
    }
    Ok(())
}
