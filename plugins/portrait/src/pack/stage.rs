// SPDX-License-Identifier: MIT OR Apache-2.0
//! One TorchScript stage: loaded once, warmed up, run without panics.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tch::{CModule, Device, IValue, Kind, TchError, Tensor};

use super::calloff::is_called_off;
use super::int8::Ordered;
use super::manifest::{Precision, Preference, StageEntry, TensorEntry};
use super::passes::Passes;
use super::quick::Quick;
use super::scratch::Scratch;
use super::{PackError, gate, profile};

/// A stage of a pack on a device.
#[derive(Debug)]
pub struct Stage {
    name: String,
    module: CModule,
    /// What goes in behind the inputs.
    ordered: Option<Ordered>,
    device: Device,
    /// In the order of the stage's role, as is all that is told by number.
    inputs: Vec<TensorEntry>,
    outputs: Vec<TensorEntry>,
    /// For each argument its place in `inputs`, for each output its place in what the model gives, where they differ.
    arguments: Vec<usize>,
    results: Vec<usize>,
    compute: Computing,
    /// Frames that it takes at once.
    group: usize,
    /// The numbers of a frame depend on those beside it: it is to be taken alone.
    alone: bool,
    /// What streams ask of it, where it takes a frame of each at once.
    passes: Passes,
    /// Whether libtorch runs the code as it is written.
    plain: bool,
}

/// How a stage computes; what goes in and comes out is float32.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Computing {
    Single,
    /// Where libtorch thinks it precise enough, in half precision; a CUDA device only.
    Mixed,
    /// All of it, converted.
    Whole(Kind),
    /// Its layers in bfloat16, as the file was changed to (`narrow`).
    Narrow,
    /// Its convolutions in whole numbers, as the file was changed to (`int8`).
    Int8,
}

impl Computing {
    fn new(precision: Precision, device: Device) -> Self {
        match precision {
            Precision::Fp32 => Self::Single,
            Precision::Fp16 if device.is_cuda() => Self::Mixed,
            Precision::Fp16 => Self::Whole(Kind::Half),
            Precision::Bf16 => Self::Whole(Kind::BFloat16),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Single => "fp32",
            Self::Mixed | Self::Whole(Kind::Half) => "fp16",
            Self::Whole(_) | Self::Narrow => "bf16",
            Self::Int8 => "int8",
        }
    }
}

/// What a stage gave for a frame.
pub struct Outputs<'s> {
    stage: &'s Stage,
    tensors: Vec<Tensor>,
}

impl Outputs<'_> {
    /// The output of that name.
    ///
    /// # Errors
    /// Where the stage has none.
    pub fn get(&self, name: &str) -> Result<&Tensor, PackError> {
        self.find(name).ok_or_else(|| self.stage.fail(format!("gives no {name:?}")))
    }

    /// The output of that name, where the stage has one.
    pub fn find(&self, name: &str) -> Option<&Tensor> {
        let at = self.stage.outputs.iter().position(|tensor| tensor.name == name)?;
        self.tensors.get(at)
    }

    /// All of them, with their names.
    pub fn into_named(self) -> impl Iterator<Item = (String, Tensor)> {
        let names: Vec<String> = self.stage.outputs.iter().map(|tensor| tensor.name.clone()).collect();
        names.into_iter().zip(self.tensors)
    }
}

