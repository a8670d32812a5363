// SPDX-License-Identifier: MIT OR Apache-2.0
//! Locks of plain data.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks; a panic elsewhere was already reported and leaves plain data behind.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
