// SPDX-License-Identifier: MIT OR Apache-2.0
//! Passes of a network that the streams of a process share, where a device takes several frames in little more than the time of
//! one.
//!
//! While a pass runs, the frames that other streams ask for gather. The first stream whose turn comes takes them along, in the order
//! of their coming, and each gets its part. Nobody waits for company: a stream alone gets its frame at once, and waits for
//! one pass at most before its own. In its last bits a frame may depend on who is drawn beside it.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, PoisonError};

use tch::{Device, Kind, TchError, Tensor};

use super::calloff::is_called_off;
use super::stage::torch;
use super::sync::lock;
use super::{Outputs, PackError, Stage};

/// What streams ask of a network.
#[derive(Debug)]
pub(super) struct Passes {
    /// Frames that a pass takes at most.
    most: usize,
    queue: Mutex<Queue>,
    wake: Condvar,
}

#[derive(Debug, Default)]
struct Queue {
    /// Somebody runs the network.
    runs: bool,
    waiting: VecDeque<Frame>,
    done: Vec<(u64, Result<(), PackError>)>,
    next: u64,
}

/// A stream's frame: what goes in, and where what comes out goes to.
#[derive(Debug)]
struct Frame {
    ticket: u64,
    inputs: Vec<Tensor>,
    outputs: Vec<Tensor>,
}

/// Where a stream gets what a shared pass draws: in the CPU's memory, from which a GPU is read without a further copy.
#[derive(Debug)]
pub struct Drawing(Vec<Tensor>);

/// Those who are in a pass, the first of whom runs it. Dropped, the next may run another; who has got nothing, as the first was
/// called off, asks again.
struct Turn<'p> {
    passes: &'p Passes,
    leader: u64,
    frames: Vec<Frame>,
}

impl Passes {
    /// Of a network that takes so many frames.
    pub fn new(most: usize) -> Self {
        Self { most, queue: Mutex::default(), wake: Condvar::new() }
    }

    /// Gets a frame from `pass`, which takes and gives tensors of several; others' frames may be in it.
    fn run(
        &self,
        inputs: Vec<Tensor>,
        outputs: Vec<Tensor>,
        pass: impl Fn(&[Tensor]) -> Result<Vec<Tensor>, PackError>,
    ) -> Result<(), PackError> {
        let mut queue = lock(&self.queue);
        let ticket = queue.next;
        queue.next += 1;
        queue.waiting.push_back(Frame { ticket, inputs, outputs });
        loop {
            if let Some(at) = queue.done.iter().position(|(done, _)| *done == ticket) {
                return queue.done.swap_remove(at).1;
            }
            if queue.runs || queue.waiting.front().is_none_or(|first| first.ticket != ticket) {
                queue = self.wake.wait(queue).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            queue.runs = true;
            let count = self.most.clamp(1, queue.waiting.len());
            let frames = queue.waiting.drain(..count).collect();
            drop(queue);
            Turn { passes: self, leader: ticket, frames }.serve(&pass);
            queue = lock(&self.queue);
        }
    }
}

impl Turn<'_> {
    fn serve(mut self, pass: &impl Fn(&[Tensor]) -> Result<Vec<Tensor>, PackError>) {
        let results: Vec<_> = match draw(&self.frames, pass) {
            Ok(()) => self.frames.drain(..).map(|frame| (frame.ticket, Ok(()))).collect(),
            Err(error) if self.frames.len() == 1 || is_called_off() => vec![(self.leader, Err(error))],
            // What one stream brought is not to end the others.
            Err(_) => {
                let alone = |frame: Frame| (frame.ticket, draw(std::slice::from_ref(&frame), pass));
                self.frames.drain(..).map(alone).collect()
            }
        };
        lock(&self.passes.queue).done.extend(results);
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut queue = lock(&self.passes.queue);
        queue.runs = false;
        let left = self.frames.drain(..).filter(|frame| frame.ticket != self.leader);
        left.rev().for_each(|frame| queue.waiting.push_front(frame));
        drop(queue);
        self.passes.wake.notify_all();
    }
}

