//! Offsets by topic and partition.

use std::collections::BTreeMap;

use protocol::Str;
use types::{LeaderEpoch, Offset, Uuid};

/// One committed offset, as it stands in its record.
#[derive(Clone, Debug, PartialEq)]
pub struct CommittedOffset {
    pub offset: Offset,
    /// -1: not told.
    pub leader_epoch: LeaderEpoch,
    pub metadata: Str,
    pub commit_timestamp_ms: i64,
    /// Only where the commit set a retention of its own (version 2 to 4).
    pub expire_timestamp_ms: Option<i64>,
    /// Zero where the record is older than topic ids.
    pub topic_id: Uuid,
    /// Where its record stands in `__consumer_offsets`: of a transaction's commit and a plain one the later wins.
    pub record_offset: Offset,
}

#[derive(Debug, Default, PartialEq)]
pub(crate) struct Offsets {
    topics: BTreeMap<Str, BTreeMap<i32, CommittedOffset>>,
}

impl Offsets {
    pub fn get(&self, topic: &str, partition: i32) -> Option<&CommittedOffset> {
        self.topics.get(topic)?.get(&partition)
    }

    pub fn put(&mut self, topic: &Str, partition: i32, offset: CommittedOffset) {
        let partitions = match self.topics.get_mut(topic) {
            Some(partitions) => partitions,
            None => self.topics.entry(topic.detached()).or_default(),
        };
        partitions.insert(partition, offset);
    }

    pub fn remove(&mut self, topic: &str, partition: i32) {
        let Some(partitions) = self.topics.get_mut(topic) else { return };
        partitions.remove(&partition);
        if partitions.is_empty() {
            self.topics.remove(topic);
        }
    }

    pub fn is_empty(&self) -> bool {
        self.topics.is_empty()
    }

    pub fn topics(&self) -> impl Iterator<Item = (&Str, &BTreeMap<i32, CommittedOffset>)> {
        self.topics.iter()
    }

    pub fn iter(&self) -> impl Iterator<Item = (&Str, i32, &CommittedOffset)> {
        self.topics.iter().flat_map(|(topic, partitions)| {
            partitions.iter().map(move |(partition, offset)| (topic, *partition, offset))
        })
    }
}
