//! Names of broker resources, and whether a broker's configs may be changed while it runs (checked by the broker
//! that is asked, never by the controller).

use super::definition::{Definition, UpdateMode};
use super::entry::Properties;
use super::error::ConfigError;
use super::registry::{Scope, lookup};
use super::synonyms::{is_per_listener, without_listener_prefix};

/// The broker id a resource name means; empty is all brokers.
pub fn parse_resource_name(name: &str) -> Result<Option<i32>, &'static str> {
    if name.is_empty() {
        return Ok(None);
    }
    match name.parse::<i32>() {
        Ok(id) if id < 0 => Err("Invalid negative broker ID."),
        Ok(id) => Ok(Some(id)),
        Err(_) => Err("Unable to parse broker name as a base 10 number."),
    }
}

const SECURITY: &[&str] = &[
    "ssl.key.password",
    "ssl.keystore.certificate.chain",
    "ssl.keystore.key",
    "ssl.keystore.location",
    "ssl.keystore.password",
    "ssl.keystore.type",
    "ssl.truststore.certificates",
    "ssl.truststore.location",
    "ssl.truststore.password",
    "ssl.truststore.type",
];

/// Whether `properties` may be set at run time on one broker (`per_broker`) or for all. Unknown names may.
pub fn validate_dynamic(properties: &Properties, per_broker: bool) -> Result<(), ConfigError> {
    let named = |wanted: &dyn Fn(&str) -> bool, message: &str| {
        let names: Vec<&str> = properties.keys().map(String::as_str).filter(|name| wanted(name)).collect();
        match names.first() {
            Some(first) => Err(ConfigError::about(first, format!("{message}: [{}]", names.join(", ")))),
            None => Ok(()),
        }
    };
    let read_only =
        |name: &str| lookup(Scope::Broker, name).is_some_and(|row| row.update == UpdateMode::ReadOnly);
    named(&read_only, "Cannot update these configs dynamically")?;
    named(
        &|name| SECURITY.contains(&name),
        "These security configs can be dynamically updated only per-listener using the listener prefix",
    )?;
    for (name, text) in properties {
        if let Some(row) = definition(name) {
            row.parse(text)?;
        }
    }
    if per_broker {
        return Ok(());
    }
    let one_broker_only = |name: &str| match without_listener_prefix(name) {
        Some(base) => !is_per_listener(base),
        None => lookup(Scope::Broker, name).is_some_and(|row| row.update == UpdateMode::PerBroker),
    };
    named(
        &one_broker_only,
        "Cannot update these configs at default cluster level, broker id must be specified",
    )
}

/// A config by its name, or by what stands after its listener prefix.
pub fn definition(name: &str) -> Option<&'static Definition> {
    lookup(Scope::Broker, without_listener_prefix(name).unwrap_or(name))
}
