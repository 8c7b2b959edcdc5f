//! Runs a client's program over checks and takes its rows.

use std::fs::File;
use std::path::Path;
use std::process::Stdio;
use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::clients::Program;
use crate::process::Process;

pub const CODECS: [&str; 5] = ["none", "gzip", "snappy", "lz4", "zstd"];
const ERRORS: [&str; 5] = ["unknown-topic", "too-large", "out-of-range", "invalid-topic", "stale-generation"];
const SECONDS_A_RUN: u64 = 420;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Ok,
    Fail,
    NotApplicable,
}

/// One client's answer to one check.
#[derive(Clone, Debug)]
pub struct Row {
    pub client: String,
    pub check: String,
    pub outcome: Outcome,
    pub detail: String,
}

/// Checks of a client on its own topics, in the order in which they build on each other.
pub fn own() -> Vec<String> {
    let mut checks = vec!["version".to_owned(), "create".to_owned()];
    checks.extend(CODECS.iter().map(|codec| format!("produce.{codec}")));
    checks.extend(CODECS.iter().map(|codec| format!("read.{codec}")));
    checks.extend(["offset".to_owned(), "time".to_owned()]);
    checks.extend(ERRORS.iter().map(|error| format!("error.{error}")));
    checks
}

/// What another client wrote, in every codec of it.
pub fn reads_of(other: &str) -> Vec<String> {
    CODECS.iter().map(|codec| format!("read.{codec}@{other}")).collect()
}

/// Runs the program over the checks. A check without a row, since the program hung or died, is a failure.
pub fn run(program: &Program, bootstrap: &str, checks: &[String], folder: &Path) -> Result<Vec<Row>> {
    let errors =
        File::options().create(true).append(true).open(folder.join(format!("{}.stderr", program.name)))?;
    let mut command = program.command();
    command.arg(bootstrap).args(checks).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(errors);
    let mut process = Process::spawn(program.name, &mut command)?;
    let lines = process.lines()?;
    let deadline = Instant::now() + Duration::from_secs(SECONDS_A_RUN);
    let mut rows = Vec::new();
    let ending = loop {
        match lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(line) => rows.extend(row(program.name, &line)),
            Err(RecvTimeoutError::Disconnected) => break "the program ended before",
            Err(RecvTimeoutError::Timeout) => break "no answer in time",
        }
    };
    process.kill();
    for check in checks {
        if !rows.iter().any(|row| row.check == *check) {
            let (client, detail) = (program.name.to_owned(), ending.to_owned());
            rows.push(Row { client, check: check.clone(), outcome: Outcome::Fail, detail });
        }
    }
    Ok(rows)
}

/// A line that is no row, such as a library's own chatter, is passed over.
fn row(client: &str, line: &str) -> Option<Row> {
    let mut fields = line.splitn(3, '\t');
    let (check, outcome, detail) = (fields.next()?, fields.next()?, fields.next()?);
    let outcome = match outcome {
        "ok" => Outcome::Ok,
        "fail" => Outcome::Fail,
        "n/a" => Outcome::NotApplicable,
        _ => return None,
    };
    Some(Row { client: client.to_owned(), check: check.to_owned(), outcome, detail: detail.to_owned() })
}

/// A topic with that many partitions, made by the Java client for programs that must not choose.
pub fn create_topic(java: &Program, bootstrap: &str, topic: &str, partitions: usize) -> Result<()> {
    let mut command = java.command();
    command.args([bootstrap, "topic", topic, &partitions.to_string()]).stdin(Stdio::null());
    let output = command.output().context("the Java program")?;
    if !output.status.success() {
        bail!("{topic} was not created: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(())
}
