//! What the clients know together: topics, what was sent, what was acknowledged or seen. The invariants hold the
//! node's words against it.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use protocol::Str;
use types::{TopicIdPartition, Uuid};

use crate::invariants::commits::Commits;
use crate::invariants::deliveries::Deliveries;
use crate::invariants::generations::Generations;
use crate::invariants::images::Images;
use crate::invariants::majorities::Majorities;
use crate::invariants::metadata_log::MetadataLog;
use crate::invariants::moves::Moves;
use crate::invariants::newcomer::{Newcomer, Registrations};
use crate::invariants::ownership::Ownership;
use crate::invariants::pauses::Pauses;
use crate::invariants::reassignments::Reassignments;
use crate::invariants::reigns::Reigns;
use crate::invariants::survival::Survival;
use crate::invariants::votes::Votes;
use crate::replicas::Reign;
use crate::world::MachineIndex;

/// How a topic was made; what the promises about its records depend on.
#[derive(Clone, Copy, Debug, Default)]
pub struct Nature {
    /// `flush.messages=1`.
    pub flushed: bool,
    /// Old records may go: retention, or DeleteRecords.
    pub loses_old: bool,
    pub append_time: bool,
    pub recompressed: bool,
    /// `min.insync.replicas`
    pub min_in_sync: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    Creating,
    Live,
    /// Bytes of its logs have changed on the disk: it promises no more than that nothing wrong is shown as good.
    Damaged,
    /// The deletion is on its way, or nobody knows what came of it.
    Deleting,
    Deleted,
}

#[derive(Clone, Debug)]
pub struct Topic {
    pub name: Str,
    /// It is never deleted: groups and readers can count on it.
    pub lasts: bool,
    /// Others have had its name or will have it: what is sent by name may reach any of them.
    pub is_reused: bool,
    pub id: Uuid,
    pub nature: Nature,
    pub stage: Stage,
    /// Acknowledged.
    pub partitions: i32,
    pub partitions_wanted: i32,
}

/// A batch that was put on the wire, as it was.
#[derive(Clone, Debug)]
pub struct Sent {
    pub partition: TopicIdPartition,
    pub nature: Nature,
    pub bytes: Bytes,
    pub count: u32,
    /// The client and its batch's place in the partition, where it is idempotent.
    pub producer: Option<(usize, u64)>,
    /// Where it was acknowledged or seen.
    pub offset: Option<i64>,
    pub acknowledged_at: Option<u64>,
}

/// One partition's log as far as it is known.
#[derive(Clone, Debug, Default)]
pub struct Log {
    /// First offset to the batch's number.
    pub batches: BTreeMap<i64, u32>,
    /// Told to be there, nobody said where.
    pub had: BTreeSet<u32>,
    /// Records before it were acknowledged or shown: no death of the process loses them.
    pub shown_end: i64,
    /// Records before it were promised to be on disk: no loss of power loses them.
    pub synced_end: i64,
    /// Consumers are shown at least what is before it: the high watermark has been there since the last start.
    pub visible_end: i64,
    /// The highest log start that the node has told.
    pub start: i64,
    /// The log cannot reach further: where it ended at the last audit and all that was sent since.
    pub end_bound: i64,
}

