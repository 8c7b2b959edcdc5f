//! What every client needs to know; names and defaults are those of Kafka's Java client.

use std::time::Duration;

use crate::Error;
use crate::properties::{Properties, Reading, invalid};

#[derive(Clone, Debug)]
pub struct ClientConfig {
    /// `bootstrap.servers`: `host:port`, tried in order until one answers.
    pub bootstrap_servers: Vec<String>,
    /// The bootstrap servers are controllers (`bootstrap.controllers`): the active one of them is asked, no broker.
    pub of_controllers: bool,
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
    /// Told of what is tried again: a broker that cannot be reached, a topic that is not there.
    pub warn: fn(&str),
}

impl Default for ClientConfig {
    fn default() -> ClientConfig {
        ClientConfig {
            bootstrap_servers: vec!["localhost:9092".to_owned()],
            of_controllers: false,
            client_id: String::new(),
            request_timeout: Duration::from_secs(30),
            connect_timeout: Duration::from_secs(10),
            retry_backoff: Duration::from_millis(100),
            retry_backoff_max: Duration::from_secs(1),
            metadata_max_age: Duration::from_secs(300),
            frame_bytes_max: 256 << 20,
            warn: |_| (),
        }
    }
}

impl ClientConfig {
    /// Reads the properties that all clients share; others are left to those who know them.
    pub fn from_properties(properties: &Properties) -> Result<ClientConfig, Error> {
        let mut config = ClientConfig::default();
        let reading = Reading(properties);
        if let Some(servers) = properties.get("bootstrap.servers") {
            config.bootstrap_servers = parse_servers(servers)?;
        }
        if let Some(controllers) = properties.get("bootstrap.controllers") {
            config.bootstrap_servers = parse_servers(controllers)?;
            config.of_controllers = true;
        }
        reading.text("client.id", &mut config.client_id);
        reading.duration("request.timeout.ms", &mut config.request_timeout)?;
        reading.duration("socket.connection.setup.timeout.ms", &mut config.connect_timeout)?;
        reading.duration("retry.backoff.ms", &mut config.retry_backoff)?;
        reading.duration("retry.backoff.max.ms", &mut config.retry_backoff_max)?;
        reading.duration("metadata.max.age.ms", &mut config.metadata_max_age)?;
        match properties.get("security.protocol").map(String::as_str) {
            None | Some("PLAINTEXT") => Ok(config),
            Some(other @ ("SSL" | "SASL_PLAINTEXT" | "SASL_SSL")) => Err(Error::Config(format!(
                "security.protocol {other} is not supported yet: only PLAINTEXT is"
            ))),
            Some(other) => {
                let text = "String must be one of: PLAINTEXT, SSL, SASL_PLAINTEXT, SASL_SSL";
                Err(invalid("security.protocol", other, Some(text)))
            }
        }
    }

    /// The wait before try number `tries` (from 0).
    pub fn backoff(&self, tries: u32) -> Duration {
        self.retry_backoff.saturating_mul(1 << tries.min(16)).min(self.retry_backoff_max)
    }
}

/// `host:port` separated by commas.
fn parse_servers(text: &str) -> Result<Vec<String>, Error> {
    let servers: Vec<String> =
        text.split(',').map(str::trim).filter(|server| !server.is_empty()).map(String::from).collect();
    for server in &servers {
        let port = server.rsplit_once(':').and_then(|(host, port)| Some((host, port.parse::<u16>().ok()?)));
        if port.is_none_or(|(host, _)| host.is_empty()) {
            return Err(Error::Config(format!("Invalid url in bootstrap.servers: {server}")));
        }
    }
    if servers.is_empty() {
        return Err(Error::Config("No resolvable bootstrap urls given in bootstrap.servers".to_owned()));
    }
    Ok(servers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_hosts_and_ports() {
        for (text, expected) in [
            ("a:1,b:2", Some(vec!["a:1", "b:2"])),
            (" [::1]:9092 ,", Some(vec!["[::1]:9092"])),
            ("a", None),
            (":1", None),
            ("a:x", None),
            ("", None),
        ] {
            let found = parse_servers(text).ok();
            let expected = expected.map(|all| all.into_iter().map(String::from).collect::<Vec<_>>());
            assert_eq!(found, expected, "{text}");
        }
    }
}
