//! SyncGroup: followers wait until the leader's assignment is committed.

use std::collections::BTreeMap;

use bytes::Bytes;
use protocol::messages::{SyncGroupRequest, SyncGroupResponse};
use protocol::{ErrorCode, Str};

use super::{ClassicGroup, State};
use crate::group::io::{Response, Token};
use crate::group::pending::{Change, Then};
use crate::group::records;
use crate::group::turn::{Turn, metadata_append_error};

pub(crate) fn refused(error: ErrorCode) -> Response {
    Response::SyncGroup(SyncGroupResponse { error_code: error.code(), ..Default::default() })
}

impl ClassicGroup {
    pub fn sync(&mut self, token: Token, request: &SyncGroupRequest, turn: &mut Turn) {
        if let Err(error) = self.validate_sync(request) {
            return turn.reply(token, refused(error));
        }
        match self.state {
            State::Empty => turn.reply(token, refused(ErrorCode::UnknownMemberId)),
            State::PreparingRebalance => turn.reply(token, refused(ErrorCode::RebalanceInProgress)),
            State::CompletingRebalance => self.park_sync(token, request, turn),
            State::Stable => {
                self.on_synced(&request.member_id);
                let response = self.sync_response(&request.member_id, ErrorCode::None);
                turn.reply(token, response);
            }
        }
    }

    fn validate_sync(&self, request: &SyncGroupRequest) -> Result<(), ErrorCode> {
        self.validate_member(&request.member_id, request.group_instance_id.as_ref())?;
        let differs = |asked: &Option<Str>, has: &Option<Str>| match (asked, has) {
            (Some(asked), Some(has)) => asked != has,
            _ => false,
        };
        if request.generation_id != self.generation {
            Err(ErrorCode::IllegalGeneration)
        } else if differs(&request.protocol_type, &self.protocol_type)
            || differs(&request.protocol_name, &self.protocol)
        {
            Err(ErrorCode::InconsistentGroupProtocol)
        } else {
            Ok(())
        }
    }

    fn park_sync(&mut self, token: Token, request: &SyncGroupRequest, turn: &mut Turn) {
        let id = &request.member_id;
        self.on_synced(id);
        let before = self.members.get_mut(id).and_then(|member| member.waiting_sync.replace(token));
        if let Some(before) = before {
            turn.reply(before, refused(ErrorCode::RebalanceInProgress));
        }
        if self.is_leader(id) {
            let assignments: BTreeMap<Str, Bytes> = request
                .assignments
                .iter()
                .filter_map(|given| {
                    let (id, _) = self.members.get_key_value(&given.member_id)?;
                    Some((id.clone(), Bytes::copy_from_slice(&given.assignment)))
                })
                .collect();
            let record = records::group_metadata(self, |member| {
                assignments.get(&member.id).cloned().unwrap_or_default()
            });
            let then = Then::Assign { group: self.id.clone(), generation: self.generation, assignments };
            turn.write(vec![(record, Change::Nothing)], then);
        }
    }

    fn on_synced(&mut self, member_id: &str) {
        self.pending_syncs.remove(member_id);
        if self.pending_syncs.is_empty() {
            self.sync_deadline = None;
        }
    }

    /// The leader's assignment is in the log, or is not. A later generation does not care.
    pub fn on_assignment_written(
        &mut self,
        generation: i32,
        assignments: BTreeMap<Str, Bytes>,
        result: Result<(), ErrorCode>,
        turn: &mut Turn,
    ) {
        if self.state != State::CompletingRebalance || self.generation != generation {
            return;
        }
        match result {
            Ok(()) => self.assign(assignments, turn),
            Err(error) => {
                self.fail_syncs(metadata_append_error(error), turn);
                self.prepare_rebalance(turn);
            }
        }
    }

    fn sync_response(&self, member_id: &str, error: ErrorCode) -> Response {
        if error != ErrorCode::None {
            return refused(error);
        }
        Response::SyncGroup(SyncGroupResponse {
            protocol_type: self.protocol_type.clone(),
            protocol_name: self.protocol.clone(),
            assignment: self
                .members
                .get(member_id)
                .map(|member| member.assignment.clone())
                .unwrap_or_default(),
            ..Default::default()
        })
    }

    /// Answers all syncs that wait; their members' sessions begin anew, as time-outs were ignored meanwhile.
    pub fn answer_syncs(&mut self, error: ErrorCode, turn: &mut Turn) {
        let waiting: Vec<(Str, Token)> = self
            .members
            .values_mut()
            .filter_map(|member| Some((member.id.clone(), member.waiting_sync.take()?)))
            .collect();
        for (id, token) in waiting {
            let response = self.sync_response(&id, error);
            turn.reply(token, response);
            self.restart_session(&id, turn);
        }
    }
}
