//! Several machines in one thread with a network that loses, delays, repeats and cuts, and processes that die.
//! Everything is drawn from one seed. The invariants are checked at every output.

use std::collections::{BTreeMap, BTreeSet};

use platform::{Random, Time};
use raft::*;
use types::{LeaderEpoch, NodeId, Offset, Uuid};

use super::memory_log::{Entry, MemoryLog, SharedArena};

#[derive(Clone, Debug)]
enum Event {
    Request { from: usize, correlation: u64, incarnation: u64, request: Request },
    Answer { correlation: u64, incarnation: u64, answer: Answer },
    Flushed { generation: u64, end: Offset, incarnation: u64 },
    Tick { incarnation: u64 },
    Restart,
}

pub struct Node {
    pub raft: Option<Raft>,
    pub log: MemoryLog,
    durable: Option<QuorumState>,
    incarnation: u64,
    asked: BTreeMap<u64, (usize, u64, u64)>,
    next_token: u64,
    pub high_watermark: Offset,
    ticks_at: Option<u64>,
}

/// What may go wrong, each once in so many chances; 0: never.
#[derive(Clone, Copy, Default)]
pub struct Faults {
    pub drop: u64,
    pub duplicate: u64,
    pub slow: u64,
}

#[derive(Default, Debug)]
pub struct Coverage {
    pub elections: u64,
    pub crashes: u64,
    pub truncations: u64,
    pub downloads: u64,
    pub voter_changes: u64,
}

pub struct Cluster {
    pub now_ms: u64,
    pub random: Random,
    pub nodes: Vec<Node>,
    pub faults: Faults,
    pub cut: BTreeSet<(usize, usize)>,
    pub coverage: Coverage,
    configured: VoterSet,
    queue: BTreeMap<(u64, u64), (usize, Event)>,
    sequence: u64,
    leaders: BTreeMap<LeaderEpoch, NodeId>,
    votes: BTreeMap<(usize, LeaderEpoch), ReplicaKey>,
    committed: Vec<Option<Entry>>,
    appended: u64,
}

pub fn key(node: usize) -> ReplicaKey {
    let id = node as i32 + 1;
    ReplicaKey::new(NodeId(id), Uuid::from_halves(7, i64::from(id)))
}

pub fn endpoints(node: usize) -> Vec<Endpoint> {
    vec![Endpoint { listener: "CONTROLLER".into(), host: format!("c{}", node + 1), port: 9093 }]
}

pub fn voter(node: usize) -> Voter {
    Voter { key: key(node), endpoints: endpoints(node), supported: VersionRange::OURS }
}

fn settings(node: usize, count: usize) -> Settings {
    let mut settings = Settings::new(key(node), endpoints(node));
    settings.bootstrap_servers = (0..count)
        .map(|i| Destination { id: NodeId(-2 - i as i32), host: format!("c{}", i + 1), port: 9093 })
        .collect();
    settings
}

impl Cluster {
    pub fn new(seed: u64, arena: SharedArena, voters: usize, observers: usize, dynamic: bool) -> Cluster {
        let set = VoterSet::new((0..voters).map(voter));
        let bootstrap = vec![ControlRecord::KraftVersion(1), ControlRecord::Voters(set.clone())];
        let fixed = (0..voters).map(|node| Voter {
            key: ReplicaKey::without_directory(key(node).id),
            endpoints: endpoints(node),
            supported: VersionRange { min: 0, max: 0 },
        });
        let configured = if dynamic { VoterSet::default() } else { VoterSet::new(fixed) };
        let node = |_| {
            let log = MemoryLog::new(arena.clone());
            Node {
                raft: None,
                log: if dynamic { log.with_bootstrap(bootstrap.clone()) } else { log },
                durable: None,
                incarnation: 0,
                asked: BTreeMap::new(),
                next_token: 0,
                high_watermark: Offset(0),
                ticks_at: None,
            }
        };
        let mut cluster = Cluster {
            now_ms: 1,
            random: Random::new(seed),
            nodes: (0..voters + observers).map(node).collect(),
            faults: Faults::default(),
            cut: BTreeSet::new(),
            coverage: Coverage::default(),
            configured,
            queue: BTreeMap::new(),
            sequence: 0,
            leaders: BTreeMap::new(),
            votes: BTreeMap::new(),
            committed: Vec::new(),
            appended: 0,
        };
        (0..voters + observers).for_each(|node| cluster.start(node));
        cluster
    }

