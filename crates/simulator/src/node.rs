//! The node under test: one quorum, some shards, all of them the production code. It is made anew with every start, on
//! the same files.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use broker::config::{Limits, Listener, LogDirectoryConfig, NodeConfig, Settings};
use broker::event::{ActorId, Effect, Event, ShardId};
use broker::quorum::format::{FormatOptions, InitialVoters, bootstrap, format};
use broker::quorum::{Quorum, QuorumOptions};
use broker::{Directories, Shard, ShardLogs, ShardOptions, open_directories, start_directories};
use metadata::configs::StaticConfig;
use metadata::features::{ELIGIBLE_LEADER_REPLICAS_VERSION, MetadataVersion};
use platform::memory::MemoryFileSystem;
use platform::{FileSystem, Random, Time};
use raft::{Endpoint, ReplicaKey, VersionRange, Voter};
use types::{NodeId, TopicIdPartition, Uuid};

use crate::clock::{Clock, EVEN};
use crate::invariants::durability::Death;
use crate::world::MachineIndex;

const CLUSTER: &str = "AAAAAAAAAAAAAAAAAAAAAw";
pub const CLIENT_PORT: u16 = 9092;
pub const CONTROLLER_PORT: u16 = 9093;

/// Controllers that vote; nodes past them follow.
pub const VOTERS_MAX: usize = 7;

/// Log directories of a machine.
pub const DIRECTORIES_MAX: usize = 3;

/// Times that a machine's disk is formatted in a run.
pub const FORMATS_MAX: usize = 2;

/// What all machines of a run have in common.
pub struct Cluster {
    pub nodes: usize,
    /// The configuration names the voters; else they were given when the directories were formatted.
    pub names_voters: bool,
    pub metadata_version: MetadataVersion,
    /// `eligible.leader.replicas.version` at the beginning.
    pub eligible_leaders: i16,
    /// Logs of a directory that a stop syncs one by one.
    pub logs_synced_alone: usize,
    /// Bytes of the metadata log from one snapshot to the next, behind which it is cut; none: it is never cut.
    pub snapshot_bytes: Option<u64>,
    pub settings: Settings,
}

/// Machines count from 0, their nodes from 1.
fn node_id(machine: MachineIndex) -> NodeId {
    NodeId(machine as i32 + 1)
}

fn host(machine: MachineIndex) -> String {
    format!("node{}", machine + 1)
}

/// One computer: its disk, its clock, and the node that runs on it, if one does.
pub struct Machine {
    index: MachineIndex,
    cluster: Arc<Cluster>,
    /// Times that its disk was formatted.
    formats: usize,
    pub files: MemoryFileSystem,
    pub directories: Vec<PathBuf>,
    pub shards: u16,
    config: Arc<NodeConfig>,
    properties: Arc<StaticConfig>,
    pub node: Option<Node>,
    pub lives: u32,
    pub clock: Clock,
    /// The pace of its clocks where nothing makes them faster or slower, see `clock`.
    pub own_pace: u64,
    /// How the node went down since the last audit.
    pub death: Option<Death>,
    /// The log directory that cannot be used in this life.
    pub lost: Option<PathBuf>,
    /// What the disk had for certain before power was lost.
    pub durable: BTreeMap<TopicIdPartition, i64>,
    /// A planned halt loses power rather than the process alone.
    pub halt_loses_power: bool,
    pub slow_flush: bool,
    /// Each write call may take long, and whoever makes it stands still.
    pub slow_write: bool,
    /// Messages between it and other nodes get lost, with their connections.
    pub loses_messages: bool,
    /// Log directories synced as a whole until the last look.
    pub whole_syncs: u64,
}

/// The quorum is actor 0, shards follow.
pub fn actor_of(id: ActorId) -> usize {
    match id {
        ActorId::Quorum => 0,
        ActorId::Shard(ShardId(shard)) => usize::from(shard) + 1,
    }
}

pub fn id_of(actor: usize) -> ActorId {
    match actor.checked_sub(1) {
        None => ActorId::Quorum,
        Some(shard) => ActorId::Shard(ShardId(shard as u16)),
    }
}

/// One life of the node.
pub struct Node {
    pub life: u32,
    pub quorum: Quorum,
    pub shards: Vec<Shard>,
    pub is_ready: bool,
    pub turn_pending: Vec<bool>,
    pub wake_at: Vec<u64>,
    /// An actor that is held up gets its events afterwards, in their order.
    pub stalled: Vec<bool>,
    /// So does one that waits for a write call of its own.
    pub writing: Vec<bool>,
    pub deferred: Vec<VecDeque<Event>>,
    /// When the last message of a pair arrives.
    pub pairs: BTreeMap<(usize, usize), u64>,
    /// When the disk worker of an actor is free.
    pub disk_free: Vec<u64>,
    pub is_stopping: bool,
    pub stopped: BTreeSet<usize>,
    /// The disk has failed somehow in this life.
    pub disk_failed: bool,
}

