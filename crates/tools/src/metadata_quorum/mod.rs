//! kafka-metadata-quorum: who leads and follows the metadata log, taking a controller into it and out of it.

mod add;

use std::process::ExitCode;

use client::Error;
use protocol::Str;
use protocol::messages::describe_quorum_request::{PartitionData as Wanted, TopicData};
use protocol::messages::describe_quorum_response::{Node, PartitionData, ReplicaState};
use protocol::messages::{DescribeQuorumRequest, RemoveRaftVoterRequest};

use crate::Stop;
use crate::admin::java_text;
use crate::argparse::{ArgumentLine, Arguments, switch, value};
use crate::connecting::block_on;
use crate::output::say;
use crate::subcommands::{self, CONFIG, CONTROLLER, SERVER, Subcommand};

pub const COMMANDS: &[Subcommand] = &[
    Subcommand {
        name: "describe",
        line: &ArgumentLine {
            program: "kafka-metadata-quorum",
            about: "Shows the quorum.",
            arguments: &[
                SERVER,
                CONTROLLER,
                CONFIG,
                switch("--status", "Leader, epoch, high watermark, lag, voters and observers."),
                switch("--replication", "How far each replica is."),
                switch("--human-readable", "With --replication: times as how long ago."),
            ],
            examples: &["--bootstrap-server localhost:9092 describe --status"],
        },
        run: describe,
    },
    Subcommand {
        name: "add-controller",
        line: &ArgumentLine {
            program: "kafka-metadata-quorum",
            about: "Makes this node's controller a voter.",
            arguments: &[SERVER, CONTROLLER, CONFIG, switch("--dry-run", "Only says what would be done.")],
            examples: &[
                "--bootstrap-controller localhost:9093 --command-config controller.properties add-controller",
            ],
        },
        run: add::run,
    },
    Subcommand {
        name: "remove-controller",
        line: &ArgumentLine {
            program: "kafka-metadata-quorum",
            about: "Takes a voter out of the quorum.",
            arguments: &[
                SERVER,
                CONTROLLER,
                CONFIG,
                value("--controller-id", "CONTROLLER_ID", "The controller.").or("-i").required(),
                value("--controller-directory-id", "CONTROLLER_DIRECTORY_ID", "Its directory's id.")
                    .or("-d")
                    .required(),
                switch("--dry-run", "Only says what would be done."),
            ],
            examples: &["--bootstrap-server localhost:9092 remove-controller -i 3 -d MkU3OEVBNTcwNTJENDM2Qg"],
        },
        run: remove,
    },
];

pub fn main(arguments: Vec<String>) -> ExitCode {
    subcommands::main("kafka-metadata-quorum", COMMANDS, arguments)
}

fn describe(arguments: &Arguments) -> Result<(), Stop> {
    let (status, replication) = (arguments.has("--status"), arguments.has("--replication"));
    let human = arguments.has("--human-readable");
    let cluster = subcommands::cluster(arguments)?;
    if status && human {
        return Err(Stop::error("The option --human-readable is only supported along with --replication"));
    }
    match (status, replication) {
        (true, true) => {
            let text = "Only one of --status or --replication should be specified with describe sub-command";
            return Err(Stop::error(text));
        }
        (false, false) => {
            return Err(Stop::error(
                "One of --status or --replication must be specified with describe sub-command",
            ));
        }
        _ => {}
    }
    block_on(async {
        let admin = crate::admin::reach_cluster(cluster, "describeMetadataQuorum").await?;
        let wanted = TopicData {
            topic_name: Str::from("__cluster_metadata"),
            partitions: vec![Wanted { partition_index: 0 }],
        };
        let response = admin.call(&DescribeQuorumRequest { topics: vec![wanted] }).await?;
        Error::check(response.error_code, response.error_message.as_ref())?;
        let partition = response.topics.into_iter().flat_map(|topic| topic.partitions).next();
        let partition = partition.ok_or_else(|| Stop::error("the quorum said nothing of its log"))?;
        Error::check(partition.error_code, partition.error_message.as_ref())?;
        if replication {
            show_replication(&partition, human);
            return Ok(());
        }
        let describe = protocol::messages::DescribeClusterRequest {
            endpoint_type: if arguments.has("--bootstrap-controller") { 2 } else { 1 },
            ..Default::default()
        };
        let cluster_id = admin.call(&describe).await?.cluster_id;
        show_status(&cluster_id, &partition, &response.nodes);
        Ok(())
    })
}

