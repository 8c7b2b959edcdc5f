//! Topics with `cleanup.policy=compact` are served and never cleaned yet: the operator is told once.

use metadata::image::{ConfigResource, Delta};

use super::{Shard, Turn};
use crate::cluster::is_internal;
use crate::event::{Effect, Level};

impl Shard {
    /// One shard speaks for all, of the first topic it meets.
    pub(super) fn warn_of_compaction(&mut self, turn: &mut Turn, changes: &Delta) {
        if self.id.0 != 0 || self.told_of_compaction {
            return;
        }
        let of_brokers = |resource: &&ConfigResource| resource.resource_type == ConfigResource::BROKER;
        let found = match changes.configs.iter().find(of_brokers) {
            // what holds for all topics may be another now
            Some(_) => self.cluster.topics().find(|topic| self.is_compacted(topic.name())),
            None => {
                let made = changes.partitions.keys().filter_map(|id| self.cluster.topic_by_id(*id));
                let of_topics =
                    changes.configs.iter().filter(|one| one.resource_type == ConfigResource::TOPIC);
                let changed = of_topics.filter_map(|one| self.cluster.topic_by_name(&one.name));
                made.chain(changed).find(|topic| self.is_compacted(topic.name()))
            }
        };
        let Some(topic) = found else { return };
        let text = format!(
            "topic {}: cleanup.policy=compact keeps every record for now, cleaning is yet to come; told once for all topics",
            topic.name()
        );
        self.told_of_compaction = true;
        turn.effects.push(Effect::Log { level: Level::Warning, text });
    }

    fn is_compacted(&self, topic: &str) -> bool {
        !is_internal(topic) && self.cluster.log_config(topic).cleanup_policy.compact
    }
}
