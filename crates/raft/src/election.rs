//! Votes and pre-votes (KIP-996): asking for them, granting them, counting them.
//! Whether either side is in the receiver's voter set is never checked: a receiver whose set is old must not
//! keep a new voter from being elected.

use platform::{Planted, is_planted};
use types::{LeaderEpoch, NodeId};

use crate::code::Code;
use crate::connections::Sent;
use crate::machine::{Asker, Fatal, Raft, Turn};
use crate::message::{Body, Request, VoteRequest};
use crate::role::{Role, RoleName, Tally};

impl Raft {
    pub(crate) fn on_vote(&mut self, asker: &Asker, request: &VoteRequest, turn: &mut Turn<'_>) {
        let code = self.vote_refusal(request, turn);
        let granted = code == Code::NONE && self.decide_vote(request, turn);
        self.reply(asker, code, Body::Vote { granted }, turn);
    }

    fn vote_refusal(&mut self, request: &VoteRequest, turn: &mut Turn<'_>) -> Code {
        // a candidate has bumped its epoch, one who asks beforehand may still be in its log's last
        let last_epoch_max =
            if request.pre_vote { request.epoch.0 } else { request.epoch.0.saturating_sub(1) };
        if request.last_offset.0 < 0 || request.last_epoch.0 < 0 || request.last_epoch.0 > last_epoch_max {
            return Code::INVALID_REQUEST;
        }
        if request.epoch < self.epoch {
            return Code::FENCED_LEADER_EPOCH;
        }
        if request.candidate.id.0 < 0 {
            return Code::INVALID_REQUEST;
        }
        if request.epoch > self.epoch {
            self.become_unattached(request.epoch, None, None, turn);
        }
        match request.voter {
            Some(voter) if !voter.covers(self.settings.key) => Code::INVALID_VOTER_KEY,
            _ => Code::NONE,
        }
    }

    fn decide_vote(&mut self, request: &VoteRequest, turn: &mut Turn<'_>) -> bool {
        let own = (turn.log.last_epoch(), turn.log.end_offset());
        let up_to_date =
            (request.last_epoch, request.last_offset) >= own || is_planted(Planted::VoteForShorterLog);
        match &self.role {
            Role::Leader(_) => false,
            Role::Follower(role) => request.pre_vote && up_to_date && !role.has_fetched,
            Role::Candidate(_) | Role::Resigned(_) => request.pre_vote && up_to_date,
            Role::Unattached(_) | Role::Prospective(_) if request.pre_vote => up_to_date,
            Role::Unattached(_) | Role::Prospective(_) => match self.persisted().vote {
                Some(vote) => vote.covers(request.candidate),
                None if self.role.remote_leader().is_some() => false,
                None => {
                    if up_to_date {
                        self.grant(request, turn);
                    }
                    up_to_date
                }
            },
        }
    }

    /// Remembers the vote for good, then counts anew from a fresh time. Requests in flight stay.
    fn grant(&mut self, request: &VoteRequest, turn: &mut Turn<'_>) {
        let fresh = self.election_deadline(turn);
        let is_voter = self.is_voter();
        let tally = Tally::new(self.quorum.voters(), self.settings.key.id);
        match &mut self.role {
            Role::Unattached(role) => {
                role.vote = Some(request.candidate);
                role.deadline = is_voter.then_some(fresh);
            }
            Role::Prospective(role) => {
                role.vote = Some(request.candidate);
                role.tally = tally;
                role.deadline = fresh;
            }
            _ => return,
        }
        if is_planted(Planted::VoteNotPersisted) {
            return;
        }
        self.persist(turn);
    }

    pub(crate) fn poll_unattached(&mut self, turn: &mut Turn<'_>) {
        let Role::Unattached(role) = &self.role else { return };
        let expired = role.deadline.is_some_and(|deadline| deadline <= turn.now);
        if expired && self.is_voter() && self.shutdown_deadline.is_none() {
            return self.become_prospective(turn);
        }
        self.fetch_from_bootstrap(turn);
    }

    pub(crate) fn poll_prospective(&mut self, turn: &mut Turn<'_>) {
        let Role::Prospective(role) = &self.role else { return };
        if role.tally.is_won() {
            return self.become_candidate(turn);
        }
        let (lost, deadline) = (role.tally.is_lost(), role.deadline);
        if lost || deadline <= turn.now {
            return self.give_up_pre_vote(turn);
        }
        self.send_votes(true, turn);
    }

    fn give_up_pre_vote(&mut self, turn: &mut Turn<'_>) {
        let Role::Prospective(role) = &self.role else { return };
        let vote = role.vote;
        match role.leader.clone() {
            Some((id, endpoints)) if !endpoints.is_empty() => {
                self.become_follower(self.epoch, id, endpoints, vote, turn)
            }
            leader => self.become_unattached(self.epoch, leader.map(|(id, _)| id), vote, turn),
        }
    }

    pub(crate) fn poll_candidate(&mut self, turn: &mut Turn<'_>) -> Result<(), Fatal> {
        let Role::Candidate(role) = &self.role else { return Ok(()) };
        if role.tally.is_won() {
            let granting = role.tally.granting();
            return self.become_leader(granting, turn);
        }
        let lost = role.tally.is_lost();
        if role.deadline <= turn.now {
            if self.shutdown_deadline.is_none() {
                self.become_prospective(turn);
            }
        } else if !lost {
            self.send_votes(false, turn);
        }
        Ok(())
    }

    fn send_votes(&mut self, pre_vote: bool, turn: &mut Turn<'_>) {
        let (Role::Prospective(_) | Role::Candidate(_)) = &self.role else { return };
        let waiting: Vec<NodeId> = match &self.role {
            Role::Prospective(role) => role.tally.unanswered().collect(),
            Role::Candidate(role) => role.tally.unanswered().collect(),
            _ => return,
        };
        for id in waiting {
            let Some(voter) = self.quorum.voters().get(id) else { continue };
            let Some(to) = self.destination(id, &voter.endpoints) else { continue };
            if !self.connections.is_ready(id) {
                continue;
            }
            let request = Request::Vote(VoteRequest {
                candidate: self.settings.key,
                epoch: self.epoch,
                last_epoch: turn.log.last_epoch(),
                last_offset: turn.log.end_offset(),
                pre_vote,
                voter: Some(voter.key),
            });
            self.send(to, Sent::Vote, request, turn);
        }
    }

    pub(crate) fn on_vote_answer(
        &mut self,
        from: NodeId,
        code: Code,
        granted: bool,
        turn: &mut Turn<'_>,
    ) -> Result<bool, Fatal> {
        if code.is_error() {
            return Ok(false);
        }
        let tally = match &mut self.role {
            Role::Prospective(role) => &mut role.tally,
            Role::Candidate(role) => &mut role.tally,
            _ => return Ok(true),
        };
        let _ = turn;
        if tally.record(from, granted) {
            return Ok(true);
        }
        Err(Fatal::Protocol(format!("node {from} votes but is no voter of epoch {}", self.epoch)))
    }

    /// Resigned long enough: the next epoch may have another leader.
    pub(crate) fn leave_resigned_epoch(&mut self, turn: &mut Turn<'_>) {
        debug_assert_eq!(self.role.name(), RoleName::Resigned);
        let next = LeaderEpoch(self.epoch.0.saturating_add(1));
        self.become_unattached(next, None, None, turn);
    }
}
