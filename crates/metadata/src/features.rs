//! Features and their levels: `metadata.version` by name, what a level allows, and the other features' dependencies.

use protocol::records::metadata::MetadataRecord;

/// A level of `metadata.version`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct MetadataVersion(pub i16);

pub const METADATA_VERSION: &str = "metadata.version";
pub const KRAFT_VERSION: &str = "kraft.version";
pub const TRANSACTION_VERSION: &str = "transaction.version";
pub const GROUP_VERSION: &str = "group.version";
pub const ELIGIBLE_LEADER_REPLICAS_VERSION: &str = "eligible.leader.replicas.version";
pub const SHARE_VERSION: &str = "share.version";
pub const STREAMS_VERSION: &str = "streams.version";

/// Level, name, and whether its records differ from the level before it.
const LEVELS: &[(i16, &str, bool)] = &[
    (7, "3.3-IV3", true),
    (8, "3.4-IV0", true),
    (9, "3.5-IV0", false),
    (10, "3.5-IV1", false),
    (11, "3.5-IV2", true),
    (12, "3.6-IV0", false),
    (13, "3.6-IV1", true),
    (14, "3.6-IV2", true),
    (15, "3.7-IV0", true),
    (16, "3.7-IV1", false),
    (17, "3.7-IV2", true),
    (18, "3.7-IV3", false),
    (19, "3.7-IV4", false),
    (20, "3.8-IV0", false),
    (21, "3.9-IV0", false),
    (22, "4.0-IV0", false),
    (23, "4.0-IV1", true),
    (24, "4.0-IV2", false),
    (25, "4.0-IV3", false),
    (26, "4.1-IV0", false),
    (27, "4.1-IV1", false),
    (28, "4.2-IV0", false),
    (29, "4.2-IV1", false),
    (30, "4.3-IV0", true),
    (31, "4.4-IV0", false),
];

impl MetadataVersion {
    pub const MINIMUM: MetadataVersion = MetadataVersion(7);
    /// The highest that is understood. Those above [`MetadataVersion::LATEST_PRODUCTION`] are unstable.
    pub const MAXIMUM: MetadataVersion = MetadataVersion(31);
    /// What a fresh cluster gets: 4.3-IV0.
    pub const LATEST_PRODUCTION: MetadataVersion = MetadataVersion(30);

    pub fn name(self) -> Option<&'static str> {
        LEVELS.iter().find(|(level, ..)| *level == self.0).map(|(_, name, _)| *name)
    }

    /// By name (`4.3-IV0`) or release (`4.3`, the highest level of it).
    pub fn from_name(text: &str) -> Option<MetadataVersion> {
        let exact = LEVELS.iter().find(|(_, name, _)| *name == text);
        let release: String = text.split('.').take(2).collect::<Vec<_>>().join(".") + "-";
        let newest = || LEVELS.iter().rev().find(|(_, name, _)| name.starts_with(&release));
        exact.or_else(newest).map(|(level, ..)| MetadataVersion(*level))
    }

    /// The highest of a node; `unstable`: its `unstable.feature.versions.enable`.
    pub fn highest(unstable: bool) -> MetadataVersion {
        if unstable { MetadataVersion::MAXIMUM } else { MetadataVersion::LATEST_PRODUCTION }
    }

    /// The same as [`MetadataVersion::from_name`], of those that a node works with; the error is Kafka's.
    pub fn supported_by_name(text: &str, unstable: bool) -> Result<MetadataVersion, String> {
        let highest = MetadataVersion::highest(unstable);
        MetadataVersion::from_name(text).filter(|version| *version <= highest).ok_or_else(|| {
            let all = (MetadataVersion::MINIMUM.0..=highest.0).map(MetadataVersion);
            let names: Vec<&str> = all.filter_map(MetadataVersion::name).collect();
            format!("Unknown metadata.version '{text}'. Supported metadata.version are: {}", names.join(", "))
        })
    }

    /// Whether a downgrade from here to `lower` would have to rewrite records.
    pub fn loses_records_by_downgrade_to(self, lower: MetadataVersion) -> bool {
        LEVELS.iter().any(|(level, _, changed)| *changed && *level > lower.0 && *level <= self.0)
    }

    pub fn supports_scram(self) -> bool {
        self.0 >= 11
    }

    pub fn supports_metadata_transactions(self) -> bool {
        self.0 >= 13
    }

    pub fn supports_controller_registration(self) -> bool {
        self.0 >= 15
    }

    pub fn supports_directories(self) -> bool {
        self.0 >= 17
    }

    pub fn supports_eligible_leader_replicas(self) -> bool {
        self.0 >= 23
    }

    pub fn supports_cordoned_directories(self) -> bool {
        self.0 >= 30
    }

    /// Below 3.6-IV0 a shrink of the in-sync replicas is a new leader epoch.
    pub fn bumps_leader_epoch_on_shrink(self) -> bool {
        self.0 < 12
    }

    fn register_broker_record_version(self) -> i16 {
        match self.0 {
            30.. => 4,
            17.. => 3,
            8.. => 2,
            _ => 1,
        }
    }

    fn partition_record_version(self) -> i16 {
        match self.0 {
            23.. => 2,
            17.. => 1,
            _ => 0,
        }
    }
}

