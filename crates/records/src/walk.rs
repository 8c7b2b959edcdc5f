//! One pass over encoded records that looks at their structure alone, in a slice or in a stream that is being
//! decompressed, so that a validated batch is never held in memory uncompressed.

use crate::RecordError;
use crate::compression::Decompressor;
use crate::varint::Source;

/// Bytes that records are walked in.
pub trait RecordSource: Source<Error = RecordError> {
    /// Passes one record, checking that every length in it adds up.
    fn walk_record(&mut self) -> Result<Shape, RecordError>;
    fn skip(&mut self, count: u64) -> Result<(), RecordError>;
    /// Fails unless everything was read.
    fn finish(&mut self) -> Result<(), RecordError>;
}

/// Uncompressed records.
#[derive(Clone)]
pub struct Slice<'a> {
    rest: &'a [u8],
}

impl<'a> Slice<'a> {
    pub fn new(bytes: &'a [u8]) -> Slice<'a> {
        Slice { rest: bytes }
    }

    #[inline]
    pub fn take(&mut self, count: usize) -> Result<&'a [u8], RecordError> {
        let (taken, rest) =
            self.rest.split_at_checked(count).ok_or(RecordError::Truncated { expected: count as i64 })?;
        self.rest = rest;
        Ok(taken)
    }

    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }
}

/// A record of any kind, and what follows it.
#[cold]
#[inline(never)]
fn any_record(bytes: &[u8]) -> Result<(Shape, &[u8]), RecordError> {
    let mut source = Slice::new(bytes);
    let size = record_size(&mut source)?;
    let mut body = Slice::new(source.take(size as usize)?);
    let shape = walk_body(&mut body)?;
    check_size(size, size - body.rest.len() as u64)?;
    Ok((shape, source.rest))
}

/// The record that nearly all are, and what follows it: good, without headers, each number of three bytes at most. None for
/// any other, and for the last ones of a batch where they are tiny. Numbers are taken from whole words, so that bounds are
/// looked at three times a record.
#[inline(always)]
fn plain_record(bytes: &[u8]) -> Option<(Shape, &[u8])> {
    let head = word(bytes)?;
    let (size, used) = short(head)?;
    let (record, rest) = bytes.split_at_checked(used + length(size)?)?;
    // one byte of attributes, unused
    let mut at = used + 1;
    let (timestamp_delta, used) = short(head >> (8 * at))?;
    at += used;
    let middle = word(bytes.get(at..)?)?;
    let (offset_delta, used) = short(middle)?;
    let (key, key_used) = short(middle >> (8 * used))?;
    at += used + key_used;
    let (key_length, (value, used)) = match (key, key_used) {
        // no longer than need be, or the word would be used up before the next number
        (NULL, 1) => (-1, short(middle >> (8 * (used + key_used)))?),
        (key, _) => {
            let key = length(key)?;
            at += key;
            (key as i32, short(word(bytes.get(at..)?)?)?)
        }
    };
    at += used;
    let value_length = match value {
        NULL => -1,
        value => {
            let value = length(value)?;
            at += value;
            value as i32
        }
    };
    // the number of headers is the last byte
    if at + 1 != record.len() || record.last() != Some(&0) {
        return None;
    }
    let timestamp_delta = i64::from(signed(timestamp_delta));
    Some((Shape { timestamp_delta, offset_delta: signed(offset_delta), key_length, value_length }, rest))
}

/// -1 as it is written.
const NULL: u32 = 1;

#[inline(always)]
fn word(bytes: &[u8]) -> Option<u64> {
    bytes.first_chunk().map(|word| u64::from_le_bytes(*word))
}

/// The number that a word begins with, still in zigzag, and its bytes, where these are three at most.
#[inline(always)]
fn short(word: u64) -> Option<(u32, usize)> {
    let word = word as u32;
    if word & 0x80 == 0 {
        Some((word & 0x7f, 1))
    } else if word & 0x8000 == 0 {
        Some((word & 0x7f | word >> 1 & 0x3f80, 2))
    } else if word & 0x80_0000 == 0 {
        Some((word & 0x7f | word >> 1 & 0x3f80 | word >> 2 & 0x1f_c000, 3))
    } else {
        None
    }
}

/// Of a number that must not be negative.
#[inline(always)]
fn length(zigzag: u32) -> Option<usize> {
    (zigzag & 1 == 0).then_some((zigzag >> 1) as usize)
}

#[inline(always)]
fn signed(zigzag: u32) -> i32 {
    (zigzag >> 1) as i32 ^ -((zigzag & 1) as i32)
}

