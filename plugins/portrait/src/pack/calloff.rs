// SPDX-License-Identifier: MIT OR Apache-2.0
//! Calling off what a thread computes with a pack: the next pass of a network fails instead of running.

use std::cell::RefCell;
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

thread_local! {
    static FLAG: RefCell<Option<Arc<AtomicBool>>> = const { RefCell::new(None) };
}

/// While it lives, passes of this thread fail once the flag is set. Not `Send`: it belongs to its thread.
pub struct CallOff(PhantomData<*const ()>);

impl CallOff {
    /// Watches that flag.
    pub fn watch(flag: &Arc<AtomicBool>) -> Self {
        FLAG.set(Some(Arc::clone(flag)));
        Self(PhantomData)
    }
}

impl Drop for CallOff {
    fn drop(&mut self) {
        FLAG.set(None);
    }
}

/// Whether this thread is to stop.
pub fn is_called_off() -> bool {
    FLAG.with_borrow(|flag| flag.as_ref().is_some_and(|flag| flag.load(Ordering::Relaxed)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flag_counts_on_its_own_thread_while_it_is_watched() {
        let flag = Arc::new(AtomicBool::new(false));
        let watch = CallOff::watch(&flag);
        assert!(!is_called_off());
        flag.store(true, Ordering::Relaxed);
        assert!(is_called_off());
        assert!(!std::thread::spawn(is_called_off).join().unwrap());
        drop(watch);
        assert!(!is_called_off());
    }
}
