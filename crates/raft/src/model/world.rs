//! All nodes, what is between them, and what has been promised: one state of the model, and how a step of one node's
//! machine changes it. Every output is judged as it comes.

use std::hash::{Hash, Hasher};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use platform::Random;
use types::{LeaderEpoch, Offset};

use super::Plant;
use super::laws::{Broken, Law};
use super::log::{Entry, ModelLog, Payload};
use super::network::{Awaited, CLIENT, Content, Message, STALE, asker_of};
use super::node::{Node, now};
use super::settings::{Bounds, has, id, key, settings, target};
use crate::code::Code;
use crate::machine::{Fatal, Input, Output, Raft};
use crate::message::{Answer, Body, Request};
use crate::quorum_state::QuorumState;
use crate::role::{Role, RoleName};
use crate::voters::VersionRange;

/// What has been used up of the bounds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Spent {
    pub appends: u8,
    pub crashes: u8,
    pub resignations: u8,
    pub time_outs: u8,
    pub voter_changes: u8,
    pub snapshots: u8,
}

#[derive(Clone, Debug)]
pub struct World {
    pub nodes: Vec<Arc<Node>>,
    /// A set: ordered by fingerprint.
    pub network: Vec<Arc<Message>>,
    /// Who has led which epoch.
    pub leaders: Vec<(i32, u8)>,
    /// Whatever a high watermark has ever passed, and the epoch in which it first did.
    pub committed: Vec<(Entry, i32)>,
    pub spent: Spent,
    pub broken: Broken,
}

impl Hash for World {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let World { nodes, network, leaders, committed, spent, broken } = self;
        nodes.iter().for_each(|node| node.fingerprint.hash(state));
        network.len().hash(state);
        network.iter().for_each(|message| message.fingerprint.hash(state));
        (leaders, committed, spent, broken).hash(state);
    }
}

impl PartialEq for World {
    fn eq(&self, other: &World) -> bool {
        let key = |world: &World| {
            let nodes: Vec<u64> = world.nodes.iter().map(|node| node.fingerprint).collect();
            let network: Vec<u64> = world.network.iter().map(|message| message.fingerprint).collect();
            (nodes, network, world.leaders.clone(), world.committed.clone(), world.spent, world.broken)
        };
        key(self) == key(other)
    }
}

type Outcome = Result<(), Fatal>;

impl World {
    /// A quorum that has run before: its voters are committed, nobody leads.
    pub fn new(bounds: &Bounds) -> World {
        let entry = |payload| Entry { epoch: 1, payload };
        let entries = vec![entry(Payload::KraftVersion), entry(Payload::Voters(bounds.voters))];
        let logs = vec![entries.clone(); bounds.nodes.into()];
        World::with_logs(bounds, logs, entries, 1)
    }

    /// One whose nodes have these logs.
    pub fn with_logs(bounds: &Bounds, logs: Vec<Vec<Entry>>, committed: Vec<Entry>, epoch: i32) -> World {
        let mut world = World {
            nodes: Vec::new(),
            network: Vec::new(),
            leaders: Vec::new(),
            committed: committed.into_iter().map(|entry| (entry, entry.epoch)).collect(),
            spent: Spent::default(),
            broken: Broken::default(),
        };
        let durable = QuorumState::new(LeaderEpoch(epoch));
        for (index, entries) in (0..).zip(logs) {
            let mut log = ModelLog::new(entries, bounds.voters);
            let (raft, out) = start(index, &mut log, durable, bounds);
            let node = Node { raft, log, durable, claimed: 0, fingerprint: 0 };
            world.nodes.push(Arc::new(node));
            world.finish(index, out, None, bounds);
        }
        world
    }

    pub fn leads(&self, node: u8) -> bool {
        self.nodes[usize::from(node)].raft.role() == RoleName::Leader
    }

    pub fn node_mut(&mut self, index: u8) -> &mut Node {
        Arc::make_mut(&mut self.nodes[usize::from(index)])
    }

    /// The process ends and starts again with what its disk has.
    pub fn reboot(&mut self, index: u8, keeps_unflushed: bool, bounds: &Bounds) {
        self.rename(index, &Awaited::default());
        let node = self.node_mut(index);
        node.log.crash(keeps_unflushed);
        let (raft, out) = start(index, &mut node.log, node.durable, bounds);
        node.raft = raft;
        node.claimed = 0;
        self.finish(index, out, None, bounds);
    }

