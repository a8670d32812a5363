// SPDX-License-Identifier: MIT OR Apache-2.0
//! Model packs: a folder with `pack.toml`, TorchScript stages and their golden numbers.
//!
//! [`Pack::open`] finds a pack by name or folder, checks that it may be trusted (`trust`), and hands out its
//! stages ([`Stage`]). Packs and stages are shared by all elements of the process that use them.

mod ahead;
mod archive;
mod calloff;
mod calls;
mod draft;
mod error;
mod float16;
pub mod gate;
mod int8;
mod locate;
mod look_ahead;
mod manifest;
mod narrow;
mod passes;
mod pickle;
pub mod profile;
mod promise;
mod quick;
mod roles;
mod scratch;
mod script;
mod shapes;
mod stage;
pub(crate) mod sync;
mod threads;
mod trust;
pub(crate) mod workers;

use std::collections::HashMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex, Weak};

use safetensors::{Dtype, SafeTensors};

pub use ahead::Ahead;
pub use calloff::CallOff;
pub use error::PackError;
#[cfg(test)]
pub use gate::seen;
pub use locate::set_plugin_file;
pub use look_ahead::LookAhead;
pub use manifest::{Between, CropRecipe, HeadPoses, Manifest, Preference, RendererKind};
pub use passes::Drawing;
pub use promise::SAMPLE_RATE;
pub use stage::{Outputs, Stage, parse_device, read};
pub use threads::ThreadLimit;

use crate::pack::sync::lock;
use manifest::{Precision, StageEntry, Weights};
use quick::Quick;

static CAT: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    gst::DebugCategory::new(
        "portraitpack",
        gst::DebugColorFlags::empty(),
        Some("Model packs and their stages"),
    )
});

/// Emotion labels in the order of the emotion vector; the zero vector is neutral.
pub const EMOTIONS: [&str; 8] =
    ["neutral", "happy", "sad", "surprise", "fear", "angry", "disgust", "contempt"];

/// The pack that ships with the plugin.
pub const DEFAULT_PACK: &str = "lite";

/// Landmarks of a face.
pub const LANDMARKS: usize = 478;

/// Numbers in a pose: yaw, pitch, roll in degrees, x, y, z, scale in picture units.
pub const POSE_LEN: usize = 7;

/// Numbers in the controls of the face as applied: gaze yaw and pitch in degrees, closure of the lids, mouth gain, expression
/// gain, brow gain, mouth base.
pub const FACE_LEN: usize = 7;

/// Numbers that tell what of a face in a video drives.
pub const DRIVE_LEN: usize = 4;

/// Most packs that extend each other.
const MAX_CHAIN: usize = 8;

/// Largest manifest and mean face.
const MAX_TEXT_BYTES: u64 = 1 << 20;

/// Largest file of a stage.
const MAX_STAGE_BYTES: u64 = 2 << 30;

/// A lock a stage: who comes second waits for the first and shares the stage; others are loaded meanwhile.
type Slot = Arc<Mutex<Weak<Stage>>>;

/// A model pack, its manifest checked and trusted. Shared: opening the same folder twice gives the same pack.
#[derive(Debug)]
pub struct Pack {
    dir: PathBuf,
    manifest: Manifest,
    stages: Mutex<HashMap<(String, String), Slot>>,
    mean_face: Vec<[f32; 3]>,
    /// The pack that it extends.
    base: Option<Arc<Pack>>,
}

static OPEN: LazyLock<Mutex<HashMap<PathBuf, Weak<Pack>>>> = LazyLock::new(Mutex::default);

impl Pack {
    /// Opens a pack by name (`lite`) or folder.
    ///
    /// # Errors
    /// Where it is not found, not trusted, damaged, or its manifest is not usable; the same of a pack that it extends.
    pub fn open(name: &str) -> Result<Arc<Self>, PackError> {
        let dir = locate::find(name)?;
        Self::open_dir(dir, &mut lock(&OPEN), &[])
    }

    /// `before` are the packs that extend it, the first one first.
    fn open_dir(
        dir: PathBuf,
        open: &mut HashMap<PathBuf, Weak<Self>>,
        before: &[&Path],
    ) -> Result<Arc<Self>, PackError> {
        if let Some(pack) = open.get(&dir).and_then(Weak::upgrade) {
            return Ok(pack);
        }
        let pack = Arc::new(Self::read(&dir, open, before)?);
        open.insert(dir, Arc::downgrade(&pack));
        Ok(pack)
    }

