//! Whole batches in a buffer, without copies.

use std::borrow::Cow;
use std::ops::Deref;

use crate::compression::{CompressionError, Decompressor, decompress};
use crate::header::{HEADER_SIZE, Header, at};
use crate::{BatchError, RecordError, Records, crc32c};

/// One complete batch: its header and its encoded records.
#[derive(Clone, Copy, Debug)]
pub struct Batch<'a> {
    header: Header<'a>,
    bytes: &'a [u8],
}

impl<'a> Batch<'a> {
    /// The first batch of `buffer`; None where it is not all there.
    pub fn first(buffer: &'a [u8]) -> Result<Option<Batch<'a>>, BatchError> {
        let Some(header) = Header::parse(buffer)? else { return Ok(None) };
        Ok(buffer.get(..header.size()).map(|bytes| Batch { header, bytes }))
    }

    /// A buffer that is exactly one batch.
    pub fn exact(buffer: &'a [u8]) -> Result<Batch<'a>, BatchError> {
        match Batch::first(buffer)? {
            Some(batch) if batch.bytes.len() == buffer.len() => Ok(batch),
            Some(batch) => Err(BatchError::Trailing { declared: batch.bytes.len(), given: buffer.len() }),
            None => Err(BatchError::TooSmall(buffer.len())),
        }
    }

    pub fn header(&self) -> Header<'a> {
        self.header
    }

    /// Header and records.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The records as they are stored, compressed or not.
    pub fn payload(&self) -> &'a [u8] {
        self.bytes.get(HEADER_SIZE..).unwrap_or_default()
    }

    pub fn computed_crc(&self) -> u32 {
        crc32c(self.bytes.get(at::ATTRIBUTES..).unwrap_or_default())
    }

    pub fn verify_crc(&self) -> Result<(), BatchError> {
        let (stored, computed) = (self.crc(), self.computed_crc());
        if stored == computed { Ok(()) } else { Err(BatchError::Crc { stored, computed }) }
    }

    /// The records uncompressed: borrowed where they are so already, else at most `bytes_max` bytes.
    pub fn data(&self, bytes_max: usize) -> Result<Cow<'a, [u8]>, RecordError> {
        match self.is_compressed() {
            false => Ok(Cow::Borrowed(self.payload())),
            true => Ok(Cow::Owned(decompress(self.known_codec()?, self.payload(), bytes_max)?)),
        }
    }

    /// Iterates over records in `data`, which must be what `data` gave for this batch.
    pub fn records<'d>(&self, data: &'d [u8]) -> Records<'d> {
        Records::new(self.header, data)
    }

    pub(crate) fn decompressor(&self, bytes_max: usize) -> Result<Decompressor<'a>, RecordError> {
        Ok(Decompressor::new(self.known_codec()?, self.payload(), bytes_max)?)
    }

    fn known_codec(&self) -> Result<crate::Codec, CompressionError> {
        self.codec().ok_or(CompressionError::Unknown(self.codec_id()))
    }
}

impl<'a> Deref for Batch<'a> {
    type Target = Header<'a>;

    fn deref(&self) -> &Header<'a> {
        &self.header
    }
}

/// Iterates over the batches of a buffer. A batch that is cut at the end is left alone (a fetched answer may
/// end so): `consumed` says where it begins. After an error there are no more.
#[derive(Clone, Debug)]
pub struct Batches<'a> {
    buffer: &'a [u8],
    consumed: usize,
    failed: bool,
}

impl<'a> Batches<'a> {
    pub fn new(buffer: &'a [u8]) -> Batches<'a> {
        Batches { buffer, consumed: 0, failed: false }
    }

    /// Bytes of the batches given so far.
    pub fn consumed(&self) -> usize {
        self.consumed
    }

    /// Bytes behind the batches given so far.
    pub fn rest(&self) -> &'a [u8] {
        self.buffer.get(self.consumed..).unwrap_or_default()
    }
}

impl<'a> Iterator for Batches<'a> {
    type Item = Result<Batch<'a>, BatchError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        match Batch::first(self.rest()) {
            Ok(Some(batch)) => {
                self.consumed += batch.bytes.len();
                Some(Ok(batch))
            }
            Ok(None) => None,
            Err(error) => {
                self.failed = true;
                Some(Err(error))
            }
        }
    }
}