    fn time(&self) -> Time {
        Time { monotonic_us: self.now_ms * 1000, wall_ms: self.now_ms as i64 }
    }

    fn plan(&mut self, delay_ms: u64, node: usize, event: Event) {
        self.sequence += 1;
        self.queue.insert((self.now_ms + delay_ms, self.sequence), (node, event));
    }

    fn start(&mut self, index: usize) {
        let count = self.nodes.len();
        let now = self.time();
        let random = self.random.fork();
        let node = &mut self.nodes[index];
        let mut out = Vec::new();
        let quorum = node.log.quorum(self.configured.clone());
        node.incarnation += 1;
        node.high_watermark = Offset(0);
        node.ticks_at = None;
        let raft =
            Raft::start(settings(index, count), random, quorum, node.durable, now, &mut node.log, &mut out);
        node.raft = Some(raft.unwrap());
        self.drain(index, out);
    }

    pub fn crash(&mut self, index: usize) {
        let lost = self.random.below(3) as i64;
        let down = 10 + self.random.below(3000);
        let node = &mut self.nodes[index];
        if node.raft.take().is_some() {
            node.log.crash(lost);
            node.asked.clear();
            node.incarnation += 1;
            self.coverage.crashes += 1;
            self.plan(down, index, Event::Restart);
        }
    }

    /// Runs what is planned up to a time.
    pub fn run_until(&mut self, end_ms: u64) {
        let mut events = 0;
        while let Some((&(at, sequence), _)) = self.queue.first_key_value() {
            if at > end_ms {
                break;
            }
            events += 1;
            if events > 200_000 {
                let roles: Vec<_> =
                    self.nodes.iter().map(|node| node.raft.as_ref().map(Raft::role)).collect();
                panic!("spinning at {at}: {:?}, {roles:?}", self.queue.first_key_value());
            }
            let (node, event) = self.queue.remove(&(at, sequence)).unwrap();
            self.now_ms = self.now_ms.max(at);
            self.handle(node, event);
        }
        self.now_ms = end_ms;
    }

    fn handle(&mut self, index: usize, event: Event) {
        let node = &mut self.nodes[index];
        let current = node.incarnation;
        let input = match event {
            Event::Restart => return self.start(index),
            Event::Request { from, correlation, incarnation, request } => {
                if request == Request::ApiVersions {
                    return self.answer_probe(index, from, correlation, incarnation);
                }
                node.next_token += 1;
                node.asked.insert(node.next_token, (from, correlation, incarnation));
                Input::Request { token: Token(node.next_token), listener: "controller".into(), request }
            }
            Event::Answer { correlation, incarnation, answer } if incarnation == current => {
                Input::Answer { correlation, answer }
            }
            Event::Flushed { generation, end, incarnation } if incarnation == current => {
                node.log.flush(end.min(node.log.end_offset()));
                Input::Flushed { generation, end }
            }
            Event::Tick { incarnation } if incarnation == current => {
                node.ticks_at = None;
                Input::Tick
            }
            _ => return,
        };
        self.step(index, input);
    }

    fn answer_probe(&mut self, index: usize, to: usize, correlation: u64, incarnation: u64) {
        if self.nodes[index].raft.is_some() {
            let body = Body::ApiVersions { kraft_version: Some(VersionRange::OURS) };
            let epoch = LeaderEpoch(0);
            let answer =
                Answer { top: Code::NONE, code: Code::NONE, leader: None, epoch, endpoint: None, body };
            self.transmit(index, to, Event::Answer { correlation, incarnation, answer });
        }
    }

