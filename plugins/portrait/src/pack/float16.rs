// SPDX-License-Identifier: MIT OR Apache-2.0
//! Numbers of half precision, as a file stores them.

/// The same numbers as float32. Both are little-endian; every number of half precision is one of float32 as well.
pub fn widen(half: &[u8]) -> Vec<u8> {
    let (numbers, _) = half.as_chunks::<2>();
    let mut wide = Vec::with_capacity(2 * half.len());
    for number in numbers {
        wide.extend_from_slice(&from_bits(u16::from_le_bytes(*number)).to_le_bytes());
    }
    wide
}

/// IEEE 754 binary16.
fn from_bits(bits: u16) -> f32 {
    /// Its exponent of infinities and of what is no number.
    const LAST: u32 = 0x1f << 10;
    /// 2 to the difference of both biases.
    const SCALE: f32 = f32::from_bits((127 + 127 - 15) << 23);
    let (sign, size) = (u32::from(bits >> 15) << 31, u32::from(bits & 0x7fff));
    let wide = size << 13;
    let wide = if size >= LAST { wide | 0xff << 23 } else { (f32::from_bits(wide) * SCALE).to_bits() };
    f32::from_bits(sign | wide)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// libtorch's own conversion is the measure.
    #[test]
    fn all_numbers_come_out_as_libtorch_widens_them() {
        let all: Vec<u8> = (0..=u16::MAX).flat_map(u16::to_le_bytes).collect();
        let half = tch::Tensor::f_from_data_size(&all, &[1 << 16], tch::Kind::Half).unwrap();
        let expected: Vec<f32> = half.to_kind(tch::Kind::Float).try_into().unwrap();
        let widened = widen(&all);
        let (found, _) = widened.as_chunks::<4>();
        for (bits, (found, expected)) in
            found.iter().map(|b| f32::from_le_bytes(*b)).zip(expected).enumerate()
        {
            let same = found.to_bits() == expected.to_bits() || found.is_nan() && expected.is_nan();
            assert!(same, "{bits:#06x}: {found}, {expected}");
        }
    }
}
