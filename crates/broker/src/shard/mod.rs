//! A shard: one thread's part of a node. It owns connections, partitions and the groups of its offsets partitions.
//! `step` takes one event; `end_of_turn` follows the last event of a turn and settles what the turn has changed.

pub(crate) mod answer;
mod applied;
mod assigning;
mod begin_anew;
mod compaction;
mod connections;
mod controller;
mod delete_wait;
mod disk;
mod follow;
mod gather;
mod image;
mod in_sync;
mod keeping;
mod lost;
mod messages;
mod metrics;
mod moving;
mod produce_wait;
mod settling;
pub mod standing;
mod throttles;
mod timers;
mod turn_end;

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use platform::{Random, Time};
use protocol::{ApiKey, Str};
use replication::ActiveBrokers;
use types::{TopicIdPartition, Uuid};

use crate::cluster::Cluster;
use crate::config::NodeConfig;
use crate::connection::{Connection, Sequence};
use crate::directories::{Directories, FoundLog, ShardLogs};
use crate::event::{ActorId, ConnectionId, DirectoryIndex, Effect, Event, Level, ShardId};
use crate::fetch_session::FetchSessions;
use crate::handlers;
use crate::message::{CheckpointKind, Message, RequestContext, WorkId};
use crate::metrics::Metrics;
use crate::partitions::{Partitions, Slot};
use crate::purgatory::Purgatory;
use crate::replica_sessions::{ReplicaSession, SessionKey};
use crate::watch::Watcher;

pub(crate) use answer::Answer;
pub(crate) use controller::ControllerWait;
pub(crate) use gather::{Gather, Scattered};
pub(crate) use moving::Future;
pub(crate) use produce_wait::ProduceWait;
pub(crate) use throttles::names;

/// The time and the effects of one step.
pub(crate) struct Turn<'a> {
    pub now: Time,
    pub effects: &'a mut Vec<Effect>,
}

impl Turn<'_> {
    pub fn send(&mut self, to: ShardId, message: Message) {
        self.effects.push(Effect::Send { to: ActorId::Shard(to), message });
    }

    pub fn send_quorum(&mut self, message: Message) {
        self.effects.push(Effect::Send { to: ActorId::Quorum, message });
    }

    pub fn log(&mut self, level: Level, text: String) {
        self.effects.push(Effect::Log { level, text });
    }

    /// Monotonic microseconds, `ms` from now.
    pub fn after_ms(&self, ms: i64) -> u64 {
        self.now.monotonic_us.saturating_add(u64::try_from(ms).unwrap_or(0).saturating_mul(1000))
    }
}

/// One request whose answer is due.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call {
    pub connection: ConnectionId,
    pub sequence: Sequence,
    pub correlation_id: i32,
    pub api_key: ApiKey,
    pub api_version: i16,
}

/// Who wants the result of work on this shard's partitions.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Origin {
    /// A gather of this shard.
    Gather(WorkId),
    /// A gather of another shard.
    There(ShardId, WorkId),
}

/// What a shard is made of.
pub struct ShardOptions {
    pub id: ShardId,
    pub node: Arc<NodeConfig>,
    /// Of this shard alone.
    pub random: Random,
    pub logs: ShardLogs,
}

