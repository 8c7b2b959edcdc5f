//! A peer that is played by the test: what it says to what it is sent, and what the asker hears.

use bytes::Bytes;
use platform::{Random, Time};
use protocol::messages::{
    ApiVersionsRequest, ApiVersionsResponse, MetadataRequest, MetadataResponse, VoteRequest,
};
use protocol::{
    ApiKey, Listener, Request, RequestHeader, Response, ResponseHeader, Versions, Writer, api_versions,
};
use types::NodeId;

use super::{Done, Failure, PeerConnections, PeerSettings};
use crate::event::{Address, ConnectionId, Effect, Event};

const PEER: NodeId = NodeId(2);

fn at(ms: u64) -> Time {
    Time { monotonic_us: ms * 1000, wall_ms: ms as i64 }
}

struct Asker {
    peers: PeerConnections<u32>,
    effects: Vec<Effect>,
}

impl Asker {
    fn new() -> Asker {
        let settings = PeerSettings::new("asker".into(), 1);
        let mut asker = Asker { peers: PeerConnections::new(settings, Random::new(1)), effects: Vec::new() };
        asker.peers.set_address(PEER, Address::new("peer", 9093), &mut asker.effects);
        asker
    }

    fn send(&mut self, ms: u64, request: Request, token: u32) {
        self.peers.send(at(ms), PEER, request, token, 1000, &mut self.effects);
    }

    fn event(&mut self, ms: u64, event: Event) {
        let left = self.peers.on_event(at(ms), event, &mut self.effects);
        assert!(left.is_none(), "{left:?}");
    }

    /// The connection that was dialed since this was last asked.
    fn dialed(&mut self) -> Option<ConnectionId> {
        std::mem::take(&mut self.effects).into_iter().find_map(|effect| match effect {
            Effect::Dial { connection, .. } => Some(connection),
            _ => None,
        })
    }

    fn closed(&mut self) -> bool {
        std::mem::take(&mut self.effects).iter().any(|effect| matches!(effect, Effect::Close { .. }))
    }

    fn requests(&mut self) -> Vec<RequestHeader> {
        let effects = std::mem::take(&mut self.effects);
        let frames = effects.into_iter().filter_map(|effect| match effect {
            Effect::Request { chunks, .. } => Some(chunks),
            _ => None,
        });
        frames.map(|chunks| header(&chunks)).collect()
    }

    fn done(&mut self) -> Vec<(u32, Result<i16, Failure>)> {
        let done = self.peers.take_done().into_iter();
        done.map(|Done { token, result, .. }| (token, result.map(|(version, _)| version))).collect()
    }

    fn connect(&mut self, versions: &[(ApiKey, Versions)]) -> ConnectionId {
        let connection = self.dialed().expect("it dials");
        self.event(0, Event::Dialed { connection });
        let greeting = self.requests().pop().expect("it greets");
        self.event(0, Event::Frame { connection, bytes: greeted(&greeting, versions) });
        connection
    }
}

fn header(chunks: &[crate::Chunk]) -> RequestHeader {
    let mut bytes = Vec::new();
    for chunk in chunks {
        if let crate::Chunk::Bytes(part) = chunk {
            bytes.extend_from_slice(part);
        }
    }
    RequestHeader::from_frame(Bytes::from(bytes).slice(4..)).expect("a request").0
}

fn answer(header: &RequestHeader, response: &Response, version: i16) -> Bytes {
    let mut writer = Writer::new();
    let api_key = response.api_key();
    ResponseHeader { correlation_id: header.correlation_id }.encode(&mut writer, api_key, version);
    response.encode(version, &mut writer).expect("it can be said");
    writer.into_bytes().expect("bytes alone")
}

fn greeted(header: &RequestHeader, versions: &[(ApiKey, Versions)]) -> Bytes {
    assert_eq!(header.api_key, ApiKey::ApiVersions.code());
    let api_keys = versions
        .iter()
        .map(|(key, versions)| api_versions::listed(*key, *versions, Listener::Controller))
        .collect();
    let response = ApiVersionsResponse { api_keys, ..Default::default() };
    answer(header, &Response::ApiVersions(response), header.api_version)
}

fn metadata() -> Request {
    Request::Metadata(MetadataRequest::default())
}

const METADATA: &[(ApiKey, Versions)] = &[(ApiKey::Metadata, Versions::new(4, 12))];

#[test]
fn requests_wait_for_the_greeting_and_answers_bring_their_tokens() {
    let mut asker = Asker::new();
    asker.send(0, metadata(), 7);
    asker.send(0, metadata(), 8);
    let connection = asker.connect(METADATA);
    let sent = asker.requests();
    assert_eq!(sent.iter().map(|one| one.api_version).collect::<Vec<_>>(), [12, 12]);
    assert_eq!(sent[0].client_id.as_deref(), Some("asker"));
    for header in &sent {
        let bytes = answer(header, &Response::Metadata(MetadataResponse::default()), 12);
        asker.event(1, Event::Frame { connection, bytes });
    }
    assert_eq!(asker.done(), [(7, Ok(12)), (8, Ok(12))]);
    assert_eq!(asker.peers.deadline(), None);
}

#[test]
fn a_peer_that_cannot_be_told_is_not_asked() {
    let old = &[(ApiKey::Vote, Versions::new(0, 0))];
    let mut pre_vote = VoteRequest::default();
    pre_vote.topics.push(Default::default());
    pre_vote.topics[0].partitions.push(Default::default());
    pre_vote.topics[0].partitions[0].pre_vote = true;
    for (versions, request) in
        [(METADATA, Request::Vote(VoteRequest::default())), (&old[..], Request::Vote(pre_vote))]
    {
        let mut asker = Asker::new();
        asker.send(0, request, 1);
        asker.connect(versions);
        assert_eq!(asker.done(), [(1, Err(Failure::UnsupportedVersion))]);
    }
}

