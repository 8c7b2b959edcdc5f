//! The quorum's own messages between the wire's structs and raft's values: cluster id and topic are checked here.

use protocol::messages as m;
use protocol::{ApiKey, Records, Request, Response, Str};
use raft::{
    AddVoterRequest, Answer, BeginQuorumEpochRequest, Body, Code, EndQuorumEpochRequest, Endpoint,
    FetchRequest, FetchSnapshotRequest, QuorumDescription, RemoveVoterRequest, ReplicaDescription,
    ReplicaKey, SnapshotId, UpdateVoterRequest, VersionRange, VoteRequest,
};
use types::{LeaderEpoch, NodeId, Offset, Uuid};

use super::log::TOPIC;

/// None: no message of the quorum. An error is the answer already.
pub(super) fn to_raft(
    request: &Request,
    version: i16,
    cluster_id: &str,
) -> Option<Result<raft::Request, Response>> {
    let (api_key, cluster, read) = match request {
        Request::Vote(r) => (ApiKey::Vote, r.cluster_id.as_deref(), vote(r, version)),
        Request::BeginQuorumEpoch(r) => {
            (ApiKey::BeginQuorumEpoch, r.cluster_id.as_deref(), begin(r, version))
        }
        Request::EndQuorumEpoch(r) => (ApiKey::EndQuorumEpoch, r.cluster_id.as_deref(), end(r)),
        Request::Fetch(r) => (ApiKey::Fetch, r.cluster_id.as_deref(), fetch(r, version)),
        Request::FetchSnapshot(r) => (ApiKey::FetchSnapshot, r.cluster_id.as_deref(), fetch_snapshot(r)),
        Request::AddRaftVoter(r) => (ApiKey::AddRaftVoter, r.cluster_id.as_deref(), Some(add_voter(r))),
        Request::RemoveRaftVoter(r) => {
            let voter = ReplicaKey::new(NodeId(r.voter_id), r.voter_directory_id);
            let request = raft::Request::RemoveVoter(RemoveVoterRequest { voter });
            (ApiKey::RemoveRaftVoter, r.cluster_id.as_deref(), Some(request))
        }
        Request::UpdateRaftVoter(r) => {
            (ApiKey::UpdateRaftVoter, r.cluster_id.as_deref(), Some(update_voter(r)))
        }
        Request::DescribeQuorum(r) => (ApiKey::DescribeQuorum, None, Some(describe(r))),
        _ => return None,
    };
    if cluster.is_some_and(|cluster| cluster != cluster_id) {
        return Some(Err(refusal(api_key, Code::INCONSISTENT_CLUSTER_ID, version)));
    }
    Some(read.ok_or_else(|| refusal(api_key, Code::INVALID_REQUEST, version)))
}

fn refusal(api_key: ApiKey, top: Code, version: i16) -> Response {
    let answer =
        Answer { top, code: top, leader: None, epoch: LeaderEpoch(-1), endpoint: None, body: Body::Nothing };
    from_raft(api_key, answer, version)
}

fn only<T>(all: &[T]) -> Option<&T> {
    match all {
        [one] => Some(one),
        _ => None,
    }
}

fn vote(request: &m::VoteRequest, version: i16) -> Option<raft::Request> {
    let topic = only(&request.topics).filter(|topic| topic.topic_name == TOPIC)?;
    let partition = only(&topic.partitions).filter(|partition| partition.partition_index == 0)?;
    let voter = ReplicaKey::new(NodeId(request.voter_id), partition.voter_directory_id);
    Some(raft::Request::Vote(VoteRequest {
        candidate: ReplicaKey::new(NodeId(partition.replica_id), partition.replica_directory_id),
        epoch: LeaderEpoch(partition.replica_epoch),
        last_epoch: LeaderEpoch(partition.last_offset_epoch),
        last_offset: Offset(partition.last_offset),
        pre_vote: partition.pre_vote,
        voter: (version >= 1 && request.voter_id >= 0).then_some(voter),
    }))
}

fn begin(request: &m::BeginQuorumEpochRequest, version: i16) -> Option<raft::Request> {
    let topic = only(&request.topics).filter(|topic| topic.topic_name == TOPIC)?;
    let partition = only(&topic.partitions).filter(|partition| partition.partition_index == 0)?;
    let voter = ReplicaKey::new(NodeId(request.voter_id), partition.voter_directory_id);
    Some(raft::Request::BeginQuorumEpoch(BeginQuorumEpochRequest {
        leader: NodeId(partition.leader_id),
        epoch: LeaderEpoch(partition.leader_epoch),
        endpoints: request.leader_endpoints.iter().map(|e| endpoint(&e.name, &e.host, e.port)).collect(),
        voter: (version >= 1 && request.voter_id >= 0).then_some(voter),
    }))
}

