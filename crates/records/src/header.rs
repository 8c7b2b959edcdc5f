//! The 61-byte header of a v2 batch, read in place. A `Header` exists only over bytes whose length and magic
//! were checked; the rest of the batch need not be there.

use types::{LeaderEpoch, Offset, ProducerEpoch, ProducerId};

use crate::BatchError;
use crate::compression::Codec;

/// Bytes of a batch before its records.
pub const HEADER_SIZE: usize = 61;
/// Base offset and length, which `batch_length` does not count.
pub const LOG_OVERHEAD: usize = 12;
pub const MAGIC: i8 = 2;
/// A timestamp that is not known.
pub const NO_TIMESTAMP: i64 = -1;
/// The sequence of a batch without a producer id, and of control batches.
pub const NO_SEQUENCE: i32 = -1;

/// Old formats have at least this many bytes after the length.
const OLD_RECORD_OVERHEAD: i32 = 14;

pub(crate) mod at {
    pub const BASE_OFFSET: usize = 0;
    pub const LENGTH: usize = 8;
    pub const LEADER_EPOCH: usize = 12;
    pub const MAGIC: usize = 16;
    pub const CRC: usize = 17;
    pub const ATTRIBUTES: usize = 21;
    pub const LAST_OFFSET_DELTA: usize = 23;
    pub const BASE_TIMESTAMP: usize = 27;
    pub const MAX_TIMESTAMP: usize = 35;
    pub const PRODUCER_ID: usize = 43;
    pub const PRODUCER_EPOCH: usize = 51;
    pub const BASE_SEQUENCE: usize = 53;
    pub const COUNT: usize = 57;
}

pub(crate) mod bit {
    pub const CODEC: i16 = 0x07;
    pub const LOG_APPEND_TIME: i16 = 0x08;
    pub const TRANSACTIONAL: i16 = 0x10;
    pub const CONTROL: i16 = 0x20;
    pub const DELETE_HORIZON: i16 = 0x40;
}

/// Who set the timestamps of a batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TimestampType {
    #[default]
    CreateTime,
    LogAppendTime,
}

/// A view of a batch's header.
#[derive(Clone, Copy)]
pub struct Header<'a> {
    pub(crate) bytes: &'a [u8; HEADER_SIZE],
}

impl<'a> Header<'a> {
    /// The header at the start of `buffer`; None where the buffer ends before the header does.
    pub fn parse(buffer: &'a [u8]) -> Result<Option<Header<'a>>, BatchError> {
        let Some(length) = buffer.get(at::LENGTH..).and_then(|rest| rest.first_chunk()) else {
            return Ok(None);
        };
        let length = i32::from_be_bytes(*length);
        if length < OLD_RECORD_OVERHEAD {
            return Err(BatchError::Length(length));
        }
        let Some(&magic) = buffer.get(at::MAGIC) else { return Ok(None) };
        match magic as i8 {
            MAGIC => {}
            old @ (0 | 1) => return Err(BatchError::OldMagic(old)),
            other => return Err(BatchError::Magic(other)),
        }
        if (length as usize) + LOG_OVERHEAD < HEADER_SIZE {
            return Err(BatchError::TooSmall(length as usize + LOG_OVERHEAD));
        }
        Ok(buffer.first_chunk().map(|bytes| Header { bytes }))
    }

    fn array<const N: usize>(&self, at: usize) -> [u8; N] {
        // `at` is a constant of this module, so this never fails; zeros keep it free of panics
        self.bytes.get(at..).and_then(|rest| rest.first_chunk()).copied().unwrap_or([0; N])
    }

    fn i16(&self, at: usize) -> i16 {
        i16::from_be_bytes(self.array(at))
    }

    fn i32(&self, at: usize) -> i32 {
        i32::from_be_bytes(self.array(at))
    }

    fn i64(&self, at: usize) -> i64 {
        i64::from_be_bytes(self.array(at))
    }

    pub fn bytes(&self) -> &'a [u8; HEADER_SIZE] {
        self.bytes
    }

