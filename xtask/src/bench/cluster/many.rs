//! Ten thousand partitions of three replicas: making them, memory and open files after load, a new active controller.

use std::time::Duration;

use anyhow::{Context, Result};

use super::failover::probe;
use super::nodes::{Cluster, now_nanos, percentiles};
use crate::bench::Party;
use crate::bench::run::{Bench, Figure, less};
use crate::subject::{Kind, Subject};

const PARTITIONS: u64 = 1000;
const BYTES_A_TOPIC: u64 = 32 << 20;
/// A new active controller that takes longer is asked why.
const WORTH_A_LOOK_MS: i64 = 250;

pub fn measure(bench: &Bench, party: Party) -> Result<Vec<Figure>> {
    let Some(kind) = party.kind() else { return Ok(Vec::new()) };
    let mut cluster = Cluster::start(bench, kind, &[])?;
    let topics = bench.sizes.large_topics;
    let mut figures = vec![less("made in", cluster.create(bench, topics, PARTITIONS)?, "s")];
    for topic in 0..topics {
        let name = if topic == 0 { "bench".to_owned() } else { format!("bench-{topic}") };
        let options = [
            ("topic", name),
            ("partitions", PARTITIONS.to_string()),
            ("acks", "all".to_owned()),
            ("bytes", BYTES_A_TOPIC.to_string()),
        ];
        bench.load_anywhere(&cluster.bootstrap(), "produce", &options)?;
    }
    figures.push(less(
        "resident, largest node",
        largest(&cluster, |one| Ok(one.resident_kib()? as f64 / 1024.0))?,
        "MiB",
    ));
    figures.push(less(
        "open files, largest node",
        largest(&cluster, |one| Ok(one.open_files()? as f64))?,
        "",
    ));
    let before = cluster.cpu_seconds()?;
    let idle = Duration::from_secs(10);
    std::thread::sleep(idle);
    let cpu = (cluster.cpu_seconds()? - before) / idle.as_secs_f64();
    figures.push(less("CPU of three idle nodes", cpu, "cores"));
    let times = if kind == Kind::Barnabas { bench.sizes.controllers } else { bench.sizes.kafka_faults };
    figures.extend(controllers(bench, &mut cluster, times)?);
    // killed, not stopped: a controlled stop syncs each partition's files
    Ok(figures)
}

fn largest(cluster: &Cluster, figure: impl Fn(&Subject) -> Result<f64>) -> Result<f64> {
    cluster.subjects().map(figure).try_fold(0f64, |most, one| Ok(most.max(one?)))
}

/// The active controller's node is killed: how long until the metadata can be changed again.
fn controllers(bench: &Bench, cluster: &mut Cluster, times: usize) -> Result<Vec<Figure>> {
    let mut probe = probe(bench, cluster, PARTITIONS)?;
    let mut gaps = Vec::new();
    for _ in 0..times {
        let settled = probe.ask("settle", "settled")?;
        let controller = usize::try_from(*settled.get(1).context("no controller")?)?;
        let since = now_nanos()?;
        cluster.nodes.node(controller)?.kill();
        let changed = probe.ask("change", "changed")?;
        let done = changed.first().context("no time")?;
        let gap = (done - since) / 1000;
        println!("    controller {controller} killed: {} ms", gap / 1000);
        if gap / 1000 > WORTH_A_LOOK_MS {
            cluster.tell(since / 1_000_000, done / 1_000_000);
        }
        gaps.push(gap);
        cluster.nodes.node(controller)?.start()?;
    }
    Ok(percentiles("controller failover, p50", "controller failover, longest", &mut gaps))
}
