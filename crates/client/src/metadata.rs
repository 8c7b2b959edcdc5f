//! What a client knows of a cluster: its brokers, and who leads the partitions it asked about.

use std::collections::BTreeMap;
use std::sync::Arc;

use protocol::ErrorCode;
use protocol::messages::describe_cluster_response::DescribeClusterBroker;
use protocol::messages::{DescribeClusterResponse, MetadataResponse};
use types::{NodeId, Uuid};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broker {
    pub id: NodeId,
    pub host: String,
    pub port: i32,
    pub rack: Option<String>,
}

impl Broker {
    /// `host:port`, an IPv6 address in brackets.
    pub fn address(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionMetadata {
    pub partition: i32,
    pub error: ErrorCode,
    /// None while nobody leads it.
    pub leader: Option<NodeId>,
    pub leader_epoch: i32,
    pub replicas: Vec<NodeId>,
    pub in_sync_replicas: Vec<NodeId>,
    pub offline_replicas: Vec<NodeId>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicMetadata {
    pub name: String,
    /// Zero where the broker does not tell.
    pub id: Uuid,
    pub error: ErrorCode,
    pub is_internal: bool,
    /// Sorted by partition.
    pub partitions: Vec<PartitionMetadata>,
}

impl TopicMetadata {
    pub fn partition(&self, partition: i32) -> Option<&PartitionMetadata> {
        self.partitions.iter().find(|p| p.partition == partition)
    }
}

#[derive(Clone, Debug, Default)]
pub struct Metadata {
    pub cluster_id: Option<String>,
    pub controller: Option<NodeId>,
    pub brokers: BTreeMap<NodeId, Broker>,
    pub topics: BTreeMap<String, Arc<TopicMetadata>>,
}

impl Metadata {
    /// Takes who the controllers are and which of them is active.
    pub fn merge_controllers(&mut self, response: &DescribeClusterResponse) {
        self.cluster_id = Some(response.cluster_id.to_string());
        self.controller = (response.controller_id >= 0).then_some(NodeId(response.controller_id));
        let node = |node: &DescribeClusterBroker| {
            let rack = node.rack.as_ref().map(|rack| rack.to_string());
            let id = NodeId(node.broker_id);
            (id, Broker { id, host: node.host.to_string(), port: node.port, rack })
        };
        self.brokers = response.brokers.iter().map(node).collect();
    }

    /// Takes what an answer says: brokers anew, topics beside those known.
    pub fn merge(&mut self, response: &MetadataResponse) {
        self.cluster_id = response.cluster_id.as_ref().map(|id| id.to_string());
        self.controller = (response.controller_id >= 0).then_some(NodeId(response.controller_id));
        self.brokers = response
            .brokers
            .iter()
            .map(|b| {
                let rack = b.rack.as_ref().map(|rack| rack.to_string());
                let id = NodeId(b.node_id);
                (id, Broker { id, host: b.host.to_string(), port: b.port, rack })
            })
            .collect();
        for topic in &response.topics {
            let Some(name) = &topic.name else { continue };
            let mut partitions: Vec<_> = topic.partitions.iter().map(partition).collect();
            partitions.sort_by_key(|p| p.partition);
            let topic = TopicMetadata {
                name: name.to_string(),
                id: topic.topic_id,
                error: ErrorCode::from(topic.error_code),
                is_internal: topic.is_internal,
                partitions,
            };
            match topic.error {
                ErrorCode::UnknownTopicOrPartition => drop(self.topics.remove(&topic.name)),
                _ => drop(self.topics.insert(topic.name.clone(), Arc::new(topic))),
            }
        }
    }
}

fn partition(p: &protocol::messages::metadata_response::MetadataResponsePartition) -> PartitionMetadata {
    let nodes = |ids: &[i32]| ids.iter().copied().map(NodeId).collect();
    PartitionMetadata {
        partition: p.partition_index,
        error: ErrorCode::from(p.error_code),
        leader: (p.leader_id >= 0).then_some(NodeId(p.leader_id)),
        leader_epoch: p.leader_epoch,
        replicas: nodes(&p.replica_nodes),
        in_sync_replicas: nodes(&p.isr_nodes),
        offline_replicas: nodes(&p.offline_replicas),
    }
}
