//! kafka-reassign-partitions: moves replicas to other brokers and log directories while clients go on.
//!
//! `plan` reads and writes the JSON of an assignment, `cluster` asks the brokers, `throttles` limits what moving may cost,
//! `log_dirs` are moves between directories of one broker; the rest is an action a file.

mod cluster;
mod execute;
mod generate;
mod log_dirs;
mod options;
mod plan;
mod throttles;
mod verify;

use std::process::ExitCode;

use client::Error;
use protocol::ErrorCode;

use crate::Stop;
use crate::admin::{Place, java_text, joined};
use crate::connecting::block_on;
use crate::options::Parsed;
use crate::output::say;

pub use options::LINE;

pub fn main(arguments: Vec<String>) -> ExitCode {
    crate::options::main(&LINE, arguments, run)
}

/// How an action ends before its work is done; both are said on standard output.
enum Failed {
    /// As it is.
    Plainly(String),
    /// Behind `Error: `.
    Error(String),
}

impl From<Error> for Failed {
    fn from(error: Error) -> Failed {
        Failed::Error(java_text(&error))
    }
}

impl From<Stop> for Failed {
    fn from(stop: Stop) -> Failed {
        match stop {
            Stop::Usage(text) | Stop::Error(text) => Failed::Error(text),
            Stop::Code(code) => Failed::Error(format!("exit code {code}")),
        }
    }
}

impl Failed {
    fn unknown_partition(text: String) -> Failed {
        Error::Broker(ErrorCode::UnknownTopicOrPartition, Some(text)).into()
    }
}

fn run(parsed: &Parsed) -> Result<(), Stop> {
    let action = options::check(parsed)?;
    let said = match act(parsed, action) {
        Ok(()) => return Ok(()),
        Err(Failed::Plainly(text)) => text,
        Err(Failed::Error(text)) => format!("Error: {text}"),
    };
    say!("{said}");
    Err(Stop::Code(1))
}

fn act(parsed: &Parsed, action: &str) -> Result<(), Failed> {
    let file = |option: &str| -> Result<String, Failed> {
        crate::json_input::file(parsed.needed(option)?).map_err(Failed::Error)
    };
    let mut text = String::new();
    match action {
        "generate" => text = file("topics-to-move-json-file")?,
        "list" => {}
        _ => text = file("reassignment-json-file")?,
    }
    let limits = throttles::Limits::of(parsed)?;
    let patience = log_dirs::patience(parsed)?;
    let outcome = block_on(async {
        let admin = crate::admin::reach(parsed, "listPartitionReassignments").await?;
        Ok(match action {
            "generate" => {
                let brokers = parsed.needed("broker-list")?;
                generate::run(&admin, &text, brokers, !parsed.has("disable-rack-aware")).await
            }
            "execute" => {
                let wishes = execute::Wishes {
                    additional: parsed.has("additional"),
                    same_factor: parsed.has("disallow-replication-factor-change"),
                    limits,
                    patience,
                };
                execute::run(&admin, &text, &wishes).await
            }
            "verify" => verify::run(&admin, &text, parsed.has("preserve-throttles")).await,
            "cancel" => execute::cancel(&admin, &text, parsed.has("preserve-throttles"), patience).await,
            _ => verify::list(&admin).await,
        })
    });
    outcome?
}

/// `topic-partition`.
fn name((topic, partition): &Place) -> String {
    format!("{topic}-{partition}")
}

/// Several of them, by commas.
fn names<'a>(places: impl IntoIterator<Item = &'a Place>) -> String {
    places.into_iter().map(name).collect::<Vec<_>>().join(",")
}

/// An `s` where there are none or many.
fn plural(count: usize) -> &'static str {
    if count == 1 { "" } else { "s" }
}

/// Numbers as Java shows a list.
fn bracketed(numbers: &[i32]) -> String {
    format!("[{}]", joined(numbers).replace(',', ", "))
}
