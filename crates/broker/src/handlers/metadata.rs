//! Metadata: brokers, topics and who leads what. May have topics created that do not exist.

use protocol::messages::metadata_request::MetadataRequest;
use protocol::messages::metadata_response::{
    MetadataResponse, MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use protocol::{ErrorCode, Response, Str};
use types::Uuid;

use crate::cluster::{self, Topic};
use crate::shard::{Answer, Call, Shard, Turn};

const NOT_ASKED_FOR: i32 = i32::MIN;

pub(crate) fn handle(shard: &mut Shard, turn: &mut Turn, call: Call, request: MetadataRequest) -> Answer {
    if let Some(refused) = refused(&call, &request) {
        return Answer::Response(Response::Metadata(refused));
    }
    let response = describe(shard, &call, &request);
    let allowed = request.allow_auto_topic_creation || call.api_version < 4;
    if allowed && shard.node.settings.auto_create_topics_enable {
        super::topic_creation::create(shard, turn, &call, &missing(&request, &response));
    }
    Answer::Response(Response::Metadata(response))
}

/// Ids and absent names came with version 10, but could be answered only from version 12 on.
fn refused(call: &Call, request: &MetadataRequest) -> Option<MetadataResponse> {
    let topics = request.topics.as_ref()?;
    let by_id = |topic: &&protocol::messages::metadata_request::MetadataRequestTopic| {
        topic.name.is_none() || !topic.topic_id.is_zero()
    };
    if call.api_version >= 12 || topics.iter().find(by_id).is_none() {
        return None;
    }
    let topics = topics.iter().map(|topic| MetadataResponseTopic {
        error_code: ErrorCode::InvalidRequest.code(),
        name: Some(topic.name.clone().unwrap_or_default()),
        topic_id: topic.topic_id,
        topic_authorized_operations: NOT_ASKED_FOR,
        ..Default::default()
    });
    Some(MetadataResponse {
        topics: topics.collect(),
        controller_id: -1,
        cluster_authorized_operations: NOT_ASKED_FOR,
        ..Default::default()
    })
}

fn describe(shard: &Shard, call: &Call, request: &MetadataRequest) -> MetadataResponse {
    let listener = shard.listener_name(call);
    let alive = shard.cluster.alive_endpoints(listener);
    // Before version 1 an empty list meant all; from then on null does.
    let all = match &request.topics {
        None => true,
        Some(topics) => call.api_version == 0 && topics.is_empty(),
    };
    let mut topics: Vec<MetadataResponseTopic> = match (&request.topics, all) {
        (Some(wanted), false) => {
            wanted.iter().map(|wanted| one(shard, wanted.name.as_ref(), wanted.topic_id)).collect()
        }
        _ => shard.cluster.topics().map(|topic| known(shard, topic)).collect(),
    };
    if request.include_topic_authorized_operations {
        for topic in topics.iter_mut().filter(|topic| topic.error_code == 0) {
            topic.topic_authorized_operations = crate::authorizer::topic_operations();
        }
    }
    MetadataResponse {
        cluster_id: Some(Str::from(&*shard.node.cluster_id)),
        controller_id: alive.first().map_or(-1, |endpoint| endpoint.node.0),
        brokers: alive
            .into_iter()
            .map(|endpoint| MetadataResponseBroker {
                node_id: endpoint.node.0,
                host: endpoint.host,
                port: i32::from(endpoint.port),
                rack: endpoint.rack,
            })
            .collect(),
        topics,
        cluster_authorized_operations: match request.include_cluster_authorized_operations {
            true => crate::authorizer::cluster_operations(),
            false => NOT_ASKED_FOR,
        },
        ..Default::default()
    }
}

fn one(shard: &Shard, name: Option<&Str>, id: Uuid) -> MetadataResponseTopic {
    let (found, error) = match name {
        Some(name) if id.is_zero() => (shard.cluster.topic_by_name(name), cluster::unknown_name(name)),
        _ => (shard.cluster.topic_by_id(id), ErrorCode::UnknownTopicId),
    };
    match found {
        Some(topic) => known(shard, topic),
        None => MetadataResponseTopic {
            error_code: error.code(),
            name: if id.is_zero() { Some(name.cloned().unwrap_or_default()) } else { None },
            topic_id: id,
            is_internal: name.is_some_and(|name| cluster::is_internal(name)),
            topic_authorized_operations: NOT_ASKED_FOR,
            ..Default::default()
        },
    }
}

fn known(shard: &Shard, topic: Topic<'_>) -> MetadataResponseTopic {
    MetadataResponseTopic {
        error_code: 0,
        name: Some(topic.name().clone()),
        topic_id: topic.id(),
        is_internal: topic.is_internal(),
        partitions: topic.partitions().map(|(index, state)| partition(shard, index, state)).collect(),
        topic_authorized_operations: NOT_ASKED_FOR,
    }
}

fn partition(shard: &Shard, index: i32, state: &cluster::PartitionState) -> MetadataResponsePartition {
    let offline = shard.cluster.offline_replicas(state);
    let has_leader = shard.cluster.is_alive(state.leader);
    MetadataResponsePartition {
        error_code: if has_leader { ErrorCode::None } else { ErrorCode::LeaderNotAvailable }.code(),
        partition_index: index,
        leader_id: if has_leader { state.leader } else { -1 },
        leader_epoch: state.leader_epoch,
        replica_nodes: state.replicas.clone(),
        isr_nodes: state.in_sync_replicas.clone(),
        offline_replicas: offline,
    }
}

/// Names that do not exist yet and may.
fn missing(request: &MetadataRequest, response: &MetadataResponse) -> Vec<Str> {
    if request.topics.is_none() {
        return Vec::new();
    }
    let unknown = |topic: &&MetadataResponseTopic| {
        topic.error_code == ErrorCode::UnknownTopicOrPartition.code() && topic.topic_id.is_zero()
    };
    let mut names: Vec<Str> =
        response.topics.iter().filter(unknown).filter_map(|topic| topic.name.clone()).collect();
    names.sort();
    names.dedup();
    names
}
