//! `barnabas cluster`: several nodes on this machine, each a process of its own, to try what a cluster does.

mod folder;
mod nodes;
mod status;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use folder::Folder;

const DEFAULT_FOLDER: &str = "barnabas-cluster";

/// A cluster of several nodes on this machine, to try out and to test against.
#[derive(Parser)]
#[command(
    name = "barnabas cluster",
    after_help = "Examples:
  barnabas cluster start --nodes 3
  barnabas cluster status
  barnabas cluster status --watch         leaders, lag and in-sync sets, each second
  barnabas cluster status --json --bootstrap-server localhost:9092
  barnabas cluster stop --node 2          and `start` brings it back
  barnabas cluster stop

kafka-cluster's own commands (cluster-id, unregister, list-endpoints) are here too."
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
    /// Where the nodes keep their files
    #[arg(long, global = true, default_value = DEFAULT_FOLDER)]
    folder: PathBuf,
}

#[derive(Subcommand)]
enum Command {
    /// Starts the nodes, and makes them when they are not there yet; those that run are left alone
    Start {
        /// How many, where there are none yet [default: 3]
        #[arg(long, value_parser = clap::value_parser!(u16).range(1..=7))]
        nodes: Option<u16>,
        /// The first node's port for clients, where there are none yet; each node has this and the next, one after the
        /// other [default: 9092]
        #[arg(long)]
        port: Option<u16>,
    },
    /// Says how the cluster is; fails where something is not as it should be
    Status {
        /// Leaders, lag and in-sync sets, again each second until Ctrl-C
        #[arg(long)]
        watch: bool,
        /// One JSON value a look, for programs
        #[arg(long)]
        json: bool,
        /// The brokers of any cluster, in place of the folder's
        #[arg(long, value_name = "HOST:PORT,…")]
        bootstrap_server: Option<String>,
    },
    /// Stops the nodes in good order
    Stop {
        /// Only this one
        #[arg(long)]
        node: Option<u16>,
    },
}

/// Whether these are for `barnabas cluster`, not for kafka-cluster.
pub fn is_meant(arguments: &[OsString]) -> bool {
    let first = arguments.first().and_then(|first| first.to_str()).unwrap_or("--help");
    matches!(first, "start" | "status" | "stop" | "help" | "-h" | "--help" | "--folder")
}

/// `arguments` without the name.
pub fn run(arguments: &[OsString]) -> ExitCode {
    let name = OsString::from("barnabas cluster");
    let arguments = Arguments::parse_from(std::iter::once(&name).chain(arguments));
    let folder = Folder::new(arguments.folder);
    let outcome = match arguments.command {
        Command::Start { nodes, port } => {
            // done when all serve; that replicas are not in sync again yet is said, no more
            nodes::start(&folder, nodes, port).and_then(|()| status::say(&folder)).map(|_| true)
        }
        Command::Status { watch: false, json: false, bootstrap_server: None } => status::say(&folder),
        Command::Status { watch, json, bootstrap_server } => {
            let servers = match bootstrap_server {
                Some(servers) => Ok(servers),
                None => folder.made_nodes().map(|nodes| nodes::servers(&nodes)),
            };
            match servers {
                Ok(servers) => return tools::live::look(&servers, tools::live::Wishes { watch, json }),
                Err(error) => Err(error),
            }
        }
        Command::Stop { node } => nodes::stop(&folder, node).map(|()| true),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("barnabas cluster: {error:#}");
            ExitCode::FAILURE
        }
    }
}
