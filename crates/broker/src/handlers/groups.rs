//! The group APIs: each goes to the shard that owns the group's partition of `__consumer_offsets`. Requests that
//! name several groups are cut into one for each.

use protocol::messages::delete_groups_request::DeleteGroupsRequest;
use protocol::messages::describe_groups_request::DescribeGroupsRequest;
use protocol::messages::list_groups_request::ListGroupsRequest;
use protocol::messages::offset_delete_request::{OffsetDeleteRequest, OffsetDeleteRequestPartition};
use protocol::messages::offset_delete_response::{
    OffsetDeleteResponse, OffsetDeleteResponsePartition, OffsetDeleteResponseTopic,
};
use protocol::messages::offset_fetch_request::OffsetFetchRequest;
use protocol::{ErrorCode, Request, Response, Str};
use types::TopicIdPartition;

use crate::handlers::find_coordinator::{OFFSETS_TOPIC, partition_of_group};
use crate::message::{Part, PartReply};
use crate::shard::{Answer, Call, Shard, Turn};

/// A request about one group.
pub(crate) fn one(shard: &mut Shard, turn: &mut Turn, call: Call, request: Request) -> Answer {
    let group = match &request {
        Request::JoinGroup(request) => &request.group_id,
        Request::SyncGroup(request) => &request.group_id,
        Request::Heartbeat(request) => &request.group_id,
        Request::LeaveGroup(request) => &request.group_id,
        Request::OffsetCommit(request) => &request.group_id,
        Request::OffsetFetch(request) => &request.group_id,
        _ => return Answer::Close,
    };
    let requests = vec![(group.clone(), request.clone())];
    let empty = match &request {
        Request::OffsetFetch(_) => Response::OffsetFetch(Default::default()),
        _ => Response::Heartbeat(Default::default()),
    };
    split(shard, turn, call, empty, requests)
}

/// Partitions that do not exist are answered here, the others where the group is.
pub(crate) fn offset_delete(
    shard: &mut Shard,
    turn: &mut Turn,
    call: Call,
    mut request: OffsetDeleteRequest,
) -> Answer {
    let mut response = OffsetDeleteResponse::default();
    for topic in &mut request.topics {
        let found = shard.cluster.topic_by_name(&topic.name);
        let exists = |partition: i32| found.is_some_and(|found| found.state(partition).is_some());
        let (known, unknown): (Vec<_>, Vec<_>) =
            std::mem::take(&mut topic.partitions).into_iter().partition(|one| exists(one.partition_index));
        topic.partitions = known;
        if !unknown.is_empty() {
            let refused = |one: OffsetDeleteRequestPartition| OffsetDeleteResponsePartition {
                partition_index: one.partition_index,
                error_code: ErrorCode::UnknownTopicOrPartition.code(),
            };
            let partitions = unknown.into_iter().map(refused).collect();
            response.topics.push(OffsetDeleteResponseTopic { name: topic.name.clone(), partitions });
        }
    }
    request.topics.retain(|topic| !topic.partitions.is_empty());
    // asked even where nothing is left: whether there is such a group goes before
    let requests = vec![(request.group_id.clone(), Request::OffsetDelete(request))];
    split(shard, turn, call, Response::OffsetDelete(response), requests)
}

/// Adds what the group's shard says. An error of the whole group leaves nothing else to say.
pub(crate) fn merge_offset_delete(all: &mut OffsetDeleteResponse, part: OffsetDeleteResponse) {
    if part.error_code != 0 {
        *all = part;
        return;
    }
    for topic in part.topics {
        match all.topics.iter_mut().find(|known| known.name == topic.name) {
            Some(known) => known.partitions.extend(topic.partitions),
            None => all.topics.push(topic),
        }
    }
}

