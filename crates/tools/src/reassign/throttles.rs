//! How much moving replicas may cost: dynamic configs of brokers (bytes a second) and of topics (for which replicas they
//! count), set when a reassignment begins and lifted when it has ended.

use std::collections::{BTreeMap, BTreeSet};

use client::Error;
use protocol::Str;
use protocol::messages::IncrementalAlterConfigsRequest;
use protocol::messages::incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig};

use super::cluster::Ongoing;
use super::plan::Assignment;
use super::{Failed, plural};
use crate::Stop;
use crate::admin::{Admin, Place};
use crate::options::Parsed;
use crate::output::say;

const LEADER_RATE: &str = "leader.replication.throttled.rate";
const FOLLOWER_RATE: &str = "follower.replication.throttled.rate";
const DIRECTORIES_RATE: &str = "replica.alter.log.dirs.io.max.bytes.per.second";
const LEADER_REPLICAS: &str = "leader.replication.throttled.replicas";
const FOLLOWER_REPLICAS: &str = "follower.replication.throttled.replicas";

const TOPIC: i8 = 2;
const BROKER: i8 = 4;

/// Bytes a second; negative is no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    pub between_brokers: i64,
    pub between_directories: i64,
}

impl Limits {
    pub fn of(parsed: &Parsed) -> Result<Limits, Stop> {
        Ok(Limits {
            between_brokers: parsed.number("throttle")?.unwrap_or(-1),
            between_directories: parsed.number("replica-alter-log-dirs-throttle")?.unwrap_or(-1),
        })
    }
}

/// From which brokers a partition is copied, and to which.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Move {
    pub sources: BTreeSet<i32>,
    pub destinations: BTreeSet<i32>,
}

/// What moves when a plan begins, beside what is under way.
pub fn moves(
    ongoing: &BTreeMap<Place, Ongoing>,
    wanted: &Assignment,
    current: &Assignment,
) -> BTreeMap<Place, Move> {
    let mut moves: BTreeMap<Place, Move> = BTreeMap::new();
    for (place, one) in ongoing {
        let destinations: BTreeSet<i32> = one.adding.iter().copied().collect();
        let sources = one.replicas.iter().copied().filter(|id| !destinations.contains(id)).collect();
        moves.insert(place.clone(), Move { sources, destinations });
    }
    for (place, replicas) in wanted {
        let one = moves.entry(place.clone()).or_insert_with(|| Move {
            sources: current.get(place).into_iter().flatten().copied().collect(),
            destinations: BTreeSet::new(),
        });
        one.destinations = replicas.iter().copied().filter(|id| !one.sources.contains(id)).collect();
    }
    moves
}

/// `partition:broker,…` of each topic, for leaders or for followers.
fn throttled(moves: &BTreeMap<Place, Move>, side: fn(&Move) -> &BTreeSet<i32>) -> BTreeMap<&str, String> {
    let mut topics: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for ((topic, partition), one) in moves {
        let brokers = side(one).iter().map(|broker| format!("{partition}:{broker}"));
        topics.entry(topic).or_default().extend(brokers);
    }
    let joined = |all: BTreeSet<String>| all.into_iter().collect::<Vec<_>>().join(",");
    topics.into_iter().map(|(topic, all)| (topic, joined(all))).collect()
}

/// Limits what a plan moves between brokers.
pub async fn limit_moves(admin: &Admin, moves: &BTreeMap<Place, Move>, rate: i64) -> Result<(), Failed> {
    let leaders = throttled(moves, |one| &one.sources);
    let followers = throttled(moves, |one| &one.destinations);
    let mut topics = Vec::new();
    for (topic, of_leaders) in leaders {
        let of_followers = followers.get(topic).cloned().unwrap_or_default();
        let configs = vec![set(LEADER_REPLICAS, &of_leaders), set(FOLLOWER_REPLICAS, &of_followers)];
        topics.push(resource(TOPIC, topic, configs));
    }
    alter(admin, topics).await?;
    let brokers: BTreeSet<i32> =
        moves.values().flat_map(|one| one.sources.iter().chain(&one.destinations)).copied().collect();
    let rate_text = rate.to_string();
    let configs = vec![set(LEADER_RATE, &rate_text), set(FOLLOWER_RATE, &rate_text)];
    alter(admin, of_brokers(&brokers, &configs)).await?;
    say!("The inter-broker throttle limit was set to {rate} B/s");
    Ok(())
}

