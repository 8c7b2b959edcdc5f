//! The configs of one topic's logs, typed: what the log and the produce path read.

use super::definition::Definition;
use super::entry::{ConfigLayers, Properties};
use super::registry::{self, Scope};
use super::value::Value;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CleanupPolicy {
    pub delete: bool,
    pub compact: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimestampType {
    CreateTime,
    LogAppendTime,
}

/// What batches are stored as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CompressionType {
    /// As the producer sent them.
    Producer,
    Uncompressed,
    Gzip,
    Snappy,
    Lz4,
    Zstd,
}

/// One topic's effective configs. -1 is no limit in retention; names and units are Kafka's.
#[derive(Clone, Debug, PartialEq)]
pub struct LogConfig {
    pub cleanup_policy: CleanupPolicy,
    pub compression_type: CompressionType,
    pub compression_gzip_level: i32,
    pub compression_lz4_level: i32,
    pub compression_zstd_level: i32,
    pub delete_retention_ms: i64,
    pub file_delete_delay_ms: i64,
    pub flush_messages: i64,
    pub flush_ms: i64,
    pub follower_replication_throttled_replicas: Vec<String>,
    pub leader_replication_throttled_replicas: Vec<String>,
    pub index_interval_bytes: i32,
    pub local_retention_bytes: i64,
    pub local_retention_ms: i64,
    pub max_compaction_lag_ms: i64,
    pub max_message_bytes: i32,
    pub message_timestamp_after_max_ms: i64,
    pub message_timestamp_before_max_ms: i64,
    pub message_timestamp_type: TimestampType,
    pub min_cleanable_dirty_ratio: f64,
    pub min_compaction_lag_ms: i64,
    pub min_insync_replicas: i32,
    pub preallocate: bool,
    pub remote_log_copy_disable: bool,
    pub remote_log_delete_on_disable: bool,
    pub remote_storage_enable: bool,
    pub retention_bytes: i64,
    pub retention_ms: i64,
    /// `internal.segment.bytes` if it was set, for tests that want tiny segments.
    pub segment_bytes: i32,
    pub segment_index_bytes: i32,
    pub segment_jitter_ms: i64,
    pub segment_ms: i64,
    pub unclean_leader_election_enable: bool,
}

/// Reads one value after another through the layers; what does not parse counts as unset.
struct Reader<'a> {
    overrides: &'a Properties,
    layers: ConfigLayers<'a>,
}

impl Reader<'_> {
    fn value(&self, name: &str) -> Option<Value> {
        let row: &Definition = registry::lookup(Scope::Topic, name)?;
        let own = self.overrides.get(name).and_then(|text| row.parse(text).ok());
        let layered = || self.layers.topic_default(row).0.and_then(|text| row.parse(&text).ok());
        own.or_else(layered).or_else(|| row.parse(row.default_text()?).ok())
    }

    fn i64(&self, name: &str) -> i64 {
        self.value(name).and_then(|value| value.as_i64()).unwrap_or(-1)
    }

    fn i32(&self, name: &str) -> i32 {
        i32::try_from(self.i64(name)).unwrap_or(i32::MAX)
    }

    fn bool(&self, name: &str) -> bool {
        self.value(name).and_then(|value| value.as_bool()).unwrap_or(false)
    }

    fn list(&self, name: &str) -> Vec<String> {
        self.value(name).and_then(|value| value.as_list().map(<[String]>::to_vec)).unwrap_or_default()
    }

    fn text(&self, name: &str) -> String {
        self.value(name).map(|value| value.text()).unwrap_or_default()
    }
}

