//! `--describe`: topics, their configs and their partitions, in Kafka's lines.

use std::collections::BTreeMap;

use client::Error;
use protocol::messages::describe_configs_response::DescribeConfigsResourceResult;
use protocol::messages::describe_topic_partitions_request::{Cursor, TopicRequest};
use protocol::messages::{
    DescribeTopicPartitionsRequest, ListPartitionReassignmentsRequest, MetadataResponse,
};
use protocol::{ApiKey, ErrorCode, Str};
use types::Uuid;

use super::options::STATE_FILTERS;
use super::{existing, topic_id};
use crate::Stop;
use crate::admin::{Admin, joined};
use crate::options::Parsed;
use crate::output::say;

const TOPIC: i8 = 2;
const DEFAULT_CONFIG: i8 = 5;

/// A topic as it is shown.
#[derive(Debug, Default)]
pub struct Topic {
    pub name: String,
    pub id: Uuid,
    pub partitions: Vec<Partition>,
}

#[derive(Debug, Default)]
pub struct Partition {
    pub index: i32,
    pub leader: i32,
    pub replicas: Vec<i32>,
    pub in_sync: Vec<i32>,
    /// None where the broker cannot tell.
    pub eligible: Option<Vec<i32>>,
    pub last_known_eligible: Option<Vec<i32>>,
}

#[derive(Debug, Default)]
struct Reassignment {
    adding: Vec<i32>,
    removing: Vec<i32>,
}

pub async fn run(admin: &Admin, parsed: &Parsed) -> Result<(), Stop> {
    let metadata = admin.metadata(None).await?;
    let names = match parsed.value("topic-id")?.map(topic_id).transpose()? {
        Some(id) if !id.is_zero() => match metadata.topics.iter().find(|topic| topic.topic_id == id) {
            Some(topic) => topic.name.iter().map(|name| name.to_string()).collect(),
            None if parsed.has("if-exists") => Vec::new(),
            None => return Err(Stop::error(format!("TopicId '{id}' does not exist as expected"))),
        },
        _ => existing(&metadata, parsed)?,
    };
    if names.is_empty() {
        return Ok(());
    }
    let limit = parsed.number("partition-size-limit-per-response")?.unwrap_or(2000);
    let topics = topics(admin, &metadata, &names, limit).await?;
    let mut configs = BTreeMap::new();
    for result in admin.configs(TOPIC, &names, false).await? {
        configs.insert(result.resource_name.to_string(), result.configs);
    }
    let reassigned = reassignments(admin).await;
    for topic in &topics {
        show(parsed, topic, configs.get(&topic.name).map_or(&[], Vec::as_slice), &reassigned);
    }
    Ok(())
}

/// Partitions with their eligible leader replicas where the broker can tell, else from metadata.
pub async fn topics(
    admin: &Admin,
    metadata: &MetadataResponse,
    names: &[String],
    limit: i32,
) -> Result<Vec<Topic>, Error> {
    let connection = admin.cluster.any().await?;
    if connection.version(ApiKey::DescribeTopicPartitions).is_err() {
        return Ok(from_metadata(metadata, names));
    }
    let mut found: Vec<Topic> = Vec::new();
    let mut cursor: Option<Cursor> = None;
    loop {
        let from = cursor.as_ref().map(|cursor| cursor.topic_name.to_string()).unwrap_or_default();
        let rest = names.iter().filter(|name| **name >= from);
        let request = DescribeTopicPartitionsRequest {
            topics: rest.map(|name| TopicRequest { name: Str::from(name.as_str()) }).collect(),
            response_partition_limit: limit,
            cursor: cursor.take(),
        };
        let response = connection.call(&request).await?;
        for topic in response.topics {
            let name = topic.name.map(|name| name.to_string()).unwrap_or_default();
            // deleted since the names were asked for
            if ErrorCode::from(topic.error_code) == ErrorCode::UnknownTopicOrPartition {
                continue;
            }
            Error::check(topic.error_code, None)?;
            let partitions = topic.partitions.into_iter().map(|one| Partition {
                index: one.partition_index,
                leader: one.leader_id,
                replicas: one.replica_nodes,
                in_sync: one.isr_nodes,
                eligible: Some(one.eligible_leader_replicas.unwrap_or_default()),
                last_known_eligible: Some(one.last_known_elr.unwrap_or_default()),
            });
            match found.last_mut().filter(|last| last.name == name) {
                Some(last) => last.partitions.extend(partitions),
                None => found.push(Topic { name, id: topic.topic_id, partitions: partitions.collect() }),
            }
        }
        let Some(next) = response.next_cursor else { return Ok(found) };
        cursor = Some(Cursor { topic_name: next.topic_name, partition_index: next.partition_index });
    }
}

