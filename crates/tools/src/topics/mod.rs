//! kafka-topics: lists, describes, creates, changes and deletes topics.

mod change;
mod create;
mod describe;
mod options;

use std::process::ExitCode;

use protocol::messages::MetadataResponse;
use types::Uuid;

use crate::admin::{Admin, topic_filter};
use crate::connecting::block_on;
use crate::options::Parsed;
use crate::output::say;
use crate::{Stop, options as lines};

pub use describe::{Partition, topics};
pub use options::{LINE, check};

pub fn main(arguments: Vec<String>) -> ExitCode {
    lines::main(&options::LINE, arguments, run)
}

fn run(parsed: &Parsed) -> Result<(), Stop> {
    options::check(parsed)?;
    let config = crate::connecting::cluster(parsed)?;
    // what fails from here on is said on standard output, as scripts that read it expect
    let outcome = block_on(async {
        let admin = crate::admin::reach_cluster(config, "listTopics").await?;
        if parsed.has("create") {
            create::run(&admin, parsed).await
        } else if parsed.has("alter") {
            change::alter(&admin, parsed).await
        } else if parsed.has("delete") {
            change::delete(&admin, parsed).await
        } else if parsed.has("list") {
            list(&admin, parsed).await
        } else {
            describe::run(&admin, parsed).await
        }
    });
    outcome.map_err(|stop| match stop {
        Stop::Error(message) | Stop::Usage(message) => {
            say!("Error while executing topic command : {message}");
            Stop::Code(1)
        }
        Stop::Code(code) => Stop::Code(code),
    })
}

async fn list(admin: &Admin, parsed: &Parsed) -> Result<(), Stop> {
    for name in names(&admin.metadata(None).await?, parsed)? {
        say!("{name}");
    }
    Ok(())
}

/// Names of the topics that --topic and --exclude-internal leave, sorted.
pub fn names(metadata: &MetadataResponse, parsed: &Parsed) -> Result<Vec<String>, Stop> {
    let filter = parsed.value("topic")?.map(topic_filter).transpose()?;
    let excluded = parsed.has("exclude-internal");
    let kept = metadata.topics.iter().filter(|topic| !(excluded && topic.is_internal));
    let mut names: Vec<String> = kept.filter_map(|topic| Some(topic.name.as_ref()?.to_string())).collect();
    names.retain(|name| filter.as_ref().is_none_or(|filter| filter.is_match(name)));
    names.sort_unstable();
    Ok(names)
}

/// As `names`, but that --topic fits none is an error unless --if-exists.
pub fn existing(metadata: &MetadataResponse, parsed: &Parsed) -> Result<Vec<String>, Stop> {
    let names = names(metadata, parsed)?;
    match parsed.value("topic")? {
        Some(topic) if names.is_empty() && !parsed.has("if-exists") => {
            Err(Stop::error(format!("Topic '{topic}' does not exist as expected")))
        }
        _ => Ok(names),
    }
}

/// --topic-id as an id.
fn topic_id(text: &str) -> Result<Uuid, Stop> {
    crate::uuid::parse(text).map_err(Stop::error)
}
