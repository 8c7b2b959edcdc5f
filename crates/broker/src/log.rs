//! The log of a replica as the broker uses it: Kafka's errors instead of the disk's, the broker's words instead of
//! the storage's. With `shard/logs.rs` the only file that knows both.

use bytes::Bytes;
use platform::Time;
use protocol::messages::describe_producers_response::ProducerState;
use protocol::messages::fetch_response::AbortedTransaction;
use protocol::{ErrorCode, Records};
use storage::{AppendContext, AppendError, Log, ProducerRefusal, ReadError};
use types::{LeaderEpoch, Offset};

use crate::append::Appended;

/// Who appends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// Held to all the rules for what a producer may send.
    Client { api_version: i16 },
    /// Built by a coordinator of this node.
    Coordinator,
}

/// Nothing was appended.
#[derive(Debug)]
pub(crate) struct AppendRefused {
    pub error: ErrorCode,
    pub message: Option<String>,
    /// Records at fault by their place in the batch.
    pub records: Vec<(i32, String)>,
    /// The disk is the reason: the whole log directory is lost.
    pub directory_failed: bool,
    /// It had been before, below this offset.
    pub appended_below: Option<Offset>,
}

impl From<ErrorCode> for AppendRefused {
    fn from(error: ErrorCode) -> AppendRefused {
        AppendRefused {
            error,
            message: None,
            records: Vec::new(),
            directory_failed: false,
            appended_below: None,
        }
    }
}

/// A record found by its time.
pub(crate) type Found = Option<(i64, Offset, i32)>;

/// See the head of the file.
#[derive(Debug)]
pub(crate) struct ReplicaLog(pub Log);

impl ReplicaLog {
    pub fn log_start_offset(&self) -> Offset {
        self.0.start_offset()
    }

    pub fn log_end_offset(&self) -> Offset {
        self.0.end_offset()
    }

    /// Everything before it survives a crash.
    pub fn flushed_offset(&self) -> Offset {
        self.0.flushed_offset()
    }

    /// A reign begins at the log's end (KIP-101).
    pub fn assign_epoch(&mut self, epoch: LeaderEpoch) {
        self.0.begin_epoch(epoch);
    }

    pub fn on_high_watermark(&mut self, high_watermark: Offset) {
        self.0.on_high_watermark(high_watermark);
    }

    pub fn first_unstable_offset(&self) -> Option<Offset> {
        self.0.first_unstable_offset()
    }

    pub fn append_as_leader(
        &mut self,
        records: &Bytes,
        epoch: LeaderEpoch,
        now: Time,
        origin: Origin,
    ) -> Result<Appended, AppendRefused> {
        let api_version = match origin {
            Origin::Client { api_version } => api_version,
            Origin::Coordinator => return self.append_own(records, epoch, now),
        };
        let context = AppendContext { now_ms: now.wall_ms, api_version };
        match self.0.append_as_leader(records, epoch, &context) {
            Ok(appended) => Ok(Appended {
                base_offset: appended.base_offset,
                end_offset: appended.last_offset.plus(1),
                log_append_time_ms: appended.log_append_time,
                log_start_offset: appended.log_start_offset,
                need: None,
                rolled: appended.rolled,
            }),
            Err(error) => Err(self.refused(&error, api_version)),
        }
    }

    fn append_own(
        &mut self,
        records: &Bytes,
        epoch: LeaderEpoch,
        now: Time,
    ) -> Result<Appended, AppendRefused> {
        let base_offset = self.0.end_offset();
        match self.0.append_trusted(records, epoch, now.wall_ms) {
            Ok(appended) => Ok(Appended {
                base_offset,
                end_offset: appended.end_offset,
                log_append_time_ms: -1,
                log_start_offset: self.0.start_offset(),
                need: None,
                rolled: appended.rolled,
            }),
            Err(error) => Err(self.refused(&error, 0)),
        }
    }

    fn refused(&self, error: &AppendError, api_version: i16) -> AppendRefused {
        let partition = self.0.partition();
        let (message, records) = match error {
            AppendError::Refused(refusal) => {
                let records =
                    refusal.records().iter().map(|record| (record.index, record.message(partition)));
                (refusal.message(partition, api_version), records.collect())
            }
            AppendError::Producer(refusal) => (refusal.message(partition), Vec::new()),
            other => (other.to_string(), Vec::new()),
        };
        AppendRefused {
            error: ErrorCode::from(error.error_code()),
            message: Some(message),
            records,
            directory_failed: matches!(error, AppendError::Storage(error) if error.is_directory_failed()),
            appended_below: match error {
                AppendError::Producer(ProducerRefusal::DuplicateSequence { below, .. }) => Some(*below),
                _ => None,
            },
        }
    }

    /// A range of one segment; nothing where there is nothing below `upper_bound` or it is larger than `limit`.
    pub fn read(
        &mut self,
        offset: Offset,
        limit: u64,
        upper_bound: Offset,
        at_least_one: bool,
    ) -> Result<(Records, u64), ReadError> {
        let read = self.0.read(offset, limit, upper_bound, at_least_one)?;
        let size = read.size();
        Ok((read.slice.map_or(Records::Empty, Records::from), size))
    }

