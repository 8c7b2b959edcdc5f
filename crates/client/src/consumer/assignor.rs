//! Who of a group reads what, and the bytes in which members tell each other (KIP-429 and before). The same members and
//! topics give the same assignment as Kafka's Java client.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use protocol::data::consumer_protocol_assignment::TopicPartition as AssignedTopic;
use protocol::data::consumer_protocol_subscription::TopicPartition as OwnedTopic;
use protocol::data::{ConsumerProtocolAssignment, ConsumerProtocolSubscription};
use protocol::{Message, Reader, Str};
use types::TopicPartition;

use super::sticky;
use crate::Error;

/// What a member that leads its group may be asked to decide by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Assignor {
    /// Of each topic a row of partitions.
    Range,
    /// Partition by partition in turn.
    RoundRobin,
    /// Everybody keeps what they have, as far as that is fair; what moves is given up first.
    CooperativeSticky,
}

/// A member as its leader sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    pub id: Str,
    pub instance_id: Option<Str>,
    pub topics: Vec<String>,
    /// What it has, where it did not give all up to join, and since when.
    pub owned: Vec<TopicPartition>,
    pub generation: i32,
}

/// Partitions of members, by member id.
pub type Assignments = BTreeMap<Str, Vec<TopicPartition>>;

const ALL: [Assignor; 3] = [Assignor::Range, Assignor::RoundRobin, Assignor::CooperativeSticky];

impl Assignor {
    pub fn name(self) -> &'static str {
        match self {
            Assignor::Range => "range",
            Assignor::RoundRobin => "roundrobin",
            Assignor::CooperativeSticky => "cooperative-sticky",
        }
    }

    pub fn named(name: &str) -> Option<Assignor> {
        ALL.into_iter().find(|assignor| assignor.name() == name)
    }

    /// Whether members keep their partitions while they join.
    pub fn is_cooperative(self) -> bool {
        self == Assignor::CooperativeSticky
    }

    /// `counts`: partitions of the topics that exist.
    pub fn assign(self, mut members: Vec<Member>, counts: &BTreeMap<String, i32>) -> Assignments {
        members.sort_by(|a, b| order(a).cmp(&order(b)));
        let mut assignments: Assignments =
            members.iter().map(|member| (member.id.clone(), Vec::new())).collect();
        match self {
            Assignor::Range => range(&members, counts, &mut assignments),
            Assignor::RoundRobin => round_robin(&members, counts, &mut assignments),
            Assignor::CooperativeSticky => return sticky::assign(&members, counts),
        }
        assignments
    }
}

/// Static members first, by instance; the others by id.
fn order(member: &Member) -> (bool, &str) {
    match &member.instance_id {
        Some(instance) => (false, instance.as_str()),
        None => (true, member.id.as_str()),
    }
}

fn range(members: &[Member], counts: &BTreeMap<String, i32>, assignments: &mut Assignments) {
    for (topic, count) in counts {
        let readers: Vec<&Member> = members.iter().filter(|member| member.topics.contains(topic)).collect();
        let Some(each) = count.checked_div(readers.len() as i32) else { continue };
        let more = count % readers.len() as i32;
        let name: Arc<str> = topic.as_str().into();
        let mut next = 0;
        for (index, member) in readers.iter().enumerate() {
            let end = next + each + i32::from((index as i32) < more);
            if let Some(partitions) = assignments.get_mut(&member.id) {
                let parts = next..end;
                partitions
                    .extend(parts.map(|partition| TopicPartition { topic: Arc::clone(&name), partition }));
            }
            next = end;
        }
    }
}

fn round_robin(members: &[Member], counts: &BTreeMap<String, i32>, assignments: &mut Assignments) {
    let mut turn = 0;
    for (topic, count) in counts {
        if !members.iter().any(|member| member.topics.contains(topic)) {
            continue;
        }
        let name: Arc<str> = topic.as_str().into();
        for partition in 0..*count {
            let mut ring = (turn..turn + members.len()).map(|at| at % members.len());
            let reads = |at: &usize| members.get(*at).is_some_and(|member| member.topics.contains(topic));
            let Some(at) = ring.find(reads) else { continue };
            turn = at + 1;
            if let Some(partitions) = members.get(at).and_then(|member| assignments.get_mut(&member.id)) {
                partitions.push(TopicPartition { topic: Arc::clone(&name), partition });
            }
        }
    }
}

