//! The partitions of one shard, by id and by slot. A slot stays the same as long as the partition lives.

use std::collections::BTreeMap;

use types::{TopicIdPartition, Uuid};

use crate::partition::Partition;

/// Where a partition stands in its shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Slot(u32);

#[derive(Debug, Default)]
pub(crate) struct Partitions {
    slots: Vec<Option<Box<Partition>>>,
    free: Vec<u32>,
    by_id: BTreeMap<TopicIdPartition, Slot>,
    /// Slots that changed in this turn, each once.
    changed: Vec<Slot>,
}

impl Partitions {
    pub fn new() -> Partitions {
        Partitions::default()
    }

    pub fn slot(&self, id: &TopicIdPartition) -> Option<Slot> {
        self.by_id.get(id).copied()
    }

    pub fn at(&self, slot: Slot) -> Option<&Partition> {
        self.slots.get(slot.0 as usize)?.as_deref()
    }

    pub fn at_mut(&mut self, slot: Slot) -> Option<&mut Partition> {
        self.slots.get_mut(slot.0 as usize)?.as_deref_mut()
    }

    pub fn get(&self, id: &TopicIdPartition) -> Option<&Partition> {
        self.at(self.slot(id)?)
    }

    pub fn get_mut(&mut self, id: &TopicIdPartition) -> Option<&mut Partition> {
        self.at_mut(self.slot(id)?)
    }

    pub fn insert(&mut self, partition: Partition) -> Slot {
        let id = partition.id;
        let index = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            self.slots.len() as u32 - 1
        });
        if let Some(place) = self.slots.get_mut(index as usize) {
            *place = Some(Box::new(partition));
        }
        self.by_id.insert(id, Slot(index));
        Slot(index)
    }

    pub fn remove(&mut self, id: &TopicIdPartition) -> Option<Box<Partition>> {
        let slot = self.by_id.remove(id)?;
        self.changed.retain(|&changed| changed != slot);
        self.free.push(slot.0);
        self.slots.get_mut(slot.0 as usize)?.take()
    }

    pub fn of_topic(&self, topic_id: Uuid) -> impl Iterator<Item = (&TopicIdPartition, Slot)> {
        let from = TopicIdPartition { topic_id, partition: i32::MIN };
        let to = TopicIdPartition { topic_id, partition: i32::MAX };
        self.by_id.range(from..=to).map(|(id, slot)| (id, *slot))
    }

    pub fn all_slots(&self) -> impl Iterator<Item = Slot> + '_ {
        self.by_id.values().copied()
    }

    pub fn iter(&self) -> impl Iterator<Item = &Partition> {
        self.by_id.values().filter_map(|&slot| self.at(slot))
    }

    /// Who waits for this partition is looked after at the end of the turn.
    pub fn mark_changed(&mut self, slot: Slot) {
        if let Some(partition) = self.slots.get_mut(slot.0 as usize).and_then(|place| place.as_deref_mut())
            && !partition.changed
        {
            partition.changed = true;
            self.changed.push(slot);
        }
    }

    pub fn take_changed(&mut self) -> Vec<Slot> {
        let changed = std::mem::take(&mut self.changed);
        for slot in &changed {
            if let Some(partition) = self.at_mut(*slot) {
                partition.changed = false;
            }
        }
        changed
    }
}
