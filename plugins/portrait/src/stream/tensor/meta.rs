// SPDX-License-Identifier: MIT OR Apache-2.0
//! Metadata that rides on buffers up to the picture: what every stage knew of the frame.
//!
//! One `GstCustomMeta` a kind, with the fields of upstream's GstTensor, readable from C and Python
//! (`buffer.get_custom_meta("PortraitPoseMeta").get_structure()`). Those that tell places in the picture carry the tags of
//! that: what turns, mirrors or crops it leaves them behind, or scales it to another shape, what only scales or converts it does not.
//! Everything that differs between GStreamer versions stays in this module.

use gst::glib;
use gst::glib::translate::{IntoGlib, ToGlibPtr, from_glib};
use gst::meta::{CustomMeta, MetaTransform, MetaTransformCopy};
use gst_video::video_meta::VideoMetaTransformScale;

use super::marks;

/// Name of the metadata of frames that are made for a photo that was set while playing: fields `number` (uint64, one more for
/// each such photo in the process) and `location` (string, the photo's file).
pub const PHOTO_META: &str = "PortraitPhotoMeta";

/// Which knowledge a metadata carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FrameMeta {
    /// `[W, F]` audio features of the frame.
    AudioFeatures,
    /// `[2]` level of the sound in dB below full scale: of the frame, and of its loudest frame's length in the look-ahead.
    Loudness,
    /// `[8]` emotion intensities (0 to 1) in the order of [`crate::pack::EMOTIONS`], as applied.
    Emotion,
    /// `[7]` controls of the face as applied: gaze yaw and pitch (degrees, away from the network's), closure of the lids
    /// (0 to 1), mouth gain, expression gain, brow gain, mouth base.
    Face,
    /// `[N, 3]` normalised landmarks, head rotation, translation and scale removed.
    Landmarks,
    /// `[7]` yaw, pitch, roll (degrees), x, y, z, scale (picture units).
    Pose,
    /// `[1]` how far breath lifts shoulders and chest, picture units.
    Breath,
    /// `[K, 3]` latent keypoints; the first two columns of control points are picture coordinates in 0 to 1.
    Latents,
    /// `[N, 3]` posed landmarks in coordinates of the whole output picture, 0 to 1; z in the unit of x.
    PictureLandmarks,
}

impl FrameMeta {
    /// Every kind, in the order of the data flow.
    pub const ALL: [Self; 9] = [
        Self::AudioFeatures,
        Self::Loudness,
        Self::Emotion,
        Self::Face,
        Self::Landmarks,
        Self::Pose,
        Self::Breath,
        Self::Latents,
        Self::PictureLandmarks,
    ];

    /// Name under which the metadata is registered.
    pub fn name(self) -> &'static str {
        match self {
            Self::AudioFeatures => "PortraitAudioFeaturesMeta",
            Self::Loudness => "PortraitLoudnessMeta",
            Self::Emotion => "PortraitEmotionMeta",
            Self::Face => "PortraitFaceMeta",
            Self::Landmarks => "PortraitLandmarksMeta",
            Self::Pose => "PortraitPoseMeta",
            Self::Breath => "PortraitBreathMeta",
            Self::Latents => "PortraitLatentsMeta",
            Self::PictureLandmarks => "PortraitPictureLandmarksMeta",
        }
    }

    /// What the tensor is, for the documents.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::AudioFeatures => {
                "`[W, F]` audio features of the frame, with the pack `lite` four rows of 80 log-mel bands and 48 numbers of a \
                 speech encoder"
            }
            Self::Loudness => {
                "`[2]` level of the frame's sound and the highest in its look-ahead, dB below full scale"
            }
            Self::Emotion => {
                "`[8]` intensity of neutral, happy, sad, surprise, fear, angry, disgust, contempt, 0 to 1, as applied"
            }
            Self::Face => {
                "`[7]` gaze yaw and pitch in degrees, without what `eye-contact` adds, closure of the lids 0 to 1, mouth gain, expression gain, brow gain, \
                 mouth base, as applied"
            }
            Self::Landmarks => {
                "`[478, 3]` landmarks as applied (behind `landmarks2latents` with its `eye-contact`), head rotation, translation and scale removed"
            }
            Self::Pose => "`[7]` yaw, pitch, roll in degrees; x, y, z and scale in picture units",
            Self::Breath => "`[1]` how far breath lifts shoulders and chest, picture units",
            Self::Latents => "`[K, 3]` latent keypoints",
            Self::PictureLandmarks => "`[478, 3]` landmarks in the picture, 0 to 1",
        }
    }

    /// Whether it tells places in the picture, which are others where that is turned, mirrored or cropped.
    fn is_placed(self) -> bool {
        matches!(self, Self::Pose | Self::Latents | Self::PictureLandmarks)
    }

    /// The `tensor-id` field.
    pub fn tensor_id(self) -> &'static str {
        match self {
            Self::AudioFeatures => "portrait/audio-features",
            Self::Loudness => "portrait/loudness",
            Self::Emotion => "portrait/emotion",
            Self::Face => "portrait/face",
            Self::Landmarks => "portrait/landmarks",
            Self::Pose => "portrait/pose",
            Self::Breath => "portrait/breath",
            Self::Latents => "portrait/latents",
            Self::PictureLandmarks => "portrait/picture-landmarks",
        }
    }
}

