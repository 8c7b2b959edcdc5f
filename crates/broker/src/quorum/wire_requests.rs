//! Requests of the quorum on their way to a peer: raft's values into the wire's structs.

use protocol::Request;
use protocol::Str;
use protocol::messages as m;
use raft::{Endpoint, FetchRequest, ReplicaKey, VoteRequest};
use types::{NodeId, Uuid};

use super::log::TOPIC;

/// `timeout_ms`: how long the peer may take, where a request says so.
pub(super) fn to_wire(request: raft::Request, cluster_id: &str, timeout_ms: i32) -> Request {
    let cluster_id = Some(Str::from(cluster_id));
    match request {
        raft::Request::Vote(request) => Request::Vote(vote(&request, cluster_id)),
        raft::Request::BeginQuorumEpoch(request) => Request::BeginQuorumEpoch(begin(request, cluster_id)),
        raft::Request::EndQuorumEpoch(request) => Request::EndQuorumEpoch(end(request, cluster_id)),
        raft::Request::Fetch(request) => Request::Fetch(fetch(&request, cluster_id)),
        raft::Request::FetchSnapshot(request) => Request::FetchSnapshot(fetch_snapshot(&request, cluster_id)),
        raft::Request::AddVoter(request) => Request::AddRaftVoter(m::AddRaftVoterRequest {
            cluster_id,
            timeout_ms,
            voter_id: request.voter.id.0,
            voter_directory_id: request.voter.directory_id,
            listeners: request.endpoints.into_iter().map(added_listener).collect(),
            ack_when_committed: request.ack_when_committed,
        }),
        raft::Request::RemoveVoter(request) => Request::RemoveRaftVoter(m::RemoveRaftVoterRequest {
            cluster_id,
            voter_id: request.voter.id.0,
            voter_directory_id: request.voter.directory_id,
        }),
        raft::Request::UpdateVoter(request) => Request::UpdateRaftVoter(m::UpdateRaftVoterRequest {
            cluster_id,
            current_leader_epoch: request.epoch.0,
            voter_id: request.voter.id.0,
            voter_directory_id: request.voter.directory_id,
            listeners: request.endpoints.into_iter().map(updated_listener).collect(),
            kraft_version_feature: m::update_raft_voter_request::KRaftVersionFeature {
                min_supported_version: request.supported.min,
                max_supported_version: request.supported.max,
            },
        }),
        raft::Request::DescribeQuorum { .. } => Request::DescribeQuorum(m::DescribeQuorumRequest::default()),
        raft::Request::ApiVersions => Request::ApiVersions(crate::peers::api_versions_request()),
    }
}

fn receiver(voter: Option<ReplicaKey>) -> (i32, Uuid) {
    voter.map_or((NodeId::NONE.0, Uuid::ZERO), |key| (key.id.0, key.directory_id))
}

fn topic() -> Str {
    Str::from_static(TOPIC)
}

fn vote(request: &VoteRequest, cluster_id: Option<Str>) -> m::VoteRequest {
    use m::vote_request::{PartitionData, TopicData};
    let (voter_id, voter_directory_id) = receiver(request.voter);
    let partition = PartitionData {
        partition_index: 0,
        replica_epoch: request.epoch.0,
        replica_id: request.candidate.id.0,
        replica_directory_id: request.candidate.directory_id,
        voter_directory_id,
        last_offset_epoch: request.last_epoch.0,
        last_offset: request.last_offset.0,
        pre_vote: request.pre_vote,
    };
    let topics = vec![TopicData { topic_name: topic(), partitions: vec![partition] }];
    m::VoteRequest { cluster_id, voter_id, topics }
}

