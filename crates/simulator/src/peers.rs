//! Connections between nodes: dialed by an actor of one, accepted by an actor of another. What a cut network holds up
//! arrives when it heals, in its order, unless the connection breaks before.

use broker::Chunk;
use broker::event::{Address, ConnectionId, Event};
use bytes::Bytes;
use platform::FileSystem;
use protocol::{ApiKey, Reader, Request, RequestHeader, Response};

use raft::QuorumState;

use crate::clients::{CLIENTS, CONTROLLERS};
use crate::invariants::votes::Asked;
use crate::network::{Dialer, Direction, Outstanding, Owner, Peer};
use crate::node::{CLIENT_PORT, Machine};
use crate::world::{Happening, Inside, MachineIndex, SECOND, World};

fn decoded(question: &Outstanding, frame: &Bytes) -> Option<Response> {
    let mut reader = Reader::new(frame.clone());
    let _ = reader.i32();
    protocol::ResponseHeader::decode(&mut reader, question.api_key, question.version).ok()?;
    Response::decode(question.api_key, question.version, &mut reader).ok()
}

impl World {
    pub fn dial(&mut self, machine: MachineIndex, actor: usize, connection: ConnectionId, address: Address) {
        let life = self.machines[machine].lives;
        let dialer = Dialer { machine, life, actor, connection };
        self.network.dialing.insert(dialer);
        let delay = self.network_delay();
        self.plan(delay, Happening::Dial(dialer, address));
    }

    /// A dialer's knock arrives, or does not.
    pub fn on_dial(&mut self, dialer: Dialer, address: &Address) {
        if !self.network.dialing.remove(&dialer) {
            return;
        }
        let to = address.host.strip_prefix("node").and_then(|id| id.parse::<usize>().ok()).unwrap_or(0);
        let Some(machine) = to.checked_sub(1).filter(|to| *to < self.machines.len()) else {
            return self.model.violation(format!("{address} is dialed, nobody has that address"));
        };
        let delay = self.network_delay();
        let from = dialer.machine;
        let fails = Inside::DialFailed(dialer.connection);
        if self.network.is_cut(from, machine) || self.network.is_cut(machine, from) {
            let after = SECOND + self.draws.network.below(2 * SECOND);
            return self.plan_inside(after, from, dialer.actor, fails);
        }
        let listener = if address.port == CLIENT_PORT { CLIENTS } else { CONTROLLERS };
        let target = &self.machines[machine];
        let listens = if listener == CLIENTS { target.serves() } else { target.node.is_some() };
        if !listens || !target.has_listener(listener) {
            return self.plan_inside(delay, from, dialer.actor, fails);
        }
        let Machine { lives, shards, .. } = *target;
        let shard = self.draws.network.below(u64::from(shards)) as usize;
        let actor = if listener == CONTROLLERS { 0 } else { shard + 1 };
        let id = self.network.open(Owner::Node(dialer), (machine, actor), listener, lives);
        self.network.dialed.insert((from, dialer.actor, dialer.connection), id);
        let Some(link) = self.network.get(id) else { return };
        let at = link.up_at(self.now + delay);
        self.scheduler.at(at, Happening::Opened(id));
        self.plan_inside(delay, from, dialer.actor, Inside::Dialed(dialer.connection));
    }

    pub fn on_request(
        &mut self,
        machine: MachineIndex,
        actor: usize,
        connection: ConnectionId,
        chunks: Vec<Chunk>,
    ) {
        let Some(&id) = self.network.dialed.get(&(machine, actor, connection)) else { return };
        let Some(frame) = self.read_chunks(machine, chunks) else { return self.cut(id) };
        let bytes = frame.slice(4.min(frame.len())..);
        let Ok((header, _)) = RequestHeader::from_frame(bytes.clone()) else {
            return self.model.violation(format!("node {machine} sends a request without a header"));
        };
        let Ok(api_key) = ApiKey::try_from(header.api_key) else {
            return self
                .model
                .violation(format!("node {machine} sends a request of kind {}", header.api_key));
        };
        self.coverage.count("between nodes", format!("{api_key:?}"));
        self.hear_request(id, api_key, bytes.clone());
        let question = Outstanding {
            correlation: header.correlation_id,
            api_key,
            version: header.api_version,
            sent_at: self.now,
            is_silent: false,
        };
        self.put_on_the_way(id, bytes, question);
    }