    pub fn base_offset(&self) -> Offset {
        Offset(self.i64(at::BASE_OFFSET))
    }

    /// Bytes after the length field, as written.
    pub fn batch_length(&self) -> i32 {
        self.i32(at::LENGTH)
    }

    /// Bytes of the whole batch; never fewer than the header's.
    pub fn size(&self) -> usize {
        self.batch_length() as usize + LOG_OVERHEAD
    }

    pub fn leader_epoch(&self) -> LeaderEpoch {
        LeaderEpoch(self.i32(at::LEADER_EPOCH))
    }

    pub fn magic(&self) -> i8 {
        i8::from_be_bytes(self.array(at::MAGIC))
    }

    /// The stored checksum, over everything from the attributes on.
    pub fn crc(&self) -> u32 {
        self.i32(at::CRC) as u32
    }

    pub fn attributes(&self) -> i16 {
        self.i16(at::ATTRIBUTES)
    }

    /// None where the number is none of Kafka's codecs.
    pub fn codec(&self) -> Option<Codec> {
        Codec::from_id((self.attributes() & bit::CODEC) as u8)
    }

    pub fn codec_id(&self) -> u8 {
        (self.attributes() & bit::CODEC) as u8
    }

    pub fn is_compressed(&self) -> bool {
        self.codec_id() != 0
    }

    pub fn timestamp_type(&self) -> TimestampType {
        match self.attributes() & bit::LOG_APPEND_TIME {
            0 => TimestampType::CreateTime,
            _ => TimestampType::LogAppendTime,
        }
    }

    pub fn is_transactional(&self) -> bool {
        self.attributes() & bit::TRANSACTIONAL != 0
    }

    pub fn is_control(&self) -> bool {
        self.attributes() & bit::CONTROL != 0
    }

    pub fn last_offset_delta(&self) -> i32 {
        self.i32(at::LAST_OFFSET_DELTA)
    }

    pub fn last_offset(&self) -> Offset {
        Offset(self.base_offset().0.wrapping_add(self.last_offset_delta().into()))
    }

    pub fn next_offset(&self) -> Offset {
        Offset(self.last_offset().0.wrapping_add(1))
    }

    /// What the records' timestamps are relative to; the delete horizon where there is one.
    pub fn base_timestamp(&self) -> i64 {
        self.i64(at::BASE_TIMESTAMP)
    }

    pub fn max_timestamp(&self) -> i64 {
        self.i64(at::MAX_TIMESTAMP)
    }

    /// When tombstones and markers of this batch may go (set by the cleaner).
    pub fn delete_horizon_ms(&self) -> Option<i64> {
        (self.attributes() & bit::DELETE_HORIZON != 0).then(|| self.base_timestamp())
    }

    pub fn producer_id(&self) -> ProducerId {
        ProducerId(self.i64(at::PRODUCER_ID))
    }

    pub fn has_producer_id(&self) -> bool {
        self.producer_id().0 > ProducerId::NONE.0
    }

    pub fn producer_epoch(&self) -> ProducerEpoch {
        ProducerEpoch(self.i16(at::PRODUCER_EPOCH))
    }

    pub fn base_sequence(&self) -> i32 {
        self.i32(at::BASE_SEQUENCE)
    }

    /// The sequence of the last record; after 2147483647 comes 0.
    pub fn last_sequence(&self) -> i32 {
        match self.base_sequence() {
            NO_SEQUENCE => NO_SEQUENCE,
            base => base.wrapping_add(self.last_offset_delta()) & i32::MAX,
        }
    }

    /// How many records there are; less than the offsets spanned after cleaning.
    pub fn record_count(&self) -> i32 {
        self.i32(at::COUNT)
    }
}

impl std::fmt::Debug for Header<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Header")
            .field("base_offset", &self.base_offset())
            .field("last_offset", &self.last_offset())
            .field("size", &self.size())
            .field("leader_epoch", &self.leader_epoch())
            .field("attributes", &self.attributes())
            .field("producer_id", &self.producer_id())
            .field("base_sequence", &self.base_sequence())
            .field("record_count", &self.record_count())
            .finish()
    }
}
