// SPDX-License-Identifier: MIT OR Apache-2.0
//! HEIC and AVIF, which phones write, by the system's libheif.
//!
//! The library is looked for when the first such photo comes, so the plugin needs it neither to build nor to load.
//! It undoes rotation, mirroring and cropping, and reduces deeper pictures to 8 bits.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::ptr::{null, null_mut};
use std::sync::LazyLock;

use image::{DynamicImage, RgbImage, RgbaImage};

use super::colour::Colours;
use super::limits::{MAX_BYTES, MAX_SIDE};

/// Names of the library, by its interface's version.
const NAMES: [&CStr; 2] = [c"libheif.so.1", c"libheif.dylib"];

/// Values of heif.h.
mod values {
    use std::ffi::c_int;

    pub const INVALID_INPUT: c_int = 2;
    pub const UNSUPPORTED_FEATURE: c_int = 4;
    pub const END_OF_DATA: c_int = 100;
    pub const UNSUPPORTED_CODEC: c_int = 3000;
    pub const COLORSPACE_RGB: c_int = 1;
    pub const CHROMA_RGB: c_int = 10;
    pub const CHROMA_RGBA: c_int = 11;
    pub const CHANNEL_INTERLEAVED: c_int = 10;
    pub const PROFILE_NCLX: u32 = u32::from_be_bytes(*b"nclx");
    pub const PROFILE_RICC: u32 = u32::from_be_bytes(*b"rICC");
    pub const PROFILE_PROF: u32 = u32::from_be_bytes(*b"prof");
}

/// Why a photo was not decoded.
#[derive(Debug, PartialEq, Eq)]
pub enum HeifError {
    /// There is no libheif.
    NoLibrary,
    /// It cannot decode what is in the file: it comes without that codec.
    NoCodec,
    /// The file ends early.
    Truncated,
    /// More pixels than are decoded; says how many.
    TooLarge(String),
    /// What the library said.
    Damaged(String),
}

/// `heif_error`.
#[repr(C)]
struct Status {
    code: c_int,
    subcode: c_int,
    message: *const c_char,
}

/// The beginning of `heif_color_profile_nclx`, which later versions only make longer.
#[repr(C)]
struct Nclx {
    version: u8,
    primaries: c_int,
    transfer: c_int,
    matrix: c_int,
    full_range: u8,
}

/// The functions of the library that are used here; all pointers of its types are opaque.
macro_rules! library {
    ($($name:ident: fn($($arg:ty),*) $(-> $result:ty)?;)*) => {
        #[derive(Clone, Copy)]
        struct Library {
            $($name: unsafe extern "C" fn($($arg),*) $(-> $result)?,)*
        }

        impl Library {
            fn load() -> Option<Self> {
                // SAFETY: the names are C strings; the library is never closed, so what it gives stays valid.
                let library = NAMES.iter().map(|name| unsafe {
                    libc::dlopen(name.as_ptr(), libc::RTLD_NOW | libc::RTLD_LOCAL)
                }).find(|library| !library.is_null())?;
                let symbol = |name: &str| {
                    let name = std::ffi::CString::new(name).ok()?;
                    // SAFETY: an open library and a C string.
                    let symbol = unsafe { libc::dlsym(library, name.as_ptr()) };
                    (!symbol.is_null()).then_some(symbol)
                };
                if let Some(init) = symbol("heif_init") {
                    // SAFETY: `struct heif_error heif_init(struct heif_init_params*)`, which takes NULL. It loads the
                    // codecs that are files of their own; libraries before 1.13 have none.
                    let init = unsafe {
                        std::mem::transmute::<*mut c_void, unsafe extern "C" fn(*const c_void) -> Status>(init)
                    };
                    unsafe { init(null()) };
                }
                Some(Self {
                    $(
                        // SAFETY: the signature is that of heif.h, which keeps it within version 1 of the interface.
                        $name: unsafe {
                            std::mem::transmute::<
                                *mut c_void,
                                unsafe extern "C" fn($($arg),*) $(-> $result)?,
                            >(symbol(concat!("heif_", stringify!($name)))?)
                        },
                    )*
                })
            }
        }
    };
}

