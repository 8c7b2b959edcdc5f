//! The checked configuration as the broker's typed values.

use std::path::PathBuf;
use std::sync::Arc;

use broker::config::{Limits, Listener, LogDirectoryConfig, NodeConfig, Settings};
use metadata::configs::{Listener as Address, StaticConfig};
use types::NodeId;

use crate::configuration::Given;

/// The class of Kafka's own that `replica.selector.class` may name; what it does is built in.
const RACK_AWARE_SELECTOR: &str = "org.apache.kafka.common.replica.RackAwareReplicaSelector";

/// What the node's directories say: made by format, or read from `meta.properties`.
#[derive(Clone, Debug)]
pub struct Identity {
    pub cluster_id: String,
    /// Those of `log.dirs` that work, in order.
    pub log_directories: Vec<LogDirectoryConfig>,
    pub lost_log_directories: Vec<PathBuf>,
}

/// Where the node listens: a listener of `NodeConfig` and the host to bind. The port in `NodeConfig` may still be 0.
#[derive(Clone, Debug)]
pub struct Bind {
    pub host: String,
    pub port: u16,
    pub is_controller: bool,
}

/// One entry for each of `listeners`, in the order of `NodeConfig::listeners`.
pub fn binds(config: &StaticConfig) -> Vec<Bind> {
    let bind = |address: &Address| Bind {
        host: address.host.clone(),
        port: address.port,
        is_controller: config.controller_listener_names.contains(&address.name),
    };
    config.listeners.iter().map(bind).collect()
}

/// `ports` are those that were bound, one for each of `binds`.
pub fn node_config(config: &StaticConfig, given: &Given, identity: &Identity, ports: &[u16]) -> NodeConfig {
    NodeConfig {
        node_id: NodeId(config.node_id),
        cluster_id: Arc::from(identity.cluster_id.as_str()),
        is_broker: config.roles.broker,
        is_controller: config.roles.controller,
        rack: config.str("broker.rack").map(Arc::from),
        listeners: config.listeners.iter().zip(ports).map(|(l, port)| listener(config, l, *port)).collect(),
        log_directories: identity.log_directories.clone(),
        lost_log_directories: identity.lost_log_directories.clone(),
        metadata_log_directory: metadata_log_directory(config),
        shards: shards(config),
        properties: Arc::new(given.values()),
        settings: settings(config),
        limits: Limits::default(),
    }
}

/// `metadata.log.dir`, else the first log directory.
pub fn metadata_log_directory(config: &StaticConfig) -> PathBuf {
    let first = config.log_dirs.first().map(String::as_str).unwrap_or_default();
    PathBuf::from(config.str("metadata.log.dir").unwrap_or(first))
}

/// `barnabas.shards`; where it is 0, one for each core that this process may use.
fn shards(config: &StaticConfig) -> u16 {
    match u16::try_from(config.i64("barnabas.shards")) {
        Ok(shards) if shards > 0 => shards,
        _ => std::thread::available_parallelism()
            .map_or(1, |cores| cores.get().min(usize::from(u16::MAX)) as u16),
    }
}

fn listener(config: &StaticConfig, bound: &Address, port: u16) -> Listener {
    let is_controller = config.controller_listener_names.contains(&bound.name);
    let told =
        if is_controller { &config.advertised_controller_listeners } else { &config.advertised_listeners };
    let told = told.iter().find(|address| address.name == bound.name).unwrap_or(bound);
    let host = if told.host.is_empty() { host_name() } else { told.host.clone() };
    Listener {
        name: Arc::from(bound.name.as_str()),
        security_protocol: Arc::from(bound.protocol.name()),
        advertised_host: Arc::from(host),
        // port 0 was asked for: the one that the system chose is told
        advertised_port: if told.port == 0 { port } else { told.port },
        is_controller,
    }
}

/// This machine's name as others may know it.
fn host_name() -> String {
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    if name.is_empty() || name == "(none)" { "localhost".to_owned() } else { name }
}

fn settings(config: &StaticConfig) -> Settings {
    Settings {
        auto_create_topics_enable: config.bool("auto.create.topics.enable"),
        delete_topic_enable: config.bool("delete.topic.enable"),
        unstable_feature_versions_enable: config.bool("unstable.feature.versions.enable"),
        num_partitions: config.i32("num.partitions"),
        default_replication_factor: config.i32("default.replication.factor") as i16,
        offsets_topic_num_partitions: config.i32("offsets.topic.num.partitions"),
        offsets_topic_replication_factor: config.i32("offsets.topic.replication.factor") as i16,
        offsets_topic_segment_bytes: config.i32("offsets.topic.segment.bytes"),
        offsets_topic_compression_codec: config.i32("offsets.topic.compression.codec") as i8,
        offsets_retention_minutes: config.i32("offsets.retention.minutes"),
        offsets_retention_check_interval_ms: config.i64("offsets.retention.check.interval.ms"),
        offset_metadata_max_bytes: config.i32("offset.metadata.max.bytes"),
        offsets_commit_timeout_ms: config.i32("offsets.commit.timeout.ms"),
        group_min_session_timeout_ms: config.i32("group.min.session.timeout.ms"),
        group_max_session_timeout_ms: config.i32("group.max.session.timeout.ms"),
        group_initial_rebalance_delay_ms: config.i32("group.initial.rebalance.delay.ms"),
        group_max_size: config.i32("group.max.size"),
        fetch_max_bytes: config.i32("fetch.max.bytes"),
        max_incremental_fetch_session_cache_slots: config.i32("max.incremental.fetch.session.cache.slots"),
        max_request_partition_size_limit: config.i32("max.request.partition.size.limit"),
        log_retention_check_interval_ms: config.i64("log.retention.check.interval.ms"),
        log_flush_offset_checkpoint_interval_ms: config.i64("log.flush.offset.checkpoint.interval.ms"),
        log_flush_start_offset_checkpoint_interval_ms: config
            .i64("log.flush.start.offset.checkpoint.interval.ms"),
        replica_high_watermark_checkpoint_interval_ms: config
            .i64("replica.high.watermark.checkpoint.interval.ms"),
        alter_log_dirs_replication_quota_window_num: config
            .i32("alter.log.dirs.replication.quota.window.num"),
        alter_log_dirs_replication_quota_window_size_seconds: config
            .i32("alter.log.dirs.replication.quota.window.size.seconds"),
        replication_quota_window_num: config.i32("replication.quota.window.num"),
        replication_quota_window_size_seconds: config.i32("replication.quota.window.size.seconds"),
        replica_lag_time_max_ms: config.i64("replica.lag.time.max.ms"),
        replica_fetch_max_bytes: config.i32("replica.fetch.max.bytes"),
        replica_fetch_response_max_bytes: config.i32("replica.fetch.response.max.bytes"),
        replica_fetch_min_bytes: config.i32("replica.fetch.min.bytes"),
        replica_fetch_wait_max_ms: config.i32("replica.fetch.wait.max.ms"),
        replica_fetch_backoff_ms: config.i32("replica.fetch.backoff.ms"),
        replica_socket_timeout_ms: config.i32("replica.socket.timeout.ms"),
        replica_selector_rack_aware: config
            .str("replica.selector.class")
            .is_some_and(|class| class.trim() == RACK_AWARE_SELECTOR),
        producer_id_expiration_ms: config.i32("producer.id.expiration.ms"),
        producer_id_expiration_check_interval_ms: config.i32("producer.id.expiration.check.interval.ms"),
        transaction_max_timeout_ms: config.i32("transaction.max.timeout.ms"),
        loggers: crate::logging::loggers(),
    }
}
