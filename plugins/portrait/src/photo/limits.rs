// SPDX-License-Identifier: MIT OR Apache-2.0
//! How large a photo may be.

/// Longest side of a photo in pixels.
pub const MAX_SIDE: u32 = 16384;

/// Memory that decoding may take.
pub const MAX_BYTES: u64 = 512 << 20;

/// Largest file.
pub const MAX_FILE_BYTES: u64 = 256 << 20;