impl Stage {
    /// Loads a stage from its checked file (`archive::rebuild`) and runs it on zeros, so that a model of the wrong shape is an error here
    /// and not in the middle of a stream. `quick` is what the file was changed to compute in.
    pub(super) fn load(
        name: &str,
        entry: &StageEntry,
        checked: &Scratch,
        device: Device,
        precision: Precision,
        quick: Option<Quick<'_>>,
    ) -> Result<Self, PackError> {
        let pass = gate::enter(1).ok_or_else(|| called_off(name))?;
        let mut module = checked.load(device).map_err(|e| torch(name, &e))?;
        module.f_set_eval().map_err(|e| torch(name, &e))?;
        let compute = match quick {
            None => Computing::new(precision, device),
            Some(Quick::Bf16) => Computing::Narrow,
            Some(Quick::Int8 { .. }) => Computing::Int8,
        };
        let ordered = (compute == Computing::Int8)
            .then(|| Ordered::new(&module))
            .transpose()
            .map_err(|e| torch(name, &e))?;
        if let Computing::Whole(kind) = compute {
            // tch has no variant that returns an error.
            let convert = std::panic::AssertUnwindSafe(|| module.to(device, kind, false));
            std::panic::catch_unwind(convert).map_err(|_| PackError::Torch {
                stage: name.to_owned(),
                reason: format!("its numbers cannot be converted to {kind:?}"),
            })?;
        }
        // What follows runs the network, and enters by itself.
        drop(pass);
        let mut stage = Self {
            name: name.to_owned(),
            module,
            ordered,
            device,
            inputs: entry.inputs.clone(),
            outputs: entry.outputs.clone(),
            arguments: entry.arguments.clone(),
            results: entry.results.clone(),
            compute,
            group: entry.group,
            passes: Passes::new(if device.is_cuda() { entry.streams.cuda } else { entry.streams.cpu }),
            alone: false,
            plain: device == Device::Cpu,
        };
        let zeros: Vec<Tensor> = stage
            .inputs
            .iter()
            .map(|t| Tensor::f_zeros(stage.of_group(&t.shape), (Kind::Float, device)))
            .collect::<Result<_, _>>()
            .map_err(|e| torch(name, &e))?;
        // Some code only runs once it is optimized, as where traced numbers are of two precisions.
        let plain = stage.plain.then(|| stage.run(&zeros).ok()).flatten();
        stage.plain = plain.is_some();
        let outputs = match plain {
            Some(outputs) => outputs,
            None => stage.settle(&zeros)?,
        };
        for (tensor, entry) in outputs.iter().zip(&stage.outputs) {
            let shape = stage.of_group(&entry.shape);
            if tensor.size() != shape {
                let reason =
                    format!("{} has shape {:?}, pack.toml says {shape:?}", entry.name, tensor.size());
                return Err(PackError::Torch { stage: name.to_owned(), reason });
            }
        }
        stage.alone = stage.group > 1 && stage.mixes()?;
        stage.check_passes(&zeros)?;
        gate::shut_at_exit();
        Ok(stage)
    }

    /// Whether a frame gets other numbers among others than alone, as on processors for which libtorch multiplies larger matrices
    /// in another order. Noise tells, from the first frame and from the last.
    fn mixes(&self) -> Result<bool, PackError> {
        let [one, result] = [&self.inputs, &self.outputs].map(|tensors| {
            let numbers = tensors.first().map_or(0, |tensor| tensor.shape.iter().product::<i64>());
            usize::try_from(numbers).unwrap_or(0)
        });
        let mut noise = ChaCha8Rng::seed_from_u64(0);
        let frames: Vec<f32> = (0..self.group * one).map(|_| noise.random_range(-0.5..0.5)).collect();
        let run = |frames: &[f32]| -> Result<Vec<f32>, PackError> {
            let [output] = self.run_for(&[self.input_frames(0, frames)?])?;
            let mut numbers = vec![0.0; frames.len() / one.max(1) * result];
            self.read(&output, &mut numbers).map(|()| numbers)
        };
        let all = run(&frames)?;
        let (first, last) = (run(&frames[..one])?, run(&frames[frames.len() - one..])?);
        Ok(!all.starts_with(&first) || !all.ends_with(&last))
    }

    /// Runs it until libtorch's profiling executor has specialized the code, which is on the second run.
    fn settle(&self, inputs: &[Tensor]) -> Result<Vec<Tensor>, PackError> {
        self.run(inputs)?;
        self.run(inputs)
    }

