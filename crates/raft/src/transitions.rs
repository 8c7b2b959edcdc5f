//! Start, and every change of role. Each durable one is persisted before anything that follows from it, and
//! forgets the connections: answers to the old role's requests are dropped.

use platform::{Random, Time};
use types::{LeaderEpoch, NodeId};

use crate::connections::Connections;
use crate::history::Quorum;
use crate::log::RaftLog;
use crate::machine::{Fatal, Output, Raft, Settings, Turn};
use crate::quorum_state::QuorumState;
use crate::role::{Candidate, Follower, Prospective, Resigned, Role, RoleName, Tally, Unattached};
use crate::voters::{Endpoint, ReplicaKey};

impl Raft {
    /// The role that the files give. `durable`: what the quorum-state file says, if there is one. `quorum`: built
    /// from the newest snapshot and the log from its end on. Everything in the log counts as flushed.
    pub fn start(
        settings: Settings,
        random: Random,
        quorum: Quorum,
        durable: Option<QuorumState>,
        now: Time,
        log: &mut dyn RaftLog,
        out: &mut Vec<Output>,
    ) -> Result<Raft, Fatal> {
        let turn = &mut Turn::new(now, log, out);
        let unattached = Unattached { leader: None, vote: None, deadline: None };
        let mut raft = Raft {
            settings,
            random,
            quorum,
            epoch: LeaderEpoch(0),
            role: Role::Unattached(unattached),
            high_watermark: None,
            flushed: turn.log.end_offset(),
            log_generation: 0,
            connections: Connections::default(),
            orphans: Vec::new(),
            announced: None,
            shutdown_deadline: None,
            is_stopped: false,
        };
        raft.restore(durable.unwrap_or_default(), turn)?;
        if raft.quorum.voters().is_only(raft.settings.key) && raft.role.name() != RoleName::Candidate {
            raft.become_prospective(turn);
        }
        raft.poll(turn)?;
        Ok(raft)
    }

    fn restore(&mut self, durable: QuorumState, turn: &mut Turn<'_>) -> Result<(), Fatal> {
        let own = self.settings.key;
        let log_epoch = turn.log.last_epoch();
        if durable.epoch < log_epoch {
            // the file is older than the log: whom this node voted for since is not known
            self.become_unattached(log_epoch, None, None, turn);
            return Ok(());
        }
        self.epoch = durable.epoch;
        match (durable.leader, durable.vote) {
            (Some(leader), _) if leader == own.id => {
                // never leads the same epoch again: the end it counted may not have been durable
                self.become_resigned(Vec::new(), turn);
                self.persist(turn);
            }
            // Kafka stands again even where it knows that another won, with a log of that epoch: an invalid request
            (None, Some(vote)) if vote.covers(own) && log_epoch < durable.epoch => {
                if !self.is_voter() {
                    // it was made a voter by a record that the crash took; the vote stays given
                    self.become_unattached(durable.epoch, None, Some(vote), turn);
                    return Ok(());
                }
                let tally = Tally::new(self.quorum.voters(), own.id);
                let deadline = self.election_deadline(turn);
                self.enter(Role::Candidate(Candidate { tally, deadline }));
                self.persist(turn);
            }
            (Some(leader), vote) => {
                let endpoints = self.quorum.voters().endpoints(leader).to_vec();
                if endpoints.is_empty() {
                    self.become_unattached(durable.epoch, Some(leader), vote, turn);
                } else {
                    self.become_follower(durable.epoch, leader, endpoints, vote, turn);
                }
            }
            (None, vote) => self.become_unattached(durable.epoch, None, vote, turn),
        }
        Ok(())
    }

    pub(crate) fn enter(&mut self, role: Role) {
        self.connections.clear();
        self.role = role;
    }

    pub(crate) fn persist(&self, turn: &mut Turn<'_>) {
        let state = self.persisted();
        let file = state.encode(self.quorum.kraft_version(), self.quorum.voters().ids());
        turn.out.push(Output::Persist { state, file });
    }

    /// A fresh random time until the next election.
    pub(crate) fn election_deadline(&mut self, turn: &Turn<'_>) -> u64 {
        let timeout = self.settings.election_timeout_ms;
        turn.now + timeout + self.random.below(timeout)
    }

    /// In a new epoch the time already waited counts: else a peer that bumps epochs could keep all from standing.
    fn carried_deadline(&mut self, turn: &Turn<'_>) -> u64 {
        match &self.role {
            Role::Unattached(Unattached { deadline: Some(deadline), .. }) => *deadline,
            Role::Prospective(role) if !role.tally.is_lost() => role.deadline,
            Role::Candidate(role) => role.deadline,
            Role::Resigned(role) => role.deadline,
            _ => self.election_deadline(turn),
        }
    }