pub(crate) fn describe(
    shard: &mut Shard,
    turn: &mut Turn,
    call: Call,
    request: DescribeGroupsRequest,
) -> Answer {
    let one = |group: &Str| {
        let request = DescribeGroupsRequest { groups: vec![group.clone()], ..request };
        (group.clone(), Request::DescribeGroups(request))
    };
    let requests = request.groups.iter().map(one).collect();
    split(shard, turn, call, Response::DescribeGroups(Default::default()), requests)
}

pub(crate) fn delete(shard: &mut Shard, turn: &mut Turn, call: Call, request: DeleteGroupsRequest) -> Answer {
    let one = |group: &Str| {
        (group.clone(), Request::DeleteGroups(DeleteGroupsRequest { groups_names: vec![group.clone()] }))
    };
    let requests = request.groups_names.iter().map(one).collect();
    split(shard, turn, call, Response::DeleteGroups(Default::default()), requests)
}

/// From version 8 it names several groups.
pub(crate) fn offset_fetch(
    shard: &mut Shard,
    turn: &mut Turn,
    call: Call,
    request: OffsetFetchRequest,
) -> Answer {
    if call.api_version < 8 {
        return one(shard, turn, call, Request::OffsetFetch(request));
    }
    let require_stable = request.require_stable;
    let one = |group: protocol::messages::offset_fetch_request::OffsetFetchRequestGroup| {
        let id = group.group_id.clone();
        let request = OffsetFetchRequest { groups: vec![group], require_stable, ..Default::default() };
        (id, Request::OffsetFetch(request))
    };
    let requests = request.groups.into_iter().map(one).collect();
    split(shard, turn, call, Response::OffsetFetch(Default::default()), requests)
}

/// Every partition of `__consumer_offsets` that is led here has groups to list.
pub(crate) fn list(shard: &mut Shard, turn: &mut Turn, call: Call, request: ListGroupsRequest) -> Answer {
    let empty = Response::ListGroups(Default::default());
    let Some(topic) = shard.cluster.topic_by_name(OFFSETS_TOPIC) else { return Answer::Response(empty) };
    let led_here =
        |&(_, state): &(i32, &crate::cluster::PartitionState)| state.leader == shard.node.node_id.0;
    let partitions: Vec<_> =
        topic.partitions().filter(led_here).map(|(index, _)| topic.partition(index)).collect();
    let requests = partitions.into_iter().map(|id| (id, Request::ListGroups(request.clone()))).collect();
    send(shard, turn, call, empty, requests)
}

fn split(
    shard: &mut Shard,
    turn: &mut Turn,
    call: Call,
    mut response: Response,
    requests: Vec<(Str, Request)>,
) -> Answer {
    let mut parts = Vec::with_capacity(requests.len());
    for (group, request) in requests {
        let partition = partition_of_group(&shard.cluster, &group);
        let led_here = partition.and_then(|id| shard.cluster.leader_of(&id));
        match (partition, led_here) {
            (Some(id), Some((leader, _))) if leader == shard.node.node_id => parts.push((id, request)),
            _ => {
                if let Some(refused) =
                    crate::groups::refuse(request, call.api_version, ErrorCode::NotCoordinator)
                {
                    crate::handlers::fill(&mut response, PartReply::Response(Box::new(refused)));
                }
            }
        }
    }
    send(shard, turn, call, response, parts)
}

fn send(
    shard: &mut Shard,
    turn: &mut Turn,
    call: Call,
    response: Response,
    parts: Vec<(TopicIdPartition, Request)>,
) -> Answer {
    let Some(context) = shard.context(&call) else { return Answer::Close };
    if parts.is_empty() {
        return Answer::Response(response);
    }
    let id = shard.begin_gather(call, response, parts.len());
    for (partition, request) in parts {
        let owner = crate::routing::shard_of(&partition, shard.node.shards);
        let part = Part::Group { partition, context: context.clone(), request: Box::new(request) };
        shard.send_part(turn, owner, id, part);
    }
    Answer::Later
}
