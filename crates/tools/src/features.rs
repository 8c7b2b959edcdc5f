//! kafka-features: the features that a cluster knows and those it runs with.

use std::process::ExitCode;

use metadata::features::{METADATA_VERSION, MetadataVersion};

use crate::Stop;
use crate::admin::Admin;
use crate::argparse::{ArgumentLine, Arguments};
use crate::connecting::block_on;
use crate::output::say;
use crate::subcommands::{self, CONFIG, CONTROLLER, SERVER, Subcommand};

const COMMANDS: &[Subcommand] = &[Subcommand {
    name: "describe",
    line: &ArgumentLine {
        program: "kafka-features",
        about: "Shows each feature: the levels that the cluster knows, and the one it runs with.",
        arguments: &[SERVER, CONTROLLER, CONFIG],
        examples: &["--bootstrap-server localhost:9092 describe"],
    },
    run: describe,
}];

pub fn main(arguments: Vec<String>) -> ExitCode {
    subcommands::main("kafka-features", COMMANDS, &[], arguments)
}

fn describe(arguments: &Arguments) -> Result<(), Stop> {
    if !arguments.has("--bootstrap-server") && !arguments.has("--bootstrap-controller") {
        return Err(Stop::error(
            "Command line error: You must specify either --bootstrap-controller or --bootstrap-server.. Type --help for \
             help.",
        ));
    }
    let cluster = subcommands::cluster(arguments)?;
    block_on(async {
        let admin = Admin::reach_cluster(cluster, "describeFeatures").await?;
        let versions = admin.cluster.versions().await?;
        let mut supported = versions.supported_features;
        supported.sort_by(|a, b| a.name.cmp(&b.name));
        for feature in supported {
            let finalized = versions.finalized_features.iter().find(|one| one.name == feature.name);
            let finalized = finalized.map_or(0, |one| one.max_version_level);
            let name = feature.name.as_str();
            say!(
                "Feature: {name:40}  SupportedMinVersion: {:15}  SupportedMaxVersion: {:15}  FinalizedVersionLevel: {:15}  \
                 Epoch: {}",
                level(name, feature.min_version),
                level(name, feature.max_version),
                level(name, finalized),
                versions.finalized_features_epoch
            );
        }
        Ok(())
    })
}

/// The level of metadata.version by its name.
fn level(feature: &str, level: i16) -> String {
    let named = (feature == METADATA_VERSION).then(|| MetadataVersion(level).name()).flatten();
    named.map_or_else(|| level.to_string(), str::to_owned)
}
