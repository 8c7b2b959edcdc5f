//! What is said is what is heard: each message of the quorum through its bytes, there and back, in every version that
//! has all of it.

use bytes::Bytes;
use protocol::{ApiKey, Reader, Request, Response, Writer};
use raft::{
    Answer, Body, Code, Endpoint, EpochEnd, Fetched, ReplicaKey, SnapshotChunk, SnapshotId, VersionRange,
};
use types::{LeaderEpoch, NodeId, Offset, Uuid};

use super::{wire, wire_answers, wire_requests};

const CLUSTER: &str = "AAAAAAAAAAAAAAAAAAAAAw";

fn key(id: i32) -> ReplicaKey {
    ReplicaKey::new(NodeId(id), Uuid::from_halves(7, i64::from(id)))
}

fn endpoint(port: u16) -> Endpoint {
    Endpoint { listener: "CONTROLLER".into(), host: "here".into(), port }
}

fn requests() -> Vec<(i16, raft::Request)> {
    let snapshot = SnapshotId { end_offset: Offset(90), epoch: LeaderEpoch(3) };
    vec![
        (
            2,
            raft::Request::Vote(raft::VoteRequest {
                candidate: key(1),
                epoch: LeaderEpoch(5),
                last_epoch: LeaderEpoch(4),
                last_offset: Offset(77),
                pre_vote: true,
                voter: Some(key(2)),
            }),
        ),
        (
            1,
            raft::Request::BeginQuorumEpoch(raft::BeginQuorumEpochRequest {
                leader: NodeId(1),
                epoch: LeaderEpoch(5),
                endpoints: vec![endpoint(1), endpoint(2)],
                voter: Some(key(2)),
            }),
        ),
        (
            1,
            raft::Request::EndQuorumEpoch(raft::EndQuorumEpochRequest {
                leader: NodeId(1),
                epoch: LeaderEpoch(5),
                endpoints: vec![endpoint(1)],
                candidates: vec![key(3), key(2)],
            }),
        ),
        (
            18,
            raft::Request::Fetch(raft::FetchRequest {
                replica: key(1),
                epoch: LeaderEpoch(5),
                offset: Offset(77),
                last_epoch: LeaderEpoch(4),
                max_wait_ms: 500,
                max_bytes: 1000,
                high_watermark: Offset(70),
            }),
        ),
        (
            1,
            raft::Request::FetchSnapshot(raft::FetchSnapshotRequest {
                replica: key(1),
                epoch: LeaderEpoch(5),
                id: snapshot,
                position: 9,
                max_bytes: 1000,
            }),
        ),
        (
            1,
            raft::Request::AddVoter(raft::AddVoterRequest {
                voter: key(4),
                endpoints: vec![endpoint(4)],
                ack_when_committed: false,
            }),
        ),
        (0, raft::Request::RemoveVoter(raft::RemoveVoterRequest { voter: key(4) })),
        (
            0,
            raft::Request::UpdateVoter(raft::UpdateVoterRequest {
                epoch: LeaderEpoch(5),
                voter: key(4),
                endpoints: vec![endpoint(4)],
                supported: VersionRange { min: 0, max: 1 },
            }),
        ),
    ]
}

#[test]
fn requests_there_and_back() {
    for (version, said) in requests() {
        let request = wire_requests::to_wire(said.clone(), CLUSTER, 2000);
        let api_key = request.api_key();
        assert_eq!(api_key.versions_before().max, version, "{api_key}");
        let mut writer = Writer::new();
        request.encode(version, &mut writer).expect("it can be said");
        let bytes = writer.into_bytes().expect("bytes alone");
        let decoded = Request::decode(api_key, version, &mut Reader::new(bytes)).expect("it can be read");
        let heard = wire::to_raft(&decoded, version, CLUSTER).expect("it is the quorum's");
        assert!(matches!(&heard, Ok(heard) if *heard == said), "{said:?}: {heard:?}");
    }
}

fn fetched() -> Fetched {
    Fetched {
        high_watermark: Offset(70),
        log_start_offset: Offset(2),
        diverging: None,
        snapshot: None,
        records: Bytes::from_static(b"some bytes"),
    }
}

fn answers() -> Vec<(ApiKey, Body)> {
    let snapshot = SnapshotId { end_offset: Offset(90), epoch: LeaderEpoch(3) };
    let diverging = EpochEnd { epoch: LeaderEpoch(2), end_offset: Offset(50) };
    let chunk = SnapshotChunk { id: snapshot, size: 100, position: 9, bytes: Bytes::from_static(b"part") };
    vec![
        (ApiKey::Vote, Body::Vote { granted: true }),
        (ApiKey::BeginQuorumEpoch, Body::BeginQuorumEpoch),
        (ApiKey::EndQuorumEpoch, Body::EndQuorumEpoch),
        (ApiKey::Fetch, Body::Fetch(fetched())),
        (
            ApiKey::Fetch,
            Body::Fetch(Fetched { diverging: Some(diverging), records: Bytes::new(), ..fetched() }),
        ),
        (
            ApiKey::Fetch,
            Body::Fetch(Fetched { snapshot: Some(snapshot), records: Bytes::new(), ..fetched() }),
        ),
        (ApiKey::FetchSnapshot, Body::FetchSnapshot(chunk)),
        (ApiKey::UpdateRaftVoter, Body::UpdateVoter),
    ]
}

/// Records in memory, as a reader of the bytes has them.
fn sent(answer: &Answer, api_key: ApiKey) -> Option<Answer> {
    let version = api_key.versions_before().max;
    let mut writer = Writer::new();
    wire::from_raft(api_key, answer.clone(), version).encode(version, &mut writer).expect("it can be said");
    let bytes = writer.into_bytes().expect("bytes alone");
    let decoded = Response::decode(api_key, version, &mut Reader::new(bytes)).expect("it can be read");
    wire_answers::from_wire(decoded, "CONTROLLER")
}

#[test]
fn answers_there_and_back() {
    for (api_key, body) in answers() {
        for (code, leader) in [(Code::NONE, Some(NodeId(1))), (Code::FENCED_LEADER_EPOCH, None)] {
            let endpoint = leader.map(|_| endpoint(3));
            let answer =
                Answer { top: Code::NONE, code, leader, epoch: LeaderEpoch(5), endpoint, body: body.clone() };
            assert_eq!(sent(&answer, api_key), Some(answer), "{api_key}");
        }
    }
}

#[test]
fn an_error_of_the_whole_message_stands_alone() {
    for api_key in
        [ApiKey::Vote, ApiKey::BeginQuorumEpoch, ApiKey::EndQuorumEpoch, ApiKey::Fetch, ApiKey::FetchSnapshot]
    {
        let top = Code::INCONSISTENT_CLUSTER_ID;
        let epoch = LeaderEpoch(-1);
        let answer = Answer { top, code: top, leader: None, epoch, endpoint: None, body: Body::Nothing };
        assert_eq!(sent(&answer, api_key), Some(answer), "{api_key}");
    }
}

#[test]
fn what_says_nothing_is_no_answer() {
    for response in [
        Response::Vote(Default::default()),
        Response::Fetch(Default::default()),
        Response::Fetch(protocol::messages::FetchResponse {
            responses: vec![Default::default(), Default::default()],
            ..Default::default()
        }),
        Response::Metadata(Default::default()),
    ] {
        assert_eq!(wire_answers::from_wire(response, "CONTROLLER"), None);
    }
}
