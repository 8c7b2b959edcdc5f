//! A leader dies or hangs, again and again: how long until a client's next record is acknowledged.

use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::nodes::{Cluster, Probe, now_nanos, percentiles};
use crate::bench::Party;
use crate::bench::run::{Bench, Figure, less};
use crate::install;
use crate::node_log;
use crate::shell::root;
use crate::subject::Kind;

#[derive(Clone, Copy, Debug)]
pub enum Fault {
    Kill,
    Hang(Patience),
}

/// How long a node that says nothing is waited for.
#[derive(Clone, Copy, Debug)]
pub enum Patience {
    Defaults,
    /// Milliseconds of a broker's session.
    Session(u32),
    /// The same, of a broker's session and of the quorum's fetches.
    All(u32),
}

impl Fault {
    fn properties(self) -> Vec<(&'static str, String)> {
        let (session, fetch) = match self {
            Fault::Kill | Fault::Hang(Patience::Defaults) => (None, None),
            Fault::Hang(Patience::Session(ms)) => (Some(ms), None),
            Fault::Hang(Patience::All(ms)) => (Some(ms), Some(ms)),
        };
        // Kafka's heartbeats are as rare as ever where the session alone is given
        let heartbeat = session.map(|ms| ms / 5);
        [
            ("broker.session.timeout.ms", session),
            ("broker.heartbeat.interval.ms", heartbeat),
            ("controller.quorum.fetch.timeout.ms", fetch),
        ]
        .into_iter()
        .filter_map(|(name, ms)| Some((name, ms?.to_string())))
        .collect()
    }

    /// So many faults are also seen by clients with their defaults, which are slow to try again, slower where no
    /// connection ends.
    fn usual(self) -> usize {
        match self {
            Fault::Kill => 10,
            Fault::Hang(_) => 3,
        }
    }
}

/// Microseconds without an acknowledged record, fault by fault.
#[derive(Default)]
struct Gaps {
    /// The node led the partition alone.
    leader: Vec<i64>,
    /// It was the active controller as well.
    with_controller: Vec<i64>,
    /// The same faults, all of them, seen by clients as they come.
    franz_go: Vec<i64>,
    java: Vec<i64>,
    victims: Vec<Victim>,
}

pub fn measure(bench: &Bench, party: Party, partitions: u64, fault: Fault) -> Result<Vec<Figure>> {
    let Some(kind) = party.kind() else { return Ok(Vec::new()) };
    let properties = fault.properties();
    let properties: Vec<(&str, &str)> =
        properties.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let mut cluster = Cluster::start(bench, kind, &properties)?;
    cluster.create(bench, 1, partitions)?;
    let mut probe = probe(bench, &cluster, partitions)?;
    let mut java = java_probe(&cluster)?;
    let times = match kind {
        Kind::Barnabas => bench.sizes.faults,
        Kind::Kafka => bench.sizes.kafka_faults,
    };
    let mut gaps = Gaps::default();
    for index in 0..times {
        let clients = (index < fault.usual()).then_some(&mut java);
        let with_controller = index % EACH_WITH_CONTROLLER == 0;
        one(&mut cluster, &mut probe, clients, with_controller, fault, &mut gaps)?;
    }
    let unexplained = match kind {
        Kind::Barnabas => Some(fencings(&cluster, &gaps.victims)?),
        Kind::Kafka => None,
    };
    // killed, not stopped: the last victim has just begun again
    drop((probe, java, cluster));
    let mut figures = percentiles("leader, p50", "leader, p99", &mut gaps.leader);
    let both = ("leader and controller, p50", "leader and controller, p99");
    figures.extend(percentiles(both.0, both.1, &mut gaps.with_controller));
    figures.extend(percentiles("franz-go as it comes, p50", "franz-go as it comes, p99", &mut gaps.franz_go));
    figures.extend(percentiles("Java as it comes, p50", "Java as it comes, p99", &mut gaps.java));
    figures.extend(unexplained.map(|count| less("fenced without reason", count as f64, "")));
    Ok(figures)
}

/// A node that was killed or stopped.
struct Victim {
    node: usize,
    since: i64,
}

/// How many brokers were fenced while no fault of theirs was the latest. Each is printed.
fn fencings(cluster: &Cluster, victims: &[Victim]) -> Result<usize> {
    let mut unexplained = 0;
    for fenced in cluster
        .nodes
        .0
        .iter()
        .map(|node| node_log::fenced(&node.settings.log()))
        .collect::<Result<Vec<_>>>()?
        .concat()
    {
        let latest = victims.iter().rev().find(|victim| victim.since / 1_000_000 <= fenced.at_ms);
        if latest.is_some_and(|victim| victim.node != fenced.broker) {
            println!("    without reason: {}", fenced.line);
            unexplained += 1;
        }
    }
    Ok(unexplained)
}

