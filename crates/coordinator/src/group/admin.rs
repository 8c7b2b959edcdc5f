//! ListGroups, DescribeGroups, DeleteGroups.

use std::collections::BTreeMap;

use protocol::messages::delete_groups_response::DeletableGroupResult;
use protocol::messages::describe_groups_response::{DescribedGroup, DescribedGroupMember};
use protocol::messages::list_groups_response::ListedGroup;
use protocol::messages::*;
use protocol::{ErrorCode, Str};

use super::classic::{ClassicGroup, Member, State};
use super::entry::Group;
use super::io::WriteRecord;
use super::offsets::tombstone;
use super::pending::Change;

/// First version in which an unknown group is an error instead of a dead group.
const GROUP_ID_NOT_FOUND_SINCE: i16 = 6;

pub(crate) fn list(groups: &BTreeMap<Str, Group>, request: &ListGroupsRequest) -> ListGroupsResponse {
    let passes = |filter: &[Str], name: &str| {
        filter.is_empty() || filter.iter().any(|wanted| wanted.eq_ignore_ascii_case(name))
    };
    let groups = groups
        .iter()
        .filter(|(_, group)| {
            passes(&request.states_filter, group.state_name())
                && passes(&request.types_filter, group.type_name())
        })
        .map(|(id, group)| ListedGroup {
            group_id: id.clone(),
            protocol_type: group.protocol_type(),
            group_state: Str::from_static(group.state_name()),
            group_type: Str::from_static(group.type_name()),
        });
    ListGroupsResponse { groups: groups.collect(), ..Default::default() }
}

pub(crate) fn describe(
    groups: &BTreeMap<Str, Group>,
    version: i16,
    request: &DescribeGroupsRequest,
) -> DescribeGroupsResponse {
    let described = request.groups.iter().map(|id| match groups.get(id) {
        None => absent(id, version, format!("Group {id} not found.")),
        Some(Group { classic: Some(classic), .. }) => describe_classic(id, classic),
        Some(Group { foreign: Some(_), .. }) => {
            absent(id, version, format!("Group {id} is not a classic group."))
        }
        Some(_) => DescribedGroup {
            group_id: id.clone(),
            group_state: Str::from_static(State::Empty.name()),
            ..Default::default()
        },
    });
    DescribeGroupsResponse { groups: described.collect(), ..Default::default() }
}

fn absent(id: &Str, version: i16, message: String) -> DescribedGroup {
    let mut group =
        DescribedGroup { group_id: id.clone(), group_state: Str::from_static("Dead"), ..Default::default() };
    if version >= GROUP_ID_NOT_FOUND_SINCE {
        group.error_code = ErrorCode::GroupIdNotFound.code();
        group.error_message = Some(Str::from(message));
    }
    group
}

/// What members brought and were given is told of a stable group only.
fn describe_classic(id: &Str, classic: &ClassicGroup) -> DescribedGroup {
    let is_stable = classic.state == State::Stable;
    let protocol = if is_stable { classic.protocol.clone().unwrap_or_default() } else { Str::default() };
    let member = |member: &Member| {
        let mut described = DescribedGroupMember {
            member_id: member.id.clone(),
            group_instance_id: member.instance_id.clone(),
            client_id: member.client_id.clone(),
            client_host: member.client_host.clone(),
            ..Default::default()
        };
        if is_stable {
            described.member_metadata = member.metadata(&protocol);
            described.member_assignment = member.assignment.clone();
        }
        described
    };
    DescribedGroup {
        group_id: id.clone(),
        group_state: Str::from_static(classic.state.name()),
        protocol_type: classic.protocol_type.clone().unwrap_or_default(),
        members: classic.members.values().map(member).collect(),
        protocol_data: protocol,
        ..Default::default()
    }
}

/// The answer, and the tombstones that it waits for.
pub(crate) fn delete(
    groups: &BTreeMap<Str, Group>,
    request: &DeleteGroupsRequest,
) -> (DeleteGroupsResponse, Vec<(WriteRecord, Change)>) {
    let mut records = Vec::new();
    let mut response = DeleteGroupsResponse::default();
    for id in &request.groups_names {
        let error = match groups.get(id) {
            None => ErrorCode::GroupIdNotFound,
            Some(group) if group.has_members() => ErrorCode::NonEmptyGroup,
            Some(group) => {
                let pending = group.pending.values().flat_map(|offsets| offsets.iter());
                let pending =
                    pending.filter(|(topic, partition, _)| group.offsets.get(topic, *partition).is_none());
                for (topic, partition, _) in group.offsets.iter().chain(pending) {
                    records.push(tombstone(id, topic, partition));
                }
                group.tombstones(id, &mut records);
                ErrorCode::None
            }
        };
        response.results.push(DeletableGroupResult {
            group_id: id.clone(),
            error_code: error.code(),
            ..Default::default()
        });
    }
    (response, records)
}
