//! The properties file as a node uses it: every value parsed, listeners resolved, rules between keys checked.

use std::collections::BTreeMap;

use super::definition::{DefaultValue, Definition};
use super::error::ConfigError;
use super::listener::{
    Listener, ListenerSecurity, SecurityProtocol, Voter, parse_listeners, parse_security_map,
};
use super::listener::{parse_host_port, parse_voter};
use super::registry::{self, Scope, lookup};
use super::static_rules;
use super::suggestion::did_you_mean;
use super::value::{Value, split_list};

const HEARTBEAT_INTERVAL: &str = "broker.heartbeat.interval.ms";
const SESSION_TIMEOUT: &str = "broker.session.timeout.ms";

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Roles {
    pub broker: bool,
    pub controller: bool,
}

/// A whole, checked configuration. Values that were not given are their defaults.
#[derive(Clone, Debug)]
pub struct StaticConfig {
    /// As given, after `node.id`/`broker.id` were made equal.
    pub given: BTreeMap<String, String>,
    values: BTreeMap<&'static str, Value>,
    pub roles: Roles,
    pub node_id: i32,
    pub listeners: Vec<Listener>,
    /// Of the broker role: what clients are told. Hosts may be empty (this host's name is meant).
    pub advertised_listeners: Vec<Listener>,
    /// What other nodes are told of the controller's listeners.
    pub advertised_controller_listeners: Vec<Listener>,
    pub controller_listener_names: Vec<String>,
    pub inter_broker_listener: String,
    pub listener_security: ListenerSecurity,
    pub voters: Vec<Voter>,
    pub bootstrap_servers: Vec<(String, u16)>,
    pub log_dirs: Vec<String>,
}

impl StaticConfig {
    /// The whole of a properties file. Unknown names are no error: see [`unknown_names`].
    pub fn parse(given: &BTreeMap<String, String>) -> Result<StaticConfig, ConfigError> {
        let given = with_id_synonyms(given)?;
        let values = parse_values(&given)?;
        let mut config = StaticConfig {
            given,
            values,
            roles: Roles::default(),
            node_id: 0,
            listeners: Vec::new(),
            advertised_listeners: Vec::new(),
            advertised_controller_listeners: Vec::new(),
            controller_listener_names: Vec::new(),
            inter_broker_listener: String::new(),
            listener_security: ListenerSecurity::new(),
            voters: Vec::new(),
            bootstrap_servers: Vec::new(),
            log_dirs: Vec::new(),
        };
        config.resolve_identity();
        config.resolve_security()?;
        static_rules::check_values(&config)?;
        config.resolve_listeners()?;
        static_rules::check_roles(&config)?;
        static_rules::check_groups(&config)?;
        Ok(config)
    }

    fn resolve_identity(&mut self) {
        let roles = self.list("process.roles");
        let has = |name: &str| roles.iter().any(|role| role == name);
        self.roles = Roles { broker: has("broker"), controller: has("controller") };
        self.node_id = self.i32("node.id");
        self.voters = self.list("controller.quorum.voters").iter().filter_map(|v| parse_voter(v)).collect();
        let servers = self.list("controller.quorum.bootstrap.servers");
        self.bootstrap_servers = servers.iter().filter_map(|server| parse_host_port(server)).collect();
        self.controller_listener_names =
            self.list("controller.listener.names").iter().map(|name| name.to_ascii_uppercase()).collect();
        self.log_dirs = match self.given.get("log.dirs") {
            Some(_) => self.list("log.dirs").to_vec(),
            None => self.list("log.dir").to_vec(),
        };
    }

    /// Controller listeners speak PLAINTEXT unless somebody says otherwise, as long as nothing here is secured.
    fn resolve_security(&mut self) -> Result<(), ConfigError> {
        let text = self.str("listener.security.protocol.map").unwrap_or_default().to_owned();
        let mut map = parse_security_map(&text)?;
        if !self.given.contains_key("listener.security.protocol.map") {
            let names = self.list("listeners").iter().filter_map(|listener| listener.split_once("://"));
            let secured = |name: &str| {
                let name = name.to_ascii_uppercase();
                matches!(SecurityProtocol::parse(&name), Some(p) if p != SecurityProtocol::Plaintext)
            };
            let any_secured = names.map(|(name, _)| name).any(secured)
                || self.controller_listener_names.iter().any(|name| secured(name));
            if !any_secured {
                for name in &self.controller_listener_names {
                    map.entry(name.clone()).or_insert(SecurityProtocol::Plaintext);
                }
            }
        }
        self.listener_security = map;
        self.inter_broker_listener = static_rules::inter_broker_listener(self)?;
        Ok(())
    }

