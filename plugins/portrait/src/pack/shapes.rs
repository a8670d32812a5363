// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the plugin asks of each stage's tensors ([`roles`]). A stage that gives other numbers would fail in the middle of a
//! stream, or not at all: the manifest is held against that table when a pack is opened, and its tensors are brought into the
//! table's order.

use std::collections::BTreeMap;

use super::manifest::{Between, Manifest, RendererKind, StageEntry, TensorEntry};
use super::roles::{self, PICTURE, Port, Role};
use super::{DRIVE_LEN, FACE_LEN, LANDMARKS, POSE_LEN};
use crate::render::{MAP_CHANNELS, Part};

/// Most numbers of one tensor: a quarter of a gigabyte.
const MAX_NUMBERS: i64 = 1 << 26;

/// Sides of pictures that stages may ask for.
const SIDES: std::ops::RangeInclusive<i64> = 16..=2048;

/// Sizes by their words.
type Sizes = BTreeMap<&'static str, i64>;

/// Holds the stages of a manifest against what the plugin asks of them. In the first format, stages that are not there are an
/// error of those who ask for them.
///
/// # Errors
/// The first tensor that is not as it must be, with its name and what it must be.
pub fn check(manifest: &mut Manifest) -> Result<(), String> {
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
    let renderer = manifest.picture.renderer;
    if manifest.pack.format == 1 {
        check_fixed(manifest)?;
    } else {
        if let Some(role) = roles::needed(renderer).find(|role| !manifest.stages.contains_key(*role)) {
            return Err(format!("no stage has the role {role}, which a pack of this kind needs"));
        }
        check_named(manifest)?;
    }
    let style = manifest.stages.get("pose").and_then(|s| s.inputs.iter().find(|input| input.name == "style"));
    let styles = style.and_then(numbers);
    let named = manifest.pose.styles.len();
    if styles.is_some_and(|styles| usize::try_from(styles).is_ok_and(|styles| styles < named)) {
        return Err(format!("[pose] styles names {named}, and [stages.pose] takes {}", styles.unwrap_or(0)));
    }
    Ok(())
}

