//! A node in one thread for tests: shards over files in memory, a stand-in for the quorum, and a client that
//! speaks in encoded frames. Every message and disk job is carried out at once, in order.
#![allow(dead_code, reason = "each test file uses a part")]

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;

use broker::config::{Limits, Listener, LogDirectoryConfig, NodeConfig, Settings};
use broker::event::{ActorId, ConnectionId, DiskToken, Effect, Event, ListenerId, ShardId};
use broker::message::{Message, ProducerIdBlock};
use broker::{Chunk, Directories, Shard, ShardLogs, ShardOptions};
use bytes::Bytes;
use metadata::image::{Loader, MetadataImage};
use platform::memory::MemoryFileSystem;
use platform::{FileSystem, Random, Time};
use protocol::messages::create_topics_response::{CreatableTopicResult, CreateTopicsResponse};
use protocol::records::metadata::*;
use protocol::{ApiKey, Reader, Request, RequestHeader, Response, ResponseHeader, Writer};
use records::{BatchBuilder, BatchOptions};
use storage::{LogDirectory, MetaProperties};
use types::{NodeId, ProducerEpoch, ProducerId, Uuid};

pub const DIRECTORY: &str = "/data";

/// See the head of the file.
pub struct Node {
    pub files: MemoryFileSystem,
    pub shards: Vec<Shard>,
    pub now: Time,
    pub replies: BTreeMap<ConnectionId, VecDeque<Bytes>>,
    pub closed: Vec<ConnectionId>,
    /// Fetches that wait, as the shards last told.
    pub waiting_fetches: u64,
    pub silences: usize,
    pub log: Vec<String>,
    pub stopped: usize,
    /// Disk jobs wait here while this is set.
    pub hold_disk: bool,
    pub held: Vec<(usize, Effect)>,
    pub flushes: usize,
    /// A node that cannot go on is no failure of the test.
    pub fatal_allowed: bool,
    pub fatal: Vec<String>,
    /// What each shard has said of its images, in order.
    pub applied: Vec<(usize, i64)>,
    disk_worked: bool,
    loader: Loader,
    offset: i64,
    next_producer_id: i64,
    next_connection: u64,
    next_topic: u64,
    correlation: i32,
    sent: BTreeMap<(ConnectionId, i32), (ApiKey, i16)>,
    mail: VecDeque<(ActorId, ActorId, Message)>,
    wake_at: Vec<u64>,
    shard_of_connection: BTreeMap<ConnectionId, usize>,
}

fn config(shards: u16, properties: &[(&str, &str)]) -> NodeConfig {
    NodeConfig {
        node_id: NodeId(1),
        cluster_id: "5L6g3nShT-eMCtK--X86sw".into(),
        is_broker: true,
        is_controller: true,
        rack: None,
        listeners: vec![Listener {
            name: "PLAINTEXT".into(),
            security_protocol: "PLAINTEXT".into(),
            advertised_host: "localhost".into(),
            advertised_port: 9092,
            is_controller: false,
        }],
        log_directories: vec![LogDirectoryConfig { path: PathBuf::from(DIRECTORY), id: Uuid([9; 16]) }],
        lost_log_directories: Vec::new(),
        metadata_log_directory: PathBuf::from(DIRECTORY),
        shards,
        properties: Arc::new(properties.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect()),
        settings: Settings {
            group_initial_rebalance_delay_ms: 0,
            offsets_topic_replication_factor: 1,
            offsets_topic_num_partitions: 5,
            ..Settings::default()
        },
        limits: Limits::default(),
    }
}

impl Node {
    pub fn new(shards: u16) -> Node {
        Node::with_properties(shards, &[])
    }

