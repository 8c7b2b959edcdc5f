//! What a command means before a group sees it: bounds, whether the group exists, and whose it is.

use protocol::messages::leave_group_request::MemberIdentity;
use protocol::messages::leave_group_response::MemberResponse;
use protocol::messages::*;
use protocol::{ErrorCode, Str};

use super::classic::{ClassicGroup, State, join_refused};
use super::foreign::Kind;
use super::io::{Caller, Command, Response, Token, WriteRecord};
use super::pending::{Change, Then};
use super::records::{self, STRING_MAX};
use super::state::Groups;
use super::turn::Turn;
use super::{admin, offsets};

/// Room in a member id for what is put behind a client or instance id.
const MEMBER_ID_SUFFIX: usize = 64;
/// Tombstones in one write: far below the smallest usual batch limit.
pub(crate) const TOMBSTONES_MAX: usize = 1_000;
/// First version that names several members.
const LEAVE_MEMBERS_SINCE: i16 = 3;

/// Group ids may be empty only where groups are not joined, for the clients that have always done so.
pub(crate) fn validate(command: &Command, turn: &Turn) -> Result<(), ErrorCode> {
    let (group_id, may_be_empty) = match command {
        Command::JoinGroup(request) => (&request.group_id, false),
        Command::SyncGroup(request) => (&request.group_id, false),
        Command::Heartbeat(request) => (&request.group_id, false),
        Command::LeaveGroup(request) => (&request.group_id, false),
        Command::OffsetCommit(request) => (&request.group_id, true),
        Command::TxnOffsetCommit(request) => (&request.group_id, false),
        Command::OffsetDelete(request) => (&request.group_id, false),
        Command::OffsetFetch(_)
        | Command::ListGroups(_)
        | Command::DescribeGroups(_)
        | Command::DeleteGroups(_) => return Ok(()),
    };
    if group_id.is_empty() && !may_be_empty || group_id.len() > STRING_MAX {
        return Err(ErrorCode::InvalidGroupId);
    }
    match command {
        Command::JoinGroup(request) => validate_join(request, turn),
        _ => Ok(()),
    }
}

fn validate_join(request: &JoinGroupRequest, turn: &Turn) -> Result<(), ErrorCode> {
    let sessions = turn.config.min_session_timeout_ms..=turn.config.max_session_timeout_ms;
    if !sessions.contains(&request.session_timeout_ms) {
        return Err(ErrorCode::InvalidSessionTimeout);
    }
    let fits = |text: &Str| text.len() <= STRING_MAX - MEMBER_ID_SUFFIX;
    let all_fit = fits(&request.member_id)
        && fits(&request.protocol_type)
        && request.group_instance_id.as_ref().is_none_or(fits)
        && request.protocols.iter().all(|protocol| fits(&protocol.name));
    if all_fit { Ok(()) } else { Err(ErrorCode::InvalidRequest) }
}

pub(crate) fn classic<'a>(groups: &'a mut Groups, id: &Str) -> Option<&'a mut ClassicGroup> {
    groups.by_id.get_mut(id)?.classic.as_deref_mut()
}

/// A join makes its group, but only one without a member id does.
pub(crate) fn join(groups: &mut Groups, caller: &Caller, request: &JoinGroupRequest, turn: &mut Turn) {
    let id = &request.group_id;
    let is_new = !groups.by_id.contains_key(id);
    if is_new && !request.member_id.is_empty() {
        let response = join_refused(&request.member_id, ErrorCode::UnknownMemberId);
        return turn.reply(caller.token, Response::JoinGroup(response));
    }
    let group = groups.entry(id);
    if let Some(foreign) = &group.foreign {
        if foreign.has_members() || foreign.kind == Kind::Share {
            let response = join_refused(&request.member_id, ErrorCode::InconsistentGroupProtocol);
            return turn.reply(caller.token, Response::JoinGroup(response));
        }
        // an empty group of another protocol becomes a classic one, as in Kafka
        let mut tombstones = Vec::new();
        foreign.tombstones(id, &mut tombstones);
        turn.write(tombstones, Then::Nothing);
        group.foreign = None;
    }
    let now = turn.now;
    let classic = group.classic.get_or_insert_with(|| Box::new(ClassicGroup::new(id.detached(), now)));
    classic.join(caller, request, turn);
    let is_unused =
        classic.state == State::Empty && classic.pending_members.is_empty() && classic.generation == 0;
    if is_unused {
        group.classic.take_if(|classic| classic.protocol_type.is_none());
        groups.drop_if_gone(id);
    } else if is_new {
        let record = records::new_group_metadata(id, now.wall_ms);
        let id = classic.id.clone();
        turn.write(vec![(record, Change::Nothing)], Then::NewGroup { group: id });
    }
}

