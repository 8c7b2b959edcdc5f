//! What this program knows of features by itself: the levels of a release, and what levels need.

use metadata::features::{
    ELIGIBLE_LEADER_REPLICAS_VERSION, FEATURES, GROUP_VERSION, KRAFT_VERSION, METADATA_VERSION,
    MetadataVersion, SHARE_VERSION, STREAMS_VERSION, TRANSACTION_VERSION, bootstrap_levels,
};

use super::{pair, release};
use crate::Stop;
use crate::argparse::Arguments;
use crate::output::say;

/// The first release with dynamic voters, 3.9-IV0.
const DYNAMIC_VOTERS: MetadataVersion = MetadataVersion(21);

/// As Kafka's tool lists them.
const ORDER: [&str; 6] = [
    KRAFT_VERSION,
    TRANSACTION_VERSION,
    GROUP_VERSION,
    ELIGIBLE_LEADER_REPLICAS_VERSION,
    SHARE_VERSION,
    STREAMS_VERSION,
];

pub fn version_mapping(arguments: &Arguments) -> Result<(), Stop> {
    say_mapping(arguments.value("--release-version"))
}

/// The levels of a release, under the name that it was asked by; also for kafka-storage.
pub fn say_mapping(text: Option<&str>) -> Result<(), Stop> {
    let version = text.map_or(Ok(MetadataVersion::LATEST_PRODUCTION), release)?;
    let name = text.or_else(|| version.name()).unwrap_or_default();
    say!("{METADATA_VERSION}={} ({name})", version.0);
    for feature in ORDER {
        say!("{feature}={}", level_at(feature, version));
    }
    Ok(())
}

/// The level that a fresh cluster of this release has.
pub fn level_at(feature: &str, version: MetadataVersion) -> i16 {
    match feature {
        METADATA_VERSION => version.0,
        KRAFT_VERSION => i16::from(version >= DYNAMIC_VOTERS),
        _ => bootstrap_levels(version)
            .into_iter()
            .find(|(name, _)| *name == feature)
            .map_or(0, |(_, level)| level),
    }
}

/// All features by name.
pub fn all() -> Vec<&'static str> {
    let mut all: Vec<&str> = ORDER.into_iter().chain([METADATA_VERSION]).collect();
    all.sort_unstable();
    all
}

pub fn dependencies(arguments: &Arguments) -> Result<(), Stop> {
    for text in arguments.values("--feature") {
        for line in needs(text)? {
            say!("{line}");
        }
    }
    Ok(())
}

/// The same for kafka-storage, whose errors are others.
pub fn say_storage_dependencies<'a>(features: impl Iterator<Item = &'a str>) -> Result<(), Stop> {
    for text in features {
        for line in storage_needs(text)? {
            say!("{line}");
        }
    }
    Ok(())
}

fn needs(text: &str) -> Result<Vec<String>, Stop> {
    let (name, level) = pair(text)?;
    needs_of(name, level, || format!("No feature:{name} with feature level {level}"))
}

fn storage_needs(text: &str) -> Result<Vec<String>, Stop> {
    let (name, level) = text.split_once('=').ok_or_else(|| {
        let form = "Expected format: 'feature=version' (e.g. 'group.version=1')";
        Stop::error(format!("Invalid feature format: {text}. {form}"))
    })?;
    let invalid = |_| Stop::error(format!("Invalid version format: {level} for feature {name}"));
    let level = level.parse().map_err(invalid)?;
    needs_of(name, level, || format!("Feature level {level} is not supported for feature {name}"))
}

fn needs_of(name: &str, level: i16, no_level: impl Fn() -> String) -> Result<Vec<String>, Stop> {
    if name == METADATA_VERSION {
        let version = MetadataVersion(level).name();
        let version = version.ok_or_else(|| Stop::error(format!("Unknown metadata.version {level}")))?;
        return Ok(vec![format!("{name}={level} ({version}) has no dependencies.")]);
    }
    let feature = FEATURES.iter().find(|feature| feature.name == name);
    let most = match (name, feature) {
        (KRAFT_VERSION, _) => 1,
        (_, Some(feature)) => feature.max,
        _ => return Err(Stop::error(format!("Unknown feature: {name}"))),
    };
    if !(0..=most).contains(&level) {
        return Err(Stop::error(no_level()));
    }
    let needed = feature.map_or(&[][..], |feature| feature.needs);
    let needed = needed.iter().filter(|(at, _)| *at <= level).map(|(_, needed)| *needed).max();
    Ok(match needed {
        None => vec![format!("{name}={level} has no dependencies.")],
        Some(needed) => {
            let version = MetadataVersion(needed).name().unwrap_or_default();
            vec![format!("{name}={level} requires:"), format!("    {METADATA_VERSION}={needed} ({version})")]
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_go_with_releases_as_in_kafka() {
        for (release, expected) in
            [("4.3-IV0", [1, 2, 1, 1, 1, 1]), ("4.0-IV3", [1, 2, 1, 0, 0, 0]), ("3.8-IV0", [0; 6])]
        {
            let version = MetadataVersion::from_name(release).unwrap();
            assert_eq!(ORDER.map(|feature| level_at(feature, version)), expected, "{release}");
        }
    }

    #[test]
    fn needs_are_said_as_kafka_says_them() {
        let error = |text: &str| Err(Stop::error(text));
        for (text, expected) in [
            ("transaction.version=2", Ok(vec!["transaction.version=2 has no dependencies."])),
            ("kraft.version=1", Ok(vec!["kraft.version=1 has no dependencies."])),
            ("metadata.version=30", Ok(vec!["metadata.version=30 (4.3-IV0) has no dependencies."])),
            (
                "eligible.leader.replicas.version=1",
                Ok(vec!["eligible.leader.replicas.version=1 requires:", "    metadata.version=23 (4.0-IV1)"]),
            ),
            ("foo=2", error("Unknown feature: foo")),
            ("metadata.version=99", error("Unknown metadata.version 99")),
            ("share.version=9", error("No feature:share.version with feature level 9")),
            (
                "share.version",
                error("Can't parse feature=level string share.version: equals sign not found."),
            ),
            (
                "share.version=x",
                error("Can't parse feature=level string share.version=x: unable to parse x as a short."),
            ),
        ] {
            let expected = expected.map(|lines: Vec<&str>| lines.into_iter().map(String::from).collect());
            assert_eq!(needs(text), expected, "{text}");
        }
        for (text, expected) in [
            ("share.version=1", Ok(vec!["share.version=1 has no dependencies."])),
            ("share.version=9", error("Feature level 9 is not supported for feature share.version")),
            ("share.version=x", error("Invalid version format: x for feature share.version")),
            ("metadata.version=3", error("Unknown metadata.version 3")),
            ("=1", error("Unknown feature: ")),
            (
                "share.version",
                error(
                    "Invalid feature format: share.version. Expected format: 'feature=version' (e.g. 'group.version=1')",
                ),
            ),
        ] {
            let expected = expected.map(|lines: Vec<&str>| lines.into_iter().map(String::from).collect());
            assert_eq!(storage_needs(text), expected, "{text}");
        }
    }
}
