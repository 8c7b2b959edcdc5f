//! Opening: the newest snapshot, the log behind it, the quorum-state file; then raft starts.

use std::io;
use std::path::Path;
use std::sync::Arc;

use metadata::configs::StaticConfig;
use metadata::image::{Loader, MetadataImage};
use platform::{FileSystem, Random, Time};
use raft::{
    Destination, Endpoint, QuorumState, Raft, RaftLog, ReplicaKey, Settings, VersionRange, Voter, VoterSet,
};
use storage::{LogConfig, MetaProperties};
use types::{NodeId, Offset, Uuid};

use super::batches::{self};
use super::flush::Flushing;
use super::log::MetadataLog;
use super::network::Network;
use super::own_broker::OwnBroker;
use super::remote::Remote;
use super::snapshot::{self, BOOTSTRAP_FILE};
use super::{Quorum, snapshots};
use crate::config::NodeConfig;
use crate::event::Effect;
use crate::metrics::Metrics;

/// What a quorum is made of.
#[derive(Debug)]
pub struct QuorumOptions {
    pub node: Arc<NodeConfig>,
    pub config: Arc<StaticConfig>,
    pub file_system: Arc<dyn FileSystem>,
    pub random: Random,
    /// From the clean-shutdown files (KIP-966); -1 where they do not agree.
    pub previous_broker_epoch: i64,
}

