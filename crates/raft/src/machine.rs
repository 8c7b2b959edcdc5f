//! The machine: settings, inputs, outputs, and one step. What a role does is in the file of its subject.
//! Effects leave in order: what follows a `Persist` must not be seen before it is durable.

use std::io;

use bytes::Bytes;
use platform::{Random, Time};
use types::{LeaderEpoch, NodeId, Offset};

use crate::code::Code;
use crate::connections::{Connections, Sent};
use crate::history::Quorum;
use crate::log::{RaftLog, SnapshotId};
use crate::message::{Answer, Body, Destination, Request};
use crate::quorum_state::QuorumState;
use crate::role::{Role, RoleName};
use crate::voters::{Endpoint, ReplicaKey, VoterSet, endpoint_of};

/// Timers and limits in milliseconds and bytes, named for Kafka's `controller.quorum.*`.
#[derive(Clone, Debug)]
pub struct Settings {
    pub key: ReplicaKey,
    /// Controllers flush what they append; brokers only follow.
    pub is_controller: bool,
    /// Own controller listeners as others reach them.
    pub endpoints: Vec<Endpoint>,
    /// The first of `controller.listener.names`: how the leader is reached.
    pub listener: String,
    /// `controller.quorum.bootstrap.servers` with ids from -2 down, or the static voters.
    pub bootstrap_servers: Vec<Destination>,
    pub auto_join: bool,
    pub election_timeout_ms: u64,
    pub fetch_timeout_ms: u64,
    pub election_backoff_ms_max: u64,
    pub request_timeout_ms: u64,
    pub retry_backoff_ms: u64,
    pub fetch_bytes_max: i32,
    pub fetch_snapshot_bytes_max: i32,
}

impl Settings {
    /// Kafka's defaults for a controller that nobody else is known to.
    pub fn new(key: ReplicaKey, endpoints: Vec<Endpoint>) -> Settings {
        let listener = endpoints.first().map(|endpoint| endpoint.listener.clone()).unwrap_or_default();
        Settings {
            key,
            is_controller: true,
            endpoints,
            listener,
            bootstrap_servers: Vec::new(),
            auto_join: false,
            election_timeout_ms: 1000,
            fetch_timeout_ms: 2000,
            election_backoff_ms_max: 1000,
            request_timeout_ms: 2000,
            retry_backoff_ms: 20,
            fetch_bytes_max: 1_048_576,
            fetch_snapshot_bytes_max: 1_048_576,
        }
    }
}

/// Names a request of a peer until it is answered; the driver's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token(pub u64);

#[derive(Clone, Debug)]
pub enum Input {
    /// `listener`: the name of the one that the request came in on.
    Request {
        token: Token,
        listener: String,
        request: Request,
    },
    Answer {
        correlation: u64,
        answer: Answer,
    },
    /// The request was not delivered: BROKER_NOT_AVAILABLE, NETWORK_EXCEPTION or UNSUPPORTED_VERSION.
    Failed {
        correlation: u64,
        code: Code,
    },
    /// The flush asked for under this generation ended; everything below is durable.
    Flushed {
        generation: u64,
        end: Offset,
    },
    /// A peer cannot be connected to. Its own word that it stops would say the same; if it leads, another is elected.
    Gone(NodeId),
    /// `Raft::deadline` has come.
    Tick,
    /// The state machine cannot go on in this epoch.
    Resign(LeaderEpoch),
    Shutdown,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// To be durable before any later output is seen by others.
    Persist {
        state: QuorumState,
        file: Vec<u8>,
    },
    Send {
        to: Destination,
        correlation: u64,
        request: Request,
    },
    Answer {
        token: Token,
        answer: Answer,
    },
    /// The log has grown: make it durable up to its end, then `Input::Flushed`. A truncation begins a new
    /// generation, in which flushes of what was before say nothing.
    Flush {
        generation: u64,
    },
    /// Records below are committed. Grows, but for a leader that does not know it yet.
    HighWatermark(Offset),
    LeaderChanged {
        leader: Option<NodeId>,
        epoch: LeaderEpoch,
    },
    /// The log now starts at a snapshot's end: the state machine must load it.
    SnapshotLoaded(SnapshotId),
    /// Shutdown is complete.
    Stopped,
}

