//! Configs of groups and of client metrics: whether they may be stored.

use super::entry::Properties;
use super::error::ConfigError;
use super::registry::{Scope, lookup};
use super::value::split_list;

/// The broker config that gives a group config's default, if there is one.
pub fn broker_synonym(name: &str) -> Option<String> {
    let broker_name = format!("group.{name}");
    lookup(Scope::Broker, &broker_name).map(|_| broker_name)
}

/// All configs a group is to have; `broker_value` tells the broker's bounds.
pub fn validate(
    properties: &Properties,
    broker_value: impl Fn(&str) -> Option<i64>,
) -> Result<(), ConfigError> {
    if let Some(name) = properties.keys().find(|name| lookup(Scope::Group, name).is_none()) {
        return Err(ConfigError::about(name, format!("Unknown group config name: {name}")));
    }
    let mut parsed = Vec::new();
    for (name, text) in properties {
        if let Some(row) = lookup(Scope::Group, name) {
            parsed.push((name, row.parse(text)?));
        }
    }
    for (name, value) in parsed {
        let Some(value) = value.as_i64() else { continue };
        let (kind, rest) = name.split_once('.').unwrap_or((name, ""));
        let least = format!("group.{kind}.min.{rest}");
        let most = match rest {
            "num.standby.replicas" => format!("group.{kind}.max.standby.replicas"),
            rest => format!("group.{kind}.max.{rest}"),
        };
        if broker_value(&least).is_some_and(|bound| value < bound) {
            return Err(ConfigError::about(name, format!("{name} must be greater than or equal to {least}")));
        }
        if broker_value(&most).is_some_and(|bound| value > bound) {
            return Err(ConfigError::about(name, format!("{name} must be less than or equal to {most}")));
        }
    }
    let number = |name: &str| {
        let given = properties.get(name).and_then(|text| text.trim().parse::<i64>().ok());
        given.or_else(|| broker_value(&broker_synonym(name)?))
    };
    for kind in ["consumer", "share", "streams"] {
        let (heartbeat, session) =
            (format!("{kind}.heartbeat.interval.ms"), format!("{kind}.session.timeout.ms"));
        if let (Some(interval), Some(timeout)) = (number(&heartbeat), number(&session))
            && timeout <= interval
        {
            return Err(ConfigError::about(&session, format!("{session} must be greater than {heartbeat}")));
        }
    }
    Ok(())
}

/// Why a client metrics subscription is refused: its request's fault, or its values'.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientMetricsError {
    InvalidRequest(String),
    InvalidConfig(String),
}

const SELECTORS: &[&str] = &[
    "client_instance_id",
    "client_id",
    "client_software_name",
    "client_software_version",
    "client_source_address",
    "client_source_port",
];

/// All configs a client metrics subscription is to have.
pub fn validate_client_metrics(
    subscription: &str,
    properties: &Properties,
) -> Result<(), ClientMetricsError> {
    use ClientMetricsError::{InvalidConfig, InvalidRequest};
    if subscription.is_empty() {
        return Err(InvalidRequest("Subscription name can't be empty".to_owned()));
    }
    if let Some(name) = properties.keys().find(|name| lookup(Scope::ClientMetrics, name).is_none()) {
        return Err(InvalidRequest(format!("Unknown client metrics configuration: {name}")));
    }
    for (name, text) in properties {
        let Some(row) = lookup(Scope::ClientMetrics, name) else { continue };
        let value = row.parse(text).map_err(|error| InvalidConfig(error.message))?;
        if let Some(interval) = value.as_i64()
            && !(100..=3_600_000).contains(&interval)
        {
            return Err(InvalidRequest(format!(
                "Invalid value {interval} for interval.ms, interval must be between 100 and 3600000 (1 hour)"
            )));
        }
    }
    for pattern in split_list(properties.get("match").map_or("", String::as_str)) {
        let legal = pattern.split_once('=').is_some_and(|(selector, regex)| {
            SELECTORS.contains(&selector.trim()) && looks_like_a_pattern(regex)
        });
        if !legal {
            return Err(InvalidConfig(format!("Illegal client matching pattern: {pattern}")));
        }
    }
    Ok(())
}

/// A regular expression whose brackets close; patterns themselves are compiled by the node that matches clients.
fn looks_like_a_pattern(regex: &str) -> bool {
    let (mut round, mut square, mut escaped) = (0i32, false, false);
    for c in regex.chars() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '[' => square = true,
            ']' => square = false,
            '(' if !square => round += 1,
            ')' if !square => round -= 1,
            _ => {}
        }
        if round < 0 {
            return false;
        }
    }
    round == 0 && !square && !escaped && !regex.is_empty()
}
