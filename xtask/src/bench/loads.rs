//! The loads, each run against one subject or the floor; those without a floor give no figure for it.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::Party;
use super::floor::Floor;
use super::run::{Bench, Figure, less, measured, more};
use crate::subject::{Settings, Subject};

pub struct Load {
    pub name: &'static str,
    pub about: &'static str,
    pub run: fn(&Bench, Party) -> Result<Vec<Figure>>,
}

pub const LOADS: &[Load] = &[
    Load {
        name: "produce-1k",
        about: "1 KiB records, 6 partitions, acks=1",
        run: |b, p| produce(b, p, Produced { ..PRODUCED }),
    },
    Load {
        name: "produce-1k-all",
        about: "the same, acks=all",
        run: |b, p| produce(b, p, Produced { acks: "all", ..PRODUCED }),
    },
    Load {
        name: "produce-100",
        about: "100 B records, 6 partitions, acks=1",
        run: |b, p| produce(b, p, Produced { record: 100, ..PRODUCED }),
    },
    Load {
        name: "produce-100-all",
        about: "the same, acks=all",
        run: |b, p| produce(b, p, Produced { record: 100, acks: "all", ..PRODUCED }),
    },
    Load {
        name: "produce-partitions",
        about: "1 KiB records over 1,000 partitions, small batches (no linger, 1,000 records held); resident memory",
        run: |b, p| produce(b, p, Produced { linger: "0", held: 1_000, ..over_many(b) }),
    },
    Load {
        name: "produce-partitions-batched",
        about: "the same, batches of 50 records (50,000 held)",
        run: |b, p| produce(b, p, over_many(b)),
    },
    Load { name: "single", about: "one record a request on 64 connections", run: |b, p| single(b, p, false) },
    Load {
        name: "single-flush",
        about: "the same with fsync before each ack",
        run: |b, p| single(b, p, true),
    },
    Load { name: "fetch", about: "fetch from page cache", run: fetch },
    Load { name: "end-to-end", about: "3,000 records a second through one partition", run: end_to_end },
    Load { name: "start", about: "start to the first acknowledged record; idle memory", run: start },
    Load { name: "recovery", about: "kill -9, then start to the first acknowledged record", run: recovery },
    Load { name: "members", about: "1,000 members join one group", run: members },
    Load { name: "commits", about: "1,000,000 offset commits", run: commits },
    Load { name: "reload", about: "a start that reads 10,000,000 offset commits of one group", run: reload },
];

const GIB: f64 = (1 << 30) as f64;

/// A broker, ready, with the topic there.
fn broker(bench: &Bench, settings: &Settings, partitions: u64) -> Result<Subject> {
    let subject = settings.start()?;
    bench
        .load(&settings.bootstrap(), "create", &[("partitions", partitions.to_string())])
        .with_context(|| subject.log_tail())?;
    Ok(subject)
}

/// How records are produced as fast as they are taken.
struct Produced {
    /// Bytes of a record's value.
    record: u64,
    acks: &'static str,
    partitions: u64,
    linger: &'static str,
    /// Records that the client holds at most: with many partitions they bound its batches.
    held: u64,
}

const PRODUCED: Produced = Produced { record: 1024, acks: "1", partitions: 6, linger: "5ms", held: 50_000 };

fn over_many(bench: &Bench) -> Produced {
    Produced { partitions: bench.sizes.many_partitions, ..PRODUCED }
}

fn produce(bench: &Bench, party: Party, produced: Produced) -> Result<Vec<Figure>> {
    let partitions = produced.partitions;
    let options = |bytes: u64| {
        vec![
            ("partitions", partitions.to_string()),
            ("record-bytes", produced.record.to_string()),
            ("acks", produced.acks.to_owned()),
            ("linger", produced.linger.to_owned()),
            ("buffered", produced.held.to_string()),
            ("bytes", bytes.to_string()),
        ]
    };
    let bytes = bench.sizes.bytes;
    let Some(settings) = bench.settings(party)? else {
        let floor = match partitions {
            ..=6 => Floor::start(bench, "sink")?,
            // each batch to another file is what this load asks for
            many => Floor::start_sink(bench, many, (produced.held / many).max(1) * produced.record)?,
        };
        let (_, cpu) = floor.measured(|| bench.load(&floor.address, "stream", &options(bytes)))?;
        return Ok(vec![less("broker CPU", cpu * GIB / bytes as f64, "s/GiB")]);
    };
    let subject = broker(bench, &settings, partitions)?;
    let address = settings.bootstrap();
    bench.load(&address, "produce", &options(bytes / 8))?;
    let (seen, cpu) = measured(&subject, || bench.load(&address, "produce", &options(bytes)))?;
    let mut figures = vec![
        less("broker CPU", cpu * GIB / bytes as f64, "s/GiB"),
        more("rate", bytes as f64 / seen.number("seconds")? / (1 << 20) as f64, "MiB/s"),
    ];
    if partitions > 6 {
        figures.push(less("resident", subject.resident_kib()? as f64 / 1024.0, "MiB"));
    }
    subject.stop()?;
    Ok(figures)
}