/// Limits what these brokers move between their directories.
pub async fn limit_directories(admin: &Admin, brokers: &BTreeSet<i32>, rate: i64) -> Result<(), Failed> {
    alter(admin, of_brokers(brokers, &[set(DIRECTORIES_RATE, &rate.to_string())])).await?;
    say!("The replica-alter-dir throttle limit was set to {rate} B/s");
    Ok(())
}

/// Lifts all limits of the cluster's brokers, of those of a plan, and of the plan's topics.
pub async fn lift(admin: &Admin, parts: &Assignment) -> Result<(), Failed> {
    let mut brokers: BTreeSet<i32> = super::cluster::brokers(admin).await?.into_keys().collect();
    brokers.extend(parts.values().flatten());
    let ids: Vec<i32> = brokers.iter().copied().collect();
    say!("Clearing broker-level throttles on broker{} {}", plural(ids.len()), crate::admin::joined(&ids));
    let configs = [LEADER_RATE, FOLLOWER_RATE, DIRECTORIES_RATE].map(delete);
    alter(admin, of_brokers(&brokers, &configs)).await?;
    let topics: BTreeSet<&str> = parts.keys().map(|(topic, _)| topic.as_str()).collect();
    let names: Vec<&str> = topics.iter().copied().collect();
    say!("Clearing topic-level throttles on topic{} {}", plural(names.len()), names.join(","));
    let configs = [LEADER_REPLICAS, FOLLOWER_REPLICAS].map(delete);
    alter(admin, topics.iter().map(|topic| resource(TOPIC, topic, configs.to_vec())).collect()).await
}

fn set(name: &str, value: &str) -> AlterableConfig {
    AlterableConfig { name: Str::from(name), config_operation: 0, value: Some(Str::from(value)) }
}

fn delete(name: &str) -> AlterableConfig {
    AlterableConfig { name: Str::from(name), config_operation: 1, value: None }
}

fn resource(resource_type: i8, name: &str, configs: Vec<AlterableConfig>) -> AlterConfigsResource {
    AlterConfigsResource { resource_type, resource_name: Str::from(name), configs }
}

fn of_brokers(brokers: &BTreeSet<i32>, configs: &[AlterableConfig]) -> Vec<AlterConfigsResource> {
    brokers.iter().map(|id| resource(BROKER, &id.to_string(), configs.to_vec())).collect()
}

/// A broker's configs are changed by itself, as it may refuse them; topics by any.
async fn alter(admin: &Admin, resources: Vec<AlterConfigsResource>) -> Result<(), Failed> {
    let mut together = Vec::new();
    for resource in resources {
        if resource.resource_type == TOPIC {
            together.push(resource);
            continue;
        }
        let id: i32 = resource.resource_name.parse().unwrap_or(-1);
        let request = IncrementalAlterConfigsRequest { resources: vec![resource], validate_only: false };
        let response = match admin.cluster.node(types::NodeId(id)).await {
            Ok(broker) => broker.call(&request).await?,
            // one that is not there is written about all the same
            Err(_) => admin.call(&request).await?,
        };
        for one in response.responses {
            Error::check(one.error_code, one.error_message.as_ref())?;
        }
    }
    if !together.is_empty() {
        let request = IncrementalAlterConfigsRequest { resources: together, validate_only: false };
        for one in admin.call(&request).await?.responses {
            Error::check(one.error_code, one.error_message.as_ref())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(partition: i32) -> Place {
        ("t".to_owned(), partition)
    }

    #[test]
    fn replicas_that_copy_are_throttled() {
        let ongoing = BTreeMap::from([(
            place(1),
            Ongoing { replicas: vec![3, 1, 2], adding: vec![3], removing: vec![2] },
        )]);
        let wanted = Assignment::from([(place(0), vec![2, 3]), (place(1), vec![4, 1])]);
        let current = Assignment::from([(place(0), vec![1, 2]), (place(1), vec![3, 1, 2])]);
        let moves = moves(&ongoing, &wanted, &current);
        assert_eq!(throttled(&moves, |one| &one.sources)["t"], "0:1,0:2,1:1,1:2");
        // what was being added gives way to the new plan
        assert_eq!(throttled(&moves, |one| &one.destinations)["t"], "0:3,1:4");
    }
}
