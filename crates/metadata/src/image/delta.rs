//! What changed between two images, so that a shard looks at nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use types::Uuid;

use super::{ConfigResource, MetadataImage};

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Delta {
    /// Topics that are new; their partitions are in `partitions` too.
    pub topics_created: BTreeSet<Uuid>,
    pub topics_deleted: BTreeSet<Uuid>,
    /// New and changed partitions of topics that still exist.
    pub partitions: BTreeMap<Uuid, BTreeSet<i32>>,
    pub configs: BTreeSet<ConfigResource>,
    pub brokers: BTreeSet<i32>,
    pub controllers: bool,
    pub features: bool,
    pub client_quotas: bool,
    pub producer_ids: bool,
    pub acls: bool,
    pub scram: bool,
    pub delegation_tokens: bool,
}

impl Delta {
    pub fn is_empty(&self) -> bool {
        *self == Delta::default()
    }

    pub(super) fn partition(&mut self, topic: Uuid, partition: i32) {
        self.partitions.entry(topic).or_default().insert(partition);
    }

    pub(super) fn topic_deleted(&mut self, topic: Uuid) {
        self.partitions.remove(&topic);
        // one that came and went in between is nobody's business
        if !self.topics_created.remove(&topic) {
            self.topics_deleted.insert(topic);
        }
    }

    /// Everything in which `new` differs from `old`: for a snapshot, which says only what is.
    pub fn between(old: &MetadataImage, new: &MetadataImage) -> Delta {
        let mut delta = Delta {
            controllers: old.cluster.controllers != new.cluster.controllers,
            features: old.features != new.features,
            client_quotas: old.client_quotas != new.client_quotas,
            producer_ids: old.next_producer_id != new.next_producer_id,
            acls: old.acls != new.acls,
            scram: old.scram != new.scram,
            delegation_tokens: old.delegation_tokens != new.delegation_tokens,
            ..Delta::default()
        };
        delta.topics_between(old, new);
        let ids = old.cluster.brokers.keys().chain(new.cluster.brokers.keys());
        delta.brokers =
            ids.filter(|id| old.cluster.broker(**id) != new.cluster.broker(**id)).copied().collect();
        let resources = old.configs.keys().chain(new.configs.keys());
        let changed = resources.filter(|resource| old.configs.get(*resource) != new.configs.get(*resource));
        delta.configs = changed.cloned().collect();
        delta
    }

    fn topics_between(&mut self, old: &MetadataImage, new: &MetadataImage) {
        for id in old.topics.by_id.keys().filter(|id| new.topics.by_id(**id).is_none()) {
            self.topics_deleted.insert(*id);
        }
        for (id, topic) in new.topics.by_id.iter() {
            let before = old.topics.by_id(*id);
            if before.is_none() {
                self.topics_created.insert(*id);
            }
            if before.is_some_and(|before| Arc::ptr_eq(before, topic)) {
                continue;
            }
            for (index, partition) in &topic.partitions {
                if before.and_then(|before| before.partitions.get(index)) != Some(partition) {
                    self.partition(*id, *index);
                }
            }
        }
    }
}
