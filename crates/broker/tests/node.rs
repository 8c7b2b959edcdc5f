//! A whole node in one thread: the real quorum and the real shards over files in memory. What the controller
//! decides is seen by every shard before the client is answered, and outlives stops and crashes.

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;

use broker::config::{Limits, Listener, LogDirectoryConfig, NodeConfig, Settings};
use broker::event::{ActorId, ConnectionId, DiskFailure, Effect, Event, ListenerId, ShardId};
use broker::metrics::Metrics;
use broker::quorum::format::{FormatOptions, InitialVoters, bootstrap, format};
use broker::quorum::{Quorum, QuorumOptions};
use broker::{Chunk, Directories, Shard, ShardLogs, ShardOptions};
use bytes::Bytes;
use metadata::configs::StaticConfig;
use metadata::features::MetadataVersion;
use platform::memory::MemoryFileSystem;
use platform::{FileSystem, Random, Time};
use protocol::messages::*;
use protocol::{ErrorCode, Reader, Request, RequestHeader, Response, ResponseHeader, Writer};
use raft::{Endpoint, ReplicaKey, VersionRange, Voter};
use records::{BatchBuilder, BatchOptions};
use storage::LogDirectory;
use types::{NodeId, Uuid};

const DIRECTORY: &str = "/data";
const CLUSTER: &str = "AAAAAAAAAAAAAAAAAAAAAw";

enum Actor {
    Quorum(Box<Quorum>),
    Shard(Box<Shard>),
}

struct Node {
    files: MemoryFileSystem,
    now: Time,
    actors: BTreeMap<ActorId, Actor>,
    events: VecDeque<(ActorId, Event)>,
    wake_at: BTreeMap<ActorId, u64>,
    replies: BTreeMap<ConnectionId, VecDeque<Bytes>>,
    homes: BTreeMap<ConnectionId, ActorId>,
    ready: bool,
    stopped: usize,
    correlation: i32,
    /// Of all actors that were asked.
    metrics: Metrics,
}

fn directory_id() -> Uuid {
    Uuid::from_halves(0x1234_5678_9abc_4def, 0x0123_4567_89ab_cdef)
}

fn format_directory(files: &MemoryFileSystem) {
    let endpoint = Endpoint { listener: "CONTROLLER".into(), host: "localhost".into(), port: 9093 };
    let key = ReplicaKey::new(NodeId(1), directory_id());
    let voter = Voter { key, endpoints: vec![endpoint], supported: VersionRange::OURS };
    let version = MetadataVersion::LATEST_PRODUCTION;
    let options = FormatOptions {
        node_id: NodeId(1),
        cluster_id: CLUSTER.into(),
        directories: vec![(PathBuf::from(DIRECTORY), directory_id())],
        metadata_directory: PathBuf::from(DIRECTORY),
        voters: InitialVoters::Dynamic(vec![voter]),
        records: bootstrap(version, &[]),
        metadata_version: version,
        wall_ms: 1,
    };
    format(files, &options).unwrap();
}

fn configuration(shards: u16) -> (Arc<NodeConfig>, Arc<StaticConfig>) {
    let given: BTreeMap<String, String> = [
        ("process.roles", "broker,controller"),
        ("node.id", "1"),
        ("controller.quorum.bootstrap.servers", "localhost:9093"),
        ("listeners", "PLAINTEXT://:9092,CONTROLLER://:9093"),
        ("controller.listener.names", "CONTROLLER"),
        ("log.dirs", DIRECTORY),
        ("offsets.topic.replication.factor", "1"),
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
        cluster_id: CLUSTER.into(),
        is_broker: true,
        is_controller: true,
        rack: None,
        listeners: vec![listener("PLAINTEXT", 9092, false), listener("CONTROLLER", 9093, true)],
        log_directories: vec![LogDirectoryConfig { path: PathBuf::from(DIRECTORY), id: directory_id() }],
        lost_log_directories: Vec::new(),
        metadata_log_directory: PathBuf::from(DIRECTORY),
        shards,
        properties: Arc::new(given),
        settings: Settings {
            offsets_topic_replication_factor: 1,
            offsets_topic_num_partitions: 7,
            ..Settings::default()
        },
        limits: Limits::default(),
    };
    (Arc::new(node), Arc::new(config))
}