    /// Who begins an epoch leads in it, and nobody else; who stands for election is given each voter's one vote.
    fn hear_request(&mut self, id: u64, api_key: ApiKey, frame: Bytes) {
        if !matches!(api_key, ApiKey::BeginQuorumEpoch | ApiKey::Vote) {
            return;
        }
        let Ok((header, mut reader)) = RequestHeader::from_frame(frame) else { return };
        match Request::decode(api_key, header.api_version, &mut reader) {
            Ok(Request::BeginQuorumEpoch(begin)) => {
                for partition in begin.topics.iter().flat_map(|topic| &topic.partitions) {
                    let (epoch, leader) = (partition.leader_epoch, partition.leader_id);
                    let claimed = self.model.metadata_log.claim(epoch, leader, "BeginQuorumEpoch");
                    self.model.violations.extend(claimed.err());
                }
            }
            Ok(Request::Vote(vote)) => {
                let partitions = vote.topics.iter().flat_map(|topic| &topic.partitions);
                for partition in partitions.filter(|partition| !partition.pre_vote) {
                    let asked = Asked { epoch: partition.replica_epoch, candidate: partition.replica_id };
                    self.model.votes.asked(id, header.correlation_id, asked);
                }
            }
            _ => {}
        }
    }

    fn hear_vote(&mut self, id: u64, voter: MachineIndex, question: &Outstanding, frame: &Bytes) {
        if question.api_key != ApiKey::Vote {
            return;
        }
        let Some(Response::Vote(response)) = decoded(question, frame) else { return };
        let mut partitions = response.topics.iter().flat_map(|topic| &topic.partitions);
        let granted = partitions.any(|partition| partition.vote_granted);
        let path = self.machines[voter].directories[0].join("__cluster_metadata-0/quorum-state");
        let written = self.files(voter).read(&path).ok().and_then(|bytes| QuorumState::decode(&bytes).ok());
        let found = self.model.votes.answered(id, question.correlation, (voter, written), granted);
        self.model.violations.extend(found.err());
    }

    /// What one node tells another of the metadata log is held against what was told before.
    fn hear_metadata(&mut self, machine: MachineIndex, question: &Outstanding, frame: &Bytes) {
        if question.api_key != ApiKey::Fetch {
            return;
        }
        let Some(Response::Fetch(response)) = decoded(question, frame) else { return };
        for data in response.responses.iter().flat_map(|topic| &topic.partitions) {
            let bytes = data.records.bytes().unwrap_or_default();
            if data.error_code == 0 && !bytes.is_empty() {
                let whose = format!("node {machine}");
                let checked = self.model.metadata_log.check(&bytes, data.high_watermark, &whose);
                self.model.violations.extend(checked.err());
            }
            if data.error_code == 0 {
                let whose = format!("node {machine}");
                let epoch = data.current_leader.leader_epoch;
                let told = self.model.metadata_log.told(epoch, data.high_watermark, &whose);
                self.model.violations.extend(told.err());
            }
        }
    }

    /// An answer has come to the node that asked.
    pub fn on_peer_reply(&mut self, dialer: Dialer, id: u64, frame: &Bytes) {
        let Some(link) = self.network.get(id) else { return };
        let (machine, is_controllers) = (link.machine, link.listener == CONTROLLERS);
        let Some(question) = link.awaited.pop_front() else { return };
        self.trace.bytes(frame);
        if is_controllers {
            self.hear_metadata(machine, &question, frame);
            self.hear_vote(id, machine, &question, frame);
        }
        if self.machines[dialer.machine].living(dialer.life).is_some() {
            let bytes = frame.slice(4.min(frame.len())..);
            self.step(dialer.machine, dialer.actor, Event::Frame { connection: dialer.connection, bytes });
        }
    }

