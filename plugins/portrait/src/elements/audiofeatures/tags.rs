// SPDX-License-Identifier: MIT OR Apache-2.0
//! Tags of the sound, as they hold for its pictures.

use gst::prelude::*;

/// What is true of the sound alone: its cover, which a muxer that gets the sound as well would write twice, and how it
/// was coded, which would be taken for the pictures' own.
const OF_SOUND_ALONE: [&gst::glib::GStr; 10] = [
    gst::tags::Image::TAG_NAME,
    gst::tags::PreviewImage::TAG_NAME,
    gst::tags::Attachment::TAG_NAME,
    gst::tags::AudioCodec::TAG_NAME,
    gst::tags::Codec::TAG_NAME,
    gst::tags::ContainerFormat::TAG_NAME,
    gst::tags::Bitrate::TAG_NAME,
    gst::tags::NominalBitrate::TAG_NAME,
    gst::tags::MinimumBitrate::TAG_NAME,
    gst::tags::MaximumBitrate::TAG_NAME,
];

/// The tags that hold for the pictures too; `None` where there are none.
pub fn of_pictures(tags: &gst::TagListRef) -> Option<gst::TagList> {
    let mut left = tags.to_owned();
    for name in OF_SOUND_ALONE {
        left.make_mut().remove_generic(name);
    }
    (left.n_tags() > 0).then_some(left)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_passes_and_a_cover_does_not() {
        gst::init().unwrap();
        let cover = gst::Sample::builder().buffer(&gst::Buffer::from_slice([1, 2, 3])).build();
        let mut tags = gst::TagList::new();
        let list = tags.make_mut();
        list.set_scope(gst::TagScope::Global);
        list.add::<gst::tags::Image>(&cover, gst::TagMergeMode::Append);
        list.add::<gst::tags::Bitrate>(&128_000, gst::TagMergeMode::Append);
        assert!(of_pictures(&tags).is_none());
        tags.make_mut().add::<gst::tags::Title>(&"a title", gst::TagMergeMode::Append);
        let left = of_pictures(&tags).unwrap();
        assert_eq!((left.n_tags(), left.scope()), (1, gst::TagScope::Global));
        assert_eq!(left.get::<gst::tags::Title>().unwrap().get(), "a title");
    }
}