impl Node {
    fn fresh(shards: u16) -> Node {
        let files = MemoryFileSystem::new(3);
        format_directory(&files);
        Node::start(files, shards, Time { monotonic_us: 0, wall_ms: 1_700_000_000_000 })
    }

    fn start(files: MemoryFileSystem, shards: u16, now: Time) -> Node {
        let mut node = Node {
            files,
            now,
            actors: BTreeMap::new(),
            events: VecDeque::new(),
            wake_at: BTreeMap::new(),
            replies: BTreeMap::new(),
            homes: BTreeMap::new(),
            ready: false,
            stopped: 0,
            correlation: 0,
            metrics: Metrics::default(),
        };
        let (config, properties) = configuration(shards);
        let file_system: Arc<dyn FileSystem> = Arc::new(node.files.clone());
        let directory = LogDirectory::open(file_system.clone(), DIRECTORY.as_ref()).unwrap();
        let (directories, found) = Directories::start(vec![directory], shards).unwrap();
        let directories = Arc::new(directories);
        let previous_broker_epoch = directories.0[0].previous_broker_epoch;
        for (id, found) in (0..shards).map(ShardId).zip(found) {
            let logs = ShardLogs { directories: directories.clone(), found };
            let random = Random::new(u64::from(id.0) + now.monotonic_us);
            let shard = Shard::new(ShardOptions { id, node: config.clone(), random, logs });
            node.actors.insert(ActorId::Shard(id), Actor::Shard(Box::new(shard)));
        }
        let random = Random::new(now.monotonic_us + 99);
        let options =
            QuorumOptions { node: config, config: properties, file_system, random, previous_broker_epoch };
        let mut effects = Vec::new();
        let quorum = Quorum::open(options, now, &mut effects).unwrap();
        node.actors.insert(ActorId::Quorum, Actor::Quorum(Box::new(quorum)));
        node.carry_out(ActorId::Quorum, effects);
        for _ in 0..200 {
            if node.ready {
                return node;
            }
            node.pass(50);
        }
        panic!("the node is not ready");
    }

    fn restart(mut self, shards: u16, crash: bool) -> Node {
        if crash {
            self.actors.clear();
            self.files.crash();
        } else {
            let shards: Vec<_> = self.actors.keys().copied().filter(|id| *id != ActorId::Quorum).collect();
            for actor in shards.into_iter().chain([ActorId::Quorum]) {
                self.events.push_back((actor, Event::Shutdown));
                self.run();
            }
            self.pass(1000);
            assert_eq!(self.stopped, self.actors.len());
            self.actors.clear();
        }
        let now = Time { monotonic_us: self.now.monotonic_us + 1_000_000, wall_ms: self.now.wall_ms + 1000 };
        Node::start(self.files, shards, now)
    }

    fn run(&mut self) {
        loop {
            for (actor, at) in self.wake_at.clone() {
                if at <= self.now.monotonic_us {
                    self.wake_at.remove(&actor);
                    self.events.push_back((actor, Event::Tick));
                }
            }
            if self.events.is_empty() {
                return;
            }
            while let Some((id, event)) = self.events.pop_front() {
                let mut effects = Vec::new();
                match self.actors.get_mut(&id) {
                    Some(Actor::Quorum(quorum)) => quorum.step(self.now, event, &mut effects),
                    Some(Actor::Shard(shard)) => shard.step(self.now, event, &mut effects),
                    None => {}
                }
                self.carry_out(id, effects);
            }
            for id in self.actors.keys().copied().collect::<Vec<_>>() {
                let mut effects = Vec::new();
                if let Some(Actor::Shard(shard)) = self.actors.get_mut(&id) {
                    shard.end_of_turn(self.now, &mut effects);
                }
                self.carry_out(id, effects);
            }
        }
    }

