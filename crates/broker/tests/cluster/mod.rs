//! Several nodes in one thread for tests: their shards over files in memory, connections between them, and a stand-in
//! for the controller that publishes images and takes AlterPartition. Everything is carried out at once, in order;
//! a node that is down neither runs nor is reached.
#![allow(dead_code, reason = "each test file uses a part")]

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;

use broker::config::{Limits, Listener, LogDirectoryConfig, NodeConfig, Settings};
use broker::event::{ActorId, ConnectionId, Effect, Event, ListenerId, ShardId};
use broker::message::{Message, ProducerIdBlock};
use broker::{Chunk, Directories, Shard, ShardLogs, ShardOptions};
use bytes::Bytes;
use metadata::image::{Loader, MetadataImage, UNASSIGNED};
use platform::memory::MemoryFileSystem;
use platform::{FileSystem, Random, Time};
use protocol::messages::{
    AlterPartitionRequest, AlterPartitionResponse, AssignReplicasToDirsRequest, AssignReplicasToDirsResponse,
    alter_partition_request, alter_partition_response,
};
use protocol::records::metadata::*;
use protocol::{ApiKey, ErrorCode, Reader, Request, RequestHeader, Response, ResponseHeader, Writer};
use storage::{LogDirectory, MetaProperties};
use types::{NodeId, ProducerId, Uuid};

/// Log directories of a node, as many as it has.
pub const DIRECTORIES: [&str; 2] = ["/data", "/data-2"];
const FIRST_PORT: u16 = 9000;

/// An actor's end of a connection.
type End = (i32, usize, ConnectionId);

pub struct Member {
    pub files: MemoryFileSystem,
    pub shards: Vec<Shard>,
    pub is_up: bool,
    wake_at: Vec<u64>,
}

/// See the head of the file.
pub struct Cluster {
    pub nodes: BTreeMap<i32, Member>,
    pub now: Time,
    pub log: Vec<(i32, String)>,
    /// What was asked of the controller, by node.
    pub asked: Vec<(i32, AlterPartitionRequest)>,
    /// The controller does not answer now.
    pub hold_controller: bool,
    /// The next answers of the controller, instead of doing what was asked.
    pub refusals: VecDeque<ErrorCode>,
    /// Images go to these alone; none: to all that are up.
    pub told: Option<BTreeSet<i32>>,
    /// Log directories that a node that starts finds unusable, by their places.
    pub lost: BTreeSet<(i32, usize)>,
    pub properties: Vec<(String, String)>,
    pub settings: Settings,
    pub racks: bool,
    shards: u16,
    directories: usize,
    metadata_version: i16,
    loader: Loader,
    offset: i64,
    links: BTreeMap<End, End>,
    events: VecDeque<(i32, usize, Event)>,
    mail: VecDeque<(i32, ActorId, ActorId, Message)>,
    replies: BTreeMap<ConnectionId, VecDeque<Bytes>>,
    clients: BTreeMap<ConnectionId, (i32, usize)>,
    sent: BTreeMap<(ConnectionId, i32), (ApiKey, i16)>,
    next_connection: u64,
    correlation: i32,
    next_producer_id: i64,
}

pub fn directory_id(node: i32) -> Uuid {
    directory_ids(node)[0]
}

pub fn directory_ids(node: i32) -> [Uuid; 2] {
    [900, 901].map(|at| Uuid::from_halves(i64::from(node), at))
}

impl Cluster {
    /// Nodes 1 to `nodes`.
    pub fn new(nodes: i32, shards: u16) -> Cluster {
        Cluster::with(nodes, shards, Settings::default(), false)
    }

    /// With two log directories each.
    pub fn with_two_directories(nodes: i32, shards: u16) -> Cluster {
        Cluster::made(nodes, shards, 2, Settings::default(), false, 30)
    }

    /// The same where the controller has nothing on record of directories.
    pub fn with_two_unrecorded_directories(nodes: i32, shards: u16) -> Cluster {
        Cluster::made(nodes, shards, 2, Settings::default(), false, 16)
    }

    pub fn with(nodes: i32, shards: u16, settings: Settings, racks: bool) -> Cluster {
        Cluster::made(nodes, shards, 1, settings, racks, 30)
    }