/// The roles of a manifest's stages, by their keys.
fn keys(manifest: &Manifest) -> Vec<(String, &'static Role)> {
    let mut keys: Vec<(String, &'static Role)> = roles::all()
        .iter()
        .filter(|role| manifest.stages.contains_key(role.name) && !manifest.look_ahead.name(role.name))
        .map(|role| (role.name.to_owned(), role))
        .collect();
    if let Some(speech) = roles::find("speech2landmarks") {
        let less = manifest.look_ahead.iter().map(|(_, variant)| &variant.speech2landmarks);
        keys.extend(
            less.filter(|stage| manifest.stages.contains_key(*stage)).map(|stage| (stage.clone(), speech)),
        );
    }
    keys
}

/// The first format: what goes in and comes out has the role's order, whatever it is called.
fn check_fixed(manifest: &mut Manifest) -> Result<(), String> {
    let mut sizes = sizes(manifest)?;
    for (key, role) in keys(manifest) {
        let given = if role.gives_sources { roles::sources(RendererKind::Warp) } else { role.gives };
        let known = |port: &&Port| is_known(&sizes, port.sizes);
        let given: Vec<&Port> = given.iter().filter(known).collect();
        let offered: Vec<&Port> = role.offered.iter().take(role.fixed).collect();
        let Some(stage) = manifest.stages.get_mut(&key) else { continue };
        let mut own = Sizes::new();
        for (kind, asked, found) in
            [("inputs", &offered, &mut stage.inputs), ("outputs", &given, &mut stage.outputs)]
        {
            // Further outputs are let go.
            if found.len() < asked.len() || kind == "inputs" && found.len() > asked.len() {
                return Err(format!("[stages.{key}] has {} {kind}, {} are needed", found.len(), asked.len()));
            }
            for (port, tensor) in asked.iter().zip(found) {
                // Then the photo is always the renderer's picture.
                let words = if port.sizes == PICTURE { "1 3 SIDE SIDE" } else { port.sizes };
                fits(&key, words, tensor, &mut sizes, &mut own)?;
                port.name.clone_into(&mut tensor.name);
            }
        }
    }
    Ok(())
}

/// The second format: a stage takes what it names, in any order.
fn check_named(manifest: &mut Manifest) -> Result<(), String> {
    let mut sizes = sizes(manifest)?;
    let sources = sources(manifest, &mut sizes)?;
    for (key, role) in keys(manifest) {
        let Some(stage) = manifest.stages.get_mut(&key) else { continue };
        let mut own = Sizes::new();
        unique(&key, "takes", &stage.inputs)?;
        unique(&key, "gives", &stage.outputs)?;
        for tensor in &stage.inputs {
            let port = role.offered.iter().find(|port| port.name == tensor.name);
            let source = sources.get(&tensor.name).filter(|_| role.takes_sources);
            match (port, source) {
                (Some(port), _) if is_known(&sizes, port.sizes) => {
                    fits(&key, port.sizes, tensor, &mut sizes, &mut own)?;
                }
                (_, Some((shape, count))) if numbers(tensor) != Some(*count) => {
                    return Err(format!(
                        "[stages.{key}] {} has shape {:?}, {shape:?} is needed",
                        tensor.name, tensor.shape
                    ));
                }
                (_, Some(_)) => {}
                _ => return Err(not_offered(&key, role, &tensor.name, &sizes, sources.keys())),
            }
        }
        for port in role.offered.iter().filter(|port| port.needed) {
            if !stage.inputs.iter().any(|tensor| tensor.name == port.name) {
                return Err(format!("[stages.{key}] does not take {:?}", port.name));
            }
        }
        let carries = |tensors: &[TensorEntry]| tensors.iter().any(|tensor| tensor.name == "state");
        if carries(&stage.inputs) && !carries(&stage.outputs) {
            return Err(format!("[stages.{key}] takes \"state\" and gives none back"));
        }
        for port in role.gives {
            if !is_known(&sizes, port.sizes) {
                continue;
            }
            match stage.outputs.iter().find(|tensor| tensor.name == port.name) {
                Some(tensor) => fits(&key, port.sizes, tensor, &mut sizes, &mut own)?,
                None if port.needed => return Err(format!("[stages.{key}] gives no {:?}", port.name)),
                None => {}
            }
        }
        // A stage of another pack is in order, and loaded there.
        if !stage.inherited {
            order(stage, role);
        }
    }
    Ok(())
}

/// What the stages that see the photo give, by name: shape and count of numbers.
fn sources(manifest: &Manifest, sizes: &mut Sizes) -> Result<BTreeMap<String, (Vec<i64>, i64)>, String> {
    let mut found = BTreeMap::new();
    for role in roles::all().iter().filter(|role| role.gives_sources) {
        let outputs = manifest.stages.get(role.name).map_or(&[][..], |stage| &stage.outputs);
        for tensor in outputs {
            let name = &tensor.name;
            let ours = |port: &Port| port.name == name && name != "source_latents";
            if roles::all().iter().any(|role| role.offered.iter().any(ours)) {
                return Err(format!("[stages.{}] gives {name:?}, which the plugin gives itself", role.name));
            }
            let numbers = numbers(tensor).unwrap_or(0);
            if found.insert(name.clone(), (tensor.shape.clone(), numbers)).is_some() {
                return Err(format!("[stages.{}] gives a second {name:?}", role.name));
            }
        }
    }
    for port in roles::sources(manifest.picture.renderer) {
        let Some((shape, _)) = found.get(port.name) else {
            return Err(format!("[stages.appearance] gives no {:?}", port.name));
        };
        let tensor = TensorEntry { name: port.name.to_owned(), shape: shape.clone() };
        fits("appearance", port.sizes, &tensor, sizes, &mut Sizes::new())?;
    }
    Ok(found)
}

fn not_offered<'s>(
    key: &str,
    role: &Role,
    name: &str,
    sizes: &Sizes,
    sources: impl Iterator<Item = &'s String>,
) -> String {
    let own = role.offered.iter().filter(|port| is_known(sizes, port.sizes)).map(|port| port.name.to_owned());
    let sources = sources.filter(|_| role.takes_sources).cloned();
    let mut all: Vec<String> = own.chain(sources).collect();
    all.sort();
    all.dedup();
    format!("[stages.{key}] takes {name:?}: a stage of the role {} is offered {}", role.name, all.join(", "))
}