    fn pass(&mut self, ms: u64) {
        self.now.monotonic_us += ms * 1000;
        self.now.wall_ms += ms as i64;
        self.run();
    }

    fn carry_out(&mut self, id: ActorId, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Reply { connection, chunks } => {
                    let mut frame = Vec::new();
                    for chunk in chunks {
                        match chunk {
                            Chunk::Bytes(bytes) => frame.extend_from_slice(&bytes),
                            Chunk::File(slice) => frame.extend(slice.read().unwrap()),
                        }
                    }
                    self.replies.entry(connection).or_default().push_back(frame.into());
                }
                Effect::Send { to, message } => {
                    self.events.push_back((to, Event::Message { from: id, message }));
                }
                Effect::Flush { token, files, directories, .. } => {
                    files.iter().for_each(|file| file.sync().unwrap());
                    directories.iter().for_each(|path| self.files.sync_directory(path).unwrap());
                    self.events.push_back((id, Event::DiskDone { token, result: Ok(()) }));
                }
                Effect::WriteFile { token, path, content, directory } => {
                    let written = self.files.write_atomically(&path, &content);
                    let result = written.map_err(|error| {
                        let reason = error.to_string();
                        DiskFailure { directory, reason, no_room: storage::is_disk_full(&error) }
                    });
                    self.events.push_back((id, Event::DiskDone { token, result }));
                }
                Effect::WakeAt { monotonic_us } => {
                    self.wake_at.insert(id, monotonic_us);
                }
                Effect::Metrics(metrics) => self.metrics.add(*metrics),
                Effect::Ready => self.ready = true,
                Effect::Stopped => self.stopped += 1,
                Effect::Fatal { reason } => panic!("{reason}"),
                _ => {}
            }
        }
    }

    fn connect(&mut self, shard: u16) -> ConnectionId {
        let connection = ConnectionId(self.homes.len() as u64 + 1);
        let home = ActorId::Shard(ShardId(shard));
        self.homes.insert(connection, home);
        let address = "127.0.0.1:1".parse().unwrap();
        let opened =
            Event::ConnectionOpened { connection, listener: ListenerId(0), peer: address, local: address };
        self.events.push_back((home, opened));
        connection
    }

    fn call(&mut self, connection: ConnectionId, version: i16, request: impl Into<Request>) -> Response {
        let request = request.into();
        let api_key = request.api_key();
        self.correlation += 1;
        let header = RequestHeader {
            api_key: api_key.code(),
            api_version: version,
            correlation_id: self.correlation,
            client_id: None,
        };
        let mut writer = Writer::new();
        header.encode(&mut writer).unwrap();
        request.encode(version, &mut writer).unwrap();
        let bytes = writer.into_bytes().unwrap();
        self.events.push_back((self.homes[&connection], Event::Frame { connection, bytes }));
        self.run();
        for _ in 0..40 {
            let Some(frame) = self.replies.get_mut(&connection).and_then(VecDeque::pop_front) else {
                self.pass(25);
                continue;
            };
            let mut reader = Reader::new(frame.slice(4..));
            let header = ResponseHeader::decode(&mut reader, api_key, version).unwrap();
            assert_eq!(header.correlation_id, self.correlation);
            return Response::decode(api_key, version, &mut reader).unwrap();
        }
        panic!("no answer to {api_key}");
    }

    fn create(
        &mut self,
        connection: ConnectionId,
        name: &str,
        partitions: i32,
        configs: &[(&str, &str)],
    ) -> i16 {
        let config = |(key, value): &(&str, &str)| create_topics_request::CreatableTopicConfig {
            name: (*key).into(),
            value: Some((*value).into()),
        };
        let topics = vec![create_topics_request::CreatableTopic {
            name: name.into(),
            num_partitions: partitions,
            replication_factor: -1,
            configs: configs.iter().map(config).collect(),
            ..Default::default()
        }];
        let request = CreateTopicsRequest { topics, timeout_ms: 1000, validate_only: false };
        let Response::CreateTopics(response) = self.call(connection, 7, request) else { panic!() };
        response.topics[0].error_code
    }

    fn read_metrics(&mut self) -> Metrics {
        let actors: Vec<_> = self.actors.keys().copied().collect();
        self.events.extend(actors.into_iter().map(|actor| (actor, Event::ReadMetrics)));
        self.run();
        let mut metrics = std::mem::take(&mut self.metrics);
        metrics.sort();
        metrics
    }

    /// Error and base offset.
    fn produce(&mut self, connection: ConnectionId, topic: &str, partition: i32) -> (i16, i64) {
        let mut records = BatchBuilder::new(BatchOptions::default());
        records.append(self.now.wall_ms, None, Some(b"value"), &[]).unwrap();
        let records = Some(records.build().unwrap());
        let partition_data = vec![produce_request::PartitionProduceData { index: partition, records }];
        let topic_data = vec![produce_request::TopicProduceData {
            name: topic.into(),
            partition_data,
            ..Default::default()
        }];
        let request = ProduceRequest { acks: -1, timeout_ms: 1000, topic_data, ..Default::default() };
        let Response::Produce(response) = self.call(connection, 9, request) else { panic!() };
        let answer = &response.responses[0].partition_responses[0];
        (answer.error_code, answer.base_offset)
    }
}