    fn step(&mut self, index: usize, input: Input) {
        let now = self.time();
        let node = &mut self.nodes[index];
        let Some(raft) = &mut node.raft else { return };
        let mut out = Vec::new();
        let end = node.log.end_offset();
        if let Err(fatal) = raft.step(now, input.clone(), &mut node.log, &mut out) {
            panic!("node {} at {} ms: {fatal} on {input:?}", index + 1, self.now_ms);
        }
        if node.log.end_offset() < end {
            self.coverage.truncations += 1;
        }
        self.drain(index, out);
    }

    fn drain(&mut self, index: usize, out: Vec<Output>) {
        for output in out {
            self.apply(index, output);
        }
        self.check(index);
        let now = self.now_ms;
        let node = &mut self.nodes[index];
        let deadline = node.raft.as_ref().and_then(Raft::deadline);
        if let Some(deadline) = deadline
            && node.ticks_at.is_none_or(|at| deadline < at)
        {
            node.ticks_at = Some(deadline);
            let incarnation = node.incarnation;
            self.plan(deadline.saturating_sub(now), index, Event::Tick { incarnation });
        }
    }

    fn apply(&mut self, index: usize, output: Output) {
        let incarnation = self.nodes[index].incarnation;
        match output {
            Output::Persist { state, file } => {
                let read = QuorumState::decode(&file).unwrap();
                assert_eq!((read.epoch, read.leader), (state.epoch, state.leader));
                assert_eq!(read.vote.map(|vote| vote.id), state.vote.map(|vote| vote.id));
                let before = self.nodes[index].durable.map_or(LeaderEpoch(0), |state| state.epoch);
                assert!(before <= state.epoch, "epochs never go back");
                self.nodes[index].durable = Some(read);
            }
            Output::Send { to, correlation, request } => {
                let target = to.host[1..].parse::<usize>().unwrap() - 1;
                let event = Event::Request { from: index, correlation, incarnation, request };
                self.transmit(index, target, event);
            }
            Output::Answer { token, answer } => {
                let asked = self.nodes[index].asked.remove(&token.0);
                let Some((to, correlation, incarnation)) = asked else { return };
                self.transmit(index, to, Event::Answer { correlation, incarnation, answer });
            }
            Output::Flush { generation } => {
                let end = self.nodes[index].log.end_offset();
                let delay = self.random.below(if self.random.clone().one_in(10) { 200 } else { 5 });
                self.plan(delay, index, Event::Flushed { generation, end, incarnation });
            }
            Output::HighWatermark(offset) => self.commit(index, offset),
            Output::SnapshotLoaded(_) => self.coverage.downloads += 1,
            Output::LeaderChanged { .. } | Output::Stopped => {}
        }
    }

    fn transmit(&mut self, from: usize, to: usize, event: Event) {
        let grants = match &event {
            Event::Request { request: Request::Vote(vote), .. } if !vote.pre_vote => Some(vote.epoch),
            _ => None,
        };
        if let Some(epoch) = grants {
            self.note_vote(from, epoch, key(from));
        }
        if let Event::Answer { answer: Answer { body: Body::Vote { granted: true }, epoch, .. }, .. } = &event
            && let Some(raft) = &self.nodes[from].raft
            && raft.persisted().vote == Some(key(to))
        {
            self.note_vote(from, *epoch, key(to));
        }
        if self.cut.contains(&(from, to)) || self.random.one_in(self.faults.drop) {
            return;
        }
        let slow = if self.random.one_in(self.faults.slow) { self.random.below(3000) } else { 0 };
        let delay = 1 + self.random.below(10) + slow;
        if self.random.one_in(self.faults.duplicate) {
            self.plan(delay + self.random.clone().below(500), to, event.clone());
        }
        self.plan(delay, to, event);
    }

