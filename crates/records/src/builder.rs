//! Writes one batch. Records are encoded as they come; `build` compresses them and puts the header in front.

use bytes::Bytes;
use types::{LeaderEpoch, Offset, ProducerEpoch, ProducerId};

use crate::compression::{Codec, Compression, compress};
use crate::header::{HEADER_SIZE, LOG_OVERHEAD, MAGIC, NO_SEQUENCE, NO_TIMESTAMP, at, bit};
use crate::record::{Record, RecordHeader};
use crate::varint::{put_varint, put_varlong, varint_size, varlong_size};
use crate::{BuildError, crc32c};

/// The fields of a batch that its records do not give.
#[derive(Clone, Debug)]
pub struct BatchOptions {
    pub compression: Compression,
    pub base_offset: Offset,
    pub leader_epoch: LeaderEpoch,
    /// The append time; sets the timestamp type to LogAppendTime.
    pub log_append_time: Option<i64>,
    pub producer_id: ProducerId,
    pub producer_epoch: ProducerEpoch,
    pub base_sequence: i32,
    pub transactional: bool,
    pub control: bool,
    pub delete_horizon_ms: Option<i64>,
}

impl Default for BatchOptions {
    /// What a producer without idempotence sends, uncompressed.
    fn default() -> Self {
        BatchOptions {
            compression: Compression::NONE,
            base_offset: Offset::ZERO,
            leader_epoch: LeaderEpoch::NONE,
            log_append_time: None,
            producer_id: ProducerId::NONE,
            producer_epoch: ProducerEpoch::NONE,
            base_sequence: NO_SEQUENCE,
            transactional: false,
            control: false,
            delete_horizon_ms: None,
        }
    }
}

/// A batch being filled.
#[derive(Clone, Debug)]
pub struct BatchBuilder {
    options: BatchOptions,
    /// Room for the header, then the encoded records.
    bytes: Vec<u8>,
    count: i32,
    base_timestamp: i64,
    max_timestamp: i64,
    last_offset_delta: i32,
}

impl BatchBuilder {
    pub fn new(options: BatchOptions) -> BatchBuilder {
        BatchBuilder::with_capacity(options, 0)
    }

    /// With room for `records` bytes of encoded records.
    pub fn with_capacity(options: BatchOptions, records: usize) -> BatchBuilder {
        let mut bytes = Vec::with_capacity(HEADER_SIZE + records);
        bytes.resize(HEADER_SIZE, 0);
        BatchBuilder {
            base_timestamp: options.delete_horizon_ms.unwrap_or(NO_TIMESTAMP),
            options,
            bytes,
            count: 0,
            max_timestamp: NO_TIMESTAMP,
            last_offset_delta: -1,
        }
    }

