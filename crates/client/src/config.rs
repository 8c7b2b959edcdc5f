//! What every client needs to know; names and defaults are those of Kafka's Java client.

use std::time::Duration;

#[derive(Clone, Debug)]
pub struct ClientConfig {
    /// `bootstrap.servers`: `host:port`, tried in order until one answers.
    pub bootstrap_servers: Vec<String>,
    /// `client.id`.
    pub client_id: String,
    /// `request.timeout.ms`.
    pub request_timeout: Duration,
    /// `socket.connection.setup.timeout.ms`.
    pub connect_timeout: Duration,
    /// `retry.backoff.ms`: doubles with each try up to `retry_backoff_max`.
    pub retry_backoff: Duration,
    /// `retry.backoff.max.ms`.
    pub retry_backoff_max: Duration,
    /// `metadata.max.age.ms`.
    pub metadata_max_age: Duration,
    /// The largest answer that is taken; a longer one ends the connection.
    pub frame_bytes_max: usize,
}

impl Default for ClientConfig {
    fn default() -> ClientConfig {
        ClientConfig {
            bootstrap_servers: vec!["localhost:9092".to_owned()],
            client_id: String::new(),
            request_timeout: Duration::from_secs(30),
            connect_timeout: Duration::from_secs(10),
            retry_backoff: Duration::from_millis(100),
            retry_backoff_max: Duration::from_secs(1),
            metadata_max_age: Duration::from_secs(300),
            frame_bytes_max: 256 << 20,
        }
    }
}

impl ClientConfig {
    /// The wait before try number `tries` (from 0).
    pub fn backoff(&self, tries: u32) -> Duration {
        self.retry_backoff.saturating_mul(1 << tries.min(16)).min(self.retry_backoff_max)
    }
}
