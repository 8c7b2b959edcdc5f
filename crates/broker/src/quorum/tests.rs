//! A node alone in memory: formatted, started, asked, stopped, killed, started again.

use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use metadata::configs::StaticConfig;
use metadata::features::MetadataVersion;
use metadata::image::MetadataImage;
use platform::memory::MemoryFileSystem;
use platform::{FileSystem, Random, Time};
use protocol::messages::create_topics_request::{CreatableTopic, CreateTopicsRequest};
use protocol::messages::delete_topics_request::DeleteTopicsRequest;
use protocol::{ApiKey, ErrorCode, Request, RequestHeader, Response, ResponseHeader, Str, Writer};
use raft::{Endpoint, ReplicaKey, VersionRange, Voter};
use types::{LeaderEpoch, NodeId, Offset, Uuid};

use super::format::{FormatOptions, InitialVoters, bootstrap, format};
use super::{Quorum, QuorumOptions};
use crate::config::{Limits, Listener, LogDirectoryConfig, NodeConfig, Settings};
use crate::event::{ActorId, Address, ConnectionId, Effect, Event, ListenerId, ShardId};
use crate::message::{Message, RequestContext, WorkId};

const DIRECTORY: &str = "/data";
const DYNAMIC: (&str, &str) = ("controller.quorum.bootstrap.servers", "localhost:9093");

fn directory_id() -> Uuid {
    Uuid::from_halves(0x1234_5678_9abc_4def, 0x0123_4567_89ab_cdef)
}

pub(super) fn format_directory(file_system: &dyn FileSystem) {
    format_with(file_system, true);
}

fn format_with(file_system: &dyn FileSystem, dynamic: bool) {
    format_at(file_system, dynamic, MetadataVersion::LATEST_PRODUCTION);
}

fn format_at(file_system: &dyn FileSystem, dynamic: bool, version: MetadataVersion) {
    let endpoint = Endpoint { listener: "CONTROLLER".into(), host: "localhost".into(), port: 9093 };
    let voter = Voter {
        key: ReplicaKey::new(NodeId(1), directory_id()),
        endpoints: vec![endpoint],
        supported: VersionRange::OURS,
    };
    let options = FormatOptions {
        node_id: NodeId(1),
        cluster_id: "AAAAAAAAAAAAAAAAAAAAAw".into(),
        directories: vec![(PathBuf::from(DIRECTORY), directory_id())],
        metadata_directory: PathBuf::from(DIRECTORY),
        voters: if dynamic { InitialVoters::Dynamic(vec![voter]) } else { InitialVoters::None },
        records: bootstrap(version, &[]),
        metadata_version: version,
        wall_ms: 1,
    };
    format(file_system, &options).unwrap();
}