impl LogConfig {
    /// Topic overrides over a broker's layers: topic > broker > cluster > file > default.
    pub fn effective(overrides: &Properties, layers: ConfigLayers<'_>) -> LogConfig {
        let reader = Reader { overrides, layers };
        let policies = reader.list("cleanup.policy");
        let has = |policy: &str| policies.iter().any(|one| one == policy);
        let internal = overrides.get("internal.segment.bytes").and_then(|text| text.trim().parse().ok());
        LogConfig {
            cleanup_policy: CleanupPolicy { delete: has("delete"), compact: has("compact") },
            compression_type: compression_type(&reader.text("compression.type")),
            compression_gzip_level: reader.i32("compression.gzip.level"),
            compression_lz4_level: reader.i32("compression.lz4.level"),
            compression_zstd_level: reader.i32("compression.zstd.level"),
            delete_retention_ms: reader.i64("delete.retention.ms"),
            file_delete_delay_ms: reader.i64("file.delete.delay.ms"),
            flush_messages: reader.i64("flush.messages"),
            flush_ms: reader.i64("flush.ms"),
            follower_replication_throttled_replicas: reader.list("follower.replication.throttled.replicas"),
            leader_replication_throttled_replicas: reader.list("leader.replication.throttled.replicas"),
            index_interval_bytes: reader.i32("index.interval.bytes"),
            local_retention_bytes: reader.i64("local.retention.bytes"),
            local_retention_ms: reader.i64("local.retention.ms"),
            max_compaction_lag_ms: reader.i64("max.compaction.lag.ms"),
            max_message_bytes: reader.i32("max.message.bytes"),
            message_timestamp_after_max_ms: reader.i64("message.timestamp.after.max.ms"),
            message_timestamp_before_max_ms: reader.i64("message.timestamp.before.max.ms"),
            message_timestamp_type: match reader.text("message.timestamp.type").as_str() {
                "LogAppendTime" => TimestampType::LogAppendTime,
                _ => TimestampType::CreateTime,
            },
            min_cleanable_dirty_ratio: reader
                .value("min.cleanable.dirty.ratio")
                .and_then(|value| value.as_f64())
                .unwrap_or(0.5),
            min_compaction_lag_ms: reader.i64("min.compaction.lag.ms"),
            min_insync_replicas: reader.i32("min.insync.replicas"),
            preallocate: reader.bool("preallocate"),
            remote_log_copy_disable: reader.bool("remote.log.copy.disable"),
            remote_log_delete_on_disable: reader.bool("remote.log.delete.on.disable"),
            remote_storage_enable: reader.bool("remote.storage.enable"),
            retention_bytes: reader.i64("retention.bytes"),
            retention_ms: reader.i64("retention.ms"),
            segment_bytes: internal.unwrap_or_else(|| reader.i32("segment.bytes")),
            segment_index_bytes: reader.i32("segment.index.bytes"),
            segment_jitter_ms: reader.i64("segment.jitter.ms"),
            segment_ms: reader.i64("segment.ms"),
            unclean_leader_election_enable: reader.bool("unclean.leader.election.enable"),
        }
    }
}

fn compression_type(text: &str) -> CompressionType {
    match text {
        "uncompressed" => CompressionType::Uncompressed,
        "gzip" => CompressionType::Gzip,
        "snappy" => CompressionType::Snappy,
        "lz4" => CompressionType::Lz4,
        "zstd" => CompressionType::Zstd,
        _ => CompressionType::Producer,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn properties(pairs: &[(&str, &str)]) -> Properties {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn the_strongest_layer_wins() {
        let check = |topic: &[(&str, &str)],
                     broker: &[(&str, &str)],
                     cluster: &[(&str, &str)],
                     file: &[(&str, &str)],
                     retention_ms: i64| {
            let (topic, broker) = (properties(topic), properties(broker));
            let (cluster, file) = (properties(cluster), properties(file));
            let layers = ConfigLayers { broker: &broker, cluster: &cluster, file: &file };
            assert_eq!(LogConfig::effective(&topic, layers).retention_ms, retention_ms);
        };
        check(&[], &[], &[], &[], 604_800_000);
        check(&[], &[], &[], &[("log.retention.hours", "2")], 7_200_000);
        check(&[], &[], &[], &[("log.retention.hours", "2"), ("log.retention.minutes", "3")], 180_000);
        check(&[], &[], &[], &[("log.retention.hours", "-1")], -1);
        check(&[], &[], &[("log.retention.ms", "7")], &[("log.retention.minutes", "3")], 7);
        check(&[], &[("log.retention.ms", "8")], &[("log.retention.ms", "7")], &[], 8);
        check(&[("retention.ms", "9")], &[("log.retention.ms", "8")], &[], &[], 9);
    }

    #[test]
    fn defaults_are_kafkas() {
        let none = Properties::new();
        let config = LogConfig::effective(&none, ConfigLayers { broker: &none, cluster: &none, file: &none });
        assert_eq!(config.segment_bytes, 1 << 30);
        assert_eq!(config.cleanup_policy, CleanupPolicy { delete: true, compact: false });
        assert_eq!(config.flush_ms, i64::MAX);
        assert_eq!(config.max_message_bytes, 1_048_588);
        assert_eq!(config.min_cleanable_dirty_ratio, 0.5);
        assert_eq!(config.compression_type, CompressionType::Producer);
    }
}
