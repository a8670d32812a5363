// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a photo's numbers mean: its colour profile, and the conversion to sRGB, which everything else works in.
//!
//! A profile that cannot be read or does not fit is no reason to refuse a photo: its numbers are then taken as sRGB, as
//! most programs do, and the caller is told.

use image::DynamicImage;
use moxcms::{
    Chromaticity, CicpColorPrimaries, CicpProfile, ColorPrimaries, ColorProfile, DataColorSpace, Layout,
    MatrixCoefficients, ToneReprCurve, TransferCharacteristics, TransformOptions,
};

/// Largest difference, in levels of 8 bits, up to which a profile says nothing but sRGB. The sRGB profiles of different
/// makers differ by as much.
const SAME: u8 = 2;

/// Steps of each channel of the colours by which that is tried.
const PROBES: u32 = 9;

/// Pixels that are converted at a time.
const RUN: usize = 4096;

/// gAMA of a PNG with the tone curve of sRGB, in 1/100,000, and how far off it may be: what encoders write there is rounded
/// in several ways.
const SRGB_GAMMA: u32 = 45_455;
const GAMMA_SLACK: u32 = 500;

/// Chromaticities of sRGB: x and y of white, red, green, blue.
const SRGB_PRIMARIES: [f32; 8] = [0.3127, 0.329, 0.64, 0.33, 0.3, 0.6, 0.15, 0.06];

/// What a file says of its colours.
#[derive(Clone, Debug, Default)]
pub enum Colours {
    /// Nothing, or that they are sRGB.
    #[default]
    Srgb,
    /// An ICC profile as embedded.
    Icc(Vec<u8>),
    /// What it says by a few numbers.
    Known(Box<ColorProfile>),
    /// Something that cannot be followed; the text says what.
    Unusable(String),
}

impl Colours {
    /// By the code points of ITU-T H.273 for primaries and tone curve.
    pub fn of_code_points(primaries: u8, transfer: u8) -> Self {
        // Unspecified (2) means that of the medium: of photos, sRGB.
        let or_srgb = |value: u8, srgb: u8| if value == 2 { srgb } else { value };
        let (primaries, transfer) = (or_srgb(primaries, 1), or_srgb(transfer, 13));
        match (primaries, transfer) {
            // Cameras write the tone curves of video and mean that of the display, as browsers take it.
            (1, 1 | 6 | 13 | 14 | 15) => return Self::Srgb,
            (_, 16 | 18) => {
                return Self::Unusable("the photo is HDR, whose colours are not tone-mapped here".to_owned());
            }
            _ => (),
        }
        let transfer = if matches!(transfer, 1 | 6 | 14 | 15) { 13 } else { transfer };
        let known = CicpColorPrimaries::try_from(primaries)
            .and_then(|p| Ok((p, TransferCharacteristics::try_from(transfer)?)));
        let Ok((color_primaries, transfer_characteristics)) = known else {
            return Self::Unusable(format!("code points {primaries} and {transfer} are not known"));
        };
        let profile = ColorProfile::new_from_cicp(CicpProfile {
            color_primaries,
            transfer_characteristics,
            matrix_coefficients: MatrixCoefficients::Identity,
            full_range: true,
        });
        if profile.cicp.is_some() && profile.red_trc.is_some() {
            Self::Known(Box::new(profile))
        } else {
            Self::Unusable(format!("code points {primaries} and {transfer} say no colours"))
        }
    }

    /// The chunks of a PNG in the order of their precedence; `icc` is what its iCCP held.
    pub fn of_png(bytes: &[u8], icc: Option<Vec<u8>>) -> Self {
        let mut srgb = false;
        let mut gamma = None;
        let mut primaries = None;
        for (name, data) in png_chunks(bytes) {
            match name {
                b"cICP" if data.len() == 4 => return Self::of_code_points(data[0], data[1]),
                b"sRGB" => srgb = true,
                b"gAMA" => gamma = numbers::<1>(data).map(|[g]| g),
                b"cHRM" => primaries = numbers::<8>(data),
                _ => (),
            }
        }
        match icc {
            Some(icc) => Self::Icc(icc),
            None if srgb => Self::Srgb,
            None => Self::of_numbers(gamma, primaries),
        }
    }