fn end(request: &m::EndQuorumEpochRequest) -> Option<raft::Request> {
    let topic = only(&request.topics).filter(|topic| topic.topic_name == TOPIC)?;
    let partition = only(&topic.partitions).filter(|partition| partition.partition_index == 0)?;
    let by_key = partition
        .preferred_candidates
        .iter()
        .map(|one| ReplicaKey::new(NodeId(one.candidate_id), one.candidate_directory_id));
    let by_id = partition.preferred_successors.iter().map(|id| ReplicaKey::new(NodeId(*id), Uuid::ZERO));
    Some(raft::Request::EndQuorumEpoch(EndQuorumEpochRequest {
        leader: NodeId(partition.leader_id),
        epoch: LeaderEpoch(partition.leader_epoch),
        endpoints: request.leader_endpoints.iter().map(|e| endpoint(&e.name, &e.host, e.port)).collect(),
        candidates: by_key.chain(by_id).collect(),
    }))
}

fn fetch(request: &m::FetchRequest, version: i16) -> Option<raft::Request> {
    let topic = only(&request.topics)?;
    let is_ours = if version >= 13 { topic.topic_id == Uuid::METADATA_TOPIC } else { topic.topic == TOPIC };
    let partition = only(&topic.partitions).filter(|partition| is_ours && partition.partition == 0)?;
    let id = if version >= 15 { request.replica_state.replica_id } else { request.replica_id };
    Some(raft::Request::Fetch(FetchRequest {
        replica: ReplicaKey::new(NodeId(id), partition.replica_directory_id),
        epoch: LeaderEpoch(partition.current_leader_epoch),
        offset: Offset(partition.fetch_offset),
        last_epoch: LeaderEpoch(partition.last_fetched_epoch),
        max_wait_ms: request.max_wait_ms,
        max_bytes: request.max_bytes,
        high_watermark: Offset(partition.high_watermark),
    }))
}

fn fetch_snapshot(request: &m::FetchSnapshotRequest) -> Option<raft::Request> {
    let topic = only(&request.topics).filter(|topic| topic.name == TOPIC)?;
    let partition = only(&topic.partitions).filter(|partition| partition.partition == 0)?;
    Some(raft::Request::FetchSnapshot(FetchSnapshotRequest {
        replica: ReplicaKey::new(NodeId(request.replica_id), partition.replica_directory_id),
        epoch: LeaderEpoch(partition.current_leader_epoch),
        id: SnapshotId {
            end_offset: Offset(partition.snapshot_id.end_offset),
            epoch: LeaderEpoch(partition.snapshot_id.epoch),
        },
        position: partition.position,
        max_bytes: request.max_bytes,
    }))
}

fn add_voter(request: &m::AddRaftVoterRequest) -> raft::Request {
    raft::Request::AddVoter(AddVoterRequest {
        voter: ReplicaKey::new(NodeId(request.voter_id), request.voter_directory_id),
        endpoints: request.listeners.iter().map(|e| endpoint(&e.name, &e.host, e.port)).collect(),
        ack_when_committed: request.ack_when_committed,
    })
}

fn update_voter(request: &m::UpdateRaftVoterRequest) -> raft::Request {
    let range = &request.kraft_version_feature;
    raft::Request::UpdateVoter(UpdateVoterRequest {
        epoch: LeaderEpoch(request.current_leader_epoch),
        voter: ReplicaKey::new(NodeId(request.voter_id), request.voter_directory_id),
        endpoints: request.listeners.iter().map(|e| endpoint(&e.name, &e.host, e.port)).collect(),
        supported: VersionRange { min: range.min_supported_version, max: range.max_supported_version },
    })
}

fn describe(request: &m::DescribeQuorumRequest) -> raft::Request {
    let topic = only(&request.topics).filter(|topic| topic.topic_name == TOPIC);
    let known_topic =
        topic.is_some_and(|topic| only(&topic.partitions).is_some_and(|one| one.partition_index == 0));
    raft::Request::DescribeQuorum { known_topic }
}

fn endpoint(listener: &str, host: &str, port: u16) -> Endpoint {
    Endpoint { listener: listener.to_owned(), host: host.to_owned(), port }
}

/// The API whose answer a body is; for those that shards ask on behalf of their clients.
pub(super) fn api_key(answer: &Answer) -> ApiKey {
    match answer.body {
        Body::AddVoter => ApiKey::AddRaftVoter,
        Body::RemoveVoter => ApiKey::RemoveRaftVoter,
        _ => ApiKey::DescribeQuorum,
    }
}