#[test]
fn a_topic_is_usable_on_every_shard_when_its_creation_is_answered() {
    for shards in [1, 3] {
        let mut node = Node::fresh(shards);
        let connection = node.connect(0);
        assert_eq!(node.create(connection, "t", 6, &[]), 0);
        assert_eq!(node.create(connection, "t", 6, &[]), ErrorCode::TopicAlreadyExists.code());
        for home in 0..shards {
            let connection = node.connect(home);
            for partition in 0..6 {
                assert_eq!(node.produce(connection, "t", partition), (0, i64::from(home)));
            }
        }
        let more = create_partitions_request::CreatePartitionsTopic {
            name: "t".into(),
            count: 8,
            assignments: None,
        };
        let request = CreatePartitionsRequest { topics: vec![more], timeout_ms: 1000, validate_only: false };
        let Response::CreatePartitions(response) = node.call(connection, 3, request) else { panic!() };
        assert_eq!(response.results[0].error_code, 0);
        assert_eq!(node.produce(connection, "t", 7), (0, 0));
    }
}

#[test]
fn a_changed_configuration_takes_effect_at_once() {
    let mut node = Node::fresh(3);
    let connection = node.connect(0);
    node.create(connection, "t", 1, &[]);
    assert_eq!(node.produce(connection, "t", 0), (0, 0));
    let resource = incremental_alter_configs_request::AlterConfigsResource {
        resource_type: 2,
        resource_name: "t".into(),
        configs: vec![incremental_alter_configs_request::AlterableConfig {
            name: "max.message.bytes".into(),
            config_operation: 0,
            value: Some("10".into()),
        }],
    };
    let request = IncrementalAlterConfigsRequest { resources: vec![resource], validate_only: false };
    let Response::IncrementalAlterConfigs(response) = node.call(connection, 1, request) else { panic!() };
    assert_eq!(response.responses[0].error_code, 0);
    assert_eq!(node.produce(connection, "t", 0).0, ErrorCode::MessageTooLarge.code());
}

