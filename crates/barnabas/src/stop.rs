//! `kafka-server-stop`: asks the nodes of this machine to end in good order.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser;
use rustix::process::{Pid, Signal, kill_process};

/// Stops the nodes that run on this machine: each flushes its logs and ends.
#[derive(Parser)]
#[command(
    name = "kafka-server-stop.sh",
    after_help = "Examples:
  kafka-server-stop.sh
  kafka-server-stop.sh --node-id 1"
)]
struct Arguments {
    /// Only nodes started with a file that says this node.id
    #[arg(long, value_name = "ID")]
    node_id: Option<i32>,
    /// Only nodes started with a file that names this role: broker or controller
    #[arg(long, value_name = "ROLE")]
    process_role: Option<String>,
}

pub fn run(arguments: Vec<OsString>) -> ExitCode {
    let arguments = Arguments::parse_from(arguments);
    let nodes: Vec<i32> =
        nodes().into_iter().filter(|(_, line)| chosen(line, &arguments)).map(|(pid, _)| pid).collect();
    if nodes.is_empty() {
        eprintln!("No node to stop runs on this machine");
        return ExitCode::FAILURE;
    }
    for pid in nodes {
        if let Some(pid) = Pid::from_raw(pid)
            && let Err(error) = kill_process(pid, Signal::TERM)
        {
            eprintln!("process {pid:?}: {error}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

fn chosen(line: &[String], arguments: &Arguments) -> bool {
    if arguments.node_id.is_none() && arguments.process_role.is_none() {
        return true;
    }
    let file = line.iter().skip(1).find(|word| word.ends_with(".properties"));
    let bytes = file.and_then(|file| std::fs::read(file).ok()).unwrap_or_default();
    let entries = server::properties::parse(&bytes).unwrap_or_default();
    let value =
        |key: &str| entries.iter().rev().find(|entry| entry.key == key).map(|entry| entry.value.trim());
    let id = arguments.node_id.is_none_or(|id| value("node.id") == Some(&id.to_string()));
    let role = arguments.process_role.as_deref();
    id && role.is_none_or(|role| {
        value("process.roles").is_some_and(|roles| roles.split(',').any(|r| r.trim() == role))
    })
}

/// Processes that run this program's server, with their command lines; not this one.
fn nodes() -> Vec<(i32, Vec<String>)> {
    let own = std::process::id();
    let Ok(processes) = std::fs::read_dir("/proc") else { return Vec::new() };
    let ids = processes.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    ids.filter(|pid| *pid != own)
        .filter_map(|pid| {
            let line = std::fs::read(format!("/proc/{pid}/cmdline")).ok()?;
            let words: Vec<String> =
                line.split(|b| *b == 0).map(|word| String::from_utf8_lossy(word).into_owned()).collect();
            is_node(&words).then_some((pid as i32, words))
        })
        .collect()
}

fn is_node(words: &[String]) -> bool {
    let Some(program) = words.first().and_then(|word| word.rsplit('/').next()) else { return false };
    let first = words.get(1).map_or("", String::as_str);
    program.starts_with("kafka-server-start")
        || program == "barnabas" && matches!(first, "" | "server" | "kafka-server-start" | "server-start")
}
