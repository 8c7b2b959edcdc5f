//! The metadata image is the same on all shards at the same offset, never goes back on a shard, and none that was
//! shown is lost in any crash: it is on disk before anybody hears of it.

use std::collections::{BTreeMap, BTreeSet};

use metadata::image::{Broker, MetadataImage};

use crate::trace::Trace;
use crate::world::MachineIndex;

type Digest = BTreeMap<String, u64>;

#[derive(Default)]
pub struct Images {
    /// What each offset's image said.
    seen: BTreeMap<i64, Digest>,
    /// The last of each shard, by machine and actor, since its node has started.
    last: BTreeMap<(MachineIndex, usize), i64>,
    /// The last that each machine has shown.
    shown: BTreeMap<MachineIndex, i64>,
    /// There is one node only.
    pub is_alone: bool,
}

impl Images {
    /// A shard gets an image.
    pub fn check(
        &mut self,
        (machine, actor): (MachineIndex, usize),
        offset: i64,
        image: &MetadataImage,
    ) -> Option<String> {
        let digest = digest(image);
        if let Some(before) = self.last.insert((machine, actor), offset)
            && before > offset
        {
            return Some(format!(
                "the image of actor {actor} of node {machine} went from offset {before} to {offset}"
            ));
        }
        let shown = self.shown.entry(machine).or_insert(offset);
        let is_first = self.last.range((machine, 0)..(machine + 1, 0)).count() == 1;
        // a follower hears from the leader what is committed, and begins with what it knows itself
        if self.is_alone && is_first && offset < *shown {
            return Some(format!("node {machine} starts with the image of {offset}, {shown} was shown"));
        }
        *shown = offset.max(*shown);
        let before = self.seen.entry(offset).or_insert_with(|| digest.clone());
        let differs = difference(before, &digest);
        (!differs.is_empty()).then(|| {
            format!(
                "the image of offset {offset} that node {machine} has is another than was shown: {differs:?}"
            )
        })
    }

    /// Who leads others has none of the fenced beside him.
    pub fn check_in_sync(image: &MetadataImage) -> Option<String> {
        let is_fenced = |id: &i32| image.cluster.broker(*id).is_none_or(|broker| broker.fenced);
        for topic in image.topics.iter() {
            for (index, partition) in topic.partitions.iter().filter(|(_, one)| one.leader >= 0) {
                if let Some(fenced) = partition.in_sync_replicas.iter().find(|id| is_fenced(id)) {
                    let (leader, in_sync) = (partition.leader, &partition.in_sync_replicas);
                    return Some(format!(
                        "{}-{index} is led by {leader} with {in_sync:?} in sync, and {fenced} is fenced",
                        topic.name
                    ));
                }
            }
        }
        None
    }

    /// Nobody has shown one as new.
    pub fn is_news(&self, offset: i64) -> bool {
        self.shown.values().all(|shown| *shown < offset)
    }

    /// The last that each machine has shown.
    pub fn shown(&self) -> &BTreeMap<MachineIndex, i64> {
        &self.shown
    }

    /// When all has healed every machine says what the newest image says that any has shown; records that change
    /// nothing are not shown everywhere.
    pub fn differences(&self, machines: impl Iterator<Item = MachineIndex>) -> Vec<String> {
        let newest = self.shown.values().max().copied().unwrap_or(-1);
        let last = |machine| self.last.range((machine, 0)..(machine + 1, 0)).map(|(_, offset)| *offset).min();
        let says = |offset: Option<i64>| offset.and_then(|offset| self.seen.get(&offset));
        let different = machines.filter(|machine| says(last(*machine)) != says(Some(newest)));
        let text =
            |machine| format!("node {machine} has the image of {:?}, {newest} was shown", last(machine));
        different.map(text).collect()
    }

    /// The node has started anew.
    pub fn restart(&mut self, machine: MachineIndex) {
        self.last.retain(|(other, _), _| *other != machine);
    }
}

/// What an image says, in parts that can be named.
fn digest(image: &MetadataImage) -> Digest {
    let mut parts = Digest::new();
    for topic in image.topics.iter() {
        let mut trace = Trace::new();
        trace.bytes(&topic.id.0);
        for (index, partition) in &topic.partitions {
            let numbers = [*index, partition.leader, partition.leader_epoch, partition.partition_epoch];
            let (replicas, in_sync) = (&partition.replicas, &partition.in_sync_replicas);
            let counts = [replicas.len() as i32, in_sync.len() as i32];
            let all = numbers.iter().chain(&counts).chain(replicas).chain(in_sync);
            all.for_each(|number| trace.note(*number as u64));
            partition.directories.iter().for_each(|directory| trace.bytes(&directory.0));
        }
        parts.insert(topic.name.to_string(), trace.hash());
    }
    for broker in image.cluster.brokers.values() {
        let mut trace = Trace::new();
        // where it was registered is not known from a snapshot
        let known = Broker { registered_at: 0, ..Broker::clone(broker) };
        trace.bytes(format!("{known:?}").as_bytes());
        parts.insert(format!("broker {}", broker.id), trace.hash());
    }
    parts.insert("producer ids".into(), image.next_producer_id as u64);
    parts
}

/// The parts that differ.
fn difference(one: &Digest, other: &Digest) -> Vec<String> {
    let names: BTreeSet<&String> = one.keys().chain(other.keys()).collect();
    names.into_iter().filter(|name| one.get(*name) != other.get(*name)).cloned().collect()
}