    /// Runs the stage. Inputs and outputs are those of `pack.toml`, in the order of the stage's role, on [`Stage::device`]. Waits
    /// its turn where other streams of the process keep all cores busy.
    ///
    /// # Errors
    /// What libtorch says, another count of outputs than the manifest's, or that the thread's work is called off.
    pub fn run(&self, inputs: &[Tensor]) -> Result<Vec<Tensor>, PackError> {
        if is_called_off() {
            return Err(called_off(&self.name));
        }
        let _span = profile::span_of(|| format!("network {}", self.name).into());
        // Gradients are a per-thread setting; the guard restores it.
        let _no_grad = tch::no_grad_guard();
        let value = |tensor: &Tensor| match self.compute {
            Computing::Whole(kind) => tensor.f_to_kind(kind).map_err(|e| torch(&self.name, &e)),
            _ => Ok(tensor.shallow_clone()),
        };
        let given = (0..inputs.len()).filter_map(|i| inputs.get(*self.arguments.get(i).unwrap_or(&i)));
        let given: Vec<IValue> =
            given.map(|tensor| value(tensor).map(IValue::Tensor)).collect::<Result<_, _>>()?;
        let values: Vec<&IValue> = given.iter().chain(self.ordered.as_ref().map(Ordered::value)).collect();
        let threads = usize::try_from(tch::get_num_threads()).unwrap_or(1);
        let pass = gate::enter(threads).ok_or_else(|| called_off(&self.name))?;
        let _plain = self.plain.then(Plain::new);
        let forward = || self.module.forward_is(&values);
        let output = match self.compute {
            Computing::Mixed => tch::autocast(true, forward),
            _ => forward(),
        };
        let output = output.map_err(|e| torch(&self.name, &e))?;
        drop(pass);
        let tensors = match output {
            IValue::Tensor(tensor) => vec![tensor],
            IValue::Tuple(values) => values
                .into_iter()
                .filter_map(|v| if let IValue::Tensor(t) = v { Some(t) } else { None })
                .collect(),
            _ => Vec::new(),
        };
        // tch panics at the size of a tensor that is none.
        if !tensors.iter().all(Tensor::defined) {
            return Err(PackError::Torch { stage: self.name.clone(), reason: "gave no tensor".to_owned() });
        }
        if tensors.len() != self.outputs.len() {
            let reason =
                format!("gave {} tensors where pack.toml lists {}", tensors.len(), self.outputs.len());
            return Err(PackError::Torch { stage: self.name.clone(), reason });
        }
        if self.compute == Computing::Single && self.results.is_empty() {
            return Ok(tensors);
        }
        let place = |i: usize| self.results.get(i).copied().unwrap_or(i);
        let ordered = (0..tensors.len()).filter_map(|i| tensors.get(place(i)));
        ordered.map(|t| t.f_to_kind(Kind::Float).map_err(|e| torch(&self.name, &e))).collect()
    }

