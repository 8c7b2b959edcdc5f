//! DescribeTopicPartitions: topics page by page, with the replicas that may still become leader (KIP-966).

use std::collections::BTreeSet;

use protocol::messages::describe_topic_partitions_request::DescribeTopicPartitionsRequest;
use protocol::messages::describe_topic_partitions_response::{
    Cursor, DescribeTopicPartitionsResponse, DescribeTopicPartitionsResponsePartition,
    DescribeTopicPartitionsResponseTopic,
};
use protocol::{ErrorCode, Response, Str};

use crate::cluster::{self, PartitionState};
use crate::shard::{Answer, Shard};

pub(crate) fn handle(shard: &Shard, request: DescribeTopicPartitionsRequest) -> Answer {
    let limit =
        shard.node.settings.max_request_partition_size_limit.min(request.response_partition_limit).max(1);
    let mut left = limit as usize;
    let wanted: BTreeSet<Str> = request.topics.into_iter().map(|topic| topic.name).collect();
    let all = wanted.is_empty();
    let names: Vec<Str> = match all {
        true => shard.cluster.topics().map(|topic| topic.name().clone()).collect(),
        false => wanted.into_iter().collect(),
    };
    let mut response = DescribeTopicPartitionsResponse::default();
    for name in names {
        let mut first = 0;
        if let Some(cursor) = &request.cursor {
            match name.cmp(&cursor.topic_name) {
                std::cmp::Ordering::Less => continue,
                std::cmp::Ordering::Equal => first = cursor.partition_index.max(0),
                std::cmp::Ordering::Greater => {}
            }
        }
        if left == 0 {
            response.next_cursor = Some(Cursor { topic_name: name, partition_index: 0 });
            break;
        }
        let Some(topic) = shard.cluster.topic_by_name(&name) else {
            response.topics.push(unknown(name));
            continue;
        };
        let mut described = DescribeTopicPartitionsResponseTopic {
            name: Some(name.clone()),
            topic_id: topic.id(),
            is_internal: topic.is_internal(),
            topic_authorized_operations: crate::authorizer::topic_operations(),
            ..Default::default()
        };
        for (index, state) in topic.partitions().filter(|(index, _)| *index >= first) {
            if left == 0 {
                response.next_cursor = Some(Cursor { topic_name: name.clone(), partition_index: index });
                break;
            }
            left -= 1;
            described.partitions.push(partition(shard, index, state));
        }
        response.topics.push(described);
        if response.next_cursor.is_some() {
            break;
        }
    }
    Answer::Response(Response::DescribeTopicPartitions(response))
}

fn unknown(name: Str) -> DescribeTopicPartitionsResponseTopic {
    DescribeTopicPartitionsResponseTopic {
        error_code: cluster::unknown_name(&name).code(),
        is_internal: cluster::is_internal(&name),
        name: Some(name),
        topic_authorized_operations: i32::MIN,
        ..Default::default()
    }
}

fn partition(shard: &Shard, index: i32, state: &PartitionState) -> DescribeTopicPartitionsResponsePartition {
    let offline = shard.cluster.offline_replicas(state);
    let has_leader = shard.cluster.is_alive(state.leader);
    DescribeTopicPartitionsResponsePartition {
        error_code: if has_leader { ErrorCode::None } else { ErrorCode::LeaderNotAvailable }.code(),
        partition_index: index,
        leader_id: if has_leader { state.leader } else { -1 },
        leader_epoch: state.leader_epoch,
        replica_nodes: state.replicas.clone(),
        isr_nodes: state.in_sync_replicas.clone(),
        eligible_leader_replicas: Some(state.eligible_leader_replicas.clone()),
        last_known_elr: Some(state.last_known_elr.clone()),
        offline_replicas: offline,
    }
}