fn node(shards: u16, quorum: (&str, &str)) -> (Arc<NodeConfig>, Arc<StaticConfig>) {
    let given: BTreeMap<String, String> = [
        ("process.roles", "broker,controller"),
        ("node.id", "1"),
        quorum,
        ("listeners", "PLAINTEXT://:9092,CONTROLLER://:9093"),
        ("controller.listener.names", "CONTROLLER"),
        ("log.dirs", DIRECTORY),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into();
    let listener = |name: &str, port, is_controller| Listener {
        name: name.into(),
        security_protocol: "PLAINTEXT".into(),
        advertised_host: "localhost".into(),
        advertised_port: port,
        is_controller,
    };
    let config = StaticConfig::parse(&given).unwrap();
    let node = NodeConfig {
        node_id: NodeId(1),
        cluster_id: "AAAAAAAAAAAAAAAAAAAAAw".into(),
        is_broker: true,
        is_controller: true,
        rack: None,
        listeners: vec![listener("PLAINTEXT", 9092, false), listener("CONTROLLER", 9093, true)],
        log_directories: vec![LogDirectoryConfig { path: PathBuf::from(DIRECTORY), id: directory_id() }],
        lost_log_directories: Vec::new(),
        metadata_log_directory: PathBuf::from(DIRECTORY),
        shards,
        properties: Arc::new(given),
        settings: Settings::default(),
        limits: Limits::default(),
    };
    (Arc::new(node), Arc::new(config))
}

pub(super) struct Node {
    file_system: Arc<MemoryFileSystem>,
    pub(super) quorum: Quorum,
    pub(super) now_ms: u64,
    pub(super) images: Vec<(Arc<MetadataImage>, i64)>,
    kraft_version: i16,
    errors: Vec<((ApiKey, i16), u64)>,
    replies: Vec<Response>,
    pub(super) frames: Vec<bytes::Bytes>,
    pub(super) dialed: Vec<(ConnectionId, Address)>,
    ready: bool,
    stopped: bool,
    wake: Option<u64>,
    /// The shards do not say what they have applied.
    slow_shards: bool,
    /// Flushes wait here while this is some.
    pub(super) held_flushes: Option<VecDeque<Effect>>,
    /// Effects until the process dies.
    left: usize,
}

impl Node {
    pub(super) fn start(kept: &Arc<MemoryFileSystem>, shards: u16, now_ms: u64) -> Node {
        Node::start_in(kept, shards, now_ms, DYNAMIC, usize::MAX)
    }

    fn start_in(
        kept: &Arc<MemoryFileSystem>,
        shards: u16,
        now_ms: u64,
        quorum: (&str, &str),
        left: usize,
    ) -> Node {
        let (node, config) = node(shards, quorum);
        let file_system: Arc<dyn FileSystem> = kept.clone();
        let random = Random::new(now_ms);
        let options = QuorumOptions { node, config, file_system, random, previous_broker_epoch: -1 };
        let mut effects = Vec::new();
        let quorum = Quorum::open(options, time(now_ms), &mut effects).unwrap();
        let mut started = Node {
            file_system: Arc::clone(kept),
            quorum,
            now_ms,
            images: Vec::new(),
            kraft_version: -1,
            errors: Vec::new(),
            replies: Vec::new(),
            frames: Vec::new(),
            dialed: Vec::new(),
            ready: false,
            stopped: false,
            wake: None,
            slow_shards: false,
            held_flushes: None,
            left,
        };
        started.carry_out(effects);
        started
    }

    pub(super) fn step(&mut self, event: Event) {
        if self.left == 0 {
            return;
        }
        let mut effects = Vec::new();
        self.quorum.step(time(self.now_ms), event, &mut effects);
        self.carry_out(effects);
    }

    fn carry_out(&mut self, effects: Vec<Effect>) {
        let mut queue = VecDeque::from(effects);
        while let Some(effect) = queue.pop_front() {
            let Some(left) = self.left.checked_sub(1) else { return };
            self.left = left;
            let mut follow = Vec::new();
            let event = match (effect, &mut self.held_flushes) {
                (effect @ Effect::Flush { .. }, Some(held)) => {
                    held.push_back(effect);
                    continue;
                }
                (effect, _) => effect,
            };
            let event = match event {
                Effect::Flush { token, files, directories, .. } => {
                    files.iter().for_each(|file| file.sync().unwrap());
                    directories.iter().for_each(|path| self.file_system.sync_directory(path).unwrap());
                    Event::DiskDone { token, result: Ok(()) }
                }
                Effect::Send {
                    to: ActorId::Shard(shard),
                    message: Message::Image { image, offset, kraft_version, .. },
                } => {
                    self.images.push((image, offset));
                    self.kraft_version = kraft_version;
                    if self.slow_shards {
                        continue;
                    }
                    let message = Message::ImageApplied { offset };
                    Event::Message { from: ActorId::Shard(shard), message }
                }
                Effect::Send { message: Message::ControllerReply { response, .. }, .. } => {
                    self.replies.push(*response);
                    continue;
                }
                Effect::Reply { chunks, .. } => {
                    for chunk in chunks {
                        let crate::Chunk::Bytes(bytes) = chunk else { panic!("a file") };
                        self.frames.push(bytes);
                    }
                    continue;
                }
                Effect::Metrics(metrics) => {
                    self.errors = metrics.errors.into_iter().collect();
                    continue;
                }
                Effect::Dial { connection, address } => {
                    self.dialed.push((connection, address));
                    continue;
                }
                Effect::Ready => {
                    self.ready = true;
                    continue;
                }
                Effect::Stopped => {
                    self.stopped = true;
                    continue;
                }
                Effect::Fatal { reason } => panic!("{reason}"),
                Effect::WakeAt { monotonic_us } => {
                    self.wake = Some(monotonic_us);
                    continue;
                }
                _ => continue,
            };
            self.quorum.step(time(self.now_ms), event, &mut follow);
            queue.extend(follow);
        }
    }

    fn delete_topic(&mut self, name: &str) {
        let request = DeleteTopicsRequest {
            topic_names: vec![Str::from(name.to_owned())],
            timeout_ms: 1000,
            ..Default::default()
        };
        self.ask(5, Request::DeleteTopics(request));
    }

    fn create_topic(&mut self, name: &str) {
        let topic = CreatableTopic {
            name: Str::from(name.to_owned()),
            num_partitions: 3,
            replication_factor: 1,
            ..Default::default()
        };
        let request = CreateTopicsRequest { topics: vec![topic], timeout_ms: 1000, validate_only: false };
        self.ask(7, Request::CreateTopics(request));
    }

    pub(super) fn ask(&mut self, api_version: i16, request: Request) {
        let context = RequestContext {
            connection: ConnectionId(1),
            listener: ListenerId(0),
            peer: "127.0.0.1:1".parse().unwrap(),
            client_id: None,
            principal: "User:ANONYMOUS".into(),
            api_version,
        };
        let request = Box::new(request);
        let message = Message::ControllerRequest { id: WorkId(1), context, request };
        self.step(Event::Message { from: ActorId::Shard(ShardId(0)), message });
    }

    fn topics(&self) -> Vec<String> {
        let (image, _) = self.images.last().expect("an image");
        let mut names: Vec<_> = image.topics.iter().map(|topic| topic.name.to_string()).collect();
        names.sort();
        names
    }
}

pub(super) fn time(now_ms: u64) -> Time {
    Time { monotonic_us: now_ms * 1000, wall_ms: 1_700_000_000_000 + now_ms as i64 }
}

#[test]
fn a_formatted_node_becomes_ready_at_once_and_keeps_what_it_answered() {
    for shards in [1, 3] {
        let file_system = Arc::new(MemoryFileSystem::new(1));
        format_directory(&*file_system);
        let mut first = Node::start(&file_system, shards, 1);
        assert!(first.ready);
        assert_eq!(first.images.last().unwrap().0.cluster.controllers.len(), 1);
        first.create_topic("one");
        let [Response::CreateTopics(reply)] = &first.replies[..] else { panic!("{:?}", first.replies) };
        assert_eq!(reply.topics[0].error_code, 0, "{:?}", reply.topics[0]);
        assert_eq!(first.topics(), ["one"]);
        file_system.crash_keeping_nothing();

        let mut second = Node::start(&file_system, shards, 100);
        assert!(
            second.ready,
            "{:?}",
            (
                second.quorum.own.state(),
                second.quorum.applied,
                second.quorum.high_watermark,
                second.quorum.raft.role(),
                second.quorum.raft.epoch_start(),
                second.quorum.published,
                &second.quorum.shards,
                &second.quorum.flushing,
                second.quorum.active.is_some(),
                second.quorum.loader.in_transaction()
            )
        );
        assert_eq!(second.topics(), ["one"]);
        let is_of_this_life = |image: &MetadataImage| {
            let broker = image.cluster.brokers.values().next();
            broker.is_some_and(|broker| broker.incarnation_id == second.quorum.incarnation_id)
        };
        assert!(
            second.images.iter().all(|(image, _)| is_of_this_life(image)),
            "what the life before had is shown"
        );
        second.quorum.snapshot_now(1).unwrap();
        second.create_topic("two");
        second.step(Event::Shutdown);
        assert!(second.stopped);

        let third = Node::start(&file_system, shards, 200);
        assert!(third.ready);
        assert_eq!(third.topics(), ["one", "two"]);
    }
}

#[test]
fn an_answer_waits_for_the_shards() {
    let file_system = Arc::new(MemoryFileSystem::new(1));
    format_directory(&*file_system);
    let mut node = Node::start(&file_system, 2, 1);
    node.slow_shards = true;
    node.create_topic("one");
    assert!(node.replies.is_empty());
    let offset = node.images.last().unwrap().1;
    node.step(Event::Message { from: ActorId::Shard(ShardId(0)), message: Message::ImageApplied { offset } });
    assert!(node.replies.is_empty());
    node.step(Event::Message { from: ActorId::Shard(ShardId(1)), message: Message::ImageApplied { offset } });
    assert_eq!(node.replies.len(), 1);
}

/// The new topic may belong to another shard than the old one, whose directory must be out of its way.
#[test]
fn no_image_has_a_topics_end_and_its_namesakes_beginning() {
    let file_system = Arc::new(MemoryFileSystem::new(1));
    format_directory(&*file_system);
    let mut node = Node::start(&file_system, 2, 1);
    node.create_topic("one");
    node.slow_shards = true;
    node.held_flushes = Some(VecDeque::new());
    // the first flush is under way, the others share the next one and are committed at once
    node.create_topic("two");
    node.delete_topic("one");
    node.create_topic("one");
    let before = node.images.len();
    while let Some(held) = node.held_flushes.replace(VecDeque::new()).filter(|held| !held.is_empty()) {
        let running = node.held_flushes.take();
        node.carry_out(held.into());
        node.held_flushes = running;
    }
    for (turn, expected) in [&["two"][..], &["one", "two"]].into_iter().enumerate() {
        // one to each shard: that of `two` alone came first
        assert_eq!(node.images.len(), before + 2 * (turn + 2));
        assert_eq!(node.topics(), expected);
        let offset = node.images.last().unwrap().1;
        for shard in [ShardId(0), ShardId(1)] {
            node.step(Event::Message {
                from: ActorId::Shard(shard),
                message: Message::ImageApplied { offset },
            });
        }
    }
    assert_eq!(node.replies.len(), 4);
}

#[test]
fn alone_it_is_never_woken() {
    let file_system = Arc::new(MemoryFileSystem::new(1));
    format_directory(&*file_system);
    let node = Node::start(&file_system, 1, 1);
    assert!(node.ready);
    assert_eq!(node.wake, None);
    assert_eq!(node.kraft_version, 1, "the shards know it");
}

#[test]
fn the_controllers_listener_answers_in_order() {
    let file_system = Arc::new(MemoryFileSystem::new(1));
    format_directory(&*file_system);
    let mut node = Node::start(&file_system, 1, 1);
    let connection = ConnectionId(7);
    let address = "127.0.0.1:1".parse().unwrap();
    node.step(Event::ConnectionOpened { connection, listener: ListenerId(1), peer: address, local: address });
    let requests = [
        (
            ApiKey::ApiVersions,
            4,
            Request::ApiVersions(protocol::messages::ApiVersionsRequest {
                client_software_name: "test".into(),
                client_software_version: "1".into(),
                ..Default::default()
            }),
        ),
        (ApiKey::DescribeQuorum, 2, Request::DescribeQuorum(describe_quorum())),
        (
            ApiKey::DescribeCluster,
            1,
            Request::DescribeCluster(protocol::messages::DescribeClusterRequest {
                endpoint_type: 2,
                ..Default::default()
            }),
        ),
        // one that is refused
        (ApiKey::DescribeCluster, 1, Request::DescribeCluster(Default::default())),
    ];
    for (correlation_id, (api_key, api_version, request)) in (0..).zip(&requests) {
        let mut writer = Writer::new();
        let header = RequestHeader {
            api_key: api_key.code(),
            api_version: *api_version,
            correlation_id,
            client_id: None,
        };
        header.encode(&mut writer).unwrap();
        request.encode(*api_version, &mut writer).unwrap();
        node.step(Event::Frame { connection, bytes: writer.into_bytes().unwrap() });
    }
    assert_eq!(node.frames.len(), 4);
    for ((api_key, api_version, _), frame) in requests.iter().zip(&node.frames) {
        let mut reader = protocol::Reader::new(frame.slice(4..));
        ResponseHeader::decode(&mut reader, *api_key, *api_version).unwrap();
        match Response::decode(*api_key, *api_version, &mut reader).unwrap() {
            Response::ApiVersions(reply) => {
                let levels: Vec<_> =
                    reply.finalized_features.iter().map(|f| (f.name.as_str(), f.max_version_level)).collect();
                assert!(levels.contains(&("metadata.version", 30)) && levels.contains(&("kraft.version", 1)));
            }
            Response::DescribeQuorum(reply) => {
                let partition = &reply.topics[0].partitions[0];
                assert_eq!((partition.error_code, partition.leader_id), (0, 1));
                assert_eq!(partition.current_voters[0].replica_directory_id, directory_id());
                assert!(partition.high_watermark > 0);
                assert_eq!(reply.nodes[0].listeners[0].port, 9093);
            }
            Response::DescribeCluster(reply) if reply.error_code != 0 => {
                assert_eq!(reply.error_code, ErrorCode::MismatchedEndpointType.code());
            }
            Response::DescribeCluster(reply) => {
                assert_eq!((reply.error_code, reply.controller_id, reply.brokers[0].port), (0, 1, 9093));
            }
            other => panic!("{other:?}"),
        }
    }
    node.step(Event::ReadMetrics);
    let refused = (ApiKey::DescribeCluster, ErrorCode::MismatchedEndpointType.code());
    assert_eq!(node.errors, [(refused, 1)], "as the metrics count it");
}

/// A node, and a vote that a candidate of a new epoch asks it for.
fn asked_for_a_vote(file_system: &Arc<MemoryFileSystem>) -> (Node, Event) {
    format_directory(&**file_system);
    let mut node = Node::start(file_system, 1, 1);
    let connection = ConnectionId(7);
    let address = "127.0.0.1:1".parse().unwrap();
    node.step(Event::ConnectionOpened { connection, listener: ListenerId(1), peer: address, local: address });
    let vote = raft::VoteRequest {
        candidate: ReplicaKey::new(NodeId(2), directory_id()),
        epoch: LeaderEpoch(50),
        last_epoch: LeaderEpoch(49),
        last_offset: Offset(1000),
        pre_vote: false,
        voter: Some(ReplicaKey::new(NodeId(1), directory_id())),
    };
    let request = super::wire_requests::to_wire(raft::Request::Vote(vote), "AAAAAAAAAAAAAAAAAAAAAw", 1000);
    let mut writer = Writer::new();
    let header =
        RequestHeader { api_key: ApiKey::Vote.code(), api_version: 2, correlation_id: 1, client_id: None };
    header.encode(&mut writer).unwrap();
    request.encode(2, &mut writer).unwrap();
    let event = Event::Frame { connection, bytes: writer.into_bytes().unwrap() };
    (node, event)
}

#[test]
fn a_vote_that_cannot_be_written_is_not_told() {
    let file_system = Arc::new(MemoryFileSystem::new(1));
    let (mut node, event) = asked_for_a_vote(&file_system);
    file_system.break_path(Path::new("/data/__cluster_metadata-0"));
    let mut effects = Vec::new();
    node.quorum.step(time(node.now_ms), event, &mut effects);
    assert!(effects.iter().any(|effect| matches!(effect, Effect::Fatal { .. })), "{effects:?}");
    assert!(!effects.iter().any(|effect| matches!(effect, Effect::Reply { .. })), "{effects:?}");
}

#[test]
#[should_panic(expected = "the cluster has metadata.version 31, this node only supports versions 7-30")]
fn a_node_ends_in_a_cluster_whose_level_it_does_not_work_with() {
    let file_system = Arc::new(MemoryFileSystem::new(1));
    format_at(&*file_system, true, MetadataVersion::MAXIMUM);
    Node::start(&file_system, 1, 1000);
}

/// The new epoch and the vote in it.
#[test]
fn a_vote_in_a_new_epoch_is_written_once() {
    let file_system = Arc::new(MemoryFileSystem::new(1));
    let (mut node, event) = asked_for_a_vote(&file_system);
    file_system.start_trace();
    let mut effects = Vec::new();
    node.quorum.step(time(node.now_ms), event, &mut effects);
    assert!(effects.iter().any(|effect| matches!(effect, Effect::Reply { .. })), "{effects:?}");
    let trace = file_system.take_trace();
    let renames = trace.iter().filter(|call| call.operation == platform::memory::Operation::Rename);
    assert_eq!(renames.count(), 1, "{trace:?}");
}

fn describe_quorum() -> protocol::messages::DescribeQuorumRequest {
    use protocol::messages::describe_quorum_request::{PartitionData, TopicData};
    protocol::messages::DescribeQuorumRequest {
        topics: vec![TopicData {
            topic_name: Str::from_static("__cluster_metadata"),
            partitions: vec![PartitionData { partition_index: 0 }],
        }],
    }
}

#[test]
fn what_format_wrote_is_read_back() {
    let file_system = MemoryFileSystem::new(1);
    format_directory(&file_system);
    let content =
        super::snapshot::read(&file_system, &Path::new(DIRECTORY).join("bootstrap.checkpoint")).unwrap();
    assert_eq!(content.records, bootstrap(MetadataVersion::LATEST_PRODUCTION, &[]));
    let path = Path::new(DIRECTORY).join("__cluster_metadata-0/00000000000000000000-0000000000.checkpoint");
    let content = super::snapshot::read(&file_system, &path).unwrap();
    assert_eq!(content.controls.len(), 2);
}

#[test]
fn a_static_quorum_of_one_has_kraft_version_0() {
    let file_system = Arc::new(MemoryFileSystem::new(1));
    format_with(&*file_system, false);
    let quorum = ("controller.quorum.voters", "1@localhost:9093");
    for start in 1..3 {
        let mut node = Node::start_in(&file_system, 1, start, quorum, usize::MAX);
        assert!(node.ready);
        node.create_topic(&format!("topic-{start}"));
        assert_eq!(node.topics().len() as u64, start);
        assert_eq!((node.quorum.raft.quorum().kraft_version(), node.kraft_version), (0, 0));
        file_system.crash_keeping_nothing();
    }
    let path = Path::new(DIRECTORY).join("__cluster_metadata-0/quorum-state");
    let text = String::from_utf8(file_system.read(&path).unwrap()).unwrap();
    assert!(text.contains(r#""currentVoters":[{"voterId":1}],"data_version":0"#), "{text}");
}

#[test]
fn what_was_answered_survives_a_death_at_any_effect() {
    for left in 0..80 {
        let file_system = Arc::new(MemoryFileSystem::new(left as u64));
        format_directory(&*file_system);
        let mut answered = Vec::new();
        let mut node = Node::start_in(&file_system, 2, 1, DYNAMIC, left);
        for name in ["a", "b", "c", "d"] {
            node.create_topic(name);
            if node.replies.len() > answered.len() {
                answered.push(name);
            }
        }
        drop(node);
        file_system.crash();
        let node = Node::start(&file_system, 2, 100);
        assert!(node.ready);
        let topics = node.topics();
        assert!(answered.iter().all(|name| topics.iter().any(|topic| topic == name)), "{left}: {topics:?}");
    }
}