/// The version a record is written in.
pub fn record_version(record: &MetadataRecord, metadata_version: MetadataVersion) -> i16 {
    match record {
        MetadataRecord::RegisterBroker(_) => metadata_version.register_broker_record_version(),
        MetadataRecord::Partition(_) | MetadataRecord::PartitionChange(_) => {
            metadata_version.partition_record_version()
        }
        MetadataRecord::BrokerRegistrationChange(change) if change.cordoned_log_dirs.is_some() => 3,
        MetadataRecord::BrokerRegistrationChange(change) if !change.log_dirs.is_empty() => 2,
        MetadataRecord::BrokerRegistrationChange(change) if change.in_controlled_shutdown != 0 => 1,
        _ => 0,
    }
}

/// One feature: levels, and what each level needs of another.
pub struct Feature {
    pub name: &'static str,
    pub max: i16,
    /// Level, metadata.version at which a fresh cluster gets it.
    pub bootstrap: &'static [(i16, i16)],
    /// Level, least metadata.version.
    pub needs: &'static [(i16, i16)],
}

/// All but `metadata.version` and `kraft.version`, by name.
pub const FEATURES: &[Feature] = &[
    Feature { name: ELIGIBLE_LEADER_REPLICAS_VERSION, max: 1, bootstrap: &[(1, 26)], needs: &[(1, 23)] },
    Feature { name: GROUP_VERSION, max: 1, bootstrap: &[(1, 22)], needs: &[] },
    Feature { name: SHARE_VERSION, max: 1, bootstrap: &[(1, 28)], needs: &[] },
    Feature { name: STREAMS_VERSION, max: 1, bootstrap: &[(1, 29)], needs: &[] },
    Feature { name: TRANSACTION_VERSION, max: 2, bootstrap: &[(1, 24), (2, 24)], needs: &[] },
];

/// Whether a node works with levels that are not stable yet. Of today's features `metadata.version` alone has any.
pub const UNSTABLE_ENABLE: &str = "unstable.feature.versions.enable";

/// Levels that a node works with: name, least, most. `unstable`: its `unstable.feature.versions.enable`.
pub fn supported_features(unstable: bool) -> Vec<(&'static str, i16, i16)> {
    let mut all = vec![
        (METADATA_VERSION, MetadataVersion::MINIMUM.0, MetadataVersion::highest(unstable).0),
        (KRAFT_VERSION, 0, 1),
    ];
    all.extend(FEATURES.iter().map(|feature| (feature.name, 0, feature.max)));
    all.sort();
    all
}

/// What a fresh cluster of this version finalizes, `metadata.version` first, in the order Kafka writes them.
pub fn bootstrap_levels(metadata_version: MetadataVersion) -> Vec<(&'static str, i16)> {
    let mut levels = vec![(METADATA_VERSION, metadata_version.0)];
    for feature in FEATURES {
        let level =
            feature.bootstrap.iter().filter(|(_, at)| *at <= metadata_version.0).map(|(level, _)| *level);
        if let Some(level) = level.max() {
            levels.push((feature.name, level));
        }
    }
    levels
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_levels() {
        for (text, level) in
            [("4.3-IV0", Some(30)), ("4.3", Some(30)), ("4.0", Some(25)), ("3.3-IV3", Some(7)), ("2.8", None)]
        {
            assert_eq!(MetadataVersion::from_name(text).map(|version| version.0), level, "{text}");
        }
        assert!(MetadataVersion(30).loses_records_by_downgrade_to(MetadataVersion(29)));
        assert!(!MetadataVersion(29).loses_records_by_downgrade_to(MetadataVersion(23)));
    }

    #[test]
    fn a_level_that_is_not_stable_must_be_enabled() {
        for (text, unstable, expected) in [
            ("4.3", false, Ok(30)),
            ("4.4-IV0", true, Ok(31)),
            ("4.4", true, Ok(31)),
            ("4.4-IV0", false, Err(", 4.2-IV1, 4.3-IV0")),
            ("4.4", false, Err(", 4.2-IV1, 4.3-IV0")),
            ("9.4", true, Err(", 4.3-IV0, 4.4-IV0")),
        ] {
            match (MetadataVersion::supported_by_name(text, unstable), expected) {
                (Ok(version), Ok(level)) => assert_eq!(version.0, level, "{text}"),
                (Err(error), Err(end)) => {
                    let start = format!(
                        "Unknown metadata.version '{text}'. Supported metadata.version are: 3.3-IV3, "
                    );
                    assert!(error.starts_with(&start) && error.ends_with(end), "{error}");
                }
                (found, _) => panic!("{text}: {found:?}"),
            }
        }
        let (stable, unstable) = (supported_features(false), supported_features(true));
        let differing: Vec<_> = stable.iter().zip(&unstable).filter(|(one, other)| one != other).collect();
        assert_eq!(differing, [(&(METADATA_VERSION, 7, 30), &(METADATA_VERSION, 7, 31))]);
    }

    #[test]
    fn a_fresh_cluster_is_like_kafkas() {
        let levels = bootstrap_levels(MetadataVersion::LATEST_PRODUCTION);
        assert_eq!(
            levels,
            [
                ("metadata.version", 30),
                ("eligible.leader.replicas.version", 1),
                ("group.version", 1),
                ("share.version", 1),
                ("streams.version", 1),
                ("transaction.version", 2)
            ]
        );
    }
}
