//! One TorchScript stage: loaded once, warmed up, run without panics.

use tch::{CModule, Device, IValue, Kind, TchError, Tensor};

use super::calloff::is_called_off;
use super::manifest::{StageEntry, TensorEntry};
use super::{PackError, gate};

/// A stage of a pack on a device.
#[derive(Debug)]
pub struct Stage {
    name: String,
    module: CModule,
    device: Device,
    inputs: Vec<TensorEntry>,
    outputs: Vec<TensorEntry>,
}

impl Stage {
    /// Loads a stage from the checked bytes of its file (`archive::rebuild`) and runs it on zeros, so that a model of the wrong shape is an error here
    /// and not in the middle of a stream.
    pub(super) fn load(
        name: &str,
        entry: &StageEntry,
        bytes: &[u8],
        device: Device,
    ) -> Result<Self, PackError> {
        let mut module =
            CModule::load_data_on_device(&mut &bytes[..], device).map_err(|e| torch(name, &e))?;
        module.f_set_eval().map_err(|e| torch(name, &e))?;
        let stage = Self {
            name: name.to_owned(),
            module,
            device,
            inputs: entry.inputs.clone(),
            outputs: entry.outputs.clone(),
        };
        let zeros: Vec<Tensor> = stage
            .inputs
            .iter()
            .map(|t| Tensor::f_zeros(&*t.shape, (Kind::Float, device)))
            .collect::<Result<_, _>>()
            .map_err(|e| torch(name, &e))?;
        // The profiling executor specializes on its second run: do both here.
        stage.run(&zeros)?;
        let outputs = stage.run(&zeros)?;
        for (tensor, entry) in outputs.iter().zip(&stage.outputs) {
            if tensor.size() != entry.shape {
                let reason =
                    format!("{} has shape {:?}, pack.toml says {:?}", entry.name, tensor.size(), entry.shape);
                return Err(PackError::Torch { stage: name.to_owned(), reason });
            }
        }
        Ok(stage)
    }

    /// Runs the stage. Inputs and outputs are those of `pack.toml`, in order, on [`Stage::device`]. Waits its turn where
    /// other streams of the process keep all cores busy.
    ///
    /// # Errors
    /// What libtorch says, another count of outputs than the manifest's, or that the thread's work is called off.
    pub fn run(&self, inputs: &[Tensor]) -> Result<Vec<Tensor>, PackError> {
        if is_called_off() {
            return Err(PackError::Torch { stage: self.name.clone(), reason: "called off".to_owned() });
        }
        // Gradients are a per-thread setting; the guard restores it.
        let _no_grad = tch::no_grad_guard();
        let inputs: Vec<IValue> = inputs.iter().map(|t| IValue::Tensor(t.shallow_clone())).collect();
        let pass = gate::enter(usize::try_from(tch::get_num_threads()).unwrap_or(1));
        let output = self.module.forward_is(&inputs).map_err(|e| torch(&self.name, &e))?;
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
        if tensors.len() == self.outputs.len() {
            return Ok(tensors);
        }
        let reason = format!("gave {} tensors where pack.toml lists {}", tensors.len(), self.outputs.len());
        Err(PackError::Torch { stage: self.name.clone(), reason })
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

    /// Where the stage runs.
    pub fn device(&self) -> Device {
        self.device
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
        Tensor::f_from_slice(values)
            .and_then(|t| t.f_reshape(self.input_shape(index)))
            .and_then(|t| t.f_to_device(self.device))
            .map_err(|e| torch(&self.name, &e))
    }

    /// Copies a float32 output to the CPU; a NaN or an infinity is an error, not a picture.
    pub fn read(&self, tensor: &Tensor, out: &mut [f32]) -> Result<(), PackError> {
        let flat = tensor
            .f_to_device(Device::Cpu)
            .and_then(|t| t.f_contiguous())
            .map_err(|e| torch(&self.name, &e))?;
        let fail = |reason: String| PackError::Torch { stage: self.name.clone(), reason };
        if flat.numel() != out.len() {
            return Err(fail(format!("gave {} numbers where {} were due", flat.numel(), out.len())));
        }
        flat.f_copy_data(out, out.len()).map_err(|e| torch(&self.name, &e))?;
        match out.iter().position(|v| !v.is_finite()) {
            None => Ok(()),
            Some(at) => Err(fail(format!("gave {} at number {at}", out[at]))),
        }
    }
}

/// Parses the `device` property: `auto` takes the first CUDA device if there is one.
pub fn parse_device(text: &str) -> Result<Device, PackError> {
    let unavailable = || PackError::Device(text.to_owned());
    match text {
        "cpu" => Ok(Device::Cpu),
        "auto" => Ok(Device::cuda_if_available()),
        _ => {
            let index: usize =
                text.strip_prefix("cuda:").and_then(|n| n.parse().ok()).ok_or_else(unavailable)?;
            let there = usize::try_from(tch::Cuda::device_count()).unwrap_or(0);
            if index < there { Ok(Device::Cuda(index)) } else { Err(unavailable()) }
        }
    }
}

/// libtorch's messages carry a C++ back-trace: the first lines say what happened.
fn torch(stage: &str, error: &TchError) -> PackError {
    let text = error.to_string();
    let reason = text.lines().find(|l| !l.trim().is_empty()).unwrap_or("unknown error").trim().to_owned();
    PackError::Torch { stage: stage.to_owned(), reason }
}
