// SPDX-License-Identifier: MIT OR Apache-2.0
//! Everything that is known of a photo before its first frame.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex, OnceLock, Weak};
use std::time::SystemTime;

use tch::Device;

use super::alpha::{self, Alpha};
use super::crop::Crop;
use super::error::PhotoError;
use super::eyes::LargeEyes;
use super::picture::Picture;
use super::recipe::Square;
use super::sources::{Seen, Sources};
use super::view::View;
use super::{drawing, eyes, foreground, glasses, matte, mouth, plate, read};
use crate::face::find::{Face, FaceChoice, Finder, Mesh, RgbView, Spot, from_left, places};
use crate::face::landmark::indices::{CHIN, FOREHEAD, LIPS_OUTER};
use crate::face::landmark::{COUNT, Pose, pose};
use crate::pack::sync::lock;
use crate::pack::{Pack, PackError};

/// Height of the smallest usable face, forehead to chin, in pixels.
const MIN_FACE: usize = 64;

/// Share of the landmarks beyond the border from which a face is cut off, the same for its lips, and from which it is only
/// worth a warning.
const CUT: f32 = 0.4;
const LIPS_CUT: f32 = 0.3;
const NEAR_CUT: f32 = 0.02;

/// Degrees of yaw from which half of the face is not seen well.
const PROFILE: f32 = 35.0;

/// Degrees of roll from which the photo rather than the head is turned.
const SIDEWAYS: f32 = 45.0;

/// An analysed photo. Picture units: 0 to 1 over the crop, z in the unit of x.
#[derive(Debug)]
pub struct Portrait {
    /// The file.
    pub path: PathBuf,
    /// The whole photo, upright, sRGB.
    pub photo: Picture,
    /// What of it is transparent.
    pub alpha: Option<Alpha>,
    /// Where in it the picture lies.
    pub crop: Crop,
    /// The square around the face that is animated, of the pack's resolution.
    pub picture: Picture,
    /// Radians by which the square that the pack's networks see is turned about the middle of the crop.
    pub angle: f32,
    /// 478 landmarks in picture units.
    pub landmarks: Vec<[f32; 3]>,
    /// The same with the pose removed: the person's own neutral face.
    pub neutral: Vec<[f32; 3]>,
    /// The pose in the photo.
    pub pose: Pose,
    /// One byte a pixel of the picture, 255 = person.
    pub matte: Vec<u8>,
    /// The person's own colours in the picture, once somebody asked.
    foreground: OnceLock<Picture>,
    /// The picture without the person.
    pub plate: Picture,
    /// What the pack's networks see in it.
    pub sources: Sources,
    /// `[K, D]` latents that give back the photo.
    pub source_latents: Vec<f32>,
    /// The mouth painter's appearance code, of a pack that has one.
    pub mouth_code: Vec<f32>,
    /// The eye painter's appearance codes, one row an eye, of a pack that has one.
    pub eye_code: Vec<f32>,
    /// How what is behind the face moves when the head turns, from the pack's `parallax`; empty where it has none.
    pub parallax: Vec<f32>,
    /// Whether something covers the mouth.
    pub covered: bool,
    /// Whether glasses are worn, as far as that can be seen on the nose.
    pub glasses: bool,
    /// What its eyes are where they are larger than people's.
    pub large_eyes: Option<LargeEyes>,
    /// What the user should know of this photo.
    pub warnings: Vec<String>,
    /// The matte of a square of the photo that is larger than the crop, once a picture needed it.
    pub(super) square_mask: Mutex<Option<(Crop, Arc<[u8]>)>>,
    /// Why its mouth does not close cleanly: of no interest where it is not to close.
    pub gaping: Option<String>,
}

/// What makes two analyses the same.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    path: PathBuf,
    modified: Option<SystemTime>,
    length: u64,
    /// The chosen face, as text.
    face: String,
    pack: PathBuf,
    id: String,
    device: String,
}

/// A lock a photo: who comes second waits for the first and shares the result.
type Slot = Arc<Mutex<Weak<Portrait>>>;

static ANALYSED: LazyLock<Mutex<HashMap<Key, Slot>>> = LazyLock::new(Mutex::default);

