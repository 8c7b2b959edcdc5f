//! `upgrade`, `downgrade`, `disable`: one request for all features named; the cluster changes all or none.

use std::collections::BTreeMap;

use client::Error;
use metadata::features::METADATA_VERSION;
use protocol::messages::update_features_request::{FeatureUpdateKey, UpdateFeaturesRequest};
use protocol::{ErrorCode, Str};

use super::look_up::{all, level_at};
use super::{check_servers, pair, release};
use crate::Stop;
use crate::admin::Admin;
use crate::argparse::Arguments;
use crate::connecting::block_on;
use crate::output::say;
use crate::subcommands;

const TIMEOUT_MS: i32 = 60_000;

/// Level by feature.
type Levels = BTreeMap<String, i16>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verb {
    Upgrade,
    Downgrade,
    Disable,
}

impl Verb {
    fn name(self) -> &'static str {
        match self {
            Verb::Upgrade => "upgrade",
            Verb::Downgrade => "downgrade",
            Verb::Disable => "disable",
        }
    }

    /// The protocol's: up, down where nothing is lost, down in any case.
    fn upgrade_type(self, is_unsafe: bool) -> i8 {
        match (self, is_unsafe) {
            (Verb::Upgrade, _) => 1,
            (_, false) => 2,
            (_, true) => 3,
        }
    }

    /// What came, or would come, of one feature.
    fn outcome(self, (feature, level): (&str, i16), dry_run: bool, failure: Option<&str>) -> String {
        let to = match self {
            Verb::Disable => String::new(),
            _ => format!(" to {level}"),
        };
        let name = self.name();
        match (dry_run, failure) {
            (false, None) => format!("{feature} was {name}d{to}."),
            (true, None) => format!("{feature} can be {name}d{to}."),
            (false, Some(why)) => format!("Could not {name} {feature}{to}. {why}"),
            (true, Some(why)) => format!("Can not {name} {feature}{to}. {why}"),
        }
    }
}

pub fn upgrade(arguments: &Arguments) -> Result<(), Stop> {
    check_servers(arguments)?;
    update(arguments, Verb::Upgrade, wanted(arguments, Verb::Upgrade)?)
}

pub fn downgrade(arguments: &Arguments) -> Result<(), Stop> {
    check_servers(arguments)?;
    update(arguments, Verb::Downgrade, wanted(arguments, Verb::Downgrade)?)
}

pub fn disable(arguments: &Arguments) -> Result<(), Stop> {
    check_servers(arguments)?;
    let mut levels = Levels::new();
    for feature in arguments.values("--feature") {
        add(&mut levels, feature, 0)?;
    }
    check_some(&levels, Verb::Disable)?;
    update(arguments, Verb::Disable, levels)
}

/// What --release-version, or --metadata and --feature, ask for.
fn wanted(arguments: &Arguments, verb: Verb) -> Result<Levels, Stop> {
    let mut levels = Levels::new();
    if let Some(text) = arguments.value("--release-version") {
        if arguments.has("--metadata") || arguments.has("--feature") {
            return Err(Stop::error("Can not specify `release-version` with other feature flags."));
        }
        let version = release(text)?;
        for feature in all() {
            let level = level_at(feature, version);
            // 0 is nothing to rise to
            if level > 0 || verb != Verb::Upgrade {
                levels.insert(feature.to_owned(), level);
            }
        }
        return Ok(levels);
    }
    if let Some(text) = arguments.value("--metadata") {
        say!(" `metadata` flag is deprecated and may be removed in a future release.");
        levels.insert(METADATA_VERSION.to_owned(), release(text)?.0);
    }
    for text in arguments.values("--feature") {
        let (feature, level) = pair(text)?;
        check_level(verb, level)?;
        add(&mut levels, feature, level)?;
    }
    check_some(&levels, verb)?;
    Ok(levels)
}

fn check_level(verb: Verb, level: i16) -> Result<(), Stop> {
    match level {
        0 if verb == Verb::Upgrade => Err(Stop::error(
            "The upgradeType flag should be set to SAFE_DOWNGRADE or UNSAFE_DOWNGRADE when the provided maxVersionLevel:0 \
             is < 1.",
        )),
        ..0 => Err(Stop::error("Cannot specify a negative version level.")),
        _ => Ok(()),
    }
}

fn add(levels: &mut Levels, feature: &str, level: i16) -> Result<(), Stop> {
    match levels.insert(feature.to_owned(), level) {
        None => Ok(()),
        Some(_) => Err(Stop::error(format!("Feature {feature} was specified more than once."))),
    }
}

