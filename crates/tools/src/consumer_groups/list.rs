//! `--list`: groups of consumers, with their states and types where they are asked for.

use client::Error;
use protocol::Str;
use protocol::messages::ListGroupsRequest;
use protocol::messages::list_groups_response::ListedGroup;

use super::named;
use crate::Stop;
use crate::admin::{Admin, capitalized};
use crate::options::Parsed;
use crate::output::say;

/// In the order of Kafka's message.
const STATES: [&str; 7] =
    ["PreparingRebalance", "Stable", "Dead", "Reconciling", "Assigning", "CompletingRebalance", "Empty"];
const TYPES: [&str; 2] = ["Consumer", "Classic"];

/// The filters, before anything is connected.
pub fn check(parsed: &Parsed) -> Result<(), Stop> {
    if parsed.has("list") {
        states(parsed)?;
        types(parsed)?;
    }
    Ok(())
}

fn states(parsed: &Parsed) -> Result<Vec<&'static str>, Stop> {
    chosen(parsed, "state", &STATES).map_err(|text| {
        Stop::usage(format!("Invalid state list '{text}'. Valid states are: {}", STATES.join(", ")))
    })
}

fn types(parsed: &Parsed) -> Result<Vec<&'static str>, Stop> {
    chosen(parsed, "type", &TYPES).map_err(|text| {
        Stop::usage(format!("Invalid types list '{text}'. Valid types are: {}", TYPES.join(", ")))
    })
}

/// The words of an option's list in their proper writing; the list itself where one is none of `known`.
fn chosen(parsed: &Parsed, option: &str, known: &[&'static str]) -> Result<Vec<&'static str>, String> {
    let Some(list) = parsed.values(option).first().copied() else { return Ok(Vec::new()) };
    let proper = |word: &str| known.iter().find(|of| of.eq_ignore_ascii_case(word.trim())).copied();
    list.split(',').map(proper).collect::<Option<Vec<_>>>().ok_or_else(|| list.to_owned())
}

pub async fn run(admin: &Admin, parsed: &Parsed) -> Result<(), Stop> {
    let groups = ask(admin, &states(parsed)?, &types(parsed)?).await?;
    let (with_state, with_type) = (parsed.has("state"), parsed.has("type"));
    if !with_state && !with_type {
        for group in groups {
            say!("{}", group.group_id);
        }
        return Ok(());
    }
    let width = groups.iter().map(|group| group.group_id.chars().count()).max().unwrap_or(0).max(25);
    let line = |id: &str, kind: &str, state: &str| {
        let mut cells = vec![format!("{id:width$}")];
        cells.extend(with_type.then(|| format!("{kind:20}")));
        cells.extend(with_state.then(|| format!("{state:20}")));
        say!("{}", cells.join(" "));
    };
    line("GROUP", "TYPE", "STATE");
    for group in groups {
        line(&group.group_id, &kind(&group), &group.group_state);
    }
    Ok(())
}

pub fn kind(group: &ListedGroup) -> String {
    if group.group_type.is_empty() { "Unknown".to_owned() } else { capitalized(&group.group_type) }
}

/// Names of all groups of consumers.
pub async fn names(admin: &Admin) -> Result<Vec<String>, Stop> {
    Ok(ask(admin, &[], &[]).await?.into_iter().map(|group| group.group_id.to_string()).collect())
}

/// Groups of consumers on all brokers, by name.
async fn ask(admin: &Admin, states: &[&str], types: &[&str]) -> Result<Vec<ListedGroup>, Stop> {
    let types = if types.is_empty() { &TYPES[..] } else { types };
    let mut groups = every(admin, states, types).await.map_err(|error| named(&error))?;
    groups.retain(|group| matches!(group.protocol_type.as_str(), "" | "consumer"));
    Ok(groups)
}

/// Groups of these states and types on all brokers, by name. Filters that a broker does not know are ours to apply.
pub async fn every(admin: &Admin, states: &[&str], types: &[&str]) -> Result<Vec<ListedGroup>, Error> {
    let mut groups: Vec<ListedGroup> = Vec::new();
    for broker in admin.brokers().await? {
        let connection = admin.cluster.node(types::NodeId(broker)).await?;
        let version = connection.version(protocol::ApiKey::ListGroups)?;
        let words = |words: &[&str]| words.iter().map(|word| Str::from(*word)).collect();
        let request = ListGroupsRequest {
            states_filter: if version >= 4 { words(states) } else { Vec::new() },
            types_filter: if version >= 5 { words(types) } else { Vec::new() },
        };
        let response = connection.call_version(&request, version).await?;
        Error::check(response.error_code, None)?;
        groups.extend(response.groups);
    }
    let fits = |list: &[&str], word: &str| {
        word.is_empty() || list.is_empty() || list.iter().any(|of| of.eq_ignore_ascii_case(word))
    };
    groups.retain(|group| fits(states, &group.group_state) && fits(types, &group.group_type));
    groups.sort_by(|a, b| a.group_id.cmp(&b.group_id));
    groups.dedup_by(|a, b| a.group_id == b.group_id);
    Ok(groups)
}
