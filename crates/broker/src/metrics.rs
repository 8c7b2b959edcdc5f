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