/// Whether a metadata is one of these kinds.
pub fn is_of_frame(meta: &gst::MetaRef<'_, gst::Meta>) -> bool {
    meta.try_as_custom_meta()
        .is_some_and(|meta| FrameMeta::ALL.iter().any(|kind| meta.structure().name() == kind.name()))
}

/// Name of the metadata that marks a picture as synthetic: fields `generator`, `pack` (strings).
pub const SYNTHETIC_META: &str = "PortraitSyntheticMeta";

/// Registers the metadata with GStreamer, once a process.
pub fn register() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        for kind in FrameMeta::ALL {
            if kind.is_placed() {
                register_placed(kind.name());
            } else {
                CustomMeta::register(kind.name(), &[]);
            }
        }
        for name in [SYNTHETIC_META, PHOTO_META].into_iter().chain(marks::NAMES) {
            CustomMeta::register(name, &[]);
        }
    });
}

/// What of a picture that metadata depends on; the names are GStreamer's.
const PLACED_TAGS: [&str; 3] = ["video", "orientation", "size"];

/// Registers a metadata that tells places in the picture, in parts of it: copies and pictures of another size have it too. With
/// anything else that moves what is seen, none is better than a wrong one.
pub(super) fn register_placed(name: &str) {
    // The bindings' own registration does not pass on between which sizes a picture is scaled.
    // SAFETY: names and tags are copied; the function takes nothing of its own that would have to be freed.
    unsafe {
        gst::ffi::gst_meta_register_custom(
            name.to_glib_none().0,
            PLACED_TAGS[..].to_glib_none().0,
            Some(transform_placed),
            std::ptr::null_mut(),
            None,
        );
    }
}

/// Whether the metadata goes on to another buffer.
///
/// # Safety
/// The pointers are those that GStreamer gives to a `GstCustomMetaTransformFunction`.
unsafe extern "C" fn transform_placed(
    to: *mut gst::ffi::GstBuffer,
    meta: *mut gst::ffi::GstCustomMeta,
    _: *mut gst::ffi::GstBuffer,
    how: glib::ffi::GQuark,
    data: glib::ffi::gpointer,
    _: glib::ffi::gpointer,
) -> glib::ffi::gboolean {
    // SAFETY: GStreamer gives a buffer that is to be written, a metadata of this kind, and with the quark of scaling its infos.
    unsafe {
        let how: glib::Quark = from_glib(how);
        let keeps = how == MetaTransformCopy::quark()
            || how == VideoMetaTransformScale::quark()
                && is_of_one_shape(&*data.cast::<gst_video::ffi::GstVideoMetaTransform>());
        let (to, meta) = (gst::BufferRef::from_mut_ptr(to), &*meta.cast::<CustomMeta>());
        (keeps && copy(to, meta.structure())).into_glib()
    }
}

/// Whether pictures are displayed in the same shape: in another one borders are added, or faces grow wider or narrower.
///
/// # Safety
/// Both infos are there.
unsafe fn is_of_one_shape(scaled: &gst_video::ffi::GstVideoMetaTransform) -> bool {
    // SAFETY: as above.
    let (from, to) = unsafe { (&*scaled.in_info, &*scaled.out_info) };
    let width = |info: &gst_video::ffi::GstVideoInfo| {
        f64::from(info.width) * f64::from(info.par_n) / f64::from(info.par_d) / f64::from(info.height)
    };
    // A size in whole pixels.
    let rounding = 1.0 / f64::from(to.width.min(to.height));
    (width(from) / width(to) - 1.0).abs() <= rounding
}