/// Draws frames in one pass.
fn draw(
    frames: &[Frame],
    pass: &impl Fn(&[Tensor]) -> Result<Vec<Tensor>, PackError>,
) -> Result<(), PackError> {
    let Some(first) = frames.first() else { return Ok(()) };
    // The manifest lets no other stage be shared.
    let failed = |error: TchError| torch("render", &error);
    let drawn = match frames {
        [alone] => pass(&alone.inputs)?,
        _ => {
            let inputs = (0..first.inputs.len()).map(|k| {
                let all: Vec<&Tensor> = frames.iter().filter_map(|frame| frame.inputs.get(k)).collect();
                Tensor::f_cat(&all, 0)
            });
            pass(&inputs.collect::<Result<Vec<_>, _>>().map_err(failed)?)?
        }
    };
    for (frame, at) in frames.iter().zip(0..) {
        for (to, all) in frame.outputs.iter().zip(&drawn) {
            let own = all.f_narrow(0, at, 1).map_err(failed)?;
            to.shallow_clone().f_copy_(&own).map_err(failed)?;
        }
    }
    Ok(())
}

impl Stage {
    /// Whether it takes the frames of two streams, where it says that it takes several.
    ///
    /// # Errors
    /// Where it does not.
    pub(super) fn check_passes(&self, zeros: &[Tensor]) -> Result<(), PackError> {
        if self.passes().most == 1 {
            return Ok(());
        }
        let twice = zeros.iter().map(|zeros| Tensor::f_cat(&[zeros, zeros], 0));
        let twice = twice.collect::<Result<Vec<_>, _>>().map_err(|error| self.refused(&error))?;
        let of_two = |(tensor, shape): (&Tensor, &[i64])| {
            tensor.size().split_first() == Some((&2, shape.get(1..).unwrap_or_default()))
        };
        if self.run(&twice)?.iter().zip(self.output_shapes()).all(of_two) {
            return Ok(());
        }
        let text = "does not draw the frames of two streams at once: leave `streams` out of pack.toml";
        Err(self.fail(text.to_owned()))
    }

    /// Where a stream gets its frames from passes that it shares with others; none where this stage draws each alone.
    ///
    /// # Errors
    /// What libtorch says.
    pub fn shared(&self) -> Result<Option<Drawing>, PackError> {
        if self.passes().most == 1 {
            return Ok(None);
        }
        let outputs = self.output_shapes().map(|shape| {
            let place = Tensor::f_zeros(shape, (Kind::Float, Device::Cpu))?;
            if self.device().is_cuda() { place.f_pin_memory(self.device()) } else { Ok(place) }
        });
        let outputs = outputs.collect::<Result<_, TchError>>();
        outputs.map(|outputs| Some(Drawing(outputs))).map_err(|error| self.refused(&error))
    }

    /// As [`Stage::run_with`], beside frames of other streams; what comes out lies in `place`.
    ///
    /// # Errors
    /// As there.
    pub fn run_shared(
        &self,
        place: &Drawing,
        give: impl FnMut(&str, usize) -> Result<Tensor, PackError>,
    ) -> Result<Outputs<'_>, PackError> {
        let all = || place.0.iter().map(Tensor::shallow_clone).collect();
        self.passes().run(self.given(give)?, all(), |inputs| self.run(inputs))?;
        Ok(self.gave(all()))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
    use std::time::Duration;

    use super::super::CallOff;
    use super::*;

    fn number(value: f64) -> Tensor {
        Tensor::from_slice(&[value])
    }

    /// A stream that asks for twice a number.
    fn ask(
        passes: &Passes,
        value: f64,
        pass: impl Fn(&[Tensor]) -> Result<Vec<Tensor>, PackError>,
    ) -> Result<f64, PackError> {
        let place = number(0.0);
        passes.run(vec![number(value)], vec![place.shallow_clone()], pass).map(|()| place.double_value(&[0]))
    }

