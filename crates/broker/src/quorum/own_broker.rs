//! The broker in the same process, while this node is the active controller: unfenced when its shards have caught up. Its
//! life is the process's, so it needs no heartbeats: the session is renewed whenever sessions are looked at. Under
//! another node's controller see `own_remote`.
//!
//! Starting -> Registered -> (Unfencing here) -> Running; fenced by another controller: Registered again.

use metadata::configs::StaticConfig;
use protocol::{ApiKey, ErrorCode};
use types::Offset;

use super::own_leave::Leaving;
use super::{Quorum, Turn};
use crate::config::NodeConfig;
use crate::event::{DirectoryIndex, Effect};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// No broker in this process.
    Absent,
    Starting,
    /// Registered in this epoch by a record at this offset or below, and fenced.
    Registered {
        epoch: i64,
        offset: i64,
    },
    /// The record that unfences it is at this offset or below.
    Unfencing {
        epoch: i64,
        offset: i64,
    },
    Running {
        epoch: i64,
    },
}

#[derive(Debug)]
pub(super) struct OwnBroker {
    pub(super) state: State,
    previous_epoch: i64,
    was_ready: bool,
    pub(super) remote: super::own_remote::Progress,
    pub(super) leaving: Leaving,
}

impl OwnBroker {
    pub fn new(node: &NodeConfig, config: &StaticConfig, previous_epoch: i64) -> OwnBroker {
        let state = if node.is_broker { State::Starting } else { State::Absent };
        let remote = super::own_remote::Progress::new(config);
        OwnBroker { state, previous_epoch, was_ready: false, remote, leaving: Leaving::No }
    }

    /// Of the life before, where it ended cleanly.
    pub fn previous_epoch(&self) -> i64 {
        self.previous_epoch
    }

    pub fn state(&self) -> State {
        self.state
    }

    /// The offset that has to be published before this goes on.
    pub fn awaits(&self) -> Option<i64> {
        match self.state {
            State::Registered { offset, .. } | State::Unfencing { offset, .. } => Some(offset),
            _ => None,
        }
    }

    pub fn epoch(&self) -> Option<i64> {
        match self.state {
            State::Registered { epoch, .. } | State::Unfencing { epoch, .. } | State::Running { epoch } => {
                Some(epoch)
            }
            State::Absent | State::Starting => None,
        }
    }

    /// Another node controls now: what was not committed yet, as what is applied is, may never be.
    pub fn lost_controller(&mut self, applied: Offset) {
        let is_committed = matches!(self.state, State::Registered { offset, .. } if offset < applied.0);
        if matches!(self.state, State::Registered { .. } | State::Unfencing { .. }) && !is_committed {
            self.state = State::Starting;
        }
    }

    /// The controller does not know this epoch: another life was registered under this id after this one, perhaps by a
    /// request of a process that is gone. It registers again, and is refused as long as that other one lives; Kafka's waits
    /// for a restart.
    pub fn superseded(&mut self) {
        if self.epoch().is_some() {
            self.state = State::Starting;
        }
    }

    /// Clients may come; said once.
    pub fn become_ready(&mut self, turn: &mut Turn<'_>) {
        if !std::mem::replace(&mut self.was_ready, true) {
            turn.effects.push(Effect::Ready);
        }
    }
}

impl Quorum {
    pub(super) fn register_own_broker(&mut self, turn: &mut Turn<'_>) {
        if self.own.state != State::Starting {
            return;
        }
        let request = self.broker_registration();
        let version = ApiKey::BrokerRegistration.versions().max;
        let outcome =
            self.decide(turn, |controller, context| controller.register_broker(&request, version, context));
        let Some(outcome) = outcome else { return };
        let code = outcome.reply.error_code;
        if code == ErrorCode::DuplicateBrokerRegistration.code() {
            // the session of the life before is not over yet: asked again when fencing is looked at
            return;
        }
        if code != 0 {
            let error = ErrorCode::from(code);
            return self.fail(format!("this broker is not registered: {}", error.message()), turn);
        }
        if let Some((reply, offset)) = self.append(outcome, turn) {
            self.own.state = State::Registered { epoch: reply.broker_epoch, offset };
        }
    }

