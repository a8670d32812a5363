// SPDX-License-Identifier: MIT OR Apache-2.0
//! Float tensors in and out of buffers.

use std::fmt;

// Caps promise little-endian numbers, and libtorch runs on such machines alone.
const _: () = assert!(cfg!(target_endian = "little"));

/// A buffer whose bytes are not the tensor that its caps promise.
#[derive(Debug, PartialEq, Eq)]
pub struct SizeError {
    /// Bytes that the caps promise.
    pub expected: usize,
    /// Bytes in the buffer.
    pub found: usize,
}

impl fmt::Display for SizeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "buffer holds {} bytes where its caps promise {}", self.found, self.expected)
    }
}

impl std::error::Error for SizeError {}

/// Copies a float32 tensor out of a buffer into `out`, whose length is the tensor's.
///
/// Works on any number of memories and any alignment.
pub fn read_f32(buffer: &gst::BufferRef, out: &mut [f32]) -> Result<(), SizeError> {
    let expected = size_of_val(out);
    if buffer.size() != expected {
        return Err(SizeError { expected, found: buffer.size() });
    }
    let map = buffer.map_readable().map_err(|_| SizeError { expected, found: 0 })?;
    bytemuck::cast_slice_mut(out).copy_from_slice(map.as_slice());
    Ok(())
}

/// Says of numbers that came from elsewhere whether they can be computed with.
///
/// # Errors
/// The first that is none.
pub fn check_finite(values: &[f32]) -> Result<(), String> {
    match values.iter().position(|value| !value.is_finite()) {
        None => Ok(()),
        Some(at) => Err(format!(
            "the buffer that came in cannot be used: its number {at} is {}; whatever made or changed it before this element has to mend \
             that",
            values[at]
        )),
    }
}

/// Writes a float32 tensor into a buffer of its size.
pub fn write_f32(buffer: &mut gst::BufferRef, values: &[f32]) -> Result<(), SizeError> {
    let expected = size_of_val(values);
    if buffer.size() != expected {
        return Err(SizeError { expected, found: buffer.size() });
    }
    let mut map = buffer.map_writable().map_err(|_| SizeError { expected, found: 0 })?;
    map.as_mut_slice().copy_from_slice(bytemuck::cast_slice(values));
    Ok(())
}

/// A new buffer with the tensor in one memory.
pub fn from_f32(values: &[f32]) -> gst::Buffer {
    gst::Buffer::from_mut_slice(bytemuck::cast_slice::<f32, u8>(values).to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tensors_survive_a_buffer_split_over_odd_memories() {
        gst::init().unwrap();
        let values = [1.0f32, -2.5, f32::MIN_POSITIVE, 4.0];
        let bytes = values.map(f32::to_le_bytes).concat();
        let mut buffer = gst::Buffer::new();
        for part in [&bytes[..3], &bytes[3..10], &bytes[10..]] {
            buffer.get_mut().unwrap().append_memory(gst::Memory::from_slice(part.to_vec()));
        }
        let mut out = [0.0; 4];
        read_f32(&buffer, &mut out).unwrap();
        assert_eq!(out, values);
        assert_eq!(read_f32(&buffer, &mut [0.0; 3]), Err(SizeError { expected: 12, found: 16 }));
    }
}