    fn resolve_listeners(&mut self) -> Result<(), ConfigError> {
        self.listeners = parse_listeners("listeners", self.list("listeners"), &self.listener_security)?;
        let given = self.values.get("advertised.listeners").and_then(Value::as_list).map(<[String]>::to_vec);
        let advertised = match given {
            Some(items) => parse_listeners("advertised.listeners", &items, &self.listener_security)?,
            None => self.listeners.clone(),
        };
        let (controllers, brokers): (Vec<_>, Vec<_>) = advertised
            .into_iter()
            .partition(|listener| self.controller_listener_names.contains(&listener.name));
        self.advertised_listeners = brokers;
        let named = |name: &String| {
            let told = controllers.iter().find(|listener| listener.name == *name);
            told.or_else(|| self.listeners.iter().find(|listener| listener.name == *name)).cloned()
        };
        self.advertised_controller_listeners =
            self.controller_listener_names.iter().filter_map(named).collect();
        Ok(())
    }

    pub fn value(&self, name: &str) -> Option<&Value> {
        self.values.get(name)
    }

    /// Whether the file named it.
    pub fn is_given(&self, name: &str) -> bool {
        self.given.contains_key(name)
    }

    /// # Panics
    /// If the tables have no such integer with a default: a mistake in the program.
    pub fn i64(&self, name: &str) -> i64 {
        self.optional_i64(name).unwrap_or_else(|| panic!("{name} is no integer config"))
    }

    /// # Panics
    /// As [`StaticConfig::i64`].
    pub fn i32(&self, name: &str) -> i32 {
        i32::try_from(self.i64(name)).unwrap_or_else(|_| panic!("{name} is no INT config"))
    }

    /// How often the broker tells the controller that it is alive. Where the file does not say, a session shorter than the
    /// default one makes it more often, in the defaults' proportion: else the first silence between two would end it.
    pub fn heartbeat_interval_ms(&self) -> i64 {
        let interval = self.i64(HEARTBEAT_INTERVAL);
        if self.is_given(HEARTBEAT_INTERVAL) {
            return interval;
        }
        interval.min(self.i64(SESSION_TIMEOUT) * 2 / 9).max(1)
    }

    /// What to say of heartbeats too rare for the session, which Kafka says and goes on.
    pub fn heartbeat_warning(&self) -> Option<String> {
        let (interval, session) = (self.heartbeat_interval_ms(), self.i64(SESSION_TIMEOUT));
        (interval * 2 > session).then(|| {
            format!(
                "{HEARTBEAT_INTERVAL} is {interval}, more than half of {SESSION_TIMEOUT}, {session}: a broker that lives may \
                 be fenced"
            )
        })
    }

    pub fn optional_i64(&self, name: &str) -> Option<i64> {
        self.values.get(name).and_then(Value::as_i64)
    }

    /// # Panics
    /// If the tables have no such boolean.
    pub fn bool(&self, name: &str) -> bool {
        let value = self.values.get(name).and_then(Value::as_bool);
        value.unwrap_or_else(|| panic!("{name} is no boolean config"))
    }

    /// # Panics
    /// If the tables have no such double.
    pub fn f64(&self, name: &str) -> f64 {
        self.values.get(name).and_then(Value::as_f64).unwrap_or_else(|| panic!("{name} is no double config"))
    }

    /// A list; empty if it is null.
    pub fn list(&self, name: &str) -> &[String] {
        self.values.get(name).and_then(Value::as_list).unwrap_or_default()
    }

    /// Text of a string, class or password; None if it is null.
    pub fn str(&self, name: &str) -> Option<&str> {
        self.values.get(name).and_then(Value::as_str)
    }
}

/// `broker.id` is the old name of `node.id`.
fn with_id_synonyms(given: &BTreeMap<String, String>) -> Result<BTreeMap<String, String>, ConfigError> {
    let mut all = given.clone();
    match (given.get("node.id"), given.get("broker.id")) {
        (Some(node), Some(broker)) if node != broker => {
            let message = "You must set `node.id` to the same value as `broker.id`.";
            return Err(ConfigError::about("node.id", message));
        }
        (Some(node), None) => drop(all.insert("broker.id".to_owned(), node.clone())),
        (None, Some(broker)) => drop(all.insert("node.id".to_owned(), broker.clone())),
        _ => {}
    }
    Ok(all)
}

fn parse_values(given: &BTreeMap<String, String>) -> Result<BTreeMap<&'static str, Value>, ConfigError> {
    let mut values = BTreeMap::new();
    for row in registry::all(Scope::Broker).filter(|row| !registry::is_dynamic_only(row.name)) {
        if let Some(value) = parse_value(row, given)? {
            values.insert(row.name, value);
        }
    }
    Ok(values)
}

fn parse_value(
    row: &'static Definition,
    given: &BTreeMap<String, String>,
) -> Result<Option<Value>, ConfigError> {
    match (given.get(row.name), row.default) {
        (Some(text), _) => row.parse(text).map(Some),
        (None, DefaultValue::Text(text)) => row.parse(text).map(Some),
        (None, DefaultValue::Null) => Ok(None),
        (None, DefaultValue::Required) => {
            let message =
                format!("Missing required configuration \"{}\" which has no default value.", row.name);
            Err(ConfigError::about(row.name, message))
        }
    }
}

