// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a manifest promises, held against what the plugin can do: a pack that cannot work is refused when it is opened.

use super::manifest::{Between, CropRecipe, Latents, Manifest, RendererKind};
use super::{EMOTIONS, LANDMARKS, shapes};

/// Samples a second of `audiofeatures`' sink pad.
pub const SAMPLE_RATE: u32 = 16_000;

/// Frames a second that streams of a pack may have.
const MIN_FRAME_RATE: f64 = 1.0;
const MAX_FRAME_RATE: f64 = 120.0;

/// Longest window of a frame's features in samples: ten seconds.
const MAX_WINDOW: usize = 160_000;

/// Most rows of a frame's mouth code.
const MAX_CODE_ROWS: usize = 256;

/// Most rows of latents, most numbers of a row, most coefficients.
const MAX_ROWS: usize = 1 << 16;
const MAX_DIMS: usize = 4096;

/// Most frames that a stage takes at once.
const MAX_GROUP: usize = 64;
const MAX_STREAMS: usize = 64;

/// Properties that `[capabilities] controls` may name.
const CONTROLS: [&str; 13] = [
    "blink",
    "gaze",
    "look-away",
    "mouth-gain",
    "expression-gain",
    "brow-gain",
    "mouth-base",
    "yaw",
    "pitch",
    "roll",
    "x",
    "y",
    "scale",
];

/// Of them, those of the head alone: the others are edits of landmarks.
const OF_HEAD: std::ops::Range<usize> = 7..13;

impl Manifest {
    /// The first key that promises what cannot be, and what can.
    pub(super) fn check(&mut self) -> Result<(), String> {
        let expect = |ok: bool, text: &str| if ok { Ok(()) } else { Err(text.to_owned()) };
        // Both stand in the caps of the pack's streams.
        expect(is_word(&self.pack.id), "[pack] id is not a name of letters, digits, . _ + -")?;
        expect(is_word(&self.pack.version), "[pack] version is not of letters, digits, . _ + -")?;
        expect(self.landmarks.schema == "mediapipe-478", "[landmarks] schema is not mediapipe-478")?;
        expect(self.landmarks.count == LANDMARKS, "[landmarks] count is not 478")?;
        expect(
            (64..=2048).contains(&self.picture.resolution),
            "[picture] resolution is not within 64 to 2048",
        )?;
        expect((0.01..=0.4).contains(&self.picture.feather), "[picture] feather is not within 0.01 to 0.4")?;
        self.check_clock()?;
        match self.picture.renderer {
            RendererKind::Warp => self.check_latents()?,
            RendererKind::Neural => self.check_rows()?,
        }
        self.check_emotions()?;
        self.check_pose()?;
        self.crop.as_ref().map_or(Ok(()), check_crop)?;
        if let Between::Coefficients { count } = self.between {
            expect((1..=MAX_DIMS).contains(&count), "[between] count is not within 1 to 4096")?;
        }
        for control in self.capabilities.controls.iter().flatten() {
            if !CONTROLS.contains(&control.as_str()) {
                let all = CONTROLS.join(", ");
                return Err(format!("[capabilities] controls names {control:?}, which is none of {all}"));
            }
        }
        self.check_look_aheads()?;
        shapes::check(self)?;
        for (name, stage) in &self.stages {
            let most = if name == "features" { MAX_GROUP } else { 1 };
            if !(1..=most).contains(&stage.group) {
                return Err(format!("[stages.{name}] group is {}, not within 1 to {most}", stage.group));
            }
            let most = if name == "render" { MAX_STREAMS } else { 1 };
            for (device, streams) in [("cpu", stage.streams.cpu), ("cuda", stage.streams.cuda)] {
                if !(1..=most).contains(&streams) {
                    return Err(format!(
                        "[stages.{name}] streams.{device} is {streams}, not within 1 to {most}"
                    ));
                }
                let all = || stage.inputs.iter().chain(&stage.outputs);
                if streams > 1 && !all().all(|tensor| tensor.shape.first() == Some(&1)) {
                    return Err(format!(
                        "[stages.{name}] streams.{device} is {streams}, but not all of its tensors have a first dimension of 1"
                    ));
                }
            }
        }
        self.check_files()
    }

