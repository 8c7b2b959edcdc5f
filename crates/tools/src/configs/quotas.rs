//! Quotas of users, clients and addresses, as the cluster keeps them; a change names what is set and what is removed.

use std::collections::BTreeMap;

use client::Error;
use protocol::messages::describe_client_quotas_request::ComponentData;
use protocol::messages::describe_client_quotas_response::EntryData;
use protocol::messages::{
    AlterClientQuotasRequest, DescribeClientQuotasRequest, alter_client_quotas_request,
};
use protocol::{ApiKey, Str};

use super::alter::Change;
use super::entity::{Entity, Kind};
use super::{refused, unsupported};
use crate::Stop;
use crate::admin::Admin;
use crate::output::say;

const EXACT: i8 = 0;
const DEFAULT: i8 = 1;
const ANY: i8 = 2;

const OF_CLIENTS: [&str; 4] =
    ["producer_byte_rate", "consumer_byte_rate", "request_percentage", "controller_mutation_rate"];
const OF_ADDRESSES: [&str; 1] = ["connection_creation_rate"];

/// Whether a config of users and clients is a quota.
pub fn is_of_clients(config: &str) -> bool {
    OF_CLIENTS.contains(&config)
}

pub fn is_of_addresses(config: &str) -> bool {
    OF_ADDRESSES.contains(&config)
}

/// The protocol's name and the name that is shown.
fn names(kind: Kind) -> (&'static str, &'static str) {
    match kind {
        Kind::Users => ("user", "user-principal"),
        Kind::Clients => ("client-id", "client-id"),
        _ => ("ip", "ip"),
    }
}

async fn entries(admin: &Admin, entities: &[Entity]) -> Result<Vec<EntryData>, Stop> {
    let component = |entity: &Entity| ComponentData {
        entity_type: Str::from(names(entity.kind).0),
        match_type: match entity.name.as_deref() {
            None => ANY,
            Some("") => DEFAULT,
            Some(_) => EXACT,
        },
        r#match: entity.name.as_deref().filter(|name| !name.is_empty()).map(Str::from),
    };
    let request =
        DescribeClientQuotasRequest { components: entities.iter().map(component).collect(), strict: true };
    let response = admin.call(&request).await.map_err(refused)?;
    Error::check(response.error_code, response.error_message.as_ref()).map_err(refused)?;
    Ok(response.entries.unwrap_or_default())
}

pub async fn describe(admin: &Admin, entities: &[Entity]) -> Result<(), Stop> {
    for entry in entries(admin, entities).await? {
        say!("{}", line(&entry));
    }
    Ok(())
}

fn line(entry: &EntryData) -> String {
    let mut parts = Vec::new();
    for kind in [Kind::Users, Kind::Clients, Kind::Ips] {
        let (of_protocol, shown) = names(kind);
        let Some(entity) = entry.entity.iter().find(|one| one.entity_type == of_protocol) else { continue };
        parts.push(match &entity.entity_name {
            Some(name) => format!("{shown} '{name}'"),
            None => format!("the default {shown}"),
        });
    }
    let mut values: Vec<String> =
        entry.values.iter().map(|one| format!("{}={:?}", one.key, one.value)).collect();
    values.sort_unstable();
    format!("Quota configs for {} are {}", parts.join(", "), values.join(", "))
}

pub async fn alter(admin: &Admin, entities: &[Entity], change: &Change) -> Result<(), Stop> {
    let there = entries(admin, entities).await?;
    let is_set = |key: &str| there.iter().flat_map(|entry| &entry.values).any(|value| value.key == key);
    let unset: Vec<&str> = change.delete.iter().map(String::as_str).filter(|key| !is_set(key)).collect();
    if !unset.is_empty() {
        return Err(Stop::error(format!("Invalid config(s): {}", unset.join(","))));
    }
    let request = request(entities, change)?;
    let response =
        admin.call(&request).await.map_err(|error| unsupported(error, ApiKey::AlterClientQuotas))?;
    for entry in response.entries {
        Error::check(entry.error_code, entry.error_message.as_ref()).map_err(refused)?;
    }
    Ok(())
}

fn request(entities: &[Entity], change: &Change) -> Result<AlterClientQuotasRequest, Stop> {
    use alter_client_quotas_request::{EntityData, EntryData, OpData};
    let op = |key: &str, value, remove| OpData { key: Str::from(key), value, remove };
    let mut ops = Vec::new();
    for (key, text) in &change.set {
        let value = number(text).ok_or_else(|| {
            Stop::error(format!("Cannot parse quota configuration value for {key}: {text}"))
        })?;
        ops.push(op(key, value, false));
    }
    ops.extend(change.delete.iter().map(|key| op(key, 0.0, true)));
    let entity = |entity: &Entity| EntityData {
        entity_type: Str::from(names(entity.kind).0),
        entity_name: entity.name.as_deref().filter(|name| !name.is_empty()).map(Str::from),
    };
    let entry = EntryData { entity: entities.iter().map(entity).collect(), ops };
    Ok(AlterClientQuotasRequest { entries: vec![entry], validate_only: false })
}

