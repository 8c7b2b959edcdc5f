//! UpdateFeatures: all or nothing, the first error fails the whole request.

use protocol::messages::update_features_response::UpdatableFeatureResult;
use protocol::messages::{UpdateFeaturesRequest, UpdateFeaturesResponse};
use protocol::records::metadata::*;
use protocol::{ErrorCode, Str};

use super::{ApiError, Controller, Outcome};
use crate::features::{
    ELIGIBLE_LEADER_REPLICAS_VERSION, FEATURES, KRAFT_VERSION, METADATA_VERSION, MetadataVersion,
    UNSTABLE_ENABLE, supported_features,
};
use crate::image::ConfigResource;

const UPGRADE: i8 = 1;
const UNSAFE_DOWNGRADE: i8 = 3;
const MIN_IN_SYNC: &str = "min.insync.replicas";

/// What the quorum has to do beside the records.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FeaturesReply {
    pub response: UpdateFeaturesResponse,
    /// New `kraft.version`, which the quorum writes in its own records.
    pub kraft_version: Option<i16>,
}

fn refuse(message: String) -> ApiError {
    ApiError::new(ErrorCode::InvalidUpdateVersion, message)
}

fn level_record(name: &str, level: i16) -> MetadataRecord {
    MetadataRecord::FeatureLevel(FeatureLevelRecord { name: Str::from(name), feature_level: level })
}

impl Controller {
    pub fn update_features(&self, request: &UpdateFeaturesRequest, version: i16) -> Outcome<FeaturesReply> {
        let mut reply = FeaturesReply::default();
        match self.plan_features(request, version) {
            Err(error) => {
                let why = error.message.unwrap_or_default();
                let message = format!(
                    "The update failed for all features since the following feature had an error: {why}"
                );
                reply.response.error_code = error.code.code();
                reply.response.error_message = Some(Str::from(message));
                Outcome::nothing(reply)
            }
            Ok((mut records, kraft_version)) => {
                reply.response.error_message = None;
                if version <= 1 {
                    let names = request.feature_updates.iter();
                    reply.response.results = names
                        .map(|update| UpdatableFeatureResult {
                            feature: update.feature.clone(),
                            error_code: 0,
                            error_message: None,
                        })
                        .collect();
                }
                if request.validate_only {
                    return Outcome::nothing(reply);
                }
                if kraft_version.is_some() {
                    // the answer needs an offset of this log to wait for
                    records.push(MetadataRecord::NoOp(NoOpRecord::default()));
                }
                reply.kraft_version = kraft_version;
                Outcome::atomic(records, reply)
            }
        }
    }

    fn plan_features(
        &self,
        request: &UpdateFeaturesRequest,
        version: i16,
    ) -> Result<(Vec<MetadataRecord>, Option<i16>), ApiError> {
        let mut records = Vec::new();
        let mut kraft_version = None;
        let mut proposed = self.image().features.clone();
        for update in &request.feature_updates {
            let upgrade_type = match (version, update.allow_downgrade) {
                (0, true) => 2,
                (0, false) => UPGRADE,
                _ => update.upgrade_type,
            };
            let name = update.feature.as_str();
            let level = update.max_version_level;
            self.check_update(name, level, upgrade_type)?;
            if name == KRAFT_VERSION {
                kraft_version = Some(level).filter(|level| *level != self.config.kraft_version);
                continue;
            }
            proposed.insert(update.feature.detached(), level);
            if name == ELIGIBLE_LEADER_REPLICAS_VERSION {
                records.extend(self.before_eligible_level(level));
            }
            records.push(level_record(name, level));
        }
        let metadata_version = proposed.get(METADATA_VERSION).copied().unwrap_or(0);
        for feature in FEATURES {
            let level = proposed.get(feature.name).copied().unwrap_or(0);
            for (_, needed) in feature.needs.iter().filter(|(at, _)| *at <= level) {
                if metadata_version < *needed {
                    let version = MetadataVersion(*needed).name().unwrap_or_default();
                    return Err(refuse(format!(
                        "{} could not be set to {level} because it depends on metadata.version={needed} ({version})",
                        feature.name
                    )));
                }
            }
        }
        Ok((records, kraft_version))
    }