    fn check_look_aheads(&self) -> Result<(), String> {
        // Each below the one before it: a stage is told its features by their look-ahead.
        let mut above = self.clock.look_ahead_samples;
        for (name, variant) in self.look_ahead.iter() {
            let table = format!("[look-ahead.{}]", name.nick());
            if !self.stages.contains_key(&variant.speech2landmarks) {
                return Err(format!("{table} speech2landmarks names no stage"));
            }
            if variant.samples >= above {
                return Err(format!("{table} samples is not below {above}, that of the longer look-ahead"));
            }
            above = variant.samples;
        }
        Ok(())
    }

    fn check_clock(&self) -> Result<(), String> {
        let clock = &self.clock;
        if clock.sample_rate != SAMPLE_RATE {
            return Err(format!(
                "[clock] sample-rate is {}: audio comes at {SAMPLE_RATE} samples a second, train for that",
                clock.sample_rate
            ));
        }
        let rate = self.frame_rate().filter(|rate| {
            let fps = f64::from(rate.numer()) / f64::from(rate.denom());
            (MIN_FRAME_RATE..=MAX_FRAME_RATE).contains(&fps)
        });
        let Some(rate) = rate else {
            return Err(format!(
                "[clock] frame-rate is {:?}, not N/D of {MIN_FRAME_RATE} to {MAX_FRAME_RATE} frames a second",
                clock.frame_rate
            ));
        };
        let frame = f64::from(SAMPLE_RATE) * f64::from(rate.denom()) / f64::from(rate.numer());
        let (window, ahead) = (clock.window_samples, clock.look_ahead_samples);
        if (window as f64) < frame || window > MAX_WINDOW {
            return Err(format!(
                "[clock] window-samples is {window}, not within a frame ({frame:.0}) and {MAX_WINDOW}"
            ));
        }
        if ahead > window {
            return Err(format!(
                "[clock] look-ahead-samples is {ahead}, more than window-samples ({window})"
            ));
        }
        Ok(())
    }

    /// Whether the pack follows one of the properties that `[capabilities]` may name.
    pub fn follows(&self, control: &str) -> bool {
        match (&self.capabilities.controls, self.between) {
            (Some(named), _) => named.iter().any(|name| name == control),
            (None, Between::Landmarks) => true,
            (None, Between::Coefficients { .. }) => CONTROLS[OF_HEAD].contains(&control),
        }
    }

    fn check_emotions(&self) -> Result<(), String> {
        if self.pack.format == 1 && !self.emotions.iter().eq(EMOTIONS.iter()) {
            return Err("emotions are not the eight of this version, in order".to_owned());
        }
        for (i, emotion) in self.emotions.iter().enumerate() {
            if !EMOTIONS.contains(&emotion.as_str()) || self.emotions[..i].contains(emotion) {
                let all = EMOTIONS.join(", ");
                return Err(format!("emotions names {emotion:?}, which is not one, once, of {all}"));
            }
        }
        Ok(())
    }

    /// Latents of a generator.
    fn check_rows(&self) -> Result<(), String> {
        let Latents { count, dims, control_points, code_rows } = &self.latents;
        if !(1..=MAX_ROWS).contains(count) || !(1..=MAX_DIMS).contains(dims) {
            return Err(format!(
                "[latents] count and dims are {count} and {dims}, not within 1 to {MAX_ROWS} and 1 to {MAX_DIMS}"
            ));
        }
        if !control_points.is_empty() || *code_rows != 0 {
            return Err("[latents] control-points and code-rows are of the renderer warp alone".to_owned());
        }
        Ok(())
    }