/// See the head of the file.
pub struct Shard {
    pub(crate) id: ShardId,
    pub(crate) node: Arc<NodeConfig>,
    pub(crate) random: Random,
    pub(crate) cluster: Cluster,
    pub(crate) partitions: Partitions,
    pub(crate) sessions: FetchSessions,
    pub(crate) metrics: Metrics,
    pub(crate) gathers: Purgatory<Gather>,
    pub(crate) produces: Purgatory<ProduceWait>,
    pub(crate) deletions: Purgatory<delete_wait::DeleteWait>,
    pub(crate) fetches: Purgatory<crate::handlers::fetch::FetchWait>,
    /// Sessions of followers whose connections are here, by id, and their fetches.
    pub(crate) replica_fronts: BTreeMap<i32, handlers::replica_fetch::Front>,
    pub(crate) replica_fetches: Purgatory<handlers::replica_fetch::ReplicaWait>,
    /// Sessions of followers with partitions here.
    pub(crate) replica_sessions: BTreeMap<SessionKey, ReplicaSession>,
    /// Those whose fetches are to look at the end of the turn.
    pub(crate) replica_wakes: BTreeSet<SessionKey>,
    pub(crate) controller_calls: Purgatory<ControllerWait>,
    /// Being created because somebody asked for them.
    pub(crate) creating_topics: BTreeSet<Str>,
    pub(crate) groups: crate::groups::Groups,
    pub(crate) producer_ids: crate::handlers::init_producer_id::ProducerIds,
    pub(crate) disk: disk::Disk,
    pub(crate) directories: Arc<Directories>,
    pub(crate) watches: BTreeMap<Watcher, Vec<Slot>>,
    /// Partitions of this node whose log could be neither made nor opened; tried again.
    without_log: BTreeSet<TopicIdPartition>,
    /// Monotonic time from which a refused append may be told to the operator again.
    pub(crate) told_full_until: u64,
    /// Found at the start and not opened yet.
    found_logs: BTreeMap<TopicIdPartition, FoundLog>,
    nobodys_logs: Vec<FoundLog>,
    lost: lost::Lost,
    /// The configuration that was read last, by topic: its partitions follow each other.
    topic_configs: Option<(Uuid, image::TopicConfigs)>,
    /// Directories of deleted partitions, and when they are to be removed.
    doomed: Vec<(i64, DirectoryIndex, PathBuf)>,
    untold: applied::Untold,
    checkpoints: keeping::Checkpoints,
    /// What the checkpoint files hold, so that what has not changed is not written again.
    checkpoints_written: BTreeMap<(CheckpointKind, DirectoryIndex), Bytes>,
    timers: timers::Timers,
    following: follow::Following,
    alterations: in_sync::Alterations,
    active_brokers: Arc<ActiveBrokers>,
    pub(crate) moves: moving::Moves,
    assignments: assigning::Assignments,
    pub(crate) throttles: throttles::Throttles,
    pub(crate) connections: BTreeMap<ConnectionId, Connection>,
    /// Connections with an answer that may leave or a frame that may start.
    ready: Vec<ConnectionId>,
    next_work: u64,
    wake_at: u64,
    told_of_compaction: bool,
    stopping: bool,
    stopped: bool,
}

/// The first of each replica, and those that are there once more.
fn split_twins(found: Vec<FoundLog>) -> (BTreeMap<TopicIdPartition, FoundLog>, Vec<FoundLog>) {
    let mut first = BTreeMap::new();
    let mut twins = Vec::new();
    for one in found {
        match first.entry(one.id) {
            Entry::Vacant(place) => {
                place.insert(one);
            }
            Entry::Occupied(_) => twins.push(one),
        }
    }
    (first, twins)
}

