//! What the plugin asks of each stage's tensors. A stage that gives other numbers would fail in the middle of a stream, or
//! not at all: the manifest is held against this table when a pack is opened.

use std::collections::BTreeMap;

use super::manifest::{Manifest, StageEntry, TensorEntry};
use super::{EMOTIONS, LANDMARKS, POSE_LEN};
use crate::render::{MAP_CHANNELS, Part};

/// Most numbers of one tensor: a quarter of a gigabyte.
const MAX_NUMBERS: i64 = 1 << 26;

/// Inputs and outputs of a stage, each by its sizes with spaces between. A word stands for a size of the pack; where none
/// is known, the first tensor that has it says how many numbers it stands for. One word alone that begins with a small letter
/// belongs to its stage.
struct Role {
    stage: &'static str,
    inputs: &'static [&'static str],
    outputs: &'static [&'static str],
}

const SPEECH: Role = Role {
    stage: "speech2landmarks",
    inputs: &["1 WINDOW FEATURES", "POINTS 3", "EMOTIONS", "state"],
    outputs: &["1 POINTS 3", "state"],
};

const ROLES: [Role; 9] = [
    Role { stage: "features", inputs: &["SAMPLES"], outputs: &["WINDOW FEATURES"] },
    SPEECH,
    Role {
        stage: "pose",
        inputs: &["1 WINDOW FEATURES", "POSE", "style", "noise", "state"],
        outputs: &["1 POSE", "state"],
    },
    Role {
        stage: "landmarks2latents",
        inputs: &["1 POINTS 3", "1 WINDOW FEATURES", "LATENTS 3", "EMOTIONS", "state"],
        outputs: &["1 LATENTS 3", "state"],
    },
    Role {
        stage: "appearance",
        inputs: &["1 3 SIDE SIDE", "1 POINTS 3"],
        outputs: &["LATENTS 3", "MOUTH-CODE", "EYE-CODES"],
    },
    Role {
        stage: "mouth",
        inputs: &["1 3 MOUTH MOUTH", "1 MAPS MOUTH/2 MOUTH/2", "1 CODE-ROWS 3", "MOUTH-CODE"],
        outputs: &["1 3 MOUTH MOUTH", "1 1 MOUTH MOUTH", "1 2 MOUTH/2 MOUTH/2"],
    },
    Role {
        stage: "eyes",
        inputs: &["2 3 EYE EYE", "2 MAPS EYE/2 EYE/2", "EYE-CODES"],
        outputs: &["2 3 EYE EYE", "2 1 EYE EYE", "2 2 EYE/2 EYE/2"],
    },
    Role { stage: "detector", inputs: &["1 3 128 128"], outputs: &["1 896 16", "1 896 1"] },
    Role { stage: "mesh", inputs: &["1 3 192 192"], outputs: &["POINTS 3", "1"] },
];

const MATTE: Role = Role { stage: "matte", inputs: &["1 3 256 256"], outputs: &["1 256 256 1"] };

/// Holds the stages of a manifest against what the plugin asks of them. Stages that are not there are an error of those who
/// ask for them.
///
/// # Errors
/// The first tensor that is not as it must be, with its name and what it must be.
pub fn check(manifest: &Manifest) -> Result<(), String> {
    for (name, stage) in &manifest.stages {
        for tensor in stage.inputs.iter().chain(&stage.outputs) {
            let numbers = numbers(tensor);
            if tensor.shape.is_empty() || numbers.is_none_or(|n| n > MAX_NUMBERS) {
                return Err(format!(
                    "[stages.{name}] {} has shape {:?}: sizes are 1 and more, {MAX_NUMBERS} numbers at most",
                    tensor.name, tensor.shape
                ));
            }
        }
    }
    let mut sizes = sizes(manifest)?;
    for role in ROLES.iter().chain([&MATTE]) {
        if let Some(stage) = manifest.stages.get(role.stage) {
            check_stage(role.stage, role, stage, &mut sizes)?;
        }
    }
    if let Some(low) = &manifest.low_latency
        && let Some(stage) = manifest.stages.get(&low.speech2landmarks)
    {
        check_stage(&low.speech2landmarks, &SPEECH, stage, &mut sizes)?;
    }
    let styles = manifest.stages.get("pose").and_then(|stage| stage.inputs.get(2)).and_then(numbers);
    let named = manifest.pose.styles.len();
    if styles.is_some_and(|styles| usize::try_from(styles).is_ok_and(|styles| styles < named)) {
        return Err(format!("[pose] styles names {named}, and [stages.pose] takes {}", styles.unwrap_or(0)));
    }
    Ok(())
}

/// The sizes that are known before any stage is looked at.
fn sizes(manifest: &Manifest) -> Result<BTreeMap<&'static str, i64>, String> {
    let shape = manifest.feature_shape();
    let Some(&[window, features]) = shape.as_deref() else {
        return Err(
            "[stages.features] outputs do not begin with a window of features, shape [W, F]".to_owned()
        );
    };
    let [mouth, eye] = [Part::Mouth, Part::EyeRight].map(Part::side);
    let known = [
        ("SAMPLES", manifest.clock.window_samples),
        ("WINDOW", window),
        ("FEATURES", features),
        ("POINTS", LANDMARKS),
        ("EMOTIONS", EMOTIONS.len()),
        ("POSE", POSE_LEN),
        ("LATENTS", manifest.latents.count),
        ("CODE-ROWS", manifest.latents.code_rows),
        ("SIDE", manifest.picture.resolution as usize),
        ("MAPS", MAP_CHANNELS),
        ("MOUTH", mouth),
        ("MOUTH/2", mouth / 2),
        ("EYE", eye),
        ("EYE/2", eye / 2),
    ];
    let size =
        |(name, size)| i64::try_from(size).map(|size| (name, size)).map_err(|e| format!("{name}: {e}"));
    known.into_iter().map(size).collect()
}

fn check_stage(
    name: &str,
    role: &Role,
    stage: &StageEntry,
    sizes: &mut BTreeMap<&'static str, i64>,
) -> Result<(), String> {
    let mut own = BTreeMap::new();
    for (kind, asked, found) in
        [("inputs", role.inputs, &stage.inputs), ("outputs", role.outputs, &stage.outputs)]
    {
        // Further outputs are let go.
        if found.len() < asked.len() || kind == "inputs" && found.len() > asked.len() {
            return Err(format!("[stages.{name}] has {} {kind}, {} are needed", found.len(), asked.len()));
        }
        for (asked, tensor) in asked.iter().zip(found) {
            let found = numbers(tensor).unwrap_or(0);
            let of_stage = asked.starts_with(|c: char| c.is_ascii_lowercase());
            let mut due = Vec::new();
            for word in asked.split(' ') {
                let known = if of_stage { &mut own } else { &mut *sizes };
                due.push(word.parse().unwrap_or_else(|_| *known.entry(word).or_insert(found)));
            }
            // The plugin brings its numbers into a stage's shape: their count is what must agree.
            if due.iter().product::<i64>() != found {
                return Err(format!(
                    "[stages.{name}] {} has shape {:?}, {due:?} is needed",
                    tensor.name, tensor.shape
                ));
            }
        }
    }
    Ok(())
}

/// How many numbers a tensor holds, if its sizes make sense.
fn numbers(tensor: &TensorEntry) -> Option<i64> {
    tensor.shape.iter().try_fold(1i64, |n, &size| if size > 0 { n.checked_mul(size) } else { None })
}