    fn note_vote(&mut self, voter: usize, epoch: LeaderEpoch, candidate: ReplicaKey) {
        let first = *self.votes.entry((voter, epoch)).or_insert(candidate);
        assert_eq!(first, candidate, "node {} votes twice in epoch {epoch}", voter + 1);
    }

    fn check(&mut self, index: usize) {
        let Some(raft) = &self.nodes[index].raft else { return };
        if raft.role() == RoleName::Leader {
            let id = key(index).id;
            let before = self.leaders.len();
            let leader = *self.leaders.entry(raft.epoch()).or_insert(id);
            assert_eq!(leader, id, "two leaders in epoch {}", raft.epoch());
            self.coverage.elections += (self.leaders.len() - before) as u64;
        }
    }

    /// Committed entries are the same everywhere, and for ever.
    fn commit(&mut self, index: usize, high_watermark: Offset) {
        let node = &mut self.nodes[index];
        assert!(node.high_watermark <= high_watermark, "the high watermark went back");
        node.high_watermark = high_watermark;
        assert!(high_watermark <= node.log.end_offset());
        for entry in node.log.entries.iter().filter(|entry| entry.offset < high_watermark) {
            let at = entry.offset.0 as usize;
            if self.committed.len() <= at {
                self.committed.resize(at + 1, None);
            }
            match &self.committed[at] {
                Some(known) => assert_eq!(known, entry, "a committed entry changed"),
                None => self.committed[at] = Some(entry.clone()),
            }
        }
    }

    pub fn leader(&self) -> Option<usize> {
        let leads =
            |node: &Node| node.raft.as_ref().filter(|raft| raft.role() == RoleName::Leader).map(Raft::epoch);
        (0..self.nodes.len())
            .filter(|i| leads(&self.nodes[*i]).is_some())
            .max_by_key(|i| leads(&self.nodes[*i]))
    }

    /// A client's record at the newest leader; its offset.
    pub fn append(&mut self) -> Option<Offset> {
        let leader = self.leader()?;
        self.appended += 1;
        let now = self.time();
        let batch = bytes::Bytes::copy_from_slice(&self.appended.to_be_bytes());
        let node = &mut self.nodes[leader];
        let raft = node.raft.as_mut()?;
        let mut out = Vec::new();
        let offset = raft.append(now, raft.epoch(), &batch, &mut node.log, &mut out).unwrap();
        self.drain(leader, out);
        offset
    }

    /// A snapshot at a node's high watermark, and the log cut there.
    pub fn snapshot(&mut self, index: usize) {
        let node = &mut self.nodes[index];
        let Some(raft) = &node.raft else { return };
        let end = node.high_watermark;
        if end <= node.log.start {
            return;
        }
        let at = Offset(end.0 - 1);
        let mut records = Vec::new();
        if raft.quorum().kraft_version_at(at) > 0 {
            records.push(ControlRecord::KraftVersion(1));
            records.push(ControlRecord::Voters(raft.quorum().voters_at(at).clone()));
        }
        node.log.snapshot(end, records);
    }

    /// Asks the leader to add or remove a voter.
    pub fn change_voters(&mut self, index: usize) {
        let Some(leader) = self.leader() else { return };
        let raft = self.nodes[leader].raft.as_ref().unwrap();
        let request = if raft.voters().contains(key(index)) {
            if raft.voters().len() <= 2 {
                return;
            }
            Request::RemoveVoter(RemoveVoterRequest { voter: key(index) })
        } else {
            let endpoints = endpoints(index);
            Request::AddVoter(AddVoterRequest { voter: key(index), endpoints, ack_when_committed: true })
        };
        self.coverage.voter_changes += 1;
        self.step(leader, Input::Request { token: Token(u64::MAX), listener: "CONTROLLER".into(), request });
    }
}
