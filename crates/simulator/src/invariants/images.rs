//! The metadata image is the same on all shards at the same offset, never goes back on a shard, and none that was
//! shown is lost in any crash: it is on disk before anybody hears of it.

use std::collections::BTreeMap;

use metadata::image::MetadataImage;

use crate::trace::Trace;
use crate::world::MachineIndex;

#[derive(Default)]
pub struct Images {
    /// What each offset's image said.
    seen: BTreeMap<i64, u64>,
    /// The last of each shard, by machine and actor, since its node has started.
    last: BTreeMap<(MachineIndex, usize), i64>,
    /// The last that each machine has shown.
    shown: BTreeMap<MachineIndex, i64>,
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
        if is_first && offset < *shown {
            return Some(format!("node {machine} starts with the image of {offset}, {shown} was shown"));
        }
        *shown = offset.max(*shown);
        match self.seen.insert(offset, digest) {
            Some(before) if before != digest => Some(format!("there are two images of offset {offset}")),
            _ => None,
        }
    }

    /// The node has started anew.
    pub fn restart(&mut self, machine: MachineIndex) {
        self.last.retain(|(other, _), _| *other != machine);
    }
}

fn digest(image: &MetadataImage) -> u64 {
    let mut trace = Trace::new();
    for topic in image.topics.iter() {
        trace.bytes(topic.name.as_bytes());
        trace.bytes(&topic.id.0);
        for (index, partition) in &topic.partitions {
            trace.note(*index as u64);
            trace.note(partition.leader as u64);
            trace.note(partition.leader_epoch as u64);
        }
    }
    trace.hash()
}