    pub fn deliver(&mut self, message: &Arc<Message>, bounds: &Bounds) {
        self.network.retain(|known| known.fingerprint != message.fingerprint);
        let input = match &message.body {
            Content::Request(Request::ApiVersions) => return self.answer_probe(message),
            Content::Request(request) => Input::Request {
                token: super::network::token(message.from, message.correlation),
                listener: "C".into(),
                request: request.clone(),
            },
            Content::Answer(answer) => {
                Input::Answer { correlation: message.correlation, answer: answer.clone() }
            }
        };
        let handled = Some(message.as_ref());
        self.step(message.to, handled, bounds, |node, out| node.raft.step(now(), input, &mut node.log, out));
    }

    /// Not the machine but its driver answers what the node can run.
    fn answer_probe(&mut self, message: &Message) {
        let body = Body::ApiVersions { kraft_version: Some(VersionRange::OURS) };
        let epoch = LeaderEpoch(0);
        let answer = Answer { top: Code::NONE, code: Code::NONE, leader: None, epoch, endpoint: None, body };
        if !message.is_stale() {
            self.send(Message::new(message.to, message.from, message.correlation, Content::Answer(answer)));
        }
    }

    pub fn step(
        &mut self,
        index: u8,
        handled: Option<&Message>,
        bounds: &Bounds,
        act: impl FnOnce(&mut Node, &mut Vec<Output>) -> Outcome,
    ) {
        let mut out = Vec::new();
        self.act(index, &mut out, act);
        self.finish(index, out, handled, bounds);
    }

    fn act(
        &mut self,
        index: u8,
        out: &mut Vec<Output>,
        act: impl FnOnce(&mut Node, &mut Vec<Output>) -> Outcome,
    ) {
        let node = self.node_mut(index);
        match catch_unwind(AssertUnwindSafe(|| act(node, out))) {
            Ok(Ok(())) => {}
            Ok(Err(_)) | Err(_) => self.broken.add(Law::NobodyDies),
        }
    }

    /// Judges and carries out what a step put out, and what follows of itself: flushes where they are at once, the
    /// ends of back-offs. Then takes the time out of the node.
    fn finish(&mut self, index: u8, out: Vec<Output>, handled: Option<&Message>, bounds: &Bounds) {
        self.apply(index, out, handled, bounds);
        loop {
            let mut out = Vec::new();
            let node = self.node_mut(index);
            if !bounds.slow_flush && node.raft.flushed < Offset(node.log.end()) {
                let lies = bounds.plant == Some(Plant::FlushLies);
                self.act(index, &mut out, |node, out| flush(node, lies, out));
            } else if node.end_back_offs() {
                self.act(index, &mut out, |node, out| node.raft.step(now(), Input::Tick, &mut node.log, out));
            } else {
                break;
            }
            self.apply(index, out, handled, bounds);
        }
        self.judge_node(index, bounds);
        self.normalise(index, bounds);
        self.deliver_receipts(bounds);
    }

    fn apply(&mut self, index: u8, out: Vec<Output>, handled: Option<&Message>, bounds: &Bounds) {
        for output in out {
            match output {
                Output::Persist { state, .. } => self.persist(index, state, bounds),
                Output::Send { to, correlation, request } => {
                    self.judge_request(index, &request);
                    self.send(Message::new(index, target(&to), correlation, Content::Request(request)));
                }
                Output::Answer { token, answer } => {
                    self.judge_answer(index, &answer, handled);
                    let (asker, correlation) = asker_of(token);
                    if token != CLIENT && correlation != STALE {
                        self.send(Message::new(index, asker, correlation, Content::Answer(answer)));
                    }
                }
                Output::HighWatermark(offset) => self.commit(index, offset.0),
                Output::SnapshotLoaded(_)
                | Output::Flush { .. }
                | Output::LeaderChanged { .. }
                | Output::Stopped => {}
            }
        }
    }

    fn send(&mut self, message: Arc<Message>) {
        self.network.push(message);
    }