/// What the process does not survive.
#[derive(Debug, thiserror::Error)]
pub enum Fatal {
    #[error("metadata log failed: {0}")]
    Log(#[from] io::Error),
    #[error("quorum protocol violated: {0}")]
    Protocol(String),
}

/// One step's surroundings.
pub(crate) struct Turn<'a> {
    pub now: u64,
    pub wall_ms: i64,
    pub log: &'a mut dyn RaftLog,
    pub out: &'a mut Vec<Output>,
}

impl<'a> Turn<'a> {
    pub fn new(now: Time, log: &'a mut dyn RaftLog, out: &'a mut Vec<Output>) -> Turn<'a> {
        Turn { now: now.monotonic_ms(), wall_ms: now.wall_ms, log, out }
    }
}

/// Where a request came from.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Asker {
    pub token: Token,
    pub listener: String,
}

#[derive(Clone, Debug)]
pub struct Raft {
    pub(crate) settings: Settings,
    pub(crate) random: Random,
    pub(crate) quorum: Quorum,
    pub(crate) epoch: LeaderEpoch,
    pub(crate) role: Role,
    pub(crate) high_watermark: Option<Offset>,
    /// The log is durable below.
    pub(crate) flushed: Offset,
    pub(crate) log_generation: u64,
    pub(crate) connections: Connections,
    /// Requests that waited for a leadership now lost.
    pub(crate) orphans: Vec<(Asker, Body)>,
    pub(crate) announced: Option<(Option<NodeId>, LeaderEpoch)>,
    pub(crate) shutdown_deadline: Option<u64>,
    pub(crate) is_stopped: bool,
}

impl Raft {
    pub fn step(
        &mut self,
        now: Time,
        input: Input,
        log: &mut dyn RaftLog,
        out: &mut Vec<Output>,
    ) -> Result<(), Fatal> {
        let turn = &mut Turn::new(now, log, out);
        // timers first: a message must find the state that the time says
        self.poll(turn)?;
        match input {
            Input::Request { token, listener, request } => {
                self.on_request(Asker { token, listener }, request, turn)?
            }
            Input::Answer { correlation, answer } => self.on_answer(correlation, answer, turn)?,
            Input::Failed { correlation, code } => {
                let epoch = self.epoch;
                let answer =
                    Answer { top: code, code, leader: None, epoch, endpoint: None, body: Body::Nothing };
                self.on_answer(correlation, answer, turn)?;
            }
            Input::Flushed { generation, end } => self.on_flushed(generation, end, turn)?,
            Input::Gone(peer) => self.on_gone(peer, turn),
            Input::Tick => {}
            Input::Resign(epoch) => self.on_resign(epoch, turn),
            Input::Shutdown => self.on_shutdown(turn),
        }
        self.poll(turn)
    }

    /// A batch of the state machine's, if this node leads `epoch`; the offset of its last record.
    pub fn append(
        &mut self,
        now: Time,
        epoch: LeaderEpoch,
        batch: &Bytes,
        log: &mut dyn RaftLog,
        out: &mut Vec<Output>,
    ) -> Result<Option<Offset>, Fatal> {
        if self.role.name() != RoleName::Leader || self.epoch != epoch || self.shutdown_deadline.is_some() {
            return Ok(None);
        }
        let turn = &mut Turn::new(now, log, out);
        let last = turn.log.append_data(epoch, turn.wall_ms, batch)?;
        self.after_leader_append(turn)?;
        Ok(Some(last))
    }

    pub fn role(&self) -> RoleName {
        self.role.name()
    }

    /// A shutdown that was asked for is complete.
    pub fn is_stopped(&self) -> bool {
        self.is_stopped
    }