    /// The node that dialed hears that the connection is over.
    pub fn on_peer_closed(&mut self, dialer: Dialer) {
        let Dialer { machine, life, actor, connection } = dialer;
        if self.network.dialed.remove(&(machine, actor, connection)).is_some()
            && self.machines[machine].living(life).is_some()
        {
            self.step(machine, actor, Event::ConnectionClosed { connection });
        }
    }

    /// The node that dialed has enough.
    pub fn close_dialed(&mut self, machine: MachineIndex, actor: usize, connection: ConnectionId) {
        let life = self.machines[machine].lives;
        self.network.dialing.remove(&Dialer { machine, life, actor, connection });
        let Some(id) = self.network.dialed.remove(&(machine, actor, connection)) else { return };
        let delay = self.network_delay();
        if let Some(link) = self.network.get(id) {
            link.client_hears = false;
            link.awaited.clear();
            let at = link.up_at(self.now + delay);
            self.scheduler.at(at, Happening::Hangup(id, Peer::Listens));
        }
    }

    /// Connections that a node had dialed when it went down. Without power it says no word.
    pub fn drop_dialed(&mut self, machine: MachineIndex, is_silent: bool) {
        self.network.dialing.retain(|dialer| dialer.machine != machine);
        self.network.dialed.retain(|(from, _, _), _| *from != machine);
        for id in self.network.dialed_by(machine) {
            let after = self.silence(is_silent);
            if let Some(link) = self.network.get(id) {
                link.client_hears = false;
                link.awaited.clear();
                let at = link.up_at(self.now + after);
                self.scheduler.at(at, Happening::Hangup(id, Peer::Gone));
            }
        }
    }

    /// How long it takes until the other side of a connection hears of a death.
    pub fn silence(&mut self, is_silent: bool) -> u64 {
        let most = if is_silent { 3 * SECOND } else { 20_000 };
        50 + self.draws.network.below(most)
    }

    /// A message between nodes may be lost, and its connection with it: what follows does not arrive, what was sent before
    /// does. A connection that breaks in the midst of a message is the same to who waits for the whole of it.
    pub fn loses_message(&mut self, id: u64) -> bool {
        let Some(link) = self.network.links.get(&id).filter(|link| !link.is_broken) else { return false };
        let Owner::Node(dialer) = link.owner else { return false };
        let is_lossy = |machine: MachineIndex| self.machines[machine].loses_messages;
        if !(is_lossy(dialer.machine) || is_lossy(link.machine)) || !self.draws.more.one_in(40) {
            return false;
        }
        self.coverage.count("transition", "message lost with its connection");
        let after = [self.draws.more.below(20_000), self.draws.more.below(2 * SECOND)];
        let late = self.draws.more.below(2) as usize;
        let Some(link) = self.network.get(id) else { return false };
        link.is_broken = true;
        let up = link.up_at(self.now + after[late]);
        self.scheduler.at(up, Happening::Hangup(id, Peer::Gone));
        self.scheduler.at(self.now + 1 + after[1 - late], Happening::Closed(id));
        true
    }

    /// Whether something that arrives now is held up by a cut network.
    pub fn is_held_up(&mut self, id: u64, direction: Direction) -> bool {
        let Some(link) = self.network.links.get(&id) else { return false };
        let Owner::Node(dialer) = link.owner else { return false };
        let cut = match direction {
            Direction::Up => self.network.is_cut(dialer.machine, link.machine),
            Direction::Down => self.network.is_cut(link.machine, dialer.machine),
        };
        cut || !link.held(direction).is_empty()
    }

    /// Begins or ends that nothing arrives from one machine at another.
    pub fn set_cut(&mut self, from: MachineIndex, to: MachineIndex, is_cut: bool) {
        if is_cut {
            self.network.cuts.insert((from, to));
            return;
        }
        self.network.cuts.remove(&(from, to));
        for id in self.network.between(from, to) {
            // the sender may have given up meanwhile
            if self.draws.network.one_in(3) {
                self.cut(id);
            }
            for direction in [Direction::Up, Direction::Down] {
                self.release(id, direction);
            }
        }
    }

    fn release(&mut self, id: u64, direction: Direction) {
        let Some(link) = self.network.get(id) else { return };
        let held = std::mem::take(link.held_mut(direction));
        for what in held {
            self.happen(what);
        }
    }
}
