//! A broker of another process joins the node of `tests`, and its connection closes.

use std::sync::Arc;

use platform::memory::MemoryFileSystem;
use protocol::messages::{
    BrokerHeartbeatRequest, BrokerRegistrationRequest, FetchRequest, broker_registration_request,
    fetch_request,
};
use protocol::{Request, RequestHeader, Response, ResponseHeader, Str, Writer};
use types::Uuid;

use super::tests::{Node, format_directory};
use crate::event::{Address, ConnectionId, Event, ListenerId};

impl Node {
    /// One request on a connection of the controller's listener.
    pub(super) fn call(&mut self, connection: ConnectionId, api_version: i16, request: Request) -> Response {
        let api_key = request.api_key();
        self.send(connection, api_version, request);
        let mut reader = protocol::Reader::new(self.frames.pop().expect("an answer").slice(4..));
        ResponseHeader::decode(&mut reader, api_key, api_version).unwrap();
        Response::decode(api_key, api_version, &mut reader).unwrap()
    }

    fn send(&mut self, connection: ConnectionId, api_version: i16, request: Request) {
        let api_key = request.api_key();
        let header =
            RequestHeader { api_key: api_key.code(), api_version, correlation_id: 1, client_id: None };
        let mut writer = Writer::new();
        header.encode(&mut writer).unwrap();
        request.encode(api_version, &mut writer).unwrap();
        self.step(Event::Frame { connection, bytes: writer.into_bytes().unwrap() });
    }

    fn open(&mut self, connection: ConnectionId) {
        let peer = "127.0.0.1:1".parse().unwrap();
        self.step(Event::ConnectionOpened { connection, listener: ListenerId(1), peer, local: peer });
    }

    /// Broker 2 of another process, its heartbeats on this connection; its epoch.
    fn join(&mut self, connection: ConnectionId) -> i64 {
        let epoch = self.register(connection, 2);
        assert!(!self.heartbeat(connection, epoch, false));
        epoch
    }

    /// A broker of another process, on this connection; its epoch.
    pub(super) fn register(&mut self, connection: ConnectionId, broker_id: i32) -> i64 {
        self.open(connection);
        let feature = |(name, least, most): (&'static str, i16, i16)| broker_registration_request::Feature {
            name: Str::from_static(name),
            min_supported_version: least,
            max_supported_version: most,
        };
        let listener = broker_registration_request::Listener {
            name: "PLAINTEXT".into(),
            host: "two".into(),
            port: 9092,
            security_protocol: 0,
        };
        let request = BrokerRegistrationRequest {
            broker_id,
            cluster_id: Str::from(self.quorum.node.cluster_id.to_string()),
            incarnation_id: Uuid([2; 16]),
            listeners: vec![listener],
            features: metadata::features::supported_features(false).into_iter().map(feature).collect(),
            log_dirs: vec![Uuid([3; 16])],
            ..Default::default()
        };
        let reply = self.call(connection, 4, Request::BrokerRegistration(request));
        let Response::BrokerRegistration(reply) = reply else { panic!("{reply:?}") };
        assert_eq!(reply.error_code, 0);
        reply.broker_epoch
    }

    /// Whether broker 2 is fenced.
    fn heartbeat(&mut self, connection: ConnectionId, broker_epoch: i64, want_fence: bool) -> bool {
        let current_metadata_offset = self.images.last().expect("an image").1;
        let request = BrokerHeartbeatRequest {
            broker_id: 2,
            broker_epoch,
            current_metadata_offset,
            want_fence,
            ..Default::default()
        };
        match self.call(connection, 1, Request::BrokerHeartbeat(request)) {
            Response::BrokerHeartbeat(reply) if reply.error_code == 0 => reply.is_fenced,
            other => panic!("{other:?}"),
        }
    }

    /// Broker 2 asks for the metadata log from its end on; it is not answered at once.
    fn fetch_metadata(&mut self, connection: ConnectionId) {
        let mut request = FetchRequest { max_wait_ms: 500, max_bytes: 1 << 20, ..Default::default() };
        request.replica_state.replica_id = 2;
        let partition = fetch_request::FetchPartition { partition_max_bytes: 1 << 20, ..Default::default() };
        request.topics.push(fetch_request::FetchTopic {
            topic_id: Uuid::METADATA_TOPIC,
            partitions: vec![partition],
            ..Default::default()
        });
        self.send(connection, 17, Request::Fetch(request));
    }

    fn is_fenced(&self) -> bool {
        self.images.last().expect("an image").0.cluster.broker(2).expect("broker 2").fenced
    }
}

