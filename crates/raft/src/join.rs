//! What a follower tells the leader about itself: a voter that its entry has changed, an observer controller
//! that it wants to vote.

use crate::code::Code;
use crate::connections::Sent;
use crate::machine::{Raft, Turn};
use crate::message::{AddVoterRequest, Answer, RemoveVoterRequest, Request, UpdateVoterRequest};
use crate::role::{Follower, Role};

impl Raft {
    /// Whether there may be something to tell when the period ends.
    pub(crate) fn membership_is_due(&self, role: &Follower) -> bool {
        if !self.settings.is_controller {
            return false;
        }
        if self.is_voter() { self.needs_update(role) } else { self.may_join() }
    }

    fn needs_update(&self, role: &Follower) -> bool {
        if self.quorum.kraft_version() == 0 {
            return !role.is_updated;
        }
        let own = self.own_voter();
        self.quorum.voters().get(own.key.id).is_some_and(|voter| *voter != own)
    }

    fn may_join(&self) -> bool {
        self.settings.auto_join && self.quorum.kraft_version() > 0
    }

    /// Each period at most one request in place of a fetch; true where one was sent.
    pub(crate) fn poll_membership(&mut self, turn: &mut Turn<'_>) -> bool {
        let Role::Follower(role) = &self.role else { return false };
        if role.update_deadline > turn.now || self.connections.any_in_flight() {
            return false;
        }
        if !self.connections.is_ready(role.leader) {
            return false;
        }
        let is_due = self.membership_is_due(role);
        let to = self.destination(role.leader, &role.endpoints).filter(|_| is_due);
        self.restart_update_timer(turn);
        let Some(to) = to else { return false };
        let (sent, request) = if self.is_voter() { self.update_request() } else { self.join_request() };
        self.send(to, sent, request, turn);
        true
    }

    fn restart_update_timer(&mut self, turn: &Turn<'_>) {
        let period = self.settings.fetch_timeout_ms;
        if let Role::Follower(role) = &mut self.role {
            role.update_deadline = turn.now + period;
        }
    }

    fn update_request(&self) -> (Sent, Request) {
        let own = self.own_voter();
        let request = UpdateVoterRequest {
            epoch: self.epoch,
            voter: own.key,
            endpoints: own.endpoints,
            supported: own.supported,
        };
        (Sent::UpdateVoter, Request::UpdateVoter(request))
    }

    /// A former self with another directory goes first: an id votes once.
    fn join_request(&self) -> (Sent, Request) {
        let own = self.settings.key;
        match self.quorum.voters().get(own.id) {
            Some(former) => {
                (Sent::RemoveVoter, Request::RemoveVoter(RemoveVoterRequest { voter: former.key }))
            }
            None => {
                let endpoints = self.settings.endpoints.clone();
                let request = AddVoterRequest { voter: own, endpoints, ack_when_committed: false };
                (Sent::AddVoter, Request::AddVoter(request))
            }
        }
    }

    pub(crate) fn on_update_voter_answer(&mut self, code: Code, turn: &mut Turn<'_>) -> bool {
        let understood = matches!(code, Code::NONE | Code::UNSUPPORTED_VERSION);
        if let Role::Follower(role) = &mut self.role {
            role.is_updated |= understood;
        }
        if understood {
            self.leader_lives(turn);
            self.restart_update_timer(turn);
        }
        understood
    }

    pub(crate) fn on_join_answer(&mut self, answer: &Answer, turn: &mut Turn<'_>) -> bool {
        let done = matches!(
            answer.code,
            Code::NONE | Code::REQUEST_TIMED_OUT | Code::DUPLICATE_VOTER | Code::VOTER_NOT_FOUND
        );
        if done {
            self.restart_update_timer(turn);
        }
        done
    }
}