fn begin(request: raft::BeginQuorumEpochRequest, cluster_id: Option<Str>) -> m::BeginQuorumEpochRequest {
    use m::begin_quorum_epoch_request::{LeaderEndpoint, PartitionData, TopicData};
    let (voter_id, voter_directory_id) = receiver(request.voter);
    let partition = PartitionData {
        partition_index: 0,
        voter_directory_id,
        leader_id: request.leader.0,
        leader_epoch: request.epoch.0,
    };
    let leader_endpoint = |one: Endpoint| LeaderEndpoint {
        name: Str::from(one.listener),
        host: Str::from(one.host),
        port: one.port,
    };
    m::BeginQuorumEpochRequest {
        cluster_id,
        voter_id,
        topics: vec![TopicData { topic_name: topic(), partitions: vec![partition] }],
        leader_endpoints: request.endpoints.into_iter().map(leader_endpoint).collect(),
    }
}

fn end(request: raft::EndQuorumEpochRequest, cluster_id: Option<Str>) -> m::EndQuorumEpochRequest {
    use m::end_quorum_epoch_request::{LeaderEndpoint, PartitionData, ReplicaInfo, TopicData};
    let candidate =
        |key: &ReplicaKey| ReplicaInfo { candidate_id: key.id.0, candidate_directory_id: key.directory_id };
    let partition = PartitionData {
        partition_index: 0,
        leader_id: request.leader.0,
        leader_epoch: request.epoch.0,
        preferred_successors: request.candidates.iter().map(|key| key.id.0).collect(),
        preferred_candidates: request.candidates.iter().map(candidate).collect(),
    };
    let leader_endpoint = |one: Endpoint| LeaderEndpoint {
        name: Str::from(one.listener),
        host: Str::from(one.host),
        port: one.port,
    };
    m::EndQuorumEpochRequest {
        cluster_id,
        topics: vec![TopicData { topic_name: topic(), partitions: vec![partition] }],
        leader_endpoints: request.endpoints.into_iter().map(leader_endpoint).collect(),
    }
}

/// As Kafka's followers ask: no session, no bounds but that of the whole.
fn fetch(request: &FetchRequest, cluster_id: Option<Str>) -> m::FetchRequest {
    use m::fetch_request::{FetchPartition, FetchTopic, ReplicaState};
    let partition = FetchPartition {
        partition: 0,
        current_leader_epoch: request.epoch.0,
        fetch_offset: request.offset.0,
        last_fetched_epoch: request.last_epoch.0,
        log_start_offset: -1,
        partition_max_bytes: 0,
        replica_directory_id: request.replica.directory_id,
        high_watermark: request.high_watermark.0,
    };
    m::FetchRequest {
        cluster_id,
        replica_state: ReplicaState { replica_id: request.replica.id.0, replica_epoch: -1 },
        max_wait_ms: request.max_wait_ms,
        min_bytes: 0,
        max_bytes: request.max_bytes,
        session_id: 0,
        session_epoch: -1,
        topics: vec![FetchTopic {
            topic: topic(),
            topic_id: Uuid::METADATA_TOPIC,
            partitions: vec![partition],
        }],
        ..Default::default()
    }
}

fn fetch_snapshot(request: &raft::FetchSnapshotRequest, cluster_id: Option<Str>) -> m::FetchSnapshotRequest {
    use m::fetch_snapshot_request::{PartitionSnapshot, SnapshotId, TopicSnapshot};
    let partition = PartitionSnapshot {
        partition: 0,
        current_leader_epoch: request.epoch.0,
        snapshot_id: SnapshotId { end_offset: request.id.end_offset.0, epoch: request.id.epoch.0 },
        position: request.position,
        replica_directory_id: request.replica.directory_id,
    };
    m::FetchSnapshotRequest {
        cluster_id,
        replica_id: request.replica.id.0,
        max_bytes: request.max_bytes,
        topics: vec![TopicSnapshot { name: topic(), partitions: vec![partition] }],
    }
}

fn added_listener(one: Endpoint) -> m::add_raft_voter_request::Listener {
    m::add_raft_voter_request::Listener {
        name: Str::from(one.listener),
        host: Str::from(one.host),
        port: one.port,
    }
}

fn updated_listener(one: Endpoint) -> m::update_raft_voter_request::Listener {
    m::update_raft_voter_request::Listener {
        name: Str::from(one.listener),
        host: Str::from(one.host),
        port: one.port,
    }
}
