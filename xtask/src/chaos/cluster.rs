//! All nodes of a run, what has been done to them and when, and whether they are well again.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};

use super::disk::SmallDisk;
use super::faults::Kind;
use super::network::Network;
use super::node::{Node, Shape, bootstrap};
use super::workload::{Place, Programs};
use crate::install::quietly;

/// How soon a cluster knows that a node has gone or is back.
const NOTICED: Duration = Duration::from_millis(700);
const STOP_LIMIT: Duration = Duration::from_secs(30);

pub struct Cluster {
    pub nodes: Vec<Node>,
    pub network: Network,
    pub disk: SmallDisk,
    pub timeline: Timeline,
    binary: PathBuf,
    heal_limit: Duration,
}

impl Cluster {
    /// Formatted and started; the last node lies on the small disk.
    pub fn start_all(folder: &Path, shape: &Shape, disk_mib: u64, heal_limit: Duration) -> Result<Cluster> {
        let disk_folder = folder.join("small-disk");
        let disk = SmallDisk::mount(disk_folder.clone(), disk_mib)?;
        let network = Network::build(shape.nodes, &disk_folder, shape.shaped)?;
        let mut nodes = Vec::new();
        for id in 1..=shape.nodes {
            let own = folder.join(format!("node-{id}"));
            let data = if id == shape.nodes { disk_folder.join("data") } else { own.join("data") };
            nodes.push(Node::format(id, own, data, shape)?);
        }
        let timeline = Timeline { start: Instant::now(), start_ms: now_ms(), entries: Vec::new() };
        let binary = shape.binary.clone();
        let mut cluster = Cluster { nodes, network, disk, timeline, binary, heal_limit };
        for id in 1..=shape.nodes {
            cluster.start(id)?;
        }
        Ok(cluster)
    }

    pub fn node(&mut self, id: usize) -> Result<&mut Node> {
        self.nodes.get_mut(id.wrapping_sub(1)).with_context(|| format!("there is no node {id}"))
    }

    /// Whose disk can be filled.
    pub fn small_disk(&self) -> usize {
        self.nodes.len()
    }

    pub fn start(&mut self, id: usize) -> Result<()> {
        let node = self.nodes.get_mut(id.wrapping_sub(1)).context("no such node")?;
        node.start(&self.network)
    }

    pub fn place<'a>(&'a self, programs: &'a Programs, folder: &'a Path, bootstrap: &'a str) -> Place<'a> {
        Place { network: &self.network, programs, folder, bootstrap }
    }

    pub fn bootstrap(&self) -> String {
        bootstrap(self.nodes.len())
    }

    /// An error where a node has ended by itself.
    pub fn check(&mut self) -> Result<()> {
        for node in &mut self.nodes {
            if let Some(status) = node.has_ended()? {
                bail!("node {} ended by itself: {status}, see {}", node.id, node.log().display());
            }
        }
        Ok(())
    }

    /// One of our own tools, from where the clients are.
    pub fn tool(&self, arguments: &[&str]) -> Result<String> {
        let mut command = self.network.inside(0, "timeout");
        command.arg("20").arg(&self.binary).args(arguments);
        quietly(&mut command)
    }

    /// Waits until every replica of every partition is in sync, and still is a while later, when the cluster has noticed what
    /// happened last; says how long it took.
    pub fn heal(&mut self) -> Result<Duration> {
        let start = Instant::now();
        let mut since: Option<Instant> = None;
        loop {
            let behind = self.out_of_sync();
            let well = matches!(behind, Ok(None));
            let first = well.then(|| since.unwrap_or_else(Instant::now));
            since = first;
            match behind {
                Ok(None) if first.is_some_and(|first| first.elapsed() > NOTICED) => {
                    return Ok(start.elapsed());
                }
                Ok(Some(partition)) if start.elapsed() > self.heal_limit => {
                    bail!("not healed within {} s: {partition}", self.heal_limit.as_secs())
                }
                Err(error) if start.elapsed() > self.heal_limit => {
                    return Err(error.context(format!("not healed within {} s", self.heal_limit.as_secs())));
                }
                _ => thread::sleep(Duration::from_millis(250)),
            }
            self.check()?;
        }
    }