    fn check_latents(&self) -> Result<(), String> {
        let Latents { count, dims, control_points, code_rows } = &self.latents;
        if *dims != 3 {
            return Err(format!("[latents] dims is {dims}: the renderer warp needs 3"));
        }
        if control_points.len().checked_add(*code_rows) != Some(*count) {
            return Err("[latents] count is not control-points plus code-rows".to_owned());
        }
        if *code_rows == 0 || *code_rows > MAX_CODE_ROWS {
            return Err(format!("[latents] code-rows is {code_rows}, not within 1 to {MAX_CODE_ROWS}"));
        }
        let mut seen = [false; LANDMARKS];
        for &point in control_points {
            match seen.get_mut(point) {
                Some(seen) if !*seen => *seen = true,
                Some(_) => return Err(format!("[latents] control-points names landmark {point} twice")),
                None => {
                    return Err(format!("[latents] control-points names landmark {point}, of {LANDMARKS}"));
                }
            }
        }
        Ok(())
    }

    fn check_pose(&self) -> Result<(), String> {
        let expect = |ok: bool, text: &str| if ok { Ok(()) } else { Err(text.to_owned()) };
        let pose = &self.pose;
        expect(
            pose.limits.iter().all(|limit| (0.0..=90.0).contains(limit)),
            "[pose] limits are not three angles within 0 to 90",
        )?;
        expect(
            pose.gains.iter().all(|gain| (0.5..=2.0).contains(gain)),
            "[pose] gains are not three factors within 0.5 to 2",
        )?;
        expect(
            pose.growth.iter().all(|growth| (0.0..=1.0).contains(growth)),
            "[pose] growth is not three shares within 0 to 1",
        )?;
        expect(
            // More would turn back what is asked to turn far.
            pose.skew.iter().all(|skew| (-0.1..=0.1).contains(skew)),
            "[pose] skew is not three shares within -0.1 to 0.1",
        )?;
        let mut names: Vec<&String> = pose.styles.iter().collect();
        names.sort();
        names.dedup();
        expect(
            names.len() == pose.styles.len() && names.iter().all(|name| name.split(' ').all(is_word)),
            "[pose] styles are not different names of letters, digits, . _ + - and single spaces",
        )
    }

    fn check_files(&self) -> Result<(), String> {
        let digest = |key: &str, sha256: &str| {
            let right = sha256.len() == 64 && sha256.bytes().all(|b| b.is_ascii_hexdigit());
            if right { Ok(()) } else { Err(format!("{key} is not 64 hexadecimal digits")) }
        };
        let plain = |key: &str, file: &str| {
            if is_plain(file) { Ok(()) } else { Err(format!("{key} {file:?} is not a plain file name")) }
        };
        for (name, entry) in &self.stages {
            plain(&format!("[stages.{name}] file"), &entry.file)?;
            digest(&format!("[stages.{name}] sha256"), &entry.sha256)?;
        }
        for (key, entry) in [("golden", &self.golden), ("card", &self.card)] {
            if let Some(entry) = entry {
                plain(&format!("[{key}] file"), &entry.file)?;
            }
        }
        plain("[landmarks] mean-face", &self.landmarks.mean_face)?;
        digest("[landmarks] mean-face-sha256", &self.landmarks.mean_face_sha256)
    }
}

fn check_crop(crop: &CropRecipe) -> Result<(), String> {
    let CropRecipe { scale, vx, vy, points, .. } = crop;
    if !(0.5..=10.0).contains(scale) {
        return Err(format!("[crop] scale is {scale}, not within 0.5 to 10"));
    }
    if ![vx, vy].into_iter().all(|v| (-1.0..=1.0).contains(v)) {
        return Err(format!("[crop] vx and vy are {vx} and {vy}, not within -1 to 1"));
    }
    match points.iter().find(|point| **point >= LANDMARKS) {
        Some(point) => Err(format!("[crop] points names landmark {point}, of {LANDMARKS}")),
        None => Ok(()),
    }
}

/// Whether a name stays in the pack's folder.
fn is_plain(file: &str) -> bool {
    !file.is_empty() && !file.starts_with('.') && !file.contains(['/', '\\', '\0'])
}

