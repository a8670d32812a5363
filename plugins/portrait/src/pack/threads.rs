// SPDX-License-Identifier: MIT OR Apache-2.0
//! How many CPU threads a model run takes, decided a thread and not for the whole process.
//!
//! libtorch asks OpenMP how many threads the *calling* thread may use. Setting that and putting it back around a frame
//! leaves every other user of libtorch in the process as it was; `at::set_num_threads` would not.

use std::ffi::{CStr, c_int, c_void};
use std::marker::PhantomData;
use std::sync::LazyLock;

/// OpenMP's calls, as libtorch loaded it.
struct OpenMp {
    get: unsafe extern "C" fn() -> c_int,
    set: unsafe extern "C" fn(c_int),
}

static OPEN_MP: LazyLock<Option<OpenMp>> = LazyLock::new(|| {
    let get = symbol(c"omp_get_max_threads")?;
    let set = symbol(c"omp_set_num_threads")?;
    // SAFETY: these are the signatures of the OpenMP specification, and the library stays loaded: libtorch needs it.
    unsafe {
        Some(OpenMp {
            get: std::mem::transmute::<*mut c_void, unsafe extern "C" fn() -> c_int>(get),
            set: std::mem::transmute::<*mut c_void, unsafe extern "C" fn(c_int)>(set),
        })
    }
});

fn symbol(name: &CStr) -> Option<*mut c_void> {
    // SAFETY: the name is a C string; the search covers what this library was linked with.
    let found = unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) };
    (!found.is_null()).then_some(found)
}

/// While it lives, model runs of this thread take that many threads. Not `Send`: it belongs to its thread.
pub struct ThreadLimit {
    before: Option<c_int>,
    here: PhantomData<*const ()>,
}

impl ThreadLimit {
    /// Limits the calling thread. A libtorch without OpenMP is left as it is.
    pub fn new(threads: u32) -> Self {
        // libtorch's first look at a thread sets its default: let it be over.
        tch::get_num_threads();
        let before = OPEN_MP.as_ref().zip(c_int::try_from(threads).ok()).map(|(omp, threads)| {
            // SAFETY: OpenMP allows both calls from any thread at any time outside of a parallel region.
            unsafe {
                let before = (omp.get)();
                (omp.set)(threads);
                before
            }
        });
        Self { before, here: PhantomData }
    }
}

impl Drop for ThreadLimit {
    fn drop(&mut self) {
        if let (Some(omp), Some(before)) = (OPEN_MP.as_ref(), self.before) {
            // SAFETY: as in `new`.
            unsafe { (omp.set)(before) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_holds_for_its_thread_alone_and_ends_with_it() {
        let before = tch::get_num_threads();
        {
            let _limit = ThreadLimit::new(7);
            assert_eq!(tch::get_num_threads(), 7, "libtorch asks OpenMP");
            let elsewhere = std::thread::spawn(tch::get_num_threads).join().unwrap();
            assert_ne!(elsewhere, 7);
            let limited = || {
                let _limit = ThreadLimit::new(5);
                tch::get_num_threads()
            };
            assert_eq!(
                std::thread::spawn(limited).join().unwrap(),
                5,
                "in a thread that libtorch has not seen"
            );
        }
        assert_eq!(tch::get_num_threads(), before);
    }
}
