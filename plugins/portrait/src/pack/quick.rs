// SPDX-License-Identifier: MIT OR Apache-2.0
//! What stages compute in on this processor for the sake of speed.

use super::PackError;
use super::manifest::{ConvolutionEntry, Fast, StageEntry};

/// What to compute in: `fp32` where no stage is to compute in anything else on the CPU, `bf16` where none is in whole numbers;
/// `auto` is what the pack and the processor bear.
const PRECISION_VARIABLE: &str = "GST_PORTRAIT_PRECISION";

/// Largest whole number that goes into a convolution: where the processor adds four products of eight bits at once, and where it
/// adds two in sixteen bits, which 255 x 127 would leave.
const TOP: u8 = 255;
const HALF_TOP: u8 = 127;

/// A way of computing that is quicker than float32.
#[derive(Clone, Copy, Debug)]
pub enum Quick<'e> {
    /// Layers in bfloat16 (`narrow`).
    Bf16,
    /// Convolutions in whole numbers of eight bits, 0 to `top` (`int8`).
    Int8 { convolutions: &'e [ConvolutionEntry], top: u8 },
}

impl Quick<'_> {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bf16 => "bf16",
            Self::Int8 { .. } => "int8",
        }
    }
}

/// What this processor does quickly.
#[derive(Clone, Copy, Debug)]
struct Processor {
    bf16: bool,
    /// Largest whole number, where it pays to compute in them.
    top: Option<u8>,
}

impl Processor {
    fn new() -> Self {
        #[cfg(target_arch = "x86_64")]
        {
            let four = is_x86_feature_detected!("avx512vnni") || is_x86_feature_detected!("avxvnni");
            let two = is_x86_feature_detected!("avx2").then_some(HALF_TOP);
            Self { bf16: is_x86_feature_detected!("avx512bf16"), top: if four { Some(TOP) } else { two } }
        }
        #[cfg(not(target_arch = "x86_64"))]
        Self { bf16: false, top: None }
    }
}

/// Ways in which a stage may compute on this CPU, the quickest first.
///
/// # Errors
/// Where the environment asks for a precision that is none.
pub fn ways(entry: &StageEntry) -> Result<Vec<Quick<'_>>, PackError> {
    let wanted = std::env::var(PRECISION_VARIABLE).ok();
    let [bf16, int8] = allowed(wanted.as_deref())?;
    Ok(of(entry, Processor::new(), bf16, int8))
}

fn of(entry: &StageEntry, processor: Processor, bf16: bool, int8: bool) -> Vec<Quick<'_>> {
    let convolutions = &entry.int8;
    let top = processor.top.filter(|_| int8 && !convolutions.is_empty());
    let int8 = top.map(|top| Quick::Int8 { convolutions, top });
    let bf16 = (bf16 && processor.bf16 && entry.fast == Some(Fast::Bf16)).then_some(Quick::Bf16);
    int8.into_iter().chain(bf16).collect()
}

/// Whether bfloat16 and whole numbers are allowed.
fn allowed(wanted: Option<&str>) -> Result<[bool; 2], PackError> {
    match wanted {
        None | Some("" | "auto") => Ok([true, true]),
        Some("bf16") => Ok([true, false]),
        Some("fp32") => Ok([false, false]),
        Some(other) => Err(PackError::Precision(other.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pack::{DEFAULT_PACK, Pack};
    use tch::{Device, Kind, Tensor};

    #[test]
    fn the_environment_can_ask_for_less_and_for_nothing_unknown() {
        let all = [None, Some("auto"), Some("bf16"), Some("fp32")].map(|wanted| allowed(wanted).unwrap());
        assert_eq!(all, [[true, true], [true, true], [true, false], [false, false]]);
        let error = allowed(Some("bf17")).unwrap_err().to_string();
        assert!(error.contains(PRECISION_VARIABLE) && error.contains("bf17"), "{error}");
    }

    /// Every stage that says it bears a quicker way: what a picture shows of the difference is a level of 255 at most, and what is
    /// heard of bfloat16 below a hundredth.
    #[test]
    fn stages_that_bear_it_give_nearly_the_same() {
        let pack = Pack::open(DEFAULT_PACK).unwrap();
        let golden = Tensor::read_safetensors(pack.dir().join("golden.safetensors")).unwrap();
        let mut found = Vec::new();
        // Sums of larger numbers than the processor is for are wrong.
        let tops =
            [TOP, HALF_TOP].into_iter().filter(|top| Processor::new().top.is_some_and(|most| *top <= most));
        let int8 = tops.map(|top| Processor { bf16: false, top: Some(top) });
        let processors: Vec<Processor> =
            [Processor { bf16: true, top: None }].into_iter().chain(int8).collect();
        let bears = |entry: &&StageEntry| entry.fast.is_some() || !entry.int8.is_empty();
        for (name, entry) in pack.manifest().stages.iter().filter(|(_, entry)| bears(entry)) {
            let inputs: Vec<Tensor> = (0..entry.inputs.len())
                .map(|i| {
                    let key = format!("{name}.in.{i}");
                    let (_, tensor) = golden.iter().find(|(name, _)| *name == key).unwrap();
                    tensor.reshape(&*entry.inputs[i].shape)
                })
                .collect();
            let run = |way: Option<Quick<'_>>| {
                let stage = pack.load(name, entry, Device::Cpu, way.as_slice()).unwrap();
                assert_eq!(stage.precision(), way.map_or("fp32", Quick::name), "{name}");
                stage.run(&inputs).unwrap()
            };
            for way in processors.iter().flat_map(|processor| of(entry, *processor, true, true)) {
                let most = if matches!(way, Quick::Int8 { top: HALF_TOP, .. }) { 0.12 } else { 0.06 };
                for (i, (exact, fast)) in run(None).iter().zip(run(Some(way))).enumerate() {
                    assert_eq!(fast.kind(), Kind::Float);
                    let off = ((exact - fast).norm() / exact.norm()).double_value(&[]);
                    assert!(off > 1e-5 && off < most, "{name} in {}, output {i}: {off}", way.name());
                }
                found.push(format!("{name} {}", way.name()));
            }
        }
        let of_painters: Vec<&str> =
            processors.iter().map(|one| if one.bf16 { "bf16" } else { "int8" }).collect();
        let expected = [("eyes", &of_painters[..]), ("features", &["bf16"]), ("mouth", &of_painters)];
        let expected: Vec<String> = expected
            .iter()
            .flat_map(|(name, ways)| ways.iter().map(move |way| format!("{name} {way}")))
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn a_stage_computes_in_what_both_the_pack_and_the_processor_bear() {
        let pack = Pack::open(DEFAULT_PACK).unwrap();
        let [features, mouth] = ["features", "mouth"].map(|name| &pack.manifest().stages[name]);
        let names = |entry, bf16, top| -> Vec<_> {
            of(entry, Processor { bf16, top }, true, true).into_iter().map(Quick::name).collect()
        };
        assert_eq!(names(mouth, true, Some(TOP)), ["int8", "bf16"]);
        assert_eq!(names(mouth, true, None), ["bf16"]);
        assert_eq!(names(mouth, false, Some(HALF_TOP)), ["int8"]);
        assert_eq!(names(features, false, Some(TOP)), [""; 0]);
        assert!(of(mouth, Processor { bf16: true, top: Some(TOP) }, false, false).is_empty());
    }
}