    pub fn epoch(&self) -> LeaderEpoch {
        self.epoch
    }

    pub fn leader(&self) -> Option<NodeId> {
        match self.role {
            Role::Leader(_) | Role::Resigned(_) => Some(self.settings.key.id),
            _ => self.role.remote_leader(),
        }
    }

    /// The leader that this node follows: its address for controllers.
    pub fn followed(&self) -> Option<Destination> {
        let id = match &self.role {
            Role::Follower(role) => role.leader,
            _ => return None,
        };
        let told = self.destination(id, self.role.leader_endpoints());
        told.or_else(|| self.destination(id, self.quorum.voters().endpoints(id)))
    }

    /// The name of the listener by which controllers reach each other.
    pub fn listener(&self) -> &str {
        &self.settings.listener
    }

    pub fn high_watermark(&self) -> Option<Offset> {
        self.high_watermark
    }

    /// Everything before it survives a loss of power.
    pub fn flushed(&self) -> Offset {
        self.flushed
    }

    /// Offset of the first record of this node's reign.
    pub fn epoch_start(&self) -> Option<Offset> {
        match &self.role {
            Role::Leader(leader) => Some(leader.epoch_start),
            _ => None,
        }
    }

    pub fn voters(&self) -> &VoterSet {
        self.quorum.voters()
    }

    pub fn quorum(&self) -> &Quorum {
        &self.quorum
    }

    pub fn key(&self) -> ReplicaKey {
        self.settings.key
    }

    pub fn is_voter(&self) -> bool {
        self.quorum.voters().contains(self.settings.key)
    }

    pub fn persisted(&self) -> QuorumState {
        let vote = match &self.role {
            Role::Unattached(role) => role.vote,
            Role::Prospective(role) => role.vote,
            Role::Follower(role) => role.vote,
            Role::Candidate(_) => Some(self.settings.key),
            Role::Leader(_) | Role::Resigned(_) => None,
        };
        QuorumState { epoch: self.epoch, leader: self.leader(), vote }
    }

    /// The time of the next `Input::Tick`, in milliseconds of the monotonic clock.
    pub fn deadline(&self) -> Option<u64> {
        let stands = self.shutdown_deadline.is_none();
        let role = match &self.role {
            Role::Unattached(role) => role.deadline.filter(|_| stands && self.is_voter()),
            Role::Prospective(role) => Some(role.deadline),
            Role::Candidate(role) => Some(role.deadline).filter(|_| stands),
            Role::Follower(role) => self.follower_deadline(role),
            Role::Leader(leader) => self.leader_deadline(leader),
            Role::Resigned(role) => Some(role.deadline).filter(|_| stands),
        };
        if self.is_stopped {
            return None;
        }
        [role, self.connections.next_deadline(), self.shutdown_deadline].into_iter().flatten().min()
    }

    pub(crate) fn poll(&mut self, turn: &mut Turn<'_>) -> Result<(), Fatal> {
        self.connections.expire(turn.now, turn.now + self.settings.retry_backoff_ms);
        self.answer_orphans(turn);
        self.poll_shutdown(turn);
        // a change of role may be due for another one at once; each polls what it has become
        loop {
            if self.is_stopped {
                return Ok(());
            }
            let before = (self.role.name(), self.epoch);
            match self.role.name() {
                RoleName::Unattached => self.poll_unattached(turn),
                RoleName::Prospective => self.poll_prospective(turn),
                RoleName::Candidate => self.poll_candidate(turn)?,
                RoleName::Follower => self.poll_follower(turn)?,
                RoleName::Leader => self.poll_leader(turn)?,
                RoleName::Resigned => self.poll_resigned(turn),
            }
            if before == (self.role.name(), self.epoch) {
                break;
            }
        }
        self.answer_orphans(turn);
        self.announce(turn);
        Ok(())
    }

