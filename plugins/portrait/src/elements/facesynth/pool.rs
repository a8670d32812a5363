// SPDX-License-Identifier: MIT OR Apache-2.0
//! Picture buffers: downstream's pool where it offers one, else an own pool, so that no frame allocates.

use gst::prelude::*;

/// Answers an allocation query: keeps downstream's pool, adds a video pool where there is none or downstream's refuses.
pub fn decide(cat: gst::DebugCategory, query: &mut gst::query::Allocation) -> Result<(), gst::LoggableError> {
    let caps = query.get().0.map(ToOwned::to_owned);
    let caps = caps.ok_or_else(|| gst::loggable_error!(cat, "allocation query without caps"))?;
    let info = gst_video::VideoInfo::from_caps(&caps)?;
    let offered = query.allocation_pools().next();
    let strides = query.find_allocation_meta::<gst_video::VideoMeta>().is_some();

    let (theirs, size, min, max) = offered.clone().unwrap_or_default();
    let needed =
        Needed { caps, size: size.max(u32::try_from(info.size()).unwrap_or(u32::MAX)), min, max, strides };
    let pool = match theirs {
        Some(pool) if needed.configure(&pool) => pool,
        theirs => {
            if let Some(pool) = theirs {
                gst::warning!(cat, "{} refuses to be configured: own buffers are used", pool.name());
            }
            let own = gst_video::VideoBufferPool::new().upcast();
            if !needed.configure(&own) {
                return Err(gst::loggable_error!(cat, "no buffers of {} bytes can be had", needed.size));
            }
            own
        }
    };
    let Needed { size, min, max, .. } = needed;
    if offered.is_some() {
        query.set_nth_allocation_pool(0, Some(&pool), size, min, max);
    } else {
        query.add_allocation_pool(Some(&pool), size, min, max);
    }
    Ok(())
}

/// What a pool has to give.
struct Needed {
    caps: gst::Caps,
    /// Bytes of a buffer.
    size: u32,
    /// Least and most buffers; 0 is no limit.
    min: u32,
    max: u32,
    /// Downstream reads strides and offsets from metadata.
    strides: bool,
}

impl Needed {
    /// Configures a pool, as asked or with what it changed of that if it still does; `false` where it cannot be.
    fn configure(&self, pool: &gst::BufferPool) -> bool {
        let mut config = pool.config();
        config.set_params(Some(&self.caps), self.size, self.min, self.max);
        if self.strides && pool.has_option(gst_video::BUFFER_POOL_OPTION_VIDEO_META.as_str()) {
            config.add_option(gst_video::BUFFER_POOL_OPTION_VIDEO_META.as_str());
        }
        if pool.set_config(config).is_ok() {
            return true;
        }
        let changed = pool.config();
        changed.validate_params(Some(&self.caps), self.size, self.min, self.max).is_ok()
            && pool.set_config(changed).is_ok()
    }
}