fn show_status(cluster_id: &str, partition: &PartitionData, nodes: &[Node]) {
    let everyone = || partition.current_voters.iter().chain(&partition.observers);
    let leader = everyone().find(|replica| replica.replica_id == partition.leader_id);
    let end = leader.map_or(0, |leader| leader.log_end_offset);
    // the first of several that are as far
    let last = everyone().min_by_key(|replica| replica.log_end_offset);
    let lag = last.map_or(0, |replica| end.saturating_sub(replica.log_end_offset));
    let lag_time = match (leader, last) {
        (Some(leader), Some(last)) if leader.replica_id == last.replica_id => 0,
        (Some(leader), Some(last))
            if leader.last_caught_up_timestamp >= 0 && last.last_caught_up_timestamp >= 0 =>
        {
            leader.last_caught_up_timestamp.saturating_sub(last.last_caught_up_timestamp)
        }
        _ => -1,
    };
    let rows = [
        ("ClusterId:", cluster_id.to_owned()),
        ("LeaderId:", partition.leader_id.to_string()),
        ("LeaderEpoch:", partition.leader_epoch.to_string()),
        ("HighWatermark:", partition.high_watermark.to_string()),
        ("MaxFollowerLag:", lag.to_string()),
        ("MaxFollowerLagTimeMs:", lag_time.to_string()),
        ("CurrentVoters:", replicas(&partition.current_voters, nodes)),
        ("CurrentObservers:", replicas(&partition.observers, nodes)),
    ];
    for (name, value) in rows {
        say!("{name:23} {value}");
    }
}

fn replicas(replicas: &[ReplicaState], nodes: &[Node]) -> String {
    let one = |replica: &ReplicaState| {
        let mut text = format!("{{\"id\": {}", replica.replica_id);
        if !replica.replica_directory_id.is_zero() {
            text.push_str(&format!(", \"directoryId\": \"{}\"", replica.replica_directory_id));
        }
        let node = nodes.iter().find(|node| node.node_id == replica.replica_id);
        if let Some(node) = node.filter(|node| !node.listeners.is_empty()) {
            let endpoint = |listener: &protocol::messages::describe_quorum_response::Listener| {
                let (host, port) = (&listener.host, listener.port);
                let host = if host.contains(':') { format!("[{host}]") } else { host.to_string() };
                format!("\"{}://{host}:{port}\"", listener.name)
            };
            let endpoints: Vec<String> = node.listeners.iter().map(endpoint).collect();
            text.push_str(&format!(", \"endpoints\": [{}]", endpoints.join(", ")));
        }
        text + "}"
    };
    format!("[{}]", replicas.iter().map(one).collect::<Vec<_>>().join(", "))
}

fn show_replication(partition: &PartitionData, human: bool) {
    let voters = partition
        .current_voters
        .iter()
        .map(|one| (one, if one.replica_id == partition.leader_id { "Leader" } else { "Follower" }));
    let mut everyone: Vec<_> =
        voters.chain(partition.observers.iter().map(|one| (one, "Observer"))).collect();
    // the leader first
    everyone.sort_by_key(|(_, role)| *role != "Leader");
    let leader = everyone.iter().find(|(_, role)| *role == "Leader");
    let end = leader.map_or(0, |(leader, _)| leader.log_end_offset);
    let now = crate::consumer_groups::now();
    let time = |timestamp: i64| match (human, timestamp) {
        (true, 1..) => format!("{} ms ago", now.saturating_sub(timestamp)),
        (true, _) => "unknown".to_owned(),
        (false, timestamp) => timestamp.to_string(),
    };
    let head = [
        "NodeId",
        "DirectoryId",
        "LogEndOffset",
        "Lag",
        "LastFetchTimestamp",
        "LastCaughtUpTimestamp",
        "Status",
    ];
    let mut rows: Vec<Vec<String>> = vec![head.map(String::from).to_vec()];
    for (one, role) in everyone {
        rows.push(vec![
            one.replica_id.to_string(),
            one.replica_directory_id.to_string(),
            one.log_end_offset.to_string(),
            end.saturating_sub(one.log_end_offset).to_string(),
            time(one.last_fetch_timestamp),
            time(one.last_caught_up_timestamp),
            role.to_owned(),
        ]);
    }
    tabbed(&rows);
}

/// Columns padded to the widest cell, each followed by a tab.
fn tabbed(rows: &[Vec<String>]) {
    let width =
        |column: usize| rows.iter().filter_map(|row| row.get(column)).map(String::len).max().unwrap_or(0);
    for row in rows {
        let cells = row.iter().enumerate().map(|(column, cell)| format!("{cell:0$}\t", width(column)));
        say!("{}", cells.collect::<String>());
    }
}

fn remove(arguments: &Arguments) -> Result<(), Stop> {
    let cluster = subcommands::cluster(arguments)?;
    let id = arguments.integer("--controller-id")?.unwrap_or(-1);
    let directory = arguments.value("--controller-directory-id").unwrap_or("");
    let directory_id = crate::uuid::parse(directory)
        .map_err(|error| Stop::error(format!("Failed to parse --controller-directory-id: {error}")))?;
    if id < 0 {
        return Err(Stop::error(format!("Invalid negative --controller-id: {id}")));
    }
    if arguments.has("--dry-run") {
        say!("DRY RUN of removing  KRaft controller {id} with directory id {directory_id}");
        return Ok(());
    }
    block_on(async {
        let admin = crate::admin::reach_cluster(cluster, "removeRaftVoter").await?;
        let request =
            RemoveRaftVoterRequest { cluster_id: None, voter_id: id, voter_directory_id: directory_id };
        let response = admin.call(&request).await?;
        Error::check(response.error_code, response.error_message.as_ref())
            .map_err(|error| Stop::error(java_text(&error)))?;
        say!("Removed  KRaft controller {id} with directory id {directory_id}");
        Ok(())
    })
}