    pub(crate) fn announce(&mut self, turn: &mut Turn<'_>) {
        // a resigned leader leads no longer, though it is still the epoch's
        let leader = match self.role {
            Role::Resigned(_) => None,
            _ => self.leader(),
        };
        let current = Some((leader, self.epoch));
        if self.announced != current {
            self.announced = current;
            turn.out.push(Output::LeaderChanged { leader, epoch: self.epoch });
        }
    }

    fn on_request(&mut self, asker: Asker, request: Request, turn: &mut Turn<'_>) -> Result<(), Fatal> {
        match request {
            Request::Vote(request) => self.on_vote(&asker, &request, turn),
            Request::BeginQuorumEpoch(request) => self.on_begin_quorum_epoch(&asker, request, turn)?,
            Request::EndQuorumEpoch(request) => self.on_end_quorum_epoch(&asker, request, turn)?,
            Request::Fetch(request) => self.on_fetch(asker, request, turn)?,
            Request::FetchSnapshot(request) => self.on_fetch_snapshot(&asker, &request, turn)?,
            Request::AddVoter(request) => self.on_add_voter(asker, request, turn),
            Request::RemoveVoter(request) => self.on_remove_voter(asker, request, turn)?,
            Request::UpdateVoter(request) => self.on_update_voter(&asker, request, turn)?,
            Request::DescribeQuorum { known_topic } => self.on_describe_quorum(&asker, known_topic, turn),
            Request::ApiVersions => {}
        }
        Ok(())
    }

    fn on_answer(&mut self, correlation: u64, answer: Answer, turn: &mut Turn<'_>) -> Result<(), Fatal> {
        let Some((from, sent)) = self.connections.awaited(correlation) else { return Ok(()) };
        let good = match sent {
            Sent::Probe => {
                self.connections.answered(correlation, None);
                return self.on_probe_answer(from, answer, turn);
            }
            Sent::AddVoter | Sent::RemoveVoter => self.on_join_answer(&answer, turn),
            _ => self.on_quorum_answer(from, sent, answer, turn)?,
        };
        let back_off = (!good).then_some(turn.now + self.settings.retry_backoff_ms);
        self.connections.answered(correlation, back_off);
        Ok(())
    }

    /// The rules that all answers with (error, leader, epoch) share, in order; the first that applies wins.
    /// True: the connection is ready at once; false: it backs off.
    fn on_quorum_answer(
        &mut self,
        from: NodeId,
        sent: Sent,
        answer: Answer,
        turn: &mut Turn<'_>,
    ) -> Result<bool, Fatal> {
        if answer.top.is_error() {
            return self.on_top_error(sent, answer.top, turn);
        }
        // one that has nothing to give is not asked again at once: fetches would spin against it
        let may_repeat = sent != Sent::Fetch;
        if answer.epoch < self.epoch || answer.code == Code::UNKNOWN_LEADER_EPOCH {
            return Ok(may_repeat);
        }
        let endpoints: Vec<Endpoint> = answer.endpoint.iter().cloned().collect();
        if answer.epoch > self.epoch
            || matches!(answer.code, Code::FENCED_LEADER_EPOCH | Code::NOT_LEADER_OR_FOLLOWER)
        {
            self.learn(answer.leader, endpoints, answer.epoch, turn)?;
            return Ok(may_repeat);
        }
        if answer.leader.is_some() && self.leader().is_none() {
            self.learn(answer.leader, endpoints, answer.epoch, turn)?;
            if answer.code.is_error() {
                return Ok(true);
            }
        }
        match answer.code {
            Code::BROKER_NOT_AVAILABLE => return Ok(false),
            Code::INVALID_VOTER_KEY => return Ok(true),
            Code::INVALID_REQUEST => {
                return Err(Fatal::Protocol(format!("node {from} calls our {sent:?} request invalid")));
            }
            _ => {}
        }
        match (sent, answer.body) {
            (Sent::Vote, Body::Vote { granted }) => self.on_vote_answer(from, answer.code, granted, turn),
            (Sent::BeginQuorumEpoch, _) => Ok(!answer.code.is_error()),
            (Sent::EndQuorumEpoch, _) => Ok(self.on_end_quorum_epoch_answer(from, answer.code)),
            (Sent::Fetch, Body::Fetch(fetched)) => self.on_fetch_answer(answer.code, fetched, turn),
            (Sent::FetchSnapshot, Body::FetchSnapshot(chunk)) => {
                self.on_fetch_snapshot_answer(answer.code, chunk, turn)
            }
            (Sent::UpdateVoter, _) => Ok(self.on_update_voter_answer(answer.code, turn)),
            _ => Ok(false),
        }
    }

