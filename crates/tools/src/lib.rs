//! The tools that come as `kafka-*.sh` with Kafka: the same flags, output, exit codes and error texts.
//! One file or folder a tool, each with a `main`; what they share is in `options`, `argparse`, `connecting`, `output`.

use std::ffi::OsString;
use std::process::ExitCode;

mod admin;
mod argparse;
mod broker_api_versions;
mod cluster;
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
mod interrupted;
mod java;
mod latencies;
mod log_dirs;
mod metadata_quorum;
mod options;
mod output;
mod producer_perf_test;
mod stop;
mod subcommands;
mod throttle;
mod topics;
mod uuid;
mod verifiable_consumer;
mod verifiable_producer;

use stop::Stop;

type Main = fn(Vec<String>) -> ExitCode;

/// Every tool by its name without `kafka-`.
const TOOLS: &[(&str, Main)] = &[
    ("console-consumer", console_consumer::main),
    ("console-producer", console_producer::main),
    ("consumer-perf-test", consumer_perf_test::main),
    ("e2e-latency", e2e_latency::main),
    ("producer-perf-test", producer_perf_test::main),
    ("verifiable-consumer", verifiable_consumer::main),
    ("verifiable-producer", verifiable_producer::main),
    // what administers a cluster
    ("broker-api-versions", broker_api_versions::main),
    ("cluster", cluster::main),
    ("configs", configs::main),
    ("consumer-groups", consumer_groups::main),
    ("delete-records", delete_records::main),
    ("dump-log", dump_log::main),
    ("features", features::main),
    ("get-offsets", get_offsets::main),
    ("groups", groups::main),
    ("log-dirs", log_dirs::main),
    ("metadata-quorum", metadata_quorum::main),
    ("topics", topics::main),
];

/// Runs the tool of this name (`topics` for kafka-topics.sh); None where there is no such tool.
pub fn run(name: &str, arguments: Vec<OsString>) -> Option<ExitCode> {
    let arguments: Vec<String> =
        arguments.into_iter().map(|argument| argument.to_string_lossy().into_owned()).collect();
    let (name, arguments) = friendly::tool(name, &arguments).unwrap_or((tool_name(name)?, arguments));
    let (_, main) = TOOLS.iter().find(|(of, _)| *of == name)?;
    Some(main(arguments))
}

fn tool_name(name: &str) -> Option<&'static str> {
    names().find(|of| *of == name)
}

/// The names that `run` knows.
pub fn names() -> impl Iterator<Item = &'static str> {
    TOOLS.iter().map(|(name, _)| *name)
}
