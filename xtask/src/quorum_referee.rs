//! Apache Kafka judges the quorum: controllers of ours and of Kafka's in one, in each proportion; leaders of both kinds
//! are killed, topics are created through every broker, a fresh node comes by snapshot and becomes a voter, and the
//! metadata logs are the same bytes at the end.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::quorum_nodes::{Nodes, Voters, tool};
use crate::shell::root;
use crate::subject::{Kind, build};

use Kind::{Barnabas, Kafka};

/// Leaders killed until both kinds have been one.
const KILLS_MAX: usize = 12;

#[derive(Args)]
pub struct QuorumReferee {
    /// Where the directories are made; emptied first
    #[arg(long, default_value = "target/quorum-referee")]
    folder: PathBuf,
}

impl QuorumReferee {
    pub fn run(&self) -> Result<()> {
        build(Barnabas)?;
        let folder = root().join(&self.folder);
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        for (name, kinds, voters) in [
            ("ours", [Barnabas, Barnabas, Barnabas], Voters::Initial),
            ("one-of-ours", [Barnabas, Kafka, Kafka], Voters::Initial),
            ("one-of-kafkas", [Kafka, Barnabas, Barnabas], Voters::Static),
        ] {
            let nodes = Nodes::format(&folder.join(name), &kinds, voters, &[])?;
            leaders_are_killed(name, nodes)?;
        }
        for (name, kinds) in [("joins-kafka", [Kafka, Barnabas]), ("joins-ours", [Barnabas, Kafka])] {
            let often = [("metadata.log.max.record.bytes.between.snapshots", "2000")];
            let nodes = Nodes::format(&folder.join(name), &kinds, Voters::First, &often)?;
            one_joins(name, nodes)?;
        }
        println!("quorum-referee: Kafka's controllers and ours decide together");
        Ok(())
    }
}

/// A topic through each running broker; each must answer for itself.
fn create_topics(nodes: &Nodes, topics: &mut Vec<String>) -> Result<()> {
    for node in nodes.0.iter().filter(|node| node.is_running()) {
        let name = format!("topic-{}", topics.len());
        let created =
            ["kafka-topics", "--bootstrap-server", &node.settings.bootstrap(), "--create", "--topic", &name];
        tool(&[&created[..], &["--partitions", "3", "--replication-factor", "1"]].concat())
            .with_context(|| format!("through node {}", node.id))?;
        topics.push(name);
    }
    Ok(())
}

fn all_know(nodes: &mut Nodes, topics: &[String]) -> Result<()> {
    nodes.until("every broker knowing every topic", |nodes| {
        for node in nodes.0.iter().filter(|node| node.is_running()) {
            let listed = tool(&["kafka-topics", "--bootstrap-server", &node.settings.bootstrap(), "--list"])?;
            let missing = topics.iter().find(|topic| !listed.lines().any(|line| line == *topic));
            if let Some(topic) = missing {
                bail!("node {} does not know {topic}", node.id);
            }
        }
        Ok(Some(()))
    })
}

fn all_caught_up(nodes: &mut Nodes) -> Result<()> {
    let count = nodes.0.len();
    nodes.until("followers that keep up", |nodes| {
        let replicas = nodes.describe(None)?;
        // the leader writes twice a second
        let behind = replicas.iter().find(|one| one.lag > 3 || one.end_offset <= 0);
        Ok((replicas.len() == count && behind.is_none()).then_some(()))
    })
}

fn leaders_are_killed(name: &str, mut nodes: Nodes) -> Result<()> {
    let mut topics = Vec::new();
    nodes.0.iter_mut().try_for_each(|node| node.start())?;
    nodes.leader(None)?;
    all_caught_up(&mut nodes)?;
    let mut wanted: Vec<Kind> = Vec::new();
    for node in &nodes.0 {
        if !wanted.contains(&node.kind()) {
            wanted.push(node.kind());
        }
    }
    let mut killed = Vec::new();
    while let Some(missing) = wanted.iter().find(|kind| !killed.contains(*kind)) {
        if killed.len() >= KILLS_MAX {
            bail!("{name}: no leader of kind {} in {KILLS_MAX} elections", missing.name());
        }
        create_topics(&nodes, &mut topics)?;
        let leader = nodes.leader(None)?;
        let node = nodes.node(leader)?;
        killed.push(node.kind());
        node.kill();
        let next = nodes.leader(Some(leader))?;
        create_topics(&nodes, &mut topics)?;
        nodes.node(leader)?.start()?;
        all_caught_up(&mut nodes)?;
        println!("{name}: node {leader} ({}) was killed, node {next} leads", killed[killed.len() - 1].name());
    }
    let by_kafka = nodes.describe_by_kafka()?;
    if by_kafka.iter().filter(|one| one.status == "Follower").count() + 1 != nodes.0.len() {
        bail!("Kafka's tool sees {by_kafka:?}");
    }
    all_know(&mut nodes, &topics)?;
    nodes.0.iter_mut().for_each(|node| node.kill());
    same_logs(name, &nodes)
}

/// Each log is a beginning of the longest.
fn same_logs(name: &str, nodes: &Nodes) -> Result<()> {
    let read = |node: &crate::quorum_nodes::Node| {
        let path = node.metadata_log().join("00000000000000000000.log");
        fs::read(&path).with_context(|| path.display().to_string())
    };
    let mut logs: Vec<Vec<u8>> = nodes.0.iter().map(read).collect::<Result<_>>()?;
    // Kafka sets files aside with zeros at their ends
    logs.iter_mut()
        .for_each(|log| log.truncate(log.iter().rposition(|byte| *byte != 0).map_or(0, |at| at + 1)));
    let shared = logs.iter().map(Vec::len).min().unwrap_or(0);
    let first = logs.first().and_then(|log| log.get(..shared)).unwrap_or_default();
    if let Some(at) = logs.iter().position(|log| log.get(..shared) != Some(first)) {
        bail!("{name}: the metadata log of node {} differs from the first's", at + 1);
    }
    println!("{name}: {shared} bytes of metadata are the same in all logs");
    Ok(())
}

fn one_joins(name: &str, mut nodes: Nodes) -> Result<()> {
    let mut topics = Vec::new();
    nodes.node(1)?.start()?;
    nodes.leader(None)?;
    for _ in 0..12 {
        create_topics(&nodes, &mut topics)?;
    }
    nodes.node(2)?.start()?;
    all_caught_up(&mut nodes)?;
    let snapshots = fs::read_dir(nodes.node(2)?.metadata_log())?
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|file| file.ends_with(".checkpoint"))
        .count();
    if snapshots == 0 {
        bail!("{name}: node 2 has the log but no snapshot");
    }
    let properties = nodes.node(2)?.settings.folder.join("server.properties").display().to_string();
    let bootstrap = nodes.0[0].settings.bootstrap();
    let add = ["--bootstrap-server", &bootstrap, "--command-config", &properties, "add-controller"];
    let said = nodes.kafka_tool("org.apache.kafka.tools.MetadataQuorumCommand", &add)?;
    let voters = nodes.until("two voters", |nodes| {
        let replicas = nodes.describe(None)?;
        Ok(replicas.iter().all(|one| one.status != "Observer").then_some(replicas))
    })?;
    all_know(&mut nodes, &topics)?;
    println!("{name}: {}; {} voters", said.trim(), voters.len());
    // one voter of two has no majority to stop in good order with
    nodes.0.iter_mut().for_each(|node| node.kill());
    Ok(())
}
