//! Starting and stopping the processes.

use std::collections::BTreeSet;
use std::fs::OpenOptions;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use tools::health::Health;

use super::folder::{Folder, Node};

const STOP_PATIENCE: Duration = Duration::from_secs(60);
const START_PATIENCE: Duration = Duration::from_secs(30);

const DEFAULT_COUNT: u16 = 3;
const DEFAULT_PORT: u16 = 9092;

/// `count` and `port` are what was asked for, if anything.
pub fn start(folder: &Folder, count: Option<u16>, port: Option<u16>) -> Result<()> {
    let there = folder.nodes()?;
    if there.is_empty() {
        folder.make(count.unwrap_or(DEFAULT_COUNT), port.unwrap_or(DEFAULT_PORT))?;
        format(folder)?;
    } else {
        check_as_made(folder, &there, count, port)?;
    }
    let nodes = folder.made_nodes()?;
    let servers = servers(&nodes);
    let mut launched = BTreeSet::new();
    let end = Instant::now() + START_PATIENCE;
    loop {
        // one that was killed just now may run still when it is looked at first
        for node in nodes.iter().filter(|node| folder.running(node.id).is_none()) {
            if !launched.insert(node.id) {
                bail!("node {} has ended; its last lines:\n{}", node.id, last_lines(folder, node.id));
            }
            folder.write_pid(node.id, launch(folder, node)?)?;
        }
        let health = tools::health::health(&servers, Duration::from_secs(1));
        if health.is_ok_and(|health| all_serve(&health, &nodes)) {
            return Ok(());
        }
        if Instant::now() > end {
            bail!("not all nodes serve after {START_PATIENCE:?}; see {}", folder.log(1).display());
        }
        thread::sleep(Duration::from_millis(50));
    }
}

/// Each node itself has to answer: the controller does not know yet of one that was killed just now, and counts what it
/// was before it came back.
fn all_serve(health: &Health, nodes: &[Node]) -> bool {
    let serves = |node: &Node| {
        let id = i32::from(node.id);
        health.brokers.contains(&id) && health.answering.contains_key(&id)
    };
    health.leader >= 0 && !health.controllers_silent && nodes.iter().all(serves)
}

/// A cluster stays as it was made: who asks for another is told so.
fn check_as_made(folder: &Folder, nodes: &[Node], count: Option<u16>, port: Option<u16>) -> Result<()> {
    let first_port = nodes.first().map_or(DEFAULT_PORT, |node| node.port);
    if count.is_none_or(|count| usize::from(count) == nodes.len())
        && port.is_none_or(|port| port == first_port)
    {
        return Ok(());
    }
    let ports: Vec<String> = nodes.iter().map(|node| node.port.to_string()).collect();
    let (path, those) = (folder.path().display(), if nodes.len() == 1 { "node" } else { "nodes" });
    bail!(
        "the cluster in {path} has {} {those} (port {}) and stays as it was made; to start it: barnabas cluster start; to \
         make another beside it: --folder OTHER, with a --port of its own; to make this one anew, without its data: barnabas \
         cluster stop, and remove {path}",
        nodes.len(),
        ports.join(", ")
    )
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_that_the_controller_counts_serves_when_it_answers() {
        let nodes = [1, 2].map(|id| Node { id, port: 9090 + id * 2 });
        let rows = [
            (1, false, [(1, 0), (2, 0)].into(), vec![1, 2], true),
            // killed a moment ago, and started again
            (1, false, [(1, 0)].into(), vec![1, 2], false),
            (1, false, [(1, 0), (2, 0)].into(), vec![1], false),
            (-1, false, [(1, 0), (2, 0)].into(), vec![1, 2], false),
            (1, true, [(1, 0), (2, 0)].into(), vec![1, 2], false),
        ];
        for (leader, controllers_silent, answering, brokers, serve) in rows {
            let health = Health { leader, controllers_silent, brokers, answering, ..Health::default() };
            assert_eq!(all_serve(&health, &nodes), serve, "{health:?}");
        }
    }

    #[test]
    fn a_cluster_stays_as_it_was_made() {
        let folder = Folder::new("here".into());
        let nodes = [1, 2, 3].map(|id| Node { id, port: 19090 + id * 2 });
        for (count, port, good) in [
            (None, None, true),
            (Some(3), Some(19092), true),
            (Some(5), None, false),
            (Some(1), None, false),
            (None, Some(9092), false),
        ] {
            let outcome = check_as_made(&folder, &nodes, count, port);
            assert_eq!(outcome.is_ok(), good, "{count:?} {port:?}");
            if let Err(error) = outcome {
                let text = error.to_string();
                assert!(
                    text.starts_with("the cluster in here has 3 nodes (port 19092, 19094, 19096)"),
                    "{text}"
                );
                assert!(text.contains("--folder OTHER") && text.contains("remove here"), "{text}");
            }
        }
    }
}
