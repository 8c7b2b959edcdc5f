//! LeaveGroup, one member or many, by member id or by instance id; and what follows when members are gone.

use protocol::messages::leave_group_request::MemberIdentity;
use protocol::messages::leave_group_response::MemberResponse;
use protocol::{ErrorCode, Str};

use super::join;
use super::sync;
use super::{ClassicGroup, Member, State};
use crate::group::io::Response;
use crate::group::turn::Turn;

impl ClassicGroup {
    pub fn leave(&mut self, leaving: &[MemberIdentity], turn: &mut Turn) -> Vec<MemberResponse> {
        let mut responses = Vec::with_capacity(leaving.len());
        let mut anyone_left = false;
        for identity in leaving {
            let result = self.leave_one(identity, turn);
            anyone_left |= result.is_ok();
            responses.push(MemberResponse {
                member_id: identity.member_id.clone(),
                group_instance_id: identity.group_instance_id.clone(),
                error_code: result.err().unwrap_or(ErrorCode::None).code(),
            });
        }
        if anyone_left {
            self.after_removal(turn);
        }
        responses
    }

    fn leave_one(&mut self, identity: &MemberIdentity, turn: &mut Turn) -> Result<(), ErrorCode> {
        let member_id = if identity.member_id.is_empty() {
            // an administrator removes whoever holds the instance id
            let instance_id = identity.group_instance_id.as_ref().ok_or(ErrorCode::UnknownMemberId)?;
            self.static_members.get(instance_id).cloned().ok_or(ErrorCode::UnknownMemberId)?
        } else if self.pending_members.remove(&identity.member_id).is_some() {
            return Ok(());
        } else {
            self.validate_member(&identity.member_id, identity.group_instance_id.as_ref())?;
            identity.member_id.clone()
        };
        if let Some(member) = self.remove(&member_id) {
            self.answer_removed(member, ErrorCode::UnknownMemberId, turn);
        }
        Ok(())
    }

    /// Answers what a removed member still waited for.
    pub fn answer_removed(&self, member: Member, error: ErrorCode, turn: &mut Turn) {
        if let Some(waiting) = member.waiting_join {
            turn.reply(waiting.token, Response::JoinGroup(join::refused("", error)));
        }
        if let Some(token) = member.waiting_sync {
            turn.reply(token, sync::refused(error));
        }
    }

    /// One rebalance for all that are gone.
    pub fn after_removal(&mut self, turn: &mut Turn) {
        match self.state {
            State::Stable | State::CompletingRebalance => self.prepare_rebalance(turn),
            State::PreparingRebalance => self.complete_join_if_all_joined(turn),
            State::Empty => {}
        }
    }

    /// The coordinator is elsewhere now: everything that waits here is told so.
    pub fn abandon(&mut self, error: ErrorCode, turn: &mut Turn) {
        let ids: Vec<Str> = self.members.keys().cloned().collect();
        for id in ids {
            if let Some(waiting) = self.take_waiting_join(&id) {
                turn.reply(waiting.token, Response::JoinGroup(join::refused(&id, error)));
            }
        }
        self.answer_syncs(error, turn);
    }
}