/// What became of the dialing: whether broker 2 is then fenced.
#[test]
fn a_broker_whose_process_has_died_is_fenced_at_once() {
    let refused = |connection| Some(Event::DialFailed { connection, reason: "refused".into() });
    let answered = |connection| Some(Event::Dialed { connection });
    type After = fn(ConnectionId) -> Option<Event>;
    let rows: [(&str, After, bool); 3] =
        [("refused", refused, true), ("connected", answered, false), ("silence", |_| None, true)];
    for (what, after, fenced) in rows {
        let file_system = Arc::new(MemoryFileSystem::new(1));
        format_directory(&*file_system);
        let mut node = Node::start(&file_system, 1, 1);
        let connection = ConnectionId(7);
        node.join(connection);
        assert!(node.dialed.is_empty() && !node.is_fenced(), "{what}");
        node.step(Event::ConnectionClosed { connection });
        let [(probe, address)] = &node.dialed[..] else { panic!("{what}: {:?}", node.dialed) };
        assert_eq!(*address, Address::new("two", 9092));
        let event = after(*probe);
        node.now_ms += 100;
        node.step(event.unwrap_or(Event::Tick));
        assert_eq!(node.is_fenced(), fenced, "{what}");
        node.now_ms += 100;
        node.step(Event::Tick);
        assert_eq!(node.is_fenced(), fenced, "{what}, later");
    }
}

/// A process that ends closes its connections before its listener: the first probes reach what nobody will accept.
#[test]
fn a_probe_that_is_closed_is_followed_by_another() {
    for (closed, fenced) in [(1, true), (5, true), (6, false)] {
        let file_system = Arc::new(MemoryFileSystem::new(1));
        format_directory(&*file_system);
        let mut node = Node::start(&file_system, 1, 1);
        let connection = ConnectionId(7);
        node.join(connection);
        node.step(Event::ConnectionClosed { connection });
        for times in 1..=closed {
            assert_eq!(node.dialed.len(), times);
            let probe = node.dialed[times - 1].0;
            node.now_ms += 50;
            node.step(Event::Dialed { connection: probe });
            node.step(Event::ConnectionClosed { connection: probe });
        }
        let last = node.dialed.last().expect("a probe").0;
        node.step(Event::DialFailed { connection: last, reason: "refused".into() });
        assert_eq!(node.is_fenced(), fenced, "{closed} closed");
        node.now_ms += 2000;
        node.step(Event::Tick);
        assert_eq!(node.is_fenced(), fenced, "{closed} closed, later");
    }
}

/// It dies before its first heartbeat to this controller has come.
#[test]
fn a_broker_that_only_follows_the_metadata_is_known_by_that() {
    let file_system = Arc::new(MemoryFileSystem::new(1));
    format_directory(&*file_system);
    let mut node = Node::start(&file_system, 1, 1);
    let (heartbeats, fetches) = (ConnectionId(7), ConnectionId(8));
    node.join(heartbeats);
    node.open(fetches);
    node.fetch_metadata(fetches);
    node.step(Event::ConnectionClosed { connection: heartbeats });
    assert!(node.dialed.is_empty(), "it has another connection");
    node.step(Event::ConnectionClosed { connection: fetches });
    assert_eq!(node.dialed.len(), 1);
}

#[test]
fn a_broker_that_has_another_connection_or_is_fenced_already_is_left_alone() {
    let file_system = Arc::new(MemoryFileSystem::new(1));
    format_directory(&*file_system);
    let mut node = Node::start(&file_system, 1, 1);
    let (first, second, third) = (ConnectionId(7), ConnectionId(8), ConnectionId(9));
    let epoch = node.join(first);
    node.open(second);
    assert!(!node.heartbeat(second, epoch, false));
    node.step(Event::ConnectionClosed { connection: first });
    assert!(node.dialed.is_empty());
    node.step(Event::ConnectionClosed { connection: second });
    let (probe, _) = node.dialed[0];
    // it asks for it itself before the probe has ended
    node.open(third);
    assert!(node.heartbeat(third, epoch, true));
    assert!(node.is_fenced());
    let end = node.images.last().expect("an image").1;
    node.step(Event::DialFailed { connection: probe, reason: "refused".into() });
    assert_eq!(node.images.last().expect("an image").1, end, "nothing is left to be decided");
}

/// A connection that this node has closed is no sign of life for ever.
#[test]
fn a_connection_that_was_closed_here_is_forgotten() {
    let file_system = Arc::new(MemoryFileSystem::new(1));
    format_directory(&*file_system);
    let mut node = Node::start(&file_system, 1, 1);
    let (first, second) = (ConnectionId(7), ConnectionId(8));
    let epoch = node.join(first);
    node.open(second);
    assert!(!node.heartbeat(second, epoch, false));
    node.step(Event::Frame { connection: first, bytes: bytes::Bytes::from_static(b"nonsense") });
    assert!(node.dialed.is_empty());
    node.step(Event::ConnectionClosed { connection: second });
    assert_eq!(node.dialed.len(), 1);
}

/// What is not committed yet has nothing to do with this broker, which would be silent until it has its answer.
#[test]
fn a_heartbeat_is_answered_while_the_disk_is_busy() {
    let file_system = Arc::new(MemoryFileSystem::new(1));
    format_directory(&*file_system);
    let mut node = Node::start(&file_system, 1, 1);
    let connection = ConnectionId(7);
    let epoch = node.join(connection);
    node.held_flushes = Some(Default::default());
    node.now_ms += 501;
    node.step(Event::Tick);
    assert_eq!(
        node.held_flushes.as_ref().map(|held| held.len()),
        Some(1),
        "a NoOp record waits for its flush"
    );
    assert!(!node.heartbeat(connection, epoch, false));
}