fn unique(key: &str, verb: &str, tensors: &[TensorEntry]) -> Result<(), String> {
    for (i, tensor) in tensors.iter().enumerate() {
        if tensors[..i].iter().any(|other| other.name == tensor.name) {
            return Err(format!("[stages.{key}] {verb} {:?} twice", tensor.name));
        }
    }
    Ok(())
}

/// Brings a stage's tensors into the role's order, and notes that of its file.
fn order(stage: &mut StageEntry, role: &Role) {
    let place =
        |ports: &[Port], name: &str| ports.iter().position(|port| port.name == name).unwrap_or(ports.len());
    let sorted = |ports: &[Port], tensors: &[TensorEntry]| -> Vec<usize> {
        let mut places: Vec<usize> = (0..tensors.len()).collect();
        places.sort_by_key(|&i| place(ports, &tensors[i].name));
        places
    };
    let (inputs, outputs) = (sorted(role.offered, &stage.inputs), sorted(role.gives, &stage.outputs));
    let mut arguments = vec![0; inputs.len()];
    for (to, &from) in inputs.iter().enumerate() {
        arguments[from] = to;
    }
    let picked = |tensors: &[TensorEntry], places: &[usize]| -> Vec<TensorEntry> {
        places.iter().map(|&i| tensors[i].clone()).collect()
    };
    (stage.inputs, stage.outputs) = (picked(&stage.inputs, &inputs), picked(&stage.outputs, &outputs));
    (stage.arguments, stage.results) = (arguments, outputs);
}

/// The sizes that are known before any stage is looked at.
fn sizes(manifest: &Manifest) -> Result<Sizes, String> {
    let shape = manifest.feature_shape();
    let Some(&[window, features]) = shape.as_deref() else {
        return Err(
            "[stages.features] outputs do not begin with a window of features, shape [W, F]".to_owned()
        );
    };
    let [mouth, eye] = [Part::Mouth, Part::EyeRight].map(Part::side);
    let (between, coefficients) = match manifest.between {
        Between::Landmarks => (LANDMARKS, 0),
        Between::Coefficients { count } => (0, count),
    };
    let known = [
        ("SAMPLES", manifest.clock.window_samples),
        ("WINDOW", window),
        ("FEATURES", features),
        ("POINTS", LANDMARKS),
        ("BETWEEN", between),
        ("COEFFICIENTS", coefficients),
        // Landmarks are closed by the plugin.
        ("BLINK", usize::from(coefficients > 0)),
        ("EMOTIONS", manifest.emotions.len()),
        ("POSE", POSE_LEN),
        ("FACE", FACE_LEN),
        ("DRIVE", DRIVE_LEN),
        ("LATENTS", manifest.latents.count),
        ("DIMS", manifest.latents.dims),
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

/// Whether this pack has such a tensor at all: not without emotions, say.
fn is_known(sizes: &Sizes, words: &str) -> bool {
    words.split(' ').all(|word| sizes.get(word) != Some(&0))
}

fn fits(
    key: &str,
    words: &'static str,
    tensor: &TensorEntry,
    sizes: &mut Sizes,
    own: &mut Sizes,
) -> Result<(), String> {
    let found = numbers(tensor).unwrap_or(0);
    let wrong = |due: &dyn std::fmt::Debug| {
        Err(format!("[stages.{key}] {} has shape {:?}, {due:?} is needed", tensor.name, tensor.shape))
    };
    if words == PICTURE {
        return match tensor.shape[..] {
            [1, 3, height, width] if height == width && SIDES.contains(&width) => Ok(()),
            _ => wrong(&"[1, 3, side, side], 16 to 2048"),
        };
    }
    let of_stage = words.starts_with(|c: char| c.is_ascii_lowercase());
    let mut due = Vec::new();
    for word in words.split(' ') {
        let known = if of_stage { &mut *own } else { &mut *sizes };
        due.push(word.parse().unwrap_or_else(|_| *known.entry(word).or_insert(found)));
    }
    // The plugin brings its numbers into a stage's shape: their count is what must agree.
    if due.iter().product::<i64>() == found { Ok(()) } else { wrong(&due) }
}

/// How many numbers a tensor holds, if its sizes make sense.
fn numbers(tensor: &TensorEntry) -> Option<i64> {
    tensor.shape.iter().try_fold(1i64, |n, &size| if size > 0 { n.checked_mul(size) } else { None })
}