    /// A partition that lacks a leader or an in-sync replica.
    fn out_of_sync(&self) -> Result<Option<String>> {
        let text = self.tool(&["kafka-topics", "--bootstrap-server", &self.bootstrap(), "--describe"])?;
        let partitions = text.lines().filter(|line| line.contains("Leader:"));
        let mut behind = partitions.filter(|line| {
            let field = |name: &str| line.split(name).nth(1).and_then(|rest| rest.split_whitespace().next());
            let count = |text: Option<&str>| text.map_or(0, |ids| ids.split(',').count());
            field("Leader:") == Some("none") || count(field("Isr:")) < count(field("Replicas:"))
        });
        match behind.next() {
            Some(line) => Ok(Some(line.split_whitespace().collect::<Vec<_>>().join(" "))),
            None => Ok(text.is_empty().then(|| "no topics".to_owned())),
        }
    }

    /// A rolling restart as an operator does it, in a cluster that is well: each stopped, started, and in sync before the next.
    pub fn roll(&mut self) -> Result<()> {
        self.heal()?;
        let at = self.timeline.begin(Kind::Rolling, 0, "rolling restart");
        for id in 1..=self.nodes.len() {
            let start = Instant::now();
            let log = self.node(id)?.log();
            self.node(id)?.stop(STOP_LIMIT).with_context(|| format!("see {}", log.display()))?;
            let stopped = start.elapsed();
            self.start(id)?;
            let healed = self.heal().with_context(|| format!("after the restart of node {id}"))?;
            self.timeline.note(&format!(
                "node {id} stopped in {:.1} s, all in sync {:.1} s after its start",
                stopped.as_secs_f64(),
                healed.as_secs_f64()
            ));
        }
        self.timeline.end(at);
        Ok(())
    }

    /// The nodes end in good order as far as they can; the last have no majority to ask.
    pub fn stop_all(&mut self) -> Result<()> {
        for node in &mut self.nodes {
            let log = node.log();
            node.signal(rustix::process::Signal::TERM).with_context(|| log.display().to_string())?;
        }
        for node in &mut self.nodes {
            let log = node.log();
            node.ends(STOP_LIMIT).with_context(|| format!("see {}", log.display()))?;
        }
        Ok(())
    }
}

/// A fault that was done.
pub struct Entry {
    pub kind: Kind,
    /// 0: all of them.
    pub node: usize,
    pub from_ms: i64,
    /// None: it goes on.
    pub to_ms: Option<i64>,
}

/// What was done and when; printed as it happens.
pub struct Timeline {
    start: Instant,
    start_ms: i64,
    pub entries: Vec<Entry>,
}

pub fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64)
}

impl Timeline {
    pub fn begin(&mut self, kind: Kind, node: usize, text: &str) -> usize {
        let of = if node == 0 { String::new() } else { format!("node {node}: ") };
        self.note(&format!("{kind:?}: {of}{text}"));
        self.entries.push(Entry { kind, node, from_ms: now_ms(), to_ms: None });
        self.entries.len() - 1
    }

    /// It was done somewhat earlier than it was noted.
    pub fn began(&mut self, at: usize, from_ms: i64) {
        if let Some(entry) = self.entries.get_mut(at) {
            entry.from_ms = from_ms;
        }
    }

    pub fn end(&mut self, at: usize) {
        if let Some(entry) = self.entries.get_mut(at) {
            entry.to_ms = Some(now_ms());
            let (kind, node) = (entry.kind, entry.node);
            self.note(&format!(
                "{kind:?}: over{}",
                if node == 0 { String::new() } else { format!(" at node {node}") }
            ));
        }
    }

    /// How often each kind was done.
    pub fn counts(&self) -> BTreeMap<Kind, usize> {
        let mut counts = BTreeMap::new();
        self.entries.iter().for_each(|entry| *counts.entry(entry.kind).or_default() += 1);
        counts
    }

    /// A time of the clients' in seconds of this run.
    pub fn seconds(&self, ms: i64) -> f64 {
        (ms - self.start_ms) as f64 / 1000.0
    }

    pub fn note(&self, text: &str) {
        println!("{:8.1} s  {text}", self.start.elapsed().as_secs_f64());
    }
}
