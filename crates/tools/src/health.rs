//! How a cluster is, for those who ask in words: who leads the metadata log, which brokers are there, and which
//! partitions lack a leader or replicas.

use std::time::Duration;

use client::{ClientConfig, Cluster, Error, Properties};
use protocol::Str;
use protocol::messages::DescribeQuorumRequest;
use protocol::messages::describe_quorum_request::{PartitionData, TopicData};

use crate::Stop;
use crate::connecting::block_on;

/// What the brokers say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Health {
    /// The active controller's node.
    pub leader: i32,
    /// Of the nodes that vote.
    pub voters: Vec<i32>,
    /// Brokers that serve, by node.
    pub brokers: Vec<i32>,
    pub partitions: usize,
    pub without_leader: usize,
    /// With fewer replicas in sync than it has.
    pub under_replicated: usize,
}

/// Asks whichever of the servers (`host:port,…`) answers first. Text for the operator where none does in that time.
pub fn health(servers: &str, patience: Duration) -> Result<Health, String> {
    let properties = Properties::from([("bootstrap.servers".to_owned(), servers.to_owned())]);
    let asked = async {
        let cluster = Cluster::new(ClientConfig::from_properties(&properties)?);
        match tokio::time::timeout(patience, ask(client::Admin::new(cluster))).await {
            Ok(answer) => Ok(answer?),
            Err(_) => Err(Stop::error(format!("none of {servers} answers"))),
        }
    };
    block_on(asked).map_err(|stop| match stop {
        Stop::Usage(text) | Stop::Error(text) => text,
        Stop::Code(code) => format!("code {code}"),
    })
}

async fn ask(admin: client::Admin) -> Result<Health, Error> {
    let log = TopicData {
        topic_name: Str::from("__cluster_metadata"),
        partitions: vec![PartitionData { partition_index: 0 }],
    };
    let quorum = admin.call(&DescribeQuorumRequest { topics: vec![log] }).await?;
    Error::check(quorum.error_code, quorum.error_message.as_ref())?;
    let mut health = Health { leader: -1, ..Health::default() };
    if let Some(log) = quorum.topics.first().and_then(|topic| topic.partitions.first()) {
        health.leader = log.leader_id;
        health.voters = log.current_voters.iter().map(|voter| voter.replica_id).collect();
    }
    let metadata = admin.metadata(None).await?;
    health.brokers = metadata.brokers.iter().map(|broker| broker.node_id).collect();
    health.brokers.sort_unstable();
    for partition in metadata.topics.iter().flat_map(|topic| &topic.partitions) {
        health.partitions += 1;
        health.without_leader += usize::from(partition.leader_id < 0);
        health.under_replicated += usize::from(partition.isr_nodes.len() < partition.replica_nodes.len());
    }
    Ok(health)
}
