//! The quorum actor: raft, the controller and the metadata log of a node. It decides admin requests, registers the
//! own broker, publishes the image to the shards and serves the controller's listeners. An answer leaves when its
//! records are durable, committed, and applied by every shard.

mod absent;
#[cfg(test)]
mod absent_tests;
mod active;
mod batches;
mod commit;
mod controllers;
mod envelope;
mod flush;
pub mod format;
mod listener;
mod log;
mod metrics;
mod network;
mod open;
mod own_broker;
mod own_leave;
mod own_remote;
#[cfg(test)]
mod own_tests;
mod refusals;
mod registration;
mod remote;
mod reply;
mod reserve;
mod security;
#[cfg(test)]
mod security_tests;
mod snapshot;
mod snapshots;
pub mod standing;
#[cfg(test)]
mod tests;
mod timers;
mod wire;
mod wire_answers;
mod wire_requests;
#[cfg(test)]
mod wire_tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use metadata::configs::StaticConfig;
use metadata::image::Loader;
use platform::{Random, Time};
use protocol::records::metadata::MetadataRecord;
use raft::{Input, Output, Raft};
use types::{LeaderEpoch, Offset, Uuid};

use crate::config::NodeConfig;
use crate::connection::Connection;
use crate::event::{ActorId, ConnectionId, Effect, Event, Level};
use crate::message::Message;
use crate::metrics::Metrics;

use absent::Absent;
use active::Active;
use flush::Flushing;
use log::MetadataLog;
use network::Network;
use own_broker::OwnBroker;
use remote::Remote;
use reply::{Caller, Waiting};

pub(crate) use listener::SERVED;
pub use open::{OpenError, QuorumOptions};

/// The time and the effects of one step.
pub(crate) struct Turn<'a> {
    pub now: Time,
    pub effects: &'a mut Vec<Effect>,
}

impl Turn<'_> {
    pub fn log(&mut self, level: Level, text: String) {
        self.effects.push(Effect::Log { level, text });
    }
}

/// See the head of the file.
#[derive(Debug)]
pub struct Quorum {
    node: Arc<NodeConfig>,
    config: Arc<StaticConfig>,
    random: Random,
    log: MetadataLog,
    raft: Raft,
    /// What raft has said and nobody has done yet.
    outputs: Vec<Output>,
    /// The committed state.
    loader: Loader,
    /// Committed records below have been applied to `loader`.
    applied: Offset,
    high_watermark: Offset,
    active: Option<Active>,
    bootstrap: Vec<MetadataRecord>,
    /// The image that the shards were last told of: its last offset.
    published: Option<i64>,
    published_kraft_version: i16,
    /// Nothing that concerns shards was committed behind what was published up to this offset.
    quiet_through: i64,
    /// Published with topics deleted: their names are free when every shard has applied it.
    deletion_published: Option<i64>,
    /// What each shard has applied.
    shards: Vec<i64>,
    waiting: Vec<Waiting>,
    /// To the other nodes of the quorum.
    network: Network,
    /// Brokers that may have died.
    absent: Absent,
    /// To the active controller, where another node is it.
    remote: Remote,
    connections: BTreeMap<ConnectionId, Connection>,
    asked: BTreeMap<u64, Caller>,
    last_token: u64,
    flushing: Flushing,
    own: OwnBroker,
    /// What is counted as it happens.
    metrics: Metrics,
    /// Log directories that have failed.
    offline: BTreeSet<Uuid>,
    incarnation_id: Uuid,
    snapshots: snapshots::Progress,
    /// What the active controller does by the clock.
    schedule: metadata::controller::Schedule,
    stopping: bool,
    is_failed: bool,
}

impl Quorum {
    /// One event. Raft's timers are kept by `Event::Tick`.
    pub fn step(&mut self, now: Time, event: Event, effects: &mut Vec<Effect>) {
        if self.is_failed {
            return;
        }
        let turn = &mut Turn { now, effects };
        self.log.set_time(now.wall_ms);
        let event = self.network.on_event(now, event, turn.effects);
        let event = event.and_then(|event| self.remote.on_event(now, event, turn.effects));
        let event = event.and_then(|event| self.hear_probes(event, turn));
        match event {
            None => {}
            Some(event) => self.on_event(event, turn),
        }
        self.settle(turn);
    }