/// Puts a metadata on a buffer, in the place of one of the same name: `videoscale` transforms and copies.
fn copy(to: &mut gst::BufferRef, from: &gst::StructureRef) -> bool {
    let put = |s: &mut gst::StructureRef| {
        s.remove_all_fields();
        from.iter().for_each(|(field, value)| s.set_value(field, value.clone()));
    };
    if let Ok(mut old) = CustomMeta::from_mut_buffer(to, from.name()) {
        put(old.mut_structure());
        return true;
    }
    CustomMeta::add(to, from.name()).map(|mut meta| put(meta.mut_structure())).is_ok()
}

/// A tensor read from a buffer's metadata.
#[derive(Clone, Debug, PartialEq)]
pub struct MetaTensor {
    /// Row-major shape.
    pub shape: Vec<usize>,
    /// The numbers.
    pub data: Vec<f32>,
}

/// Puts a tensor on a buffer, in the place of one of the same kind.
pub fn attach(buffer: &mut gst::BufferRef, kind: FrameMeta, shape: &[usize], data: &[f32]) {
    debug_assert_eq!(shape.iter().product::<usize>(), data.len());
    let payload = super::buffer::from_f32(data);
    let dims = gst::Array::new(shape.iter().map(|&d| d as i32));
    if let Ok(mut old) = CustomMeta::from_mut_buffer(buffer, kind.name()) {
        fill(old.mut_structure(), kind, dims, payload);
        return;
    }
    if let Ok(mut meta) = CustomMeta::add(buffer, kind.name()) {
        fill(meta.mut_structure(), kind, dims, payload);
    }
}

pub(super) fn fill(s: &mut gst::StructureRef, kind: FrameMeta, dims: gst::Array, data: gst::Buffer) {
    s.set("tensor-id", kind.tensor_id());
    s.set("type", "float32");
    s.set("dims-order", "row-major");
    s.set("dims", dims);
    s.set("data", data);
}

/// Reads a tensor from a buffer's metadata; `None` where there is none or its fields do not fit together.
pub fn read(buffer: &gst::BufferRef, kind: FrameMeta) -> Option<MetaTensor> {
    read_named(buffer, kind.name())
}

pub(super) fn read_named(buffer: &gst::BufferRef, name: &str) -> Option<MetaTensor> {
    let meta = CustomMeta::from_buffer(buffer, name).ok()?;
    let s = meta.structure();
    let shape = s
        .get::<gst::Array>("dims")
        .ok()?
        .as_slice()
        .iter()
        .map(|d| d.get::<i32>().ok().and_then(|d| usize::try_from(d).ok()))
        .collect::<Option<Vec<_>>>()?;
    let len = shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d))?;
    let payload = s.get::<gst::Buffer>("data").ok()?;
    if payload.size() != len.checked_mul(4)? {
        return None;
    }
    let mut data = vec![0.0; len];
    super::buffer::read_f32(&payload, &mut data).ok()?;
    Some(MetaTensor { shape, data })
}

/// Marks a picture as synthetic.
pub fn mark_synthetic(buffer: &mut gst::BufferRef, pack: &str) {
    if CustomMeta::from_buffer(buffer, SYNTHETIC_META).is_ok() {
        return;
    }
    if let Ok(mut meta) = CustomMeta::add(buffer, SYNTHETIC_META) {
        let s = meta.mut_structure();
        s.set("generator", concat!("gst-portrait ", env!("CARGO_PKG_VERSION")));
        s.set("pack", pack);
    }
}

/// The tag of a stream of synthetic pictures: muxers write it into files.
pub fn synthetic_tags() -> gst::TagList {
    comment("synthetic: portrait animated by gst-portrait")
}

/// The same of footage whose mouths were drawn.
pub fn modified_tags() -> gst::TagList {
    comment("synthetic: modified footage, the mouth was drawn by gst-portrait")
}

fn comment(text: &str) -> gst::TagList {
    let mut tags = gst::TagList::new();
    tags.make_mut().add::<gst::tags::Comment>(&text, gst::TagMergeMode::Append);
    tags
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tensors_round_trip_and_the_newest_wins() {
        gst::init().unwrap();
        register();
        let mut buffer = gst::Buffer::new();
        let b = buffer.get_mut().unwrap();
        assert_eq!(read(b, FrameMeta::Pose), None);
        attach(b, FrameMeta::Pose, &[7], &[0.0; 7]);
        attach(b, FrameMeta::Pose, &[7], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]);
        attach(b, FrameMeta::Landmarks, &[2, 3], &[0.5; 6]);
        assert_eq!(read(b, FrameMeta::Pose).unwrap().data[6], 7.0);
        assert_eq!(read(b, FrameMeta::Landmarks).unwrap().shape, [2, 3]);
        let copy = buffer.copy();
        assert_eq!(read(&copy, FrameMeta::Pose).unwrap().data[0], 1.0);
    }
}
