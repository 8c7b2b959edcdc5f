//! Connections between clients and the node's shards: delayed, in order, cut when the seed says so.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use broker::Chunk;
use broker::event::ConnectionId;
use protocol::ApiKey;

use crate::world::{Happening, MachineIndex};

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

/// What a node's shell still expects of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    Talks,
    /// It sends no more, but may read the answers.
    Listens,
    /// It does neither.
    Gone,
}

/// An actor of a node that has dialed, and how it calls the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Dialer {
    pub machine: MachineIndex,
    pub life: u32,
    pub actor: usize,
    pub connection: ConnectionId,
}

/// Who has opened a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    Client(usize),
    Node(Dialer),
}

/// From who has opened a connection, or to him.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    Up,
    Down,
}

/// One connection.
pub struct Link {
    pub owner: Owner,
    pub machine: MachineIndex,
    /// Who has it there.
    pub actor: usize,
    pub listener: u16,
    pub life: u32,
    /// Frames sent that the node has not answered, the oldest first.
    pub unanswered: VecDeque<Outstanding>,
    /// Requests whose answers the client waits for.
    pub awaited: VecDeque<Outstanding>,
    /// Frames that the node may get, none after the client has closed.
    pub node_hears: bool,
    pub client_hears: bool,
    /// The client has not closed its sending side.
    pub is_sending: bool,
    /// Something on it was lost: nothing that is written to it arrives any more, and both sides hear of it some time.
    pub is_broken: bool,
    pub peer: Peer,
    /// Frames that have arrived and are not answered.
    pub arrived: usize,
    up: u64,
    down: u64,
    held_up: Vec<Happening>,
    held_down: Vec<Happening>,
}

impl Link {
    /// The shell closes a connection once all that came whole is answered, or begun where nobody reads answers: requests
    /// are begun one after another, save that Produce may follow Produce.
    pub fn is_done(&self) -> bool {
        let begun = self.arrived <= 1
            || self.unanswered.iter().take(self.arrived).all(|one| one.api_key == ApiKey::Produce);
        match self.peer {
            Peer::Talks => false,
            Peer::Listens => self.arrived == 0,
            Peer::Gone => begun,
        }
    }

    /// What a cut network holds up.
    pub fn held(&self, direction: Direction) -> &[Happening] {
        match direction {
            Direction::Up => &self.held_up,
            Direction::Down => &self.held_down,
        }
    }

    pub fn held_mut(&mut self, direction: Direction) -> &mut Vec<Happening> {
        match direction {
            Direction::Up => &mut self.held_up,
            Direction::Down => &mut self.held_down,
        }
    }

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
    /// Dialed, and nobody knows yet whether anybody is there.
    pub dialing: BTreeSet<Dialer>,
    /// By machine, actor, and how that calls it.
    pub dialed: BTreeMap<(MachineIndex, usize, ConnectionId), u64>,
    /// Nothing arrives from the first at the second.
    pub cuts: BTreeSet<(MachineIndex, MachineIndex)>,
    last: u64,
}

impl Network {
    pub fn open(
        &mut self,
        owner: Owner,
        (machine, actor): (MachineIndex, usize),
        listener: u16,
        life: u32,
    ) -> u64 {
        self.last += 1;
        let link = Link {
            owner,
            machine,
            actor,
            listener,
            life,
            unanswered: VecDeque::new(),
            awaited: VecDeque::new(),
            node_hears: true,
            client_hears: true,
            is_sending: true,
            is_broken: false,
            peer: Peer::Talks,
            arrived: 0,
            up: 0,
            down: 0,
            held_up: Vec::new(),
            held_down: Vec::new(),
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

    pub fn is_cut(&self, from: MachineIndex, to: MachineIndex) -> bool {
        self.cuts.contains(&(from, to))
    }

    /// The links that a machine's node has dialed.
    pub fn dialed_by(&self, machine: MachineIndex) -> Vec<u64> {
        let is_its = |link: &Link| matches!(link.owner, Owner::Node(dialer) if dialer.machine == machine);
        self.links.iter().filter(|(_, link)| is_its(link)).map(|(id, _)| *id).collect()
    }

    /// The links of two machines, whoever has dialed.
    pub fn between(&self, one: MachineIndex, other: MachineIndex) -> Vec<u64> {
        let joins = |link: &Link| match link.owner {
            Owner::Node(dialer) => {
                [(dialer.machine, link.machine), (link.machine, dialer.machine)].contains(&(one, other))
            }
            Owner::Client(_) => false,
        };
        self.links.iter().filter(|(_, link)| joins(link)).map(|(id, _)| *id).collect()
    }

    /// Forgets links that nobody hears of any more.
    pub fn sweep(&mut self, id: u64) {
        if self.links.get(&id).is_some_and(|link| !link.node_hears && !link.client_hears) {
            self.links.remove(&id);
        }
    }
}