#[test]
fn topics_and_what_was_flushed_outlive_stops_and_crashes_with_other_numbers_of_shards() {
    for crash in [false, true] {
        let mut node = Node::fresh(3);
        let connection = node.connect(0);
        assert_eq!(node.create(connection, "t", 4, &[("flush.messages", "1")]), 0);
        for partition in 0..4 {
            assert_eq!(node.produce(connection, "t", partition), (0, 0));
        }
        let request = InitProducerIdRequest { transactional_id: None, ..Default::default() };
        let Response::InitProducerId(before) = node.call(connection, 4, request.clone()) else { panic!() };

        let mut node = node.restart(2, crash);
        let connection = node.connect(1);
        for partition in 0..4 {
            assert_eq!(node.produce(connection, "t", partition), (0, 1), "crash: {crash}");
        }
        let Response::InitProducerId(after) = node.call(connection, 4, request) else { panic!() };
        assert!(after.producer_id > before.producer_id, "{} {}", before.producer_id, after.producer_id);
    }
}

#[test]
fn a_group_finds_its_coordinator_and_commits() {
    for shards in [1, 3] {
        let mut node = Node::fresh(shards);
        let connection = node.connect(0);
        node.create(connection, "t", 1, &[]);
        let request = FindCoordinatorRequest { coordinator_keys: vec!["g".into()], ..Default::default() };
        let mut error = -1;
        for _ in 0..20 {
            let Response::FindCoordinator(found) = node.call(connection, 4, request.clone()) else {
                panic!()
            };
            error = found.coordinators[0].error_code;
            if error == 0 {
                break;
            }
            node.pass(50);
        }
        assert_eq!(error, 0, "{shards} shards");
        let commit = OffsetCommitRequest {
            group_id: "g".into(),
            topics: vec![offset_commit_request::OffsetCommitRequestTopic {
                name: "t".into(),
                partitions: vec![offset_commit_request::OffsetCommitRequestPartition {
                    committed_offset: 5,
                    ..Default::default()
                }],
                ..Default::default()
            }],
            ..Default::default()
        };
        let Response::OffsetCommit(response) = node.call(connection, 8, commit) else { panic!() };
        assert_eq!(response.topics[0].partitions[0].error_code, 0);
        let groups = node.read_metrics().groups;
        let seen: Vec<_> = groups.iter().map(|group| (&*group.group, group.state, group.members)).collect();
        assert_eq!(seen, [("g", "Empty", 0)], "{shards} shards");
        assert_eq!(groups[0].offsets, [("t".into(), 0, 5)]);
        let mut node = node.restart(shards, false);
        let connection = node.connect(0);
        let group = offset_fetch_request::OffsetFetchRequestGroup {
            group_id: "g".into(),
            topics: None,
            ..Default::default()
        };
        let request = OffsetFetchRequest { groups: vec![group], ..Default::default() };
        let Response::OffsetFetch(response) = node.call(connection, 8, request) else { panic!() };
        assert_eq!(response.groups[0].topics[0].partitions[0].committed_offset, 5, "{shards} shards");
    }
}

#[test]
fn the_quorum_is_described_and_deleted_topics_are_gone() {
    let mut node = Node::fresh(3);
    let connection = node.connect(2);
    node.create(connection, "t", 3, &[]);
    let topics =
        vec![delete_topics_request::DeleteTopicState { name: Some("t".into()), ..Default::default() }];
    let request = DeleteTopicsRequest { topics, timeout_ms: 1000, ..Default::default() };
    let Response::DeleteTopics(response) = node.call(connection, 6, request) else { panic!() };
    assert_eq!(response.responses[0].error_code, 0);
    assert_eq!(node.produce(connection, "t", 1).0, ErrorCode::UnknownTopicOrPartition.code());
    let topic = describe_quorum_request::TopicData {
        topic_name: "__cluster_metadata".into(),
        partitions: vec![describe_quorum_request::PartitionData { partition_index: 0 }],
    };
    let request = DescribeQuorumRequest { topics: vec![topic] };
    let Response::DescribeQuorum(response) = node.call(connection, 2, request) else { panic!() };
    let partition = &response.topics[0].partitions[0];
    assert_eq!((response.error_code, partition.leader_id, partition.current_voters.len()), (0, 1, 1));
}

