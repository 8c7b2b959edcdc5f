//! BeginQuorumEpoch and EndQuorumEpoch, from both sides, the resigned role, and shutdown.

use types::NodeId;

use crate::code::Code;
use crate::connections::Sent;
use crate::machine::{Asker, Fatal, Output, Raft, Turn};
use crate::message::{BeginQuorumEpochRequest, Body, Destination, EndQuorumEpochRequest, Request};
use crate::role::{Role, RoleName};

/// How long a node that shuts down looks for a successor.
const SHUTDOWN_MS: u64 = 5000;

impl Raft {
    pub(crate) fn on_begin_quorum_epoch(
        &mut self,
        asker: &Asker,
        request: BeginQuorumEpochRequest,
        turn: &mut Turn<'_>,
    ) -> Result<(), Fatal> {
        let mut code = Code::NONE;
        if request.epoch < self.epoch {
            code = Code::FENCED_LEADER_EPOCH;
        } else if request.leader.0 < 0 {
            code = Code::INVALID_REQUEST;
        } else {
            self.learn(Some(request.leader), request.endpoints, request.epoch, turn)?;
            // the leader is right about itself even if it means another voter
            if request.voter.is_some_and(|voter| !voter.covers(self.settings.key)) {
                code = Code::INVALID_VOTER_KEY;
            }
        }
        self.reply(asker, code, Body::BeginQuorumEpoch, turn);
        Ok(())
    }

    pub(crate) fn on_end_quorum_epoch(
        &mut self,
        asker: &Asker,
        request: EndQuorumEpochRequest,
        turn: &mut Turn<'_>,
    ) -> Result<(), Fatal> {
        let mut code = Code::NONE;
        if request.epoch < self.epoch {
            code = Code::FENCED_LEADER_EPOCH;
        } else if request.leader.0 < 0 {
            code = Code::INVALID_REQUEST;
        } else {
            self.learn(Some(request.leader), request.endpoints.clone(), request.epoch, turn)?;
            let back_off = self.successor_back_off(&request);
            if let Role::Follower(role) = &mut self.role
                && role.leader == request.leader
            {
                role.fetch_deadline = turn.now + back_off;
            }
        }
        self.reply(asker, code, Body::EndQuorumEpoch, turn);
        Ok(())
    }

    /// How long to wait before standing: the best successor at once, the others after it, so that they do not
    /// split the vote.
    fn successor_back_off(&self, request: &EndQuorumEpochRequest) -> u64 {
        let max = self.settings.election_backoff_ms_max;
        let candidates = &request.candidates;
        if candidates.is_empty() {
            return 0;
        }
        match candidates.iter().position(|candidate| candidate.covers(self.settings.key)) {
            Some(0) => 0,
            Some(place) => {
                let shift = |bits: usize| u32::try_from(bits).unwrap_or(u32::MAX);
                let first = max.checked_shr(shift(candidates.len() - 1)).unwrap_or(0);
                first.saturating_mul(1u64.checked_shl(shift(place - 1)).unwrap_or(u64::MAX)).min(max)
            }
            None => max,
        }
    }

    /// To each voter that does not fetch, so that it learns who leads.
    pub(crate) fn send_begin_quorum_epoch(&mut self, turn: &mut Turn<'_>) {
        let period = self.settings.fetch_timeout_ms / 2;
        let Role::Leader(leader) = &mut self.role else { return };
        if leader.begin_epoch_deadline > turn.now {
            return;
        }
        leader.begin_epoch_deadline = turn.now + period;
        let silent = |fetched: Option<u64>| fetched.is_none_or(|at| turn.now.saturating_sub(at) >= period);
        let keys: Vec<_> = leader
            .voters
            .iter()
            .filter(|(_, progress)| silent(progress.last_fetch))
            .map(|(key, _)| *key)
            .collect();
        for key in keys {
            let Some(to) = self.ready_voter(key.id) else { continue };
            let request = Request::BeginQuorumEpoch(BeginQuorumEpochRequest {
                leader: self.settings.key.id,
                epoch: self.epoch,
                endpoints: self.settings.endpoints.clone(),
                voter: Some(key),
            });
            self.send(to, Sent::BeginQuorumEpoch, request, turn);
        }
    }

    fn ready_voter(&self, id: NodeId) -> Option<Destination> {
        let to = self.destination(id, self.quorum.voters().endpoints(id))?;
        self.connections.is_ready(id).then_some(to)
    }

    pub(crate) fn poll_resigned(&mut self, turn: &mut Turn<'_>) {
        let Role::Resigned(role) = &self.role else { return };
        if role.deadline <= turn.now && self.shutdown_deadline.is_none() {
            return self.leave_resigned_epoch(turn);
        }
        let own = self.settings.key.id;
        let others: Vec<_> =
            role.voters.ids().filter(|id| *id != own && !role.acknowledged.contains(id)).collect();
        let candidates = role.candidates.clone();
        for id in others {
            let Some(to) = self.ready_voter(id) else { continue };
            let request = Request::EndQuorumEpoch(EndQuorumEpochRequest {
                leader: own,
                epoch: self.epoch,
                endpoints: Vec::new(),
                candidates: candidates.clone(),
            });
            self.send(to, Sent::EndQuorumEpoch, request, turn);
        }
    }

    pub(crate) fn on_end_quorum_epoch_answer(&mut self, from: NodeId, code: Code) -> bool {
        if let Role::Resigned(role) = &mut self.role
            && !code.is_error()
        {
            role.acknowledged.insert(from);
        }
        !code.is_error()
    }

    pub(crate) fn on_shutdown(&mut self, turn: &mut Turn<'_>) {
        if self.shutdown_deadline.is_none() {
            self.shutdown_deadline = Some(turn.now + SHUTDOWN_MS);
        }
    }

    /// Ends at once where nobody waits for this node: another one leads, or there is none to hand over to.
    pub(crate) fn poll_shutdown(&mut self, turn: &mut Turn<'_>) {
        let Some(deadline) = self.shutdown_deadline else { return };
        let done = deadline <= turn.now
            || !self.is_voter()
            || self.quorum.voters().is_only(self.settings.key)
            || self.role.remote_leader().is_some();
        let all_told = match &self.role {
            Role::Resigned(role) => role.acknowledged.len() + 1 >= role.voters.len(),
            _ => false,
        };
        if (done || all_told) && !self.is_stopped {
            if self.role.name() == RoleName::Leader {
                self.resign(turn);
                self.answer_orphans(turn);
                self.announce(turn);
            }
            self.is_stopped = true;
            turn.out.push(Output::Stopped);
        }
    }
}