fn single(bench: &Bench, party: Party, flush: bool) -> Result<Vec<Figure>> {
    let options = |seconds: u64| vec![("record-bytes", "100".to_owned()), ("seconds", seconds.to_string())];
    let seconds = bench.sizes.seconds;
    let figures = |seen: &super::run::Seen, cpu: f64| -> Result<Vec<Figure>> {
        let count = seen.number("count")?;
        Ok(vec![
            more("requests per CPU second", count / cpu.max(0.001), "1/s"),
            more("rate", count / seen.number("seconds")?, "1/s"),
            less("p50", seen.number("p50")? / 1000.0, "ms"),
            less("p99", seen.number("p99")? / 1000.0, "ms"),
        ])
    };
    let Some(settings) = bench.settings(party)? else {
        if flush {
            return Ok(Vec::new());
        }
        let floor = Floor::start(bench, "echo")?;
        let (seen, cpu) = floor.measured(|| bench.load(&floor.address, "echo", &options(seconds)))?;
        return figures(&seen, cpu);
    };
    let settings = if flush { settings.property("log.flush.interval.messages", 1) } else { settings };
    let subject = broker(bench, &settings, 6)?;
    bench.load(&settings.bootstrap(), "single", &options(seconds / 3 + 1))?;
    let (seen, cpu) = measured(&subject, || bench.load(&settings.bootstrap(), "single", &options(seconds)))?;
    subject.stop()?;
    figures(&seen, cpu)
}

fn fetch(bench: &Bench, party: Party) -> Result<Vec<Figure>> {
    let bytes = bench.sizes.bytes;
    let options = [("bytes", bytes.to_string())];
    let gib = bytes as f64 / GIB;
    let Some(settings) = bench.settings(party)? else {
        std::fs::write(bench.floor_file()?, vec![7; usize::try_from(bytes)?])?;
        let floor = Floor::start(bench, "sendfile")?;
        let (_, cpu) = floor.measured(|| bench.load(&floor.address, "fetch", &[("topic", String::new())]))?;
        return Ok(vec![less("broker CPU", cpu / gib, "s/GiB")]);
    };
    let subject = broker(bench, &settings, 6)?;
    bench.load(&settings.bootstrap(), "produce", &options)?;
    bench.load(&settings.bootstrap(), "fetch", &options)?;
    let (seen, cpu) = measured(&subject, || bench.load(&settings.bootstrap(), "fetch", &options))?;
    subject.stop()?;
    let gib = seen.number("bytes")? / GIB;
    Ok(vec![
        less("broker CPU", cpu / gib, "s/GiB"),
        more("rate", gib * 1024.0 / seen.number("seconds")?, "MiB/s"),
    ])
}

fn end_to_end(bench: &Bench, party: Party) -> Result<Vec<Figure>> {
    let options = |seconds: u64| {
        vec![("partitions", "1".to_owned()), ("rate", "3000".to_owned()), ("seconds", seconds.to_string())]
    };
    let seconds = bench.sizes.seconds;
    let milliseconds =
        |seen: &super::run::Seen, name: &str| -> Result<f64> { Ok(seen.number(name)? / 1000.0) };
    let Some(settings) = bench.settings(party)? else {
        // The same rate of requests against an echo, on two connections: what the client and the machine cost.
        let floor = Floor::start(bench, "echo")?;
        let mut options = options(seconds);
        options.push(("connections", "2".to_owned()));
        let (seen, cpu) = floor.measured(|| bench.load(&floor.address, "echo", &options))?;
        return Ok(vec![
            less("p50", milliseconds(&seen, "p50")?, "ms"),
            less("p99", milliseconds(&seen, "p99")?, "ms"),
            less("p99.9", milliseconds(&seen, "p999")?, "ms"),
            less("broker CPU", cpu / seen.number("seconds")?, "cores"),
        ]);
    };
    let subject = broker(bench, &settings, 1)?;
    bench.load(&settings.bootstrap(), "endtoend", &options(seconds / 3 + 1))?;
    let (seen, cpu) =
        measured(&subject, || bench.load(&settings.bootstrap(), "endtoend", &options(seconds)))?;
    subject.stop()?;
    Ok(vec![
        less("p50", milliseconds(&seen, "p50")?, "ms"),
        less("p99", milliseconds(&seen, "p99")?, "ms"),
        less("p99.9", milliseconds(&seen, "p999")?, "ms"),
        less("broker CPU", cpu / seen.number("seconds")?, "cores"),
    ])
}

