//! CRC-32C with the processor's instructions, and its change when a few bytes near the start change.

use crc_fast::CrcAlgorithm::Crc32Iscsi;

/// The polynomial, its lowest coefficient in the highest bit, as all numbers here.
const POLYNOMIAL: u32 = 0x82f6_3b78;
/// x^8, x^16, x^32, ...: what one, two, four, ... bytes more multiply a checksum by.
const SHIFTS: [u32; 40] = shifts();

/// CRC-32C (Castagnoli) of `bytes`.
pub fn crc32c(bytes: &[u8]) -> u32 {
    crc_fast::checksum(Crc32Iscsi, bytes) as u32
}

/// The checksum after the first bytes `old` became `new`, with `rest` bytes behind them that stay as they are.
///
/// A CRC is linear, so the bytes behind need not be read: LogAppendTime costs no second pass over the payload.
/// (The crate's own `checksum_combine` took 53 microseconds, more than reading a megabyte again.)
pub fn replaced(checksum: u32, old: &[u8], new: &[u8], rest: u64) -> u32 {
    let bits = SHIFTS.iter().enumerate().filter(|(bit, _)| rest >> bit & 1 == 1);
    checksum ^ bits.fold(crc32c(old) ^ crc32c(new), |product, (_, shift)| multiply(product, *shift))
}

/// Product of two polynomials modulo the polynomial.
const fn multiply(left: u32, right: u32) -> u32 {
    let (mut left, mut right, mut product) = (left, right, 0);
    while left != 0 {
        if left & 1 << 31 != 0 {
            product ^= right;
        }
        left <<= 1;
        right = if right & 1 == 1 { right >> 1 ^ POLYNOMIAL } else { right >> 1 };
    }
    product
}

const fn shifts() -> [u32; 40] {
    let mut out = [0; 40];
    let mut power = 1 << 23; // x^8
    let mut index = 0;
    while index < out.len() {
        out[index] = power;
        power = multiply(power, power);
        index += 1;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn castagnoli() {
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
        assert_eq!(crc32c(b""), 0);
    }

    #[test]
    fn replaced_equals_computed_anew() {
        for size in [22usize, 23, 61, 1000, 100_003, 1 << 20] {
            let old: Vec<u8> = (0..size).map(|i| (i * 31 + 7) as u8).collect();
            let mut new = old.clone();
            new[..22].iter_mut().for_each(|byte| *byte = byte.wrapping_mul(3) ^ 0x5a);
            let changed = replaced(crc32c(&old), &old[..22], &new[..22], (size - 22) as u64);
            assert_eq!(changed, crc32c(&new), "{size}");
        }
    }
}