impl Portrait {
    /// The person's own colours in the picture, without those of the background that shines through.
    pub fn foreground(&self) -> &Picture {
        if self.alpha.as_ref().is_some_and(|alpha| alpha.cut_out) {
            return &self.picture;
        }
        self.foreground.get_or_init(|| foreground::colours(&self.picture, &self.matte))
    }

    /// As [`Portrait::analyse_face`] for the photo's largest face.
    ///
    /// # Errors
    /// The same.
    pub fn analyse(path: &Path, pack: &Arc<Pack>, device: Device) -> Result<Arc<Self>, PhotoError> {
        Self::analyse_face(path, FaceChoice::default(), pack, device)
    }

    /// Reads a photo, finds the chosen one of its faces and measures all that the renderer needs. Elements and streams that ask
    /// for the same face of the same photo, pack and device share one portrait for as long as somebody holds it.
    ///
    /// # Errors
    /// Where the file is no photo, it shows no usable face or not so many, or the pack's models fail.
    pub fn analyse_face(
        path: &Path,
        choice: FaceChoice,
        pack: &Arc<Pack>,
        device: Device,
    ) -> Result<Arc<Self>, PhotoError> {
        let file = std::fs::metadata(path).ok();
        let key = Key {
            path: path.canonicalize().unwrap_or_else(|_| path.to_owned()),
            modified: file.as_ref().and_then(|m| m.modified().ok()),
            length: file.as_ref().map_or(0, std::fs::Metadata::len),
            face: choice.to_string(),
            pack: pack.dir().to_owned(),
            id: pack.id(),
            device: format!("{device:?}"),
        };
        let slot = {
            let mut analysed = lock(&ANALYSED);
            // Slots that nobody waits for and whose portrait is gone.
            analysed.retain(|_, slot| Arc::strong_count(slot) > 1 || lock(slot).strong_count() > 0);
            Arc::clone(analysed.entry(key).or_default())
        };
        let mut shared = lock(&slot);
        if let Some(portrait) = shared.upgrade() {
            return Ok(portrait);
        }
        let portrait = Arc::new(measure(path, choice, pack, device)?);
        *shared = Arc::downgrade(&portrait);
        Ok(portrait)
    }

    /// What a picture of a shape, width over height, shows of the photo: see [`View::around`].
    pub fn view(&self, shape: f32) -> View {
        let size = [self.photo.width, self.photo.height];
        View::around(self.crop, size, (&self.picture, &self.matte), &self.landmarks, shape)
    }
}

/// A photo that was read, and the chosen face in it.
struct Found {
    photo: Picture,
    mask: Option<Vec<u8>>,
    /// What networks see of it where parts of it are transparent: grey there, whatever colours it hides.
    grey: Option<Picture>,
    /// Landmarks in pixels.
    face: Vec<[f32; 3]>,
    warnings: Vec<String>,
}

impl Found {
    fn new(path: &Path, choice: FaceChoice, pack: &Arc<Pack>, device: Device) -> Result<Self, PhotoError> {
        let read::Photo { picture: photo, alpha: mask, warning } = read::read(path)?;
        let (width, height) = (photo.width, photo.height);
        let too_small = || PhotoError::TooSmall { path: path.to_owned(), width, height, needed: MIN_FACE };
        if width.min(height) < MIN_FACE {
            return Err(too_small());
        }
        let grey = mask.as_deref().map(|mask| alpha::over_grey(&photo, mask));
        let seen = grey.as_ref().unwrap_or(&photo);
        let view = RgbView::new(&seen.rgb, width * 3, width, height).ok_or_else(too_small)?;
        let failed = |source: PackError| PhotoError::Pack { path: path.to_owned(), source };
        let mut faces = Finder::new(pack, device).and_then(|mut f| f.find_all(&view)).map_err(failed)?;
        faces.retain(|face| !drawing::is_no_face(&view, face, pack.mean_face()));
        let mut warnings: Vec<String> = warning.into_iter().collect();
        let face = choose(path, choice, &faces, width, height, &mut warnings)?.to_vec();
        Ok(Self { photo, mask, grey, face, warnings })
    }
}

