//! What the clients talk to: one broker, or three nodes that are brokers and controllers in one, every topic on all of them.

use std::path::Path;

use anyhow::Result;

use crate::quorum_nodes::{Nodes, Voters};
use crate::subject::{Kind, Settings, Subject};

const COMMON: &[(&str, &str)] = &[
    ("num.partitions", "3"),
    ("message.max.bytes", "2097152"),
    ("log.retention.ms", "-1"),
    ("group.initial.rebalance.delay.ms", "500"),
];

const THREE: &[(&str, &str)] = &[
    ("default.replication.factor", "3"),
    ("min.insync.replicas", "2"),
    ("offsets.topic.replication.factor", "3"),
    ("transaction.state.log.replication.factor", "3"),
    ("transaction.state.log.min.isr", "2"),
];

pub enum Cluster {
    One(Subject),
    Several(Nodes),
}

impl Cluster {
    pub fn start(
        kind: Kind,
        folder: &Path,
        nodes: usize,
        shards: usize,
        port: Option<u16>,
    ) -> Result<Cluster> {
        let shards = shards.to_string();
        let mut properties = COMMON.to_vec();
        if kind == Kind::Barnabas {
            properties.push(("barnabas.shards", &shards));
        }
        if nodes > 1 {
            properties.extend(THREE);
            return Ok(Cluster::Several(several(kind, folder, nodes, &properties)?));
        }
        let mut settings = Settings::new(kind, folder.to_owned())?;
        for (key, value) in properties {
            settings = settings.property(key, value);
        }
        settings.port = port.unwrap_or(settings.port);
        Ok(Cluster::One(settings.start()?))
    }

    pub fn bootstrap(&self) -> String {
        match self {
            Cluster::One(subject) => subject.settings.bootstrap(),
            Cluster::Several(nodes) => nodes.bootstrap(None),
        }
    }

    pub fn stop(self) -> Result<()> {
        match self {
            Cluster::One(subject) => subject.stop(),
            Cluster::Several(_) => Ok(()),
        }
    }
}

/// Ready when their quorum has a leader and all brokers are known.
pub fn several(kind: Kind, folder: &Path, count: usize, properties: &[(&str, &str)]) -> Result<Nodes> {
    let kinds = vec![kind; count];
    let mut nodes = Nodes::format(folder, &kinds, Voters::Initial, properties)?;
    for node in &mut nodes.0 {
        node.start()?;
    }
    nodes.until("all brokers", |nodes| {
        let known = nodes.brokers(&nodes.bootstrap(None))?;
        Ok((known == count).then_some(()))
    })?;
    Ok(nodes)
}