    pub(super) fn poll_own_broker(&mut self, turn: &mut Turn<'_>) {
        self.poll_leaving(turn);
        if self.active.is_none() {
            self.poll_own_remote(turn);
        }
        if self.leaves() {
            return;
        }
        match self.own.state {
            State::Starting => self.register_own_broker(turn),
            State::Registered { epoch, offset } if self.applied_by_shards() >= offset => {
                self.unfence_own_broker(epoch, turn)
            }
            State::Unfencing { epoch, offset } if self.applied_by_shards() >= offset => {
                self.own.state = State::Running { epoch };
                self.own.become_ready(turn);
            }
            // the controller before this one had not heard of it for too long
            State::Running { epoch } if self.is_fenced_here() => self.unfence_own_broker(epoch, turn),
            State::Running { .. } if self.is_unregistered_here() => {
                self.own_unheard(ErrorCode::StaleBrokerEpoch.code(), turn);
            }
            State::Absent if self.is_caught_up() => self.own.become_ready(turn),
            _ => {}
        }
    }

    fn is_fenced_here(&self) -> bool {
        let Some(active) = &self.active else { return false };
        let known = active.controller.image().cluster.broker(self.node.node_id.0);
        known.is_some_and(|broker| broker.fenced)
    }

    fn is_unregistered_here(&self) -> bool {
        self.active.is_some() && self.loader.head().cluster.broker(self.node.node_id.0).is_none()
    }

    /// A controller serves from when it has read what was committed as it came.
    fn is_caught_up(&self) -> bool {
        self.raft.leader().is_some() && self.raft.high_watermark().is_some_and(|at| self.applied >= at)
    }

    fn unfence_own_broker(&mut self, epoch: i64, turn: &mut Turn<'_>) {
        let request = self.own_heartbeat(epoch);
        let outcome = self.decide(turn, |controller, context| {
            controller.heartbeat_arrived(&request, context.now_ms);
            controller.broker_heartbeat(&request, context)
        });
        let Some(outcome) = outcome else { return };
        let (code, fenced) = (outcome.reply.error_code, outcome.reply.is_fenced);
        if code != 0 {
            return self.own_unheard(code, turn);
        }
        if fenced {
            // its shards have not seen its registration yet
            return;
        }
        if let Some((_, offset)) = self.append(outcome, turn) {
            self.own.state = State::Unfencing { epoch, offset };
        }
    }
}

impl Quorum {
    /// The own controller's listeners and features, on record where the cluster's version has such records: an upgrade
    /// of features asks every voter's.
    pub(super) fn register_own_controller(&mut self, turn: &mut Turn<'_>) {
        if self.is_controller_registered() {
            return;
        }
        let request = self.controller_registration();
        // an older cluster refuses it, and does without
        let outcome = self.decide(turn, |controller, _| controller.register_controller(&request));
        if let Some(outcome) = outcome {
            self.append(outcome, turn);
        }
    }

    /// Its replicas are offline from now on. Without the metadata log's directory there is no node.
    pub(super) fn lose_directory(&mut self, directory: DirectoryIndex, turn: &mut Turn<'_>) {
        let Some(lost) = self.node.log_directories.get(usize::from(directory.0)) else { return };
        if lost.path == self.node.metadata_log_directory {
            let path = lost.path.display();
            return self.fail(format!("the metadata log's directory {path} has failed"), turn);
        }
        if self.offline.insert(lost.id) {
            self.tell_directories(turn);
        }
    }

    /// Other log directories may be cordoned than the controller has on record.
    pub(super) fn compare_cordoned(&mut self, turn: &mut Turn<'_>) {
        let State::Running { .. } = self.own.state else { return };
        let image = self.loader.head();
        let Some(broker) = image.cluster.broker(self.node.node_id.0) else { return };
        let cordoned = crate::directories::cordoned(image, &self.node);
        let is_known = broker.cordoned_log_dirs.as_ref().is_some_and(|known| {
            known.len() == cordoned.len() && known.iter().all(|id| cordoned.contains(id))
        });
        if !is_known && image.metadata_version().supports_cordoned_directories() {
            self.tell_directories(turn);
        }
    }

    fn tell_directories(&mut self, turn: &mut Turn<'_>) {
        let Some(epoch) = self.own.epoch() else { return };
        let request = self.own_heartbeat(epoch);
        let outcome = self.decide(turn, |controller, context| controller.broker_heartbeat(&request, context));
        if let Some(outcome) = outcome {
            self.append(outcome, turn);
        }
        self.own.remote.hurry();
    }
}