    /// A PNG's gAMA and cHRM (x and y of white, red, green, blue), in 1/100,000.
    fn of_numbers(gamma: Option<u32>, primaries: Option<[u32; 8]>) -> Self {
        let primaries = primaries.map(|p| p.map(|v| v as f32 / 1e5)).filter(|p| {
            // A colour whose y is nothing has no place.
            p.iter().all(|v| *v <= 1.0) && p.iter().skip(1).step_by(2).all(|y| *y > 0.0)
        });
        let others =
            primaries.is_some_and(|p| p.iter().zip(SRGB_PRIMARIES).any(|(a, b)| (a - b).abs() > 0.002));
        // With the primaries of sRGB, the gamma nearest to its curve means that curve.
        let gamma = gamma.filter(|&g| g > 0 && (others || g.abs_diff(SRGB_GAMMA) > GAMMA_SLACK));
        if gamma.is_none() && !others {
            return Self::Srgb;
        }
        let mut profile = ColorProfile::new_srgb();
        profile.cicp = None;
        if let Some([wx, wy, rx, ry, gx, gy, bx, by]) = primaries {
            let at = Chromaticity::new;
            let primaries = ColorPrimaries { red: at(rx, ry), green: at(gx, gy), blue: at(bx, by) };
            profile.update_rgb_colorimetry(at(wx, wy).to_xyyb(), primaries);
        }
        if let Some(gamma) = gamma {
            let curve = ToneReprCurve::Parametric(vec![1e5 / gamma as f32]);
            profile.red_trc = Some(curve.clone());
            profile.green_trc = Some(curve.clone());
            profile.blue_trc = Some(curve);
        }
        Self::Known(Box::new(profile))
    }

    /// The profile, unless all is sRGB.
    fn profile(self) -> Result<Option<ColorProfile>, String> {
        match self {
            Self::Srgb => Ok(None),
            Self::Known(profile) => Ok(Some(*profile)),
            Self::Unusable(reason) => Err(reason),
            Self::Icc(bytes) => match guarded(|| ColorProfile::new_from_slice(&bytes)) {
                Ok(profile) => Ok(Some(profile)),
                Err(reason) => Err(format!("its colour profile is damaged ({reason})")),
            },
        }
    }
}

/// Converts a photo to sRGB, if it is not. Where that cannot be done, the photo comes back as it was, with the reason.
pub fn to_srgb(image: DynamicImage, colours: Colours) -> (DynamicImage, Option<String>) {
    let profile = match colours.profile() {
        Ok(Some(profile)) => profile,
        Ok(None) => return (image, None),
        Err(reason) => return (image, Some(reason)),
    };
    let grey = !image.color().has_color();
    let result = match profile.color_space {
        DataColorSpace::Gray if grey => grey_to_srgb(&image, &profile),
        // A grey photo with a profile of colours has as much of each.
        DataColorSpace::Rgb => rgb_to_srgb(&image, &profile),
        other => Err(format!("its colour profile is one of {other:?}, which its pixels are not")),
    };
    match result {
        Ok(converted) => (converted.unwrap_or(image), None),
        Err(reason) => (image, Some(reason)),
    }
}

/// Converts ink (cyan, magenta, yellow, black, 255 = full) to RGB8 by the embedded profile.
///
/// # Errors
/// Why the profile cannot be used.
pub fn ink_to_srgb(ink: &[u8], icc: Vec<u8>) -> Result<Vec<u8>, String> {
    let profile = Colours::Icc(icc).profile()?.unwrap_or_default();
    if profile.color_space != DataColorSpace::Cmyk {
        return Err(format!(
            "its colour profile is one of {:?}, which its pixels are not",
            profile.color_space
        ));
    }
    let mut rgb = vec![0; ink.len() / 4 * 3];
    guarded(|| {
        let transform =
            profile.create_transform_8bit(Layout::Rgba, &ColorProfile::new_srgb(), Layout::Rgb, options())?;
        for (from, to) in ink.chunks(4 * RUN).zip(rgb.chunks_mut(3 * RUN)) {
            transform.transform(&from[..to.len() / 3 * 4], to)?;
        }
        Ok(())
    })
    .map_err(unusable)?;
    Ok(rgb)
}

/// `None` where the profile is that of sRGB.
fn rgb_to_srgb(image: &DynamicImage, profile: &ColorProfile) -> Result<Option<DynamicImage>, String> {
    if is_srgb(profile)? {
        return Ok(None);
    }
    let deep = image.color().bits_per_pixel() / u16::from(image.color().channel_count()) > 8;
    let (layout, alpha) = if image.color().has_alpha() { (Layout::Rgba, true) } else { (Layout::Rgb, false) };
    let srgb = ColorProfile::new_srgb();
    guarded(|| {
        // In place: a photo may be as large as memory allows.
        macro_rules! convert {
            ($transform:ident, $buffer:expr) => {{
                let mut buffer = $buffer;
                let transform = profile.$transform(layout, &srgb, layout, options())?;
                let mut out = Vec::new();
                for run in buffer.chunks_mut(RUN * layout.channels()) {
                    out.clear();
                    out.resize(run.len(), Default::default());
                    transform.transform(run, &mut out)?;
                    run.copy_from_slice(&out);
                }
                buffer.into()
            }};
        }
        Ok(Some(match (deep, alpha) {
            (true, true) => convert!(create_transform_16bit, image.to_rgba16()),
            (true, false) => convert!(create_transform_16bit, image.to_rgb16()),
            (false, true) => convert!(create_transform_8bit, image.to_rgba8()),
            (false, false) => convert!(create_transform_8bit, image.to_rgb8()),
        }))
    })
    .map_err(unusable)
}