/// The largest face of a photo of which nothing else is wanted: normalised landmarks, and the pose in pixels.
///
/// # Errors
/// As [`Portrait::analyse`].
pub fn largest_face(
    path: &Path,
    pack: &Arc<Pack>,
    device: Device,
) -> Result<(Vec<[f32; 3]>, Pose), PhotoError> {
    let Found { face, .. } = Found::new(path, FaceChoice::default(), pack, device)?;
    let pose = pose::decompose(&face, pack.mean_face());
    let mut neutral = vec![[0.0; 3]; face.len()];
    pose.remove(&face, &mut neutral);
    Ok((neutral, pose))
}

fn measure(
    path: &Path,
    choice: FaceChoice,
    pack: &Arc<Pack>,
    device: Device,
) -> Result<Portrait, PhotoError> {
    let failed = |source: PackError| PhotoError::Pack { path: path.to_owned(), source };
    let Found { photo, mask, grey, face, mut warnings } = Found::new(path, choice, pack, device)?;
    let (width, height) = (photo.width, photo.height);
    let seen = grey.as_ref().unwrap_or(&photo);
    let too_small = || PhotoError::TooSmall { path: path.to_owned(), width, height, needed: MIN_FACE };
    let view = RgbView::new(&seen.rgb, width * 3, width, height).ok_or_else(too_small)?;
    let corner = |i: usize| [face[i][0], face[i][1]];
    let (forehead, chin) = (corner(FOREHEAD), corner(CHIN));
    let segmenter = pack.stage("matte", device).map_err(failed)?;
    let square = match &pack.manifest().crop {
        Some(recipe) => Square::around(&face, recipe),
        None => {
            let crown = matte::crown(seen, forehead, chin, &segmenter).map_err(failed)?;
            let crop = Crop::around(forehead, chin, width, height);
            crop.with_crown(crown, forehead, chin, width, height).rounded().into()
        }
    };
    let crop = square.crop;
    let size = pack.manifest().picture.resolution as usize;
    let picture = View::from(crop).cut(&photo, size, size);
    // Crop and pose are what the mesh says, which made them of all faces that the networks have seen.
    let own = crop.shares(face.iter().copied());
    let pose = pose::decompose(&own, pack.mean_face());
    let glasses = glasses::worn(&view, &face);
    let fitted = eyes::fitted(&view, &face, glasses, || Mesh::new(pack, device)).map_err(failed)?;
    let large_eyes = fitted.as_ref().map(|(_, eyes)| LargeEyes { iris: eyes.iris / crop.side, ..*eyes });
    let landmarks = fitted.map_or_else(|| own.clone(), |(landmarks, _)| crop.shares(landmarks));
    if pose.yaw.abs() > PROFILE {
        warnings.push(format!(
            "the face in {path:?} is turned by {:.0} degrees: a photo that looks into the camera animates better",
            pose.yaw.abs()
        ));
    }
    if pose.roll.abs() > SIDEWAYS {
        warnings
            .push(format!("the face in {path:?} lies on its side: rotate the photo so that it is upright"));
    }
    let mut neutral = vec![[0.0; 3]; landmarks.len()];
    pose.remove(&landmarks, &mut neutral);
    let covered = mouth::is_covered(&view, &face);
    if covered {
        warnings.push(format!(
            "something covers the mouth in {path:?}: it is left as it is, only head and eyes move; use a photo in which the \
             mouth is seen"
        ));
    }
    let gaping = mouth::too_wide(&neutral, pose.yaw).filter(|_| !covered).map(|why| {
        format!("the mouth in {path:?} {why}: it will not close cleanly; use a photo with the mouth closed or a little open")
    });
    let seen_picture = grey.as_ref().map(|grey| crop.cut(grey, size));
    let seen_picture = seen_picture.as_ref().unwrap_or(&picture);
    let mut matte = matte::matte(seen, &crop, seen_picture, &landmarks, &segmenter).map_err(failed)?;
    let alpha = mask.map(|mask| {
        let own = crop.cut_mask(&mask, width, height, size);
        let cut_out = alpha::is_cut_out(&own, &matte);
        matte = if cut_out { own } else { alpha::within(&matte, &own) };
        Alpha { mask, cut_out }
    });
    let plate = match &alpha {
        // There is nothing behind the person.
        Some(Alpha { cut_out: true, .. }) => picture.clone(),
        _ => plate::plate(&picture, &matte),
    };
    let seen = Seen { photo: &photo, picture: &picture, square, landmarks: &landmarks, pose };
    let sources = Sources::measure(&seen, pack, device).map_err(failed)?;
    let numbers = |name| sources.numbers(name).map_err(failed);
    let (source_latents, mut mouth_code, eye_code) =
        (numbers("source_latents")?, numbers("mouth_code")?, numbers("eye_code")?);
    if large_eyes.is_some() {
        // Painters know mouths beside eyes as the mesh gives them to a face.
        let sources = Sources::measure(&Seen { landmarks: &own, ..seen }, pack, device).map_err(failed)?;
        mouth_code = sources.numbers("mouth_code").map_err(failed)?;
    }
    let parallax = numbers("parallax")?;
    let path = path.to_owned();
    Ok(Portrait {
        path,
        photo,
        alpha,
        crop,
        angle: square.angle,
        picture,
        landmarks,
        neutral,
        pose,
        matte,
        foreground: OnceLock::new(),
        plate,
        sources,
        source_latents,
        mouth_code,
        eye_code,
        parallax,
        covered,
        glasses,
        large_eyes,
        warnings,
        square_mask: Mutex::default(),
        gaping,
    })
}