    /// Runs the stage with what it takes, told by name and by number.
    ///
    /// # Errors
    /// As [`Stage::run`], and what `give` says.
    pub fn run_with(
        &self,
        give: impl FnMut(&str, usize) -> Result<Tensor, PackError>,
    ) -> Result<Outputs<'_>, PackError> {
        Ok(self.gave(self.run(&self.given(give)?)?))
    }

    /// What it takes, in order.
    pub(super) fn given(
        &self,
        mut give: impl FnMut(&str, usize) -> Result<Tensor, PackError>,
    ) -> Result<Vec<Tensor>, PackError> {
        (0..).zip(&self.inputs).map(|(index, tensor)| give(&tensor.name, index)).collect()
    }

    /// What it gave, in order.
    pub(super) fn gave(&self, tensors: Vec<Tensor>) -> Outputs<'_> {
        Outputs { stage: self, tensors }
    }

    /// Place of an input of that name, where the stage takes it.
    pub fn place(&self, name: &str) -> Option<usize> {
        self.inputs.iter().position(|tensor| tensor.name == name)
    }

    /// Names of its inputs, in order.
    pub fn input_names(&self) -> impl Iterator<Item = &str> {
        self.inputs.iter().map(|tensor| tensor.name.as_str())
    }

    /// Whether it gives an output of that name.
    pub fn gives(&self, name: &str) -> bool {
        self.outputs.iter().any(|tensor| tensor.name == name)
    }

    /// Numbers of the input of that name; 0 where the stage does not take it.
    pub fn numbers(&self, name: &str) -> usize {
        let count = |at| self.input_shape(at).iter().product::<i64>();
        self.place(name).map_or(0, |at| usize::try_from(count(at)).unwrap_or(0))
    }

    /// A zero state, where the stage has one.
    ///
    /// # Errors
    /// What libtorch says.
    pub fn first_state(&self) -> Result<Option<Tensor>, PackError> {
        self.place("state").map(|at| self.zero_input(at)).transpose()
    }

    /// Another stage's tensor in the shape of an input, on this one's device.
    ///
    /// # Errors
    /// Where it has another count of numbers.
    pub fn fitted(&self, index: usize, tensor: &Tensor) -> Result<Tensor, PackError> {
        tensor
            .f_reshape(self.input_shape(index))
            .and_then(|t| t.f_to_device(self.device))
            .map_err(|e| torch(&self.name, &e))
    }

    /// What libtorch says of this stage.
    pub fn refused(&self, error: &TchError) -> PackError {
        torch(&self.name, error)
    }

    /// An error of this stage.
    pub fn fail(&self, reason: String) -> PackError {
        PackError::Torch { stage: self.name.clone(), reason }
    }

    /// Runs the stage and hands out its first `N` outputs.
    ///
    /// # Errors
    /// As [`Stage::run`], and where the pack's stage has fewer outputs than the plugin needs.
    pub fn run_for<const N: usize>(&self, inputs: &[Tensor]) -> Result<[Tensor; N], PackError> {
        let mut outputs = self.run(inputs)?;
        let found = outputs.len();
        outputs.truncate(N);
        outputs.try_into().map_err(|_| {
            let reason = format!("gives {found} tensors where {N} are needed");
            PackError::Torch { stage: self.name.clone(), reason }
        })
    }

    /// Whether libtorch runs the code as it is written, which starts sooner.
    #[cfg(test)]
    pub fn is_plain(&self) -> bool {
        self.plain
    }

    /// What it computes in: `fp32`, `fp16`, `bf16` or `int8`.
    pub fn precision(&self) -> &'static str {
        self.compute.name()
    }

    /// Where the stage runs.
    pub fn device(&self) -> Device {
        self.device
    }

    /// Frames that are to be given at once: as many as it takes, where each gets the numbers that it gets alone.
    pub fn group(&self) -> usize {
        if self.alone { 1 } else { self.group }
    }

    /// What streams ask of it.
    pub(super) fn passes(&self) -> &Passes {
        &self.passes
    }

    /// Shapes of its outputs, as in the manifest.
    pub(super) fn output_shapes(&self) -> impl Iterator<Item = &[i64]> {
        self.outputs.iter().map(|tensor| tensor.shape.as_slice())
    }

    /// Shape of a tensor of all frames that it takes at once.
    fn of_group(&self, shape: &[i64]) -> Vec<i64> {
        let frames = (self.group > 1).then_some(self.group as i64);
        frames.into_iter().chain(shape.iter().copied()).collect()
    }

    /// Shape of an input, as in the manifest.
    pub fn input_shape(&self, index: usize) -> &[i64] {
        self.inputs.get(index).map_or(&[], |t| &t.shape)
    }

    /// A zero state for the input of that index.
    pub fn zero_input(&self, index: usize) -> Result<Tensor, PackError> {
        Tensor::f_zeros(self.input_shape(index), (Kind::Float, self.device))
            .map_err(|e| torch(&self.name, &e))
    }

    /// Copies numbers to the stage's device in the shape of an input.
    pub fn input(&self, index: usize, values: &[f32]) -> Result<Tensor, PackError> {
        self.tensor(values, self.input_shape(index))
    }

    /// The same of several frames, [`Self::group`] at most.
    pub fn input_frames(&self, index: usize, values: &[f32]) -> Result<Tensor, PackError> {
        if self.group == 1 {
            return self.input(index, values);
        }
        let shape: Vec<i64> = [-1].into_iter().chain(self.input_shape(index).iter().copied()).collect();
        self.tensor(values, &shape)
    }

    fn tensor(&self, values: &[f32], shape: &[i64]) -> Result<Tensor, PackError> {
        Tensor::f_from_slice(values)
            .and_then(|t| t.f_reshape(shape))
            .and_then(|t| t.f_to_device(self.device))
            .map_err(|e| torch(&self.name, &e))
    }

    /// Copies a float32 output to the CPU; a NaN or an infinity is an error, not a picture.
    pub fn read(&self, tensor: &Tensor, out: &mut [f32]) -> Result<(), PackError> {
        read(&self.name, tensor, out)
    }
}