    pub(crate) fn become_unattached(
        &mut self,
        epoch: LeaderEpoch,
        leader: Option<NodeId>,
        vote: Option<ReplicaKey>,
        turn: &mut Turn<'_>,
    ) {
        let deadline = if self.is_voter() { Some(self.carried_deadline(turn)) } else { None };
        self.leave_leadership(turn);
        self.epoch = epoch;
        self.enter(Role::Unattached(Unattached { leader, vote, deadline }));
        self.persist(turn);
    }

    pub(crate) fn become_follower(
        &mut self,
        epoch: LeaderEpoch,
        leader: NodeId,
        endpoints: Vec<Endpoint>,
        vote: Option<ReplicaKey>,
        turn: &mut Turn<'_>,
    ) {
        self.leave_leadership(turn);
        self.epoch = epoch;
        self.enter(Role::Follower(Follower {
            leader,
            endpoints,
            vote,
            fetch_deadline: turn.now + self.settings.fetch_timeout_ms,
            has_fetched: false,
            update_deadline: turn.now + self.settings.fetch_timeout_ms,
            is_updated: false,
            download: None,
        }));
        self.persist(turn);
    }

    /// Asks for pre-votes in the same epoch; nothing is persisted.
    pub(crate) fn become_prospective(&mut self, turn: &mut Turn<'_>) {
        let leader = self.role.remote_leader().map(|id| (id, self.role.leader_endpoints().to_vec()));
        let vote = self.persisted().vote;
        let tally = Tally::new(self.quorum.voters(), self.settings.key.id);
        let deadline = self.election_deadline(turn);
        self.enter(Role::Prospective(Prospective { leader, vote, tally, deadline }));
    }

    /// Stands for election in the next epoch.
    pub(crate) fn become_candidate(&mut self, turn: &mut Turn<'_>) {
        self.epoch = LeaderEpoch(self.epoch.0.saturating_add(1));
        let tally = Tally::new(self.quorum.voters(), self.settings.key.id);
        let deadline = self.election_deadline(turn);
        self.enter(Role::Candidate(Candidate { tally, deadline }));
        self.persist(turn);
    }

    /// Gives leadership up. The file goes on naming this node, so that a restart ends here too.
    pub(crate) fn become_resigned(&mut self, candidates: Vec<ReplicaKey>, turn: &mut Turn<'_>) {
        let deadline = self.election_deadline(turn);
        self.leave_leadership(turn);
        self.high_watermark = None;
        let voters = self.quorum.voters().clone();
        self.enter(Role::Resigned(Resigned {
            voters,
            candidates,
            acknowledged: Default::default(),
            deadline,
        }));
    }

    /// Takes over what a message says about leader and epoch. `endpoints`: the leader's, as far as it says.
    pub(crate) fn learn(
        &mut self,
        leader: Option<NodeId>,
        endpoints: Vec<Endpoint>,
        epoch: LeaderEpoch,
        turn: &mut Turn<'_>,
    ) -> Result<(), Fatal> {
        let endpoints = match leader {
            Some(id) if endpoints.is_empty() => self.quorum.voters().endpoints(id).to_vec(),
            _ => endpoints,
        };
        if epoch > self.epoch {
            match leader {
                Some(id) if id == self.settings.key.id => {
                    let text =
                        format!("epoch {epoch} is said to be led by this node, which never reached it");
                    return Err(Fatal::Protocol(text));
                }
                // nobody knows where it is: the epoch is taken over, the leader will say so itself
                Some(_) if endpoints.is_empty() => self.become_unattached(epoch, None, None, turn),
                Some(id) => self.become_follower(epoch, id, endpoints, None, turn),
                None => self.become_unattached(epoch, None, None, turn),
            }
            return Ok(());
        }
        let Some(id) = leader else { return Ok(()) };
        if epoch < self.epoch {
            return Ok(());
        }
        match self.leader() {
            None if id == self.settings.key.id => {
                Err(Fatal::Protocol(format!("epoch {epoch} is said to be led by this node, which does not")))
            }
            Some(known) if known != id => {
                Err(Fatal::Protocol(format!("epoch {epoch} has two leaders, {known} and {id}")))
            }
            None if endpoints.is_empty() => Ok(()),
            Some(_) if id == self.settings.key.id => Ok(()),
            Some(_) if endpoints.len() <= self.role.leader_endpoints().len() => Ok(()),
            _ => {
                let vote = self.persisted().vote;
                self.become_follower(epoch, id, endpoints, vote, turn);
                Ok(())
            }
        }
    }
}
