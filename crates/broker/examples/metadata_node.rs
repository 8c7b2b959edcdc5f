//! The metadata side of a node without its server, for `cargo xtask metadata-referee`: what it writes is read by
//! Apache Kafka, and the other way round. `format DIR`, `create DIR TOPIC…`, `list DIR`.

use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use broker::config::{Limits, Listener, LogDirectoryConfig, NodeConfig, Settings};
use broker::event::{ActorId, ConnectionId, Effect, Event, ListenerId, ShardId};
use broker::message::{Message, RequestContext, WorkId};
use broker::quorum::format::{FormatOptions, InitialVoters, bootstrap, format, new_id};
use broker::quorum::{Quorum, QuorumOptions};
use metadata::configs::StaticConfig;
use metadata::features::MetadataVersion;
use metadata::image::MetadataImage;

use platform::{FileSystem, OsFileSystem, Random, Time};
use protocol::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig, CreateTopicsRequest};
use protocol::{Request, Response, Str};
use raft::{Endpoint, ReplicaKey, VersionRange, Voter};
use storage::MetaProperties;
use types::NodeId;

const NODE: i32 = 1;
const CLUSTER: &str = "QmFybmFiYXMgdGVzdCBvbg";

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [command, directory, rest @ ..] = &arguments[..] else { panic!("format|create|list DIR [TOPIC…]") };
    let directory = Path::new(directory);
    match command.as_str() {
        "format" => format_directory(directory),
        "create" => {
            let mut node = Node::start(directory);
            rest.iter().for_each(|name| node.create(name));
            node.stop();
        }
        "list" => {
            let mut node = Node::start(directory);
            node.print();
            node.stop();
        }
        other => panic!("{other} is not known"),
    }
}

fn now() -> Time {
    #[allow(clippy::disallowed_methods, reason = "an example with a clock of its own")]
    let wall = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
    Time { monotonic_us: wall.as_micros() as u64, wall_ms: wall.as_millis() as i64 }
}

fn format_directory(directory: &Path) {
    let mut random = Random::new(now().monotonic_us);
    let id = new_id(&mut random);
    let version = MetadataVersion::LATEST_PRODUCTION;
    let endpoint = Endpoint { listener: "CONTROLLER".into(), host: "localhost".into(), port: 29501 };
    let voter = Voter {
        key: ReplicaKey::new(NodeId(NODE), id),
        endpoints: vec![endpoint],
        supported: VersionRange::OURS,
    };
    let options = FormatOptions {
        node_id: NodeId(NODE),
        cluster_id: CLUSTER.into(),
        directories: vec![(directory.to_owned(), id)],
        metadata_directory: directory.to_owned(),
        voters: InitialVoters::Dynamic(vec![voter]),
        records: bootstrap(version, &[]),
        metadata_version: version,
        wall_ms: now().wall_ms,
    };
    format(&OsFileSystem, &options).expect("formatted");
}

struct Node {
    quorum: Quorum,
    file_system: Arc<dyn FileSystem>,
    image: Option<Arc<MetadataImage>>,
    replies: Vec<Response>,
    ready: bool,
    stopped: bool,
}

impl Node {
    fn start(directory: &Path) -> Node {
        let file_system: Arc<dyn FileSystem> = Arc::new(OsFileSystem);
        let meta = MetaProperties::read(&*file_system, directory).expect("readable").expect("formatted");
        let (node, config) = configuration(directory, &meta);
        let options = QuorumOptions {
            node,
            config,
            file_system: Arc::clone(&file_system),
            random: Random::new(now().monotonic_us),
            previous_broker_epoch: -1,
        };
        let mut effects = Vec::new();
        let quorum = Quorum::open(options, now(), &mut effects).expect("opened");
        let mut node =
            Node { quorum, file_system, image: None, replies: Vec::new(), ready: false, stopped: false };
        node.carry_out(effects);
        assert!(node.ready, "not ready");
        node
    }

    fn step(&mut self, event: Event) {
        let mut effects = Vec::new();
        self.quorum.step(now(), event, &mut effects);
        self.carry_out(effects);
    }

