//! The tools that come as `kafka-*.sh` with Kafka: the same flags, output, exit codes and error texts.
//! One file or folder a tool, each with a `main`; what they share is in `options`, `argparse`, `connecting`, `output`.

use std::ffi::OsString;
use std::process::ExitCode;

mod admin;
mod argparse;
mod broker_api_versions;
mod cluster;
pub mod completion;
mod configs;
mod connecting;
mod console_consumer;
mod console_producer;
mod consumer_groups;
mod consumer_perf_test;
mod dates;
mod delete_records;
mod dump_log;
mod e2e_latency;
mod features;
mod friendly;
mod get_offsets;
mod groups;
pub mod health;
mod interrupted;
mod java;
mod json;
mod json_input;
mod latencies;
mod leader_election;
pub mod live;
mod log_dirs;
mod metadata_quorum;
mod metadata_shell;
mod options;
mod output;
mod producer_perf_test;
mod reassign;
mod replica_verification;
mod stop;
mod subcommands;
mod throttle;
mod topics;
mod uuid;
mod verifiable_consumer;
mod verifiable_producer;

pub use features::{say_mapping, say_storage_dependencies};
pub use output::end_without_reader;
pub use stop::Stop;

type Main = fn(Vec<String>) -> ExitCode;

/// What a tool's command line may hold, in the three forms that Kafka's have.
enum Line {
    Options(&'static options::CommandLine),
    Arguments(&'static argparse::ArgumentLine),
    Words(&'static [subcommands::Subcommand]),
}

/// Every tool by its name without `kafka-`.
const TOOLS: &[(&str, Main, Line)] = &[
    ("console-consumer", console_consumer::main, Line::Options(&console_consumer::LINE)),
    ("console-producer", console_producer::main, Line::Options(&console_producer::LINE)),
    ("consumer-perf-test", consumer_perf_test::main, Line::Options(&consumer_perf_test::LINE)),
    ("e2e-latency", e2e_latency::main, Line::Options(&e2e_latency::LINE)),
    ("producer-perf-test", producer_perf_test::main, Line::Arguments(&producer_perf_test::LINE)),
    ("verifiable-consumer", verifiable_consumer::main, Line::Arguments(&verifiable_consumer::LINE)),
    ("verifiable-producer", verifiable_producer::main, Line::Arguments(&verifiable_producer::LINE)),
    // what administers a cluster
    ("broker-api-versions", broker_api_versions::main, Line::Options(&broker_api_versions::LINE)),
    ("cluster", cluster::main, Line::Words(cluster::COMMANDS)),
    ("configs", configs::main, Line::Options(&configs::LINE)),
    ("consumer-groups", consumer_groups::main, Line::Options(&consumer_groups::LINE)),
    ("delete-records", delete_records::main, Line::Options(&delete_records::LINE)),
    ("dump-log", dump_log::main, Line::Options(&dump_log::LINE)),
    ("features", features::main, Line::Words(features::COMMANDS)),
    ("get-offsets", get_offsets::main, Line::Options(&get_offsets::LINE)),
    ("groups", groups::main, Line::Options(&groups::LINE)),
    ("leader-election", leader_election::main, Line::Options(&leader_election::LINE)),
    ("log-dirs", log_dirs::main, Line::Options(&log_dirs::LINE)),
    ("metadata-quorum", metadata_quorum::main, Line::Words(metadata_quorum::COMMANDS)),
    ("metadata-shell", metadata_shell::main, Line::Arguments(&metadata_shell::LINE)),
    ("reassign-partitions", reassign::main, Line::Options(&reassign::LINE)),
    ("replica-verification", replica_verification::main, Line::Options(&replica_verification::LINE)),
    ("topics", topics::main, Line::Options(&topics::LINE)),
];

/// Runs the tool of this name (`topics` for kafka-topics.sh); None where there is no such tool.
pub fn run(name: &str, arguments: Vec<OsString>) -> Option<ExitCode> {
    let arguments: Vec<String> =
        arguments.into_iter().map(|argument| argument.to_string_lossy().into_owned()).collect();
    if let Some(ended) = friendly::answer(name, &arguments) {
        return Some(ended);
    }
    if let Some((tool, mut arguments)) = friendly::tool(name, &arguments) {
        if json::KNOWS.contains(&name) {
            let before = arguments.len();
            arguments.retain(|argument| argument != "--json");
            if arguments.len() < before {
                return Some(json::main(tool, &arguments));
            }
        }
        return Some(find(tool)?(arguments));
    }
    Some(find(name)?(arguments))
}

fn find(name: &str) -> Option<Main> {
    TOOLS.iter().find(|(of, ..)| *of == name).map(|(_, main, _)| *main)
}

/// The names that `run` knows.
pub fn names() -> impl Iterator<Item = &'static str> {
    TOOLS.iter().map(|(name, ..)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_help_has_examples() {
        for (name, _, line) in TOOLS {
            match line {
                Line::Options(line) => assert!(!line.examples.is_empty(), "{name}"),
                Line::Arguments(line) => assert!(!line.examples.is_empty(), "{name}"),
                Line::Words(commands) => {
                    let without = commands.iter().find(|command| command.line.examples.is_empty());
                    assert!(without.is_none(), "{name}: {:?}", without.map(|command| command.name));
                }
            }
        }
    }
}
