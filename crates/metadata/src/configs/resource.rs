//! Whether all configs of one resource, as they would be after a change, may be stored. This is the controller's
//! check; the broker that is asked also looks at its own (`broker`).

use super::broker::parse_resource_name;
use super::entry::Properties;
use super::error::ConfigError;
use super::group::{self, ClientMetricsError};
use super::registry::Scope;
use super::static_config::StaticConfig;
use super::topic;

/// Why a change is refused, by the error code it gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    InvalidRequest(String),
    InvalidTopic(String),
    InvalidConfig(String),
}

impl From<ConfigError> for Refusal {
    fn from(error: ConfigError) -> Refusal {
        Refusal::InvalidConfig(error.message)
    }
}

/// The text for configs whose value is null where null has no meaning.
pub fn null_values(kind: &str, names: &[&str]) -> Refusal {
    Refusal::InvalidConfig(format!("Null value not supported for {kind} configs: {}", names.join(",")))
}

/// `file` is the judging node's own, for its bounds and features.
pub fn validate(
    scope: Scope,
    name: &str,
    properties: &Properties,
    file: &StaticConfig,
) -> Result<(), Refusal> {
    match scope {
        Scope::Topic if name.is_empty() => {
            Err(Refusal::InvalidRequest("Default topic resources are not allowed.".to_owned()))
        }
        Scope::Topic => {
            topic::validate_name(name).map_err(Refusal::InvalidTopic)?;
            let tiers = file.bool("remote.log.storage.system.enable");
            topic::validate(properties, tiers).map_err(Refusal::from)
        }
        Scope::Broker => {
            parse_resource_name(name).map(drop).map_err(|why| Refusal::InvalidRequest(why.to_owned()))
        }
        Scope::Group if name.is_empty() => {
            Err(Refusal::InvalidRequest("Default group resources are not allowed.".to_owned()))
        }
        Scope::Group => group::validate(properties, |name| file.optional_i64(name)).map_err(Refusal::from),
        Scope::ClientMetrics => {
            group::validate_client_metrics(name, properties).map_err(|error| match error {
                ClientMetricsError::InvalidRequest(message) => Refusal::InvalidRequest(message),
                ClientMetricsError::InvalidConfig(message) => Refusal::InvalidConfig(message),
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::configs::broker::validate_dynamic;

    pub(crate) fn file() -> StaticConfig {
        let given = [
            ("process.roles", "broker,controller"),
            ("node.id", "1"),
            ("controller.quorum.voters", "1@localhost:9093"),
            ("controller.listener.names", "CONTROLLER"),
            ("listeners", "PLAINTEXT://:9092,CONTROLLER://:9093"),
        ];
        StaticConfig::parse(&given.map(|(name, value)| (name.to_owned(), value.to_owned())).into()).unwrap()
    }

    fn settings(text: &str) -> Vec<(String, Option<String>)> {
        let words: Vec<&str> = if text.is_empty() { Vec::new() } else { text.split(';').collect() };
        let pairs =
            words.chunks(2).map(|pair| (pair[0].to_owned(), (pair[1] != "null").then(|| pair[1].to_owned())));
        pairs.collect()
    }

    #[test]
    fn changes_are_judged_as_by_kafkas_controller() {
        let file = file();
        for line in include_str!("../../testdata/config-changes.tsv").lines().filter(|l| !l.starts_with('#'))
        {
            let fields: Vec<&str> = line.split('\t').collect();
            let scope = match fields[0] {
                "TOPIC" => Scope::Topic,
                "BROKER" => Scope::Broker,
                "GROUP" => Scope::Group,
                "CLIENT_METRICS" => Scope::ClientMetrics,
                _ => continue,
            };
            let settings = settings(fields[2]);
            let nulls: Vec<&str> =
                settings.iter().filter(|(_, value)| value.is_none()).map(|(name, _)| name.as_str()).collect();
            let outcome = if nulls.is_empty() {
                let properties =
                    settings.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
                validate(scope, fields[1], &properties, &file)
            } else {
                Err(null_values(&fields[0].to_lowercase(), &nulls))
            };
            let outcome = match outcome {
                Ok(()) => ("ok", String::new()),
                Err(Refusal::InvalidRequest(message)) => ("InvalidRequestException", message),
                Err(Refusal::InvalidTopic(message)) => ("InvalidTopicException", message),
                Err(Refusal::InvalidConfig(message)) => ("config", message),
            };
            let kind = match fields[3] {
                "ConfigException" | "InvalidConfigurationException" => "config",
                kind => kind,
            };
            assert_eq!(outcome, (kind, fields.get(4).unwrap_or(&"").to_string()), "{line}");
        }
    }

    #[test]
    fn dynamic_broker_configs_are_judged_as_by_kafka() {
        let table = include_str!("../../testdata/dynamic-broker-configs.tsv");
        for line in table.lines().filter(|line| !line.starts_with('#')) {
            let fields: Vec<&str> = line.split('\t').collect();
            let properties =
                settings(fields[1]).into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
            let message = validate_dynamic(&properties, fields[0] == "true").err().map(|error| error.message);
            assert_eq!(message.as_deref(), fields.get(3).copied(), "{line}");
        }
    }
}
