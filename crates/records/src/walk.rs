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
        let size = record_size(self)?;
        let mut body = Slice::new(self.take(size as usize)?);
        let shape = walk_body(&mut body)?;
        check_size(size, size - body.rest.len() as u64)?;
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