    fn made(
        nodes: i32,
        shards: u16,
        directories: usize,
        settings: Settings,
        racks: bool,
        metadata_version: i16,
    ) -> Cluster {
        let settings =
            Settings { group_initial_rebalance_delay_ms: 0, offsets_topic_num_partitions: 2, ..settings };
        let mut cluster = Cluster {
            nodes: BTreeMap::new(),
            now: Time { monotonic_us: 1_000_000, wall_ms: 1_700_000_000_000 },
            log: Vec::new(),
            asked: Vec::new(),
            hold_controller: false,
            refusals: VecDeque::new(),
            told: None,
            lost: BTreeSet::new(),
            properties: Vec::new(),
            settings,
            racks,
            shards,
            directories,
            metadata_version,
            loader: Loader::new(MetadataImage::default()),
            offset: 0,
            links: BTreeMap::new(),
            events: VecDeque::new(),
            mail: VecDeque::new(),
            replies: BTreeMap::new(),
            clients: BTreeMap::new(),
            sent: BTreeMap::new(),
            next_connection: 0,
            correlation: 0,
            next_producer_id: 0,
        };
        for node in 1..=nodes {
            let files = MemoryFileSystem::new(node as u64);
            for (path, id) in DIRECTORIES.iter().zip(directory_ids(node)).take(directories) {
                let mut directory = LogDirectory::open(Arc::new(files.clone()), path.as_ref()).unwrap();
                let meta = MetaProperties {
                    cluster_id: "5L6g3nShT-eMCtK--X86sw".into(),
                    node_id: NodeId(node),
                    directory_id: Some(id),
                };
                directory.write_meta(meta).unwrap();
            }
            let member = Member { files, shards: Vec::new(), is_up: false, wake_at: Vec::new() };
            cluster.nodes.insert(node, member);
            cluster.start(node);
        }
        let level = FeatureLevelRecord { name: "metadata.version".into(), feature_level: metadata_version };
        let mut records = vec![MetadataRecord::FeatureLevel(level)];
        records.extend((1..=nodes).map(|node| cluster.registration(node, i64::from(node) + 10)));
        cluster.commit(records);
        cluster
    }

    pub fn registration(&self, node: i32, broker_epoch: i64) -> MetadataRecord {
        MetadataRecord::RegisterBroker(RegisterBrokerRecord {
            broker_id: node,
            broker_epoch,
            end_points: vec![register_broker_record::BrokerEndpoint {
                name: "PLAINTEXT".into(),
                host: "127.0.0.1".into(),
                port: FIRST_PORT + node as u16,
                security_protocol: 0,
            }],
            rack: self.racks.then(|| format!("rack-{node}").into()),
            fenced: false,
            log_dirs: match self.metadata_version {
                17.. => directory_ids(node)[..self.directories].to_vec(),
                _ => Vec::new(),
            },
            ..Default::default()
        })
    }

    fn config(&self, node: i32) -> NodeConfig {
        let all =
            DIRECTORIES.iter().map(PathBuf::from).zip(directory_ids(node)).take(self.directories).enumerate();
        let (lost, usable): (Vec<_>, Vec<_>) =
            all.partition(|(place, _)| self.lost.contains(&(node, *place)));
        NodeConfig {
            node_id: NodeId(node),
            cluster_id: "5L6g3nShT-eMCtK--X86sw".into(),
            is_broker: true,
            is_controller: false,
            rack: None,
            listeners: vec![Listener {
                name: "PLAINTEXT".into(),
                security_protocol: "PLAINTEXT".into(),
                advertised_host: "127.0.0.1".into(),
                advertised_port: FIRST_PORT + node as u16,
                is_controller: false,
            }],
            log_directories: usable
                .into_iter()
                .map(|(_, (path, id))| LogDirectoryConfig { path, id })
                .collect(),
            lost_log_directories: lost.into_iter().map(|(_, (path, _))| path).collect(),
            metadata_log_directory: PathBuf::from(DIRECTORIES[0]),
            shards: self.shards,
            properties: Arc::new(self.properties.iter().cloned().collect()),
            settings: self.settings.clone(),
            limits: Limits::default(),
        }
    }

