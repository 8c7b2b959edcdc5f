//! Where a node's configuration comes from, and what is wrong with it: file, then environment, then `--override`; the
//! later one holds. Every error names its place, the key, and what is allowed.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use metadata::configs::{Scope, SecurityProtocol, StaticConfig, lookup, unknown_names};

use crate::properties;

const METRICS_LISTENER: &str = "barnabas.metrics.listener";
const AUTHORIZER: &str = "authorizer.class.name";
const HEARTBEAT_INTERVAL: &str = "broker.heartbeat.interval.ms";

/// Where a value was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    File(PathBuf, usize),
    Environment(String),
    Override,
    /// The values of a node that is started without a file.
    Standard,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::File(path, line) => write!(f, "{}:{line}", path.display()),
            Place::Environment(name) => write!(f, "environment variable {name}"),
            Place::Override => write!(f, "--override"),
            Place::Standard => write!(f, "standard configuration"),
        }
    }
}

/// A configuration that a node cannot start with.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {message}")]
pub struct Invalid {
    /// A place, or the file where no single line is to blame.
    pub place: String,
    pub message: String,
}

/// All values with their places.
#[derive(Clone, Debug, Default)]
pub struct Given {
    source: String,
    values: BTreeMap<String, (String, Place)>,
}

impl Given {
    /// A node on its own: reached on this machine only, with its data under `data`.
    pub fn standard(data: &Path) -> Given {
        let mut given = Given { source: Place::Standard.to_string(), values: BTreeMap::new() };
        let data = data.display().to_string();
        for (key, value) in [
            ("process.roles", "broker,controller"),
            ("node.id", "1"),
            ("controller.quorum.bootstrap.servers", "localhost:9093"),
            ("controller.listener.names", "CONTROLLER"),
            ("listeners", "PLAINTEXT://localhost:9092,CONTROLLER://localhost:9093"),
            ("advertised.listeners", "PLAINTEXT://127.0.0.1:9092,CONTROLLER://127.0.0.1:9093"),
            ("listener.security.protocol.map", "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT"),
            ("log.dirs", data.as_str()),
            ("offsets.topic.replication.factor", "1"),
            ("transaction.state.log.replication.factor", "1"),
            ("transaction.state.log.min.isr", "1"),
            ("share.coordinator.state.topic.replication.factor", "1"),
            ("share.coordinator.state.topic.min.isr", "1"),
            ("barnabas.metrics.listener", "127.0.0.1:9464"),
        ] {
            given.values.insert(key.to_owned(), (value.to_owned(), Place::Standard));
        }
        given
    }

    pub fn file(path: &Path, bytes: &[u8]) -> Result<Given, Invalid> {
        let source = path.display().to_string();
        let entries = properties::parse(bytes)
            .map_err(|error| Invalid { place: source.clone(), message: error.to_string() })?;
        let mut given = Given { source, values: BTreeMap::new() };
        for entry in entries {
            let place = Place::File(path.to_owned(), entry.line);
            given.values.insert(entry.key, (entry.value.trim().to_owned(), place));
        }
        Ok(given)
    }

    /// `KAFKA_LOG_DIRS` is `log.dirs` as in Kafka's container image (`__` is `_`, `___` is `-`), `BARNABAS_SHARDS` is
    /// `barnabas.shards`. Names that are no configuration (`KAFKA_HEAP_OPTS`) are passed over.
    pub fn add_environment(&mut self, variables: impl IntoIterator<Item = (String, String)>) {
        for (name, value) in variables {
            let Some(key) = environment_key(&name) else { continue };
            if lookup(Scope::Broker, &key).is_some() {
                self.values.insert(key, (value, Place::Environment(name)));
            }
        }
    }

    /// `key=value`.
    pub fn add_override(&mut self, text: &str) -> Result<(), Invalid> {
        let Some((key, value)) = text.split_once('=') else {
            let message = format!("'{text}' is not key=value");
            return Err(Invalid { place: Place::Override.to_string(), message });
        };
        self.values.insert(key.trim().to_owned(), (value.trim().to_owned(), Place::Override));
        Ok(())
    }

    pub fn values(&self) -> BTreeMap<String, String> {
        self.values.iter().map(|(key, (value, _))| (key.clone(), value.clone())).collect()
    }

    /// Where the value of this key was given.
    pub fn place(&self, key: &str) -> Option<&Place> {
        self.values.get(key).map(|(_, place)| place)
    }

