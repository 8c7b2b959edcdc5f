//! How a cluster is, looked at once or each second: who leads, how far replicas are behind, which are not in sync.

mod view;

use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::time::Duration;

use client::{Admin, ClientConfig, Cluster, Error, Properties};
use protocol::Str;
use protocol::messages::describe_quorum_request::{PartitionData, TopicData};
use protocol::messages::{
    DescribeLogDirsRequest, DescribeLogDirsResponse, DescribeQuorumRequest, DescribeQuorumResponse,
    MetadataResponse,
};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::Stop;
use crate::connecting::block_on;
pub(crate) use view::View;
use view::{Controller, Node, Trouble};

/// How one looks.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wishes {
    /// Each second, until Ctrl-C.
    pub watch: bool,
    /// One JSON value a look, for programs.
    pub json: bool,
}

const PAUSE: Duration = Duration::from_secs(1);
/// How long a look may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long the controllers and each broker for itself may take: who waits longer learns no more.
const PATIENCE_OF_ONE: Duration = Duration::from_secs(3);

/// Looks at the cluster behind these servers (`host:port,…`); fails where something is not as it should be.
pub fn look(servers: &str, wishes: Wishes) -> ExitCode {
    match block_on(run(servers, wishes)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(stop) => stop.end(String::new),
    }
}

async fn run(servers: &str, wishes: Wishes) -> Result<bool, Stop> {
    let screen = wishes.watch && !wishes.json && std::io::stdout().is_terminal();
    let watch = async {
        loop {
            let view = match ask(servers, PATIENCE).await {
                Ok(view) => view,
                Err(Stop::Usage(text) | Stop::Error(text)) => View::unanswered(text),
                Err(stop) => return Err(stop),
            };
            let text = if wishes.json { format!("{}\n", view.json()) } else { view.text() };
            show(&text, screen).map_err(|_| Stop::Code(1))?;
            if !wishes.watch {
                return Ok(view.is_well());
            }
            tokio::time::sleep(PAUSE).await;
        }
    };
    tokio::select! {
        outcome = watch => outcome,
        // that is how one ends to look
        _ = crate::interrupted::interrupted() => Ok(true),
    }
}

/// On a screen in place of what was there; else below it.
fn show(text: &str, screen: bool) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    if screen {
        // home, each line to its end, then what is left of the old one: without a flicker
        write!(out, "\x1b[H{}\x1b[J", text.replace('\n', "\x1b[K\n"))?;
    } else {
        out.write_all(text.as_bytes())?;
    }
    out.flush()
}

/// Asks the brokers what they know and the controllers what they know; that these are silent costs only their part.
/// Text for the operator where no broker answers in that time.
pub(crate) async fn ask(servers: &str, patience: Duration) -> Result<View, Stop> {
    let properties = Properties::from([("bootstrap.servers".to_owned(), servers.to_owned())]);
    let config = ClientConfig::from_properties(&properties)?;
    let brokers = Admin::new(Cluster::new(config.clone()));
    // a broker answers one request of a connection after the other, so what waits for controllers has its own
    let controllers = Admin::new(Cluster::new(config));
    let of_one = patience.min(PATIENCE_OF_ONE);
    let (metadata, quorum) =
        tokio::join!(timeout(patience, brokers.metadata(None)), timeout(of_one, quorum(&controllers)));
    let metadata = metadata.map_err(|_| Stop::error(format!("none of {servers} answers")))?;
    let metadata = metadata.map_err(|error| Stop::error(error.to_string()))?;
    let mut view = View { at: crate::dates::now_ms(), leader: -1, ..View::default() };
    match quorum {
        Ok(Ok(answer)) => controllers_of(&answer, &mut view),
        Ok(Err(error)) => view.controllers_silent = Some(error.to_string()),
        Err(_) => view.controllers_silent = Some(format!("no answer within {} ms", of_one.as_millis())),
    }
    view.cluster_id = metadata.cluster_id.as_ref().map(Str::to_string).unwrap_or_default();
    partitions(&metadata, &mut view);
    let mut asked = JoinSet::new();
    for id in metadata.brokers.iter().map(|broker| broker.node_id) {
        let brokers = brokers.clone();
        asked.spawn(async move {
            let request = DescribeLogDirsRequest { topics: None };
            (id, timeout(of_one, brokers.call_node(id, &request)).await)
        });
    }
    while let Some(one) = asked.join_next().await {
        // one that is away or just going tells nothing
        let Ok((id, Ok(Ok(answer)))) = one else { continue };
        directories(&answer, view.nodes.entry(id).or_default());
    }
    Ok(view)
}

async fn quorum(admin: &Admin) -> Result<DescribeQuorumResponse, Error> {
    let log = TopicData {
        topic_name: Str::from("__cluster_metadata"),
        partitions: vec![PartitionData { partition_index: 0 }],
    };
    let answer = admin.call(&DescribeQuorumRequest { topics: vec![log] }).await?;
    Error::check(answer.error_code, answer.error_message.as_ref())?;
    Ok(answer)
}

fn controllers_of(answer: &DescribeQuorumResponse, view: &mut View) {
    let Some(log) = answer.topics.first().and_then(|topic| topic.partitions.first()) else { return };
    view.leader = log.leader_id;
    view.leader_epoch = log.leader_epoch;
    let everyone = || log.current_voters.iter().chain(&log.observers);
    let end = everyone().find(|one| one.replica_id == log.leader_id).map_or(0, |one| one.log_end_offset);
    view.controllers = log
        .current_voters
        .iter()
        .map(|one| Controller {
            id: one.replica_id,
            lag: end.saturating_sub(one.log_end_offset).max(0),
            silent_ms: view.at.saturating_sub(one.last_fetch_timestamp).max(0),
        })
        .collect();
}

fn directories(answer: &DescribeLogDirsResponse, node: &mut Node) {
    node.answers = true;
    let failed = answer.results.iter().filter(|one| Error::check(one.error_code, None).is_err());
    node.failed_directories = failed.map(|one| one.log_dir.to_string()).collect();
    let topics = answer.results.iter().flat_map(|directory| &directory.topics);
    let lags = topics.flat_map(|topic| &topic.partitions).filter(|one| !one.is_future_key);
    (node.lag, node.bytes) = lags.fold((0, 0), |(lag, bytes), one| {
        (one.offset_lag.max(0).saturating_add(lag), one.partition_size.max(0).saturating_add(bytes))
    });
}

fn partitions(metadata: &MetadataResponse, view: &mut View) {
    for broker in &metadata.brokers {
        let address = format!("{}:{}", broker.host, broker.port);
        let rack = broker.rack.as_ref().map(Str::to_string);
        view.nodes.insert(broker.node_id, Node { address: Some(address), rack, ..Node::default() });
    }
    for topic in &metadata.topics {
        let name = topic.name.as_deref().unwrap_or_default();
        for one in &topic.partitions {
            view.partitions += 1;
            // brokers that are away appear with their replicas alone
            for id in &one.replica_nodes {
                let node = view.nodes.entry(*id).or_default();
                node.replicas += 1;
                node.leads += usize::from(*id == one.leader_id);
                node.in_sync += usize::from(one.isr_nodes.contains(id));
            }
            let leaderless = one.leader_id < 0;
            if leaderless || one.isr_nodes.len() < one.replica_nodes.len() {
                view.troubles.push(Trouble {
                    partition: format!("{name}-{}", one.partition_index),
                    leader: (!leaderless).then_some(one.leader_id),
                    replicas: one.replica_nodes.clone(),
                    in_sync: one.isr_nodes.clone(),
                });
            }
        }
    }
}
