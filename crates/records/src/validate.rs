//! Judges what a client produced to one partition, as Kafka 4's request check, log and LogValidator do together.
//!
//! What is read, and why:
//! - The checksum, always: one pass with the processor's instructions.
//! - Uncompressed records: one pass over their lengths, never over keys and values. It catches malformed records
//!   that would stop every consumer of the partition, finds the largest timestamp (Kafka corrects a header that
//!   lies) and sees keys.
//! - Compressed records are decompressed piece by piece, never held, and walked the same way, as Kafka does. The
//!   header does not suffice: a client's checksum vouches for transport alone, so a stream that does not
//!   decompress, or whose records do not add up, would be acknowledged and then block its partition for all.
//!   With `Rules::trust_compressed` the header is believed instead wherever no rule needs the records: there is
//!   no compaction (keys), no conversion, and no bound on the oldest timestamp (the newest is in the header).
//!
//! Records numbered otherwise than 0, 1, 2... are numbered anew: `Validated::rebuild` says so. Kafka 4.3 means to
//! do that too and fails: an uncompressed batch it stores with offsets that its index denies, a compressed one it
//! answers with UNKNOWN_SERVER_ERROR.

use types::{LeaderEpoch, Offset};

use crate::batch::{Batch, Batches};
use crate::compression::{Codec, CompressionError};
use crate::header::{NO_TIMESTAMP, TimestampType};
use crate::refusal::{RecordFault, RecordRefusal, RecordText, Refusal};
use crate::walk::{RecordSource, Shape, Slice, Stream};
use crate::{BatchError, PatchedHeader, RecordError};

/// The first version of Produce that may carry zstd.
const ZSTD_FROM: i16 = 7;

/// What a topic and a request demand of produced records.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// Of the produce request.
    pub api_version: i16,
    pub now_ms: i64,
    /// `message.timestamp.type`
    pub timestamp_type: TimestampType,
    /// `message.timestamp.before.max.ms`
    pub timestamp_before_max_ms: i64,
    /// `message.timestamp.after.max.ms`
    pub timestamp_after_max_ms: i64,
    /// `cleanup.policy` names compact: every record needs a key.
    pub compacted: bool,
    /// `max.message.bytes`
    pub batch_bytes_max: usize,
    /// The codec of `compression.type`; None for `producer`.
    pub codec: Option<Codec>,
    /// What a batch may grow to when decompressed.
    pub decompressed_bytes_max: usize,
    /// Believes the header of a compressed batch where no rule needs its records.
    pub trust_compressed: bool,
}

impl Default for Rules {
    /// Kafka's defaults, for a clock at 0.
    fn default() -> Self {
        Rules {
            api_version: 13,
            now_ms: 0,
            timestamp_type: TimestampType::CreateTime,
            timestamp_before_max_ms: i64::MAX,
            timestamp_after_max_ms: 3_600_000,
            compacted: false,
            batch_bytes_max: 1_048_588,
            codec: None,
            decompressed_bytes_max: 1 << 30,
            trust_compressed: false,
        }
    }
}

/// A batch that may be appended.
#[derive(Clone, Copy, Debug)]
pub struct Validated<'a> {
    pub batch: Batch<'a>,
    pub timestamp_type: TimestampType,
    /// The largest timestamp of the batch as it will be stored.
    pub max_timestamp: i64,
    /// The batch must be written anew (`rebuild`): another codec, or other offsets.
    pub rebuild: bool,
}

impl Validated<'_> {
    /// The header to write in front of the payload as it came. Not for batches to `rebuild`.
    pub fn header(&self, base_offset: Offset, leader_epoch: LeaderEpoch) -> PatchedHeader {
        let mut header = PatchedHeader::new(self.batch.header());
        header.set_base_offset(base_offset);
        header.set_leader_epoch(leader_epoch);
        header.set_timestamps(self.timestamp_type, self.max_timestamp);
        header
    }
}

/// Judges `bytes`. A batch cut off behind the first one is ignored, as Kafka does.
pub fn validate<'a>(bytes: &'a [u8], rules: &Rules) -> Result<Validated<'a>, Refusal> {
    let batch = only_batch(bytes, rules)?;
    check_header(&batch, rules)?;
    let codec = batch.codec().ok_or(Refusal::UnknownCodec(batch.codec_id()))?;
    let convert = rules.codec.is_some_and(|target| target != codec);
    let judge = Judge::new(&batch, rules, convert);
    let checked = match codec {
        Codec::None => judge.check(Slice::new(batch.payload())),
        _ if !convert && header_suffices(&batch, rules) => {
            Ok(Checked { max_timestamp: batch.max_timestamp(), renumber: false, refused: Vec::new() })
        }
        _ => batch
            .decompressor(rules.decompressed_bytes_max)
            .and_then(|decompressor| judge.check(Stream::new(decompressor))),
    };
    let checked = checked.map_err(|error| structure(error, rules))?;
    if !checked.refused.is_empty() {
        return Err(Refusal::Records(checked.refused));
    }
    let max_timestamp = match rules.timestamp_type {
        TimestampType::CreateTime => checked.max_timestamp,
        TimestampType::LogAppendTime => rules.now_ms,
    };
    let rebuild = convert || checked.renumber;
    Ok(Validated { batch, timestamp_type: rules.timestamp_type, max_timestamp, rebuild })
}

fn structure(error: RecordError, rules: &Rules) -> Refusal {
    match error {
        RecordError::Compression(CompressionError::TooLarge(_)) => {
            Refusal::TooLarge { size: rules.decompressed_bytes_max + 1, max: rules.decompressed_bytes_max }
        }
        error => Refusal::Structure(error),
    }
}

