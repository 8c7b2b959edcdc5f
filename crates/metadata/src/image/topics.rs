//! Topics by name and by id. A clone of the whole shares every topic, a changed topic shares its other partitions.

use std::collections::BTreeMap;
use std::sync::Arc;

use protocol::Str;
use types::Uuid;

use super::partition::Partition;

#[derive(Clone, Debug, PartialEq)]
pub struct Topic {
    pub name: Str,
    pub id: Uuid,
    pub partitions: BTreeMap<i32, Arc<Partition>>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Topics {
    pub(super) by_id: Arc<BTreeMap<Uuid, Arc<Topic>>>,
    pub(super) by_name: Arc<BTreeMap<Str, Uuid>>,
}

impl Topics {
    pub fn by_id(&self, id: Uuid) -> Option<&Arc<Topic>> {
        self.by_id.get(&id)
    }

    pub fn by_name(&self, name: &str) -> Option<&Arc<Topic>> {
        self.by_id.get(self.by_name.get(name)?)
    }

    pub fn id(&self, name: &str) -> Option<Uuid> {
        self.by_name.get(name).copied()
    }

    pub fn partition(&self, id: Uuid, partition: i32) -> Option<&Arc<Partition>> {
        self.by_id.get(&id)?.partitions.get(&partition)
    }

    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// In the order of names.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Topic>> {
        self.by_name.values().filter_map(|id| self.by_id.get(id))
    }

    /// In the order of ids, every partition.
    pub fn partitions(&self) -> impl Iterator<Item = (&Arc<Topic>, i32, &Arc<Partition>)> {
        self.by_id
            .values()
            .flat_map(|topic| topic.partitions.iter().map(move |(index, p)| (topic, *index, p)))
    }

    pub(super) fn insert(&mut self, topic: Topic) {
        Arc::make_mut(&mut self.by_name).insert(topic.name.clone(), topic.id);
        Arc::make_mut(&mut self.by_id).insert(topic.id, Arc::new(topic));
    }

    pub(super) fn remove(&mut self, id: Uuid) -> Option<Arc<Topic>> {
        let topic = Arc::make_mut(&mut self.by_id).remove(&id)?;
        Arc::make_mut(&mut self.by_name).remove(&topic.name);
        Some(topic)
    }

    pub(super) fn topic_mut(&mut self, id: Uuid) -> Option<&mut Topic> {
        if !self.by_id.contains_key(&id) {
            return None;
        }
        Arc::make_mut(&mut self.by_id).get_mut(&id).map(Arc::make_mut)
    }
}
