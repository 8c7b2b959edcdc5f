//! A cluster under test, and the program that probes it.

use std::io::Write;
use std::process::{ChildStdin, Command, Stdio};
use std::sync::mpsc::Receiver;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};

use crate::bench::run::{Bench, Figure};
use crate::node_log;
use crate::process::Process;
use crate::quorum_nodes::{Nodes, Voters};
use crate::subject::{JAVA_AS_SHIPPED, Kind, Subject};

const NODES: usize = 3;
/// Kafka's nodes make 10,000 partitions in minutes.
const PATIENCE: Duration = Duration::from_secs(600);

pub struct Cluster {
    pub nodes: Nodes,
}

impl Cluster {
    /// Combined nodes, running, with a quorum.
    pub fn start(bench: &Bench, kind: Kind, properties: &[(&str, &str)]) -> Result<Cluster> {
        bench.clear();
        let shards = bench.shards.to_string();
        let mut all =
            vec![("offsets.topic.replication.factor", "3"), ("group.initial.rebalance.delay.ms", "0")];
        if kind == Kind::Barnabas {
            all.push(("barnabas.shards", &shards));
        }
        all.extend(properties);
        let folder = bench.folder.join("broker");
        let mut nodes = Nodes::format(&folder, &[kind; NODES], Voters::Static, &all)?;
        for node in &mut nodes.0 {
            node.settings.tells = true;
            node.settings.java = JAVA_AS_SHIPPED.iter().map(|&option| option.to_owned()).collect();
            node.start()?;
        }
        nodes.leader(None)?;
        Ok(Cluster { nodes })
    }

    pub fn bootstrap(&self) -> String {
        self.nodes.bootstrap(None)
    }

    pub fn subjects(&self) -> impl Iterator<Item = &Subject> {
        self.nodes.0.iter().filter_map(|node| node.subject())
    }

    /// CPU seconds of all nodes so far.
    pub fn cpu_seconds(&self) -> Result<f64> {
        self.subjects().map(Subject::cpu_seconds).sum()
    }

    /// The topic of the loads.
    pub fn create(&self, bench: &Bench, topics: u64, partitions: u64) -> Result<f64> {
        let options = [("count", topics.to_string()), ("partitions", partitions.to_string())];
        bench.load_anywhere(&self.bootstrap(), "replicated", &options)?.number("seconds")
    }

    /// Prints what the nodes said in a moment, both ends in milliseconds since 1970.
    pub fn tell(&self, from_ms: i64, to_ms: i64) {
        for node in &self.nodes.0 {
            for line in node_log::between(&node.settings.log(), from_ms, to_ms) {
                println!("    node {}: {line}", node.id);
            }
        }
    }

    pub fn stop(mut self) -> Result<()> {
        // one as an operator does; Kafka's last nodes would wait for a quorum that is gone: they are killed
        self.nodes.0.first_mut().map_or(Ok(()), |node| node.stop())
    }
}

/// A program that is told of faults by lines and answers with what it saw.
pub struct Probe {
    process: Process,
    input: ChildStdin,
    answers: Receiver<String>,
}

impl Probe {
    pub fn start(mut command: Command) -> Result<Probe> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = Process::spawn("probe", &mut command)?;
        let input = process.take_stdin().context("no standard input")?;
        let answers = process.lines()?;
        Ok(Probe { process, input, answers })
    }

    pub fn tell(&mut self, line: &str) -> Result<()> {
        Ok(writeln!(self.input, "{line}")?)
    }

    /// The numbers of its next line, whose first word is `name`.
    pub fn heard(&mut self, name: &str) -> Result<Vec<i64>> {
        let Ok(line) = self.answers.recv_timeout(PATIENCE) else {
            bail!("the probe ({}) said nothing more", self.process.id());
        };
        let mut words = line.split_whitespace();
        if words.next() != Some(name) {
            bail!("the probe said {line:?} where {name} was expected");
        }
        Ok(words.map(str::parse).collect::<Result<_, _>>()?)
    }

    pub fn ask(&mut self, line: &str, name: &str) -> Result<Vec<i64>> {
        self.tell(line)?;
        self.heard(name)
    }
}

/// Nanoseconds since 1970, as the probes count.
pub fn now_nanos() -> Result<i64> {
    Ok(i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_nanos())?)
}

/// Milliseconds of times in microseconds: the middle and, of more than a few, the hundredth-highest.
pub fn percentiles(middle: &'static str, high: &'static str, micros: &mut [i64]) -> Vec<Figure> {
    micros.sort_unstable();
    let at =
        |share: f64| micros.get(((micros.len() as f64 * share) as usize).min(micros.len().saturating_sub(1)));
    let figure = |metric, value: Option<&i64>| {
        value.map(|&value| Figure { metric, value: value as f64 / 1000.0, unit: "ms", more_is_better: false })
    };
    figure(middle, at(0.5)).into_iter().chain(figure(high, at(0.99))).collect()
}
