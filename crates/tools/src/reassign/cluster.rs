//! What the brokers say: what is being reassigned, where replicas are, and how they take a change.

use std::collections::{BTreeMap, BTreeSet};

use client::Error;
use protocol::messages::alter_partition_reassignments_request::{ReassignablePartition, ReassignableTopic};
use protocol::messages::describe_log_dirs_request::DescribableLogDirTopic;
use protocol::messages::list_partition_reassignments_request::ListPartitionReassignmentsTopics;
use protocol::messages::{
    AlterPartitionReassignmentsRequest, DescribeClusterRequest, DescribeLogDirsRequest,
    ListPartitionReassignmentsRequest,
};
use protocol::{ErrorCode, Str};

use super::Failed;
use super::plan::{Assignment, Directories, Replica};
use crate::admin::{Admin, Place};

const TIMEOUT_MS: i32 = 60_000;

/// A partition that is being reassigned.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ongoing {
    pub replicas: Vec<i32>,
    pub adding: Vec<i32>,
    pub removing: Vec<i32>,
}

/// What is under way, of all partitions or of these.
pub async fn ongoing(admin: &Admin, of: Option<&BTreeSet<Place>>) -> Result<BTreeMap<Place, Ongoing>, Error> {
    let topics = of.map(|places| {
        let topic = |(name, partition_indexes): (&str, Vec<i32>)| ListPartitionReassignmentsTopics {
            name: Str::from(name),
            partition_indexes,
        };
        by_topic(places).into_iter().map(topic).collect()
    });
    let request = ListPartitionReassignmentsRequest { timeout_ms: TIMEOUT_MS, topics };
    let response = admin.call(&request).await?;
    Error::check(response.error_code, response.error_message.as_ref())?;
    let mut found = BTreeMap::new();
    for topic in response.topics {
        for one in topic.partitions {
            let place = (topic.name.to_string(), one.partition_index);
            let ongoing = Ongoing {
                replicas: one.replicas,
                adding: one.adding_replicas,
                removing: one.removing_replicas,
            };
            found.insert(place, ongoing);
        }
    }
    Ok(found)
}

fn by_topic<'a>(places: impl IntoIterator<Item = &'a Place>) -> BTreeMap<&'a str, Vec<i32>> {
    let mut topics: BTreeMap<&str, Vec<i32>> = BTreeMap::new();
    for (topic, partition) in places {
        topics.entry(topic).or_default().push(*partition);
    }
    topics
}

/// Gives partitions these replicas, or their former ones again for None; what was refused.
pub async fn alter(
    admin: &Admin,
    wanted: &BTreeMap<Place, Option<Vec<i32>>>,
    same_factor: bool,
) -> Result<BTreeMap<Place, Error>, Error> {
    let partition = |place: &Place, index: i32| ReassignablePartition {
        partition_index: index,
        replicas: wanted.get(place).cloned().flatten(),
    };
    let topic = |(name, indexes): (&str, Vec<i32>)| ReassignableTopic {
        name: Str::from(name),
        partitions: indexes.iter().map(|index| partition(&(name.to_owned(), *index), *index)).collect(),
    };
    let request = AlterPartitionReassignmentsRequest {
        timeout_ms: TIMEOUT_MS,
        allow_replication_factor_change: !same_factor,
        topics: by_topic(wanted.keys()).into_iter().map(topic).collect(),
    };
    let response = admin.call(&request).await?;
    Error::check(response.error_code, response.error_message.as_ref())?;
    let mut refused = BTreeMap::new();
    for topic in response.responses {
        for one in topic.partitions {
            if let Err(error) = Error::check(one.error_code, one.error_message.as_ref()) {
                refused.insert((topic.name.to_string(), one.partition_index), error);
            }
        }
    }
    Ok(refused)
}

/// Brokers that serve, and their racks.
pub async fn brokers(admin: &Admin) -> Result<BTreeMap<i32, Option<Str>>, Error> {
    let endpoint_type = if admin.cluster.config().of_controllers { 2 } else { 1 };
    let request = DescribeClusterRequest { endpoint_type, ..Default::default() };
    let response = admin.call(&request).await?;
    Error::check(response.error_code, response.error_message.as_ref())?;
    Ok(response.brokers.into_iter().map(|broker| (broker.broker_id, broker.rack)).collect())
}