/// The same of a grey photo, by a table: it has no more than 65,536 values.
fn grey_to_srgb(image: &DynamicImage, profile: &ColorProfile) -> Result<Option<DynamicImage>, String> {
    let table = guarded(|| {
        let transform = profile.create_transform_16bit(
            Layout::Gray,
            &ColorProfile::new_srgb(),
            Layout::Rgb,
            options(),
        )?;
        let levels: Vec<u16> = (0..=u16::MAX).collect();
        let mut rgb = vec![0; levels.len() * 3];
        transform.transform(&levels, &mut rgb)?;
        Ok(rgb.chunks_exact(3).map(|p| p[1]).collect::<Vec<u16>>())
    })
    .map_err(unusable)?;
    let level = |v: u16| table[usize::from(v)];
    let same = (0..=255).all(|v: u8| ((level(u16::from(v) * 257) / 257) as u8).abs_diff(v) <= SAME);
    if same {
        return Ok(None);
    }
    let mut grey = image.to_luma_alpha16();
    grey.pixels_mut().for_each(|p| p.0[0] = level(p.0[0]));
    let grey = DynamicImage::from(grey);
    Ok(Some(if image.color().has_alpha() { grey } else { grey.into_luma16().into() }))
}

/// Whether colours mean what they do in sRGB.
fn is_srgb(profile: &ColorProfile) -> Result<bool, String> {
    let level = |i: u32| (i * 255 / (PROBES - 1)) as u8;
    let colours = (0..PROBES.pow(3)).flat_map(|i| [i / PROBES / PROBES, i / PROBES % PROBES, i % PROBES]);
    let greys = (0..=255u8).flat_map(|v| [v; 3]);
    let probes: Vec<u8> = colours.map(level).chain(greys).collect();
    let mut seen = vec![0; probes.len()];
    guarded(|| {
        let transform =
            profile.create_transform_8bit(Layout::Rgb, &ColorProfile::new_srgb(), Layout::Rgb, options())?;
        transform.transform(&probes, &mut seen)
    })
    .map_err(unusable)?;
    Ok(probes.iter().zip(&seen).all(|(a, b)| a.abs_diff(*b) <= SAME))
}

fn options() -> TransformOptions {
    // The few more seconds of a large photo are spent once.
    TransformOptions { prefer_fixed_point: false, ..TransformOptions::default() }
}

fn unusable(reason: String) -> String {
    format!("its colour profile cannot be used ({reason})")
}

/// Runs what reads a profile, which may be anybody's bytes: a panic there is one more way in which it is damaged.
fn guarded<T>(run: impl FnOnce() -> Result<T, moxcms::CmsError>) -> Result<T, String> {
    match std::panic::catch_unwind(std::panic::AssertUnwindSafe(run)) {
        Ok(result) => result.map_err(|e| e.to_string()),
        Err(_) => Err("it cannot be read".to_owned()),
    }
}

/// Name and data of a PNG's chunks before its pixels.
fn png_chunks(bytes: &[u8]) -> impl Iterator<Item = (&[u8; 4], &[u8])> {
    let mut rest = bytes.get(8..).unwrap_or_default();
    std::iter::from_fn(move || {
        let length = u32::from_be_bytes(*rest.first_chunk::<4>()?) as usize;
        let name = rest.get(4..8)?.first_chunk::<4>()?;
        let data = rest.get(8..8usize.checked_add(length)?)?;
        rest = rest.get(8 + length + 4..).unwrap_or_default();
        (name != b"IDAT").then_some((name, data))
    })
}

fn numbers<const N: usize>(data: &[u8]) -> Option<[u32; N]> {
    let (numbers, rest) = data.as_chunks::<4>();
    rest.is_empty()
        .then(|| numbers.iter().map(|&n| u32::from_be_bytes(n)).collect::<Vec<_>>())?
        .try_into()
        .ok()
}