    /// Starts a node on the files that it has, and tells it the image.
    pub fn start(&mut self, node: i32) {
        let config = Arc::new(self.config(node));
        let shards = self.shards;
        let usable: Vec<PathBuf> = config.log_directories.iter().map(|one| one.path.clone()).collect();
        let member = self.nodes.get_mut(&node).unwrap();
        let open = |path: &PathBuf| LogDirectory::open(Arc::new(member.files.clone()), path).unwrap();
        let opened = usable.iter().map(open).collect();
        let (directories, found) = Directories::start(opened, shards).unwrap();
        let directories = Arc::new(directories);
        let shard = |(id, found): (u16, _)| {
            Shard::new(ShardOptions {
                id: ShardId(id),
                node: config.clone(),
                random: Random::new(u64::from(id) + 100 * node as u64),
                logs: ShardLogs { directories: directories.clone(), found },
            })
        };
        member.shards = (0..shards).zip(found).map(shard).collect();
        member.wake_at = vec![u64::MAX; usize::from(shards)];
        member.is_up = true;
        if self.offset > 0 {
            let image = Arc::new(self.loader.head().clone());
            for shard in 0..shards {
                let message = Message::Image {
                    image: image.clone(),
                    changes: None,
                    offset: self.offset,
                    kraft_version: 1,
                };
                self.mail.push_back((node, ActorId::Quorum, ActorId::Shard(ShardId(shard)), message));
            }
        }
    }

    /// `kill -9`: what is in the page cache stays. `crash`: it may be lost.
    pub fn kill(&mut self, node: i32, crash: bool) {
        let member = self.nodes.get_mut(&node).unwrap();
        member.is_up = false;
        member.shards.clear();
        if crash {
            member.files.crash();
        }
        self.events.retain(|(at, _, _)| *at != node);
        self.mail.retain(|(at, _, _, _)| *at != node);
        let ends: Vec<End> = self.links.keys().filter(|end| end.0 == node).copied().collect();
        for end in ends {
            self.close(end);
        }
    }

    /// The other end is told.
    fn close(&mut self, end: End) {
        if let Some(other) = self.links.remove(&end) {
            self.links.remove(&other);
            if self.nodes[&other.0].is_up {
                self.events.push_back((other.0, other.1, Event::ConnectionClosed { connection: other.2 }));
            }
        }
    }

    /// Records of the controller, told to every node that hears.
    pub fn commit(&mut self, records: Vec<MetadataRecord>) {
        self.publish(records);
        self.run();
    }

    fn publish(&mut self, records: Vec<MetadataRecord>) {
        for record in records {
            self.loader.apply(&record, self.offset).unwrap();
            self.offset += 1;
        }
        let (image, delta) = self.loader.publish();
        let (image, delta) = (Arc::new(image), Arc::new(delta));
        let told = self.told.clone();
        for (&node, _) in self.nodes.iter().filter(|(_, member)| member.is_up) {
            if told.as_ref().is_some_and(|told| !told.contains(&node)) {
                continue;
            }
            for shard in 0..self.shards {
                let message = Message::Image {
                    image: image.clone(),
                    changes: told.is_none().then(|| delta.clone()),
                    offset: self.offset,
                    kraft_version: 1,
                };
                self.mail.push_back((node, ActorId::Quorum, ActorId::Shard(ShardId(shard)), message));
            }
        }
    }

    /// Nodes that were left out hear everything.
    pub fn tell_all(&mut self) {
        self.told = None;
        let image = Arc::new(self.loader.head().clone());
        for (&node, _) in self.nodes.iter().filter(|(_, member)| member.is_up) {
            for shard in 0..self.shards {
                let message = Message::Image {
                    image: image.clone(),
                    changes: None,
                    offset: self.offset,
                    kraft_version: 1,
                };
                self.mail.push_back((node, ActorId::Quorum, ActorId::Shard(ShardId(shard)), message));
            }
        }
        self.run();
    }

    /// A topic with one partition; the first replica leads.
    pub fn create_topic(&mut self, name: &str, replicas: &[i32], configs: &[(&str, &str)]) -> Uuid {
        let id = Uuid::from_halves(self.offset, 77);
        let mut records = vec![
            MetadataRecord::Topic(TopicRecord { name: name.into(), topic_id: id }),
            MetadataRecord::Partition(PartitionRecord {
                partition_id: 0,
                topic_id: id,
                replicas: replicas.to_vec(),
                isr: replicas.to_vec(),
                leader: replicas[0],
                leader_epoch: 0,
                partition_epoch: 0,
                // of several, the broker chooses
                directories: match (self.metadata_version, self.directories) {
                    (..17, _) => Vec::new(),
                    (_, 1) => replicas.iter().map(|&node| directory_id(node)).collect(),
                    _ => vec![UNASSIGNED; replicas.len()],
                },
                ..Default::default()
            }),
        ];
        records.extend(configs.iter().map(|(key, value)| {
            MetadataRecord::Config(ConfigRecord {
                resource_type: 2,
                resource_name: name.into(),
                name: (*key).into(),
                value: Some((*value).into()),
            })
        }));
        self.commit(records);
        id
    }