    /// Adds a record at the next offset.
    pub fn append(
        &mut self,
        timestamp: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: &[RecordHeader<'_>],
    ) -> Result<(), BuildError> {
        let offset_delta = self.next_delta()?;
        let count = i32::try_from(headers.len()).map_err(|_| BuildError::TooLarge)?;
        self.push(offset_delta, timestamp, key, value, headers_size(headers), |out| {
            put_varint(out, count);
            headers.iter().for_each(|header| put_header(out, *header));
        })
    }

    /// Adds a record read from another batch, at its own offset, which must follow the last one's.
    pub fn append_record(&mut self, record: &Record<'_>) -> Result<(), BuildError> {
        let (offset, base) = (record.offset.0, self.options.base_offset.0);
        let last = base.wrapping_add(self.last_offset_delta.into());
        let delta = offset.checked_sub(base).and_then(|delta| i32::try_from(delta).ok());
        let delta = delta.filter(|delta| *delta > self.last_offset_delta);
        let delta = delta.ok_or(BuildError::Offset { offset, last, base })?;
        self.push_record(delta, record)
    }

    /// Adds a record read from another batch, at the next offset.
    pub fn append_renumbered(&mut self, record: &Record<'_>) -> Result<(), BuildError> {
        let delta = self.next_delta()?;
        self.push_record(delta, record)
    }

    fn next_delta(&self) -> Result<i32, BuildError> {
        self.last_offset_delta.checked_add(1).ok_or(BuildError::TooLarge)
    }

    fn push_record(&mut self, delta: i32, record: &Record<'_>) -> Result<(), BuildError> {
        let (count, encoded) = record.headers.encoded();
        let size = varint_size(count) + encoded.len();
        self.push(delta, record.timestamp, record.key, record.value, size, |out| {
            put_varint(out, count);
            out.extend_from_slice(encoded);
        })
    }

    fn push(
        &mut self,
        offset_delta: i32,
        timestamp: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers_size: usize,
        put_headers: impl FnOnce(&mut Vec<u8>),
    ) -> Result<(), BuildError> {
        if self.count == 0 && self.options.delete_horizon_ms.is_none() {
            self.base_timestamp = timestamp;
        }
        let timestamp_delta = timestamp.wrapping_sub(self.base_timestamp);
        let length = |bytes: Option<&[u8]>| bytes.map_or(0, <[u8]>::len);
        // checked before any length is written as 32 bits
        if self.bytes.len() + length(key) + length(value) + headers_size + 64 > i32::MAX as usize {
            return Err(BuildError::TooLarge);
        }
        let size = 1
            + varlong_size(timestamp_delta)
            + varint_size(offset_delta)
            + nullable_size(key)
            + nullable_size(value)
            + headers_size;
        let out = &mut self.bytes;
        put_varint(out, size as i32);
        out.push(0);
        put_varlong(out, timestamp_delta);
        put_varint(out, offset_delta);
        put_nullable(out, key);
        put_nullable(out, value);
        put_headers(out);
        self.count += 1;
        self.last_offset_delta = offset_delta;
        self.max_timestamp = self.max_timestamp.max(timestamp);
        Ok(())
    }

    /// Lets the batch span offsets past its last record, as one does whose last records were cleaned away.
    pub fn set_last_offset(&mut self, offset: Offset) -> Result<(), BuildError> {
        let (offset, base) = (offset.0, self.options.base_offset.0);
        let last = base.wrapping_add(self.last_offset_delta.into());
        let delta = offset.checked_sub(base).and_then(|delta| i32::try_from(delta).ok());
        let delta = delta.filter(|delta| *delta >= self.last_offset_delta);
        self.last_offset_delta = delta.ok_or(BuildError::Offset { offset, last, base })?;
        Ok(())
    }

    /// Names the producer, which may be known only when the batch is sent.
    pub fn set_producer(&mut self, id: ProducerId, epoch: ProducerEpoch, base_sequence: i32) {
        self.options.producer_id = id;
        self.options.producer_epoch = epoch;
        self.options.base_sequence = base_sequence;
    }

    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    pub fn record_count(&self) -> i32 {
        self.count
    }

    pub fn max_timestamp(&self) -> i64 {
        self.max_timestamp
    }

    /// Bytes of the batch so far if it were not compressed.
    pub fn size(&self) -> usize {
        self.bytes.len()
    }

    /// Bytes of the batch, not compressed, if this record came next; never too few.
    pub fn size_with(&self, key: Option<&[u8]>, value: Option<&[u8]>, headers: &[RecordHeader<'_>]) -> usize {
        self.size() + record_size(key, value, headers)
    }

    /// The finished batch.
    pub fn build(self) -> Result<Bytes, BuildError> {
        Ok(Bytes::from(self.build_vec()?))
    }

    /// The finished batch.
    pub fn build_vec(self) -> Result<Vec<u8>, BuildError> {
        let codec = self.options.compression.codec();
        let header = self.encode_header();
        let mut out = match codec {
            Codec::None => self.bytes,
            _ => {
                let records = self.bytes.get(HEADER_SIZE..).unwrap_or_default();
                let mut out = Vec::with_capacity(HEADER_SIZE + records.len() / 2);
                out.resize(HEADER_SIZE, 0);
                compress(self.options.compression, records, &mut out)?;
                out
            }
        };
        let length = i32::try_from(out.len() - LOG_OVERHEAD).map_err(|_| BuildError::TooLarge)?;
        put(&mut out, 0, header);
        put(&mut out, at::LENGTH, length.to_be_bytes());
        let crc = crc32c(out.get(at::ATTRIBUTES..).unwrap_or_default());
        put(&mut out, at::CRC, crc.to_be_bytes());
        Ok(out)
    }

    /// The header without length and checksum.
    fn encode_header(&self) -> [u8; HEADER_SIZE] {
        let options = &self.options;
        let mut out = [0; HEADER_SIZE];
        put(&mut out, at::BASE_OFFSET, options.base_offset.0.to_be_bytes());
        put(&mut out, at::LEADER_EPOCH, options.leader_epoch.0.to_be_bytes());
        put(&mut out, at::MAGIC, MAGIC.to_be_bytes());
        put(&mut out, at::ATTRIBUTES, self.attributes().to_be_bytes());
        put(&mut out, at::LAST_OFFSET_DELTA, self.last_offset_delta.to_be_bytes());
        put(&mut out, at::BASE_TIMESTAMP, self.base_timestamp.to_be_bytes());
        let max_timestamp = options.log_append_time.unwrap_or(self.max_timestamp);
        put(&mut out, at::MAX_TIMESTAMP, max_timestamp.to_be_bytes());
        put(&mut out, at::PRODUCER_ID, options.producer_id.0.to_be_bytes());
        put(&mut out, at::PRODUCER_EPOCH, options.producer_epoch.0.to_be_bytes());
        put(&mut out, at::BASE_SEQUENCE, options.base_sequence.to_be_bytes());
        put(&mut out, at::COUNT, self.count.to_be_bytes());
        out
    }

    fn attributes(&self) -> i16 {
        let options = &self.options;
        let flag = |set: bool, bit: i16| if set { bit } else { 0 };
        i16::from(options.compression.codec().id())
            | flag(options.log_append_time.is_some(), bit::LOG_APPEND_TIME)
            | flag(options.transactional, bit::TRANSACTIONAL)
            | flag(options.control, bit::CONTROL)
            | flag(options.delete_horizon_ms.is_some(), bit::DELETE_HORIZON)
    }
}

/// Most bytes that one record takes, not compressed.
pub fn record_size(key: Option<&[u8]>, value: Option<&[u8]>, headers: &[RecordHeader<'_>]) -> usize {
    // length, attributes, timestamp and offset at their longest
    5 + 1 + 10 + 5 + nullable_size(key) + nullable_size(value) + headers_size(headers)
}

fn headers_size(headers: &[RecordHeader<'_>]) -> usize {
    let each = |header: &RecordHeader<'_>| nullable_size(Some(header.key)) + nullable_size(header.value);
    varint_size(headers.len() as i32) + headers.iter().map(each).sum::<usize>()
}

fn put_header(out: &mut Vec<u8>, header: RecordHeader<'_>) {
    put_nullable(out, Some(header.key));
    put_nullable(out, header.value);
}

fn nullable_size(bytes: Option<&[u8]>) -> usize {
    match bytes {
        None => 1,
        Some(bytes) => varint_size(bytes.len() as i32) + bytes.len(),
    }
}

fn put_nullable(out: &mut Vec<u8>, bytes: Option<&[u8]>) {
    match bytes {
        None => put_varint(out, -1),
        Some(bytes) => {
            put_varint(out, bytes.len() as i32);
            out.extend_from_slice(bytes);
        }
    }
}

fn put<const N: usize>(out: &mut [u8], at: usize, value: [u8; N]) {
    if let Some(place) = out.get_mut(at..).and_then(|rest| rest.first_chunk_mut()) {
        *place = value;
    }
}
