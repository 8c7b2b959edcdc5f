//! The first records of a leadership: those of a fresh cluster, and the end of a transaction that a predecessor
//! left open.

use protocol::Str;
use protocol::records::metadata::*;

use super::{Controller, Outcome};
use crate::features::{
    ELIGIBLE_LEADER_REPLICAS_VERSION, METADATA_VERSION, MetadataVersion, bootstrap_levels,
};
use crate::image::ConfigResource;

/// The records a fresh cluster of `version` begins with.
pub fn bootstrap_records(version: MetadataVersion) -> Vec<MetadataRecord> {
    let level = |(name, level): (&'static str, i16)| {
        let name = Str::from_static(name);
        MetadataRecord::FeatureLevel(FeatureLevelRecord { name, feature_level: level })
    };
    bootstrap_levels(version).into_iter().map(level).collect()
}

/// An activation that is impossible: the program cannot go on with this log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ActivationError {
    #[error("a metadata transaction is open, but metadata.version {0} has none")]
    TransactionUnsupported(i16),
}

impl Controller {
    /// What a new leader appends before anything else. `bootstrap`: the records of the bootstrap file; if it has no
    /// `metadata.version`, the version of a fresh cluster stands in.
    pub fn activate(&self, bootstrap: &[MetadataRecord]) -> Result<Outcome<()>, ActivationError> {
        let open = self.state.in_transaction();
        let image = self.image();
        // within an open transaction, the records before it decide whether the log is empty
        let fresh = self.state.clone().publish().0.finalized_metadata_version().is_none();
        if !fresh {
            if !open {
                return Ok(Outcome::nothing(()));
            }
            let version = image.metadata_version();
            if !version.supports_metadata_transactions() {
                return Err(ActivationError::TransactionUnsupported(version.0));
            }
            return Ok(Outcome::loose(vec![abort()], ()));
        }
        let records = self.bootstrap(bootstrap);
        let version = level_of(&records, METADATA_VERSION).unwrap_or(MetadataVersion::MINIMUM.0);
        if !MetadataVersion(version).supports_metadata_transactions() {
            return Ok(Outcome::atomic(records, ()));
        }
        let mut all = Vec::with_capacity(records.len() + 3);
        if open {
            all.push(abort());
        }
        let name = Some(Str::from_static("Bootstrap records"));
        all.push(MetadataRecord::BeginTransaction(BeginTransactionRecord { name }));
        all.extend(records);
        all.push(MetadataRecord::EndTransaction(EndTransactionRecord::default()));
        Ok(Outcome::loose(all, ()))
    }

    fn bootstrap(&self, given: &[MetadataRecord]) -> Vec<MetadataRecord> {
        let mut records = given.to_vec();
        if level_of(&records, METADATA_VERSION).is_none() {
            records.splice(0..0, bootstrap_records(MetadataVersion::LATEST_PRODUCTION).into_iter().take(1));
        }
        if level_of(&records, ELIGIBLE_LEADER_REPLICAS_VERSION).unwrap_or(0) > 0 {
            records.push(self.static_min_in_sync_replicas());
        }
        records
    }

    /// With eligible leader replicas, the cluster's min.insync.replicas must be on record.
    pub(super) fn static_min_in_sync_replicas(&self) -> MetadataRecord {
        MetadataRecord::Config(ConfigRecord {
            resource_type: ConfigResource::BROKER,
            resource_name: Str::default(),
            name: Str::from_static("min.insync.replicas"),
            value: Some(Str::from(self.config.file.i64("min.insync.replicas").to_string())),
        })
    }
}

fn abort() -> MetadataRecord {
    let reason = Some(Str::from_static("Controller failover"));
    MetadataRecord::AbortTransaction(AbortTransactionRecord { reason })
}

fn level_of(records: &[MetadataRecord], feature: &str) -> Option<i16> {
    records.iter().rev().find_map(|record| match record {
        MetadataRecord::FeatureLevel(level) if level.name == feature => Some(level.feature_level),
        _ => None,
    })
}
