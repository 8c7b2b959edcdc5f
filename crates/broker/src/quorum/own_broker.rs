//! What this node registers of itself as the controller. The broker in the same process: unfenced when its shards have caught
//! up. Its life is the process's, so it needs no heartbeats: the session is renewed whenever sessions are looked at.

use protocol::messages::broker_registration_request::{Feature, Listener};
use protocol::messages::{BrokerHeartbeatRequest, BrokerRegistrationRequest};
use protocol::{ApiKey, Str};

use super::{Quorum, Turn};
use crate::event::{DirectoryIndex, Effect};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// No broker in this process.
    Absent,
    Starting,
    /// Registered in this epoch by a record at this offset or below.
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
    state: State,
    previous_epoch: i64,
    was_ready: bool,
}

impl OwnBroker {
    pub fn new(is_broker: bool, previous_epoch: i64) -> OwnBroker {
        let state = if is_broker { State::Starting } else { State::Absent };
        OwnBroker { state, previous_epoch, was_ready: false }
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

    /// Another node controls now, which has to be told of this broker by request.
    pub fn lost_controller(&mut self) {
        if self.state != State::Absent {
            self.state = State::Starting;
        }
    }
}

impl Quorum {
    pub(super) fn register_own_broker(&mut self, turn: &mut Turn<'_>) {
        if self.own.state != State::Starting {
            return;
        }
        let request = self.registration();
        let version = ApiKey::BrokerRegistration.versions().max;
        let outcome =
            self.decide(turn, |controller, context| controller.register_broker(&request, version, context));
        let Some(outcome) = outcome else { return };
        let code = outcome.reply.error_code;
        if code != 0 {
            let error = protocol::ErrorCode::from(code);
            return self.fail(format!("this broker is not registered: {}", error.message()), turn);
        }
        if let Some((reply, offset)) = self.append(outcome, turn) {
            self.own.state = State::Registered { epoch: reply.broker_epoch, offset };
        }
    }

    fn registration(&self) -> BrokerRegistrationRequest {
        let listener = |listener: &crate::config::Listener| Listener {
            name: Str::from(&*listener.name),
            host: Str::from(&*listener.advertised_host),
            port: listener.advertised_port,
            security_protocol: security_protocol(&listener.security_protocol),
        };
        let feature = |(name, min, max): (&'static str, i16, i16)| Feature {
            name: Str::from_static(name),
            min_supported_version: min,
            max_supported_version: max,
        };
        let mut log_dirs: Vec<_> = self.node.log_directories.iter().map(|directory| directory.id).collect();
        log_dirs.sort();
        BrokerRegistrationRequest {
            broker_id: self.node.node_id.0,
            cluster_id: Str::from(&*self.node.cluster_id),
            incarnation_id: self.incarnation_id,
            listeners: self.node.listeners.iter().filter(|one| !one.is_controller).map(listener).collect(),
            features: metadata::features::supported_features().into_iter().map(feature).collect(),
            rack: self.node.rack.as_deref().map(Str::from),
            is_migrating_zk_broker: false,
            log_dirs,
            previous_broker_epoch: self.own.previous_epoch,
        }
    }

    /// What a broker tells of itself in a heartbeat.
    pub(super) fn own_heartbeat(&self, epoch: i64) -> BrokerHeartbeatRequest {
        BrokerHeartbeatRequest {
            broker_id: self.node.node_id.0,
            broker_epoch: epoch,
            current_metadata_offset: self.applied_by_shards(),
            want_fence: false,
            want_shut_down: false,
            offline_log_dirs: self.offline.iter().copied().collect(),
            cordoned_log_dirs: Some(Vec::new()),
        }
    }

    pub(super) fn poll_own_broker(&mut self, turn: &mut Turn<'_>) {
        match self.own.state {
            State::Starting => self.register_own_broker(turn),
            State::Registered { epoch, offset } if self.applied_by_shards() >= offset => {
                self.unfence_own_broker(epoch, turn)
            }
            State::Unfencing { epoch, offset } if self.applied_by_shards() >= offset => {
                self.own.state = State::Running { epoch };
                if !std::mem::replace(&mut self.own.was_ready, true) {
                    turn.effects.push(Effect::Ready);
                }
            }
            State::Absent if !self.own.was_ready && self.published.is_some() => {
                self.own.was_ready = true;
                turn.effects.push(Effect::Ready);
            }
            _ => {}
        }
    }

    fn unfence_own_broker(&mut self, epoch: i64, turn: &mut Turn<'_>) {
        let request = self.own_heartbeat(epoch);
        let outcome = self.decide(turn, |controller, context| {
            controller.heartbeat_arrived(&request, context.now_ms);
            controller.broker_heartbeat(&request, context)
        });
        let Some(outcome) = outcome else { return };
        let (code, fenced) = (outcome.reply.error_code, outcome.reply.is_fenced);
        if code != 0 || fenced {
            return self.fail(format!("this broker stays fenced (error {code})"), turn);
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
        use protocol::messages::controller_registration_request as m;
        let listener = |listener: &crate::config::Listener| m::Listener {
            name: Str::from(&*listener.name),
            host: Str::from(&*listener.advertised_host),
            port: listener.advertised_port,
            security_protocol: security_protocol(&listener.security_protocol),
        };
        let feature = |(name, min, max): (&'static str, i16, i16)| m::Feature {
            name: Str::from_static(name),
            min_supported_version: min,
            max_supported_version: max,
        };
        let request = m::ControllerRegistrationRequest {
            controller_id: self.node.node_id.0,
            incarnation_id: self.incarnation_id,
            zk_migration_ready: false,
            listeners: self.node.listeners.iter().filter(|one| one.is_controller).map(listener).collect(),
            features: metadata::features::supported_features().into_iter().map(feature).collect(),
        };
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
        if !self.offline.insert(lost.id) {
            return;
        }
        let Some(epoch) = self.own.epoch() else { return };
        let request = self.own_heartbeat(epoch);
        let outcome = self.decide(turn, |controller, context| controller.broker_heartbeat(&request, context));
        if let Some(outcome) = outcome {
            self.append(outcome, turn);
        }
    }
}

fn security_protocol(name: &str) -> i16 {
    match name {
        "SSL" => 1,
        "SASL_PLAINTEXT" => 2,
        "SASL_SSL" => 3,
        _ => 0,
    }
}