    pub fn with_properties(shards: u16, properties: &[(&str, &str)]) -> Node {
        let files = MemoryFileSystem::new(7);
        let mut directory = LogDirectory::open(Arc::new(files.clone()), DIRECTORY.as_ref()).unwrap();
        let meta = MetaProperties {
            cluster_id: "5L6g3nShT-eMCtK--X86sw".into(),
            node_id: NodeId(1),
            directory_id: Some(Uuid([9; 16])),
        };
        directory.write_meta(meta).unwrap();
        drop(directory);
        let mut node = Node {
            files,
            shards: Vec::new(),
            now: Time { monotonic_us: 1_000_000, wall_ms: 1_700_000_000_000 },
            replies: BTreeMap::new(),
            closed: Vec::new(),
            waiting_fetches: 0,
            silences: 0,
            log: Vec::new(),
            stopped: 0,
            hold_disk: false,
            held: Vec::new(),
            flushes: 0,
            fatal_allowed: false,
            fatal: Vec::new(),
            applied: Vec::new(),
            disk_worked: false,
            loader: Loader::new(MetadataImage::default()),
            offset: 0,
            next_producer_id: 0,
            next_connection: 0,
            next_topic: 0,
            correlation: 0,
            sent: BTreeMap::new(),
            mail: VecDeque::new(),
            wake_at: Vec::new(),
            shard_of_connection: BTreeMap::new(),
        };
        node.start(shards, properties);
        node.commit(vec![
            MetadataRecord::FeatureLevel(FeatureLevelRecord {
                name: "metadata.version".into(),
                feature_level: 30,
            }),
            MetadataRecord::RegisterBroker(RegisterBrokerRecord {
                broker_id: 1,
                broker_epoch: 1,
                end_points: vec![register_broker_record::BrokerEndpoint {
                    name: "PLAINTEXT".into(),
                    host: "localhost".into(),
                    port: 9092,
                    security_protocol: 0,
                }],
                fenced: false,
                log_dirs: vec![Uuid([9; 16])],
                ..Default::default()
            }),
        ]);
        node
    }

    fn start(&mut self, shards: u16, properties: &[(&str, &str)]) {
        let directory = LogDirectory::open(Arc::new(self.files.clone()), DIRECTORY.as_ref()).unwrap();
        let (directories, found) = Directories::start(vec![directory], shards).unwrap();
        let directories = Arc::new(directories);
        let node = Arc::new(config(shards, properties));
        self.shards = (0..shards)
            .zip(found)
            .map(|(id, found)| {
                Shard::new(ShardOptions {
                    id: ShardId(id),
                    node: node.clone(),
                    random: Random::new(u64::from(id) + 1),
                    logs: ShardLogs { directories: directories.clone(), found },
                })
            })
            .collect();
        self.wake_at = vec![u64::MAX; usize::from(shards)];
        self.mail.clear();
        self.held.clear();
        self.shard_of_connection.clear();
        self.stopped = 0;
    }

    /// The same files and metadata, new shards. `crash`: what was not synced may be lost.
    pub fn restart(&mut self, shards: u16, crash: bool) {
        self.shards.clear();
        if crash {
            self.files.crash();
        }
        self.start(shards, &[]);
        let image = Arc::new(self.loader.head().clone());
        for shard in 0..usize::from(shards) {
            let message =
                Message::Image { image: image.clone(), changes: None, offset: self.offset, kraft_version: 1 };
            self.mail.push_back((ActorId::Quorum, ActorId::Shard(ShardId(shard as u16)), message));
        }
        self.run();
    }

    /// Records of the controller, told to every shard.
    pub fn commit(&mut self, records: Vec<MetadataRecord>) {
        for record in records {
            self.loader.apply(&record, self.offset).unwrap();
            self.offset += 1;
        }
        let (image, delta) = self.loader.publish();
        let (image, delta) = (Arc::new(image), Arc::new(delta));
        for shard in 0..self.shards.len() {
            let message = Message::Image {
                image: image.clone(),
                changes: Some(delta.clone()),
                offset: self.offset,
                kraft_version: 1,
            };
            self.mail.push_back((ActorId::Quorum, ActorId::Shard(ShardId(shard as u16)), message));
        }
        self.run();
    }

    /// The next start knows of no topic.
    pub fn forget_metadata(&mut self) {
        self.loader = Loader::new(MetadataImage::default());
    }

    pub fn create_topic(&mut self, name: &str, partitions: i32, configs: &[(&str, &str)]) -> Uuid {
        let (id, records) = self.topic_records(name, partitions, configs);
        self.commit(records);
        id
    }

    pub fn topic_records(
        &mut self,
        name: &str,
        partitions: i32,
        configs: &[(&str, &str)],
    ) -> (Uuid, Vec<MetadataRecord>) {
        self.next_topic += 1;
        let id = Uuid::from_halves(self.next_topic as i64, 77);
        let mut records = vec![MetadataRecord::Topic(TopicRecord { name: name.into(), topic_id: id })];
        records.extend((0..partitions).map(|partition_id| {
            MetadataRecord::Partition(PartitionRecord {
                partition_id,
                topic_id: id,
                replicas: vec![1],
                isr: vec![1],
                leader: 1,
                leader_epoch: 0,
                partition_epoch: 0,
                directories: vec![Uuid([9; 16])],
                ..Default::default()
            })
        }));
        records.extend(configs.iter().map(|(key, value)| {
            MetadataRecord::Config(ConfigRecord {
                resource_type: 2,
                resource_name: name.into(),
                name: (*key).into(),
                value: Some((*value).into()),
            })
        }));
        (id, records)
    }