/// The chosen face, if it can be used.
fn choose<'a>(
    path: &Path,
    choice: FaceChoice,
    faces: &'a [Face],
    width: usize,
    height: usize,
    warnings: &mut Vec<String>,
) -> Result<&'a [[f32; 3]], PhotoError> {
    let path = path.to_owned();
    let found = |face: &Face| face.height().round() as usize;
    let spotted = faces.iter().filter(|face| face.landmarks.len() == COUNT).filter_map(|face| {
        Spot::around(face.landmarks.iter().map(|p| [p[0], p[1]])).map(|spot| (face, spot))
    });
    let (mut usable, small): (Vec<_>, Vec<_>) = spotted.partition(|(face, _)| found(face) >= MIN_FACE);
    // Faces in the background neither count nor can be chosen; where there are no others it is said why.
    if usable.is_empty() {
        usable = small;
    }
    if usable.is_empty() {
        return Err(PhotoError::NoFace { path });
    }
    let spots: Vec<Spot> = usable.iter().map(|(_, spot)| *spot).collect();
    let size = (width as f32, height as f32);
    let places = || {
        let numbered: Vec<_> = (1..).zip(from_left(&spots)).map(|(n, index)| (n, spots[index])).collect();
        places(&numbered, size)
    };
    // They come in the order of their height.
    let chosen = if choice == FaceChoice::Largest { Some(0) } else { choice.among(&spots, size) };
    let Some((face, _)) = chosen.and_then(|index| usable.get(index)) else {
        let (asked, faces) = (choice.to_string(), spots.len());
        return Err(PhotoError::NoSuchFace { path, asked, faces, places: places() });
    };
    let found = found(face);
    if found < MIN_FACE {
        return Err(PhotoError::FaceTooSmall { path, found, needed: MIN_FACE });
    }
    let beyond = |p: &&[f32; 3]| p[0] < 0.0 || p[1] < 0.0 || p[0] > width as f32 || p[1] > height as f32;
    let outside = face.landmarks.iter().filter(beyond).count() as f32 / COUNT as f32;
    let lips = LIPS_OUTER.iter().map(|&i| &face.landmarks[i]).filter(beyond).count() as f32;
    if outside > CUT || lips > LIPS_CUT * LIPS_OUTER.len() as f32 {
        return Err(PhotoError::FaceCut { path, outside: (100.0 * outside).round() as usize });
    }
    if spots.len() > 1 && choice == FaceChoice::Largest {
        warnings.push(format!(
            "{path:?} shows {} faces, from the left {}: the largest is animated; set the property `face` to a number, left, \
             right or x,y to choose another",
            spots.len(),
            places()
        ));
    }
    if outside > NEAR_CUT {
        warnings
            .push(format!("the face in {path:?} is cut by the border: it is animated as the photo shows it"));
    }
    Ok(&face.landmarks)
}
