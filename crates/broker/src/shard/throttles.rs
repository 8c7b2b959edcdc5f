//! Replication that is held to a rate (KIP-73): partitions that a topic's `*.replication.throttled.replicas` name, as
//! long as the follower is out of sync. The rate is the broker's: shards with such partitions share it evenly.

use std::collections::BTreeSet;

use metadata::image::{ConfigResource, MetadataImage};
use replication::Throttle;
use types::TopicIdPartition;

use super::Shard;
use crate::config::NodeConfig;
use crate::event::ShardId;
use crate::routing::shard_of;

const LEADER_RATE: &str = "leader.replication.throttled.rate";
const FOLLOWER_RATE: &str = "follower.replication.throttled.rate";
const MOVE_RATE: &str = "replica.alter.log.dirs.io.max.bytes.per.second";
const LEADER_REPLICAS: &str = "leader.replication.throttled.replicas";
const FOLLOWER_REPLICAS: &str = "follower.replication.throttled.replicas";

pub(crate) struct Throttles {
    pub leader: Throttle,
    pub follower: Throttle,
    /// Those that are not fetched because of the follower's rate.
    pub held: BTreeSet<TopicIdPartition>,
}

impl Throttles {
    pub fn new(node: &NodeConfig) -> Throttles {
        let settings = &node.settings;
        let throttle = || {
            of_windows(settings.replication_quota_window_num, settings.replication_quota_window_size_seconds)
        };
        Throttles { leader: throttle(), follower: throttle(), held: BTreeSet::new() }
    }
}

/// Between the log directories of a broker.
pub(crate) fn of_moves(node: &NodeConfig) -> Throttle {
    let settings = &node.settings;
    of_windows(
        settings.alter_log_dirs_replication_quota_window_num,
        settings.alter_log_dirs_replication_quota_window_size_seconds,
    )
}

fn of_windows(windows: i32, seconds: i32) -> Throttle {
    let count = |value: i32| u64::try_from(value).unwrap_or(1);
    Throttle::new(count(windows), count(seconds))
}

/// Whether a list of `partition:broker`, or `*`, names this replica.
pub(crate) fn names(list: &[String], partition: i32, node: i32) -> bool {
    let of = |item: &String| {
        let (at, broker) = item.split_once(':')?;
        Some((at.trim().parse::<i32>().ok()?, broker.trim().parse::<i32>().ok()?))
    };
    list.iter().any(|item| item.trim() == "*" || of(item) == Some((partition, node)))
}

impl Shard {
    /// The metadata have changed: rates, or who shares them.
    pub(super) fn renew_throttles(&mut self) {
        let image = &self.cluster.image;
        let node = self.node.node_id.0;
        let rate = |name| {
            let layers = [ConfigResource::broker(node), ConfigResource::cluster()];
            let given = layers.iter().find_map(|layer| image.properties(layer).get(name));
            given.and_then(|value| value.trim().parse::<i64>().ok())
        };
        // which other shards move something is not known here
        let moves = rate(MOVE_RATE).and_then(|rate| u64::try_from(rate).ok());
        let shards = u64::from(self.node.shards.max(1));
        let move_rate = moves.filter(|rate| *rate < replication::UNLIMITED).map(|rate| rate.div_ceil(shards));
        self.moves.throttle.set_rate(move_rate.unwrap_or(replication::UNLIMITED));
        let rates = [rate(LEADER_RATE), rate(FOLLOWER_RATE)];
        if rates == [None, None]
            && !self.throttles.leader.is_limited()
            && !self.throttles.follower.is_limited()
        {
            return;
        }
        let (leading, following) = sharers(image, node, self.node.shards);
        let share = |rate: Option<i64>, sharers: BTreeSet<ShardId>| match rate.map(u64::try_from) {
            None | Some(Err(_)) => replication::UNLIMITED,
            Some(Ok(rate)) if rate >= replication::UNLIMITED => rate,
            Some(Ok(rate)) => rate.div_ceil(sharers.len().max(1) as u64),
        };
        let [leader, follower] = rates;
        self.throttles.leader.set_rate(share(leader, leading));
        self.throttles.follower.set_rate(share(follower, following));
    }
}

/// The shards of this node that lead, and that follow, partitions which are held to the rate now.
fn sharers(image: &MetadataImage, node: i32, shards: u16) -> (BTreeSet<ShardId>, BTreeSet<ShardId>) {
    let (mut leading, mut following) = (BTreeSet::new(), BTreeSet::new());
    for (resource, properties) in image.configs.iter() {
        let list = |name| -> Vec<String> {
            let items = properties.get(name).map(|value| value.split(',').map(str::to_owned).collect());
            items.unwrap_or_default()
        };
        if resource.resource_type != ConfigResource::TOPIC {
            continue;
        }
        let (leaders, followers) = (list(LEADER_REPLICAS), list(FOLLOWER_REPLICAS));
        let Some(topic) = image.topics.by_name(&resource.name) else { continue };
        for (&partition, state) in topic.partitions.iter() {
            let shard = shard_of(&TopicIdPartition { topic_id: topic.id, partition }, shards);
            let lags = |replica: &i32| !state.in_sync_replicas.contains(replica);
            let is_led = state.leader == node;
            if is_led && state.replicas.iter().any(lags) && names(&leaders, partition, node) {
                leading.insert(shard);
            }
            if !is_led && state.replicas.contains(&node) && lags(&node) && names(&followers, partition, node)
            {
                following.insert(shard);
            }
        }
    }
    (leading, following)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_name_replicas() {
        for (list, partition, node, expected) in [
            (&["*"][..], 3, 1, true),
            (&["0:1", "1:2"], 1, 2, true),
            (&["0:1", "1:2"], 1, 1, false),
            (&[], 0, 1, false),
            (&["none", "0"], 0, 1, false),
        ] {
            let list: Vec<String> = list.iter().map(|item| (*item).to_owned()).collect();
            assert_eq!(names(&list, partition, node), expected, "{list:?}");
        }
    }
}