    fn on_event(&mut self, event: Event, turn: &mut Turn<'_>) {
        match event {
            Event::ConnectionOpened { connection, listener, peer, .. } => {
                let opened = Connection::new(listener, peer, "User:ANONYMOUS".into());
                self.connections.insert(connection, opened);
            }
            Event::ConnectionClosed { connection } => {
                self.connections.remove(&connection);
                self.speaker_closed(connection, turn);
            }
            Event::Frame { connection, bytes } => self.on_frame(connection, bytes, turn),
            // of nobody here
            Event::Dialed { .. } | Event::DialFailed { .. } => {}
            Event::Message { from, message } => self.on_message(from, message, turn),
            Event::DiskDone { token, result } => self.on_disk_done(token, result, turn),
            Event::Tick => {
                self.network.on_tick(turn.now, turn.effects);
                self.remote.on_tick(turn.now, turn.effects);
                self.end_late_probes(turn);
                self.raft_step(Input::Tick, turn);
            }
            Event::ReadMetrics => self.report_metrics(turn),
            Event::Leave => self.begin_leaving(turn),
            Event::Shutdown => self.begin_shutdown(turn),
        }
    }

    fn on_message(&mut self, from: ActorId, message: Message, turn: &mut Turn<'_>) {
        let ActorId::Shard(shard) = from else { return };
        match message {
            Message::ControllerRequest { id, context, request } => {
                let caller = Caller::Shard { shard, id, context: Box::new(context) };
                self.on_controller_request(caller, request, turn);
            }
            Message::ImageApplied { offset } => {
                if let Some(applied) = self.shards.get_mut(usize::from(shard.0)) {
                    *applied = offset.max(*applied);
                }
                self.compare_cordoned(turn);
            }
            Message::AllocateProducerIds => self.allocate_producer_ids(shard, turn),
            Message::DirectoryFailed { directory } => self.lose_directory(directory, turn),
            _ => {}
        }
    }

    /// Runs raft on one input and keeps what it says.
    fn raft_step(&mut self, input: Input, turn: &mut Turn<'_>) {
        let stepped = self.raft.step(turn.now, input, &mut self.log, &mut self.outputs);
        if let Err(fatal) = stepped {
            self.fail(fatal.to_string(), turn);
        }
    }

    fn fail(&mut self, reason: String, turn: &mut Turn<'_>) {
        self.is_failed = true;
        turn.effects.push(Effect::Fatal { reason });
    }

    /// Does what follows from the event until nothing more does, then asks to be woken.
    fn settle(&mut self, turn: &mut Turn<'_>) {
        while !self.is_failed {
            let mut outputs = std::mem::take(&mut self.outputs).into_iter().peekable();
            let before = (self.applied, self.published, self.waiting.len(), self.own.state());
            while let Some(output) = outputs.next() {
                // a state that nobody has seen gives way to the next: a vote in a new epoch is one write, not two
                if matches!((&output, outputs.peek()), (Output::Persist { .. }, Some(Output::Persist { .. })))
                {
                    continue;
                }
                self.on_output(output, turn);
                if self.is_failed {
                    // a vote that could not be written down must not be told: this process ends, but not at once
                    return;
                }
            }
            self.apply_committed(turn);
            self.claim(turn);
            let mut heard = self.hear_peers(turn);
            self.poll_own_broker(turn);
            heard |= self.poll_remote(turn);
            self.publish(turn);
            self.release(turn);
            self.poll_timers(turn);
            let after = (self.applied, self.published, self.waiting.len(), self.own.state());
            if self.outputs.is_empty() && before == after && !heard {
                break;
            }
        }
        self.start_flush(turn);
        self.finish_shutdown(turn);
        self.wake(turn);
    }

    fn on_output(&mut self, output: Output, turn: &mut Turn<'_>) {
        match output {
            Output::Persist { file, .. } => {
                if let Err(error) = self.log.write_quorum_state(&file) {
                    self.fail(format!("quorum-state cannot be written: {error}"), turn);
                }
            }
            Output::Send { to, correlation, request } => self.send_to_peer(to, correlation, request, turn),
            Output::Answer { token, answer } => self.on_raft_answer(token, answer, turn),
            Output::Flush { generation } => self.flushing.want(generation),
            Output::HighWatermark(offset) => self.high_watermark = self.high_watermark.max(offset),
            Output::LeaderChanged { leader, epoch } => self.on_leader_changed(leader, epoch, turn),
            Output::SnapshotLoaded(_) => self.reload(turn),
            Output::Stopped => {}
        }
    }

    fn on_leader_changed(&mut self, leader: Option<types::NodeId>, epoch: LeaderEpoch, turn: &mut Turn<'_>) {
        let text = match leader {
            Some(id) if id == self.node.node_id => format!("this node leads the quorum in epoch {epoch}"),
            Some(id) => format!("node {id} leads the quorum in epoch {epoch}"),
            None => format!("nobody leads the quorum in epoch {epoch}"),
        };
        turn.log(Level::Info, text);
        self.remote.keep_only(turn.now, leader, turn.effects);
        if leader != Some(self.node.node_id) && self.active.take().is_some() {
            self.fail_waiting(turn);
            self.own.lost_controller(self.applied);
        }
    }
}
