//! Starting and stopping the processes.

use std::fs::OpenOptions;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

use super::folder::{Folder, Node};

const STOP_PATIENCE: Duration = Duration::from_secs(60);
const START_PATIENCE: Duration = Duration::from_secs(30);

pub fn start(folder: &Folder, count: u16, port: u16) -> Result<()> {
    if folder.nodes()?.is_empty() {
        folder.make(count, port)?;
        format(folder)?;
    }
    let nodes = folder.made_nodes()?;
    for node in &nodes {
        if folder.running(node.id).is_none() {
            folder.write_pid(node.id, launch(folder, node)?)?;
        }
    }
    let servers = servers(&nodes);
    let end = Instant::now() + START_PATIENCE;
    loop {
        if let Some(node) = nodes.iter().find(|node| folder.running(node.id).is_none()) {
            bail!("node {} has ended; its last lines:\n{}", node.id, last_lines(folder, node.id));
        }
        let health = tools::health::health(&servers, Duration::from_secs(1));
        if health.is_ok_and(|health| health.brokers.len() == nodes.len()) {
            return Ok(());
        }
        if Instant::now() > end {
            bail!("not all nodes serve after {START_PATIENCE:?}; see {}", folder.log(1).display());
        }
        thread::sleep(Duration::from_millis(50));
    }
}

/// All client addresses, for a bootstrap.
pub fn servers(nodes: &[Node]) -> String {
    nodes.iter().map(|node| format!("localhost:{}", node.port)).collect::<Vec<_>>().join(",")
}

/// One cluster id for all: each node's directory is formatted as `kafka-storage format` does.
fn format(folder: &Folder) -> Result<()> {
    let program = std::env::current_exe()?;
    let id = server::format::random_id().to_string();
    for node in folder.nodes()? {
        let mut command = Command::new(&program);
        command.args(["kafka-storage", "format", "-t", &id, "-c"]).arg(folder.properties(node.id));
        let output = command.output()?;
        if !output.status.success() {
            bail!("node {} cannot be formatted:\n{}", node.id, String::from_utf8_lossy(&output.stderr));
        }
    }
    Ok(())
}

fn launch(folder: &Folder, node: &Node) -> Result<u32> {
    let log = folder.log(node.id);
    let file =
        OpenOptions::new().create(true).append(true).open(&log).with_context(|| log.display().to_string())?;
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("server").arg(folder.properties(node.id));
    command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
    // SAFETY: setsid is async-signal-safe and nothing else runs between fork and exec
    unsafe {
        command.pre_exec(|| {
            rustix::process::setsid()?;
            Ok(())
        });
    }
    Ok(command.spawn()?.id())
}

pub fn stop(folder: &Folder, only: Option<u16>) -> Result<()> {
    let nodes = folder.made_nodes()?;
    if let Some(id) = only
        && !nodes.iter().any(|node| node.id == id)
    {
        bail!("there is no node {id}; there are 1 to {}", nodes.len());
    }
    let chosen = nodes.iter().map(|node| node.id).filter(|id| only.is_none_or(|only| only == *id));
    let running: Vec<(u16, i32)> = chosen.filter_map(|id| Some((id, folder.running(id)?))).collect();
    if running.is_empty() {
        println!("nothing runs");
    }
    for (id, pid) in &running {
        let pid = Pid::from_raw(*pid).with_context(|| format!("node {id} has no process"))?;
        kill_process(pid, Signal::TERM).with_context(|| format!("node {id}"))?;
    }
    let end = Instant::now() + STOP_PATIENCE;
    for (id, _) in running {
        while folder.running(id).is_some() {
            if Instant::now() > end {
                bail!("node {id} has not ended after {STOP_PATIENCE:?}; see {}", folder.log(id).display());
            }
            thread::sleep(Duration::from_millis(20));
        }
        println!("node {id} has stopped");
    }
    Ok(())
}

fn last_lines(folder: &Folder, id: u16) -> String {
    let text = std::fs::read_to_string(folder.log(id)).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines.iter().skip(lines.len().saturating_sub(5)).map(|line| format!("  {line}\n")).collect()
}
