//! What a topic's configuration says to its logs. The names are Kafka's, with dots.

use records::{Codec, Compression, TimestampType};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogConfig {
    pub segment_bytes: u32,
    pub segment_ms: i64,
    pub segment_jitter_ms: i64,
    pub segment_index_bytes: u32,
    pub index_interval_bytes: u32,
    /// Records appended until a sync is due; the largest number is never.
    pub flush_messages: i64,
    /// Milliseconds from an append until a sync is due; the largest number is never.
    pub flush_ms: i64,
    /// -1: for ever.
    pub retention_ms: i64,
    /// -1: without bound.
    pub retention_bytes: i64,
    pub file_delete_delay_ms: i64,
    pub max_message_bytes: u32,
    /// `cleanup.policy` names delete.
    pub delete: bool,
    /// `cleanup.policy` names compact.
    pub compact: bool,
    pub max_compaction_lag_ms: i64,
    /// None: as the producer sent it.
    pub compression: Option<Compression>,
    pub message_timestamp_type: TimestampType,
    pub message_timestamp_before_max_ms: i64,
    pub message_timestamp_after_max_ms: i64,
    /// Of the broker: how long a producer's state outlives its last batch.
    pub producer_id_expiration_ms: i64,
    /// What a batch may grow to when it is decompressed to be checked.
    pub decompressed_bytes_max: usize,
    /// The header of a compressed batch is believed where no rule needs its records.
    pub trust_compressed: bool,
}

impl Default for LogConfig {
    /// Kafka's defaults.
    fn default() -> LogConfig {
        LogConfig {
            segment_bytes: 1 << 30,
            segment_ms: 604_800_000,
            segment_jitter_ms: 0,
            segment_index_bytes: 10 << 20,
            index_interval_bytes: 4096,
            flush_messages: i64::MAX,
            flush_ms: i64::MAX,
            retention_ms: 604_800_000,
            retention_bytes: -1,
            file_delete_delay_ms: 60_000,
            max_message_bytes: 1_048_588,
            delete: true,
            compact: false,
            max_compaction_lag_ms: i64::MAX,
            compression: None,
            message_timestamp_type: TimestampType::CreateTime,
            message_timestamp_before_max_ms: i64::MAX,
            message_timestamp_after_max_ms: 3_600_000,
            producer_id_expiration_ms: 86_400_000,
            decompressed_bytes_max: 1 << 30,
            trust_compressed: false,
        }
    }
}

impl LogConfig {
    /// When a segment is old enough to be closed, before jitter.
    pub(crate) fn roll_ms(&self) -> i64 {
        if self.compact { self.segment_ms.min(self.max_compaction_lag_ms) } else { self.segment_ms }
    }

    pub(crate) fn target_codec(&self) -> Option<Codec> {
        self.compression.map(Compression::codec)
    }
}