    fn check_update(&self, name: &str, level: i16, upgrade_type: i8) -> Result<(), ApiError> {
        if !(UPGRADE..=UNSAFE_DOWNGRADE).contains(&upgrade_type) {
            return Err(refuse("The controller does not support the given upgrade type.".to_owned()));
        }
        let invalid =
            |why: String| Err(refuse(format!("Invalid update version {level} for feature {name}. {why}")));
        if level < 0 {
            return invalid("A feature version cannot be less than 0.".to_owned());
        }
        if let Some(why) = self.unsupported(name, level) {
            return invalid(why);
        }
        let present = match name {
            KRAFT_VERSION => self.config.kraft_version,
            name => self.image().feature_level(name),
        };
        if level < present {
            if name == KRAFT_VERSION {
                return invalid("Can't downgrade the version of this feature.".to_owned());
            }
            if upgrade_type == UPGRADE {
                return invalid(
                    "Can't downgrade the version of this feature without setting the upgrade type to either safe or \
                     unsafe downgrade."
                        .to_owned(),
                );
            }
        } else if level > present && upgrade_type != UPGRADE {
            return invalid("Can't downgrade to a newer version.".to_owned());
        }
        if name == METADATA_VERSION {
            Self::check_metadata_version(level, present, upgrade_type)
        } else {
            Ok(())
        }
    }

    fn check_metadata_version(level: i16, present: i16, upgrade_type: i8) -> Result<(), ApiError> {
        let (new, old) = (MetadataVersion(level), MetadataVersion(present));
        if new >= old || !old.loses_records_by_downgrade_to(new) {
            return Ok(());
        }
        let why = if upgrade_type == UNSAFE_DOWNGRADE {
            "Unsafe metadata downgrade is not supported in this version."
        } else {
            "Refusing to perform the requested downgrade because it might delete metadata information."
        };
        Err(refuse(format!("Unsupported metadata.version downgrade from {present} to {level}. {why}")))
    }

    /// Why somebody in the cluster could not work with `level`.
    fn unsupported(&self, name: &str, level: i16) -> Option<String> {
        let node = self.config.node_id;
        let own = supported_features(self.config.file.bool(UNSTABLE_ENABLE));
        let own = own.into_iter().find(|(feature, ..)| *feature == name);
        match own {
            None => return Some(format!("Local controller {node} does not support this feature.")),
            Some((_, least, most))
                if !(least..=most).contains(&level) && (level != 0 || name == METADATA_VERSION) =>
            {
                return Some(format!("Local controller {node} only supports versions {least}-{most}"));
            }
            _ => {}
        }
        let judge = |kind: &str, id: i32, range: Option<(i16, i16)>| match range {
            None if level > 0 => Some(format!("{kind} {id} does not support this feature.")),
            Some((least, most)) if !(least..=most).contains(&level) => {
                Some(format!("{kind} {id} only supports versions {least}-{most}"))
            }
            _ => None,
        };
        let cluster = &self.image().cluster;
        let brokers = cluster.brokers.values();
        if let Some(why) =
            brokers.filter_map(|one| judge("Broker", one.id, one.features.get(name).copied())).next()
        {
            return Some(why);
        }
        if self.metadata_version().supports_controller_registration() && name != KRAFT_VERSION {
            let range = |one: &RegisterControllerRecord| {
                let feature = one.features.iter().find(|feature| feature.name == *name)?;
                Some((feature.min_supported_version, feature.max_supported_version))
            };
            for voter in self.config.voters.iter().filter(|voter| **voter != node) {
                match cluster.controllers.get(voter) {
                    None => {
                        return Some(format!(
                            "controller {voter} has not registered, and may not support this feature"
                        ));
                    }
                    Some(one) => {
                        if let Some(why) = judge("Controller", *voter, range(one)) {
                            return Some(why);
                        }
                    }
                }
            }
        }
        None
    }

    fn before_eligible_level(&self, level: i16) -> Vec<MetadataRecord> {
        match (self.image().eligible_leader_replicas_enabled(), level) {
            (true, 0) => self.before_level_without_eligible(),
            (false, 0) => Vec::new(),
            (true, _) => self.before_eligible_leader_replicas(),
            (false, _) => {
                let mut records = self.before_eligible_leader_replicas();
                records.extend(self.before_level_with_eligible());
                records
            }
        }
    }

    /// min.insync.replicas must stand for the whole cluster, and for no single broker.
    fn before_eligible_leader_replicas(&self) -> Vec<MetadataRecord> {
        let mut records = Vec::new();
        if !self.image().properties(&ConfigResource::cluster()).contains_key(MIN_IN_SYNC) {
            records.push(self.static_min_in_sync_replicas());
        }
        for (resource, properties) in self.image().configs.iter() {
            let single = resource.resource_type == ConfigResource::BROKER && !resource.name.is_empty();
            if single && properties.contains_key(MIN_IN_SYNC) {
                records.push(MetadataRecord::Config(ConfigRecord {
                    resource_type: ConfigResource::BROKER,
                    resource_name: resource.name.clone(),
                    name: Str::from_static(MIN_IN_SYNC),
                    value: None,
                }));
            }
        }
        records
    }
}
