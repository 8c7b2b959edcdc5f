//! Brokers and controllers as they registered.

use std::collections::BTreeMap;
use std::sync::Arc;

use protocol::Str;
use protocol::records::metadata::{RegisterBrokerRecord, RegisterControllerRecord};
use types::Uuid;

use super::partition::{LOST, MIGRATING, UNASSIGNED};

#[derive(Clone, Debug, PartialEq)]
pub struct Endpoint {
    pub name: Str,
    pub host: Str,
    pub port: u16,
    pub security_protocol: i16,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Broker {
    pub id: i32,
    pub epoch: i64,
    pub incarnation_id: Uuid,
    pub endpoints: Vec<Endpoint>,
    /// Name to least and most level.
    pub features: BTreeMap<Str, (i16, i16)>,
    pub rack: Option<Str>,
    pub fenced: bool,
    pub in_controlled_shutdown: bool,
    /// Sorted as Java sorts ids. Empty: not told.
    pub log_dirs: Vec<Uuid>,
    /// None: not told.
    pub cordoned_log_dirs: Option<Vec<Uuid>>,
    /// Offset of the record that registered it (of the snapshot, where it came from one): what the broker must have
    /// read before it may be unfenced. Not its epoch.
    pub registered_at: i64,
}

impl Broker {
    pub(super) fn from_record(record: &RegisterBrokerRecord, offset: i64) -> Broker {
        let endpoint = |one: &protocol::records::metadata::register_broker_record::BrokerEndpoint| Endpoint {
            name: one.name.detached(),
            host: one.host.detached(),
            port: one.port,
            security_protocol: one.security_protocol,
        };
        let feature = |one: &protocol::records::metadata::register_broker_record::BrokerFeature| {
            (one.name.detached(), (one.min_supported_version, one.max_supported_version))
        };
        Broker {
            id: record.broker_id,
            epoch: record.broker_epoch,
            incarnation_id: record.incarnation_id,
            endpoints: record.end_points.iter().map(endpoint).collect(),
            features: record.features.iter().map(feature).collect(),
            rack: record.rack.as_ref().map(Str::detached),
            fenced: record.fenced,
            in_controlled_shutdown: record.in_controlled_shutdown,
            log_dirs: sorted_directories(&record.log_dirs),
            cordoned_log_dirs: record.cordoned_log_dirs.as_deref().map(sorted_directories),
            registered_at: offset,
        }
    }

    pub fn to_record(&self) -> RegisterBrokerRecord {
        use protocol::records::metadata::register_broker_record::{BrokerEndpoint, BrokerFeature};
        RegisterBrokerRecord {
            broker_id: self.id,
            is_migrating_zk_broker: false,
            incarnation_id: self.incarnation_id,
            broker_epoch: self.epoch,
            end_points: self
                .endpoints
                .iter()
                .map(|one| BrokerEndpoint {
                    name: one.name.clone(),
                    host: one.host.clone(),
                    port: one.port,
                    security_protocol: one.security_protocol,
                })
                .collect(),
            features: self
                .features
                .iter()
                .map(|(name, (least, most))| BrokerFeature {
                    name: name.clone(),
                    min_supported_version: *least,
                    max_supported_version: *most,
                })
                .collect(),
            rack: self.rack.clone(),
            fenced: self.fenced,
            in_controlled_shutdown: self.in_controlled_shutdown,
            log_dirs: self.log_dirs.clone(),
            cordoned_log_dirs: self.cordoned_log_dirs.clone(),
        }
    }

    /// Unfenced and not on its way out: may lead and be in sync.
    pub fn is_active(&self) -> bool {
        !self.fenced && !self.in_controlled_shutdown
    }

    /// Whether a replica in `directory` can work.
    pub fn has_online_directory(&self, directory: Uuid) -> bool {
        if directory == UNASSIGNED || directory == MIGRATING {
            return true;
        }
        directory != LOST && (self.log_dirs.is_empty() || self.log_dirs.contains(&directory))
    }

    /// Whether every directory is closed to new replicas.
    pub fn is_wholly_cordoned(&self) -> bool {
        let Some(cordoned) = &self.cordoned_log_dirs else { return false };
        !self.log_dirs.is_empty() && self.log_dirs.iter().all(|directory| cordoned.contains(directory))
    }

    /// Where a new replica goes, as far as the controller can tell.
    pub fn default_directory(&self) -> Uuid {
        match self.log_dirs.as_slice() {
            [] => MIGRATING,
            [only] => *only,
            _ => UNASSIGNED,
        }
    }
}

/// Java compares the halves of an id as signed numbers.
pub(crate) fn sorted_directories(directories: &[Uuid]) -> Vec<Uuid> {
    let mut sorted = directories.to_vec();
    sorted.sort_by_key(|directory| directory.halves());
    sorted
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Cluster {
    pub brokers: BTreeMap<i32, Arc<Broker>>,
    pub controllers: BTreeMap<i32, Arc<RegisterControllerRecord>>,
}

impl Cluster {
    pub fn broker(&self, id: i32) -> Option<&Broker> {
        self.brokers.get(&id).map(Arc::as_ref)
    }

    pub fn is_active(&self, id: i32) -> bool {
        self.broker(id).is_some_and(Broker::is_active)
    }
}
