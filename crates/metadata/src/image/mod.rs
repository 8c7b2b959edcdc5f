//! What the metadata log says up to one offset: an immutable value, cheap to clone. Controller and brokers build it
//! by the same `apply`.

mod apply;
mod cluster;
mod delta;
mod error;
mod loader;
mod partition;
mod snapshot;
mod topics;

use std::collections::BTreeMap;
use std::sync::Arc;

use protocol::Str;
use protocol::records::metadata::{
    AccessControlEntryRecord, DelegationTokenRecord, UserScramCredentialRecord,
};
use types::Uuid;

use crate::configs::{ConfigLayers, LogConfig, Properties};
use crate::features::{ELIGIBLE_LEADER_REPLICAS_VERSION, METADATA_VERSION, MetadataVersion};

pub(crate) use cluster::sorted_directories;
pub use cluster::{Broker, Cluster, Endpoint};
pub use delta::Delta;
pub use error::ApplyError;
pub use loader::Loader;
pub use partition::{
    LOST, LeaderRecoveryState, MIGRATING, NO_LEADER, NO_LEADER_CHANGE, Partition, UNASSIGNED,
    is_reserved_directory,
};
pub use topics::{Topic, Topics};

/// Whose configs: the wire's resource type and the resource's name (empty: default of all brokers).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ConfigResource {
    pub resource_type: i8,
    pub name: Str,
}

impl ConfigResource {
    pub const TOPIC: i8 = 2;
    pub const BROKER: i8 = 4;
    pub const BROKER_LOGGER: i8 = 8;
    pub const CLIENT_METRICS: i8 = 16;
    pub const GROUP: i8 = 32;

    pub fn new(resource_type: i8, name: impl Into<Str>) -> ConfigResource {
        ConfigResource { resource_type, name: name.into() }
    }

    pub fn topic(name: &str) -> ConfigResource {
        ConfigResource::new(Self::TOPIC, name)
    }

    pub fn broker(id: i32) -> ConfigResource {
        ConfigResource::new(Self::BROKER, id.to_string())
    }

    pub fn cluster() -> ConfigResource {
        ConfigResource::new(Self::BROKER, "")
    }
}

/// Entity types and names, sorted; None is the default of its type.
pub type QuotaEntity = Vec<(Str, Option<Str>)>;

#[derive(Clone, Debug, Default, PartialEq)]
pub struct MetadataImage {
    /// Finalized levels by name, `metadata.version` among them. Levels of 0 are absent.
    pub features: BTreeMap<Str, i16>,
    pub cluster: Cluster,
    pub topics: Topics,
    pub configs: Arc<BTreeMap<ConfigResource, Arc<Properties>>>,
    pub client_quotas: Arc<BTreeMap<QuotaEntity, BTreeMap<Str, f64>>>,
    /// First producer id not given out yet.
    pub next_producer_id: i64,
    pub acls: Arc<BTreeMap<Uuid, AccessControlEntryRecord>>,
    pub scram: Arc<BTreeMap<(Str, i8), UserScramCredentialRecord>>,
    pub delegation_tokens: Arc<BTreeMap<Str, DelegationTokenRecord>>,
}

impl MetadataImage {
    /// None before the first record of it.
    pub fn finalized_metadata_version(&self) -> Option<MetadataVersion> {
        self.features.get(METADATA_VERSION).map(|level| MetadataVersion(*level))
    }

    /// The least known version where none is finalized.
    pub fn metadata_version(&self) -> MetadataVersion {
        self.finalized_metadata_version().unwrap_or(MetadataVersion::MINIMUM)
    }

    pub fn feature_level(&self, name: &str) -> i16 {
        self.features.get(name).copied().unwrap_or(0)
    }

    pub fn eligible_leader_replicas_enabled(&self) -> bool {
        self.feature_level(ELIGIBLE_LEADER_REPLICAS_VERSION) > 0
    }

    /// The configs set on a resource; none is the same as empty.
    pub fn properties(&self, resource: &ConfigResource) -> &Properties {
        static EMPTY: Properties = Properties::new();
        self.configs.get(resource).map_or(&EMPTY, |properties| properties.as_ref())
    }

    /// The layers of `broker`'s configs over its properties file.
    pub fn layers<'a>(&'a self, broker: i32, file: &'a Properties) -> ConfigLayers<'a> {
        ConfigLayers {
            broker: self.properties(&ConfigResource::broker(broker)),
            cluster: self.properties(&ConfigResource::cluster()),
            file,
        }
    }

    /// A topic's effective configs as `broker` with this properties file sees them.
    pub fn log_config(&self, topic: &str, broker: i32, file: &Properties) -> LogConfig {
        LogConfig::effective(self.properties(&ConfigResource::topic(topic)), self.layers(broker, file))
    }
}