/// The first record of a group could not be written: those that wait in it are told to look again.
pub(crate) fn drop_new_group(groups: &mut Groups, id: &Str, error: ErrorCode, turn: &mut Turn) {
    let Some(group) = groups.by_id.get_mut(id) else { return };
    if let Some(mut classic) = group.classic.take_if(|classic| classic.generation == 0) {
        classic.abandon(super::turn::metadata_append_error(error), turn);
    }
    groups.drop_if_gone(id);
}

pub(crate) fn sync(groups: &mut Groups, token: Token, request: &SyncGroupRequest, turn: &mut Turn) {
    match classic(groups, &request.group_id) {
        Some(group) => group.sync(token, request, turn),
        None => {
            let error_code = ErrorCode::UnknownMemberId.code();
            turn.reply(token, Response::SyncGroup(SyncGroupResponse { error_code, ..Default::default() }));
        }
    }
}

pub(crate) fn heartbeat(groups: &mut Groups, token: Token, request: &HeartbeatRequest, turn: &mut Turn) {
    let result = match classic(groups, &request.group_id) {
        Some(group) => group.heartbeat(request, turn),
        None => Err(ErrorCode::UnknownMemberId),
    };
    let error_code = result.err().unwrap_or(ErrorCode::None).code();
    turn.reply(token, Response::Heartbeat(HeartbeatResponse { error_code, ..Default::default() }));
}

pub(crate) fn leave(groups: &mut Groups, caller: &Caller, request: &LeaveGroupRequest, turn: &mut Turn) {
    let single;
    let is_single = caller.version < LEAVE_MEMBERS_SINCE;
    let leaving: &[MemberIdentity] = if is_single {
        single = [MemberIdentity { member_id: request.member_id.clone(), ..Default::default() }];
        &single
    } else {
        &request.members
    };
    let first_write = turn.effects.writes.len();
    let mut members = match classic(groups, &request.group_id) {
        Some(group) => group.leave(leaving, turn),
        None => leaving.iter().map(unknown).collect(),
    };
    let mut response = LeaveGroupResponse::default();
    if is_single {
        response.error_code = members.pop().map_or(0, |member| member.error_code);
    } else {
        response.members = members;
    }
    reply_after_write(first_write, caller.token, Response::LeaveGroup(response), turn);
}

fn unknown(identity: &MemberIdentity) -> MemberResponse {
    MemberResponse {
        member_id: identity.member_id.clone(),
        group_instance_id: identity.group_instance_id.clone(),
        error_code: ErrorCode::UnknownMemberId.code(),
    }
}

/// Where the command has written, its answer waits for that; else it leaves now.
fn reply_after_write(first_write: usize, token: Token, response: Response, turn: &mut Turn) {
    let has_written = turn.effects.writes.len() > first_write;
    match turn.writes.pending.back_mut() {
        Some((_, write)) if has_written && matches!(write.then, Then::Nothing) => {
            write.then = Then::Reply(token, response);
        }
        _ => turn.reply(token, response),
    }
}

/// Commands that change nothing.
pub(crate) fn read(groups: &Groups, caller: &Caller, command: &Command, turn: &Turn) -> Response {
    match command {
        Command::ListGroups(request) => Response::ListGroups(admin::list(&groups.by_id, request)),
        Command::DescribeGroups(request) => {
            Response::DescribeGroups(admin::describe(&groups.by_id, caller.version, request))
        }
        Command::OffsetFetch(request) => {
            let find = |id: &Str| groups.by_id.get(id);
            Response::OffsetFetch(offsets::fetch(find, caller.version, request, turn.topics))
        }
        other => super::refusal::refuse(other, caller.version, ErrorCode::InvalidRequest),
    }
}

/// Tombstones need not be in one batch: a part of them is as good as none, and is done again.
pub(crate) fn write_tombstones(mut records: Vec<(WriteRecord, Change)>, then: Then, turn: &mut Turn) {
    while records.len() > TOMBSTONES_MAX {
        let rest = records.split_off(TOMBSTONES_MAX);
        turn.write(std::mem::replace(&mut records, rest), Then::Nothing);
    }
    match then {
        Then::Reply(token, response) if records.is_empty() => turn.reply(token, response),
        then => turn.write(records, then),
    }
}