    fn read(
        dir: &Path,
        open: &mut HashMap<PathBuf, Weak<Self>>,
        before: &[&Path],
    ) -> Result<Self, PackError> {
        let path = dir.join("pack.toml");
        let text = read_file(&path, MAX_TEXT_BYTES)?;
        trust::check_manifest(dir, &text)?;
        let base = |name: &str| Self::open_base(name, dir, open, before);
        let (manifest, base) = Manifest::parse(&path, &text, base)?;
        let mean_face = match &base {
            Some(base) if manifest.inherits_landmarks => base.mean_face.clone(),
            _ => {
                let path = dir.join(&manifest.landmarks.mean_face);
                let bytes = trust::check_file(&path, &manifest.landmarks.mean_face_sha256, MAX_TEXT_BYTES)?;
                parse_mean_face(&path, &bytes, manifest.landmarks.count)?
            }
        };
        Ok(Self { dir: dir.to_owned(), manifest, stages: Mutex::default(), mean_face, base })
    }

    /// The pack that the one in `dir` extends.
    fn open_base(
        name: &str,
        dir: &Path,
        open: &mut HashMap<PathBuf, Weak<Self>>,
        before: &[&Path],
    ) -> Result<Arc<Self>, PackError> {
        let refused =
            |reason: String| PackError::Base { path: dir.to_owned(), base: name.to_owned(), reason };
        let found = locate::find_beside(name, dir)
            .map_err(|error| refused(format!("{error}; put that pack beside this one")))?;
        let chain: Vec<&Path> = before.iter().copied().chain([dir]).collect();
        if let Some(at) = chain.iter().position(|other| *other == found) {
            let name = |dir: &&Path| dir.file_name().map_or_else(String::new, |n| n.to_string_lossy().into());
            let circle: Vec<String> = chain[at..].iter().chain([&&*found]).map(name).collect();
            return Err(refused(format!(
                "they extend each other in a circle ({}); one of them has to stand alone",
                circle.join(" -> ")
            )));
        }
        if chain.len() >= MAX_CHAIN {
            return Err(refused(format!("more than {MAX_CHAIN} packs extend each other")));
        }
        Self::open_dir(found, open, &chain).map_err(|error| match error {
            // The innermost one says it.
            PackError::Base { .. } | PackError::Untrusted { .. } => error,
            error => refused(error.to_string()),
        })
    }

    /// What `pack.toml` says.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The pack's folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// `id/version`, as in the caps of its streams.
    pub fn id(&self) -> String {
        format!("{}/{}", self.manifest.pack.id, self.manifest.pack.version)
    }

    /// Normalised landmarks of the mean face, `[N, 3]`.
    pub fn mean_face(&self) -> &[[f32; 3]] {
        &self.mean_face
    }

    /// Loads a stage on a device, or returns the one that another element of the process loaded.
    ///
    /// # Errors
    /// Where the manifest has no such stage, its file is damaged or holds what a model may not, or libtorch refuses.
    pub fn stage(&self, name: &str, device: tch::Device) -> Result<Arc<Stage>, PackError> {
        let key = (name.to_owned(), format!("{device:?}"));
        let entry = self
            .manifest
            .stages
            .get(name)
            .ok_or_else(|| PackError::NoStage { pack: self.id(), stage: name.to_owned() })?;
        if let Some(base) = self.base.as_ref().filter(|_| entry.inherited) {
            return base.stage(name, device);
        }
        let slot = Arc::clone(lock(&self.stages).entry(key).or_default());
        let mut shared = lock(&slot);
        if let Some(stage) = shared.upgrade() {
            return Ok(stage);
        }
        let ways = if device == tch::Device::Cpu { quick::ways(entry)? } else { Vec::new() };
        let stage = Arc::new(self.load(name, entry, device, &ways)?);
        gst::info!(CAT, "stage {name} of {} computes in {}", self.id(), stage.precision());
        *shared = Arc::downgrade(&stage);
        Ok(stage)
    }

