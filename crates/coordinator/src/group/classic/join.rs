//! JoinGroup: who may join, under which id, and whether that means a rebalance.

use protocol::messages::{JoinGroupRequest, JoinGroupResponse};
use protocol::{ErrorCode, Str};

use super::member::{Member, WaitingJoin, protocols, rebalance_timeout_ms};
use super::{ClassicGroup, State};
use crate::group::io::{Caller, Response};
use crate::group::turn::Turn;

/// First version whose clients know MEMBER_ID_REQUIRED (KIP-394).
const MEMBER_ID_REQUIRED_SINCE: i16 = 4;
/// First version whose protocol name may be null.
const NULL_PROTOCOL_SINCE: i16 = 7;

/// An answer without a generation.
pub(crate) fn refused(member_id: &str, error: ErrorCode) -> JoinGroupResponse {
    JoinGroupResponse {
        error_code: error.code(),
        member_id: Str::from(member_id),
        protocol_name: Some(Str::default()),
        ..Default::default()
    }
}

impl ClassicGroup {
    pub fn join(&mut self, caller: &Caller, request: &JoinGroupRequest, turn: &mut Turn) {
        let member_id = &request.member_id;
        let refusal = if !self.accepts(member_id, turn) {
            self.remove_refused(member_id, turn);
            Some((Str::default(), ErrorCode::GroupMaxSizeReached))
        } else if !self.supports(request) {
            Some((member_id.clone(), ErrorCode::InconsistentGroupProtocol))
        } else if member_id.is_empty() {
            self.join_unknown(caller, request, turn);
            None
        } else {
            self.join_known(caller, request, turn).err().map(|error| (member_id.clone(), error))
        };
        if let Some((member_id, error)) = refusal {
            turn.reply(caller.token, Response::JoinGroup(refused(&member_id, error)));
        }
    }

    /// Whether there is room. While a rebalance gathers members those that wait are counted, so that the last
    /// ones of a group that is too large are left out; otherwise the members are.
    fn accepts(&self, member_id: &str, turn: &Turn) -> bool {
        let limit = turn.config.max_size;
        match self.state {
            State::Empty => true,
            State::PreparingRebalance => {
                let waits = self.members.get(member_id).is_some_and(|member| member.waiting_join.is_some());
                waits || self.waiting_joins < limit
            }
            State::CompletingRebalance | State::Stable => {
                self.members.contains_key(member_id) || self.members.len() < limit
            }
        }
    }

    fn remove_refused(&mut self, member_id: &str, turn: &mut Turn) {
        if let Some(member) = self.remove(member_id) {
            self.answer_removed(member, ErrorCode::GroupMaxSizeReached, turn);
            self.complete_join_if_all_joined(turn);
        }
    }

    fn join_unknown(&mut self, caller: &Caller, request: &JoinGroupRequest, turn: &mut Turn) {
        let prefix = request.group_instance_id.as_ref().unwrap_or(&caller.client_id);
        let member_id = Str::from(format!("{prefix}-{}", uuid_text(turn.random.bytes16())));
        match &request.group_instance_id {
            Some(instance_id) => match self.static_members.get(instance_id).cloned() {
                Some(known) => self.replace_static(caller, request, &known, member_id, turn),
                None => self.add_and_rebalance(caller, request, member_id, turn),
            },
            None if caller.version >= MEMBER_ID_REQUIRED_SINCE => {
                let deadline = turn.after_ms(request.session_timeout_ms);
                self.pending_members.insert(member_id.clone(), deadline);
                self.arm(deadline);
                let response = refused(&member_id, ErrorCode::MemberIdRequired);
                turn.reply(caller.token, Response::JoinGroup(response));
            }
            None => self.add_and_rebalance(caller, request, member_id, turn),
        }
    }

