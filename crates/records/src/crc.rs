//! CRC-32C with the processor's instructions, and its change when a few bytes near the start change.

use crc_fast::CrcAlgorithm::Crc32Iscsi;

/// CRC-32C (Castagnoli) of `bytes`.
pub fn crc32c(bytes: &[u8]) -> u32 {
    crc_fast::checksum(Crc32Iscsi, bytes) as u32
}

/// The checksum after the first bytes `old` became `new`, with `rest` bytes behind them that stay as they are.
///
/// A CRC is linear, so the bytes behind need not be read: LogAppendTime costs no second pass over the payload.
pub fn replaced(checksum: u32, old: &[u8], new: &[u8], rest: u64) -> u32 {
    let shifted =
        |bytes: &[u8]| crc_fast::checksum_combine(Crc32Iscsi, u64::from(crc32c(bytes)), 0, rest) as u32;
    checksum ^ shifted(old) ^ shifted(new)
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
        for size in [22usize, 23, 61, 1000, 100_003] {
            let old: Vec<u8> = (0..size).map(|i| (i * 31 + 7) as u8).collect();
            let mut new = old.clone();
            new[..22].iter_mut().for_each(|byte| *byte = byte.wrapping_mul(3) ^ 0x5a);
            let changed = replaced(crc32c(&old), &old[..22], &new[..22], (size - 22) as u64);
            assert_eq!(changed, crc32c(&new), "{size}");
        }
    }
}
