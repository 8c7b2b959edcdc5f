//! Changes of the state by committed records: our own after their commit, anyone's when a log is read.

use std::collections::{BTreeMap, BTreeSet};

use protocol::Str;
use types::{Offset, ProducerId};

use super::entry::Group;
use super::pending::Change;

/// All groups of the shard, and which of them each open transaction has committed offsets for.
#[derive(Debug, Default)]
pub(crate) struct Groups {
    pub by_id: BTreeMap<Str, Group>,
    pub transactions: BTreeMap<ProducerId, BTreeSet<Str>>,
}

impl Groups {
    pub fn entry(&mut self, id: &Str) -> &mut Group {
        if !self.by_id.contains_key(id) {
            self.by_id.insert(id.detached(), Group::default());
        }
        self.by_id.get_mut(id).expect("it was made above")
    }

    pub fn drop_if_gone(&mut self, id: &Str) {
        if self.by_id.get(id).is_some_and(Group::is_gone) {
            self.by_id.remove(id);
        }
    }

    /// `record_offset` is where the record stands; `producer` the transaction it belongs to.
    pub fn apply(&mut self, change: Change, record_offset: Offset, producer: Option<ProducerId>) {
        match change {
            Change::Nothing => {}
            Change::Offset { group: id, topic, partition, mut offset } => {
                offset.record_offset = record_offset;
                let group = self.entry(&id);
                let Some(producer) = producer else {
                    return group.offsets.put(&topic, partition, offset);
                };
                group.pending.entry(producer).or_default().put(&topic, partition, offset);
                self.transactions.entry(producer).or_default().insert(id.detached());
            }
            Change::OffsetRemoved { group: id, topic, partition } => {
                self.remove_offset(&id, &topic, partition)
            }
            Change::GroupRemoved { group: id, generation } => {
                if let Some(group) = self.by_id.get_mut(&id) {
                    group.on_removed(generation);
                }
                self.drop_if_gone(&id);
            }
            Change::ForeignRemoved { group: id, key } => {
                if let Some(group) = self.by_id.get_mut(&id) {
                    if let Some(foreign) = &mut group.foreign {
                        foreign.remove(&key);
                    }
                    group.foreign.take_if(|foreign| foreign.is_gone());
                }
                self.drop_if_gone(&id);
            }
        }
    }

    /// The group stays, without offsets, until its own tombstone.
    fn remove_offset(&mut self, id: &Str, topic: &Str, partition: i32) {
        let Some(group) = self.by_id.get_mut(id) else { return };
        group.offsets.remove(topic, partition);
        group.pending.retain(|producer, offsets| {
            offsets.remove(topic, partition);
            let is_over = offsets.is_empty();
            if is_over && let Some(groups) = self.transactions.get_mut(producer) {
                groups.remove(id);
            }
            !is_over
        });
        self.transactions.retain(|_, groups| !groups.is_empty());
    }

    /// A transaction's marker: its offsets become committed, or never were.
    pub fn end_transaction(&mut self, producer: ProducerId, commit: bool) {
        for id in self.transactions.remove(&producer).unwrap_or_default() {
            let Some(group) = self.by_id.get_mut(&id) else { continue };
            let Some(pending) = group.pending.remove(&producer) else { continue };
            for (topic, partition, offset) in pending.iter().filter(|_| commit) {
                let is_newer = group
                    .offsets
                    .get(topic, partition)
                    .is_none_or(|existing| offset.record_offset > existing.record_offset);
                if is_newer {
                    group.offsets.put(topic, partition, offset.clone());
                }
            }
        }
    }
}
