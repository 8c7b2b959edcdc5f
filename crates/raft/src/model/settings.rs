//! The model's nodes by index, and how large a world is explored.

use types::{NodeId, Uuid};

use super::Plant;
use crate::machine::Settings;
use crate::message::Destination;
use crate::voters::{Endpoint, ReplicaKey, VersionRange, Voter, VoterSet};

/// How often what may happen, and how large what grows may become. Everything within is explored.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    pub nodes: u8,
    /// A bit for each node.
    pub voters: u8,
    /// Voters whose election time-outs run out; the others only vote. A bit for each node.
    pub standing: u8,
    /// The first epoch is 1.
    pub epochs: i32,
    pub appends: u8,
    pub crashes: u8,
    /// Leaders that hear from no majority.
    pub resignations: u8,
    /// Requests given up while they or their answers are on the way.
    pub time_outs: u8,
    /// Requests and answers on the way.
    pub messages: usize,
    /// Those of them that nobody waits for.
    pub stale_requests: usize,
    pub voter_changes: u8,
    pub snapshots: u8,
    /// A flush is an event of its own, and a crash before it loses what it was for.
    pub slow_flush: bool,
    /// Connections to the leader may be found closed.
    pub gone: bool,
    /// A fetch may wait in vain.
    pub idle_fetches: bool,
    pub entries_per_fetch: i32,
    /// A follower may be so far behind that it needs one.
    pub loads_snapshots: bool,
    pub plant: Option<Plant>,
}

impl Default for Bounds {
    fn default() -> Bounds {
        Bounds {
            nodes: 3,
            voters: 0b111,
            standing: 0b111,
            epochs: 2,
            appends: 0,
            crashes: 0,
            resignations: 0,
            time_outs: 0,
            messages: 4,
            stale_requests: 1,
            voter_changes: 0,
            snapshots: 0,
            slow_flush: false,
            gone: false,
            idle_fetches: false,
            entries_per_fetch: 9,
            loads_snapshots: false,
            plant: None,
        }
    }
}

impl Bounds {
    /// Whether a second leader can follow on one that committed something.
    pub fn leader_changes(&self) -> bool {
        self.epochs > 2 && self.standing.count_ones() > 1
    }
}

pub fn has(mask: u8, node: u8) -> bool {
    mask & 1 << node != 0
}

pub fn id(node: u8) -> NodeId {
    NodeId(i32::from(node) + 1)
}

pub fn node_of(id: NodeId) -> u8 {
    (id.0 - 1) as u8
}

pub fn key(node: u8) -> ReplicaKey {
    ReplicaKey::new(id(node), Uuid::from_halves(7, i64::from(id(node).0)))
}

fn endpoints(node: u8) -> Vec<Endpoint> {
    vec![Endpoint { listener: "C".into(), host: String::new(), port: id(node).0 as u16 }]
}

/// Nodes are told apart by their ports.
pub fn target(to: &Destination) -> u8 {
    node_of(NodeId(to.port.into()))
}

pub fn voter(node: u8) -> Voter {
    Voter { key: key(node), endpoints: endpoints(node), supported: VersionRange::OURS }
}

pub fn voters_of(mask: u8) -> VoterSet {
    (0..8).filter(|node| has(mask, *node)).map(voter).collect()
}

pub fn voter_mask(voters: &VoterSet) -> u8 {
    voters.ids().fold(0, |mask, id| mask | 1 << node_of(id))
}

/// Observers ask the first node who leads; voters are told.
pub fn settings(node: u8, bounds: &Bounds) -> Settings {
    let mut settings = Settings::new(key(node), endpoints(node));
    if !has(bounds.voters, node) {
        settings.bootstrap_servers = vec![Destination { id: NodeId(-2), host: String::new(), port: 1 }];
    }
    settings.fetch_bytes_max = bounds.entries_per_fetch;
    settings
}