/// A machine that is formatted again has other directories.
fn directory_id(machine: MachineIndex, formats: usize, at: usize) -> Uuid {
    let format = formats.saturating_sub(1) as i64;
    Uuid::from_halves(
        0x1234_5678_9abc_4def + machine as i64,
        0x0123_4567_89ab_cde0 + at as i64 + (format << 8),
    )
}

/// The path of a machine's log directory.
pub fn directory_path(at: usize) -> PathBuf {
    PathBuf::from(format!("/data{at}"))
}

/// Which of a machine's log directories has this id, or had it before the machine was formatted again.
pub fn directory_of(machine: MachineIndex, id: Uuid) -> Option<usize> {
    (0..DIRECTORIES_MAX).find(|at| (1..=FORMATS_MAX).any(|format| directory_id(machine, format, *at) == id))
}

fn voter(machine: MachineIndex) -> Voter {
    let endpoint = Endpoint { listener: "CONTROLLER".into(), host: host(machine), port: CONTROLLER_PORT };
    Voter {
        key: ReplicaKey::new(node_id(machine), directory_id(machine, 1, 0)),
        endpoints: vec![endpoint],
        supported: VersionRange::OURS,
    }
}

impl Machine {
    /// With nothing on its disk yet, see `format`.
    pub fn new(
        index: MachineIndex,
        files: MemoryFileSystem,
        shards: u16,
        directories: usize,
        cluster: Arc<Cluster>,
    ) -> Machine {
        let directories: Vec<PathBuf> = (0..directories).map(directory_path).collect();
        let given = properties(index, &directories, &cluster);
        let properties = Arc::new(StaticConfig::parse(&given).expect("these properties are right"));
        let config = Arc::new(node_config(index, shards, given, &cluster));
        Machine {
            index,
            cluster,
            formats: 0,
            files,
            directories,
            shards,
            config,
            properties,
            node: None,
            lives: 0,
            clock: Clock::new(EVEN),
            own_pace: EVEN,
            death: None,
            lost: None,
            durable: BTreeMap::new(),
            halt_loses_power: false,
            slow_flush: false,
            slow_write: false,
            loses_messages: false,
            whole_syncs: 0,
        }
    }

    /// Formats the directories, as what is to be a part of the cluster. Who comes later knows of the voters only where to
    /// ask.
    pub fn format(&mut self) {
        self.formats += 1;
        let (index, formats, cluster) = (self.index, self.formats, &self.cluster);
        let named = self.directories.iter().enumerate();
        let named: Vec<(PathBuf, Uuid)> =
            named.map(|(at, path)| (path.clone(), directory_id(index, formats, at))).collect();
        let version = cluster.metadata_version;
        let levels = [(ELIGIBLE_LEADER_REPLICAS_VERSION.into(), cluster.eligible_leaders)];
        let options = FormatOptions {
            node_id: node_id(index),
            cluster_id: CLUSTER.into(),
            directories: named.clone(),
            metadata_directory: self.directories[0].clone(),
            voters: match cluster.names_voters || index >= cluster.nodes {
                true => InitialVoters::None,
                false => InitialVoters::Dynamic((0..cluster.nodes.min(VOTERS_MAX)).map(voter).collect()),
            },
            records: bootstrap(version, &levels),
            metadata_version: version,
            wall_ms: 1,
        };
        format(&self.files, &options).expect("a disk without faults");
        self.files.sync_directory(Path::new("/")).expect("a disk without faults");
        let log_directories = named.into_iter().map(|(path, id)| LogDirectoryConfig { path, id }).collect();
        self.config = Arc::new(NodeConfig { log_directories, ..NodeConfig::clone(&self.config) });
    }

    /// An empty disk in place of the one that it had.
    pub fn empty(&mut self, files: MemoryFileSystem) {
        self.files = files;
        self.durable.clear();
        self.death = None;
        self.whole_syncs = 0;
    }

    /// The node, if this is its life still.
    pub fn living(&mut self, life: u32) -> Option<&mut Node> {
        self.node.as_mut().filter(|node| node.life == life)
    }

    /// Clients can connect to it.
    pub fn serves(&self) -> bool {
        self.node.as_ref().is_some_and(|node| node.is_ready && !node.is_stopping)
    }

    /// A broker alone has none for controllers.
    pub fn has_listener(&self, listener: u16) -> bool {
        usize::from(listener) < self.config.listeners.len()
    }

    /// The disk has failed somehow in this life.
    pub fn disk_failed(&self) -> bool {
        self.node.as_ref().is_some_and(|node| node.disk_failed)
    }