    pub fn delete_topic(&mut self, topic_id: Uuid) {
        self.commit(vec![MetadataRecord::RemoveTopic(RemoveTopicRecord { topic_id })]);
    }

    /// A client's connection to one shard.
    pub fn connect(&mut self, shard: usize) -> ConnectionId {
        self.next_connection += 1;
        let connection = ConnectionId(self.next_connection);
        self.shard_of_connection.insert(connection, shard);
        self.step(
            shard,
            Event::ConnectionOpened {
                connection,
                listener: ListenerId(0),
                peer: "127.0.0.1:50000".parse().unwrap(),
                local: "127.0.0.1:9092".parse().unwrap(),
            },
        );
        connection
    }

    pub fn disconnect(&mut self, connection: ConnectionId) {
        let shard = self.shard_of_connection[&connection];
        self.step(shard, Event::ConnectionClosed { connection });
        self.run();
    }

    pub fn count_waiting_fetches(&mut self) -> u64 {
        self.waiting_fetches = 0;
        for shard in 0..self.shards.len() {
            self.step(shard, Event::ReadMetrics);
        }
        self.run();
        self.waiting_fetches
    }

    /// Hands in a request; the turn is not over.
    pub fn send(&mut self, connection: ConnectionId, version: i16, request: impl Into<Request>) {
        let request = request.into();
        let api_key = request.api_key();
        self.correlation += 1;
        let mut writer = Writer::new();
        let header = RequestHeader {
            api_key: api_key.code(),
            api_version: version,
            correlation_id: self.correlation,
            client_id: Some("test".into()),
        };
        header.encode(&mut writer).unwrap();
        request.encode(version, &mut writer).unwrap();
        self.sent.insert((connection, self.correlation), (api_key, version));
        self.send_bytes(connection, writer.into_bytes().unwrap());
    }

    pub fn send_bytes(&mut self, connection: ConnectionId, bytes: Bytes) {
        let shard = self.shard_of_connection[&connection];
        self.step(shard, Event::Frame { connection, bytes });
    }

    /// One request and its answer.
    pub fn call(&mut self, connection: ConnectionId, version: i16, request: impl Into<Request>) -> Response {
        self.send(connection, version, request);
        self.run();
        self.take_reply(connection).expect("an answer")
    }

    pub fn take_reply(&mut self, connection: ConnectionId) -> Option<Response> {
        let frame = self.replies.get_mut(&connection)?.pop_front()?;
        let mut reader = Reader::new(frame.clone());
        let size = reader.i32();
        assert_eq!(size as usize, frame.len() - 4, "size prefix");
        let correlation = i32::from_be_bytes(frame[4..8].try_into().unwrap());
        let (api_key, version) = self.sent.remove(&(connection, correlation)).expect("a request");
        ResponseHeader::decode(&mut reader, api_key, version).unwrap();
        Some(Response::decode(api_key, version, &mut reader).unwrap())
    }

    pub fn step(&mut self, shard: usize, event: Event) {
        let mut effects = Vec::new();
        self.shards[shard].step(self.now, event, &mut effects);
        self.carry_out(shard, effects);
    }

    /// Turns until nothing happens any more.
    pub fn run(&mut self) {
        loop {
            while let Some((from, to, message)) = self.mail.pop_front() {
                match to {
                    ActorId::Quorum => self.quorum(from, message),
                    ActorId::Shard(shard) => {
                        self.step(usize::from(shard.0), Event::Message { from, message })
                    }
                }
            }
            for shard in 0..self.shards.len() {
                if self.wake_at[shard] <= self.now.monotonic_us {
                    self.wake_at[shard] = u64::MAX;
                    self.step(shard, Event::Tick);
                }
                let mut effects = Vec::new();
                self.shards[shard].end_of_turn(self.now, &mut effects);
                self.carry_out(shard, effects);
            }
            let due = self.wake_at.iter().any(|&at| at <= self.now.monotonic_us);
            if self.mail.is_empty() && !due && !std::mem::take(&mut self.disk_worked) {
                return;
            }
        }
    }

    pub fn pass(&mut self, ms: u64) {
        self.now.monotonic_us += ms * 1000;
        self.now.wall_ms += ms as i64;
        self.run();
    }

    pub fn release_disk(&mut self) {
        self.hold_disk = false;
        self.release_jobs(usize::MAX);
    }