/// Endpoint of the leader: node, host, port.
fn leader_endpoint(answer: &Answer) -> Option<(i32, Str, u16)> {
    let endpoint = answer.endpoint.as_ref()?;
    Some((answer.leader?.0, Str::from(endpoint.host.clone()), endpoint.port))
}

pub(super) fn from_raft(api_key: ApiKey, answer: Answer, version: i16) -> Response {
    match api_key {
        ApiKey::Vote => Response::Vote(vote_response(&answer)),
        ApiKey::BeginQuorumEpoch => Response::BeginQuorumEpoch(begin_response(&answer)),
        ApiKey::EndQuorumEpoch => Response::EndQuorumEpoch(end_response(&answer)),
        ApiKey::Fetch => Response::Fetch(fetch_response(answer, version)),
        ApiKey::FetchSnapshot => Response::FetchSnapshot(fetch_snapshot_response(answer)),
        ApiKey::AddRaftVoter => Response::AddRaftVoter(m::AddRaftVoterResponse {
            error_code: answer.code.0,
            error_message: message(answer.code),
            ..Default::default()
        }),
        ApiKey::RemoveRaftVoter => Response::RemoveRaftVoter(m::RemoveRaftVoterResponse {
            error_code: answer.code.0,
            error_message: message(answer.code),
            ..Default::default()
        }),
        ApiKey::UpdateRaftVoter => Response::UpdateRaftVoter(update_response(&answer)),
        _ => Response::DescribeQuorum(describe_response(answer, version)),
    }
}

fn message(code: Code) -> Option<Str> {
    code.is_error().then(|| Str::from(protocol::ErrorCode::from(code.0).message()))
}

fn vote_response(answer: &Answer) -> m::VoteResponse {
    use m::vote_response::{NodeEndpoint, PartitionData, TopicData};
    let mut response = m::VoteResponse { error_code: answer.top.0, ..Default::default() };
    if let Body::Vote { granted } = answer.body {
        let partition = PartitionData {
            partition_index: 0,
            error_code: answer.code.0,
            leader_id: answer.leader.unwrap_or(NodeId::NONE).0,
            leader_epoch: answer.epoch.0,
            vote_granted: granted,
        };
        response.topics =
            vec![TopicData { topic_name: Str::from_static(TOPIC), partitions: vec![partition] }];
    }
    response.node_endpoints = leader_endpoint(answer)
        .map(|(node_id, host, port)| NodeEndpoint { node_id, host, port })
        .into_iter()
        .collect();
    response
}

fn begin_response(answer: &Answer) -> m::BeginQuorumEpochResponse {
    use m::begin_quorum_epoch_response::{NodeEndpoint, PartitionData, TopicData};
    let mut response = m::BeginQuorumEpochResponse { error_code: answer.top.0, ..Default::default() };
    if answer.body == Body::BeginQuorumEpoch {
        let partition = PartitionData {
            partition_index: 0,
            error_code: answer.code.0,
            leader_id: answer.leader.unwrap_or(NodeId::NONE).0,
            leader_epoch: answer.epoch.0,
        };
        response.topics =
            vec![TopicData { topic_name: Str::from_static(TOPIC), partitions: vec![partition] }];
    }
    response.node_endpoints = leader_endpoint(answer)
        .map(|(node_id, host, port)| NodeEndpoint { node_id, host, port })
        .into_iter()
        .collect();
    response
}

fn end_response(answer: &Answer) -> m::EndQuorumEpochResponse {
    use m::end_quorum_epoch_response::{NodeEndpoint, PartitionData, TopicData};
    let mut response = m::EndQuorumEpochResponse { error_code: answer.top.0, ..Default::default() };
    if answer.body == Body::EndQuorumEpoch {
        let partition = PartitionData {
            partition_index: 0,
            error_code: answer.code.0,
            leader_id: answer.leader.unwrap_or(NodeId::NONE).0,
            leader_epoch: answer.epoch.0,
        };
        response.topics =
            vec![TopicData { topic_name: Str::from_static(TOPIC), partitions: vec![partition] }];
    }
    response.node_endpoints = leader_endpoint(answer)
        .map(|(node_id, host, port)| NodeEndpoint { node_id, host, port })
        .into_iter()
        .collect();
    response
}

