//! kafka-features: the features that a cluster supports and has finalized, their change, and what goes with a release.

mod describe;
mod look_up;
mod update;

pub use look_up::{say_mapping, say_storage_dependencies};

use std::process::ExitCode;

use metadata::features::{METADATA_VERSION, MetadataVersion};

use crate::Stop;
use crate::argparse::{Argument, ArgumentLine, Arguments, switch, value};
use crate::subcommands::{self, CONFIG, CONTROLLER, SERVER, Subcommand};

const METADATA: Argument =
    value("--metadata", "release", "Deprecated: the level of metadata.version, such as 4.3-IV0.");
const RELEASE: Argument =
    value("--release-version", "release", "The release whose levels all features get, such as 4.3-IV0.");
const FEATURE: Argument = value("--feature", "feature=level", "A feature and its level; may be given again.");
const UNSAFE: Argument = switch("--unsafe", "Also where metadata would be lost for good.");
const DRY_RUN: Argument = switch("--dry-run", "Says what would come of it, and changes nothing.");

pub const COMMANDS: &[Subcommand] = &[
    Subcommand {
        name: "describe",
        line: &ArgumentLine {
            program: "kafka-features",
            about: "Shows each feature: the levels that the cluster knows, and the one it runs with.",
            arguments: &[
                SERVER,
                CONTROLLER,
                CONFIG,
                value("--node-id", "id", "The node to ask (default: any)."),
            ],
            examples: &["--bootstrap-server localhost:9092 describe"],
        },
        run: describe::run,
    },
    Subcommand {
        name: "upgrade",
        line: &ArgumentLine {
            program: "kafka-features",
            about: "Raises features to higher levels.",
            arguments: &[SERVER, CONTROLLER, CONFIG, METADATA, RELEASE, FEATURE, DRY_RUN],
            examples: &[
                "--bootstrap-server localhost:9092 upgrade --release-version 4.3-IV0",
                "--bootstrap-server localhost:9092 upgrade --feature group.version=1 --dry-run",
            ],
        },
        run: update::upgrade,
    },
    Subcommand {
        name: "downgrade",
        line: &ArgumentLine {
            program: "kafka-features",
            about: "Lowers features to lower levels.",
            arguments: &[SERVER, CONTROLLER, CONFIG, METADATA, RELEASE, FEATURE, UNSAFE, DRY_RUN],
            examples: &["--bootstrap-server localhost:9092 downgrade --feature share.version=0"],
        },
        run: update::downgrade,
    },
    Subcommand {
        name: "disable",
        line: &ArgumentLine {
            program: "kafka-features",
            about: "Turns features off: the same as lowering them to level 0.",
            arguments: &[
                SERVER,
                CONTROLLER,
                CONFIG,
                value("--feature", "feature", "A feature; may be given again."),
                UNSAFE,
                DRY_RUN,
            ],
            examples: &["--bootstrap-server localhost:9092 disable --feature share.version"],
        },
        run: update::disable,
    },
    Subcommand {
        name: "version-mapping",
        line: &ArgumentLine {
            program: "kafka-features",
            about: "Shows the level of each feature that goes with a release. Asks no cluster.",
            arguments: &[
                SERVER,
                CONTROLLER,
                CONFIG,
                value("--release-version", "release", "The release (default: 4.3-IV0)."),
            ],
            examples: &["version-mapping --release-version 4.2-IV1"],
        },
        run: look_up::version_mapping,
    },
    Subcommand {
        name: "feature-dependencies",
        line: &ArgumentLine {
            program: "kafka-features",
            about: "Shows what levels of features need of others. Asks no cluster.",
            arguments: &[SERVER, CONTROLLER, CONFIG, FEATURE.required()],
            examples: &["feature-dependencies --feature eligible.leader.replicas.version=1"],
        },
        run: look_up::dependencies,
    },
];

pub fn main(arguments: Vec<String>) -> ExitCode {
    subcommands::main("kafka-features", COMMANDS, arguments)
}

/// Refuses a line that names neither brokers nor controllers.
fn check_servers(arguments: &Arguments) -> Result<(), Stop> {
    match arguments.has("--bootstrap-server") || arguments.has("--bootstrap-controller") {
        true => Ok(()),
        false => Err(Stop::usage("You must specify either --bootstrap-controller or --bootstrap-server.")),
    }
}

/// `feature=level`.
fn pair(text: &str) -> Result<(&str, i16), Stop> {
    let wrong = |why: String| Stop::error(format!("Can't parse feature=level string {text}: {why}"));
    let (name, level) = text.split_once('=').ok_or_else(|| wrong("equals sign not found.".to_owned()))?;
    let (name, level) = (name.trim(), level.trim());
    let level = level.parse().map_err(|_| wrong(format!("unable to parse {level} as a short.")))?;
    Ok((name, level))
}

/// Also one that is not stable: whether the cluster takes it is the cluster's to say.
fn release(text: &str) -> Result<MetadataVersion, Stop> {
    MetadataVersion::supported_by_name(text, true).map_err(Stop::error)
}

/// The level of metadata.version by its name.
fn level(feature: &str, level: i16) -> String {
    let named = (feature == METADATA_VERSION).then(|| MetadataVersion(level).name()).flatten();
    named.map_or_else(|| level.to_string(), str::to_owned)
}
