//! `--alter`: what to set and delete, sent as one incremental change.

use std::collections::BTreeMap;

use client::Error;
use protocol::Str;
use protocol::messages::IncrementalAlterConfigsRequest;
use protocol::messages::incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig};

use super::entity::{Entity, Kind};
use super::{credentials, failed, quotas, refused};
use crate::Stop;
use crate::admin::Admin;
use crate::options::Parsed;
use crate::output::say;

const SET: i8 = 0;
const DELETE: i8 = 1;

#[derive(Debug, Default, PartialEq, Eq)]
pub struct Change {
    pub set: BTreeMap<String, String>,
    pub delete: Vec<String>,
}

pub fn read(parsed: &Parsed, entities: &[Entity]) -> Result<Change, Stop> {
    let mut change = Change::default();
    if let Some(path) = parsed.value("add-config-file")? {
        let bytes =
            std::fs::read(path).map_err(|_| failed(&format!("java.nio.file.NoSuchFileException: {path}")))?;
        let properties =
            client::parse_properties(&bytes).map_err(|error| failed(&format!("{path}: {error}")))?;
        change.set.extend(properties);
    }
    if let Some(text) = parsed.value("add-config")? {
        change.set = additions(text).ok_or_else(|| {
            Stop::error(
                "requirement failed: Invalid entity config: all configs to be added must be in the format \"key=val\" or  \
                 \"key=[val1,val2]\" to group values which contain commas.",
            )
        })?;
    }
    if let Some(text) = parsed.value("delete-config")? {
        change.delete = text.split(',').map(|key| key.trim().to_owned()).collect();
    }
    if entities.iter().any(|entity| entity.kind.resource_type().is_none()) {
        quotas::check(entities, &change)?;
        credentials::check(entities, &change)?;
    }
    Ok(change)
}

/// `a=1,b=[x,y]`: commas within brackets part nothing; the brackets go.
fn additions(text: &str) -> Option<BTreeMap<String, String>> {
    let mut parts = vec![String::new()];
    let mut inside = false;
    for letter in text.chars() {
        match letter {
            '[' => inside = true,
            ']' => inside = false,
            ',' if !inside => {
                parts.push(String::new());
                continue;
            }
            _ => {}
        }
        parts.last_mut()?.push(letter);
    }
    let pair = |part: &String| {
        let (key, value) = part.split_once('=')?;
        Some((key.trim().to_owned(), value.trim().replace(['[', ']'], "")))
    };
    parts.iter().filter(|part| !part.trim().is_empty()).map(pair).collect()
}

pub async fn run(admin: &Admin, entities: &[Entity], change: &Change) -> Result<(), Stop> {
    let Some(Entity { kind, name: Some(name) }) = entities.first() else { return Ok(()) };
    let Some(resource_type) = kind.resource_type() else {
        match *kind == Kind::Users && entities.len() == 1 && !quotas::is_meant(change) {
            true => credentials::alter(admin, name, change).await?,
            false => quotas::alter(admin, entities, change).await?,
        }
        completed(*kind, name);
        return Ok(());
    };
    if *kind == Kind::BrokerLoggers {
        check_loggers(admin, name, change).await?;
    }
    let row = |name: &String, config_operation, value: Option<&String>| AlterableConfig {
        name: Str::from(name.as_str()),
        config_operation,
        value: value.map(|value| Str::from(value.as_str())),
    };
    let mut configs: Vec<_> = change.set.iter().map(|(key, value)| row(key, SET, Some(value))).collect();
    configs.extend(change.delete.iter().map(|key| row(key, DELETE, None)));
    let resource = AlterConfigsResource { resource_type, resource_name: Str::from(name.as_str()), configs };
    let request = IncrementalAlterConfigsRequest { resources: vec![resource], validate_only: false };
    let response = match (kind, name.parse::<i32>()) {
        (Kind::Brokers | Kind::BrokerLoggers, Ok(id)) => admin.call_node(id, &request).await,
        _ => admin.call(&request).await,
    };
    for result in response.map_err(refused)?.responses {
        Error::check(result.error_code, result.error_message.as_ref()).map_err(refused)?;
    }
    completed(*kind, name);
    Ok(())
}

fn completed(kind: Kind, name: &str) {
    match name {
        "" => say!("Completed updating default config for {} in the cluster.", kind.plural()),
        name => say!("Completed updating config for {} {name}.", kind.singular()),
    }
}

/// A logger that the broker does not have is refused here, as Kafka's tool does.
async fn check_loggers(admin: &Admin, broker: &String, change: &Change) -> Result<(), Stop> {
    let there = admin.configs(8, std::slice::from_ref(broker), false).await.map_err(refused)?;
    let known =
        |name: &String| there.iter().flat_map(|one| &one.configs).any(|one| one.name == name.as_str());
    let unknown: Vec<&str> =
        change.set.keys().chain(&change.delete).filter(|name| !known(name)).map(String::as_str).collect();
    match unknown.is_empty() {
        true => Ok(()),
        false => Err(Stop::error(format!("Invalid broker logger(s): {}", unknown.join(",")))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brackets_hold_commas() {
        let expected =
            [("a", "1"), ("b", "x,y"), ("c", "")].map(|(key, value)| (key.to_owned(), value.to_owned()));
        assert_eq!(additions("a=1,b=[x,y],c="), Some(BTreeMap::from(expected)));
        assert_eq!(additions("a"), None);
    }
}
