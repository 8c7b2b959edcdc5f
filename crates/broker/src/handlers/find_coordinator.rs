//! FindCoordinator: which broker holds a group. `__consumer_offsets` is created when first asked for.

use protocol::messages::find_coordinator_request::FindCoordinatorRequest;
use protocol::messages::find_coordinator_response::{Coordinator, FindCoordinatorResponse};
use protocol::{ErrorCode, Response, Str};
use types::TopicIdPartition;

use crate::cluster::Cluster;
use crate::shard::{Answer, Call, Shard, Turn};

pub(crate) const OFFSETS_TOPIC: &str = "__consumer_offsets";
const GROUP: i8 = 0;

pub(crate) fn handle(
    shard: &mut Shard,
    turn: &mut Turn,
    call: Call,
    request: FindCoordinatorRequest,
) -> Answer {
    let keys = if call.api_version >= 4 { request.coordinator_keys } else { vec![request.key] };
    let listener = shard.listener_name(&call).to_owned();
    let mut needs_topic = false;
    let mut coordinators = Vec::with_capacity(keys.len());
    for key in keys {
        let mut coordinator = Coordinator {
            key: key.clone(),
            node_id: -1,
            host: Str::default(),
            port: -1,
            error_code: 0,
            error_message: None,
        };
        match find(&shard.cluster, request.key_type, &key, &listener) {
            Ok(endpoint) => {
                coordinator.node_id = endpoint.node.0;
                coordinator.host = endpoint.host;
                coordinator.port = i32::from(endpoint.port);
            }
            Err(error) => {
                needs_topic |= error == ErrorCode::CoordinatorNotAvailable
                    && shard.cluster.topic_by_name(OFFSETS_TOPIC).is_none();
                coordinator.error_code = error.code();
                coordinator.error_message = Some(Str::from_static(error.message()));
            }
        }
        coordinators.push(coordinator);
    }
    if needs_topic {
        super::topic_creation::create(shard, turn, &call, &[Str::from_static(OFFSETS_TOPIC)]);
    }
    Answer::Response(Response::FindCoordinator(response(&call, coordinators)))
}

fn find(
    cluster: &Cluster,
    key_type: i8,
    key: &Str,
    listener: &str,
) -> Result<crate::cluster::Endpoint, ErrorCode> {
    // Transactions and share groups are not served here, so nobody coordinates them.
    if key_type != GROUP {
        return Err(match key_type {
            1 => ErrorCode::TransactionalIdAuthorizationFailed,
            _ => ErrorCode::InvalidRequest,
        });
    }
    let partition = partition_of_group(cluster, key).ok_or(ErrorCode::CoordinatorNotAvailable)?;
    let (leader, _) = cluster.leader_of(&partition).ok_or(ErrorCode::CoordinatorNotAvailable)?;
    let mut endpoints = cluster.endpoints(&[leader], listener);
    endpoints.pop().ok_or(ErrorCode::CoordinatorNotAvailable)
}

/// Before version 4 a request has one key and its answer stands at the top.
fn response(call: &Call, mut coordinators: Vec<Coordinator>) -> FindCoordinatorResponse {
    if call.api_version >= 4 {
        return FindCoordinatorResponse { coordinators, ..Default::default() };
    }
    match coordinators.pop() {
        Some(one) => FindCoordinatorResponse {
            error_code: one.error_code,
            error_message: one.error_message,
            node_id: one.node_id,
            host: one.host,
            port: one.port,
            ..Default::default()
        },
        None => FindCoordinatorResponse::default(),
    }
}

/// The partition of `__consumer_offsets` that holds a group; None while the topic does not exist.
pub(crate) fn partition_of_group(cluster: &Cluster, group: &str) -> Option<TopicIdPartition> {
    let topic = cluster.topic_by_name(OFFSETS_TOPIC)?;
    let count = topic.partition_count();
    (count > 0).then(|| topic.partition(group_partition(group, count)))
}

/// Java's String.hashCode over UTF-16 units, made positive, by the number of partitions.
fn group_partition(group: &str, partitions: i32) -> i32 {
    let hash =
        group.encode_utf16().fold(0i32, |hash, unit| hash.wrapping_mul(31).wrapping_add(i32::from(unit)));
    let positive = if hash == i32::MIN { 0 } else { hash.abs() };
    positive % partitions
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_placed_as_java_does() {
        // String.hashCode: "" 0, "a" 97, "polygenelubricants" is the smallest integer, "消" 0x6d88
        for (group, partition) in
            [("", 0), ("a", 47), ("polygenelubricants", 0), ("消", 0x6d88 % 50), ("test", 3556498 % 50)]
        {
            assert_eq!(group_partition(group, 50), partition, "{group}");
        }
    }
}