    /// Another leader, and who is in sync with it.
    pub fn elect(&mut self, topic_id: Uuid, leader: i32, in_sync: &[i32]) {
        self.commit(vec![MetadataRecord::PartitionChange(PartitionChangeRecord {
            topic_id,
            partition_id: 0,
            leader,
            isr: Some(in_sync.to_vec()),
            ..Default::default()
        })]);
    }

    pub fn fence(&mut self, node: i32, fenced: bool) {
        let broker_epoch = self.loader.head().cluster.broker(node).unwrap().epoch;
        self.commit(vec![MetadataRecord::BrokerRegistrationChange(BrokerRegistrationChangeRecord {
            broker_id: node,
            broker_epoch,
            fenced: if fenced { 1 } else { -1 },
            ..Default::default()
        })]);
    }

    pub fn image(&self) -> &MetadataImage {
        self.loader.head()
    }

    pub fn in_sync(&self, topic_id: Uuid) -> Vec<i32> {
        let mut in_sync = self.loader.head().topics.partition(topic_id, 0).unwrap().in_sync_replicas.clone();
        in_sync.sort();
        in_sync
    }

    pub fn topic_id(&self, name: &str) -> Uuid {
        self.loader.head().topics.id(name).unwrap()
    }

    pub fn connect(&mut self, node: i32, shard: usize) -> ConnectionId {
        let connection = self.accept(node, shard);
        self.clients.insert(connection, (node, shard));
        self.run();
        connection
    }

