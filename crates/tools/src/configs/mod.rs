//! kafka-configs: shows and changes the configs of topics, brokers, groups, client metrics and loggers,
//! quotas and SCRAM credentials.

mod alter;
mod credentials;
mod describe;
mod entity;
mod options;
mod quotas;

use std::process::ExitCode;

use protocol::ApiKey;

use crate::Stop;
use crate::admin::java_text;
use crate::connecting::block_on;
use crate::options::Parsed;

pub use options::LINE;

pub fn main(arguments: Vec<String>) -> ExitCode {
    let line = arguments.join(" ");
    // the whole command line is part of what is said when the cluster refuses
    LINE_GIVEN.with(|given| given.replace(line));
    crate::options::main(&options::LINE, arguments, run)
}

thread_local! {
    static LINE_GIVEN: std::cell::RefCell<String> = const { std::cell::RefCell::new(String::new()) };
}

fn run(parsed: &Parsed) -> Result<(), Stop> {
    options::check(parsed)?;
    let entities = entity::read(parsed)?;
    let change = parsed.has("alter").then(|| alter::read(parsed, &entities)).transpose()?;
    let cluster = options::cluster(parsed)?;
    block_on(async {
        let admin = crate::admin::reach_cluster(cluster, "describeConfigs").await?;
        match change {
            Some(change) => alter::run(&admin, &entities, &change).await,
            None => describe::run(&admin, parsed, &entities).await,
        }
    })
}

/// What the cluster refused, as Kafka's tool says it.
fn refused(error: client::Error) -> Stop {
    let line = LINE_GIVEN.with(|given| given.borrow().clone());
    let text = format!("java.util.concurrent.ExecutionException: {}", java_text(&error));
    Stop::error(format!("Error while executing config command with args '{line}'\n{text}"))
}

/// The same for a change that the cluster cannot make: a broker of ours takes no limit that it would not keep.
fn unsupported(error: client::Error, api_key: ApiKey) -> Stop {
    let reason = match api_key {
        ApiKey::AlterClientQuotas => "It does not enforce quotas yet, and so it keeps none.",
        _ => "Nobody can log in to it with SCRAM yet, and so it keeps no credentials.",
    };
    match (&error, refused(error.clone())) {
        (client::Error::Unsupported(_), Stop::Error(text)) => {
            Stop::error(format!("{text}\nWhere the broker is Barnabas: {reason}"))
        }
        (_, stop) => stop,
    }
}

/// The same for what went wrong before the cluster was asked.
fn failed(text: &str) -> Stop {
    let line = LINE_GIVEN.with(|given| given.borrow().clone());
    Stop::error(format!("Error while executing config command with args '{line}'\n{text}"))
}