    /// The first `count` disk jobs that wait are done; what they lead to may wait again.
    pub fn release_jobs(&mut self, count: usize) {
        let holds = std::mem::take(&mut self.hold_disk);
        let count = count.min(self.held.len());
        let jobs: Vec<_> = self.held.drain(..count).collect();
        for (shard, effect) in jobs {
            self.carry_out(shard, vec![effect]);
        }
        self.hold_disk = holds;
        self.run();
    }

    fn carry_out(&mut self, shard: usize, effects: Vec<Effect>) {
        let own = ActorId::Shard(ShardId(shard as u16));
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
                    self.replies.entry(connection).or_default().push_back(Bytes::from(frame));
                }
                Effect::NoReply { .. } => self.silences += 1,
                Effect::Close { connection } => self.closed.push(connection),
                Effect::Send { to, message } => self.mail.push_back((own, to, message)),
                Effect::Flush { .. } | Effect::WriteFile { .. } if self.hold_disk => {
                    self.held.push((shard, effect))
                }
                Effect::Flush { token, files, directories, .. } => {
                    self.flushes += 1;
                    files.iter().for_each(|file| file.sync().unwrap());
                    directories.iter().for_each(|path| self.files.sync_directory(path).unwrap());
                    self.disk_done(shard, token);
                }
                Effect::WriteFile { token, path, content, .. } => {
                    self.files.write_atomically(&path, &content).unwrap();
                    self.disk_done(shard, token);
                }
                Effect::WakeAt { monotonic_us } => self.wake_at[shard] = monotonic_us,
                Effect::Log { text, .. } => self.log.push(text),
                Effect::Stopped => self.stopped += 1,
                Effect::Fatal { reason } if self.fatal_allowed => self.fatal.push(reason),
                Effect::Fatal { reason } => panic!("{reason}"),
                Effect::Metrics(metrics) => self.waiting_fetches += metrics.purgatory_fetch,
                Effect::Mute { .. } | Effect::Ready | Effect::Left => {}
                Effect::Dial { .. } | Effect::Request { .. } => {}
            }
        }
    }

    fn disk_done(&mut self, shard: usize, token: DiskToken) {
        self.disk_worked = true;
        self.step(shard, Event::DiskDone { token, result: Ok(()) });
    }

    fn quorum(&mut self, from: ActorId, message: Message) {
        let reply = match message {
            Message::AllocateProducerIds => {
                let first = ProducerId(self.next_producer_id);
                self.next_producer_id += 3;
                Message::ProducerIds { block: Some(ProducerIdBlock { first, count: 3 }) }
            }
            Message::ControllerRequest { id, request, .. } => {
                let Request::CreateTopics(request) = *request else { panic!("not for this quorum") };
                let mut topics = Vec::new();
                for topic in &request.topics {
                    let partitions = if topic.num_partitions == -1 { 1 } else { topic.num_partitions };
                    self.create_topic(&topic.name, partitions, &[]);
                    topics.push(CreatableTopicResult { name: topic.name.clone(), ..Default::default() });
                }
                let response = CreateTopicsResponse { topics, ..Default::default() };
                Message::ControllerReply { id, response: Box::new(Response::CreateTopics(response)) }
            }
            Message::ImageApplied { offset } => {
                let ActorId::Shard(shard) = from else { return };
                return self.applied.push((usize::from(shard.0), offset));
            }
            _ => return,
        };
        self.mail.push_back((ActorId::Quorum, from, reply));
    }
}

/// A batch of records with these values.
pub fn batch(values: &[&str]) -> Bytes {
    batch_of(values, ProducerId::NONE, ProducerEpoch::NONE, -1)
}

pub fn batch_of(
    values: &[&str],
    producer_id: ProducerId,
    producer_epoch: ProducerEpoch,
    base_sequence: i32,
) -> Bytes {
    let options = BatchOptions { producer_id, producer_epoch, base_sequence, ..Default::default() };
    let mut batch = BatchBuilder::new(options);
    for value in values {
        batch.append(1_700_000_000_000, Some(b"key"), Some(value.as_bytes()), &[]).unwrap();
    }
    batch.build().unwrap()
}

/// The values of all whole batches, with their offsets.
pub fn values(bytes: &[u8]) -> Vec<(i64, String)> {
    let mut values = Vec::new();
    for batch in records::Batches::new(bytes) {
        let batch = batch.unwrap();
        batch.verify_crc().unwrap();
        let data = batch.data(1 << 20).unwrap();
        for record in batch.records(&data) {
            let record = record.unwrap();
            values.push((record.offset.0, String::from_utf8(record.value.unwrap().to_vec()).unwrap()));
        }
    }
    values
}