    fn on_top_error(&mut self, sent: Sent, code: Code, turn: &mut Turn<'_>) -> Result<bool, Fatal> {
        match code {
            Code::CLUSTER_AUTHORIZATION_FAILED => {
                Err(Fatal::Protocol(format!("not authorized to send {sent:?} to the quorum")))
            }
            // a peer without pre-votes: the election goes on without them
            Code::UNSUPPORTED_VERSION if sent == Sent::Vote && self.role.name() == RoleName::Prospective => {
                self.become_candidate(turn);
                Ok(true)
            }
            Code::UNSUPPORTED_VERSION if sent == Sent::UpdateVoter => {
                Ok(self.on_update_voter_answer(code, turn))
            }
            _ => Ok(false),
        }
    }

    /// Sends to a destination that is ready.
    pub(crate) fn send(&mut self, to: Destination, sent: Sent, request: Request, turn: &mut Turn<'_>) {
        let deadline = turn.now + self.settings.request_timeout_ms;
        let correlation = self.connections.sent(to.id, sent, deadline);
        turn.out.push(Output::Send { to, correlation, request });
    }

    /// The voter's address under the name of the controller listener.
    pub(crate) fn destination(&self, id: NodeId, endpoints: &[Endpoint]) -> Option<Destination> {
        let endpoint = endpoint_of(endpoints, &self.settings.listener)?;
        Some(Destination { id, host: endpoint.host.clone(), port: endpoint.port })
    }

    /// An answer with this node's view of leader and epoch.
    pub(crate) fn answer(&self, asker: &Asker, code: Code, body: Body) -> Answer {
        let leader = self.leader();
        let endpoints = match self.role {
            Role::Leader(_) | Role::Resigned(_) => &self.settings.endpoints[..],
            _ => self.role.leader_endpoints(),
        };
        let endpoint = endpoint_of(endpoints, &asker.listener).cloned();
        let endpoint = endpoint.filter(|_| leader.is_some());
        Answer { top: Code::NONE, code, leader, epoch: self.epoch, endpoint, body }
    }

    pub(crate) fn reply(&self, asker: &Asker, code: Code, body: Body, turn: &mut Turn<'_>) {
        let answer = self.answer(asker, code, body);
        turn.out.push(Output::Answer { token: asker.token, answer });
    }

    /// What stands against a request that only a leader serves; none for Add and Remove, which carry no epoch.
    pub(crate) fn refusal_to_lead(&self, epoch: Option<LeaderEpoch>) -> Option<Code> {
        match epoch {
            Some(epoch) if epoch < self.epoch => return Some(Code::FENCED_LEADER_EPOCH),
            Some(epoch) if epoch > self.epoch => return Some(Code::UNKNOWN_LEADER_EPOCH),
            _ => {}
        }
        if self.role.name() != RoleName::Leader {
            return Some(Code::NOT_LEADER_OR_FOLLOWER);
        }
        self.shutdown_deadline.map(|_| Code::BROKER_NOT_AVAILABLE)
    }

    fn on_flushed(&mut self, generation: u64, end: Offset, turn: &mut Turn<'_>) -> Result<(), Fatal> {
        if generation != self.log_generation {
            return Ok(());
        }
        self.flushed = self.flushed.max(end).min(turn.log.end_offset());
        if self.role.name() == RoleName::Leader {
            self.update_leader_high_watermark(turn)?;
        }
        Ok(())
    }
}
