//! How a cluster is, for those who ask in words: who leads the metadata log, which brokers are there, and which
//! partitions lack a leader or replicas.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::Stop;
use crate::connecting::block_on;
use crate::live::{View, ask};

/// What the brokers say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Health {
    /// The active controller's node; -1 where there is none.
    pub leader: i32,
    /// The controllers answer nothing, though a broker does: the rest is what was last heard.
    pub controllers_silent: bool,
    /// Brokers that are registered and not fenced, by node.
    pub brokers: Vec<i32>,
    /// Of those the ones that answer, and how many partitions each leads.
    pub answering: BTreeMap<i32, usize>,
    /// Broker and path of log directories that are lost.
    pub failed_directories: Vec<(i32, String)>,
    pub partitions: usize,
    pub without_leader: usize,
    /// With fewer replicas in sync than it has.
    pub under_replicated: usize,
}

/// Asks whichever of the servers (`host:port,…`) answers first. Text for the operator where none does in that time.
pub fn health(servers: &str, patience: Duration) -> Result<Health, String> {
    block_on(ask(servers, patience)).map(|view| Health::from(&view)).map_err(|stop| match stop {
        Stop::Usage(text) | Stop::Error(text) => text,
        Stop::Code(code) => format!("code {code}"),
    })
}

impl From<&View> for Health {
    fn from(view: &View) -> Health {
        let there = || view.nodes.iter().filter(|(_, node)| node.address.is_some());
        let lost =
            there().flat_map(|(id, node)| node.failed_directories.iter().map(|path| (*id, path.clone())));
        let in_sync_lacks = view.troubles.iter().filter(|one| one.in_sync.len() < one.replicas.len());
        Health {
            leader: view.leader,
            controllers_silent: view.controllers_silent.is_some(),
            brokers: there().map(|(id, _)| *id).collect(),
            answering: there().filter(|(_, node)| node.answers).map(|(id, node)| (*id, node.leads)).collect(),
            failed_directories: lost.collect(),
            partitions: view.partitions,
            without_leader: view.troubles.iter().filter(|one| one.leader.is_none()).count(),
            under_replicated: in_sync_lacks.count(),
        }
    }
}