    /// The bytes of whole batches, for a coordinator that replays them.
    pub fn read_bytes(&mut self, offset: Offset, limit: u64) -> Result<Bytes, ReadError> {
        let end = self.0.end_offset();
        match self.0.read(offset, limit, end, true)?.slice {
            Some(slice) => {
                slice.read().map(Bytes::from).map_err(|error| ReadError::Corrupt(error.to_string()))
            }
            None => Ok(Bytes::new()),
        }
    }

    pub fn is_in_older_segment(&self, offset: Offset) -> bool {
        offset < self.0.active_segment_base()
    }

    pub fn offset_for_timestamp(&mut self, timestamp: i64) -> Result<Found, ErrorCode> {
        found(self.0.offset_for_timestamp(timestamp))
    }

    pub fn offset_of_max_timestamp(&mut self) -> Result<Found, ErrorCode> {
        found(self.0.max_timestamp())
    }

    pub fn end_offset_for_epoch(&self, epoch: LeaderEpoch) -> (LeaderEpoch, Offset) {
        let end = self.0.end_offset_for_epoch(epoch);
        (end.epoch, end.end_offset)
    }

    /// -1 where it is not known.
    pub fn epoch_of(&self, offset: Offset) -> i32 {
        self.0.epochs().epoch_of(offset).map_or(-1, |epoch| epoch.0)
    }

    pub fn aborted_transactions(
        &self,
        from: Offset,
        to: Offset,
    ) -> Result<Vec<AbortedTransaction>, ErrorCode> {
        let aborted = self.0.aborted_transactions(from, to).map_err(|_| ErrorCode::KafkaStorageError)?;
        let one = |one: storage::AbortedTransaction| AbortedTransaction {
            producer_id: one.producer_id.0,
            first_offset: one.first_offset.0,
        };
        Ok(aborted.into_iter().map(one).collect())
    }

    pub fn active_producers(&self) -> Vec<ProducerState> {
        let one = |(id, entry): (types::ProducerId, &storage::ProducerEntry)| ProducerState {
            producer_id: id.0,
            producer_epoch: i32::from(entry.epoch.0),
            last_sequence: entry.last_sequence(),
            last_timestamp: entry.last_timestamp,
            coordinator_epoch: entry.coordinator_epoch,
            current_txn_start_offset: entry.current_transaction_first_offset.map_or(-1, |offset| offset.0),
        };
        self.0.producers().entries().map(one).collect()
    }
}

fn found(found: Result<Option<storage::TimestampAndOffset>, ReadError>) -> Result<Found, ErrorCode> {
    match found {
        Ok(found) => Ok(found.map(|found| (found.timestamp, found.offset, found.leader_epoch.0))),
        Err(error) => Err(ErrorCode::from(error.error_code())),
    }
}

/// A topic's configuration as the log reads it.
pub(crate) fn log_config(
    config: &metadata::configs::LogConfig,
    producer_expiration_ms: i64,
) -> storage::LogConfig {
    use metadata::configs::{CompressionType, TimestampType};
    use records::{Codec, Compression};
    let level = |codec, level| Compression::with_level(codec, level).unwrap_or(Compression::new(codec));
    let compression = match config.compression_type {
        CompressionType::Producer => None,
        CompressionType::Uncompressed => Some(Compression::NONE),
        CompressionType::Gzip => Some(level(Codec::Gzip, config.compression_gzip_level)),
        CompressionType::Snappy => Some(Compression::new(Codec::Snappy)),
        CompressionType::Lz4 => Some(level(Codec::Lz4, config.compression_lz4_level)),
        CompressionType::Zstd => Some(level(Codec::Zstd, config.compression_zstd_level)),
    };
    let size = |bytes: i32| u32::try_from(bytes).unwrap_or(0);
    storage::LogConfig {
        segment_bytes: size(config.segment_bytes),
        segment_ms: config.segment_ms,
        segment_jitter_ms: config.segment_jitter_ms,
        segment_index_bytes: size(config.segment_index_bytes),
        index_interval_bytes: size(config.index_interval_bytes),
        flush_messages: config.flush_messages,
        flush_ms: config.flush_ms,
        retention_ms: config.retention_ms,
        retention_bytes: config.retention_bytes,
        file_delete_delay_ms: config.file_delete_delay_ms,
        max_message_bytes: size(config.max_message_bytes),
        delete: config.cleanup_policy.delete,
        compact: config.cleanup_policy.compact,
        max_compaction_lag_ms: config.max_compaction_lag_ms,
        compression,
        message_timestamp_type: match config.message_timestamp_type {
            TimestampType::CreateTime => records::TimestampType::CreateTime,
            TimestampType::LogAppendTime => records::TimestampType::LogAppendTime,
        },
        message_timestamp_before_max_ms: config.message_timestamp_before_max_ms,
        message_timestamp_after_max_ms: config.message_timestamp_after_max_ms,
        producer_id_expiration_ms: producer_expiration_ms,
        ..storage::LogConfig::default()
    }
}