/// Version that is written: owned partitions, generation and rack are there for cooperative members to see.
const SUBSCRIPTION_VERSION: i16 = 3;

/// What a member says of itself when it joins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Claim {
    pub topics: Vec<String>,
    /// Sorted.
    pub owned: Vec<TopicPartition>,
    /// In which it got them; -1: none.
    pub generation: i32,
}

/// A member's claim as its JoinGroup carries it.
pub fn subscription(claim: &Claim, rack: &str, is_cooperative: bool) -> Result<Bytes, Error> {
    let mut topics: Vec<Str> = claim.topics.iter().map(Str::from).collect();
    topics.sort();
    let rack_id = Some(rack).filter(|rack| !rack.is_empty()).map(Str::from);
    let mut message =
        ConsumerProtocolSubscription { topics, generation_id: -1, rack_id, ..Default::default() };
    if is_cooperative {
        message.generation_id = claim.generation;
        // where older leaders look for it
        message.user_data = Some(Bytes::copy_from_slice(&claim.generation.to_be_bytes()));
        let owned = by_topic(&claim.owned).into_iter();
        message.owned_partitions =
            owned.map(|(topic, partitions)| OwnedTopic { topic: Str::from(topic), partitions }).collect();
    }
    versioned(&message, SUBSCRIPTION_VERSION)
}

pub fn claim(bytes: Bytes) -> Result<Claim, Error> {
    let message: ConsumerProtocolSubscription = parse(bytes)?;
    let said = message.user_data.as_deref().and_then(|data| data.try_into().ok()).map(i32::from_be_bytes);
    let generation = match message.generation_id {
        ..0 => said.unwrap_or(-1),
        generation => generation,
    };
    let owned = message.owned_partitions.into_iter().map(|one| (one.topic, one.partitions));
    let topics = message.topics.iter().map(|topic| topic.to_string()).collect();
    Ok(Claim { topics, owned: named(owned), generation })
}

fn by_topic(partitions: &[TopicPartition]) -> BTreeMap<&str, Vec<i32>> {
    let mut by_topic: BTreeMap<&str, Vec<i32>> = BTreeMap::new();
    for partition in partitions {
        by_topic.entry(&partition.topic).or_default().push(partition.partition);
    }
    by_topic
}

/// Sorted.
fn named(topics: impl Iterator<Item = (Str, Vec<i32>)>) -> Vec<TopicPartition> {
    let mut found = Vec::new();
    for (topic, partitions) in topics {
        let name: Arc<str> = topic.as_str().into();
        let named = |partition| TopicPartition { topic: Arc::clone(&name), partition };
        found.extend(partitions.into_iter().map(named));
    }
    found.sort();
    found
}

/// A member's partitions as SyncGroup carries them.
pub fn assignment(partitions: &[TopicPartition]) -> Result<Bytes, Error> {
    let assigned_partitions = by_topic(partitions)
        .into_iter()
        .map(|(topic, partitions)| AssignedTopic { topic: Str::from(topic), partitions })
        .collect();
    versioned(&ConsumerProtocolAssignment { assigned_partitions, ..Default::default() }, SUBSCRIPTION_VERSION)
}

pub fn assigned(bytes: Bytes) -> Result<Vec<TopicPartition>, Error> {
    if bytes.is_empty() {
        return Ok(Vec::new());
    }
    let message: ConsumerProtocolAssignment = parse(bytes)?;
    Ok(named(message.assigned_partitions.into_iter().map(|one| (one.topic, one.partitions))))
}

fn versioned<M: Message>(message: &M, version: i16) -> Result<Bytes, Error> {
    let body = message.to_bytes(version)?;
    let mut out = BytesMut::with_capacity(2 + body.len());
    out.put_i16(version);
    out.extend_from_slice(&body);
    Ok(out.freeze())
}

