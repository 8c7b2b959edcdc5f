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
    let version = match arguments.value("--release-version") {
        Some(text) => release(text)?,
        None => MetadataVersion::LATEST_PRODUCTION,
    };
    say!("{METADATA_VERSION}={} ({})", version.0, version.name().unwrap_or_default());
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

fn needs(text: &str) -> Result<Vec<String>, Stop> {
    let (name, level) = pair(text)?;
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
        return Err(Stop::error(format!("No feature:{name} with feature level {level}")));
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
            let expected = expected.map(|lines| lines.into_iter().map(String::from).collect());
            assert_eq!(needs(text), expected, "{text}");
        }
    }
}