/// Milliseconds from the start of the process to the first acknowledged record.
fn first_ack(bench: &Bench, settings: &Settings) -> Result<(Subject, f64)> {
    let start = Instant::now();
    let subject = settings.launch()?;
    // The client polls while the broker starts, so that its own start is no part of the figure.
    let options =
        [("topic", "bench".to_owned()), ("record-bytes", "100".to_owned()), ("seconds", "300".to_owned())];
    bench.load(&settings.bootstrap(), "first", &options).with_context(|| subject.log_tail())?;
    Ok((subject, start.elapsed().as_secs_f64() * 1000.0))
}

fn start(bench: &Bench, party: Party) -> Result<Vec<Figure>> {
    let Some(settings) = bench.settings(party)? else { return Ok(Vec::new()) };
    settings.prepare()?;
    let (subject, milliseconds) = first_ack(bench, &settings)?;
    // Idle: after what a broker does at its start has come to an end.
    std::thread::sleep(Duration::from_secs(5));
    let resident = subject.resident_kib()? as f64 / 1024.0;
    subject.stop()?;
    Ok(vec![less("start to ack", milliseconds, "ms"), less("resident, idle", resident, "MiB")])
}

fn recovery(bench: &Bench, party: Party) -> Result<Vec<Figure>> {
    let Some(settings) = bench.settings(party)? else { return Ok(Vec::new()) };
    let mut subject = broker(bench, &settings, 10)?;
    let options = [("partitions", "10".to_owned()), ("bytes", bench.sizes.recovery_bytes.to_string())];
    bench.load(&settings.bootstrap(), "produce", &options)?;
    subject.process.kill();
    let (subject, milliseconds) = first_ack(bench, &settings)?;
    subject.stop()?;
    Ok(vec![less("start to ack", milliseconds, "ms")])
}

fn members(bench: &Bench, party: Party) -> Result<Vec<Figure>> {
    let Some(settings) = bench.settings(party)? else { return Ok(Vec::new()) };
    let count = bench.sizes.members;
    let subject = broker(bench, &settings, count)?;
    let options = [("count", count.to_string())];
    let (seen, cpu) = measured(&subject, || bench.load(&settings.bootstrap(), "members", &options))?;
    subject.stop()?;
    Ok(vec![less("broker CPU", cpu, "s"), less("time", seen.number("seconds")?, "s")])
}

fn commits(bench: &Bench, party: Party) -> Result<Vec<Figure>> {
    let Some(settings) = bench.settings(party)? else { return Ok(Vec::new()) };
    let subject = broker(bench, &settings, 1)?;
    let options = |count: u64| [("connections", "16".to_owned()), ("count", count.to_string())];
    bench.load(&settings.bootstrap(), "commits", &options(bench.sizes.commits / 10))?;
    let (seen, cpu) =
        measured(&subject, || bench.load(&settings.bootstrap(), "commits", &options(bench.sizes.commits)))?;
    subject.stop()?;
    Ok(vec![less("broker CPU", cpu, "s"), less("time", seen.number("seconds")?, "s")])
}

fn reload(bench: &Bench, party: Party) -> Result<Vec<Figure>> {
    /// As many commits in one request.
    const PARTITIONS: u64 = 1000;
    let Some(settings) = bench.settings(party)? else { return Ok(Vec::new()) };
    let subject = broker(bench, &settings, PARTITIONS)?;
    let address = settings.bootstrap();
    let requests = bench.sizes.reloaded_commits / PARTITIONS;
    let options = |count: u64| {
        [
            ("connections", "4".to_owned()),
            ("partitions", PARTITIONS.to_string()),
            ("count", count.to_string()),
        ]
    };
    bench.load(&address, "commitall", &options(requests))?;
    subject.stop()?;
    let start = Instant::now();
    let subject = settings.launch()?;
    let waiting = [("partitions", PARTITIONS.to_string()), ("seconds", "300".to_owned())];
    bench.load(&address, "reload", &waiting).with_context(|| subject.log_tail())?;
    let milliseconds = start.elapsed().as_secs_f64() * 1000.0;
    let cpu = subject.cpu_seconds()?;
    let resident = subject.resident_kib()? as f64 / 1024.0;
    subject.stop()?;
    Ok(vec![
        less("start to the offset", milliseconds, "ms"),
        less("broker CPU", cpu, "s"),
        less("resident", resident, "MiB"),
    ])
}
