//! Zigzag variable-length integers: at most 5 bytes for 32 bits, 10 for 64. As in Kafka, bits that overflow in
//! the last byte are dropped, and a longer encoding than needed is accepted.

/// Where bytes are read from: a slice, or a stream that is being decompressed.
pub trait Source {
    type Error;
    fn byte(&mut self) -> Result<u8, Self::Error>;
    /// The error for a number that does not end.
    fn malformed(&self) -> Self::Error;

    // inlined by force: as a call it was a third of what validating small records costs
    #[inline(always)]
    fn varint(&mut self) -> Result<i32, Self::Error> {
        let raw = self.unsigned(5)? as u32;
        Ok((raw >> 1) as i32 ^ -((raw & 1) as i32))
    }

    #[inline(always)]
    fn varlong(&mut self) -> Result<i64, Self::Error> {
        let raw = self.unsigned(10)?;
        Ok((raw >> 1) as i64 ^ -((raw & 1) as i64))
    }

    #[inline]
    fn unsigned(&mut self, bytes_max: u32) -> Result<u64, Self::Error> {
        self.unsigned_slow(bytes_max)
    }

    #[inline(never)]
    fn unsigned_slow(&mut self, bytes_max: u32) -> Result<u64, Self::Error> {
        let mut value = 0;
        for index in 0..bytes_max {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f).wrapping_shl(7 * index);
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(self.malformed())
    }
}

pub fn put_varint(out: &mut Vec<u8>, value: i32) {
    put_unsigned(out, u64::from(((value << 1) ^ (value >> 31)) as u32));
}

pub fn put_varlong(out: &mut Vec<u8>, value: i64) {
    put_unsigned(out, ((value << 1) ^ (value >> 63)) as u64);
}

pub fn put_unsigned(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

pub fn varint_size(value: i32) -> usize {
    unsigned_size(u64::from(((value << 1) ^ (value >> 31)) as u32))
}

pub fn varlong_size(value: i64) -> usize {
    unsigned_size(((value << 1) ^ (value >> 63)) as u64)
}

fn unsigned_size(value: u64) -> usize {
    (64 - (value | 1).leading_zeros() as usize).div_ceil(7)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::walk::Slice;

    #[test]
    fn numbers_come_back() {
        for value in [0, 1, -1, 63, 64, -64, -65, 8191, 8192, i32::MAX, i32::MIN] {
            let mut out = Vec::new();
            put_varint(&mut out, value);
            assert_eq!(out.len(), varint_size(value));
            assert_eq!(Slice::new(&out).varint().unwrap(), value);
            out.clear();
            put_varlong(&mut out, i64::from(value));
            assert_eq!(out.len(), varlong_size(i64::from(value)));
            assert_eq!(Slice::new(&out).varlong().unwrap(), i64::from(value));
        }
        for value in [i64::MAX, i64::MIN, 1 << 62] {
            let mut out = Vec::new();
            put_varlong(&mut out, value);
            assert_eq!(out.len(), varlong_size(value));
            assert_eq!(Slice::new(&out).varlong().unwrap(), value);
        }
    }

    #[test]
    fn numbers_without_end_are_refused() {
        assert!(Slice::new(&[0x80; 5]).varint().is_err());
        assert!(Slice::new(&[0x80; 10]).varlong().is_err());
        assert!(Slice::new(&[0x80, 0x80]).varint().is_err());
        assert!(Slice::new(&[]).varint().is_err());
    }
}
