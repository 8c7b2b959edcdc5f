//! kafka-log-dirs: what the log directories of brokers hold, as one line of JSON.

use std::process::ExitCode;

use client::Error;
use protocol::messages::describe_log_dirs_response::DescribeLogDirsResult;
use protocol::messages::{DescribeLogDirsRequest, DescribeLogDirsResponse};
use serde_json::{Value, json};

use crate::Stop;
use crate::admin::{java_text, joined};
use crate::connecting::block_on;
use crate::options::{CommandLine, Opt, Parsed, flag, text};
use crate::output::say;

pub const LINE: CommandLine = CommandLine {
    name: "log-dirs",
    about: "This tool helps to query log directory usage on the specified brokers.",
    options: OPTIONS,
    examples: &["--bootstrap-server localhost:9092 --describe --topic-list events,orders"],
};

const OPTIONS: &[Opt] = &[
    text("bootstrap-server", "host:port,…", "Required. The brokers to connect to."),
    text("command-config", "file", "Properties of the client."),
    flag("describe", "Required. Shows the log directories."),
    text("topic-list", "topic,…", "Only partitions of these topics."),
    text("broker-list", "0,1,…", "Only these brokers."),
];

pub fn main(arguments: Vec<String>) -> ExitCode {
    crate::options::main(&LINE, arguments, run)
}

fn run(parsed: &Parsed) -> Result<(), Stop> {
    parsed.needed("bootstrap-server")?;
    if !parsed.has("describe") {
        return Err(Stop::usage("Missing required argument \"[describe]\""));
    }
    let number =
        |text: &str| text.parse::<i32>().map_err(|_| Stop::error(format!("For input string: \"{text}\"")));
    let list = parsed.value("broker-list")?.unwrap_or("");
    let wanted: Vec<i32> =
        list.split(',').filter(|text| !text.is_empty()).map(number).collect::<Result<_, _>>()?;
    let topics: Vec<&str> =
        parsed.value("topic-list")?.unwrap_or("").split(',').filter(|name| !name.is_empty()).collect();
    block_on(async {
        let admin = crate::admin::reach(parsed, "describeLogDirs").await?;
        let mut there = admin.brokers().await?;
        there.sort_unstable();
        let missing: Vec<i32> = wanted.iter().copied().filter(|id| !there.contains(id)).collect();
        if !missing.is_empty() {
            return Err(Stop::error(format!(
                "ERROR: The given brokers do not exist from --broker-list: {}. Current existent brokers: {}",
                joined(&missing),
                joined(&there)
            )));
        }
        let brokers = if wanted.is_empty() { there } else { wanted };
        say!("Querying brokers for log directories information");
        let mut rows = Vec::new();
        for id in &brokers {
            let response = admin.call_node(*id, &DescribeLogDirsRequest { topics: None }).await?;
            rows.push(broker(*id, &response, &topics)?);
        }
        say!("Received log directory information from brokers {}", joined(&brokers));
        say!("{}", json!({ "brokers": rows, "version": 1 }));
        Ok(())
    })
}

fn broker(id: i32, response: &DescribeLogDirsResponse, topics: &[&str]) -> Result<Value, Error> {
    Error::check(response.error_code, None)?;
    let directories: Vec<Value> = response.results.iter().map(|one| directory(one, topics)).collect();
    Ok(json!({ "broker": id, "logDirs": directories }))
}

fn directory(result: &DescribeLogDirsResult, topics: &[&str]) -> Value {
    let error = Error::check(result.error_code, None).err().map(|error| java_text(&error));
    let mut partitions = Vec::new();
    let kept =
        result.topics.iter().filter(|topic| topics.is_empty() || topics.contains(&topic.name.as_str()));
    for topic in kept {
        for one in &topic.partitions {
            partitions.push(json!({
                "partition": format!("{}-{}", topic.name, one.partition_index),
                "size": one.partition_size,
                "offsetLag": one.offset_lag,
                "isFuture": one.is_future_key,
            }));
        }
    }
    json!({ "partitions": partitions, "error": error, "logDir": result.log_dir.as_str() })
}