/// Whether a name can stand in caps and in lists.
pub(super) fn is_word(name: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'+' | b'-');
    (1..=64).contains(&name.len()) && name.bytes().all(plain)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::pack::manifest::Manifest;

    const BUILT_IN: &str =
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../models/packs/lite/pack.toml"));

    /// Every line of the built-in manifest that is spoilt here is named in the error, and nothing panics later for it.
    #[test]
    fn a_manifest_that_cannot_work_is_refused_with_the_reason() {
        let path = Path::new("pack.toml");
        let parse = |text: &[u8]| Manifest::parse(path, text, |_| unreachable!("it extends none"));
        parse(BUILT_IN.as_bytes()).unwrap();
        // Its stages and tensors have the names of the second format.
        parse(BUILT_IN.replacen("format = 1", "format = 2", 1).as_bytes()).unwrap();
        for (from, to, named) in [
            ("format = 1", "format = 3", "format"),
            ("format = 1", "format = 1\nextends = \"lite\"", "[pack] extends needs [pack] format = 2"),
            ("[pose]\n", "[between]\nkind = \"landmarks\"\n[pose]\n", "[between] needs"),
            ("[pose]\n", "[compute]\ncuda = \"fp16\"\n[pose]\n", "[compute] needs"),
            ("\"warp-paint\"", "\"neural\"", "needs [pack] format = 2"),
            ("\"warp-paint\"", "\"gan\"", "unknown variant `gan`"),
            ("[picture]", "[pictures]", "unknown field `pictures`"),
            ("id = \"lite\"", "id = \"\"", "[pack] id"),
            ("id = \"lite\"", "id = \"a, b\"", "[pack] id"),
            ("sample-rate = 16000", "sample-rate = 0", "[clock] sample-rate"),
            ("sample-rate = 16000", "sample-rate = 22050", "16000"),
            ("sample-rate = 16000", "sample-rate = -16000", "line 10 (sample-rate"),
            ("sample-rate = 16000", "sample-rate = 16000\nsample-rates = 1", "sample-rates"),
            ("sample-rate = 16000", "sample-rate = 16000\nsample-rate = 16000", "sample-rate"),
            ("frame-rate = \"25/1\"", "frame-rate = \"25/0\"", "frame-rate"),
            ("frame-rate = \"25/1\"", "frame-rate = \"-25/1\"", "frame-rate"),
            ("frame-rate = \"25/1\"", "frame-rate = \"1/25\"", "frame-rate"),
            ("frame-rate = \"25/1\"", "frame-rate = \"9999/1\"", "frame-rate"),
            ("window-samples = 10480", "window-samples = 0", "window-samples"),
            ("window-samples = 10480", "window-samples = 639", "window-samples"),
            ("window-samples = 10480", "window-samples = 160001", "window-samples"),
            // What the stage takes is another number.
            ("window-samples = 10480", "window-samples = 10481", "[stages.features] pcm"),
            ("look-ahead-samples = 2560", "look-ahead-samples = 10481", "look-ahead-samples"),
            ("samples = 1280", "samples = 2560", "[look-ahead.low]"),
            ("samples = 320", "samples = 1280", "[look-ahead.minimal] samples is not below 1280"),
            ("minimal = {", "film = {", "film"),
            (
                "[pose]\n",
                "[low-latency]\nsamples = 1280\nspeech2landmarks = \"speech2landmarks-low\"\n[pose]\n",
                "[low-latency] is the older name",
            ),
            (
                "speech2landmarks = \"speech2landmarks-low\"",
                "speech2landmarks = \"none\"",
                "[look-ahead.low]",
            ),
            ("speech2landmarks = \"speech2landmarks-low\"", "speech2landmarks = \"pose\"", "[stages.pose]"),
            ("count = 478", "count = 68", "[landmarks] count"),
            ("count = 206", "count = 207", "[latents] count"),
            ("code-rows = 4", "code-rows = 18446744073709551615", "code-rows"),
            ("control-points = [61,", "control-points = [478,", "control-points"),
            ("control-points = [61,", "control-points = [146,", "twice"),
            ("\"neutral\", \"happy\"", "\"happy\", \"neutral\"", "emotions"),
            ("resolution = 512", "resolution = 16", "resolution"),
            ("resolution = 512", "resolution = 4294967296", "resolution"),
            // The stage was made for another picture.
            ("resolution = 512", "resolution = 256", "[stages.appearance] photo"),
            ("styles = [\"calm\",", "styles = [\"lively\",", "styles"),
            ("styles = [\"calm\",", "styles = [\"a\", \"calm\",", "styles"),
            ("[pose]\n", "[pose]\ngains = [nan, 1.0, 1.0]\n", "gains"),
            ("[pose]\n", "[pose]\ngains = [-1.0, 1.0, 1.0]\n", "gains"),
            ("[pose]\n", "[pose]\nlimits = [inf, 1.0, 1.0]\n", "limits"),
            ("[pose]\n", "[pose]\nlimit = [1.0, 1.0, 1.0]\n", "limit"),
            ("[golden]", "[golden-numbers]", "golden-numbers"),
            ("file = \"pose.pt\"", "file = \"../pose.pt\"", "[stages.pose]"),
            ("file = \"pose.pt\"", "file = \"/pose.pt\"", "[stages.pose]"),
            ("file = \"pose.pt\"", "file = \"\"", "[stages.pose]"),
            ("\"pose.pt\"\nsha256 = \"", "\"pose.pt\"\nsha256 = \"0", "[stages.pose] sha256"),
            ("\"mean_face.safetensors\"", "\"..\"", "mean-face"),
            ("[stages.features]", "[stages.other]", "[stages.features]"),
            ("[stages.mesh]", "[stages.matte]", "stages.matte"),
            ("shape = [4, 128] }]", "shape = [4, 0] }]", "[stages.features]"),
            ("shape = [4, 128] }]", "shape = [512] }]", "[stages.features]"),
            ("shape = [4, 128] }]", "shape = [4, 129] }]", "[1, 4, 129] is needed"),
            ("name = \"noise\", shape = [1, 8]", "name = \"noise\", shape = [1, -8]", "noise"),
            ("name = \"noise\", shape = [1, 8]", "name = \"noise\", shape = []", "noise"),
            ("name = \"noise\", shape = [1, 8]", "name = \"noise\", shape = [1, 67108865]", "noise"),
            (
                "name = \"noise\", shape = [1, 8]",
                "name = \"noise\", shape = [4611686018427387904, 4]",
                "noise",
            ),
            (
                "outputs = [{ name = \"out0\", shape = [1, 256, 256, 1] }]",
                "outputs = []",
                "[stages.matte] has 0 outputs",
            ),
            ("name = \"initial_pose\", shape = [7]", "name = \"initial_pose\", shape = [6]", "initial_pose"),
            ("name = \"out0\", shape = [478, 3]", "name = \"out0\", shape = [468, 3]", "[stages.mesh] out0"),
            ("{ name = \"code\", shape = [1, 12] }, ", "", "[stages.mouth] has 3 inputs"),
            (
                "name = \"mouth_code\", shape = [1, 64]",
                "name = \"mouth_code\", shape = [1, 65]",
                "[stages.mouth] appearance",
            ),
            ("weights = \"float16\"", "weights = \"float8\"", "float8"),
            ("weights = \"float16\"", "weight = \"float16\"", "weight"),
            ("group = 4", "group = 65", "[stages.features] group"),
            ("group = 4", "group = 0", "[stages.features] group"),
            ("group = 4", "streams = { cuda = 2 }", "[stages.features] streams.cuda"),
            ("[stages.matte]", "[stages.matte]\ngroup = 2", "[stages.matte] group"),
            ("version = ", "edition = ", "edition"),
        ] {
            assert!(BUILT_IN.contains(from), "{from}");
            let error = parse(BUILT_IN.replacen(from, to, 1).as_bytes()).unwrap_err();
            assert!(error.to_string().contains(named), "{from} -> {to}: {error}");
        }
        assert!(parse(&[0xff]).is_err());
    }
}
