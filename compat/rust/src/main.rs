//! rdkafka. The contract is in compat/README.md.

mod client;
mod records;

use std::io::Read;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result, bail};

use client::{Client, NotApplicable};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let name = std::env::var("COMPAT_NAME").unwrap_or_else(|_| "rdkafka".to_owned());
    match run(&arguments, name) {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

#[tokio::main]
async fn run(arguments: &[String], name: String) -> Result<usize> {
    let [bootstrap, first, rest @ ..] = arguments else { bail!("usage: BOOTSTRAP CHECK...") };
    let client = Client { bootstrap: bootstrap.clone(), name };
    match (first.as_str(), rest) {
        ("flow", [topic]) => println!("sent\t{}", client.flow(topic, &end_of_input()).await?),
        ("member", [group, topic, count]) => client.members(group, topic, count.parse()?, &end_of_input())?,
        ("committed", [group, topic, partitions]) => client.committed(group, topic, partitions.parse()?)?,
        _ => return Ok(checks(&client, &arguments[1..]).await),
    }
    Ok(0)
}

async fn checks(client: &Client, names: &[String]) -> usize {
    let mut failures = 0;
    for check in names {
        let (outcome, detail) = match one(client, check).await {
            Ok(detail) => ("ok", detail),
            Err(error) if error.is::<NotApplicable>() => ("n/a", error.to_string()),
            Err(error) => {
                failures += 1;
                ("fail", format!("{error:#}"))
            }
        };
        println!("{check}\t{outcome}\t{}", detail.replace(char::is_whitespace, " "));
    }
    failures
}

async fn one(client: &Client, check: &str) -> Result<String> {
    let (what, rest) = check.split_once('.').unwrap_or((check, ""));
    let count = records::count();
    match what {
        "version" => Ok(format!("0.39 (librdkafka {})", rdkafka::util::get_rdkafka_version().1)),
        "create" => client.create().await,
        "produce" => client.produce(rest).await,
        "read" => {
            let (codec, other) = rest.split_once('@').unwrap_or((rest, &client.name));
            client.compare(&format!("{other}.{codec}"), 0, count)?;
            Ok(format!("{count} records"))
        }
        "offset" => {
            let start = count / 10;
            client.compare(&format!("{}.none", client.name), start as i64, count - start * records::PARTITIONS)?;
            Ok(format!("from offset {start}"))
        }
        "time" => client.time(),
        "error" => client.provoke(rest).await,
        _ => None.context("no such check"),
    }
}

fn end_of_input() -> Arc<AtomicBool> {
    let stopping = Arc::new(AtomicBool::new(false));
    let ours = Arc::clone(&stopping);
    std::thread::spawn(move || {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        ours.store(true, Ordering::Relaxed);
    });
    stopping
}
