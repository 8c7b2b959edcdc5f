//! Counters and gauges of one actor. The shell adds those of all actors together and names them.

/// Counts since the actor began, and sizes as they are now.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    pub connections: u64,
    pub frames_received: u64,
    pub replies_sent: u64,
    pub bytes_received: u64,
    pub messages_in: u64,
    pub produced_bytes: u64,
    pub produce_requests: u64,
    pub failed_produce_requests: u64,
    pub fetched_bytes: u64,
    pub fetch_requests: u64,
    pub failed_fetch_requests: u64,
    pub partitions: u64,
    pub leaders: u64,
    pub under_replicated_partitions: u64,
    pub offline_log_directories: u64,
    pub purgatory_produce: u64,
    pub purgatory_fetch: u64,
    pub fetch_sessions: u64,
    pub fetch_session_partitions: u64,
    pub fetch_session_evictions: u64,
    pub groups: u64,
    pub flushes: u64,
}

/// Name, kind, what it tells, value.
pub type Series = (&'static str, &'static str, &'static str, u64);

impl Metrics {
    /// Adds what another actor counted.
    pub fn add(&mut self, other: &Metrics) {
        self.connections += other.connections;
        self.frames_received += other.frames_received;
        self.replies_sent += other.replies_sent;
        self.bytes_received += other.bytes_received;
        self.messages_in += other.messages_in;
        self.produced_bytes += other.produced_bytes;
        self.produce_requests += other.produce_requests;
        self.failed_produce_requests += other.failed_produce_requests;
        self.fetched_bytes += other.fetched_bytes;
        self.fetch_requests += other.fetch_requests;
        self.failed_fetch_requests += other.failed_fetch_requests;
        self.partitions += other.partitions;
        self.leaders += other.leaders;
        self.under_replicated_partitions += other.under_replicated_partitions;
        self.offline_log_directories += other.offline_log_directories;
        self.purgatory_produce += other.purgatory_produce;
        self.purgatory_fetch += other.purgatory_fetch;
        self.fetch_sessions += other.fetch_sessions;
        self.fetch_session_partitions += other.fetch_session_partitions;
        self.fetch_session_evictions += other.fetch_session_evictions;
        self.groups += other.groups;
        self.flushes += other.flushes;
    }

    /// Everything, under the names that dashboards for Kafka ask for where it has one.
    pub fn series(&self) -> Vec<Series> {
        vec![
            (
                "kafka_server_socket_server_metrics_connection_count",
                "gauge",
                "Open connections.",
                self.connections,
            ),
            ("barnabas_frames_received_total", "counter", "Requests received.", self.frames_received),
            ("barnabas_replies_sent_total", "counter", "Answers sent.", self.replies_sent),
            ("barnabas_bytes_received_total", "counter", "Bytes of requests received.", self.bytes_received),
            (
                "kafka_server_brokertopicmetrics_messagesin_total",
                "counter",
                "Records appended.",
                self.messages_in,
            ),
            (
                "kafka_server_brokertopicmetrics_bytesin_total",
                "counter",
                "Bytes appended.",
                self.produced_bytes,
            ),
            (
                "kafka_server_brokertopicmetrics_totalproducerequests_total",
                "counter",
                "Produce requests.",
                self.produce_requests,
            ),
            (
                "kafka_server_brokertopicmetrics_failedproducerequests_total",
                "counter",
                "Produce requests refused.",
                self.failed_produce_requests,
            ),
            (
                "kafka_server_brokertopicmetrics_bytesout_total",
                "counter",
                "Bytes given to consumers.",
                self.fetched_bytes,
            ),
            (
                "kafka_server_brokertopicmetrics_totalfetchrequests_total",
                "counter",
                "Fetch requests.",
                self.fetch_requests,
            ),
            (
                "kafka_server_brokertopicmetrics_failedfetchrequests_total",
                "counter",
                "Fetch requests refused.",
                self.failed_fetch_requests,
            ),
            (
                "kafka_server_replicamanager_partitioncount",
                "gauge",
                "Partitions on this broker.",
                self.partitions,
            ),
            (
                "kafka_server_replicamanager_leadercount",
                "gauge",
                "Partitions that this broker leads.",
                self.leaders,
            ),
            (
                "kafka_server_replicamanager_underreplicatedpartitions",
                "gauge",
                "Led partitions with a replica out of sync.",
                self.under_replicated_partitions,
            ),
            (
                "kafka_log_logmanager_offlinelogdirectorycount",
                "gauge",
                "Log directories that failed.",
                self.offline_log_directories,
            ),
            ("barnabas_purgatory_produce", "gauge", "Produce requests that wait.", self.purgatory_produce),
            ("barnabas_purgatory_fetch", "gauge", "Fetch requests that wait.", self.purgatory_fetch),
            (
                "kafka_server_fetchsessioncache_numincrementalfetchsessions",
                "gauge",
                "Incremental fetch sessions.",
                self.fetch_sessions,
            ),
            (
                "kafka_server_fetchsessioncache_numincrementalfetchpartitionscached",
                "gauge",
                "Partitions in fetch sessions.",
                self.fetch_session_partitions,
            ),
            (
                "kafka_server_fetchsessioncache_incrementalfetchsessionevictions_total",
                "counter",
                "Fetch sessions pushed out.",
                self.fetch_session_evictions,
            ),
            (
                "kafka_coordinator_group_groupmetadatamanager_numgroups",
                "gauge",
                "Consumer groups coordinated here.",
                self.groups,
            ),
            ("barnabas_flushes_total", "counter", "Syncs of log files asked for.", self.flushes),
        ]
    }
}