fn only_batch<'a>(bytes: &'a [u8], rules: &Rules) -> Result<Batch<'a>, Refusal> {
    let mut batches = Batches::new(bytes);
    let refused = |error| match error {
        BatchError::OldMagic(magic) => Refusal::OldMagic(magic),
        error => Refusal::Corrupt(error),
    };
    let batch = batches.next().ok_or(Refusal::NoBatch)?.map_err(refused)?;
    if rules.api_version < ZSTD_FROM && batch.codec() == Some(Codec::Zstd) {
        return Err(Refusal::ZstdNotAllowed);
    }
    match batches.next() {
        None => Ok(batch),
        Some(Ok(_) | Err(BatchError::OldMagic(_))) => Err(Refusal::SeveralBatches),
        Some(Err(error)) => Err(Refusal::Corrupt(error)),
    }
}

fn check_header(batch: &Batch<'_>, rules: &Rules) -> Result<(), Refusal> {
    let (base, last, count) = (batch.base_offset().0, batch.last_offset().0, batch.record_count());
    if base != 0 {
        return Err(Refusal::BaseOffset(base));
    }
    let (size, max) = (batch.size(), rules.batch_bytes_max);
    if size > max {
        return Err(Refusal::TooLarge { size, max });
    }
    batch.verify_crc().map_err(Refusal::Corrupt)?;
    if last < 0 {
        return Err(Refusal::OffsetRange { base, last });
    }
    if count <= 0 {
        return Err(Refusal::Count(count));
    }
    if last + 1 != i64::from(count) {
        return Err(Refusal::OffsetRangeAndCount { base, last, count });
    }
    if batch.is_control() {
        return Err(Refusal::Control);
    }
    if batch.has_producer_id() && batch.base_sequence() < 0 {
        let (sequence, producer_id) = (batch.base_sequence(), batch.producer_id().0);
        return Err(Refusal::Sequence { sequence, producer_id });
    }
    Ok(())
}

fn header_suffices(batch: &Batch<'_>, rules: &Rules) -> bool {
    let newest = batch.max_timestamp();
    let in_time = newest == NO_TIMESTAMP || !out_of_range(newest, rules);
    rules.trust_compressed
        && !rules.compacted
        && batch.timestamp_type() == TimestampType::CreateTime
        && (rules.timestamp_type == TimestampType::LogAppendTime
            || in_time && rules.timestamp_before_max_ms == i64::MAX)
}

struct Checked {
    max_timestamp: i64,
    renumber: bool,
    refused: Vec<RecordRefusal>,
}

/// Judges the records of one batch.
struct Judge<'a> {
    rules: &'a Rules,
    record_count: i32,
    base_timestamp: i64,
    append_time: Option<i64>,
    text: RecordText,
}

impl<'a> Judge<'a> {
    fn new(batch: &Batch<'_>, rules: &'a Rules, convert: bool) -> Judge<'a> {
        let append_time = batch.timestamp_type() == TimestampType::LogAppendTime;
        let partial = batch.is_compressed() && !convert;
        Judge {
            rules,
            record_count: batch.record_count(),
            base_timestamp: batch.base_timestamp(),
            append_time: append_time.then(|| batch.max_timestamp()),
            text: if partial { RecordText::Partial } else { RecordText::Default },
        }
    }

    fn check<S: RecordSource>(&self, mut source: S) -> Result<Checked, RecordError> {
        let (mut max_timestamp, mut renumber, mut refused) = (NO_TIMESTAMP, false, Vec::new());
        for index in 0..self.record_count {
            let shape = source.walk_record()?;
            let created = self.base_timestamp.wrapping_add(shape.timestamp_delta);
            let timestamp = self.append_time.unwrap_or(created);
            if self.suspect(&shape, timestamp) {
                let fault = self.fault(&shape, timestamp);
                refused.extend(fault.map(|fault| RecordRefusal { index, fault }));
            }
            max_timestamp = max_timestamp.max(timestamp);
            renumber |= shape.offset_delta != index;
        }
        source.finish()?;
        Ok(Checked { max_timestamp, renumber, refused })
    }

    /// Whether a second look is needed: nearly never, so this is all that an ordinary record costs.
    #[inline]
    fn suspect(&self, shape: &Shape, timestamp: i64) -> bool {
        shape.key_length < 0 && self.rules.compacted
            || self.append_time.is_some()
            || out_of_range(timestamp, self.rules)
    }

    #[cold]
    fn fault(&self, shape: &Shape, timestamp: i64) -> Option<RecordFault> {
        let rules = self.rules;
        let offset = i64::from(shape.offset_delta);
        if rules.compacted && shape.key_length < 0 {
            return Some(RecordFault::NoKey);
        }
        // as Kafka judges: a range, where there is a time to judge; only otherwise the type
        if rules.timestamp_type == TimestampType::CreateTime && timestamp != NO_TIMESTAMP {
            let earliest = rules.now_ms.wrapping_sub(rules.timestamp_before_max_ms);
            let latest = rules.now_ms.wrapping_add(rules.timestamp_after_max_ms);
            let fault = RecordFault::Timestamp { timestamp, offset, earliest, latest };
            return out_of_range(timestamp, rules).then_some(fault);
        }
        let (text, Shape { key_length, value_length, .. }) = (self.text, *shape);
        let fault = RecordFault::LogAppendTime { text, timestamp, offset, key_length, value_length };
        self.append_time.is_some().then_some(fault)
    }
}

fn out_of_range(timestamp: i64, rules: &Rules) -> bool {
    let age = rules.now_ms.wrapping_sub(timestamp);
    age > rules.timestamp_before_max_ms || age.wrapping_neg() > rules.timestamp_after_max_ms
}