/// Why a node cannot start on its metadata log.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("metadata log: {0}")]
    Io(#[from] io::Error),
    #[error("metadata log: {0}")]
    Content(String),
    #[error(transparent)]
    QuorumState(#[from] raft::InvalidQuorumState),
    #[error(transparent)]
    Raft(#[from] raft::Fatal),
}

impl Quorum {
    /// Opens the formatted metadata directory and starts. `effects` are to be carried out before the first event.
    pub fn open(options: QuorumOptions, now: Time, effects: &mut Vec<Effect>) -> Result<Quorum, OpenError> {
        let QuorumOptions { node, config, file_system, mut random, previous_broker_epoch } = options;
        let directory = node.metadata_log_directory.clone();
        let mut log =
            MetadataLog::open(Arc::clone(&file_system), &directory, log_config(&config), now.wall_ms)?;
        let bootstrap = read_bootstrap(&*file_system, &directory)?;
        let (loader, applied, quorum) = load(&mut log, static_voters(&config))?;
        let durable = log.quorum_state()?.map(|bytes| QuorumState::decode(&bytes)).transpose()?;
        let mut outputs = Vec::new();
        let settings = settings(&node, &config, directory_id(&*file_system, &directory)?);
        let raft = Raft::start(settings, random.fork(), quorum, durable, now, &mut log, &mut outputs)?;
        let incarnation_id = super::format::new_id(&mut random);
        let shards = if node.is_broker { usize::from(node.shards.max(1)) } else { 0 };
        let request_timeout_ms =
            u64::try_from(config.i64("controller.quorum.request.timeout.ms")).unwrap_or(2000);
        let network = Network::new(node.node_id, request_timeout_ms, random.fork());
        let probe_timeout_ms = u64::try_from(config.i64("barnabas.broker.probe.timeout.ms")).unwrap_or(0);
        let remote = Remote::new(node.node_id, &mut random);
        let mut quorum = Quorum {
            absent: super::absent::Absent::new(probe_timeout_ms),
            schedule: Default::default(),
            snapshots: snapshots::Progress::new(&config, now.wall_ms),
            offline: Default::default(),
            own: OwnBroker::new(&node, &config, previous_broker_epoch),
            node,
            config,
            random,
            log,
            raft,
            outputs,
            loader,
            applied,
            high_watermark: Offset(0),
            active: None,
            bootstrap,
            published: None,
            published_kraft_version: 0,
            deletion_published: None,
            metrics: Metrics::default(),
            shards: vec![-1; shards],
            waiting: Vec::new(),
            remote,
            network,
            quiet_through: -1,
            connections: Default::default(),
            asked: Default::default(),
            last_token: 0,
            flushing: Flushing::default(),
            incarnation_id,
            stopping: false,
            is_failed: false,
        };
        quorum.settle(&mut super::Turn { now, effects });
        Ok(quorum)
    }

    /// The log was replaced by a snapshot: the state is read anew.
    pub(super) fn reload(&mut self, turn: &mut super::Turn<'_>) {
        match load(&mut self.log, VoterSet::default()) {
            Ok((loader, applied, _)) => {
                (self.loader, self.applied) = (loader, applied);
                // what has gone with the log's beginning is told by no delta: the shards compare
                self.published = None;
            }
            Err(error) => self.fail(error.to_string(), turn),
        }
    }
}

/// The state of the newest snapshot, where the log goes on, and what both say of the quorum.
fn load(log: &mut MetadataLog, configured: VoterSet) -> Result<(Loader, Offset, raft::Quorum), OpenError> {
    let mut quorum = raft::Quorum::new(configured);
    let mut image = MetadataImage::default();
    let mut start = log.start_offset();
    if let Some((id, content)) = log.load_latest_snapshot()? {
        quorum.add_snapshot(id, &content.controls);
        let last = id.end_offset.0 - 1;
        image = MetadataImage::from_snapshot(&content.records, last)
            .map_err(|error| OpenError::Content(format!("snapshot at {}: {error}", id.end_offset)))?;
        start = id.end_offset.max(start);
    }
    let mut offset = start;
    while offset < log.end_offset() {
        let bytes = log.read(offset, 8 << 20)?;
        for (at, record) in
            batches::controls(&bytes).map_err(|error| OpenError::Content(error.to_string()))?
        {
            quorum.add(at, &record);
        }
        let next = records::Batches::new(&bytes).flatten().last().map(|batch| batch.next_offset());
        let Some(next) = next.filter(|next| *next > offset) else {
            return Err(OpenError::Content(format!("no batch at offset {offset}")));
        };
        offset = next;
    }
    Ok((Loader::new(image), start, quorum))
}

fn read_bootstrap(
    file_system: &dyn FileSystem,
    directory: &Path,
) -> io::Result<Vec<protocol::records::metadata::MetadataRecord>> {
    let path = directory.join(BOOTSTRAP_FILE);
    if !file_system.exists(&path) {
        return Ok(Vec::new());
    }
    Ok(snapshot::read(file_system, &path)?.records)
}

fn log_config(config: &StaticConfig) -> LogConfig {
    LogConfig {
        segment_bytes: u32::try_from(config.i64("metadata.log.segment.bytes")).unwrap_or(1 << 30),
        segment_ms: config.i64("metadata.log.segment.ms"),
        retention_ms: -1,
        retention_bytes: -1,
        delete: true,
        ..LogConfig::default()
    }
}

fn controller_listener(config: &StaticConfig) -> String {
    config.controller_listener_names.first().cloned().unwrap_or_else(|| "CONTROLLER".into())
}

/// The voters that the configuration names: no directories, ids alone.
fn static_voters(config: &StaticConfig) -> VoterSet {
    let listener = controller_listener(config);
    let voter = |voter: &metadata::configs::Voter| Voter {
        key: ReplicaKey::without_directory(NodeId(voter.id)),
        endpoints: vec![Endpoint { listener: listener.clone(), host: voter.host.clone(), port: voter.port }],
        supported: VersionRange { min: 0, max: 0 },
    };
    config.voters.iter().map(voter).collect()
}

/// The id of the metadata log's directory, which need not be one of `log.dirs`.
fn directory_id(file_system: &dyn FileSystem, directory: &Path) -> io::Result<Uuid> {
    let meta =
        MetaProperties::read(file_system, directory).map_err(|error| io::Error::other(error.to_string()))?;
    Ok(meta.and_then(|meta| meta.directory_id).unwrap_or(Uuid::ZERO))
}

/// Own controller listeners as others are told.
pub(super) fn controller_endpoints(node: &NodeConfig) -> Vec<Endpoint> {
    let endpoint = |listener: &crate::config::Listener| Endpoint {
        listener: listener.name.to_string(),
        host: listener.advertised_host.to_string(),
        port: listener.advertised_port,
    };
    node.listeners.iter().filter(|listener| listener.is_controller).map(endpoint).collect()
}

fn settings(node: &NodeConfig, config: &StaticConfig, directory_id: Uuid) -> Settings {
    let ms = |name: &str| u64::try_from(config.i64(name)).unwrap_or(0);
    let bytes = |name: &str| i32::try_from(config.i64(name)).unwrap_or(i32::MAX);
    let mut settings = Settings::new(ReplicaKey::new(node.node_id, directory_id), controller_endpoints(node));
    settings.is_controller = node.is_controller;
    settings.listener = controller_listener(config);
    settings.auto_join = config.bool("controller.quorum.auto.join.enable");
    settings.election_timeout_ms = ms("controller.quorum.election.timeout.ms");
    settings.fetch_timeout_ms = ms("controller.quorum.fetch.timeout.ms");
    settings.election_backoff_ms_max = ms("controller.quorum.election.backoff.max.ms");
    settings.request_timeout_ms = ms("controller.quorum.request.timeout.ms");
    settings.retry_backoff_ms = ms("controller.quorum.retry.backoff.ms");
    settings.fetch_bytes_max = bytes("controller.quorum.fetch.max.bytes");
    settings.fetch_snapshot_bytes_max = bytes("controller.quorum.fetch.snapshot.max.bytes");
    settings.bootstrap_servers = bootstrap_servers(config);
    settings
}

fn bootstrap_servers(config: &StaticConfig) -> Vec<Destination> {
    let fixed = config.voters.iter().map(|voter| (voter.id, voter.host.clone(), voter.port));
    let named = (2..).zip(&config.bootstrap_servers).map(|(n, (host, port))| (-n, host.clone(), *port));
    let servers: Vec<(i32, String, u16)> =
        if config.bootstrap_servers.is_empty() { fixed.collect() } else { named.collect() };
    servers.into_iter().map(|(id, host, port)| Destination { id: NodeId(id), host, port }).collect()
}