library! {
    context_alloc: fn() -> *mut c_void;
    context_free: fn(*mut c_void);
    context_read_from_memory_without_copy: fn(*mut c_void, *const u8, usize, *const c_void) -> Status;
    context_get_primary_image_handle: fn(*mut c_void, *mut *mut c_void) -> Status;
    image_handle_release: fn(*const c_void);
    image_handle_get_width: fn(*const c_void) -> c_int;
    image_handle_get_height: fn(*const c_void) -> c_int;
    image_handle_has_alpha_channel: fn(*const c_void) -> c_int;
    image_handle_get_color_profile_type: fn(*const c_void) -> u32;
    image_handle_get_raw_color_profile_size: fn(*const c_void) -> usize;
    image_handle_get_raw_color_profile: fn(*const c_void, *mut c_void) -> Status;
    image_handle_get_nclx_color_profile: fn(*const c_void, *mut *mut Nclx) -> Status;
    nclx_color_profile_free: fn(*mut Nclx);
    decode_image: fn(*const c_void, *mut *mut c_void, c_int, c_int, *const c_void) -> Status;
    image_release: fn(*const c_void);
    image_get_width: fn(*const c_void, c_int) -> c_int;
    image_get_height: fn(*const c_void, c_int) -> c_int;
    image_get_plane_readonly: fn(*const c_void, c_int, *mut c_int) -> *const u8;
}

static LIBRARY: LazyLock<Option<Library>> = LazyLock::new(Library::load);

/// Frees what the library made.
struct Owned(*mut c_void, unsafe extern "C" fn(*mut c_void));

impl Drop for Owned {
    fn drop(&mut self) {
        // SAFETY: made by the library, freed once.
        unsafe { (self.1)(self.0) };
    }
}

/// Decodes the main picture of a HEIF file, upright, and what it says of its colours.
///
/// # Errors
/// Where the library is missing or refuses the file, or the picture is beyond the limits of all photos.
pub fn decode(bytes: &[u8]) -> Result<(DynamicImage, Colours), HeifError> {
    let lib = LIBRARY.as_ref().ok_or(HeifError::NoLibrary)?;
    // SAFETY: the calls are those of heif.h in their order; `bytes` outlives the context, and whatever the library hands
    // out is freed once, after its last use.
    unsafe {
        let context = (lib.context_alloc)();
        if context.is_null() {
            return Err(HeifError::Damaged("out of memory".to_owned()));
        }
        let context = Owned(context, lib.context_free);
        check((lib.context_read_from_memory_without_copy)(context.0, bytes.as_ptr(), bytes.len(), null()))?;
        let mut handle = null_mut();
        check((lib.context_get_primary_image_handle)(context.0, &mut handle))?;
        let handle = Owned(handle, released(lib.image_handle_release));
        let (width, height) =
            ((lib.image_handle_get_width)(handle.0), (lib.image_handle_get_height)(handle.0));
        let alpha = (lib.image_handle_has_alpha_channel)(handle.0) != 0;
        let channels = if alpha { 4 } else { 3 };
        fits(width, height, channels)?;
        let colours = lib.colours(handle.0);
        let mut image = null_mut();
        let chroma = if alpha { values::CHROMA_RGBA } else { values::CHROMA_RGB };
        check((lib.decode_image)(handle.0, &mut image, values::COLORSPACE_RGB, chroma, null()))?;
        let image = Owned(image, released(lib.image_release));
        // What was decoded counts, not what the header promised.
        let channel = values::CHANNEL_INTERLEAVED;
        let (width, height) =
            ((lib.image_get_width)(image.0, channel), (lib.image_get_height)(image.0, channel));
        let (columns, rows) = fits(width, height, channels)?;
        let mut stride = 0;
        let plane = (lib.image_get_plane_readonly)(image.0, channel, &mut stride);
        let stride = usize::try_from(stride).unwrap_or_default();
        if plane.is_null() || stride < columns * channels {
            return Err(HeifError::Damaged("it has no pixels".to_owned()));
        }
        let mut pixels = Vec::with_capacity(columns * rows * channels);
        for row in 0..rows {
            pixels.extend_from_slice(std::slice::from_raw_parts(plane.add(row * stride), columns * channels));
        }
        let (width, height) = (columns as u32, rows as u32);
        let image = if alpha {
            RgbaImage::from_raw(width, height, pixels).map(DynamicImage::from)
        } else {
            RgbImage::from_raw(width, height, pixels).map(DynamicImage::from)
        };
        image.map(|image| (image, colours)).ok_or_else(|| HeifError::Damaged("it has no pixels".to_owned()))
    }
}