impl Source for Slice<'_> {
    type Error = RecordError;

    #[inline]
    fn byte(&mut self) -> Result<u8, RecordError> {
        let (&byte, rest) = self.rest.split_first().ok_or(RecordError::Truncated { expected: 1 })?;
        self.rest = rest;
        Ok(byte)
    }

    fn malformed(&self) -> RecordError {
        RecordError::Structure
    }

    /// Numbers of up to three bytes, which nearly all are, without a look at each byte's bounds.
    #[inline(always)]
    fn unsigned(&mut self, bytes_max: u32) -> Result<u64, RecordError> {
        match self.rest {
            [first, rest @ ..] if *first < 0x80 => {
                self.rest = rest;
                Ok(u64::from(*first))
            }
            [first, second, rest @ ..] if *second < 0x80 => {
                self.rest = rest;
                Ok(u64::from(*first & 0x7f) | u64::from(*second) << 7)
            }
            [first, second, third, rest @ ..] if *third < 0x80 => {
                self.rest = rest;
                Ok(u64::from(*first & 0x7f) | u64::from(*second & 0x7f) << 7 | u64::from(*third) << 14)
            }
            _ => self.unsigned_slow(bytes_max),
        }
    }
}

impl RecordSource for Slice<'_> {
    /// The size leads to the next record at once, so that the processor begins it before it is through this one.
    #[inline]
    fn walk_record(&mut self) -> Result<Shape, RecordError> {
        // by value, so that what is left stays in registers
        let (shape, rest) = match plain_record(self.rest) {
            Some(plain) => plain,
            None => any_record(self.rest)?,
        };
        self.rest = rest;
        Ok(shape)
    }

    #[inline]
    fn skip(&mut self, count: u64) -> Result<(), RecordError> {
        let count = usize::try_from(count).map_err(|_| RecordError::Structure)?;
        self.take(count).map(|_| ())
    }

    fn finish(&mut self) -> Result<(), RecordError> {
        if self.rest.is_empty() { Ok(()) } else { Err(RecordError::Remaining) }
    }
}

/// Compressed records, decompressed piece by piece.
pub struct Stream<'a> {
    decompressor: Decompressor<'a>,
    used: usize,
    position: u64,
}

impl<'a> Stream<'a> {
    pub fn new(decompressor: Decompressor<'a>) -> Stream<'a> {
        Stream { decompressor, used: 0, position: 0 }
    }

    /// Unread bytes of the current piece, or of the next one; empty at the end.
    fn available(&mut self) -> Result<usize, RecordError> {
        if self.used == self.decompressor.piece().len() {
            self.decompressor.advance()?;
            self.used = 0;
        }
        Ok(self.decompressor.piece().len() - self.used)
    }
}

impl Source for Stream<'_> {
    type Error = RecordError;

    #[inline]
    fn byte(&mut self) -> Result<u8, RecordError> {
        if self.available()? == 0 {
            return Err(RecordError::Truncated { expected: 1 });
        }
        let byte = self.decompressor.piece().get(self.used).copied().ok_or(RecordError::Structure)?;
        self.used += 1;
        self.position += 1;
        Ok(byte)
    }

    fn malformed(&self) -> RecordError {
        RecordError::Structure
    }
}

impl RecordSource for Stream<'_> {
    fn walk_record(&mut self) -> Result<Shape, RecordError> {
        let size = record_size(self)?;
        let start = self.position;
        let shape = walk_body(self)?;
        check_size(size, self.position - start)?;
        Ok(shape)
    }

    fn skip(&mut self, count: u64) -> Result<(), RecordError> {
        let mut left = count;
        while left > 0 {
            let available = self.available()?;
            if available == 0 {
                return Err(RecordError::Truncated { expected: left as i64 });
            }
            let step = left.min(available as u64);
            self.used += step as usize;
            self.position += step;
            left -= step;
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<(), RecordError> {
        if self.available()? == 0 { Ok(()) } else { Err(RecordError::Remaining) }
    }
}

/// What a record says about itself; lengths are -1 where Kafka reads null.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    pub timestamp_delta: i64,
    pub offset_delta: i32,
    pub key_length: i32,
    pub value_length: i32,
}

#[inline]
fn record_size<S: RecordSource>(source: &mut S) -> Result<u64, RecordError> {
    let size = source.varint().map_err(premature)?;
    u64::try_from(size).map_err(|_| RecordError::Truncated { expected: size.into() })
}

/// Passes what follows a record's size.
#[inline]
fn walk_body<S: RecordSource>(source: &mut S) -> Result<Shape, RecordError> {
    source.byte()?; // attributes, unused
    let timestamp_delta = source.varlong()?;
    let offset_delta = source.varint()?;
    let key_length = skip_nullable(source)?;
    let value_length = skip_nullable(source)?;
    let headers = source.varint()?;
    if headers < 0 {
        return Err(RecordError::HeaderCount(headers.into()));
    }
    for _ in 0..headers {
        let key = source.varint()?;
        let key = u64::try_from(key).map_err(|_| RecordError::HeaderKey(key.into()))?;
        source.skip(key)?;
        skip_nullable(source)?;
    }
    Ok(Shape { timestamp_delta, offset_delta, key_length, value_length })
}

fn check_size(size: u64, read: u64) -> Result<(), RecordError> {
    if size == read { Ok(()) } else { Err(RecordError::Size { expected: size as i64, read: read as i64 }) }
}

