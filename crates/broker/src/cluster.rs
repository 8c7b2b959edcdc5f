//! The cluster as this node knows it: the newest metadata image and the questions that handlers ask of it.

use std::sync::Arc;

use metadata::features::KRAFT_VERSION;
use metadata::image::{self, MetadataImage};
use protocol::{ErrorCode, Str};
use replication::ActiveBrokers;
use types::{LeaderEpoch, NodeId, TopicIdPartition, Uuid};

use crate::config::NodeConfig;
use crate::event::ShardId;
use crate::fetch_session::TopicKey;
use crate::routing::shard_of;

pub(crate) use metadata::image::Partition as PartitionState;

/// Where a broker can be reached by those who came through one listener.
#[derive(Clone, Debug)]
pub(crate) struct Endpoint {
    pub node: NodeId,
    pub host: Str,
    pub port: u16,
    pub rack: Option<Str>,
    pub fenced: bool,
}

/// A topic of the image.
#[derive(Clone, Copy)]
pub(crate) struct Topic<'a>(&'a image::Topic);

impl<'a> Topic<'a> {
    pub fn id(&self) -> Uuid {
        self.0.id
    }

    pub fn name(&self) -> &'a Str {
        &self.0.name
    }

    pub fn is_internal(&self) -> bool {
        is_internal(&self.0.name)
    }

    pub fn partition_count(&self) -> i32 {
        self.0.partitions.len() as i32
    }

    pub fn state(&self, partition: i32) -> Option<&'a PartitionState> {
        self.0.partitions.get(&partition).map(Arc::as_ref)
    }

    pub fn partitions(&self) -> impl Iterator<Item = (i32, &'a PartitionState)> + use<'a> {
        self.0.partitions.iter().map(|(index, state)| (*index, state.as_ref()))
    }

    pub fn partition(&self, partition: i32) -> TopicIdPartition {
        TopicIdPartition { topic_id: self.0.id, partition }
    }
}

/// Topics that clients may not write to.
pub(crate) fn is_internal(name: &str) -> bool {
    matches!(name, "__consumer_offsets" | "__transaction_state" | "__share_group_state")
}

/// `[a-zA-Z0-9._-]{1,249}`, neither `.` nor `..`.
pub(crate) fn is_valid_name(name: &str) -> bool {
    (1..=249).contains(&name.len())
        && name != "."
        && name != ".."
        && name.bytes().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'.' | b'_' | b'-'))
}

/// What a client is told about a name that no topic has.
pub(crate) fn unknown_name(name: &str) -> ErrorCode {
    if is_valid_name(name) { ErrorCode::UnknownTopicOrPartition } else { ErrorCode::InvalidTopicException }
}

/// See the head of the file.
pub(crate) struct Cluster {
    node: Arc<NodeConfig>,
    pub image: Arc<MetadataImage>,
    /// The quorum's level of this feature.
    pub kraft_version: i16,
    offset: i64,
}

impl Cluster {
    pub fn new(node: Arc<NodeConfig>) -> Cluster {
        Cluster { node, image: Arc::new(MetadataImage::default()), kraft_version: 0, offset: -1 }
    }

    pub fn replace(&mut self, image: Arc<MetadataImage>, offset: i64) -> Arc<MetadataImage> {
        self.offset = offset;
        std::mem::replace(&mut self.image, image)
    }

    /// The last offset of the metadata log that is in the image.
    pub fn offset(&self) -> i64 {
        self.offset
    }

