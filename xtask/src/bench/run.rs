//! What every load needs: a fresh broker on its processors, the load client on another, CPU taken from `/proc`.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::Value;

use super::Party;
use crate::install::quietly;
use crate::subject::{JAVA_AS_SHIPPED, Kind, Settings, Subject};

/// How much of each load.
pub struct Sizes {
    pub bytes: u64,
    pub seconds: u64,
    pub many_partitions: u64,
    pub members: u64,
    pub commits: u64,
    pub reloaded_commits: u64,
    pub recovery_bytes: u64,
    /// How often a node of ours is killed or stopped. Kafka's takes seconds each time, and is less often.
    pub faults: usize,
    pub kafka_faults: usize,
    /// How often the active controller is killed among many partitions.
    pub controllers: usize,
    /// Topics of 1,000 partitions.
    pub large_topics: u64,
}

impl Sizes {
    pub fn new(quick: bool, recovery_gib: u64) -> Sizes {
        if quick {
            return Sizes {
                bytes: 64 << 20,
                seconds: 3,
                many_partitions: 100,
                members: 20,
                commits: 10_000,
                reloaded_commits: 100_000,
                recovery_bytes: 64 << 20,
                faults: 5,
                kafka_faults: 1,
                controllers: 3,
                large_topics: 1,
            };
        }
        Sizes {
            bytes: 2 << 30,
            seconds: 20,
            many_partitions: 1000,
            members: 1000,
            commits: 1_000_000,
            reloaded_commits: 10_000_000,
            recovery_bytes: recovery_gib << 30,
            faults: 200,
            kafka_faults: 3,
            controllers: 50,
            large_topics: 10,
        }
    }
}

/// One figure of one run.
#[derive(Clone, Debug)]
pub struct Figure {
    pub metric: &'static str,
    pub value: f64,
    pub unit: &'static str,
    pub more_is_better: bool,
}

pub fn less(metric: &'static str, value: f64, unit: &'static str) -> Figure {
    Figure { metric, value, unit, more_is_better: false }
}

pub fn more(metric: &'static str, value: f64, unit: &'static str) -> Figure {
    Figure { metric, value, unit, more_is_better: true }
}

/// What the load client printed.
pub struct Seen(Value);

impl Seen {
    pub fn number(&self, name: &str) -> Result<f64> {
        self.0.get(name).and_then(Value::as_f64).with_context(|| format!("the load client gave no {name}"))
    }
}

pub struct Bench {
    pub load_client: PathBuf,
    pub floor: PathBuf,
    pub sizes: Sizes,
    pub shards: usize,
    pub folder: PathBuf,
}

impl Bench {
    /// Settings of a broker with an empty data folder.
    pub fn settings(&self, party: Party) -> Result<Option<Settings>> {
        let Some(kind) = party.kind() else { return Ok(None) };
        let mut settings = Settings::new(kind, self.folder.join("broker"))?
            .property("group.initial.rebalance.delay.ms", 3000)
            .property("group.max.size", 100_000);
        if kind == Kind::Barnabas {
            settings = settings.property("barnabas.shards", self.shards);
        }
        settings.java = JAVA_AS_SHIPPED.iter().map(|&option| option.to_owned()).collect();
        settings.processors = Some(processors(self.shards));
        self.clear();
        Ok(Some(settings))
    }

    /// Removes what a broker or the floor has written.
    pub fn clear(&self) {
        // What is not there need not be removed.
        let _ = fs::remove_dir_all(self.folder.join("broker"));
        let _ = fs::remove_dir_all(self.folder.join("floor"));
    }

    /// The floor's file, in a folder that is there; where there are many, their names begin so.
    pub fn floor_file(&self) -> Result<PathBuf> {
        let folder = self.folder.join("floor");
        fs::create_dir_all(&folder)?;
        Ok(folder.join("data"))
    }

    /// Runs one load of the client against an address, on the processor that brokers do not use.
    pub fn load(&self, address: &str, load: &str, options: &[(&str, String)]) -> Result<Seen> {
        let mut command = Command::new("taskset");
        command.args(["-c", &client_processor()]).arg(&self.load_client);
        Bench::run_load(command, address, load, options)
    }

    /// The same on all processors.
    pub fn load_anywhere(&self, address: &str, load: &str, options: &[(&str, String)]) -> Result<Seen> {
        Bench::run_load(Command::new(&self.load_client), address, load, options)
    }

    fn run_load(mut command: Command, address: &str, load: &str, options: &[(&str, String)]) -> Result<Seen> {
        command.arg(load);
        command.args(["--bootstrap", address]);
        for (name, value) in options {
            command.arg(format!("--{name}={value}"));
        }
        Ok(Seen(serde_json::from_str(quietly(&mut command)?.trim())?))
    }
}

/// Runs `action` and gives its result with the CPU seconds the broker used meanwhile.
pub fn measured<T>(subject: &Subject, action: impl FnOnce() -> Result<T>) -> Result<(T, f64)> {
    let before = subject.cpu_seconds()?;
    let result = action().with_context(|| format!("the broker's log ends:\n{}", subject.log_tail()))?;
    Ok((result, subject.cpu_seconds()? - before))
}

/// The first processors are the broker's.
pub fn processors(count: usize) -> String {
    format!("0-{}", count.max(1) - 1)
}

/// The last one is the client's.
fn client_processor() -> String {
    let count = std::thread::available_parallelism().map_or(1, usize::from);
    (count - 1).to_string()
}
