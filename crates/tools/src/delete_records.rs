//! kafka-delete-records: deletes the records before given offsets.

use std::collections::BTreeMap;
use std::process::ExitCode;

use client::Error;
use serde_json::Value;
use types::TopicPartition;

use crate::Stop;
use crate::admin::{Admin, Place, java_text};
use crate::connecting::block_on;
use crate::options::{CommandLine, Opt, Parsed, text};
use crate::output::say;

pub const LINE: CommandLine = CommandLine {
    name: "delete-records",
    about: "This tool helps to delete records of the given partitions down to the specified offset.",
    options: OPTIONS,
    examples: &["--bootstrap-server localhost:9092 --offset-json-file offsets.json"],
};

const OPTIONS: &[Opt] = &[
    text("bootstrap-server", "host:port,…", "Required. The brokers to connect to."),
    text("command-config", "file", "Properties of the client."),
    text(
        "offset-json-file",
        "file",
        "Required. {\"partitions\": [{\"topic\": \"events\", \"partition\": 0, \"offset\": 42}], \"version\": 1}; an \
         offset of -1 deletes all that is committed.",
    ),
];

pub fn main(arguments: Vec<String>) -> ExitCode {
    crate::options::main(&LINE, arguments, run)
}

fn run(parsed: &Parsed) -> Result<(), Stop> {
    parsed.needed("bootstrap-server")?;
    let path = parsed.needed("offset-json-file")?;
    let text =
        std::fs::read_to_string(path).map_err(|_| Stop::error(format!("Unable to read file {path}")))?;
    let wanted = read(&text).map_err(Stop::error)?;
    block_on(async {
        let admin = crate::admin::reach(parsed, "deleteRecords").await?;
        say!("Executing records delete operation");
        let outcomes = delete(&admin, wanted).await?;
        say!("Records delete operation completed:");
        for ((topic, partition), outcome) in outcomes {
            match outcome {
                Ok(low) => say!("partition: {topic}-{partition}\tlow_watermark: {low}"),
                Err(error) => say!("partition: {topic}-{partition}\terror: {}", java_text(&error)),
            }
        }
        Ok(())
    })
}

fn read(text: &str) -> Result<BTreeMap<Place, i64>, String> {
    let json: Value =
        serde_json::from_str(text).map_err(|_| "The input string is not a valid JSON".to_owned())?;
    let version = json.get("version").map_or(Some(1), Value::as_i64);
    if version != Some(1) {
        let version = version.map_or_else(|| "?".to_owned(), |version| version.to_string());
        return Err(format!("Not supported version field value {version}"));
    }
    let rows = json.get("partitions").and_then(Value::as_array);
    let rows = rows.ok_or_else(|| "Missing partitions field".to_owned())?;
    let (mut wanted, mut twice) = (BTreeMap::new(), Vec::new());
    for row in rows {
        let number = |name: &str| row.get(name).and_then(Value::as_i64);
        let topic = row.get("topic").and_then(Value::as_str);
        let partition = number("partition").and_then(|one| i32::try_from(one).ok());
        let (Some(topic), Some(partition), Some(offset)) = (topic, partition, number("offset")) else {
            return Err(format!("Not a topic, a partition and an offset: {row}"));
        };
        if wanted.insert((topic.to_owned(), partition), offset).is_some() {
            twice.push(format!("{topic}-{partition}"));
        }
    }
    match twice.is_empty() {
        true => Ok(wanted),
        false => Err(format!("Offset json file contains duplicate topic partitions: {}", twice.join(","))),
    }
}

/// Each partition's leader is asked.
async fn delete(
    admin: &Admin,
    wanted: BTreeMap<Place, i64>,
) -> Result<BTreeMap<Place, Result<i64, Error>>, Error> {
    let mut outcomes = BTreeMap::new();
    for ((topic, partition), offset) in wanted {
        let of = TopicPartition { topic: topic.as_str().into(), partition };
        outcomes.insert((topic, partition), admin.delete_records(&of, offset).await);
    }
    Ok(outcomes)
}
