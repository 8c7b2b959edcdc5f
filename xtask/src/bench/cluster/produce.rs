//! What it costs to have each record three times.

use anyhow::{Result, bail};

use super::nodes::Cluster;
use crate::bench::Party;
use crate::bench::floor::Floor;
use crate::bench::run::{Bench, Figure, less, more};

const GIB: f64 = (1 << 30) as f64;
const PARTITIONS: u64 = 6;

pub fn produce(bench: &Bench, party: Party) -> Result<Vec<Figure>> {
    let bytes = bench.sizes.bytes / 2;
    let Some(kind) = party.kind() else { return floor(bench, bytes) };
    let cluster = Cluster::start(bench, kind, &[])?;
    cluster.create(bench, 1, PARTITIONS)?;
    let options = |bytes: u64| {
        [
            ("partitions", PARTITIONS.to_string()),
            ("acks", "all".to_owned()),
            ("record-bytes", "1024".to_owned()),
            ("bytes", bytes.to_string()),
        ]
    };
    bench.load_anywhere(&cluster.bootstrap(), "produce", &options(bytes / 8))?;
    let before = cluster.cpu_seconds()?;
    let seen = bench.load_anywhere(&cluster.bootstrap(), "produce", &options(bytes))?;
    let cpu = cluster.cpu_seconds()? - before;
    cluster.stop()?;
    Ok(vec![
        less("CPU of three nodes", cpu * GIB / bytes as f64, "s/GiB"),
        more("rate", bytes as f64 / seen.number("seconds")? / (1 << 20) as f64, "MiB/s"),
    ])
}

/// Each byte comes from a socket, is checked and written three times, and goes to a socket twice.
fn floor(bench: &Bench, bytes: u64) -> Result<Vec<Figure>> {
    let sink = Floor::start(bench, "sink")?;
    let (_, written) =
        sink.measured(|| bench.load(&sink.address, "stream", &[("bytes", bytes.to_string())]))?;
    drop(sink);
    std::fs::write(bench.floor_file()?, vec![7; usize::try_from(bytes)?])?;
    let sender = Floor::start(bench, "sendfile")?;
    let (_, sent) = sender.measured(|| bench.load(&sender.address, "fetch", &[("topic", String::new())]))?;
    let cpu = 3.0 * written + 2.0 * sent;
    Ok(vec![less("CPU of three nodes", cpu * GIB / bytes as f64, "s/GiB")])
}

pub fn end_to_end(bench: &Bench, party: Party) -> Result<Vec<Figure>> {
    let Some(kind) = party.kind() else { return Ok(Vec::new()) };
    let cluster = Cluster::start(bench, kind, &[])?;
    cluster.create(bench, 1, 1)?;
    let options = |seconds: u64| {
        [
            ("partitions", "1".to_owned()),
            ("acks", "all".to_owned()),
            ("rate", "2000".to_owned()),
            ("seconds", seconds.to_string()),
        ]
    };
    let seconds = bench.sizes.seconds;
    bench.load_anywhere(&cluster.bootstrap(), "endtoend", &options(seconds / 2 + 1))?;
    let before = cluster.cpu_seconds()?;
    let seen = bench.load_anywhere(&cluster.bootstrap(), "endtoend", &options(seconds))?;
    let cpu = cluster.cpu_seconds()? - before;
    cluster.stop()?;
    let elapsed = seen.number("seconds")?;
    if elapsed <= 0.0 {
        bail!("the load took no time");
    }
    Ok(vec![
        less("p50", seen.number("p50")? / 1000.0, "ms"),
        less("p99", seen.number("p99")? / 1000.0, "ms"),
        less("p99.9", seen.number("p999")? / 1000.0, "ms"),
        less("CPU of three nodes", cpu / elapsed, "cores"),
    ])
}