#[test]
fn what_clients_did_is_counted_by_topic_and_vanishes_with_it() {
    for shards in [1, 3] {
        let mut node = Node::fresh(shards);
        let client = node.connect(0);
        let before = node.read_metrics();
        assert_eq!((before.partitions.len(), before.all_topics.messages_in), (0, 0));
        assert_eq!(node.create(client, "t", 4, &[]), 0);
        for partition in [0, 1, 1, 3] {
            assert_eq!(node.produce(client, "t", partition).0, 0);
        }
        assert_eq!(node.produce(client, "unknown", 0).0, ErrorCode::UnknownTopicOrPartition.code());
        let metrics = node.read_metrics();
        let rows: Vec<_> = metrics
            .partitions
            .iter()
            .map(|row| {
                (&*row.topic, row.partition, row.log_end_offset, row.counts.messages_in, row.is_leader)
            })
            .collect();
        let expected =
            [("t", 0, 1, 1, true), ("t", 1, 2, 2, true), ("t", 2, 0, 0, true), ("t", 3, 1, 1, true)];
        assert_eq!(rows, expected, "{shards} shards");
        assert_eq!((metrics.all_topics.messages_in, metrics.all_topics.produce_requests), (4, 4));
        let refused = (protocol::ApiKey::Produce, ErrorCode::UnknownTopicOrPartition.code());
        assert_eq!(metrics.errors.get(&refused), Some(&1));
        let quorum = metrics.quorum.unwrap();
        assert_eq!((quorum.state, quorum.is_active_controller, quorum.leader), ("leader", true, 1));
        assert_eq!((quorum.topics, quorum.partitions, quorum.offline_partitions), (1, 4, 0));
        assert_eq!((quorum.active_brokers, quorum.high_watermark), (1, quorum.log_end_offset));
        let topics =
            vec![delete_topics_request::DeleteTopicState { name: Some("t".into()), ..Default::default() }];
        node.call(client, 6, DeleteTopicsRequest { topics, timeout_ms: 1000, ..Default::default() });
        let after = node.read_metrics();
        assert_eq!((after.partitions.len(), after.all_topics.messages_in), (0, 4));
    }
}

#[test]
fn a_node_starts_on_a_full_disk_and_topics_can_be_deleted() {
    for shards in [1, 3] {
        let mut node = Node::fresh(shards);
        let connection = node.connect(0);
        for topic in ["kept", "deleted"] {
            assert_eq!(node.create(connection, topic, 2, &[("flush.messages", "1")]), 0);
            assert_eq!(node.produce(connection, topic, 0), (0, 0));
        }
        // more than one start, and none finds any room
        for turn in 0..5 {
            if turn % 3 == 2 {
                node = node.restart(shards, false);
            } else {
                node.actors.clear();
                if turn % 3 == 0 {
                    node.files.kill()
                } else {
                    node.files.crash()
                }
                node.files.set_capacity(node.files.used());
                let now = Time { monotonic_us: node.now.monotonic_us + 1_000_000, ..node.now };
                node = Node::start(node.files, shards, now);
            }
            // nobody else gets what was given up for the start
            node.files.set_capacity(node.files.used());
            let connection = node.connect(0);
            let full = ErrorCode::KafkaStorageError.code();
            assert_eq!(node.produce(connection, "kept", 0).0, full, "{shards} shards, start {turn}");
            assert_eq!(node.create(connection, "more", 1, &[]), full);
        }
        let connection = node.connect(0);
        let topics = vec![delete_topics_request::DeleteTopicState {
            name: Some("deleted".into()),
            ..Default::default()
        }];
        let request = DeleteTopicsRequest { topics, timeout_ms: 1000, ..Default::default() };
        let Response::DeleteTopics(response) = node.call(connection, 6, request) else { panic!() };
        assert_eq!(response.responses[0].error_code, 0, "{shards} shards");
        node.pass(80_000);
        assert_eq!(node.produce(connection, "kept", 0), (0, 1), "{shards} shards");
    }
}