fn from_metadata(metadata: &MetadataResponse, names: &[String]) -> Vec<Topic> {
    let mut found = Vec::new();
    for topic in &metadata.topics {
        let Some(name) = topic.name.as_ref().filter(|name| names.iter().any(|of| of == name.as_str())) else {
            continue;
        };
        let mut partitions: Vec<Partition> = topic.partitions.iter().map(partition_of_metadata).collect();
        partitions.sort_by_key(|partition| partition.index);
        found.push(Topic { name: name.to_string(), id: topic.topic_id, partitions });
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    found
}

fn partition_of_metadata(
    one: &protocol::messages::metadata_response::MetadataResponsePartition,
) -> Partition {
    Partition {
        index: one.partition_index,
        leader: one.leader_id,
        replicas: one.replica_nodes.clone(),
        in_sync: one.isr_nodes.clone(),
        eligible: None,
        last_known_eligible: None,
    }
}

/// What is moving; nothing where the broker does not say.
async fn reassignments(admin: &Admin) -> BTreeMap<(String, i32), Reassignment> {
    let request = ListPartitionReassignmentsRequest { timeout_ms: 30_000, topics: None };
    let mut found = BTreeMap::new();
    let Ok(response) = admin.call(&request).await else { return found };
    for topic in response.topics {
        for one in topic.partitions {
            let moving = Reassignment { adding: one.adding_replicas, removing: one.removing_replicas };
            found.insert((topic.name.to_string(), one.partition_index), moving);
        }
    }
    found
}

fn show(
    parsed: &Parsed,
    topic: &Topic,
    configs: &[DescribeConfigsResourceResult],
    reassigned: &BTreeMap<(String, i32), Reassignment>,
) {
    let overrides: Vec<String> = configs
        .iter()
        .filter(|config| config.config_source != DEFAULT_CONFIG)
        .map(|config| format!("{}={}", config.name, config.value.as_deref().unwrap_or("null")))
        .collect();
    let filtered = STATE_FILTERS.iter().any(|filter| parsed.has(filter));
    let only_overrides = parsed.has("topics-with-overrides");
    if !filtered && (!only_overrides || !overrides.is_empty()) {
        say!("{}", head(topic, &overrides));
    }
    if only_overrides {
        return;
    }
    let least = configs.iter().find(|config| config.name == "min.insync.replicas");
    let least = least.and_then(|config| config.value.as_deref()?.parse().ok()).unwrap_or(1);
    for partition in &topic.partitions {
        let moving = reassigned.get(&(topic.name.clone(), partition.index));
        if !filtered || wanted(parsed, partition, moving, least) {
            say!("{}", line(&topic.name, partition, moving));
        }
    }
}

fn head(topic: &Topic, overrides: &[String]) -> String {
    let id = if topic.id.is_zero() { String::new() } else { format!("\tTopicId: {}", topic.id) };
    format!(
        "Topic: {}{id}\tPartitionCount: {}\tReplicationFactor: {}\tConfigs: {}",
        topic.name,
        topic.partitions.len(),
        topic.partitions.first().map_or(0, |partition| partition.replicas.len()),
        overrides.join(",")
    )
}

fn wanted(parsed: &Parsed, partition: &Partition, moving: Option<&Reassignment>, least: usize) -> bool {
    // replicas that are being added are not missed yet
    let full = partition.replicas.len()
        - moving.map_or(0, |moving| moving.adding.len()).min(partition.replicas.len());
    let in_sync = partition.in_sync.len();
    (parsed.has("under-replicated-partitions") && in_sync < full)
        || (parsed.has("unavailable-partitions") && partition.leader < 0)
        || (parsed.has("under-min-isr-partitions") && in_sync < least)
        || (parsed.has("at-min-isr-partitions") && in_sync == least)
}

fn line(topic: &str, partition: &Partition, moving: Option<&Reassignment>) -> String {
    let leader = if partition.leader < 0 { "none".to_owned() } else { partition.leader.to_string() };
    let moving = moving.map(|moving| {
        format!(
            "\tAdding Replicas: {}\tRemoving Replicas: {}",
            joined(&moving.adding),
            joined(&moving.removing)
        )
    });
    let list = |ids: &Option<Vec<i32>>| ids.as_ref().map_or_else(|| "N/A".to_owned(), |ids| joined(ids));
    format!(
        "\tTopic: {topic}\tPartition: {}\tLeader: {leader}\tReplicas: {}\tIsr: {}{}\tElr: {}\tLastKnownElr: {}",
        partition.index,
        joined(&partition.replicas),
        joined(&partition.in_sync),
        moving.unwrap_or_default(),
        list(&partition.eligible),
        list(&partition.last_known_eligible),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_kafkas() {
        let mut partition =
            Partition { leader: 1, replicas: vec![1, 2], in_sync: vec![1], ..Default::default() };
        let expected =
            "\tTopic: t\tPartition: 0\tLeader: 1\tReplicas: 1,2\tIsr: 1\tElr: N/A\tLastKnownElr: N/A";
        assert_eq!(line("t", &partition, None), expected);
        (partition.leader, partition.eligible, partition.last_known_eligible) =
            (-1, Some(vec![]), Some(vec![2]));
        let moving = Reassignment { adding: vec![2], removing: vec![] };
        let expected = "\tTopic: t\tPartition: 0\tLeader: none\tReplicas: 1,2\tIsr: 1\tAdding Replicas: 2\t\
                        Removing Replicas: \tElr: \tLastKnownElr: 2";
        assert_eq!(line("t", &partition, Some(&moving)), expected);
    }
}