/// Every third fault hits a leader that is the active controller as well, the others one that is not.
const EACH_WITH_CONTROLLER: usize = 3;

/// No session is that short: the node did not lead.
const TOO_SOON_US: i64 = 100_000;

fn one(
    cluster: &mut Cluster,
    probe: &mut Probe,
    clients: Option<&mut Probe>,
    with_controller: bool,
    fault: Fault,
    gaps: &mut Gaps,
) -> Result<()> {
    let settle = if clients.is_some() { "settle all" } else { "settle" };
    probe.ask(settle, "settled")?;
    if with_controller {
        probe.ask("gather", "gathered")?;
    } else {
        probe.ask("part", "parted")?;
    }
    let settled = probe.ask(settle, "settled")?;
    let [leader, controller] = settled[..] else { bail!("not two nodes: {settled:?}") };
    let mut clients = clients;
    if let Some(java) = &mut clients {
        java.ask("settle", "settled")?;
    }
    let victim = usize::try_from(leader)?;
    let node = cluster.nodes.node(victim)?;
    let since = now_nanos()?;
    gaps.victims.push(Victim { node: victim, since });
    match fault {
        Fault::Kill => node.kill(),
        Fault::Hang(_) => node.subject().context("not running")?.process.hold()?,
    }
    let killed = format!("killed {since}");
    if let Some(java) = &mut clients {
        java.tell(&killed)?;
    }
    let gap = probe.ask(&killed, "gap")?;
    println!("    node {leader}, active controller {controller}: {:?} us", gap);
    if matches!(fault, Fault::Hang(_)) && gap.iter().any(|&us| us < TOO_SOON_US) {
        cluster.tell(since / 1_000_000 - 5000, since / 1_000_000);
    }
    if leader == controller { &mut gaps.with_controller } else { &mut gaps.leader }.extend(gap);
    if let Some(java) = clients {
        gaps.franz_go.extend(probe.ask(&format!("usual {since}"), "gap")?);
        gaps.java.extend(java.heard("gap")?);
    }
    let node = cluster.nodes.node(victim)?;
    match fault {
        Fault::Kill => node.start(),
        Fault::Hang(_) => node.subject().context("not running")?.process.release(),
    }
}

/// Each node is stopped as an operator does, started, and back in sync before the next.
pub fn rolling(bench: &Bench, party: Party) -> Result<Vec<Figure>> {
    let Some(kind) = party.kind() else { return Ok(Vec::new()) };
    let mut cluster = Cluster::start(bench, kind, &[])?;
    cluster.create(bench, 1, 100)?;
    let mut probe = probe(bench, &cluster, 100)?;
    probe.ask("settle", "settled")?;
    thread::sleep(Duration::from_secs(2));
    probe.ask("pause", "pause")?;
    for index in 0..cluster.nodes.0.len() {
        let node = cluster.nodes.0.get_mut(index).context("no such node")?;
        node.stop()?;
        node.start()?;
        probe.ask("settle", "settled")?;
    }
    let pauses = probe.ask("pause", "pause")?;
    let [quick, usual] = pauses[..] else { bail!("not two times: {pauses:?}") };
    drop((probe, cluster));
    Ok(vec![
        less("longest pause, tried every 10 ms", quick as f64 / 1000.0, "ms"),
        less("longest pause, franz-go as it comes", usual as f64 / 1000.0, "ms"),
    ])
}

pub fn probe(bench: &Bench, cluster: &Cluster, partitions: u64) -> Result<Probe> {
    let mut command = std::process::Command::new(&bench.load_client);
    command
        .arg("probe")
        .args(["--bootstrap", &cluster.bootstrap()])
        .arg(format!("--partitions={partitions}"));
    Probe::start(command)
}

fn java_probe(cluster: &Cluster) -> Result<Probe> {
    let mut command = std::process::Command::new("java");
    let logging = root().join("compat/java/log4j2.properties");
    command
        .args(["-Xmx200m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"])
        .arg(format!("-Dlog4j2.configurationFile={}", logging.display()))
        .args(["-cp", &install::kafka_class_path()?])
        .arg(root().join("bench/java/Probe.java"))
        .args([&cluster.bootstrap(), "bench", "0"]);
    Probe::start(command)
}