impl Library {
    /// What a picture says of its colours.
    ///
    /// # Safety
    /// `handle` is one that the library gave.
    unsafe fn colours(&self, handle: *const c_void) -> Colours {
        // SAFETY: as the caller promises; the profile's buffer is as long as the library says.
        unsafe {
            match (self.image_handle_get_color_profile_type)(handle) {
                values::PROFILE_RICC | values::PROFILE_PROF => {
                    let mut icc = vec![0u8; (self.image_handle_get_raw_color_profile_size)(handle)];
                    let status = (self.image_handle_get_raw_color_profile)(handle, icc.as_mut_ptr().cast());
                    if status.code == 0 { Colours::Icc(icc) } else { Colours::Srgb }
                }
                values::PROFILE_NCLX => {
                    let mut nclx = null_mut();
                    let status = (self.image_handle_get_nclx_color_profile)(handle, &mut nclx);
                    if status.code != 0 || nclx.is_null() {
                        return Colours::Srgb;
                    }
                    let point = |v: c_int| u8::try_from(v).unwrap_or(2);
                    let colours = Colours::of_code_points(point((*nclx).primaries), point((*nclx).transfer));
                    (self.nclx_color_profile_free)(nclx);
                    colours
                }
                _ => Colours::Srgb,
            }
        }
    }
}

/// Releases take pointers to const, frees do not; it is the same call.
fn released(release: unsafe extern "C" fn(*const c_void)) -> unsafe extern "C" fn(*mut c_void) {
    // SAFETY: the two types differ in nothing that the machine sees.
    unsafe {
        std::mem::transmute::<unsafe extern "C" fn(*const c_void), unsafe extern "C" fn(*mut c_void)>(release)
    }
}

fn fits(width: c_int, height: c_int, channels: usize) -> Result<(usize, usize), HeifError> {
    let [columns, rows] = [width, height].map(|v| usize::try_from(v).unwrap_or_default());
    if columns == 0 || rows == 0 {
        return Err(HeifError::Damaged("it has no pixels".to_owned()));
    }
    let side = MAX_SIDE as usize;
    if columns > side || rows > side || (columns * rows * channels) as u64 > MAX_BYTES {
        return Err(HeifError::TooLarge(format!("{columns}x{rows} pixels")));
    }
    Ok((columns, rows))
}

fn check(status: Status) -> Result<(), HeifError> {
    match (status.code, status.subcode) {
        (0, _) => Ok(()),
        (values::INVALID_INPUT, values::END_OF_DATA) => Err(HeifError::Truncated),
        (values::UNSUPPORTED_FEATURE, values::UNSUPPORTED_CODEC) => Err(HeifError::NoCodec),
        _ if status.message.is_null() => Err(HeifError::Damaged(format!("error {}", status.code))),
        _ => {
            // SAFETY: the library's messages are C strings that live at least until its next call.
            let text = unsafe { CStr::from_ptr(status.message) }.to_string_lossy().into_owned();
            Err(HeifError::Damaged(text))
        }
    }
}