#[derive(Default)]
pub struct Model {
    pub topics: Vec<Topic>,
    pub sent: Vec<Sent>,
    pub logs: BTreeMap<TopicIdPartition, Log>,
    pub commits: Commits,
    pub deliveries: Deliveries,
    pub ownership: Ownership,
    pub generations: Generations,
    pub images: Images,
    pub metadata_log: MetadataLog,
    pub votes: Votes,
    pub majorities: Majorities,
    pub replicas: Reigns,
    pub survival: Survival,
    pub reassignments: Reassignments,
    pub moves: Moves,
    pub registrations: Registrations,
    /// A broker that is not there at the beginning.
    pub newcomer: Option<Newcomer>,
    pub pauses: Pauses,
    /// Given to producers.
    pub producer_ids: BTreeSet<i64>,
    pub violations: Vec<String>,
    /// Something has held the node up at this time: nothing is said about how quick it is before.
    pub disturbed_at: u64,
    /// From here on the faults are long over.
    pub settled_at: u64,
    /// Times that power was lost: what is not synced may be gone.
    pub power_losses: u64,
    /// There are several nodes: what one of them says may be behind what another has said.
    pub is_cluster: bool,
    /// Those that are there from the beginning.
    pub nodes: usize,
    /// Log directories of each.
    pub directories: usize,
    /// The controller is told in which of them a replica is.
    pub records_directories: bool,
    /// No disk loses anything in this run: what was acknowledged by all in-sync replicas is there for ever. In a run
    /// of one node losses are counted instead.
    pub is_strict: bool,
    /// Who has each partition, as the newest image says.
    pub reigns: BTreeMap<TopicIdPartition, Reign>,
    /// When that last changed.
    pub reigns_since: BTreeMap<TopicIdPartition, u64>,
    /// `__consumer_offsets`: its id and how many partitions it has.
    pub offsets_topic: Option<(Uuid, i32)>,
    /// Batches that want no answer, sent whole before their connection was closed, and the restarts until then.
    pub promised: Vec<(u32, u64)>,
    /// Times that a node went down, however it did.
    pub restarts: u64,
    /// Requests are not made up any more, everything must come to an end.
    pub calm: bool,
    /// No new batches: readers catch up.
    pub producing_ended: bool,
}

impl Model {
    pub fn violation(&mut self, text: impl Into<String>) {
        self.violations.push(text.into());
    }

    /// Until then nothing is said about how quick the node is.
    pub fn disturb(&mut self, until: u64) {
        self.disturbed_at = until.max(self.disturbed_at);
    }

    pub fn live_topics(&self) -> Vec<usize> {
        (0..self.topics.len()).filter(|&at| self.topics[at].stage == Stage::Live).collect()
    }

    /// Those that groups read.
    pub fn lasting_topics(&self) -> impl Iterator<Item = &Topic> {
        self.topics.iter().filter(|topic| topic.lasts && topic.stage == Stage::Live)
    }

    /// Whether a topic of this name may be there.
    pub fn is_taken(&self, name: &str) -> bool {
        self.topics.iter().any(|topic| *topic.name == *name && topic.stage != Stage::Deleted)
    }

    pub fn topic(&self, id: Uuid) -> Option<&Topic> {
        self.topics.iter().find(|topic| topic.id == id)
    }

    /// Machines to which partitions may be moved.
    pub fn members(&self) -> Vec<MachineIndex> {
        let late = self.newcomer.as_ref().filter(|newcomer| newcomer.takes_replicas());
        (0..self.nodes).chain(late.map(|newcomer| newcomer.machine)).collect()
    }

    pub fn is_live(&self, id: Uuid) -> bool {
        self.topic(id).is_some_and(|topic| topic.stage == Stage::Live)
    }

    pub fn is_damaged(&self, id: Uuid) -> bool {
        self.topic(id).is_some_and(|topic| topic.stage == Stage::Damaged)
    }

    /// Whether a client that is connected to this machine finds the leader there.
    pub fn is_led_by(&self, id: &TopicIdPartition, machine: Option<usize>) -> bool {
        !self.is_cluster
            || machine.is_some() && self.reigns.get(id).is_some_and(|reign| reign.leader == machine)
    }

    /// The partition of `__consumer_offsets` that holds a group.
    pub fn partition_of_group(&self, group: &str) -> Option<TopicIdPartition> {
        let (topic_id, partitions) = self.offsets_topic?;
        // as Java hashes strings of these letters
        let hash = group.bytes().fold(0i32, |hash, byte| hash.wrapping_mul(31).wrapping_add(i32::from(byte)));
        let partition = hash.checked_abs().unwrap_or(0).checked_rem(partitions)?;
        Some(TopicIdPartition { topic_id, partition })
    }

    pub fn log(&mut self, id: TopicIdPartition) -> &mut Log {
        self.logs.entry(id).or_default()
    }
}