#[test]
fn a_greeting_is_said_again_in_a_version_that_is_known() {
    let mut asker = Asker::new();
    asker.send(0, metadata(), 1);
    let connection = asker.dialed().expect("it dials");
    asker.event(0, Event::Dialed { connection });
    let first = asker.requests().pop().expect("it greets");
    let response = Response::ApiVersions(api_versions::unsupported_version(Versions::new(0, 2)));
    asker.event(0, Event::Frame { connection, bytes: answer(&first, &response, 0) });
    let second = asker.requests().pop().expect("it greets again");
    assert_eq!((first.api_version, second.api_version), (4, 2));
    asker.event(0, Event::Frame { connection, bytes: greeted(&second, METADATA) });
    assert_eq!(asker.requests().len(), 1);
}

#[test]
fn a_failure_ends_all_requests_and_pauses() {
    let refused = |asker: &mut Asker, connection| {
        asker.event(10, Event::DialFailed { connection, reason: "refused".into() });
    };
    let ended = |asker: &mut Asker, connection| asker.event(10, Event::ConnectionClosed { connection });
    let garbled = |asker: &mut Asker, connection| {
        let bytes = Bytes::from_static(&[0, 0, 0]);
        asker.event(10, Event::Frame { connection, bytes });
    };
    type Fails<'a> = &'a dyn Fn(&mut Asker, ConnectionId);
    let (gone, broken) = (Failure::Refused, Failure::Disconnected);
    let rows: [(bool, Fails<'_>, Failure); 4] =
        [(false, &refused, gone), (true, &ended, broken), (true, &garbled, broken), (false, &ended, broken)];
    for (row, (connects, fails, failure)) in rows.into_iter().enumerate() {
        let mut asker = Asker::new();
        asker.send(0, metadata(), 1);
        asker.send(0, metadata(), 2);
        let connection = if connects { asker.connect(METADATA) } else { asker.dialed().expect("it dials") };
        fails(&mut asker, connection);
        let disconnected = Err(Failure::Disconnected);
        assert_eq!(asker.done(), [(1, Err(failure)), (2, Err(failure))], "{row}");
        asker.send(11, metadata(), 3);
        assert_eq!(asker.done(), [(3, disconnected)], "{row}: it pauses");
        assert_eq!(asker.dialed(), None, "{row}");
        let until = asker.peers.deadline().expect("it pauses");
        let least = if connects { 40_000 } else { 50_000 };
        assert!((least..=least + 20_000).contains(&until), "{row}: {until}");
        asker.peers.on_tick(at(70), &mut asker.effects);
        asker.send(71, metadata(), 4);
        assert!(asker.dialed().is_some(), "{row}");
        assert_eq!(asker.done(), [], "{row}");
    }
}

#[test]
fn a_connection_that_has_lasted_is_dialed_again_at_once() {
    let mut asker = Asker::new();
    asker.send(0, metadata(), 1);
    let connection = asker.connect(METADATA);
    asker.event(100, Event::ConnectionClosed { connection });
    assert_eq!(asker.done(), [(1, Err(Failure::Disconnected))]);
    asker.send(100, metadata(), 2);
    let connection = asker.dialed().expect("it dials");
    asker.event(100, Event::DialFailed { connection, reason: "refused".into() });
    assert_eq!(asker.done(), [(2, Err(Failure::Refused))]);
    asker.send(101, metadata(), 3);
    assert_eq!(asker.done(), [(3, Err(Failure::Disconnected))], "nobody is there: it pauses");
    let until = asker.peers.deadline().expect("it pauses");
    assert!((180_000..=220_000).contains(&until), "{until}");
}

#[test]
fn a_late_answer_ends_the_connection() {
    let mut asker = Asker::new();
    asker.send(0, metadata(), 1);
    let connection = asker.connect(METADATA);
    asker.send(500, metadata(), 2);
    asker.requests();
    assert_eq!(asker.peers.deadline(), Some(1_000_000));
    asker.peers.on_tick(at(1000), &mut asker.effects);
    assert_eq!(asker.done(), [(1, Err(Failure::TimedOut)), (2, Err(Failure::Disconnected))]);
    assert!(asker.closed());
    asker.event(1001, Event::Frame { connection, bytes: Bytes::new() });
    assert_eq!(asker.done(), []);
}

#[test]
fn another_address_is_another_connection() {
    let mut asker = Asker::new();
    asker.send(0, metadata(), 1);
    let first = asker.connect(METADATA);
    asker.peers.set_address(PEER, Address::new("peer", 9094), &mut asker.effects);
    assert!(asker.closed());
    assert_eq!(asker.done(), [(1, Err(Failure::Disconnected))]);
    asker.send(1, metadata(), 2);
    assert_ne!(asker.dialed(), Some(first));
}

#[test]
fn events_of_others_are_given_back() {
    let mut asker = Asker::new();
    for connection in [ConnectionId(1), ConnectionId::dialed(2, 1)] {
        let left = asker.peers.on_event(at(0), Event::ConnectionClosed { connection }, &mut asker.effects);
        assert!(left.is_some());
    }
    let version = ApiVersionsRequest::default();
    asker.peers.send(at(0), NodeId(9), Request::ApiVersions(version), 5, 10, &mut asker.effects);
    assert_eq!(asker.done(), [(5, Err(Failure::Disconnected))], "no address");
}
