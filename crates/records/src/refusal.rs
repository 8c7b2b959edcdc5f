//! Why produced bytes are refused: Kafka's error code and the texts that clients see.

use std::fmt::Display;

use crate::{BatchError, RecordError};

const CORRUPT_MESSAGE: i16 = 2;
const MESSAGE_TOO_LARGE: i16 = 10;
const INVALID_TIMESTAMP: i16 = 32;
const UNSUPPORTED_COMPRESSION_TYPE: i16 = 76;
const INVALID_RECORD: i16 = 87;

/// A produce request's records for one partition, refused as a whole.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    #[error("no batch")]
    NoBatch,
    #[error("more than one batch")]
    SeveralBatches,
    #[error("magic {0}")]
    OldMagic(i8),
    #[error("zstd is not allowed in this version")]
    ZstdNotAllowed,
    #[error("Unknown compression type id: {0}")]
    UnknownCodec(u8),
    #[error("{0}")]
    Corrupt(BatchError),
    #[error("base offset {0}")]
    BaseOffset(i64),
    #[error("{size} bytes are more than {max}")]
    TooLarge { size: usize, max: usize },
    #[error("offset range [{base}, {last}]")]
    OffsetRange { base: i64, last: i64 },
    #[error("record count {0}")]
    Count(i32),
    #[error("offset range [{base}, {last}] and count {count}")]
    OffsetRangeAndCount { base: i64, last: i64, count: i32 },
    #[error("control batch")]
    Control,
    #[error("sequence {sequence} of producer {producer_id}")]
    Sequence { sequence: i32, producer_id: i64 },
    #[error("{0}")]
    Structure(RecordError),
    /// Never empty.
    #[error("{} records refused", .0.len())]
    Records(Vec<RecordRefusal>),
}

/// One record of a refused batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordRefusal {
    /// The record's place in its batch.
    pub index: i32,
    pub fault: RecordFault,
}

/// What is wrong with one record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordFault {
    /// Compacted topics need keys.
    NoKey,
    Timestamp {
        timestamp: i64,
        offset: i64,
        earliest: i64,
        latest: i64,
    },
    /// Only the broker may say LogAppendTime.
    LogAppendTime {
        text: RecordText,
        timestamp: i64,
        offset: i64,
        key_length: i32,
        value_length: i32,
    },
}

/// How Kafka names a record in a text: by its class, of which one is for records whose bytes were passed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordText {
    Default,
    Partial,
}

impl RecordRefusal {
    /// Kafka's text for `record_errors`.
    pub fn message(&self, partition: &dyn Display) -> String {
        match self.fault {
            RecordFault::NoKey => {
                format!("Compacted topic cannot accept message without key in topic partition {partition}")
            }
            RecordFault::Timestamp { timestamp, offset, earliest, latest } => format!(
                "Timestamp {timestamp} of message with offset {offset} is out of range. \
                 The timestamp should be within [{earliest}, {latest}]"
            ),
            RecordFault::LogAppendTime { text, timestamp, offset, key_length, value_length } => {
                let class = match text {
                    RecordText::Default => "DefaultRecord",
                    RecordText::Partial => "PartialDefaultRecord",
                };
                format!(
                    "Invalid timestamp type in message {class}(offset={offset}, timestamp={timestamp}, \
                     key={key_length} bytes, value={value_length} bytes). \
                     Producer should not set timestamp type to LogAppendTime."
                )
            }
        }
    }

    fn is_timestamp(&self) -> bool {
        !matches!(self.fault, RecordFault::NoKey)
    }
}

impl Refusal {
    /// The number of Kafka's error.
    ///
    /// Where Java lets a decompression error or an unknown codec end in UNKNOWN_SERVER_ERROR, this says what it
    /// is; clients retry neither.
    pub fn error_code(&self) -> i16 {
        match self {
            Refusal::Corrupt(_) => CORRUPT_MESSAGE,
            Refusal::TooLarge { .. } => MESSAGE_TOO_LARGE,
            Refusal::ZstdNotAllowed | Refusal::UnknownCodec(_) => UNSUPPORTED_COMPRESSION_TYPE,
            Refusal::Records(records) if records.iter().any(RecordRefusal::is_timestamp) => INVALID_TIMESTAMP,
            _ => INVALID_RECORD,
        }
    }

    /// The records at fault, for `record_errors`; empty where the batch itself is.
    pub fn records(&self) -> &[RecordRefusal] {
        match self {
            Refusal::Records(records) => records,
            _ => &[],
        }
    }

    /// Kafka's text for `error_message`.
    pub fn message(&self, partition: &dyn Display, api_version: i16) -> String {
        let request = |rest: &str| format!("Produce requests with version {api_version} {rest}");
        let located = |text: String| format!("{text} in topic partition {partition}");
        match self {
            Refusal::NoBatch => request("must have at least one record batch per partition"),
            Refusal::SeveralBatches => {
                request("are only allowed to contain exactly one record batch per partition")
            }
            Refusal::OldMagic(_) => {
                request("are only allowed to contain record batches with magic version 2")
            }
            Refusal::ZstdNotAllowed => request("are not allowed to use ZStandard compression"),
            Refusal::Corrupt(BatchError::Crc { stored, .. }) => {
                format!("Record is corrupt (stored crc = {stored}) in topic partition {partition}.")
            }
            Refusal::BaseOffset(offset) => format!(
                "The baseOffset of the record batch in the append to {partition} should be 0, but it is {offset}"
            ),
            Refusal::TooLarge { size, max } => format!(
                "The record batch size in the append to {partition} is {size} bytes \
                 which exceeds the maximum configured value of {max})."
            ),
            Refusal::OffsetRange { base, last } => {
                located(format!("Batch has an invalid offset range: [{base}, {last}]"))
            }
            Refusal::Count(count) => located(format!("Invalid reported count for record batch: {count}")),
            Refusal::OffsetRangeAndCount { base, last, count } => located(format!(
                "Inconsistent batch offset range [{base}, {last}] and count of records {count}"
            )),
            Refusal::Control => located("Clients are not allowed to write control records".into()),
            Refusal::Sequence { sequence, producer_id } => located(format!(
                "Invalid sequence number {sequence} in record batch with producerId {producer_id}"
            )),
            Refusal::Records(records) => records_message(records, partition),
            Refusal::UnknownCodec(_) | Refusal::Corrupt(_) | Refusal::Structure(_) => self.to_string(),
        }
    }
}

fn records_message(records: &[RecordRefusal], partition: &dyn Display) -> String {
    if records.iter().any(RecordRefusal::is_timestamp) {
        return "One or more records have been rejected due to invalid timestamp".into();
    }
    let shown = records.iter().take(3).map(|record| {
        format!("RecordError(batchIndex={}, message='{}')", record.index, record.message(partition))
    });
    format!(
        "One or more records have been rejected due to {} record errors in total, \
         and only showing the first three errors at most: [{}]",
        records.len(),
        shown.collect::<Vec<_>>().join(", ")
    )
}
