//! A node of the cluster: a process of its own in its own namespace, with a disk, a log and a clock that can be set off.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Result, bail};
use rustix::process::Signal;

use super::network::{Network, address};
use crate::install::quietly;
use crate::process::Process;

const CLUSTER_ID: &str = "QmFybmFiYXMgY2hhb3MgMQ";
const BROKER_PORT: u16 = 9092;
const CONTROLLER_PORT: u16 = 9093;

/// What all nodes of a run have in common.
pub struct Shape {
    pub binary: PathBuf,
    pub nodes: usize,
    pub shards: u64,
    pub session_ms: u64,
    /// With links that can be slow and lossy.
    pub shaped: bool,
}

pub struct Node {
    pub id: usize,
    pub folder: PathBuf,
    data: PathBuf,
    binary: PathBuf,
    running: Option<Process>,
}

pub fn bootstrap(nodes: usize) -> String {
    let all = (1..=nodes).map(|id| format!("{}:{BROKER_PORT}", address(id)));
    all.collect::<Vec<_>>().join(",")
}

impl Node {
    /// Formatted, not running. Its data lie in `data`.
    pub fn format(id: usize, folder: PathBuf, data: PathBuf, shape: &Shape) -> Result<Node> {
        fs::create_dir_all(&folder)?;
        fs::create_dir_all(&data)?;
        let node = Node { id, folder, data, binary: shape.binary.clone(), running: None };
        fs::write(node.properties(), node.settings(shape))?;
        fs::write(node.clock(), "0")?;
        let voters = (1..=shape.nodes).map(|id| {
            // any identifiers will do
            format!("{id}@{}:{CONTROLLER_PORT}:AAAAAAAAAAAAAAAAAAAA{id}Q", address(id))
        });
        let voters = voters.collect::<Vec<_>>().join(",");
        let mut command = Command::new(&node.binary);
        command.args(["kafka-storage", "format", "-t", CLUSTER_ID, "--initial-controllers", &voters]);
        quietly(command.arg("-c").arg(node.properties()))?;
        Ok(node)
    }

    fn settings(&self, shape: &Shape) -> String {
        let here = address(self.id);
        let controllers: Vec<String> =
            (1..=shape.nodes).map(|id| format!("{}:{CONTROLLER_PORT}", address(id))).collect();
        let listeners = format!("PLAINTEXT://{here}:{BROKER_PORT},CONTROLLER://{here}:{CONTROLLER_PORT}");
        format!(
            "process.roles=broker,controller\nnode.id={}\ncontroller.listener.names=CONTROLLER\n\
             controller.quorum.bootstrap.servers={}\nlisteners={listeners}\nadvertised.listeners={listeners}\n\
             log.dirs={}\nbarnabas.metrics.listener=\nbarnabas.shards={}\n\
             broker.session.timeout.ms={}\nbroker.heartbeat.interval.ms={}\n\
             default.replication.factor=3\nmin.insync.replicas=2\noffsets.topic.replication.factor=3\n\
             offsets.topic.num.partitions=6\ngroup.initial.rebalance.delay.ms=500\n\
             log.segment.bytes=16777216\nlog.retention.ms=-1\nauto.create.topics.enable=false\n",
            self.id,
            controllers.join(","),
            self.data.display(),
            shape.shards,
            shape.session_ms,
            (shape.session_ms / 4).min(2000),
        )
    }

    fn properties(&self) -> PathBuf {
        self.folder.join("server.properties")
    }

    fn clock(&self) -> PathBuf {
        self.folder.join("clock")
    }

    pub fn log(&self) -> PathBuf {
        self.folder.join("server.log")
    }

    pub fn data(&self) -> &Path {
        &self.data
    }

    pub fn start(&mut self, network: &Network) -> Result<()> {
        let log = fs::File::options().create(true).append(true).open(self.log())?;
        let mut command = network.inside(self.id, &self.binary.to_string_lossy());
        command
            .arg("server")
            .arg(self.properties())
            .env("BARNABAS_TEST_CLOCK", self.clock())
            .env("BARNABAS_LOG", "info")
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        self.running = Some(Process::spawn(&format!("node {}", self.id), &mut command)?);
        Ok(())
    }

    pub fn kill(&mut self) {
        self.running = None;
    }

    pub fn signal(&self, signal: Signal) -> Result<()> {
        self.running.as_ref().map_or(Ok(()), |process| process.signal(signal))
    }

    /// A controlled stop.
    pub fn stop(&mut self, limit: Duration) -> Result<()> {
        self.signal(Signal::TERM)?;
        self.ends(limit)
    }

    /// Waits for its end after it was told to stop; a second signal would end it at once.
    pub fn ends(&mut self, limit: Duration) -> Result<()> {
        let Some(mut process) = self.running.take() else { return Ok(()) };
        let status = process.wait(limit)?;
        if !status.success() {
            bail!("node {} ended with {status}", self.id);
        }
        Ok(())
    }

    /// How it ended, where it has ended by itself.
    pub fn has_ended(&mut self) -> Result<Option<ExitStatus>> {
        let Some(process) = &mut self.running else { return Ok(None) };
        let status = process.has_ended()?;
        if status.is_some() {
            self.running = None;
        }
        Ok(status)
    }

    /// Sets its wall clock off by so much.
    pub fn set_clock(&self, offset_ms: i64) -> Result<()> {
        // whole or not at all: the node reads it all the time
        let beside = self.folder.join("clock.new");
        fs::write(&beside, offset_ms.to_string())?;
        fs::rename(beside, self.clock())?;
        Ok(())
    }
}