    fn carry_out(&mut self, effects: Vec<Effect>) {
        let mut queue = VecDeque::from(effects);
        while let Some(effect) = queue.pop_front() {
            let event = match effect {
                Effect::Flush { token, files, directories, .. } => {
                    files.iter().for_each(|file| file.sync().expect("synced"));
                    directories
                        .iter()
                        .for_each(|path| self.file_system.sync_directory(path).expect("synced"));
                    Event::DiskDone { token, result: Ok(()) }
                }
                Effect::Send { to, message: Message::Image { image, offset, .. } } => {
                    self.image = Some(image);
                    Event::Message { from: to, message: Message::ImageApplied { offset } }
                }
                Effect::Send { message: Message::ControllerReply { response, .. }, .. } => {
                    self.replies.push(*response);
                    continue;
                }
                Effect::Fatal { reason } => panic!("{reason}"),
                Effect::Log { text, .. } => {
                    eprintln!("{text}");
                    continue;
                }
                other => {
                    self.ready |= matches!(other, Effect::Ready);
                    self.stopped |= matches!(other, Effect::Stopped);
                    continue;
                }
            };
            let mut follow = Vec::new();
            self.quorum.step(now(), event, &mut follow);
            queue.extend(follow);
        }
    }

    fn create(&mut self, name: &str) {
        let topic = CreatableTopic {
            name: Str::from(name.to_owned()),
            num_partitions: 3,
            replication_factor: 1,
            configs: vec![CreatableTopicConfig {
                name: "retention.ms".into(),
                value: Some("86400000".into()),
            }],
            ..Default::default()
        };
        let request = CreateTopicsRequest { topics: vec![topic], timeout_ms: 1000, validate_only: false };
        let context = RequestContext {
            connection: ConnectionId(1),
            listener: ListenerId(0),
            peer: ([127, 0, 0, 1], 1).into(),
            client_id: None,
            principal: "User:ANONYMOUS".into(),
            api_version: 7,
        };
        let request = Box::new(Request::CreateTopics(request));
        let message = Message::ControllerRequest { id: WorkId(1), context, request };
        self.step(Event::Message { from: ActorId::Shard(ShardId(0)), message });
        match self.replies.pop() {
            Some(Response::CreateTopics(reply)) => {
                let codes: Vec<_> = reply.topics.iter().map(|one| one.error_code).collect();
                assert_eq!(codes, [0], "{name}");
            }
            other => panic!("{other:?}"),
        }
    }

    fn print(&self) {
        let image = self.image.as_ref().expect("an image");
        println!("metadata.version={}", image.feature_level("metadata.version"));
        for topic in image.topics.iter() {
            println!("topic {} {} {}", topic.name, topic.id, topic.partitions.len());
        }
        for broker in image.cluster.brokers.values() {
            println!("broker {} fenced={}", broker.id, broker.fenced);
        }
    }

    fn stop(&mut self) {
        self.step(Event::Shutdown);
        assert!(self.stopped);
    }
}

fn configuration(directory: &Path, meta: &MetaProperties) -> (Arc<NodeConfig>, Arc<StaticConfig>) {
    let given: BTreeMap<String, String> = [
        ("process.roles", "broker,controller"),
        ("node.id", "1"),
        ("controller.quorum.bootstrap.servers", "localhost:29501"),
        ("listeners", "PLAINTEXT://localhost:29500,CONTROLLER://localhost:29501"),
        ("controller.listener.names", "CONTROLLER"),
        ("log.dirs", &directory.display().to_string()),
        // so that small tests have snapshots
        ("metadata.log.max.record.bytes.between.snapshots", "1500"),
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
    let config = StaticConfig::parse(&given).expect("a configuration");
    let id = meta.directory_id.expect("a directory id");
    let node = NodeConfig {
        node_id: NodeId(NODE),
        cluster_id: meta.cluster_id.as_str().into(),
        is_broker: true,
        is_controller: true,
        rack: None,
        listeners: vec![listener("PLAINTEXT", 29500, false), listener("CONTROLLER", 29501, true)],
        log_directories: vec![LogDirectoryConfig { path: PathBuf::from(directory), id }],
        lost_log_directories: Vec::new(),
        metadata_log_directory: PathBuf::from(directory),
        shards: 1,
        properties: Arc::new(given),
        settings: Settings::default(),
        limits: Limits::default(),
    };
    (Arc::new(node), Arc::new(config))
}