    pub fn topic_by_name(&self, name: &str) -> Option<Topic<'_>> {
        self.image.topics.by_name(name).map(|topic| Topic(topic))
    }

    pub fn topic_by_id(&self, id: Uuid) -> Option<Topic<'_>> {
        self.image.topics.by_id(id).map(|topic| Topic(topic))
    }

    /// In the order of their names.
    pub fn topics(&self) -> impl Iterator<Item = Topic<'_>> {
        self.image.topics.iter().map(|topic| Topic(topic))
    }

    /// The shard of this node that leads a partition.
    pub fn owner(&self, id: &TopicIdPartition) -> Result<ShardId, ErrorCode> {
        let topic = self.topic_by_id(id.topic_id).ok_or(ErrorCode::UnknownTopicId)?;
        self.owner_in(topic, id.partition).map(|(_, owner)| owner)
    }

    fn owner_in(&self, topic: Topic<'_>, partition: i32) -> Result<(TopicIdPartition, ShardId), ErrorCode> {
        let state = topic.state(partition).ok_or(ErrorCode::UnknownTopicOrPartition)?;
        let node = self.node.node_id.0;
        if state.leader != node && !state.replicas.contains(&node) {
            return Err(ErrorCode::NotLeaderOrFollower);
        }
        let id = topic.partition(partition);
        Ok((id, shard_of(&id, self.node.shards)))
    }

    pub fn resolve_name(&self, name: &str, partition: i32) -> Result<(TopicIdPartition, ShardId), ErrorCode> {
        let topic = self.topic_by_name(name).ok_or(ErrorCode::UnknownTopicOrPartition)?;
        self.owner_in(topic, partition)
    }

    /// The shard that has a partition of this name or would have it, were this node one of its replicas.
    pub fn place_of(&self, name: &str, partition: i32) -> Result<(TopicIdPartition, ShardId), ErrorCode> {
        let topic = self.topic_by_name(name).ok_or(ErrorCode::UnknownTopicOrPartition)?;
        topic.state(partition).ok_or(ErrorCode::UnknownTopicOrPartition)?;
        let id = topic.partition(partition);
        Ok((id, shard_of(&id, self.node.shards)))
    }

    pub fn resolve(&self, key: &TopicKey, partition: i32) -> Result<(TopicIdPartition, ShardId), ErrorCode> {
        if key.id.is_zero() && !key.name.is_empty() {
            return self.resolve_name(&key.name, partition);
        }
        let topic = self.topic_by_id(key.id).ok_or(ErrorCode::UnknownTopicId)?;
        self.owner_in(topic, partition)
    }

    /// Why a partition that should be on this shard is not: it was deleted, is led elsewhere, or its disk failed.
    pub fn absent(&self, id: &TopicIdPartition) -> ErrorCode {
        match self.owner(id) {
            Ok(_) => ErrorCode::KafkaStorageError,
            Err(error) => error,
        }
    }

    pub fn leader_of(&self, id: &TopicIdPartition) -> Option<(NodeId, LeaderEpoch)> {
        let state = self.topic_by_id(id.topic_id)?.state(id.partition)?;
        Some((NodeId(state.leader), LeaderEpoch(state.leader_epoch)))
    }

    pub fn leader_by_key(&self, key: &TopicKey, partition: i32) -> Option<(NodeId, LeaderEpoch)> {
        let topic = match key.id.is_zero() {
            true => self.topic_by_name(&key.name),
            false => self.topic_by_id(key.id),
        };
        self.leader_of(&topic?.partition(partition))
    }

    /// Brokers that may be in in-sync sets.
    pub fn active_brokers(&self) -> ActiveBrokers {
        let active = self.image.cluster.brokers.values().filter(|broker| broker.is_active());
        active.map(|broker| (NodeId(broker.id), broker.epoch)).collect()
    }

    pub fn is_alive(&self, node: i32) -> bool {
        self.image.cluster.broker(node).is_some_and(|broker| !broker.fenced)
    }

    /// Those whose broker is fenced, or has lost their log directory.
    pub fn offline_replicas(&self, state: &PartitionState) -> Vec<i32> {
        let is_online = |node: i32| {
            let broker = self.image.cluster.broker(node).filter(|broker| !broker.fenced);
            let directory = state.directory(node);
            broker.zip(directory).is_some_and(|(broker, directory)| broker.has_online_directory(directory))
        };
        state.replicas.iter().copied().filter(|node| !is_online(*node)).collect()
    }

    pub fn all_endpoints(&self, listener: &str) -> Vec<Endpoint> {
        let endpoint = |broker: &Arc<image::Broker>| {
            let at = broker.endpoints.iter().find(|at| at.name.eq_ignore_ascii_case(listener))?;
            Some(Endpoint {
                node: NodeId(broker.id),
                host: at.host.clone(),
                port: at.port,
                rack: broker.rack.clone(),
                fenced: broker.fenced,
            })
        };
        self.image.cluster.brokers.values().filter_map(endpoint).collect()
    }

    pub fn alive_endpoints(&self, listener: &str) -> Vec<Endpoint> {
        let mut endpoints = self.all_endpoints(listener);
        endpoints.retain(|endpoint| !endpoint.fenced);
        endpoints
    }

    pub fn endpoints(&self, nodes: &[NodeId], listener: &str) -> Vec<Endpoint> {
        if nodes.is_empty() {
            return Vec::new();
        }
        let mut endpoints = self.alive_endpoints(listener);
        endpoints.retain(|endpoint| nodes.contains(&endpoint.node));
        endpoints
    }

    /// What is in force for a topic on this node.
    pub fn log_config(&self, topic: &str) -> metadata::configs::LogConfig {
        self.image.log_config(topic, self.node.node_id.0, &self.node.properties)
    }

    /// Level by name of feature; None where it is not finalized.
    pub fn finalized_features(&self) -> impl Fn(&str) -> Option<i16> + '_ {
        |name| match name {
            KRAFT_VERSION => Some(self.kraft_version).filter(|level| *level > 0),
            _ => self.image.features.get(name).copied(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topic_names() {
        for (name, valid) in [
            ("a", true),
            ("a.b_C-9", true),
            ("", false),
            (".", false),
            ("..", false),
            ("a b", false),
            ("é", false),
        ] {
            assert_eq!(is_valid_name(name), valid, "{name}");
        }
        assert!(is_valid_name(&"x".repeat(249)));
        assert!(!is_valid_name(&"x".repeat(250)));
    }
}
