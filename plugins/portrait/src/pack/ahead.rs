// SPDX-License-Identifier: MIT OR Apache-2.0
//! Loads stages beside what their user does meanwhile: a start takes as long as the longer of the two.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use super::{Pack, Stage, ThreadLimit};

/// Stages that are being loaded. They and the pack stay loaded until it is dropped, which waits for the one that is being read.
pub struct Ahead {
    /// Who opens it meanwhile gets this one, and its stages.
    _pack: Arc<Pack>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Vec<Arc<Stage>>>>,
}

impl Ahead {
    /// Loads those stages of a pack that it has, in this order; who needs one that is being loaded waits for it. What cannot be
    /// loaded is told to those who need it.
    pub fn load(pack: Arc<Pack>, stages: Vec<String>, device: tch::Device) -> Self {
        let stop = Arc::<AtomicBool>::default();
        let (stopped, own) = (Arc::clone(&stop), Arc::clone(&pack));
        let load = move || {
            let _limit = ThreadLimit::new(1);
            let wanted = stages.iter().filter(|name| own.manifest().stages.contains_key(*name));
            wanted
                .take_while(|_| !stopped.load(Ordering::Relaxed))
                .filter_map(|name| own.stage(name, device).ok())
                .collect()
        };
        // Where no thread can be started, all are loaded when they are needed.
        let thread = std::thread::Builder::new().name("portrait:ahead".to_owned()).spawn(load).ok();
        Self { _pack: pack, stop, thread }
    }
}

impl Drop for Ahead {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // A panic there is one here as well, when the stage is needed.
            drop(thread.join());
            // glibc keeps what a thread has freed for threads to come: here tens of megabytes of parsed code.
            #[cfg(target_env = "gnu")]
            // SAFETY: any thread may call it at any time.
            unsafe {
                libc::malloc_trim(0);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pack::DEFAULT_PACK;

    #[test]
    fn stages_are_there_until_it_is_dropped_and_absent_ones_are_passed_over() {
        let pack = Pack::open(DEFAULT_PACK).unwrap();
        let names = ["absent", "pose", "eyes"].map(str::to_owned).to_vec();
        let mut ahead = Ahead::load(Arc::clone(&pack), names, tch::Device::Cpu);
        let stages = ahead.thread.take().unwrap().join().unwrap();
        assert_eq!(stages.len(), 2);
        assert!(Arc::ptr_eq(&stages[0], &pack.stage("pose", tch::Device::Cpu).unwrap()));
    }

    #[test]
    fn who_is_no_longer_interested_waits_for_one_stage_at_most() {
        let pack = Pack::open(DEFAULT_PACK).unwrap();
        let names: Vec<String> = pack.manifest().stages.keys().cloned().collect();
        let mut ahead = Ahead::load(pack, names.clone(), tch::Device::Cpu);
        ahead.stop.store(true, Ordering::Relaxed);
        assert!(ahead.thread.take().unwrap().join().unwrap().len() < names.len());
    }
}
