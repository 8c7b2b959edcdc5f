//! What this node says of itself to the controller: its broker's registration and heartbeats, its controller's registration.

use metadata::features::{UNSTABLE_ENABLE, supported_features};
use protocol::Str;
use protocol::messages::broker_registration_request::{Feature, Listener};
use protocol::messages::{BrokerHeartbeatRequest, BrokerRegistrationRequest, ControllerRegistrationRequest};

use super::Quorum;

impl Quorum {
    pub(super) fn broker_registration(&self) -> BrokerRegistrationRequest {
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
            features: self.supported_features().into_iter().map(feature).collect(),
            rack: self.node.rack.as_deref().map(Str::from),
            is_migrating_zk_broker: false,
            log_dirs,
            previous_broker_epoch: self.own.previous_epoch(),
        }
    }

    /// Name, least and most level.
    pub(super) fn supported_features(&self) -> Vec<(&'static str, i16, i16)> {
        supported_features(self.config.bool(UNSTABLE_ENABLE))
    }

    /// What a broker tells of itself in a heartbeat.
    pub(super) fn own_heartbeat(&self, epoch: i64) -> BrokerHeartbeatRequest {
        BrokerHeartbeatRequest {
            broker_id: self.node.node_id.0,
            broker_epoch: epoch,
            current_metadata_offset: self.known_to_shards(),
            want_fence: false,
            want_shut_down: self.leaves(),
            offline_log_dirs: self.offline.iter().copied().collect(),
            cordoned_log_dirs: Some(crate::directories::cordoned(self.loader.head(), &self.node)),
        }
    }

    pub(super) fn controller_registration(&self) -> ControllerRegistrationRequest {
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
        m::ControllerRegistrationRequest {
            controller_id: self.node.node_id.0,
            incarnation_id: self.incarnation_id,
            zk_migration_ready: false,
            listeners: self.node.listeners.iter().filter(|one| one.is_controller).map(listener).collect(),
            features: self.supported_features().into_iter().map(feature).collect(),
        }
    }

    /// The own broker's present life, if there is a broker, is on record.
    pub(super) fn is_broker_registered(&self) -> bool {
        let known = self.loader.head().cluster.broker(self.node.node_id.0);
        !self.node.is_broker || known.is_some_and(|known| known.incarnation_id == self.incarnation_id)
    }

    /// The own controller's present life is on record.
    pub(super) fn is_controller_registered(&self) -> bool {
        let known = self.loader.head().cluster.controllers.get(&self.node.node_id.0);
        known.is_some_and(|known| known.incarnation_id == self.incarnation_id)
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