/// The replicas of all partitions of these topics; a topic that is not there has none.
pub async fn replicas(admin: &Admin, topics: &BTreeSet<&str>) -> Result<Assignment, Error> {
    let mut found = Assignment::new();
    if topics.is_empty() {
        return Ok(found);
    }
    let names: Vec<&str> = topics.iter().copied().collect();
    for topic in admin.metadata(Some(&names)).await?.topics {
        match ErrorCode::from(topic.error_code) {
            ErrorCode::UnknownTopicOrPartition => continue,
            _ => Error::check(topic.error_code, None)?,
        }
        let name = topic.name.as_deref().unwrap_or_default();
        for one in topic.partitions {
            found.insert((name.to_owned(), one.partition_index), one.replica_nodes);
        }
    }
    Ok(found)
}

/// The replicas of these partitions, each of which must be there.
pub async fn replicas_of(admin: &Admin, places: &BTreeSet<&Place>) -> Result<Assignment, Failed> {
    let topics: BTreeSet<&str> = places.iter().map(|(topic, _)| topic.as_str()).collect();
    let mut all = replicas(admin, &topics).await?;
    if let Some(topic) = topics.iter().find(|topic| !all.keys().any(|(of, _)| of == *topic)) {
        return Err(Failed::unknown_partition(format!("Topic {topic} not found.")));
    }
    all.retain(|place, _| places.contains(place));
    match places.iter().find(|place| !all.contains_key(**place)) {
        None => Ok(all),
        Some(missing) => {
            Err(Failed::unknown_partition(format!("Unable to find partition: {}", super::name(missing))))
        }
    }
}

/// Where a replica is, and where it is moving.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Where {
    pub current: Option<String>,
    pub future: Option<String>,
    /// One of the broker's directories is offline.
    pub offline: bool,
}

/// The directories of replicas; brokers that do not answer are passed over.
pub async fn directories(
    admin: &Admin,
    replicas: &BTreeSet<Replica>,
) -> Result<BTreeMap<Replica, Where>, Error> {
    let mut found: BTreeMap<Replica, Where> =
        replicas.iter().map(|replica| (replica.clone(), Where::default())).collect();
    let ids: BTreeSet<i32> = replicas.iter().map(|(_, broker)| *broker).collect();
    for id in ids {
        let places = replicas.iter().filter(|(_, broker)| *broker == id).map(|(place, _)| place);
        let topic = |(name, partitions): (&str, Vec<i32>)| DescribableLogDirTopic {
            topic: Str::from(name),
            partitions,
        };
        let topics = Some(by_topic(places).into_iter().map(topic).collect());
        let Ok(response) = admin.call_node(id, &DescribeLogDirsRequest { topics }).await else { continue };
        Error::check(response.error_code, None)?;
        for directory in response.results {
            if directory.error_code != 0 {
                found.iter_mut().filter(|((_, on), _)| *on == id).for_each(|(_, one)| one.offline = true);
            }
            for topic in directory.topics {
                for one in topic.partitions {
                    let place = (topic.name.to_string(), one.partition_index);
                    let Some(is) = found.get_mut(&(place, id)) else { continue };
                    let side = if one.is_future_key { &mut is.future } else { &mut is.current };
                    *side = Some(directory.log_dir.to_string());
                }
            }
        }
    }
    Ok(found)
}

/// Where the replicas of an assignment are now.
pub async fn current_directories(admin: &Admin, parts: &Assignment) -> Result<Directories, Error> {
    let replicas = parts
        .iter()
        .flat_map(|(place, brokers)| brokers.iter().map(move |broker| (place.clone(), *broker)))
        .collect();
    let found = directories(admin, &replicas).await?;
    Ok(found.into_iter().filter_map(|(replica, is)| Some((replica, is.current?))).collect())
}
