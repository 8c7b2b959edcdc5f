//! Answers of peers: the wire's structs into raft's values. What is neither an error nor about the one partition is no
//! answer at all.

use bytes::Bytes;
use protocol::messages as m;
use protocol::{Records, Response};
use raft::{Answer, Body, Code, Endpoint, EpochEnd, Fetched, SnapshotChunk, SnapshotId, VersionRange};
use types::{LeaderEpoch, NodeId, Offset};

/// `listener`: the one that the leader's endpoint is told for.
pub(super) fn from_wire(response: Response, listener: &str) -> Option<Answer> {
    let read = match response {
        Response::Vote(response) => vote(response),
        Response::BeginQuorumEpoch(response) => begin(response),
        Response::EndQuorumEpoch(response) => end(response),
        Response::Fetch(response) => fetch(response),
        Response::FetchSnapshot(response) => fetch_snapshot(response),
        Response::AddRaftVoter(response) => Some(Read::plain(response.error_code, Body::AddVoter)),
        Response::RemoveRaftVoter(response) => Some(Read::plain(response.error_code, Body::RemoveVoter)),
        Response::UpdateRaftVoter(response) => Some(update(response)),
        Response::ApiVersions(response) => Some(api_versions(&response)),
        _ => None,
    }?;
    Some(read.into_answer(listener))
}

/// What all answers have in common.
struct Read {
    top: i16,
    code: i16,
    leader: i32,
    epoch: i32,
    endpoints: Vec<(i32, String, u16)>,
    body: Body,
}

impl Read {
    fn plain(code: i16, body: Body) -> Read {
        Read { top: 0, code, leader: NodeId::NONE.0, epoch: -1, endpoints: Vec::new(), body }
    }

    fn refused(top: i16) -> Option<Read> {
        (top != 0).then(|| Read { top, ..Read::plain(top, Body::Nothing) })
    }

    fn into_answer(self, listener: &str) -> Answer {
        let Read { top, code, leader, epoch, endpoints, body } = self;
        let endpoint = endpoints.into_iter().find(|(id, host, _)| *id == leader && !host.is_empty());
        Answer {
            top: Code(top),
            code: Code(code),
            leader: (leader >= 0).then_some(NodeId(leader)),
            epoch: LeaderEpoch(epoch),
            endpoint: endpoint.map(|(_, host, port)| Endpoint { listener: listener.to_owned(), host, port }),
            body,
        }
    }
}

fn only<T>(all: Vec<T>) -> Option<T> {
    let mut all = all.into_iter();
    let one = all.next()?;
    all.next().is_none().then_some(one)
}

/// The answers of an election: messages of their own with the same fields.
macro_rules! election_answer {
    ($name:ident, $response:ty, |$partition:ident| $body:expr) => {
        fn $name(response: $response) -> Option<Read> {
            let Some(topic) = only(response.topics) else { return Read::refused(response.error_code) };
            let $partition = only(topic.partitions)?;
            let endpoints = response.node_endpoints.into_iter();
            Some(Read {
                top: response.error_code,
                code: $partition.error_code,
                leader: $partition.leader_id,
                epoch: $partition.leader_epoch,
                endpoints: endpoints.map(|one| (one.node_id, one.host.into(), one.port)).collect(),
                body: $body,
            })
        }
    };
}

election_answer!(vote, m::VoteResponse, |partition| Body::Vote { granted: partition.vote_granted });
election_answer!(begin, m::BeginQuorumEpochResponse, |partition| Body::BeginQuorumEpoch);
election_answer!(end, m::EndQuorumEpochResponse, |partition| Body::EndQuorumEpoch);

/// Records that a peer has sent are in memory.
fn bytes(records: Records) -> Bytes {
    match records {
        Records::Bytes(bytes) => bytes,
        _ => Bytes::new(),
    }
}

fn fetch(response: m::FetchResponse) -> Option<Read> {
    let Some(topic) = only(response.responses) else { return Read::refused(response.error_code) };
    let partition = only(topic.partitions)?;
    let (diverging, snapshot) = (&partition.diverging_epoch, &partition.snapshot_id);
    let fetched = Fetched {
        high_watermark: Offset(partition.high_watermark),
        log_start_offset: Offset(partition.log_start_offset),
        diverging: (diverging.epoch >= 0 || diverging.end_offset >= 0).then_some(EpochEnd {
            epoch: LeaderEpoch(diverging.epoch),
            end_offset: Offset(diverging.end_offset),
        }),
        snapshot: (snapshot.epoch >= 0 || snapshot.end_offset >= 0).then_some(SnapshotId {
            end_offset: Offset(snapshot.end_offset),
            epoch: LeaderEpoch(snapshot.epoch),
        }),
        records: bytes(partition.records),
    };
    let port = |port: i32| u16::try_from(port).unwrap_or(0);
    let endpoints = response.node_endpoints.into_iter();
    Some(Read {
        top: response.error_code,
        code: partition.error_code,
        leader: partition.current_leader.leader_id,
        epoch: partition.current_leader.leader_epoch,
        endpoints: endpoints.map(|one| (one.node_id, one.host.into(), port(one.port))).collect(),
        body: Body::Fetch(fetched),
    })
}

fn fetch_snapshot(response: m::FetchSnapshotResponse) -> Option<Read> {
    let Some(topic) = only(response.topics) else { return Read::refused(response.error_code) };
    let partition = only(topic.partitions)?;
    let chunk = SnapshotChunk {
        id: SnapshotId {
            end_offset: Offset(partition.snapshot_id.end_offset),
            epoch: LeaderEpoch(partition.snapshot_id.epoch),
        },
        size: partition.size,
        position: partition.position,
        bytes: bytes(partition.unaligned_records),
    };
    let endpoints = response.node_endpoints.into_iter();
    Some(Read {
        top: response.error_code,
        code: partition.error_code,
        leader: partition.current_leader.leader_id,
        epoch: partition.current_leader.leader_epoch,
        endpoints: endpoints.map(|one| (one.node_id, one.host.into(), one.port)).collect(),
        body: Body::FetchSnapshot(chunk),
    })
}

fn update(response: m::UpdateRaftVoterResponse) -> Read {
    let leader = response.current_leader;
    let port = u16::try_from(leader.port).unwrap_or(0);
    Read {
        top: 0,
        code: response.error_code,
        leader: leader.leader_id,
        epoch: leader.leader_epoch,
        endpoints: vec![(leader.leader_id, leader.host.into(), port)],
        body: Body::UpdateVoter,
    }
}

fn api_versions(response: &m::ApiVersionsResponse) -> Read {
    let range = response.supported_features.iter().find(|feature| feature.name == "kraft.version");
    let kraft_version = range.map(|range| VersionRange { min: range.min_version, max: range.max_version });
    Read::plain(response.error_code, Body::ApiVersions { kraft_version })
}