    fn failure(text: &str) -> PackError {
        PackError::Torch { stage: "render".to_owned(), reason: text.to_owned() }
    }

    /// Waits until so many ask.
    fn gathered(passes: &Passes, count: usize) {
        while lock(&passes.queue).waiting.len() < count {
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    #[test]
    fn frames_that_come_while_a_pass_runs_share_the_next_ones_and_each_gets_its_own() {
        let passes = Passes::new(3);
        let sizes = Mutex::new(Vec::new());
        let twice = |inputs: &[Tensor]| {
            let first = lock(&sizes).is_empty();
            lock(&sizes).push(inputs[0].size()[0]);
            if first {
                gathered(&passes, 7);
            }
            Ok(vec![&inputs[0] * 2.0])
        };
        std::thread::scope(|scope| {
            let (passes, twice) = (&passes, &twice);
            let threads = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]
                .map(|value| (value, scope.spawn(move || ask(passes, value, twice).unwrap())));
            for (value, thread) in threads {
                assert_eq!(thread.join().unwrap(), 2.0 * value);
            }
        });
        assert_eq!(*lock(&sizes), [1, 3, 3, 1]);
        assert!(lock(&passes.queue).done.is_empty());
    }

    #[test]
    fn what_one_stream_brings_does_not_end_the_others() {
        let passes = Passes::new(3);
        let calls = AtomicUsize::new(0);
        let pass = |inputs: &[Tensor]| {
            if calls.fetch_add(1, Ordering::Relaxed) == 0 {
                gathered(&passes, 2);
            }
            let bad = inputs[0].min().double_value(&[]) < 0.0;
            if bad { Err(failure("negative")) } else { Ok(vec![&inputs[0] * 2.0]) }
        };
        std::thread::scope(|scope| {
            let first = scope.spawn(|| ask(&passes, 1.0, pass));
            while calls.load(Ordering::Relaxed) == 0 {
                std::thread::yield_now();
            }
            let [bad, good] = [-1.0, 2.0].map(|value| {
                let passes = &passes;
                scope.spawn(move || ask(passes, value, pass))
            });
            assert_eq!(first.join().unwrap().unwrap(), 2.0);
            assert!(bad.join().unwrap().unwrap_err().to_string().contains("negative"));
            assert_eq!(good.join().unwrap().unwrap(), 4.0);
        });
    }

    #[test]
    fn the_others_go_on_where_the_one_who_runs_the_pass_is_called_off_or_panics() {
        for panics in [false, true] {
            let passes = Passes::new(3);
            let flag = Arc::new(AtomicBool::new(false));
            let begun = AtomicBool::new(false);
            let plain = |inputs: &[Tensor]| Ok(vec![&inputs[0] * 2.0]);
            std::thread::scope(|scope| {
                let blocker = scope.spawn(|| {
                    ask(&passes, 1.0, |inputs| {
                        begun.store(true, Ordering::Relaxed);
                        gathered(&passes, 2);
                        plain(inputs)
                    })
                });
                while !begun.load(Ordering::Relaxed) {
                    std::thread::yield_now();
                }
                let leader = scope.spawn(|| {
                    let _watch = CallOff::watch(&flag);
                    let leads = |_: &[Tensor]| {
                        flag.store(true, Ordering::Relaxed);
                        assert!(!panics, "as it is meant to");
                        Err(failure("called off"))
                    };
                    ask(&passes, 2.0, leads)
                });
                gathered(&passes, 1);
                let other = scope.spawn(|| ask(&passes, 3.0, plain));
                assert_eq!(blocker.join().unwrap().unwrap(), 2.0);
                assert!(leader.join().map_or(panics, |result| result.is_err()));
                assert_eq!(other.join().unwrap().unwrap(), 6.0);
            });
        }
    }
}