    fn join_known(
        &mut self,
        caller: &Caller,
        request: &JoinGroupRequest,
        turn: &mut Turn,
    ) -> Result<(), ErrorCode> {
        let member_id = &request.member_id;
        if self.pending_members.contains_key(member_id) {
            if request.group_instance_id.is_some() {
                return Err(ErrorCode::UnknownServerError);
            }
            self.add_and_rebalance(caller, request, member_id.detached(), turn);
            return Ok(());
        }
        self.validate_member(member_id, request.group_instance_id.as_ref())?;
        let member = self.members.get(member_id).ok_or(ErrorCode::UnknownMemberId)?;
        let unchanged = member.matches(request);
        let is_leader = self.is_leader(member_id);
        match self.state {
            State::Empty => return Err(ErrorCode::UnknownMemberId),
            // the answer of this generation was lost: it is given again
            State::CompletingRebalance if unchanged => {
                self.answer_current(caller, member_id, is_leader, turn)
            }
            // only a leader rebalances without a change of its own, as for topics that have grown
            State::Stable if unchanged && !is_leader => self.answer_current(caller, member_id, false, turn),
            State::PreparingRebalance | State::CompletingRebalance | State::Stable => {
                self.update_and_rebalance(caller, request, member_id, turn);
            }
        }
        Ok(())
    }

    fn add_and_rebalance(&mut self, caller: &Caller, request: &JoinGroupRequest, id: Str, turn: &mut Turn) {
        let mut member = Member::new(id, caller, request);
        member.waiting_join = Some(WaitingJoin { token: caller.token, version: caller.version });
        // its client cannot send heartbeats yet: the join itself is limited instead
        member.session_deadline = turn.after_ms(turn.config.new_member_join_timeout_ms);
        self.arm(member.session_deadline);
        if self.state == State::PreparingRebalance && self.previous_state == State::Empty {
            self.new_member_added = true;
        }
        self.add(member, Some(request.protocol_type.detached()));
        self.rebalance_or_complete_join(turn);
    }

    fn update_and_rebalance(
        &mut self,
        caller: &Caller,
        request: &JoinGroupRequest,
        member_id: &str,
        turn: &mut Turn,
    ) {
        self.park_join(caller, request, member_id, turn);
        self.rebalance_or_complete_join(turn);
    }

    /// The member waits with what it brings now; an older join of it is sent back to try again.
    pub fn park_join(
        &mut self,
        caller: &Caller,
        request: &JoinGroupRequest,
        member_id: &str,
        turn: &mut Turn,
    ) {
        let timeouts = (rebalance_timeout_ms(caller.version, request), request.session_timeout_ms);
        let waiting = WaitingJoin { token: caller.token, version: caller.version };
        let before = self.update(member_id, protocols(request), timeouts, Some(waiting));
        if let Some(before) = before {
            let response = refused(member_id, ErrorCode::RebalanceInProgress);
            turn.reply(before.token, Response::JoinGroup(response));
        }
    }

    fn answer_current(&self, caller: &Caller, member_id: &str, with_members: bool, turn: &mut Turn) {
        let response = self.generation_response(member_id, caller.version, with_members);
        turn.reply(caller.token, Response::JoinGroup(response));
    }

    /// The current generation as one member is told of it.
    pub fn generation_response(
        &self,
        member_id: &str,
        version: i16,
        with_members: bool,
    ) -> JoinGroupResponse {
        JoinGroupResponse {
            generation_id: self.generation,
            protocol_type: self.protocol_type.clone(),
            protocol_name: protocol_name(self.protocol.clone(), version),
            leader: self.leader.clone().unwrap_or_default(),
            member_id: Str::from(member_id),
            members: if with_members { self.response_members() } else { Vec::new() },
            ..Default::default()
        }
    }
}

/// Null is written as the empty name where the version has no null.
pub(crate) fn protocol_name(name: Option<Str>, version: i16) -> Option<Str> {
    if version < NULL_PROTOCOL_SINCE { Some(name.unwrap_or_default()) } else { name }
}

/// A random UUID (RFC 4122 version 4) as Java prints it.
fn uuid_text(mut bytes: [u8; 16]) -> String {
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let n = u128::from_be_bytes(bytes);
    format!(
        "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
        n >> 96,
        (n >> 80) & 0xffff,
        (n >> 64) & 0xffff,
        (n >> 48) & 0xffff,
        n & 0xffff_ffff_ffff
    )
}
