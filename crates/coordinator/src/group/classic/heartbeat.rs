//! Heartbeats, sessions, and every other time-out of a group.

use protocol::messages::HeartbeatRequest;
use protocol::{ErrorCode, Str};

use super::{ClassicGroup, State};
use crate::group::turn::Turn;

impl ClassicGroup {
    pub fn heartbeat(&mut self, request: &HeartbeatRequest, turn: &mut Turn) -> Result<(), ErrorCode> {
        self.validate_member(&request.member_id, request.group_instance_id.as_ref())?;
        if request.generation_id != self.generation {
            return Err(ErrorCode::IllegalGeneration);
        }
        match self.state {
            State::Empty => Err(ErrorCode::UnknownMemberId),
            State::PreparingRebalance => {
                self.restart_session(&request.member_id, turn);
                Err(ErrorCode::RebalanceInProgress)
            }
            // clients begin to send them once they have joined, before they have synced
            State::CompletingRebalance | State::Stable => {
                self.restart_session(&request.member_id, turn);
                Ok(())
            }
        }
    }

    pub fn restart_session(&mut self, member_id: &str, turn: &Turn) {
        if let Some(member) = self.members.get_mut(member_id) {
            let deadline = turn.after_ms(member.session_timeout_ms);
            member.session_deadline = deadline;
            self.arm(deadline);
        }
    }

    /// Does what is due, and asks to be woken for the next.
    pub fn on_timer(&mut self, turn: &mut Turn) {
        self.wake = None;
        self.expire_pending_members(turn);
        self.expire_sessions(turn);
        if let Some(deadline) = self.join_deadline.filter(|deadline| turn.is_due(deadline.at)) {
            self.join_deadline = None;
            self.on_join_deadline(deadline, turn);
        }
        if self.sync_deadline.is_some_and(|deadline| turn.is_due(deadline)) {
            self.sync_deadline = None;
            self.expire_pending_syncs(turn);
        }
        self.wake = self.earliest_deadline();
    }

    fn expire_pending_members(&mut self, turn: &mut Turn) {
        let before = self.pending_members.len();
        self.pending_members.retain(|_, deadline| !turn.is_due(*deadline));
        if self.pending_members.len() < before {
            self.complete_join_if_all_joined(turn);
        }
    }

    fn expire_sessions(&mut self, turn: &mut Turn) {
        let expired: Vec<Str> = self
            .members
            .values()
            .filter(|member| member.can_expire() && turn.is_due(member.session_deadline))
            .map(|member| member.id.clone())
            .collect();
        for id in &expired {
            if let Some(member) = self.remove(id) {
                self.answer_removed(member, ErrorCode::UnknownMemberId, turn);
            }
        }
        if !expired.is_empty() {
            self.after_removal(turn);
        }
    }

    /// Members that joined the generation and never asked for their assignment are out.
    fn expire_pending_syncs(&mut self, turn: &mut Turn) {
        if !matches!(self.state, State::CompletingRebalance | State::Stable) || self.pending_syncs.is_empty()
        {
            return;
        }
        for id in std::mem::take(&mut self.pending_syncs) {
            if let Some(member) = self.remove(&id) {
                self.answer_removed(member, ErrorCode::UnknownMemberId, turn);
            }
        }
        self.prepare_rebalance(turn);
    }
}