    /// Opens what is in the files. The effects are the quorum's first.
    pub fn start(&self, now: Time, random: &mut Random, effects: &mut Vec<Effect>) -> Result<Node, String> {
        let files: Arc<dyn FileSystem> = Arc::new(self.files.clone());
        let (opened, mut all_lost) =
            open_directories(&files, &self.directories).map_err(|error| error.to_string())?;
        let (starts, lost_in_reading) = start_directories(opened);
        all_lost.extend(lost_in_reading);
        if let Some(one) = all_lost.iter().find(|one| self.lost.as_ref() != Some(&one.path)) {
            return Err(one.error.to_string());
        }
        let lost: Vec<PathBuf> = all_lost.into_iter().map(|one| one.path).collect();
        let (directories, found) = Directories::of(starts, self.shards);
        let directories = Arc::new(directories);
        let previous_broker_epoch = directories.previous_broker_epoch(&lost);
        let mut config = NodeConfig::clone(&self.config);
        config.log_directories.retain(|directory| !lost.contains(&directory.path));
        config.lost_log_directories = lost;
        let config = Arc::new(config);
        let shards = found.into_iter().enumerate().map(|(index, found)| {
            Shard::new(ShardOptions {
                id: ShardId(index as u16),
                node: config.clone(),
                random: random.fork(),
                logs: ShardLogs { directories: directories.clone(), found },
            })
        });
        let shards: Vec<Shard> = shards.collect();
        let options = QuorumOptions {
            node: config,
            config: self.properties.clone(),
            file_system: files,
            random: random.fork(),
            previous_broker_epoch,
        };
        let quorum = Quorum::open(options, now, effects).map_err(|error| error.to_string())?;
        let actors = shards.len() + 1;
        Ok(Node {
            life: self.lives,
            quorum,
            shards,
            is_ready: false,
            turn_pending: vec![false; actors],
            wake_at: vec![u64::MAX; actors],
            stalled: vec![false; actors],
            writing: vec![false; actors],
            deferred: (0..actors).map(|_| VecDeque::new()).collect(),
            pairs: BTreeMap::new(),
            disk_free: vec![0; actors],
            is_stopping: false,
            stopped: BTreeSet::new(),
            disk_failed: false,
        })
    }
}

impl Node {
    /// It gets its events later.
    pub fn is_held_up(&self, actor: usize) -> bool {
        self.stalled[actor] || self.writing[actor]
    }

    pub fn step(&mut self, actor: usize, now: Time, event: Event, effects: &mut Vec<Effect>) {
        match actor.checked_sub(1) {
            None => self.quorum.step(now, event, effects),
            Some(shard) => self.shards[shard].step(now, event, effects),
        }
    }

    pub fn end_of_turn(&mut self, actor: usize, now: Time, effects: &mut Vec<Effect>) {
        if let Some(shard) = actor.checked_sub(1) {
            self.shards[shard].end_of_turn(now, effects);
        }
    }
}

fn properties(index: MachineIndex, paths: &[PathBuf], cluster: &Cluster) -> BTreeMap<String, String> {
    let directories: Vec<_> = paths.iter().map(|path| path.display().to_string()).collect();
    let all = |with_id: bool| {
        let one = |machine| {
            let id = if with_id { format!("{}@", node_id(machine).0) } else { String::new() };
            format!("{id}{}:{CONTROLLER_PORT}", host(machine))
        };
        (0..cluster.nodes).map(one).collect::<Vec<_>>().join(",")
    };
    let quorum = match cluster.names_voters {
        true => ("controller.quorum.voters", all(true)),
        false => ("controller.quorum.bootstrap.servers", all(false)),
    };
    let host = host(index);
    let plain = format!("PLAINTEXT://{host}:{CLIENT_PORT}");
    let (roles, listeners) = match index < cluster.nodes {
        true => ("broker,controller", format!("{plain},CONTROLLER://{host}:{CONTROLLER_PORT}")),
        false => ("broker", plain),
    };
    let mut given = vec![
        ("process.roles", roles.into()),
        ("node.id", node_id(index).0.to_string()),
        quorum,
        ("listeners", listeners),
        ("controller.listener.names", "CONTROLLER".into()),
        ("log.dirs", directories.join(",")),
        // a run is short
        ("broker.session.timeout.ms", "2500".into()),
        ("broker.heartbeat.interval.ms", "400".into()),
    ];
    if let Some(bytes) = cluster.snapshot_bytes {
        given.push(("metadata.log.max.record.bytes.between.snapshots", bytes.to_string()));
        given.push(("metadata.max.retention.bytes", bytes.to_string()));
    }
    given.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// Without the log directories, whose ids come with their format. Machines past the first ones are brokers alone.
fn node_config(
    index: MachineIndex,
    shards: u16,
    given: BTreeMap<String, String>,
    cluster: &Cluster,
) -> NodeConfig {
    let listener = |name: &str, port, is_controller| Listener {
        name: name.into(),
        security_protocol: "PLAINTEXT".into(),
        advertised_host: host(index).into(),
        advertised_port: port,
        is_controller,
    };
    let is_controller = index < cluster.nodes;
    let controllers = is_controller.then(|| listener("CONTROLLER", CONTROLLER_PORT, true));
    NodeConfig {
        node_id: node_id(index),
        cluster_id: CLUSTER.into(),
        is_broker: true,
        is_controller,
        rack: None,
        listeners: [listener("PLAINTEXT", CLIENT_PORT, false)].into_iter().chain(controllers).collect(),
        metadata_log_directory: directory_path(0),
        log_directories: Vec::new(),
        lost_log_directories: Vec::new(),
        shards,
        properties: Arc::new(given),
        settings: cluster.settings.clone(),
        limits: Limits {
            background_flush_bytes: 20_000,
            logs_synced_alone: cluster.logs_synced_alone,
            ..Limits::default()
        },
    }
}