/// Bytes that end where a record should begin were counted wrong.
pub fn premature(error: RecordError) -> RecordError {
    match error {
        RecordError::Truncated { .. } => RecordError::Premature,
        error => error,
    }
}

#[inline]
fn skip_nullable<S: RecordSource>(source: &mut S) -> Result<i32, RecordError> {
    let length = source.varint()?.max(-1);
    if let Ok(count) = u64::try_from(length) {
        source.skip(count)?;
    }
    Ok(length)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::varint::{put_varint, put_varlong};

    const NUMBERS: [i32; 13] = [0, 1, -1, 63, 64, -64, -65, 8191, 8192, -8193, 1 << 19, 1 << 20, i32::MAX];

    /// One encoded record; a length of None is null. `size` is added to what it says of its size.
    fn record(
        timestamp: i64,
        offset: i32,
        lengths: [Option<usize>; 2],
        headers: &[u8],
        size: i32,
    ) -> Vec<u8> {
        let mut body = vec![0];
        put_varlong(&mut body, timestamp);
        put_varint(&mut body, offset);
        for length in lengths {
            put_varint(&mut body, length.map_or(-1, |length| length as i32));
            body.extend(std::iter::repeat_n(0xaa, length.unwrap_or(0)));
        }
        body.extend(headers);
        let mut out = Vec::new();
        put_varint(&mut out, body.len() as i32 + size);
        out.extend(body);
        out
    }

    /// The short way gives what the careful way gives, or nothing.
    fn check(bytes: &[u8]) -> bool {
        match plain_record(bytes) {
            None => false,
            plain => {
                assert_eq!(plain, any_record(bytes).ok(), "{bytes:02x?}");
                true
            }
        }
    }

    #[test]
    fn the_short_way_is_taken_for_ordinary_records() {
        for (bytes, is_plain) in [
            (record(0, 0, [None, Some(100)], &[0], 0), true),
            (record(8191, -8192, [Some(100), Some(1000)], &[0], 0), true),
            (record(0, 0, [Some(0), None], &[0], 0), true),
            (record(1 << 19, 1 << 19, [None, Some(200_000)], &[0], 0), true),
            (record(1 << 20, 0, [None, Some(100)], &[0], 0), false),
            (record(0, 0, [None, Some(1 << 20)], &[0], 0), false),
            // one header: its name is empty, its value null
            (record(0, 0, [None, Some(100)], &[2, 0, 1], 0), false),
            (record(0, 0, [None, Some(100)], &[0], 1), false),
            (record(0, 0, [None, Some(100)], &[0], -1), false),
            (record(0, 0, [None, Some(100)], &[], 0), false),
            (record(0, 0, [None, Some(100)], &[1], 0), false),
        ] {
            let followed = [&bytes[..], &[0; 8]].concat();
            assert_eq!(check(&followed), is_plain, "{:02x?}", &bytes[..12]);
        }
    }

    #[test]
    fn the_short_way_is_never_wrong() {
        let lengths = [None, Some(0), Some(1), Some(63), Some(64)];
        for (timestamp, offset) in NUMBERS.iter().flat_map(|a| NUMBERS.map(|b| (i64::from(*a), b))) {
            for (key, value) in lengths.iter().flat_map(|a| lengths.map(|b| (*a, b))) {
                for (headers, size) in [(&[0][..], 0), (&[0], 1), (&[0], -1), (&[2, 0, 1], 0), (&[], 0)] {
                    let bytes = record(timestamp, offset, [key, value], headers, size);
                    check(&bytes);
                    check(&[&bytes[..], &[1; 9]].concat());
                }
            }
        }
    }

    #[test]
    fn numbers_longer_than_need_be() {
        // offset, null key and value length of three bytes each: more than a word holds
        for (value_length, is_good) in [(1 << 13 | 2, true), (2, false)] {
            let mut body = vec![0, 0, 0x80, 0x80, 0x01, 0x81, 0x80, 0x00, 0x84, 0x80, 0x01];
            body.resize(body.len() + value_length, 0xaa);
            body.push(0);
            let mut bytes = Vec::new();
            put_varint(&mut bytes, body.len() as i32);
            bytes.extend(body);
            bytes.extend([0; 8]);
            assert_eq!(any_record(&bytes).is_ok(), is_good);
            assert!(!check(&bytes));
        }
    }

    #[test]
    fn damage_is_judged_as_by_the_careful_way() {
        for bytes in [
            record(5, 300, [Some(3), Some(20)], &[0], 0),
            record(-1, 1, [None, Some(2)], &[0], 0),
            record(9000, 70, [None, None], &[0], 0),
        ] {
            for at in 0..bytes.len() {
                for byte in 0..=u8::MAX {
                    let mut damaged = [&bytes[..], &bytes].concat();
                    damaged[at] = byte;
                    check(&damaged);
                }
                check(&bytes[..at]);
            }
        }
    }
}
