//! Counters and gauges of one actor: plain data, copied out when somebody asks. Adding up and naming is the shell's.
//! On the way of a request they cost an addition each; rows of partitions, groups and topics are made only when read.

use std::collections::BTreeMap;

use protocol::{ApiKey, ErrorCode, Response, Str};

use crate::answered_error::first_error;

/// What clients did with one topic, or with all of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TopicCounts {
    pub messages_in: u64,
    pub bytes_in: u64,
    pub bytes_out: u64,
    pub bytes_rejected: u64,
    /// One for each partition of a request, as Kafka counts.
    pub produce_requests: u64,
    pub fetch_requests: u64,
    pub failed_produce_requests: u64,
    pub failed_fetch_requests: u64,
}

impl TopicCounts {
    pub fn add(&mut self, other: &TopicCounts) {
        self.messages_in += other.messages_in;
        self.bytes_in += other.bytes_in;
        self.bytes_out += other.bytes_out;
        self.bytes_rejected += other.bytes_rejected;
        self.produce_requests += other.produce_requests;
        self.fetch_requests += other.fetch_requests;
        self.failed_produce_requests += other.failed_produce_requests;
        self.failed_fetch_requests += other.failed_fetch_requests;
    }
}

/// One partition of which this node has a replica.
#[derive(Clone, Debug)]
pub struct PartitionRow {
    pub topic: Str,
    pub partition: i32,
    pub counts: TopicCounts,
    pub leader: i32,
    pub is_leader: bool,
    pub has_preferred_leader: bool,
    pub replicas: u32,
    pub in_sync_replicas: u32,
    pub min_in_sync_replicas: u32,
    pub is_offline: bool,
    pub size: u64,
    pub segments: u64,
    pub log_start_offset: i64,
    pub log_end_offset: i64,
    pub high_watermark: i64,
    pub last_stable_offset: i64,
}

impl PartitionRow {
    pub fn is_under_replicated(&self) -> bool {
        self.is_leader && self.in_sync_replicas < self.replicas
    }

    pub fn is_under_min_in_sync(&self) -> bool {
        self.is_leader && self.in_sync_replicas < self.min_in_sync_replicas.min(self.replicas)
    }

    pub fn is_at_min_in_sync(&self) -> bool {
        self.is_leader && self.in_sync_replicas == self.min_in_sync_replicas.min(self.replicas)
    }
}

/// One group that this node coordinates.
#[derive(Clone, Debug)]
pub struct GroupRow {
    pub group: Str,
    /// As `DescribeGroups` says it: `Stable`.
    pub state: &'static str,
    pub members: u64,
    /// Topic, partition, committed offset.
    pub offsets: Vec<(Str, i32, i64)>,
}

/// What the quorum knows of itself and of the cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QuorumRow {
    /// `leader`, `follower`, `candidate`, …
    pub state: &'static str,
    /// -1: none is known.
    pub leader: i32,
    pub epoch: i32,
    pub high_watermark: i64,
    pub log_end_offset: i64,
    pub log_end_epoch: i32,
    pub voters: u64,
    pub is_observer: bool,
    pub is_active_controller: bool,
    pub metadata_version: i16,
    /// Committed and applied.
    pub last_applied_offset: i64,
    pub active_brokers: u64,
    pub fenced_brokers: u64,
    pub stopping_brokers: u64,
    pub topics: u64,
    pub partitions: u64,
    pub offline_partitions: u64,
    pub preferred_replica_imbalance: u64,
    /// Broker and `host:port` of its first endpoint.
    pub brokers: Vec<(i32, String)>,
}

/// Counts since the actor began, and sizes as they are now.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    pub all_topics: TopicCounts,
    pub bytes_received: u64,
    pub flushes: u64,
    /// Changes of in-sync sets that were decided: those that left replicas out, and those that took some in.
    pub in_sync_shrinks: u64,
    pub in_sync_expansions: u64,
    /// Changes that the controller refused for good.
    pub in_sync_refusals: u64,
    /// Record bytes copied from leaders, and read by followers.
    pub replication_bytes_in: u64,
    pub replication_bytes_out: u64,
    /// Answers that say an error at their top, or in any of their partitions.
    pub errors: BTreeMap<(ApiKey, i16), u64>,
    pub offline_log_directories: u64,
    pub purgatory_produce: u64,
    pub purgatory_fetch: u64,
    pub purgatory_gather: u64,
    pub purgatory_controller: u64,
    pub fetch_sessions: u64,
    pub fetch_session_partitions: u64,
    pub fetch_session_evictions: u64,
    pub partitions: Vec<PartitionRow>,
    pub groups: Vec<GroupRow>,
    pub quorum: Option<QuorumRow>,
}

impl Metrics {
    pub(crate) fn count_error(&mut self, api_key: ApiKey, response: &Response) {
        let error = first_error(response);
        if error != ErrorCode::None {
            *self.errors.entry((api_key, error.code())).or_default() += 1;
        }
    }

    /// Adds what another actor counted; its rows are moved here.
    pub fn add(&mut self, mut other: Metrics) {
        self.all_topics.add(&other.all_topics);
        self.bytes_received += other.bytes_received;
        self.flushes += other.flushes;
        self.in_sync_shrinks += other.in_sync_shrinks;
        self.in_sync_expansions += other.in_sync_expansions;
        self.in_sync_refusals += other.in_sync_refusals;
        self.replication_bytes_in += other.replication_bytes_in;
        self.replication_bytes_out += other.replication_bytes_out;
        for (key, count) in other.errors {
            *self.errors.entry(key).or_default() += count;
        }
        // every shard knows of the same directories
        self.offline_log_directories = self.offline_log_directories.max(other.offline_log_directories);
        self.purgatory_produce += other.purgatory_produce;
        self.purgatory_fetch += other.purgatory_fetch;
        self.purgatory_gather += other.purgatory_gather;
        self.purgatory_controller += other.purgatory_controller;
        self.fetch_sessions += other.fetch_sessions;
        self.fetch_session_partitions += other.fetch_session_partitions;
        self.fetch_session_evictions += other.fetch_session_evictions;
        self.partitions.append(&mut other.partitions);
        self.groups.append(&mut other.groups);
        self.quorum = self.quorum.take().or(other.quorum);
    }

    /// Rows in the order of their names.
    pub fn sort(&mut self) {
        self.partitions.sort_unstable_by(|a, b| (&a.topic, a.partition).cmp(&(&b.topic, b.partition)));
        self.groups.sort_unstable_by(|a, b| a.group.cmp(&b.group));
    }
}
