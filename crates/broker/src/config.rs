//! What a node is and may do, fixed while it runs. Shared by all its actors, never changed.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use types::{NodeId, Uuid};

use crate::event::{DiskFailure, ListenerId};

/// One address that clients or controllers connect to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// As in `listeners`, upper case: `PLAINTEXT`, `CONTROLLER`, …
    pub name: Arc<str>,
    /// `PLAINTEXT`, `SSL`, `SASL_PLAINTEXT`, `SASL_SSL`.
    pub security_protocol: Arc<str>,
    /// What other nodes and clients are told.
    pub advertised_host: Arc<str>,
    pub advertised_port: u16,
    /// Named by `controller.listener.names`.
    pub is_controller: bool,
}

/// One entry of `log.dirs` that works.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogDirectoryConfig {
    pub path: PathBuf,
    /// `directory.id` of its meta.properties.
    pub id: Uuid,
}

/// All that is fixed while the node runs.
#[derive(Clone, Debug)]
pub struct NodeConfig {
    pub node_id: NodeId,
    pub cluster_id: Arc<str>,
    pub is_broker: bool,
    pub is_controller: bool,
    pub rack: Option<Arc<str>>,
    pub listeners: Vec<Listener>,
    pub log_directories: Vec<LogDirectoryConfig>,
    /// Entries of `log.dirs` that could not be used when the node started. What is in them nobody knows.
    pub lost_log_directories: Vec<PathBuf>,
    /// Where `__cluster_metadata-0` is; normally the first log directory.
    pub metadata_log_directory: PathBuf,
    pub shards: u16,
    /// The properties as the operator gave them: name to value, after `--override`.
    pub properties: Arc<BTreeMap<String, String>>,
    pub settings: Settings,
    pub limits: Limits,
}

impl NodeConfig {
    /// The listener that brokers reach each other by: `inter.broker.listener.name`, or the one that is named like
    /// `security.inter.broker.protocol`.
    pub fn inter_broker_listener(&self) -> &str {
        let given =
            |name: &str| self.properties.get(name).map(String::as_str).filter(|value| !value.is_empty());
        given("inter.broker.listener.name")
            .or_else(|| given("security.inter.broker.protocol"))
            .unwrap_or("PLAINTEXT")
    }

    pub fn listener(&self, id: ListenerId) -> Option<&Listener> {
        self.listeners.get(usize::from(id.0))
    }

    /// A failure in words, with the path of its log directory.
    pub fn told(&self, failure: &DiskFailure) -> String {
        match self.log_directories.get(usize::from(failure.directory.0)) {
            Some(directory) => format!("log directory {}: {}", directory.path.display(), failure.reason),
            None => failure.to_string(),
        }
    }
}