/// As Java reads a double: a letter for its type may follow.
fn number(text: &str) -> Option<f64> {
    let text = text.trim();
    let digits = text.strip_suffix(['d', 'D', 'f', 'F']).unwrap_or(text);
    digits.parse().ok()
}

/// What --alter may name for users and clients, or addresses.
pub fn check(entities: &[Entity], change: &Change) -> Result<(), Stop> {
    let Some(first) = entities.first() else { return Ok(()) };
    if first.kind == Kind::Ips {
        let all = change.set.keys().chain(&change.delete).map(String::as_str);
        let unknown: Vec<&str> = all.filter(|key| !is_of_addresses(key)).collect();
        return match unknown.is_empty() {
            true => Ok(()),
            false => Err(Stop::error(format!(
                "Only connection quota configs can be added for 'ips' using --bootstrap-server. Unexpected config names: {}",
                unknown.join(",")
            ))),
        };
    }
    let clients = entities.iter().any(|entity| entity.kind == Kind::Clients);
    let (kind, what) = if clients { ("clients", "quota") } else { ("users", "quota and SCRAM credential") };
    let is_known = |key: &&str| is_of_clients(key) || !clients && super::credentials::is_mechanism(key);
    let unexpected = |keys: Vec<&str>, verb: &str, collection: &str| {
        let mut unknown: Vec<&str> = keys.into_iter().filter(|key| !is_known(key)).collect();
        // mechanisms are found last
        unknown.sort_by_key(|key| super::credentials::is_mechanism(key));
        match unknown.is_empty() {
            true => Ok(()),
            false => Err(Stop::error(format!(
                "Only {what} configs can be {verb} for '{kind}' using --bootstrap-server. Unexpected config names: \
                 {collection}({})",
                unknown.join(", ")
            ))),
        }
    };
    unexpected(change.set.keys().map(String::as_str).collect(), "added", "Set")?;
    unexpected(change.delete.iter().map(String::as_str).collect(), "deleted", "ArrayBuffer")
}

/// Whether the change is one of quotas.
pub fn is_meant(change: &Change) -> bool {
    let all: BTreeMap<&str, ()> =
        change.set.keys().chain(&change.delete).map(|key| (key.as_str(), ())).collect();
    all.keys().any(|key| is_of_clients(key) || is_of_addresses(key))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(set: &[&str], delete: &[&str]) -> Change {
        Change {
            set: set.iter().map(|key| ((*key).to_owned(), "1".to_owned())).collect(),
            delete: delete.iter().map(|key| (*key).to_owned()).collect(),
        }
    }

    fn entity(kind: Kind, name: &str) -> Entity {
        Entity { kind, name: Some(name.to_owned()) }
    }

    #[test]
    fn what_is_no_quota_is_refused_as_kafka_does() {
        let (user, client, ip) =
            (entity(Kind::Users, "u"), entity(Kind::Clients, "c"), entity(Kind::Ips, "127.0.0.1"));
        let words = "using --bootstrap-server. Unexpected config names:";
        for (entities, change, expected) in [
            (vec![user.clone()], change(&["producer_byte_rate", "SCRAM-SHA-256"], &[]), None),
            (
                vec![user.clone()],
                change(&[], &["nonsense", "other"]),
                Some(format!(
                    "Only quota and SCRAM credential configs can be deleted for 'users' {words} ArrayBuffer(nonsense, other)"
                )),
            ),
            (
                vec![user, client.clone()],
                change(&["SCRAM-SHA-256", "nonsense"], &[]),
                Some(format!(
                    "Only quota configs can be added for 'clients' {words} Set(nonsense, SCRAM-SHA-256)"
                )),
            ),
            (vec![client], change(&["request_percentage"], &["controller_mutation_rate"]), None),
            (
                vec![ip.clone()],
                change(&["x"], &[]),
                Some(format!("Only connection quota configs can be added for 'ips' {words} x")),
            ),
            (vec![ip], change(&["connection_creation_rate"], &[]), None),
        ] {
            assert_eq!(check(&entities, &change).err(), expected.map(Stop::Error));
        }
    }

    #[test]
    fn a_request_sets_and_removes() {
        let entities = [entity(Kind::Users, "u"), entity(Kind::Clients, "")];
        let request = request(&entities, &change(&["producer_byte_rate"], &["request_percentage"])).unwrap();
        let [entry] = request.entries.as_slice() else { panic!("{request:?}") };
        let names: Vec<_> =
            entry.entity.iter().map(|one| (one.entity_type.as_str(), one.entity_name.as_deref())).collect();
        assert_eq!(names, [("user", Some("u")), ("client-id", None)]);
        let ops: Vec<_> = entry.ops.iter().map(|op| (op.key.as_str(), op.value, op.remove)).collect();
        assert_eq!(ops, [("producer_byte_rate", 1.0, false), ("request_percentage", 0.0, true)]);
    }

    #[test]
    fn numbers_are_read_as_java_reads_them() {
        for (text, expected) in
            [("1024", Some(1024.0)), ("1e3", Some(1000.0)), (" 2d", Some(2.0)), ("x", None)]
        {
            assert_eq!(number(text), expected, "{text}");
        }
    }
}