    pub fn check(&self) -> Result<StaticConfig, Invalid> {
        let config = StaticConfig::parse(&self.values()).map_err(|error| Invalid {
            place: self.place_text(error.name.as_deref()),
            message: error.message,
        })?;
        self.check_protocols(&config)?;
        self.check_authorizer(&config)?;
        let listener = config.str(METRICS_LISTENER).unwrap_or_default();
        let is_address = listener.rsplit_once(':').is_some_and(|(host, port)| {
            !host.is_empty() && !host.contains("//") && port.parse::<u16>().is_ok()
        });
        if !listener.is_empty() && !is_address {
            let message = format!(
                "Invalid value {listener} for configuration {METRICS_LISTENER}: host:port is expected, as 127.0.0.1:9464"
            );
            return Err(Invalid { place: self.place_text(Some(METRICS_LISTENER)), message });
        }
        Ok(config)
    }

    /// TLS and SASL are not spoken yet, by no listener of this node nor to any of another: a node that took plain bytes
    /// where its file says otherwise would be worse than none.
    fn check_protocols(&self, config: &StaticConfig) -> Result<(), Invalid> {
        let own = config.listeners.iter().map(|listener| &listener.name);
        let of_others = config.controller_listener_names.iter().chain([&config.inter_broker_listener]);
        let plain = SecurityProtocol::Plaintext;
        let is_other = |name: &&String| config.listener_security.get(*name).is_some_and(|one| *one != plain);
        let Some(name) = own.chain(of_others).find(is_other) else { return Ok(()) };
        let protocol = config.listener_security.get(name).map_or("", |protocol| protocol.name());
        let key =
            ["listener.security.protocol.map", "listeners"].into_iter().find(|key| config.is_given(key));
        Err(Invalid {
            place: self.place_text(key),
            message: format!(
                "Listener {name} has the security protocol {protocol}, which is not served yet: only PLAINTEXT is"
            ),
        })
    }

    /// Nor is anybody refused anything yet: a node that is open to all where its file names an authorizer would be worse
    /// than none.
    fn check_authorizer(&self, config: &StaticConfig) -> Result<(), Invalid> {
        match config.str(AUTHORIZER) {
            None | Some("") => Ok(()),
            Some(class) => Err(Invalid {
                place: self.place_text(Some(AUTHORIZER)),
                message: format!("{AUTHORIZER} is {class}, and no authorizer is served yet: leave it out"),
            }),
        }
    }

    fn place_text(&self, name: Option<&str>) -> String {
        let given = name.and_then(|name| self.values.get(name));
        given.map_or_else(|| self.source.clone(), |(_, place)| place.to_string())
    }

    /// One line for each name that nobody knows, and for what is allowed but can hardly be meant.
    pub fn warnings(&self) -> Vec<String> {
        let unknown = unknown_names(&self.values()).into_iter().map(|(name, meant)| {
            let place = self.values.get(&name).map_or_else(String::new, |(_, place)| place.to_string());
            let hint = meant.map_or_else(String::new, |meant| format!(" (did you mean {meant}?)"));
            format!("{place}: unknown configuration {name}{hint}")
        });
        let checked = StaticConfig::parse(&self.values()).ok();
        let heartbeats = checked.and_then(|config| config.heartbeat_warning());
        let place = self.place_text(Some(HEARTBEAT_INTERVAL));
        unknown.chain(heartbeats.map(|text| format!("{place}: {text}"))).collect()
    }
}

