//! A node of the model: the machine itself with its log and its file. Time is taken out of it after every step: what
//! is due is a choice of the model, so a deadline is either now or far away, and what only tells time is forgotten.

use std::hash::{Hash, Hasher};

use platform::{Random, Time};

use super::log::ModelLog;
use super::network::{STALE, asker_of, fingerprint};
use crate::connections::Connection;
use crate::leader::{ParkedFetch, Progress};
use crate::machine::Raft;
use crate::membership::VoterChange;
use crate::quorum_state::QuorumState;
use crate::role::Role;

/// Milliseconds of the only moment there is.
pub const NOW: u64 = 1 << 30;
const FAR: u64 = 1 << 40;

pub fn now() -> Time {
    Time { monotonic_us: NOW * 1000, wall_ms: 1 }
}

#[derive(Clone, Debug)]
pub struct Node {
    pub raft: Raft,
    pub log: ModelLog,
    /// The quorum-state file.
    pub durable: QuorumState,
    /// The highest high watermark told to the state machine in this incarnation.
    pub claimed: i64,
    pub fingerprint: u64,
}

impl Hash for Node {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let Node { raft, log, durable, claimed, fingerprint: _ } = self;
        (log, durable, claimed).hash(state);
        let Raft {
            settings: _, // never changes
            random: _,   // normal
            quorum: _,   // always the log's, see `Law::Voters`
            epoch,
            role,
            high_watermark,
            flushed,
            log_generation: _, // normal
            connections,
            orphans,
            announced,
            shutdown_deadline,
            is_stopped,
        } = raft;
        (epoch, role, high_watermark, flushed, connections).hash(state);
        (orphans, announced, shutdown_deadline, is_stopped).hash(state);
    }
}

impl Node {
    /// Takes time, draws and counters out of the machine.
    pub fn normalise(&mut self) {
        let raft = &mut self.raft;
        raft.random = Random::new(0);
        raft.log_generation = 0;
        for connection in raft.connections.connections.values_mut() {
            if let Connection::InFlight { deadline, .. } = connection {
                *deadline = FAR;
            }
        }
        set_role_deadlines(&mut raft.role, FAR);
        normalise_leader(&mut raft.role);
        raft.shutdown_deadline = raft.shutdown_deadline.map(|_| FAR);
        self.fingerprint = fingerprint(self);
    }

    /// The timer of the role has run out: election, fetch or check-quorum.
    pub fn elapse(&mut self) {
        set_role_deadlines(&mut self.raft.role, NOW);
    }

    /// The leader's period ends in which it has heard from nobody.
    pub fn begin_epoch_is_due(&mut self) {
        if let Role::Leader(leader) = &mut self.raft.role {
            leader.begin_epoch_deadline = NOW;
            leader.voters.values_mut().for_each(|progress| progress.last_fetch = None);
        }
    }

    pub fn parked_are_due(&mut self) {
        if let Role::Leader(leader) = &mut self.raft.role {
            leader.parked.iter_mut().for_each(|parked| parked.deadline = NOW);
        }
    }

    pub fn has_parked(&self) -> bool {
        matches!(&self.raft.role, Role::Leader(leader) if !leader.parked.is_empty())
    }

    /// Ends every back-off; false where there was none.
    pub fn end_back_offs(&mut self) -> bool {
        let mut any = false;
        for connection in self.raft.connections.connections.values_mut() {
            if let Connection::BackOff { until } = connection {
                *until = NOW;
                any = true;
            }
        }
        any
    }

    /// Requests in flight to a destination have been waited for long enough.
    pub fn give_up(&mut self, to: types::NodeId) {
        if let Some(Connection::InFlight { deadline, .. }) = self.raft.connections.connections.get_mut(&to) {
            *deadline = NOW;
        }
    }
}

fn set_role_deadlines(role: &mut Role, at: u64) {
    match role {
        Role::Unattached(role) => role.deadline = role.deadline.map(|_| at),
        Role::Prospective(role) => role.deadline = at,
        Role::Candidate(role) => role.deadline = at,
        Role::Follower(role) => role.fetch_deadline = at,
        Role::Leader(leader) => leader.check_quorum_deadline = at,
        Role::Resigned(role) => role.deadline = at,
    }
}

fn normalise_leader(role: &mut Role) {
    if let Role::Follower(role) = role {
        role.update_deadline = FAR;
    }
    let Role::Leader(leader) = role else { return };
    leader.begin_epoch_deadline = FAR;
    // only restarts the check-quorum timer, which runs out when the model says
    leader.fetched.clear();
    leader.parked.iter_mut().for_each(|parked| parked.deadline = FAR);
    forget_repeated(&mut leader.parked);
    match &mut leader.change {
        Some(VoterChange::Probing { deadline, .. } | VoterChange::Committing { deadline, .. }) => {
            *deadline = FAR;
        }
        None => {}
    }
    for progress in leader.voters.values_mut().chain(leader.observers.values_mut()) {
        normalise_progress(progress);
    }
}

/// A waiting fetch that nobody waits for says no more than another one from the same place.
fn forget_repeated(parked: &mut Vec<ParkedFetch>) {
    let place = |fetch: &ParkedFetch| {
        let request = &fetch.request;
        (request.replica, request.epoch, request.offset, request.last_epoch)
    };
    let mut at = 0;
    while at < parked.len() {
        let is_stale = asker_of(parked[at].asker.token).1 == STALE;
        let mut others = parked.iter().enumerate().filter(|(other, _)| *other != at);
        if is_stale && others.any(|(_, other)| place(other) == place(&parked[at])) {
            parked.remove(at);
        } else {
            at += 1;
        }
    }
}

fn normalise_progress(progress: &mut Progress) {
    progress.last_fetch = progress.last_fetch.map(|_| NOW);
    progress.last_fetch_wall_ms = progress.last_fetch_wall_ms.min(1);
    progress.last_caught_up_wall_ms = progress.last_caught_up_wall_ms.min(1);
    if progress.last_caught_up_wall_ms >= 0 {
        // caught up once is enough, ever
        progress.leader_end_at_last_fetch = None;
    }
}