impl Shard {
    pub fn new(options: ShardOptions) -> Shard {
        let ShardOptions { id, node, random, logs } = options;
        let (nobodys, found): (Vec<_>, Vec<_>) =
            logs.found.into_iter().partition(|found| found.id.topic_id == Uuid::ZERO);
        let slots = usize::try_from(node.settings.max_incremental_fetch_session_cache_slots).unwrap_or(0);
        // a copy draws what the shard itself draws, which nobody can see
        let following = follow::Following::new(&node, random.clone());
        let (futures, found): (Vec<_>, Vec<_>) =
            found.into_iter().partition(|found| found.found.kind == storage::DirectoryKind::Future);
        let throttles = throttles::Throttles::new(&node);
        let mut moves = moving::Moves::new(throttles::of_moves(&node));
        let (found, twins) = split_twins(found);
        moves.twins = twins;
        (moves.found, moves.spare) = split_twins(futures);
        Shard {
            id,
            sessions: FetchSessions::new(slots.div_ceil(usize::from(node.shards.max(1)))),
            cluster: Cluster::new(node.clone()),
            partitions: Partitions::new(),
            groups: crate::groups::Groups::new(&node),
            node,
            random,
            metrics: Metrics::default(),
            gathers: Purgatory::default(),
            produces: Purgatory::default(),
            deletions: Purgatory::default(),
            fetches: Purgatory::default(),
            replica_fronts: BTreeMap::new(),
            replica_fetches: Purgatory::default(),
            replica_sessions: BTreeMap::new(),
            replica_wakes: BTreeSet::new(),
            controller_calls: Purgatory::default(),
            creating_topics: BTreeSet::new(),
            producer_ids: Default::default(),
            disk: Default::default(),
            directories: logs.directories,
            watches: BTreeMap::new(),
            found_logs: found,
            nobodys_logs: nobodys,
            lost: Default::default(),
            without_log: BTreeSet::new(),
            told_full_until: 0,
            topic_configs: None,
            doomed: Vec::new(),
            untold: Default::default(),
            checkpoints: Default::default(),
            checkpoints_written: BTreeMap::new(),
            timers: Default::default(),
            following,
            alterations: Default::default(),
            active_brokers: Arc::default(),
            moves,
            assignments: Default::default(),
            throttles,
            connections: BTreeMap::new(),
            ready: Vec::new(),
            next_work: 0,
            wake_at: u64::MAX,
            told_of_compaction: false,
            stopping: false,
            stopped: false,
        }
    }

    pub fn step(&mut self, now: Time, event: Event, effects: &mut Vec<Effect>) {
        let mut turn = Turn { now, effects };
        let Some(event) = self.on_peer_event(&mut turn, event) else { return };
        match event {
            Event::ConnectionOpened { connection, listener, peer, .. } => {
                self.on_connection_opened(&mut turn, connection, listener, peer);
            }
            Event::ConnectionClosed { connection } => self.on_connection_closed(&mut turn, connection),
            Event::Frame { connection, bytes } => self.on_frame(&mut turn, connection, bytes),
            Event::Dialed { .. } | Event::DialFailed { .. } => {}
            Event::Message { from, message } => self.on_message(&mut turn, from, message),
            Event::DiskDone { token, result } => self.on_disk_done(&mut turn, token, result),
            Event::Tick => self.on_tick(&mut turn),
            Event::ReadMetrics => self.on_read_metrics(&mut turn),
            // the quorum's
            Event::Leave => {}
            Event::Shutdown => self.on_shutdown(&mut turn),
        }
        self.pump(&mut turn);
    }

    pub fn end_of_turn(&mut self, now: Time, effects: &mut Vec<Effect>) {
        let mut turn = Turn { now, effects };
        self.run_fetchers(&mut turn);
        self.settle(&mut turn);
        self.pump(&mut turn);
        // answers may have started frames that changed partitions again
        self.settle(&mut turn);
        self.pump(&mut turn);
        self.run_fetchers(&mut turn);
        self.run_moves(&mut turn);
        self.ask_for_alterations(&mut turn);
        self.ask_for_assignments(&mut turn);
        self.start_flushes(&mut turn);
        self.ask_to_be_woken(&mut turn);
    }

    pub(crate) fn new_work(&mut self) -> WorkId {
        self.next_work += 1;
        WorkId(self.next_work)
    }

    pub(crate) fn context(&self, call: &Call) -> Option<RequestContext> {
        let connection = self.connections.get(&call.connection)?;
        Some(RequestContext {
            connection: call.connection,
            listener: connection.listener,
            peer: connection.peer,
            client_id: connection.client_id.clone(),
            principal: connection.principal.clone(),
            api_version: call.api_version,
        })
    }

    pub(crate) fn client_id(&self, call: &Call) -> Option<&Arc<str>> {
        self.connections.get(&call.connection)?.client_id.as_ref()
    }

    /// The listener that the client came through: it is told the addresses of its like.
    pub(crate) fn listener_name(&self, call: &Call) -> &str {
        let listener = self.connections.get(&call.connection).and_then(|at| self.node.listener(at.listener));
        listener.map_or("", |listener| &listener.name)
    }
}