    fn accept(&mut self, node: i32, shard: usize) -> ConnectionId {
        self.next_connection += 1;
        let connection = ConnectionId(self.next_connection);
        let opened = Event::ConnectionOpened {
            connection,
            listener: ListenerId(0),
            peer: "127.0.0.1:50000".parse().unwrap(),
            local: "127.0.0.1:9092".parse().unwrap(),
        };
        self.events.push_back((node, shard, opened));
        connection
    }

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
        let (node, shard) = self.clients[&connection];
        let bytes = writer.into_bytes().unwrap();
        self.events.push_back((node, shard, Event::Frame { connection, bytes }));
        self.run();
    }

    pub fn call(&mut self, connection: ConnectionId, version: i16, request: impl Into<Request>) -> Response {
        self.send(connection, version, request);
        self.take_reply(connection).expect("an answer")
    }

    pub fn take_reply(&mut self, connection: ConnectionId) -> Option<Response> {
        let frame = self.replies.get_mut(&connection)?.pop_front()?;
        let mut reader = Reader::new(frame.slice(4..));
        let correlation = i32::from_be_bytes(frame[4..8].try_into().unwrap());
        let (api_key, version) = self.sent.remove(&(connection, correlation)).expect("a request");
        ResponseHeader::decode(&mut reader, api_key, version).unwrap();
        Some(Response::decode(api_key, version, &mut reader).unwrap())
    }

    /// Until nothing more happens at this time.
    pub fn run(&mut self) {
        loop {
            let mut busy = false;
            while let Some((node, shard, event)) = self.events.pop_front() {
                self.step(node, shard, event);
                busy = true;
            }
            while let Some((node, from, to, message)) = self.mail.pop_front() {
                busy = true;
                match to {
                    ActorId::Quorum => self.quorum(node, from, message),
                    ActorId::Shard(shard) => {
                        self.step(node, usize::from(shard.0), Event::Message { from, message });
                    }
                }
            }
            let nodes: Vec<i32> = self.nodes.iter().filter(|(_, one)| one.is_up).map(|(id, _)| *id).collect();
            for node in nodes {
                for shard in 0..usize::from(self.shards) {
                    busy |= self.end_turn(node, shard);
                }
            }
            if !busy && self.events.is_empty() && self.mail.is_empty() {
                return;
            }
        }
    }

    fn end_turn(&mut self, node: i32, shard: usize) -> bool {
        let now = self.now;
        let member = self.nodes.get_mut(&node).unwrap();
        let due = member.wake_at[shard] <= now.monotonic_us;
        if due {
            member.wake_at[shard] = u64::MAX;
            self.step(node, shard, Event::Tick);
        }
        let mut effects = Vec::new();
        self.nodes.get_mut(&node).unwrap().shards[shard].end_of_turn(now, &mut effects);
        let busy = due || effects.iter().any(|effect| !matches!(effect, Effect::WakeAt { .. }));
        self.carry_out(node, shard, effects);
        busy || self.nodes[&node].wake_at[shard] <= now.monotonic_us
    }

    /// Time passes, from one wake-up to the next.
    pub fn pass(&mut self, ms: u64) {
        let end = self.now.monotonic_us + ms * 1000;
        loop {
            let wake_ups = self.nodes.values().filter(|one| one.is_up).flat_map(|one| one.wake_at.iter());
            let next = wake_ups.copied().min().unwrap_or(u64::MAX).max(self.now.monotonic_us + 1);
            let at = next.min(end);
            self.now.wall_ms += ((at - self.now.monotonic_us) / 1000) as i64;
            self.now.monotonic_us = at;
            self.run();
            if at == end {
                return;
            }
        }
    }

    fn step(&mut self, node: i32, shard: usize, event: Event) {
        let now = self.now;
        let member = self.nodes.get_mut(&node).unwrap();
        if !member.is_up {
            return;
        }
        let mut effects = Vec::new();
        member.shards[shard].step(now, event, &mut effects);
        self.carry_out(node, shard, effects);
    }

    fn carry_out(&mut self, node: i32, shard: usize, effects: Vec<Effect>) {
        let own = ActorId::Shard(ShardId(shard as u16));
        for effect in effects {
            match effect {
                Effect::Dial { connection, address } => {
                    let to = i32::from(address.port - FIRST_PORT);
                    if !self.nodes.get(&to).is_some_and(|member| member.is_up) {
                        let reason = "refused".to_owned();
                        self.events.push_back((node, shard, Event::DialFailed { connection, reason }));
                        continue;
                    }
                    // not always the shard that owns the partitions
                    let to_shard = (shard + 1) % usize::from(self.shards);
                    let accepted = self.accept(to, to_shard);
                    self.links.insert((node, shard, connection), (to, to_shard, accepted));
                    self.links.insert((to, to_shard, accepted), (node, shard, connection));
                    self.events.push_back((node, shard, Event::Dialed { connection }));
                }
                Effect::Request { connection, chunks } | Effect::Reply { connection, chunks } => {
                    let bytes = bytes_of(chunks);
                    match self.links.get(&(node, shard, connection)) {
                        Some(&(to, to_shard, connection)) => {
                            let bytes = bytes.slice(4..);
                            self.events.push_back((to, to_shard, Event::Frame { connection, bytes }));
                        }
                        None => self.replies.entry(connection).or_default().push_back(bytes),
                    }
                }
                Effect::Close { connection } => self.close((node, shard, connection)),
                Effect::Send { to, message } => self.mail.push_back((node, own, to, message)),
                Effect::Flush { token, files, directories, .. } => {
                    files.iter().for_each(|file| file.sync().unwrap());
                    let files = &self.nodes[&node].files;
                    directories.iter().for_each(|path| files.sync_directory(path).unwrap());
                    self.events.push_back((node, shard, Event::DiskDone { token, result: Ok(()) }));
                }
                Effect::WriteFile { token, path, content, .. } => {
                    self.nodes[&node].files.write_atomically(&path, &content).unwrap();
                    self.events.push_back((node, shard, Event::DiskDone { token, result: Ok(()) }));
                }
                Effect::WakeAt { monotonic_us } => {
                    self.nodes.get_mut(&node).unwrap().wake_at[shard] = monotonic_us;
                }
                Effect::Log { text, .. } => self.log.push((node, text)),
                Effect::Fatal { reason } => panic!("{node}: {reason}"),
                _ => {}
            }
        }
    }

    fn quorum(&mut self, node: i32, from: ActorId, message: Message) {
        let reply = match message {
            Message::AllocateProducerIds => {
                let first = ProducerId(self.next_producer_id);
                self.next_producer_id += 1000;
                Message::ProducerIds { block: Some(ProducerIdBlock { first, count: 1000 }) }
            }
            Message::ControllerRequest { id, request, .. } => {
                let request = match *request {
                    Request::AlterPartition(request) => request,
                    Request::AssignReplicasToDirs(request) => {
                        let response = Box::new(Response::AssignReplicasToDirs(self.assign(request)));
                        let reply = Message::ControllerReply { id, response };
                        return self.mail.push_back((node, ActorId::Quorum, from, reply));
                    }
                    _ => return,
                };
                self.asked.push((node, request.clone()));
                if self.hold_controller {
                    return;
                }
                let response = Box::new(Response::AlterPartition(self.alter(request)));
                Message::ControllerReply { id, response }
            }
            _ => return,
        };
        self.mail.push_back((node, ActorId::Quorum, from, reply));
    }

    fn assign(&mut self, request: AssignReplicasToDirsRequest) -> AssignReplicasToDirsResponse {
        use protocol::messages::assign_replicas_to_dirs_response::{DirectoryData, PartitionData, TopicData};
        let mut response = AssignReplicasToDirsResponse::default();
        let mut records = Vec::new();
        for directory in request.directories {
            let mut topics = Vec::new();
            for topic in directory.topics {
                let mut partitions = Vec::new();
                for asked in topic.partitions {
                    let partition_id = asked.partition_index;
                    let known = self.loader.head().topics.partition(topic.topic_id, partition_id).unwrap();
                    let of = |(node, id): (&i32, &Uuid)| match *node == request.broker_id {
                        true => directory.id,
                        false => *id,
                    };
                    let directories = known.replicas.iter().zip(&known.directories).map(of).collect();
                    records.push(MetadataRecord::PartitionChange(PartitionChangeRecord {
                        topic_id: topic.topic_id,
                        partition_id,
                        directories: Some(directories),
                        ..Default::default()
                    }));
                    partitions.push(PartitionData { partition_index: partition_id, error_code: 0 });
                }
                topics.push(TopicData { topic_id: topic.topic_id, partitions });
            }
            response.directories.push(DirectoryData { id: directory.id, topics });
        }
        self.publish(records);
        response
    }

    fn alter(&mut self, request: AlterPartitionRequest) -> AlterPartitionResponse {
        let mut response = AlterPartitionResponse::default();
        let mut records = Vec::new();
        for topic in request.topics {
            let mut partitions = Vec::new();
            for asked in topic.partitions {
                let head = self.loader.head();
                let known = head.topics.partition(topic.topic_id, asked.partition_index).unwrap();
                let isr: Vec<i32> = asked.new_isr_with_epochs.iter().map(|one| one.broker_id).collect();
                let eligible = |one: &alter_partition_request::BrokerState| {
                    let broker = head.cluster.broker(one.broker_id).filter(|broker| broker.is_active());
                    broker.is_some_and(|broker| one.broker_epoch == -1 || broker.epoch == one.broker_epoch)
                };
                let refused = match self.refusals.pop_front() {
                    Some(error) => error,
                    None if asked.leader_epoch < known.leader_epoch => ErrorCode::FencedLeaderEpoch,
                    None if asked.partition_epoch < known.partition_epoch => ErrorCode::InvalidUpdateVersion,
                    None if !asked.new_isr_with_epochs.iter().all(eligible) => ErrorCode::IneligibleReplica,
                    None => ErrorCode::None,
                };
                let mut answer = alter_partition_response::PartitionData {
                    partition_index: asked.partition_index,
                    error_code: refused.code(),
                    ..Default::default()
                };
                if refused == ErrorCode::None {
                    answer.leader_id = known.leader;
                    answer.leader_epoch = known.leader_epoch;
                    answer.partition_epoch = known.partition_epoch + 1;
                    answer.isr = isr.clone();
                    records.push(MetadataRecord::PartitionChange(PartitionChangeRecord {
                        topic_id: topic.topic_id,
                        partition_id: asked.partition_index,
                        isr: Some(isr),
                        ..Default::default()
                    }));
                }
                partitions.push(answer);
            }
            response
                .topics
                .push(alter_partition_response::TopicData { topic_id: topic.topic_id, partitions });
        }
        self.publish(records);
        response
    }
}

fn bytes_of(chunks: Vec<Chunk>) -> Bytes {
    let mut frame = Vec::new();
    for chunk in chunks {
        match chunk {
            Chunk::Bytes(bytes) => frame.extend_from_slice(&bytes),
            Chunk::File(slice) => frame.extend(slice.read().unwrap()),
        }
    }
    Bytes::from(frame)
}
