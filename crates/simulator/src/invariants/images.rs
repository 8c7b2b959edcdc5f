//! The metadata image is the same on all shards at the same offset, never goes back on a shard, and none that was
//! shown is lost in any crash: it is on disk before anybody hears of it.

use std::collections::BTreeMap;

use metadata::image::MetadataImage;

use crate::trace::Trace;

#[derive(Default)]
pub struct Images {
    /// What each offset's image said.
    seen: BTreeMap<i64, u64>,
    /// The last of each shard since the node has started.
    last: BTreeMap<usize, i64>,
    shown: i64,
}

impl Images {
    /// A shard gets an image.
    pub fn check(&mut self, shard: usize, offset: i64, image: &MetadataImage) -> Option<String> {
        let digest = digest(image);
        if let Some(before) = self.last.insert(shard, offset)
            && before > offset
        {
            return Some(format!("the image of shard {shard} went from offset {before} to {offset}"));
        }
        if self.last.len() == 1 && offset < self.shown {
            return Some(format!("the node starts with the image of {offset}, {} was shown", self.shown));
        }
        self.shown = self.shown.max(offset);
        match self.seen.insert(offset, digest) {
            Some(before) if before != digest => Some(format!("there are two images of offset {offset}")),
            _ => None,
        }
    }

    /// The node has started anew.
    pub fn restart(&mut self) {
        self.last.clear();
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