/// [`Stage::read`] of a stage that may be gone.
pub fn read(stage: &str, tensor: &Tensor, out: &mut [f32]) -> Result<(), PackError> {
    let flat =
        tensor.f_to_device(Device::Cpu).and_then(|t| t.f_contiguous()).map_err(|e| torch(stage, &e))?;
    let fail = |reason: String| PackError::Torch { stage: stage.to_owned(), reason };
    if flat.numel() != out.len() {
        return Err(fail(format!("gave {} numbers where {} were due", flat.numel(), out.len())));
    }
    flat.f_copy_data(out, out.len()).map_err(|e| torch(stage, &e))?;
    match out.iter().position(|v| !v.is_finite()) {
        None => Ok(()),
        Some(at) => Err(fail(format!("gave {} at number {at}", out[at]))),
    }
}

/// Parses the `device` property: `auto` is what the pack prefers, the CPU where that is not there.
pub fn parse_device(text: &str, prefer: Preference) -> Result<Device, PackError> {
    let unavailable = || PackError::Device(text.to_owned());
    match text {
        "cpu" => Ok(Device::Cpu),
        "auto" if prefer == Preference::Cuda => Ok(Device::cuda_if_available()),
        "auto" => Ok(Device::Cpu),
        _ => {
            let index: usize =
                text.strip_prefix("cuda:").and_then(|n| n.parse().ok()).ok_or_else(unavailable)?;
            let there = usize::try_from(tch::Cuda::device_count()).unwrap_or(0);
            if index < there { Ok(Device::Cuda(index)) } else { Err(unavailable()) }
        }
    }
}

/// What a stage says that is not to go on.
fn called_off(stage: &str) -> PackError {
    PackError::Torch { stage: stage.to_owned(), reason: "called off".to_owned() }
}

/// How libtorch says that it got no memory: on the CPU, anywhere in C++, on a CUDA device.
const NO_MEMORY: [&str; 3] = ["allocate memory", "bad_alloc", "out of memory"];

/// libtorch's messages carry a C++ back-trace: the first lines say what happened.
pub(super) fn torch(stage: &str, error: &TchError) -> PackError {
    let text = error.to_string();
    let reason = text.lines().find(|l| !l.trim().is_empty()).unwrap_or("unknown error").trim().to_owned();
    let stage = stage.to_owned();
    if NO_MEMORY.iter().any(|words| reason.contains(words)) {
        return PackError::Memory { stage, reason };
    }
    PackError::Torch { stage, reason }
}

/// While it lives, this thread runs models as they are written. On a CPU libtorch's optimizer does not make a frozen model
/// quicker, gives the same bits, and takes most of the time of a start. Not `Send`: it belongs to its thread.
struct Plain(std::marker::PhantomData<*const ()>);

impl Plain {
    fn new() -> Self {
        // Does not fail; a model that is optimized runs as well.
        let _ = tch::jit::f_set_graph_executor_optimize(false);
        Self(std::marker::PhantomData)
    }
}

impl Drop for Plain {
    fn drop(&mut self) {
        let _ = tch::jit::f_set_graph_executor_optimize(true);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn want_of_memory_is_not_the_packs_fault() {
        let error = Tensor::f_zeros([1 << 50], (Kind::Float, Device::Cpu)).unwrap_err();
        let said = torch("mouth", &error).to_string();
        assert!(
            said.contains("want of memory") && said.contains("mouth") && !said.contains("use a pack"),
            "{said}"
        );
        let error = Tensor::f_zeros([2, 3], (Kind::Float, Device::Cpu)).unwrap().f_reshape([5]).unwrap_err();
        assert!(torch("mouth", &error).to_string().contains("use a pack"));
    }
}
