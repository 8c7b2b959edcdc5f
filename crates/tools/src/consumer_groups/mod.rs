//! kafka-consumer-groups: lists, describes and deletes groups of consumers, resets and deletes their offsets.
//! As with Kafka's tool, what goes wrong at the cluster is said on standard output and leaves exit code 0.

mod delete;
mod describe;
mod list;
mod offsets;
mod options;
mod plan;
mod reset;
mod time;
mod view;

use std::process::ExitCode;

use client::Error;
use protocol::ErrorCode;

use crate::Stop;
use crate::admin::{Admin, Place};
use crate::connecting::block_on;
use crate::options::Parsed;
use crate::output::say;

pub use describe::{Row, rows};
pub use list::{every, kind};
pub use options::LINE;
pub use time::now;
pub use view::{Member, group};

pub fn main(arguments: Vec<String>) -> ExitCode {
    crate::options::main(&LINE, arguments, run)
}

fn run(parsed: &Parsed) -> Result<(), Stop> {
    options::check(parsed)?;
    if let Some(regex) = parsed.value("validate-regex")? {
        match regex::Regex::new(regex) {
            Ok(_) => say!("The regular expression `{regex}` is valid."),
            Err(error) => say!("The regular expression `{regex}` is invalid: {}.", reason(&error)),
        }
        return Ok(());
    }
    list::check(parsed)?;
    let outcome = cluster(parsed).and_then(|cluster| {
        block_on(async {
            let admin = crate::admin::reach_cluster(cluster, "listNodes").await?;
            if parsed.has("list") {
                list::run(&admin, parsed).await
            } else if parsed.has("describe") {
                describe::run(&admin, parsed).await
            } else if parsed.has("delete") {
                delete::groups(&admin, parsed).await
            } else if parsed.has("delete-offsets") {
                delete::offsets(&admin, parsed).await
            } else {
                reset::run(&admin, parsed).await
            }
        })
    });
    match outcome {
        Err(Stop::Error(message)) => {
            problem(&format!("Executing consumer group command failed due to {message}"));
            Ok(())
        }
        other => other,
    }
}

/// The cluster, asked with --timeout.
fn cluster(parsed: &Parsed) -> Result<client::Cluster, Stop> {
    let mut properties = crate::connecting::client_properties(parsed)?;
    let timeout = parsed.number::<i64>("timeout").map_err(|stop| match stop {
        Stop::Usage(text) => Stop::Error(text),
        other => other,
    })?;
    let timeout = timeout.unwrap_or(5000).to_string();
    properties.entry("request.timeout.ms".to_owned()).or_insert(timeout);
    Ok(client::Cluster::new(client::ClientConfig::from_properties(&properties)?))
}

/// The last line of the parser's drawing says what is wrong.
fn reason(error: &regex::Error) -> String {
    let text = error.to_string();
    let last = text.lines().last().unwrap_or_default();
    match last.strip_prefix("error: ").unwrap_or(last) {
        "unclosed group" => "missing closing )".to_owned(),
        other => other.to_owned(),
    }
}

fn problem(text: &str) {
    say!("\nError: {text}");
}

/// A broker's error as Java's tool shows it, with the exception's name.
fn named(error: &Error) -> Stop {
    Stop::error(crate::admin::java_text(error))
}

/// `--group` and its repetitions, or every group.
pub async fn wanted(admin: &Admin, parsed: &Parsed) -> Result<Vec<String>, Stop> {
    if parsed.has("all-groups") {
        return list::names(admin).await;
    }
    let mut names: Vec<String> = Vec::new();
    for name in parsed.values("group") {
        if !names.iter().any(|known| known == name) {
            names.push(name.to_owned());
        }
    }
    Ok(names)
}

/// `topic` or `topic:0,1` of every --topic, as partitions; those of a topic that is not there are asked of `missing`.
async fn places(
    admin: &Admin,
    parsed: &Parsed,
    missing: impl Fn(&str, Error) -> Result<(), Stop>,
) -> Result<Vec<Place>, Stop> {
    let mut places = Vec::new();
    for argument in parsed.values("topic") {
        let (topic, partitions) = split(argument)?;
        match partitions {
            Some(partitions) => places.extend(partitions.into_iter().map(|one| (topic.clone(), one))),
            None => match partitions_of(admin, &topic).await {
                Ok(partitions) => places.extend(partitions.into_iter().map(|one| (topic.clone(), one))),
                Err(error) => missing(&topic, error)?,
            },
        }
    }
    Ok(places)
}

async fn partitions_of(admin: &Admin, topic: &str) -> Result<Vec<i32>, Error> {
    let metadata = admin.metadata(Some(&[topic])).await?;
    let found = metadata.topics.iter().find(|one| one.name.as_deref() == Some(topic));
    let Some(found) = found else { return Err(Error::Broker(ErrorCode::UnknownTopicOrPartition, None)) };
    Error::check(found.error_code, None)?;
    let mut partitions: Vec<i32> = found.partitions.iter().map(|one| one.partition_index).collect();
    partitions.sort_unstable();
    Ok(partitions)
}

fn split(argument: &str) -> Result<(String, Option<Vec<i32>>), Stop> {
    let Some((topic, partitions)) = argument.split_once(':') else { return Ok((argument.to_owned(), None)) };
    let partition = |text: &str| {
        let text = text.trim();
        let wrong =
            || Stop::usage(format!("Invalid partition '{text}' specified in topic arg '{argument}''"));
        text.parse::<i32>().map_err(|_| wrong())
    };
    let partitions = partitions.split(',').map(partition).collect::<Result<Vec<i32>, Stop>>()?;
    Ok((topic.to_owned(), Some(partitions)))
}