fn fetch_response(answer: Answer, version: i16) -> m::FetchResponse {
    use m::fetch_response::{
        EpochEndOffset, FetchableTopicResponse, LeaderIdAndEpoch, NodeEndpoint, PartitionData, SnapshotId,
    };
    let mut response = m::FetchResponse { error_code: answer.top.0, ..Default::default() };
    if version >= 17 {
        response.node_endpoints = leader_endpoint(&answer)
            .map(|(node_id, host, port)| NodeEndpoint { node_id, host, port: i32::from(port), rack: None })
            .into_iter()
            .collect();
    }
    let Body::Fetch(fetched) = answer.body else { return response };
    let mut partition = PartitionData {
        partition_index: 0,
        error_code: answer.code.0,
        high_watermark: fetched.high_watermark.0,
        last_stable_offset: -1,
        log_start_offset: fetched.log_start_offset.0,
        current_leader: LeaderIdAndEpoch {
            leader_id: answer.leader.unwrap_or(NodeId::NONE).0,
            leader_epoch: answer.epoch.0,
        },
        records: Records::from(fetched.records),
        ..Default::default()
    };
    if let Some(end) = fetched.diverging {
        partition.diverging_epoch = EpochEndOffset { epoch: end.epoch.0, end_offset: end.end_offset.0 };
    }
    if let Some(id) = fetched.snapshot {
        partition.snapshot_id = SnapshotId { end_offset: id.end_offset.0, epoch: id.epoch.0 };
    }
    response.responses = vec![FetchableTopicResponse {
        topic: if version >= 13 { Str::default() } else { Str::from_static(TOPIC) },
        topic_id: Uuid::METADATA_TOPIC,
        partitions: vec![partition],
    }];
    response
}

fn fetch_snapshot_response(answer: Answer) -> m::FetchSnapshotResponse {
    use m::fetch_snapshot_response::{
        LeaderIdAndEpoch, NodeEndpoint, PartitionSnapshot, SnapshotId, TopicSnapshot,
    };
    let mut response = m::FetchSnapshotResponse { error_code: answer.top.0, ..Default::default() };
    response.node_endpoints = leader_endpoint(&answer)
        .map(|(node_id, host, port)| NodeEndpoint { node_id, host, port })
        .into_iter()
        .collect();
    let Body::FetchSnapshot(chunk) = answer.body else { return response };
    let partition = PartitionSnapshot {
        index: 0,
        error_code: answer.code.0,
        snapshot_id: SnapshotId { end_offset: chunk.id.end_offset.0, epoch: chunk.id.epoch.0 },
        current_leader: LeaderIdAndEpoch {
            leader_id: answer.leader.unwrap_or(NodeId::NONE).0,
            leader_epoch: answer.epoch.0,
        },
        size: chunk.size,
        position: chunk.position,
        unaligned_records: Records::from(chunk.bytes),
    };
    response.topics = vec![TopicSnapshot { name: Str::from_static(TOPIC), partitions: vec![partition] }];
    response
}

fn update_response(answer: &Answer) -> m::UpdateRaftVoterResponse {
    use m::update_raft_voter_response::CurrentLeader;
    let (_, host, port) = leader_endpoint(answer).unwrap_or_default();
    m::UpdateRaftVoterResponse {
        error_code: if answer.top.is_error() { answer.top.0 } else { answer.code.0 },
        current_leader: CurrentLeader {
            leader_id: answer.leader.unwrap_or(NodeId::NONE).0,
            leader_epoch: answer.epoch.0,
            host,
            port: i32::from(port),
        },
        ..Default::default()
    }
}

fn describe_response(answer: Answer, version: i16) -> m::DescribeQuorumResponse {
    use m::describe_quorum_response::{Listener, Node, PartitionData, ReplicaState, TopicData};
    let mut response = m::DescribeQuorumResponse { error_code: answer.top.0, ..Default::default() };
    let Body::DescribeQuorum(description) = answer.body else { return response };
    let QuorumDescription { high_watermark, voters, observers, nodes } = *description;
    let state = |one: &ReplicaDescription| ReplicaState {
        replica_id: one.key.id.0,
        replica_directory_id: one.key.directory_id,
        log_end_offset: one.log_end_offset.0,
        last_fetch_timestamp: one.last_fetch_timestamp,
        last_caught_up_timestamp: one.last_caught_up_timestamp,
    };
    let mut partition = PartitionData { partition_index: 0, error_code: answer.code.0, ..Default::default() };
    if !answer.code.is_error() {
        partition.leader_id = answer.leader.unwrap_or(NodeId::NONE).0;
        partition.leader_epoch = answer.epoch.0;
        partition.high_watermark = high_watermark.0;
        partition.current_voters = voters.iter().map(state).collect();
        partition.observers = observers.iter().map(state).collect();
    } else if version >= 2 {
        partition.error_message = message(answer.code);
    }
    response.topics = vec![TopicData { topic_name: Str::from_static(TOPIC), partitions: vec![partition] }];
    let listener =
        |one: Endpoint| Listener { name: Str::from(one.listener), host: Str::from(one.host), port: one.port };
    if version >= 2 {
        response.nodes = nodes
            .into_iter()
            .map(|(id, endpoints)| Node {
                node_id: id.0,
                listeners: endpoints.into_iter().map(listener).collect(),
            })
            .collect();
    }
    response
}