fn environment_key(name: &str) -> Option<String> {
    let (prefix, rest) = match (name.strip_prefix("KAFKA_"), name.strip_prefix("BARNABAS_")) {
        (Some(rest), _) => ("", rest),
        (_, Some(rest)) => ("barnabas.", rest),
        _ => return None,
    };
    let lower = rest.to_ascii_lowercase();
    Some(format!(
        "{prefix}{}",
        lower.replace("___", "-").replace("__", "\u{0}").replace('_', ".").replace('\u{0}', "_")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> Given {
        Given::file(Path::new("server.properties"), text.as_bytes()).unwrap()
    }

    #[test]
    fn the_standard_node_is_valid() {
        let given = Given::standard(Path::new("/data"));
        assert_eq!(given.warnings(), [""; 0]);
        let config = given.check().unwrap();
        assert_eq!((config.node_id, config.log_dirs), (1, vec!["/data".to_owned()]));
    }

    #[test]
    fn an_error_names_file_line_key_and_what_is_allowed() {
        let standard: String =
            Given::standard(Path::new("/d")).values().iter().map(|(k, v)| format!("{k}={v}\n")).collect();
        let given = file(&format!("num.partitions=abc\n{standard}"));
        let error = given.check().unwrap_err().to_string();
        assert!(error.starts_with("server.properties:1: "), "{error}");
        assert!(error.contains("num.partitions") && error.contains("abc"), "{error}");
    }

    #[test]
    fn the_metrics_listener_is_an_address() {
        let mut given = Given::standard(Path::new("/d"));
        for (value, good) in [
            ("", true),
            ("127.0.0.1:1", true),
            ("localhost:9464", true),
            ("[::1]:9464", true),
            ("9464", false),
            (":9464", false),
            ("http://x:1", false),
            ("x:70000", false),
        ] {
            given.add_override(&format!("{METRICS_LISTENER}={value}")).unwrap();
            assert_eq!(given.check().is_ok(), good, "{value}");
        }
    }

    #[test]
    fn listeners_are_apart_and_plain() {
        let broker_alone = "process.roles=broker\nnode.id=1\nlog.dirs=/d\n\
            controller.quorum.bootstrap.servers=c:9093\ncontroller.listener.names=CONTROLLER\n\
            listeners=CLIENTS://:9092,INTERNAL://:9094\ninter.broker.listener.name=INTERNAL\n\
            advertised.listeners=CLIENTS://a:1,INTERNAL://b:2\nlistener.security.protocol.map=";
        for (map, refused) in [
            ("CLIENTS:PLAINTEXT,INTERNAL:PLAINTEXT,CONTROLLER:PLAINTEXT", None),
            (
                "CLIENTS:SSL,INTERNAL:PLAINTEXT,CONTROLLER:PLAINTEXT",
                Some("Listener CLIENTS has the security protocol SSL"),
            ),
            (
                "CLIENTS:PLAINTEXT,INTERNAL:SASL_SSL,CONTROLLER:PLAINTEXT",
                Some("Listener INTERNAL has the security protocol SASL_SSL"),
            ),
            (
                "CLIENTS:PLAINTEXT,INTERNAL:PLAINTEXT,CONTROLLER:SASL_PLAINTEXT",
                Some("Listener CONTROLLER has"),
            ),
        ] {
            let checked = file(&format!("{broker_alone}{map}\n")).check();
            match (checked, refused) {
                (Ok(config), None) => {
                    assert_eq!(config.inter_broker_listener, "INTERNAL");
                    let told = config.advertised_listeners.iter().map(|at| (at.host.as_str(), at.port));
                    assert_eq!(told.collect::<Vec<_>>(), [("a", 1), ("b", 2)]);
                }
                (Err(error), Some(text)) => {
                    let error = error.to_string();
                    assert!(error.starts_with("server.properties:9: ") && error.contains(text), "{error}");
                }
                (checked, _) => panic!("{map}: {checked:?}"),
            }
        }
    }

    #[test]
    fn an_authorizer_that_would_not_be_asked_is_refused() {
        let standard: String =
            Given::standard(Path::new("/d")).values().iter().map(|(k, v)| format!("{k}={v}\n")).collect();
        let file_with = |class: &str| file(&format!("{AUTHORIZER}={class}\n{standard}")).check();
        let error =
            file_with("org.apache.kafka.metadata.authorizer.StandardAuthorizer").unwrap_err().to_string();
        assert!(
            error.starts_with("server.properties:1: ") && error.contains("StandardAuthorizer"),
            "{error}"
        );
        assert!(file_with("").is_ok());
    }

    #[test]
    fn the_later_source_holds() {
        let mut given = file("num.partitions=1\nnum.partitions=2\n");
        assert_eq!(given.values()["num.partitions"], "2");
        let variables = [
            ("KAFKA_NUM_PARTITIONS", "3"),
            ("KAFKA_HEAP_OPTS", "-Xmx1g"),
            ("BARNABAS_SHARDS", "4"),
            ("HOME", "/"),
        ];
        given.add_environment(variables.map(|(k, v)| (k.to_owned(), v.to_owned())));
        assert_eq!(given.values()["num.partitions"], "3");
        assert_eq!(given.values()["barnabas.shards"], "4");
        assert_eq!(given.values().len(), 2);
        given.add_override("num.partitions=5").unwrap();
        assert_eq!(given.values()["num.partitions"], "5");
        assert!(given.add_override("num.partitions").is_err());
    }

    #[test]
    fn heartbeats_too_rare_for_the_session_are_told() {
        let mut given = Given::standard(Path::new("/data"));
        given.add_override("broker.session.timeout.ms=300").unwrap();
        assert_eq!(given.warnings(), [""; 0]);
        given.add_override("broker.heartbeat.interval.ms=200").unwrap();
        let warnings = given.warnings();
        assert_eq!(warnings.len(), 1);
        assert!(warnings[0].contains("broker.heartbeat.interval.ms is 200, more than half"), "{warnings:?}");
    }

    #[test]
    fn an_unknown_name_is_told_with_the_one_that_was_meant() {
        assert_eq!(
            file("\nlog.dir.s=/x\n").warnings(),
            ["server.properties:2: unknown configuration log.dir.s (did you mean log.dirs?)"]
        );
    }
}