/// A version that is newer than ours is read as ours: fields are only added.
fn parse<M: Message>(mut bytes: Bytes) -> Result<M, Error> {
    if bytes.len() < 2 {
        return Err(Error::Malformed("a consumer protocol message without version".to_owned()));
    }
    let version = bytes.split_to(2);
    let version = version.as_ref().try_into().map_or(-1, i16::from_be_bytes);
    Ok(M::decode(&mut Reader::new(bytes), version.min(M::VERSIONS.max))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assigned_to(assignor: Assignor, members: &[(&str, &[&str])], counts: &[(&str, i32)]) -> Vec<String> {
        let members = members.iter().map(|(id, topics)| Member {
            id: Str::from(*id),
            instance_id: None,
            topics: topics.iter().map(|topic| (*topic).to_owned()).collect(),
            owned: Vec::new(),
            generation: -1,
        });
        let counts = counts.iter().map(|(topic, count)| ((*topic).to_owned(), *count)).collect();
        let shown = |(id, partitions): (Str, Vec<TopicPartition>)| {
            let partitions: Vec<String> = partitions.iter().map(|p| p.to_string()).collect();
            format!("{id}: {}", partitions.join(" "))
        };
        assignor.assign(members.collect(), &counts).into_iter().map(shown).collect()
    }

    #[test]
    fn range_gives_rows() {
        let both: &[(&str, &[&str])] = &[("b", &["t", "u"]), ("a", &["t", "u"])];
        let found = assigned_to(Assignor::Range, both, &[("t", 3), ("u", 1)]);
        assert_eq!(found, ["a: t-0 t-1 u-0", "b: t-2"]);
        let found = assigned_to(Assignor::Range, &[("a", &["t"]), ("b", &["u"])], &[("t", 2), ("u", 2)]);
        assert_eq!(found, ["a: t-0 t-1", "b: u-0 u-1"]);
    }

    #[test]
    fn round_robin_takes_turns() {
        let both: &[(&str, &[&str])] = &[("b", &["t", "u"]), ("a", &["t"])];
        let found = assigned_to(Assignor::RoundRobin, both, &[("t", 3), ("u", 2)]);
        assert_eq!(found, ["a: t-0 t-2", "b: t-1 u-0 u-1"]);
    }

    #[test]
    fn static_members_come_first() {
        let member = |id, instance: Option<&'static str>| Member {
            id: Str::from(id),
            instance_id: instance.map(Str::from),
            topics: vec!["t".to_owned()],
            owned: Vec::new(),
            generation: -1,
        };
        let members = vec![member("a", None), member("z", Some("i"))];
        let assignments = Assignor::Range.assign(members, &BTreeMap::from([("t".to_owned(), 1)]));
        assert_eq!(assignments.get("z").unwrap().len(), 1);
    }

    #[test]
    fn bytes_are_javas() {
        let topics = vec!["t".to_owned()];
        let partitions = vec![TopicPartition { topic: "t".into(), partition: 4 }];
        let eager = Claim { topics: topics.clone(), owned: partitions.clone(), generation: 7 };
        let bytes = subscription(&eager, "", false).unwrap();
        // version, one topic, null user data, no owned partitions, generation, null rack
        let expected = b"\0\x03\0\0\0\x01\0\x01t\xff\xff\xff\xff\0\0\0\0\xff\xff\xff\xff\xff\xff";
        assert_eq!(&bytes[..], expected);
        assert_eq!(claim(bytes).unwrap(), Claim { topics, owned: Vec::new(), generation: -1 });
        let bytes = subscription(&eager, "", true).unwrap();
        let expected = b"\0\x03\0\0\0\x01\0\x01t\0\0\0\x04\0\0\0\x07\
                         \0\0\0\x01\0\x01t\0\0\0\x01\0\0\0\x04\0\0\0\x07\xff\xff";
        assert_eq!(&bytes[..], expected);
        assert_eq!(claim(bytes).unwrap(), eager);
        let bytes = assignment(&partitions).unwrap();
        assert_eq!(&bytes[..], b"\0\x03\0\0\0\x01\0\x01t\0\0\0\x01\0\0\0\x04\xff\xff\xff\xff");
        assert_eq!(assigned(bytes).unwrap(), partitions);
        assert!(assigned(Bytes::new()).unwrap().is_empty());
    }
}