    fn persist(&mut self, index: u8, mut state: QuorumState, bounds: &Bounds) {
        let node = self.node_mut(index);
        let is_back = state.epoch < node.durable.epoch;
        let is_own = state.vote == Some(key(index));
        if bounds.plant == Some(Plant::VoteForgotten) && !is_own {
            state.vote = None;
        }
        node.durable = state;
        if is_back {
            self.broken.add(Law::EpochsGrow);
        }
    }

    fn normalise(&mut self, index: u8, bounds: &Bounds) {
        let node = self.node_mut(index);
        if let Role::Leader(leader) = &mut node.raft.role
            && bounds.plant == Some(Plant::EarlierEpochCommits)
        {
            leader.epoch_start = Offset(-1);
        }
        let awaited = Awaited::rename(&mut node.raft);
        node.normalise();
        self.rename(index, &awaited);
        let nodes = &self.nodes;
        // a request that nobody waits for and that comes too late for its receiver does nothing
        self.network.retain(|message| {
            let receiver = &nodes[usize::from(message.to)].raft;
            !message.is_stale() || message.may_matter() && message.epoch() >= Some(receiver.epoch())
        });
        self.network.sort_by_key(|message| message.fingerprint);
        self.network.dedup_by_key(|message| message.fingerprint);
    }

    /// In all that is on the way or waits, what the node waits for gets the name that it has now.
    fn rename(&mut self, index: u8, awaited: &Awaited) {
        awaited.rename_messages(index, &mut self.network);
        for other in 0..self.nodes.len() {
            let Role::Leader(leader) = &self.nodes[other].raft.role else { continue };
            if leader.parked.iter().any(|parked| awaited.renamed(index, parked.asker.token).is_some()) {
                self.rename_parked(other as u8, index, awaited);
            }
        }
    }

    /// Answers that only free a connection come at once.
    fn deliver_receipts(&mut self, bounds: &Bounds) {
        while let Some(receipt) = self.network.iter().find(|message| message.is_receipt()).cloned() {
            self.deliver(&receipt, bounds);
        }
    }

    fn rename_parked(&mut self, holder: u8, asker: u8, awaited: &Awaited) {
        let node = self.node_mut(holder);
        if let Role::Leader(leader) = &mut node.raft.role {
            for parked in &mut leader.parked {
                if let Some(token) = awaited.renamed(asker, parked.asker.token) {
                    parked.asker.token = token;
                }
            }
        }
        node.normalise();
    }

    pub fn stale_requests(&self) -> usize {
        self.network.iter().filter(|message| message.is_stale()).count()
    }

    pub fn is_observer(&self, index: u8) -> bool {
        !self.nodes[usize::from(index)].raft.is_voter()
    }

    /// The epoch's leader where somebody leads: the newest.
    pub fn leader(&self) -> Option<u8> {
        let leading = (0..self.nodes.len() as u8).filter(|node| self.leads(*node));
        leading.max_by_key(|node| self.nodes[usize::from(*node)].raft.epoch())
    }

    /// A voter that does not follow the leader of its epoch, and is not asked anything by it.
    pub fn needs_begin_epoch(&self, leader: u8) -> bool {
        let raft = &self.nodes[usize::from(leader)].raft;
        self.nodes.iter().zip(0..).any(|(node, index)| {
            index != leader
                && has(super::settings::voter_mask(raft.voters()), index)
                && node.raft.epoch() <= raft.epoch()
                && node.raft.role.remote_leader() != Some(id(leader))
                && raft.connections.is_ready(id(index))
        })
    }
}

/// All that has been appended becomes durable, and the machine is told.
pub fn flush(node: &mut Node, lies: bool, out: &mut Vec<Output>) -> Outcome {
    let end = node.log.end();
    if !lies {
        node.log.durable_end = end;
    }
    let input = Input::Flushed { generation: node.raft.log_generation, end: Offset(end) };
    node.raft.step(now(), input, &mut node.log, out)
}

fn start(index: u8, log: &mut ModelLog, durable: QuorumState, bounds: &Bounds) -> (Raft, Vec<Output>) {
    let mut out = Vec::new();
    let (settings, quorum) = (settings(index, bounds), log.quorum());
    let raft = Raft::start(settings, Random::new(0), quorum, Some(durable), now(), log, &mut out);
    (raft.expect("a node starts with what it wrote"), out)
}