/// Typed static configuration that the broker itself obeys. Names are Kafka's, dots as underscores.
#[derive(Clone, Debug)]
pub struct Settings {
    pub auto_create_topics_enable: bool,
    pub delete_topic_enable: bool,
    pub unstable_feature_versions_enable: bool,
    pub num_partitions: i32,
    pub default_replication_factor: i16,
    pub offsets_topic_num_partitions: i32,
    pub offsets_topic_replication_factor: i16,
    pub offsets_topic_segment_bytes: i32,
    pub offsets_topic_compression_codec: i8,
    pub offsets_retention_minutes: i32,
    pub offsets_retention_check_interval_ms: i64,
    pub offset_metadata_max_bytes: i32,
    pub offsets_commit_timeout_ms: i32,
    pub group_min_session_timeout_ms: i32,
    pub group_max_session_timeout_ms: i32,
    pub group_initial_rebalance_delay_ms: i32,
    pub group_max_size: i32,
    pub fetch_max_bytes: i32,
    pub max_incremental_fetch_session_cache_slots: i32,
    pub max_request_partition_size_limit: i32,
    pub log_retention_check_interval_ms: i64,
    pub log_flush_offset_checkpoint_interval_ms: i64,
    pub log_flush_start_offset_checkpoint_interval_ms: i64,
    pub replica_high_watermark_checkpoint_interval_ms: i64,
    pub replica_lag_time_max_ms: i64,
    pub replica_fetch_max_bytes: i32,
    pub replica_fetch_response_max_bytes: i32,
    pub replica_fetch_min_bytes: i32,
    pub replica_fetch_wait_max_ms: i32,
    pub replica_fetch_backoff_ms: i32,
    pub replica_socket_timeout_ms: i32,
    pub alter_log_dirs_replication_quota_window_num: i32,
    pub alter_log_dirs_replication_quota_window_size_seconds: i32,
    pub replication_quota_window_num: i32,
    pub replication_quota_window_size_seconds: i32,
    /// `replica.selector.class` names the selector that looks at racks.
    pub replica_selector_rack_aware: bool,
    pub producer_id_expiration_ms: i32,
    pub producer_id_expiration_check_interval_ms: i32,
    pub transaction_max_timeout_ms: i32,
    /// Each logger of the process and its level, as DescribeConfigs shows them.
    pub loggers: Vec<(String, &'static str)>,
}

impl Default for Settings {
    /// Kafka's defaults.
    fn default() -> Settings {
        Settings {
            auto_create_topics_enable: true,
            delete_topic_enable: true,
            unstable_feature_versions_enable: false,
            num_partitions: 1,
            default_replication_factor: 1,
            offsets_topic_num_partitions: 50,
            offsets_topic_replication_factor: 3,
            offsets_topic_segment_bytes: 100 << 20,
            offsets_topic_compression_codec: 0,
            offsets_retention_minutes: 7 * 24 * 60,
            offsets_retention_check_interval_ms: 600_000,
            offset_metadata_max_bytes: 4096,
            offsets_commit_timeout_ms: 5000,
            group_min_session_timeout_ms: 6000,
            group_max_session_timeout_ms: 1_800_000,
            group_initial_rebalance_delay_ms: 3000,
            group_max_size: i32::MAX,
            fetch_max_bytes: 55 << 20,
            max_incremental_fetch_session_cache_slots: 1000,
            max_request_partition_size_limit: 2000,
            log_retention_check_interval_ms: 300_000,
            log_flush_offset_checkpoint_interval_ms: 60_000,
            log_flush_start_offset_checkpoint_interval_ms: 60_000,
            replica_high_watermark_checkpoint_interval_ms: 5000,
            replica_lag_time_max_ms: 30_000,
            replica_fetch_max_bytes: 1 << 20,
            replica_fetch_response_max_bytes: 10 << 20,
            replica_fetch_min_bytes: 1,
            replica_fetch_wait_max_ms: 500,
            replica_fetch_backoff_ms: 1000,
            replica_socket_timeout_ms: 30_000,
            alter_log_dirs_replication_quota_window_num: 11,
            alter_log_dirs_replication_quota_window_size_seconds: 1,
            replication_quota_window_num: 11,
            replication_quota_window_size_seconds: 1,
            replica_selector_rack_aware: false,
            producer_id_expiration_ms: 86_400_000,
            producer_id_expiration_check_interval_ms: 600_000,
            transaction_max_timeout_ms: 900_000,
            loggers: Vec::new(),
        }
    }
}

/// Bounds of what clients can make one shard hold. Each has a configuration name of its own.
#[derive(Clone, Debug)]
pub struct Limits {
    /// `barnabas.connection.queued.requests.max`: unanswered frames of one connection. The shell hands in no more.
    pub queued_requests: usize,
    /// `barnabas.purgatory.rows.max`: requests of one shard that wait for something.
    pub purgatory_rows: usize,
    /// `barnabas.metadata.topics.created.max`: topics that one Metadata request may have created.
    pub auto_created_topics: usize,
    /// `barnabas.background.flush.bytes`: bytes appended to one partition after which they are flushed behind the
    /// scenes, so that a start after a crash has no more than this to read again.
    pub background_flush_bytes: u64,
    /// `barnabas.stop.logs.synced.alone.max`: logs of a directory that a stop syncs one by one; more of them are synced
    /// with the whole directory.
    pub logs_synced_alone: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            queued_requests: 128,
            purgatory_rows: 1 << 20,
            auto_created_topics: 100,
            background_flush_bytes: 64 << 20,
            logs_synced_alone: 16,
        }
    }
}
