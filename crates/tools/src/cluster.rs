//! kafka-cluster: the cluster's id, its endpoints, and unregistering a broker.

use std::process::ExitCode;

use client::Error;
use protocol::messages::{DescribeClusterRequest, DescribeClusterResponse, UnregisterBrokerRequest};

use crate::Stop;
use crate::admin::java_text;
use crate::argparse::{ArgumentLine, Arguments, switch, value};
use crate::connecting::block_on;
use crate::output::say;
use crate::subcommands::{self, CONFIG, CONTROLLER, SERVER, Subcommand};

const OLD_CONFIG: crate::argparse::Argument =
    value("--config", "file", "The old name of --command-config.").or("-c");
const SERVERS: crate::argparse::Argument = SERVER.or("-b");
const CONTROLLERS: crate::argparse::Argument = CONTROLLER.or("-C");

pub const COMMANDS: &[Subcommand] = &[
    Subcommand {
        name: "cluster-id",
        line: &ArgumentLine {
            program: "kafka-cluster",
            about: "Prints the id of the cluster.",
            arguments: &[SERVERS, CONTROLLERS, CONFIG, OLD_CONFIG],
            examples: &["cluster-id --bootstrap-server localhost:9092"],
        },
        run: cluster_id,
    },
    Subcommand {
        name: "unregister",
        line: &ArgumentLine {
            program: "kafka-cluster",
            about: "Makes the cluster forget a broker that is gone for good.",
            arguments: &[
                SERVERS,
                CONTROLLERS,
                CONFIG,
                OLD_CONFIG,
                value("--id", "ID", "The broker.").or("-i").required(),
            ],
            examples: &["unregister --bootstrap-server localhost:9092 --id 3"],
        },
        run: unregister,
    },
    Subcommand {
        name: "list-endpoints",
        line: &ArgumentLine {
            program: "kafka-cluster",
            about: "Prints the endpoints of the brokers or controllers.",
            arguments: &[
                SERVERS,
                CONTROLLERS,
                CONFIG,
                OLD_CONFIG,
                switch("--include-fenced-brokers", "Fenced brokers too."),
            ],
            examples: &["list-endpoints --bootstrap-server localhost:9092"],
        },
        run: list_endpoints,
    },
];

pub fn main(arguments: Vec<String>) -> ExitCode {
    subcommands::main("kafka-cluster", COMMANDS, arguments)
}

fn ask(arguments: &Arguments, include_fenced_brokers: bool) -> Result<DescribeClusterResponse, Stop> {
    let cluster = subcommands::cluster(arguments)?;
    let endpoint_type = if arguments.has("--bootstrap-controller") { 2 } else { 1 };
    block_on(async {
        let admin = crate::admin::reach_cluster(cluster, "describeCluster").await?;
        let request = DescribeClusterRequest { endpoint_type, include_fenced_brokers, ..Default::default() };
        let response = admin.call(&request).await?;
        Error::check(response.error_code, response.error_message.as_ref())?;
        Ok(response)
    })
}

fn cluster_id(arguments: &Arguments) -> Result<(), Stop> {
    let response = ask(arguments, false)?;
    match response.cluster_id.as_str() {
        "" => say!("No cluster ID found. The Kafka version is probably too old."),
        id => say!("Cluster ID: {id}"),
    }
    Ok(())
}

fn unregister(arguments: &Arguments) -> Result<(), Stop> {
    let cluster = subcommands::cluster(arguments)?;
    let id = arguments.integer("--id")?.ok_or_else(|| Stop::usage("argument --id/-i is required"))?;
    block_on(async {
        let admin = crate::admin::reach_cluster(cluster, "unregisterBroker").await?;
        let response = admin.call(&UnregisterBrokerRequest { broker_id: id }).await?;
        Error::check(response.error_code, response.error_message.as_ref())
            .map_err(|error| Stop::error(java_text(&error)))?;
        say!("Broker {id} is no longer registered.");
        Ok(())
    })
}

fn list_endpoints(arguments: &Arguments) -> Result<(), Stop> {
    let controllers = arguments.has("--bootstrap-controller");
    let fenced = arguments.has("--include-fenced-brokers");
    if controllers && fenced {
        return Err(Stop::error(
            "The option --include-fenced-brokers is only supported with --bootstrap-server option",
        ));
    }
    let mut nodes = ask(arguments, true)?.brokers;
    nodes.retain(|node| fenced || !node.is_fenced);
    nodes.sort_by_key(|node| node.broker_id);
    let kind = if controllers { "controller" } else { "broker" };
    let host_width = nodes.iter().map(|node| node.host.len()).max().unwrap_or(0).max(4);
    let rack_width =
        nodes.iter().filter_map(|node| Some(node.rack.as_ref()?.len())).max().unwrap_or(0).max(10);
    let line = |id: &str, host: &str, port: &str, rack: &str, state: &str, kind: &str| {
        let state = if controllers { String::new() } else { format!("{state:10} ") };
        say!("{id:10} {host:host_width$} {port:10} {rack:rack_width$} {state}{kind:15}");
    };
    line("ID", "HOST", "PORT", "RACK", "STATE", "ENDPOINT_TYPE");
    for node in nodes {
        let (id, port) = (node.broker_id.to_string(), node.port.to_string());
        let state = if node.is_fenced { "fenced" } else { "unfenced" };
        line(&id, &node.host, &port, node.rack.as_deref().unwrap_or("null"), state, kind);
    }
    Ok(())
}