fn check_some(levels: &Levels, verb: Verb) -> Result<(), Stop> {
    match levels.is_empty() {
        true => Err(Stop::error(format!("You must specify at least one feature to {}", verb.name()))),
        false => Ok(()),
    }
}

fn update(arguments: &Arguments, verb: Verb, levels: Levels) -> Result<(), Stop> {
    let dry_run = arguments.has("--dry-run");
    let upgrade_type = verb.upgrade_type(arguments.has("--unsafe"));
    let row = |(feature, level): (&String, &i16)| FeatureUpdateKey {
        feature: Str::from(feature.as_str()),
        max_version_level: *level,
        // of version 0, which knew no more
        allow_downgrade: false,
        upgrade_type,
    };
    let request = UpdateFeaturesRequest {
        timeout_ms: TIMEOUT_MS,
        feature_updates: levels.iter().map(row).collect(),
        validate_only: dry_run,
    };
    let cluster = subcommands::cluster(arguments)?;
    let failures = block_on(async {
        let admin = crate::admin::reach_cluster(cluster, "updateFeatures").await?;
        ask(&admin, &request, &levels).await
    })?;
    for (feature, level) in &levels {
        let failure = failures.get(feature.as_str()).map(String::as_str);
        say!("{}", verb.outcome((feature, *level), dry_run, failure));
    }
    match failures.len() {
        0 => Ok(()),
        failed => Err(Stop::error(format!("{failed} out of {} operation(s) failed.", levels.len()))),
    }
}

/// Why features were not changed. The controller may have moved: who is not it says so.
async fn ask(
    admin: &Admin,
    request: &UpdateFeaturesRequest,
    levels: &Levels,
) -> Result<BTreeMap<String, String>, Stop> {
    let response = admin.call(request).await?;
    if response.error_code != ErrorCode::None.code() {
        let error =
            Error::Broker(response.error_code.into(), response.error_message.map(|text| text.to_string()));
        return Ok(levels.keys().map(|feature| (feature.clone(), error.to_string())).collect());
    }
    let failed = response.results.iter().filter_map(|result| {
        let error = Error::check(result.error_code, result.error_message.as_ref()).err()?;
        Some((result.feature.to_string(), error.to_string()))
    });
    Ok(failed.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features::COMMANDS;

    fn parsed(verb: &str, line: &[&str]) -> Arguments {
        let command = COMMANDS.iter().find(|command| command.name == verb).unwrap();
        let words: Vec<String> = line.iter().map(|word| (*word).to_owned()).collect();
        Arguments::parse(command.line.arguments, &words).unwrap()
    }

    #[test]
    fn what_is_asked_for() {
        let error = |text: &str| Err(Stop::error(text));
        let release = "--release-version=4.0-IV0";
        for (verb, line, expected) in [
            (Verb::Upgrade, vec![release], Ok("group.version=1 kraft.version=1 metadata.version=22")),
            (Verb::Upgrade, vec!["--feature", "a=1", "--feature", " b = 2"], Ok("a=1 b=2")),
            (Verb::Upgrade, vec!["--metadata", "4.2"], Ok("metadata.version=29")),
            (
                Verb::Upgrade,
                vec!["--metadata", "4.2", "--feature", "metadata.version=30"],
                error("Feature metadata.version was specified more than once."),
            ),
            (
                Verb::Downgrade,
                vec![release, "--feature", "a=1"],
                error("Can not specify `release-version` with other feature flags."),
            ),
            (Verb::Downgrade, vec![], error("You must specify at least one feature to downgrade")),
        ] {
            let levels = wanted(&parsed(verb.name(), &line), verb).map(|levels| {
                let pairs: Vec<String> =
                    levels.iter().map(|(name, level)| format!("{name}={level}")).collect();
                pairs.join(" ")
            });
            assert_eq!(levels, expected.map(String::from), "{line:?}");
        }
    }

    #[test]
    fn outcomes_are_said_as_kafka_says_them() {
        for (verb, dry_run, failure, expected) in [
            (Verb::Upgrade, false, None, "f was upgraded to 1."),
            (Verb::Downgrade, true, None, "f can be downgraded to 1."),
            (Verb::Disable, false, None, "f was disabled."),
            (Verb::Upgrade, true, Some("No."), "Can not upgrade f to 1. No."),
            (Verb::Disable, false, Some("No."), "Could not disable f. No."),
        ] {
            assert_eq!(verb.outcome(("f", 1), dry_run, failure), expected);
        }
    }
}