    /// Loads a stage; in the first of those ways of computing that its code allows, else in what the pack says.
    fn load(
        &self,
        name: &str,
        entry: &StageEntry,
        device: tch::Device,
        ways: &[Quick<'_>],
    ) -> Result<Stage, PackError> {
        let path = self.dir.join(&entry.file);
        let compute = &self.manifest.compute;
        let wanted = if device.is_cuda() { compute.cuda } else { compute.cpu };
        let precision = entry.precision.unwrap_or(wanted);
        let load = |quick| {
            let bytes = trust::check_file(&path, &entry.sha256, MAX_STAGE_BYTES)?;
            let checked = archive::rebuild(&path, &bytes, entry.weights == Weights::Float16, quick)?;
            // While libtorch reads, the file would only take memory.
            drop(bytes);
            Stage::load(name, entry, &checked, device, precision, quick)
        };
        for &quick in ways.iter().filter(|_| precision == Precision::Fp32) {
            match load(Some(quick)) {
                Ok(stage) => return Ok(stage),
                Err(error) => {
                    gst::warning!(CAT, "stage {name} does not compute in {}: {error}", quick.name())
                }
            }
        }
        load(None)
    }
}

/// Reads a file of a pack that is no larger than that, and that lies in its folder: a link out of it, a device or a pipe is none.
fn read_file(path: &Path, limit: u64) -> Result<Vec<u8>, PackError> {
    let unreadable = |source| PackError::Read { path: path.to_owned(), source };
    let wrong = |reason: String| PackError::Manifest { path: path.to_owned(), reason };
    let own = path.canonicalize().map_err(unreadable)?;
    let dir = path.parent().unwrap_or(Path::new("/")).canonicalize().map_err(unreadable)?;
    if !own.starts_with(&dir) {
        return Err(wrong(format!(
            "it leads to {own:?}, out of the pack's folder, where a file of its own must stand"
        )));
    }
    let metadata = own.metadata().map_err(unreadable)?;
    if !metadata.is_file() || metadata.len() > limit {
        return Err(wrong(format!("it is no file of at most {limit} bytes")));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or(0) + 1);
    std::fs::File::open(&own)
        .and_then(|file| file.take(limit).read_to_end(&mut bytes))
        .map_err(unreadable)?;
    Ok(bytes)
}

/// The tensor `mean_face` of a safetensors file; `path` is for error messages.
fn parse_mean_face(path: &Path, bytes: &[u8], count: usize) -> Result<Vec<[f32; 3]>, PackError> {
    let wrong = |reason: String| PackError::Manifest { path: path.to_owned(), reason };
    let file = SafeTensors::deserialize(bytes).map_err(|e| wrong(format!("{e:?}")))?;
    let tensor = file.tensor("mean_face").map_err(|_| wrong("it holds no tensor mean_face".to_owned()))?;
    if tensor.dtype() != Dtype::F32 || tensor.shape() != [count, 3] {
        return Err(wrong(format!("mean_face is not [{count}, 3] of float32")));
    }
    let number = |bytes: &[u8; 4]| f32::from_le_bytes(*bytes);
    let (numbers, _) = tensor.data().as_chunks::<4>();
    let (points, _) = numbers.as_chunks::<3>();
    if !numbers.iter().map(number).all(f32::is_finite) {
        return Err(wrong("mean_face holds a NaN or an infinity".to_owned()));
    }
    Ok(points.iter().map(|p| p.each_ref().map(number)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_pack_loads_every_stage_and_shares_it() {
        let pack = Pack::open(DEFAULT_PACK).unwrap();
        for name in pack.manifest().stages.keys() {
            let stage = pack.stage(name, tch::Device::Cpu).unwrap();
            assert!(stage.is_plain(), "{name} only runs once it is optimized: the start is twice as long");
        }
        assert!(Arc::ptr_eq(&pack, &Pack::open(DEFAULT_PACK).unwrap()));
        let stage = pack.stage("features", tch::Device::Cpu).unwrap();
        assert!(Arc::ptr_eq(&stage, &pack.stage("features", tch::Device::Cpu).unwrap()));
        assert!(matches!(pack.stage("absent", tch::Device::Cpu), Err(PackError::NoStage { .. })));
    }

    #[test]
    fn what_is_no_pack_is_named_with_the_places_that_were_searched() {
        let error = Pack::open("no-such-pack").unwrap_err().to_string();
        assert!(error.contains("no-such-pack") && error.contains("model-pack"), "{error}");
    }

    #[test]
    fn a_stage_of_wrong_input_is_an_error_and_not_a_panic() {
        let pack = Pack::open(DEFAULT_PACK).unwrap();
        let stage = pack.stage("features", tch::Device::Cpu).unwrap();
        assert!(stage.run(&[tch::Tensor::zeros([3], (tch::Kind::Float, tch::Device::Cpu))]).is_err());
        assert!(stage.run(&[]).is_err());
    }

    /// Else all streams would hang once the places of the process are lost to passes that failed.
    #[test]
    fn a_stage_that_fails_gives_its_place_back() {
        let pack = Pack::open(DEFAULT_PACK).unwrap();
        let stage = pack.stage("features", tch::Device::Cpu).unwrap();
        for _ in 0..=4 * std::thread::available_parallelism().unwrap().get() {
            assert!(stage.run(&[]).is_err());
        }
        stage.run(&[stage.zero_input(0).unwrap()]).unwrap();
    }

    #[test]
    fn a_stage_waits_while_other_streams_have_all_places() {
        let pack = Pack::open(DEFAULT_PACK).unwrap();
        let stage = pack.stage("pose", tch::Device::Cpu).unwrap();
        let all = gate::enter(usize::MAX);
        std::thread::scope(|scope| {
            let run = scope.spawn(|| stage.run(&[]).is_err());
            while !gate::seen::waits(run.thread()) {
                assert!(!run.is_finished(), "it has not waited");
                std::thread::yield_now();
            }
            drop(all);
            assert!(run.join().unwrap());
        });
    }

    #[test]
    fn a_stage_of_too_few_outputs_is_an_error_that_names_it() {
        let pack = Pack::open(DEFAULT_PACK).unwrap();
        let stage = pack.stage("features", tch::Device::Cpu).unwrap();
        let input = [stage.zero_input(0).unwrap()];
        let [features] = stage.run_for(&input).unwrap();
        assert_eq!(features.size(), [4, 128]);
        let error = stage.run_for::<2>(&input).unwrap_err().to_string();
        assert!(error.contains("features") && error.contains("1 tensors"), "{error}");
    }

    #[test]
    fn a_mean_face_that_is_none_is_refused_with_the_reason() {
        let path = Path::new("mean_face.safetensors");
        let file = |name: &str, numbers: &[f32]| {
            let bytes: Vec<u8> = numbers.iter().flat_map(|v| v.to_le_bytes()).collect();
            let tensor = safetensors::tensor::TensorView::new(Dtype::F32, vec![numbers.len() / 3, 3], &bytes);
            safetensors::serialize([(name, tensor.unwrap())], &None).unwrap()
        };
        let good = file("mean_face", &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        assert_eq!(parse_mean_face(path, &good, 2).unwrap(), [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]);
        for (bytes, reason) in [
            (good, "[3, 3]"),
            (file("other", &[0.0; 9]), "no tensor"),
            (file("mean_face", &[f32::NAN; 9]), "NaN"),
            (b"nothing".to_vec(), "not usable"),
        ] {
            let error = parse_mean_face(path, &bytes, 3).unwrap_err().to_string();
            assert!(error.contains(reason) && error.contains("mean_face.safetensors"), "{error}");
        }
    }

    #[test]
    fn devices_that_are_not_there_are_refused() {
        assert_eq!(parse_device("cpu", Preference::Cuda).unwrap(), tch::Device::Cpu);
        // Whatever devices there are: nobody measured these networks there.
        let lite = Pack::open(DEFAULT_PACK).unwrap().manifest().compute.prefer;
        assert_eq!(parse_device("auto", lite).unwrap(), tch::Device::Cpu);
        assert_eq!(parse_device("auto", Preference::Cuda).unwrap(), tch::Device::cuda_if_available());
        for text in ["cuda:99", "gpu", "", "cuda:", "cuda:-1"] {
            assert!(parse_device(text, Preference::Cpu).is_err(), "{text}");
        }
    }
}
