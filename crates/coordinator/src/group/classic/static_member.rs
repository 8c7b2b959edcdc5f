//! Static members (KIP-345): one that comes back without its id takes its own place under a new id.

use protocol::messages::{JoinGroupRequest, SyncGroupResponse};
use protocol::{ErrorCode, Str};

use super::join::{protocol_name, refused};
use super::member::{Member, WaitingJoin, protocols, rebalance_timeout_ms};
use super::{ClassicGroup, State};
use crate::group::io::{Caller, Response};
use crate::group::pending::{Change, StaticReplacement, Then};
use crate::group::records;
use crate::group::turn::{Turn, metadata_append_error};

/// First version whose leader can be told to keep the assignment (KIP-814).
const SKIP_ASSIGNMENT_SINCE: i16 = 9;

impl ClassicGroup {
    pub fn replace_static(
        &mut self,
        caller: &Caller,
        request: &JoinGroupRequest,
        old_id: &str,
        new_id: Str,
        turn: &mut Turn,
    ) {
        let old_leader = self.leader.clone();
        let Some(old) = self.rename_member(old_id, new_id.clone(), turn) else { return };
        let waiting = WaitingJoin { token: caller.token, version: caller.version };
        let timeouts = (rebalance_timeout_ms(caller.version, request), request.session_timeout_ms);
        self.update(&new_id, protocols(request), timeouts, Some(waiting));
        self.restart_session(&new_id, turn);
        match self.state {
            // the chosen protocol stays: nobody else need notice, only the log must know the new id
            State::Stable if self.select_protocol() == self.protocol => {
                let replacement = StaticReplacement {
                    group: self.id.clone(),
                    instance_id: old.instance_id.unwrap_or_default(),
                    old_member_id: old.id,
                    new_member_id: new_id,
                    old_leader,
                    old_protocols: old.protocols,
                    old_rebalance_timeout_ms: old.rebalance_timeout_ms,
                    old_session_timeout_ms: old.session_timeout_ms,
                };
                let record = records::group_metadata(self, |member| member.assignment.clone());
                turn.write(vec![(record, Change::Nothing)], Then::StaticMember(Box::new(replacement)));
            }
            // the leader may be assigning to the old id at this moment
            State::Stable | State::CompletingRebalance | State::Empty => self.prepare_rebalance(turn),
            State::PreparingRebalance => self.complete_join_if_all_joined(turn),
        }
    }

    /// Gives a member a new id, and fences what still waits under the old one. Returns the member as it was.
    fn rename_member(&mut self, old_id: &str, new_id: Str, turn: &mut Turn) -> Option<Member> {
        let was_leader = self.is_leader(old_id);
        let had_not_synced = self.pending_syncs.contains(old_id);
        let old = self.remove(old_id)?;
        if let Some(waiting) = old.waiting_join {
            let mut response = refused(old_id, ErrorCode::FencedInstanceId);
            response.protocol_name = protocol_name(None, waiting.version);
            turn.reply(waiting.token, Response::JoinGroup(response));
        }
        if let Some(token) = old.waiting_sync {
            let error_code = ErrorCode::FencedInstanceId.code();
            turn.reply(token, Response::SyncGroup(SyncGroupResponse { error_code, ..Default::default() }));
        }
        let mut renamed = old.clone();
        renamed.id = new_id.clone();
        renamed.is_new = false;
        renamed.waiting_join = None;
        renamed.waiting_sync = None;
        self.add(renamed, self.protocol_type.clone());
        if had_not_synced {
            self.pending_syncs.insert(new_id.clone());
        }
        if was_leader {
            self.leader = Some(new_id);
        }
        Some(old)
    }

    /// The new id is in the log: the member that came back goes on with the generation as it is.
    pub fn on_static_member_written(&mut self, replacement: StaticReplacement, turn: &mut Turn) {
        let id = &replacement.new_member_id;
        if self.state != State::Stable {
            // a rebalance began meanwhile: it answers the join
            return;
        }
        let Some(waiting) = self.take_waiting_join(id) else { return };
        let skips = waiting.version >= SKIP_ASSIGNMENT_SINCE && self.is_leader(id);
        let mut response = self.generation_response(id, waiting.version, skips);
        response.skip_assignment = skips;
        if waiting.version < SKIP_ASSIGNMENT_SINCE {
            // an old client that saw itself as leader would assign again: it is told the leader's old id
            response.leader = replacement.old_leader.unwrap_or_default();
        }
        turn.reply(waiting.token, Response::JoinGroup(response));
        self.restart_session(id, turn);
    }

    /// The log does not know the new id: the member is what it was before.
    pub fn on_static_member_failed(
        &mut self,
        replacement: StaticReplacement,
        error: ErrorCode,
        turn: &mut Turn,
    ) {
        let id = &replacement.new_member_id;
        if let Some(waiting) = self.take_waiting_join(id) {
            let response = refused("", metadata_append_error(error));
            turn.reply(waiting.token, Response::JoinGroup(response));
        }
        if self.static_members.get(&replacement.instance_id) != Some(id) {
            return;
        }
        let timeouts = (replacement.old_rebalance_timeout_ms, replacement.old_session_timeout_ms);
        self.update(id, replacement.old_protocols, timeouts, None);
        let old_id = replacement.old_member_id;
        self.rename_member(id, old_id.clone(), turn);
        self.restart_session(&old_id, turn);
    }
}