/// Prefixes whose names are handed on to others, so they cannot be checked here.
const PREFIXES: &[&str] = &[
    "listener.name.",
    "config.providers.",
    "rsm.config.",
    "rlmm.config.",
    "remote.log.metadata.",
    "sasl.",
    "ssl.",
    "metrics.",
    "log4j",
    "authorizer.",
];

/// The names that nobody knows, each with the known name it was perhaps meant to be.
pub fn unknown_names(given: &BTreeMap<String, String>) -> Vec<(String, Option<&'static str>)> {
    given
        .keys()
        .filter(|name| lookup(Scope::Broker, name).is_none())
        .filter(|name| !PREFIXES.iter().any(|prefix| name.starts_with(prefix)))
        .map(|name| (name.clone(), did_you_mean(name, registry::all(Scope::Broker).map(|row| row.name))))
        .collect()
}

/// `max.connections.per.ip.overrides` and its like: `host:number,…`.
pub(crate) fn parse_overrides(name: &str, text: &str) -> Result<BTreeMap<String, i32>, ConfigError> {
    let mut map = BTreeMap::new();
    for entry in split_list(text) {
        let parsed =
            entry.rsplit_once(':').and_then(|(host, count)| Some((host, count.trim().parse().ok()?)));
        let Some((host, count)) = parsed else {
            let message =
                format!("Error parsing configuration property '{name}': {entry} is not host:number");
            return Err(ConfigError::about(name, message));
        };
        map.insert(host.to_owned(), count);
    }
    Ok(map)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base() -> BTreeMap<String, String> {
        [
            ("process.roles", "broker,controller"),
            ("node.id", "1"),
            ("controller.quorum.voters", "1@localhost:9093"),
            ("controller.listener.names", "CONTROLLER"),
            ("listeners", "PLAINTEXT://:9092,CONTROLLER://:9093"),
            ("log.dirs", "/tmp/x"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into()
    }

    #[test]
    fn files_are_judged_as_by_kafka() {
        let mut wrong = Vec::new();
        for line in include_str!("../../testdata/static-configs.tsv").lines().filter(|l| !l.starts_with('#'))
        {
            let mut fields = line.split('\t');
            let (changes, verdict, message) =
                (fields.next().unwrap(), fields.next().unwrap(), fields.next().unwrap_or(""));
            let mut given = base();
            for (name, value) in changes.split(';').filter_map(|change| change.split_once('=')) {
                match value {
                    "-" => drop(given.remove(name)),
                    value => drop(given.insert(name.to_owned(), value.to_owned())),
                }
            }
            let outcome = match StaticConfig::parse(&given) {
                Ok(_) => ("ok", String::new()),
                Err(error) => ("error", error.message),
            };
            if outcome != (verdict, message.to_owned()) {
                wrong.push(format!("{line}\n    ours: {outcome:?}"));
            }
        }
        assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    }

    #[test]
    fn listeners_are_resolved() {
        let mut given = base();
        given.insert("advertised.listeners".to_owned(), "PLAINTEXT://a.example:19092".to_owned());
        let config = StaticConfig::parse(&given).unwrap();
        assert_eq!(config.advertised_listeners.len(), 1);
        assert_eq!(config.advertised_listeners[0].host, "a.example");
        assert_eq!(config.advertised_controller_listeners[0].port, 9093);
        assert_eq!(config.inter_broker_listener, "PLAINTEXT");
        assert_eq!(config.i32("num.partitions"), 1);
        assert_eq!(config.voters[0].id, 1);
    }

    #[test]
    fn heartbeats_come_often_enough_for_the_session() {
        for (changes, interval, warned) in [
            (&[][..], 2000, false),
            (&[("broker.session.timeout.ms", "300")], 66, false),
            (&[("broker.session.timeout.ms", "3")], 1, false),
            (&[("broker.session.timeout.ms", "60000")], 2000, false),
            (&[("broker.heartbeat.interval.ms", "4500")], 4500, false),
            (&[("broker.heartbeat.interval.ms", "4501")], 4501, true),
            (&[("broker.session.timeout.ms", "300"), ("broker.heartbeat.interval.ms", "2000")], 2000, true),
        ] {
            let mut given = base();
            given.extend(changes.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
            let config = StaticConfig::parse(&given).unwrap();
            assert_eq!(
                (config.heartbeat_interval_ms(), config.heartbeat_warning().is_some()),
                (interval, warned),
                "{changes:?}"
            );
        }
    }

    #[test]
    fn unknown_names_are_found() {
        let mut given = base();
        for name in
            ["listener", "listener.name.plaintext.sasl.jaas.config", "zookeeper.connect", "barnabas.shard"]
        {
            given.insert(name.to_owned(), "x".to_owned());
        }
        assert_eq!(
            unknown_names(&given),
            [
                ("barnabas.shard".to_owned(), Some("barnabas.shards")),
                ("listener".to_owned(), Some("listeners")),
                ("zookeeper.connect".to_owned(), None),
            ]
        );
    }
}
