//! Connections between clients and the node's shards: delayed, in order, cut when the seed says so.

use std::collections::{BTreeMap, VecDeque};

use broker::Chunk;
use protocol::ApiKey;

use crate::world::MachineIndex;

/// A request that has no answer yet.
#[derive(Clone, Copy, Debug)]
pub struct Outstanding {
    pub correlation: i32,
    pub api_key: ApiKey,
    pub version: i16,
    pub sent_at: u64,
    /// acks=0.
    pub is_silent: bool,
}

/// What the node has written to a connection: read when it leaves, or when the client takes it.
pub enum Written {
    Frame(bytes::Bytes),
    Slices(Vec<Chunk>),
}

/// One connection.
pub struct Link {
    pub client: usize,
    pub machine: MachineIndex,
    pub shard: usize,
    pub life: u32,
    /// Frames sent that the node has not answered.
    pub unanswered: VecDeque<Outstanding>,
    /// Requests whose answers the client waits for.
    pub awaited: VecDeque<Outstanding>,
    /// Frames that the node may get, none after the client has closed.
    pub node_hears: bool,
    pub client_hears: bool,
    up: u64,
    down: u64,
}

impl Link {
    /// When something sent now arrives: never before what was sent earlier.
    pub fn up_at(&mut self, at: u64) -> u64 {
        self.up = at.max(self.up + 1);
        self.up
    }

    pub fn down_at(&mut self, at: u64) -> u64 {
        self.down = at.max(self.down + 1);
        self.down
    }
}

/// All connections that anybody still hears of.
#[derive(Default)]
pub struct Network {
    pub links: BTreeMap<u64, Link>,
    last: u64,
}

impl Network {
    pub fn open(&mut self, client: usize, machine: MachineIndex, shard: usize, life: u32) -> u64 {
        self.last += 1;
        let link = Link {
            client,
            machine,
            shard,
            life,
            unanswered: VecDeque::new(),
            awaited: VecDeque::new(),
            node_hears: true,
            client_hears: true,
            up: 0,
            down: 0,
        };
        self.links.insert(self.last, link);
        self.last
    }

    pub fn get(&mut self, id: u64) -> Option<&mut Link> {
        self.links.get_mut(&id)
    }

    /// The links to one machine.
    pub fn of(&self, machine: MachineIndex) -> Vec<u64> {
        self.links.iter().filter(|(_, link)| link.machine == machine).map(|(id, _)| *id).collect()
    }

    /// Forgets links that nobody hears of any more.
    pub fn sweep(&mut self, id: u64) {
        if self.links.get(&id).is_some_and(|link| !link.node_hears && !link.client_hears) {
            self.links.remove(&id);
        }
    }
}
