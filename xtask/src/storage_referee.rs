//! Apache Kafka judges what our log writes: its DumpLogSegments reads every file of directories that hold every
//! codec, headers, transactions and several segments, after a clean stop and as a kill leaves them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use platform::OsFileSystem;
use records::{BatchBuilder, BatchOptions, Codec, Compression, RecordHeader};
use storage::{AppendContext, Log, LogConfig, LogDirectory, Marker};
use types::{LeaderEpoch, ProducerEpoch, ProducerId, TopicPartition, Uuid};

use crate::install;

#[derive(Args)]
pub struct StorageReferee {
    /// Class path of Apache Kafka's tools; else they are installed
    #[arg(long)]
    class_path: Option<String>,
}

const START: i64 = 1_700_000_000_000;
/// What Kafka's tool prints about files that are not right.
const COMPLAINTS: [&str; 8] = [
    "isvalid: false",
    "corrupt",
    "Corrupt",
    "Mismatches in",
    "Found timestamp mismatch",
    "Found out of order timestamp",
    "Indexed offset:",
    "Exception",
];

impl StorageReferee {
    pub fn run(&self) -> Result<()> {
        let class_path = match &self.class_path {
            Some(given) => given.clone(),
            None => install::kafka_class_path()?,
        };
        let root = std::env::temp_dir().join(format!("storage-referee-{}", std::process::id()));
        let judged = judge(&root, &class_path);
        fs::remove_dir_all(&root)?;
        judged
    }
}

fn judge(root: &Path, class_path: &str) -> Result<()> {
    for clean in [true, false] {
        let directory = root.join(if clean { "clean" } else { "killed" });
        let written = write(&directory, clean)?;
        let files = files(&directory)?;
        check_dump(class_path, &files, &written)?;
        check_indexes(class_path, &files, clean)?;
        println!("{}: {} records in {} files are good", directory.display(), written.records, files.len());
    }
    Ok(())
}

/// What the directories hold, for comparing.
#[derive(Default)]
struct Written {
    records: usize,
    markers: usize,
    batches_of: [usize; 5],
    aborted: usize,
}

fn write(root: &Path, clean: bool) -> Result<Written> {
    let directory = LogDirectory::open(Arc::new(OsFileSystem), root)?;
    let config = Arc::new(LogConfig {
        segment_bytes: 20_000,
        index_interval_bytes: 500,
        message_timestamp_after_max_ms: i64::MAX,
        ..LogConfig::default()
    });
    let mut written = Written::default();
    let partition = |topic: &str| TopicPartition { topic: Arc::from(topic), partition: 0 };
    for (topic, fill) in [
        ("codecs", fill_codecs as fn(&mut Log, &mut Written) -> Result<()>),
        ("transactions", fill_transactions),
    ] {
        let mut log =
            directory.create_log(&partition(topic), Some(Uuid([7; 16])), Arc::clone(&config), START)?;
        fill(&mut log, &mut written)?;
        ensure!(log.segment_count() > 2, "{topic} has {} segments", log.segment_count());
        if clean {
            log.close(START)?;
        }
    }
    Ok(written)
}

fn append(log: &mut Log, options: BatchOptions, count: usize, written: &mut Written) -> Result<()> {
    let codec = options.compression.codec();
    let mut builder = BatchBuilder::new(options);
    for i in 0..count {
        let number = written.records + i;
        let value = format!("value {number} {}", "v".repeat(number % 90));
        let headers = [
            RecordHeader { key: b"name", value: Some(b"\xe2\x9c\x93") },
            RecordHeader { key: b"name", value: None },
        ];
        let key = (!number.is_multiple_of(3)).then(|| format!("key {}", number % 17));
        let value = (number % 10 != 9).then_some(value.as_bytes());
        let timestamp = START + (number as i64 / 7) * 50 - (number as i64 % 5) * 20;
        builder.append(timestamp, key.as_deref().map(str::as_bytes), value, &headers[..number % 3])?;
    }
    let context = AppendContext { now_ms: START, api_version: 13 };
    log.append_as_leader(&builder.build()?, LeaderEpoch(written.records as i32 / 500), &context)?;
    written.records += count;
    written.batches_of[usize::from(codec.id())] += 1;
    Ok(())
}

fn fill_codecs(log: &mut Log, written: &mut Written) -> Result<()> {
    for turn in 0..400 {
        let compression = Compression::new(Codec::ALL[turn / 3 % 5]);
        append(log, BatchOptions { compression, ..BatchOptions::default() }, 1 + turn % 9, written)?;
        if turn % 100 == 50 {
            log.flush(START)?;
        }
    }
    Ok(())
}

fn fill_transactions(log: &mut Log, written: &mut Written) -> Result<()> {
    let mut sequences = [0; 4];
    for turn in 0..300usize {
        let id = turn % 4;
        let count = 1 + turn % 5;
        let options = BatchOptions {
            compression: Compression::new(Codec::ALL[turn % 5]),
            producer_id: ProducerId(1000 + id as i64),
            producer_epoch: ProducerEpoch(2),
            base_sequence: sequences[id],
            transactional: id != 0,
            ..BatchOptions::default()
        };
        sequences[id] += count as i32;
        append(log, options, count, written)?;
        if turn % 7 == 6 && id != 0 {
            let marker = Marker {
                producer_id: ProducerId(1000 + id as i64),
                producer_epoch: ProducerEpoch(2),
                coordinator_epoch: 3,
                commit: turn % 2 == 0,
            };
            log.append_marker(&marker, LeaderEpoch(written.records as i32 / 500), START + turn as i64)?;
            written.markers += 1;
            written.aborted += usize::from(!marker.commit);
        }
    }
    Ok(())
}

fn files(root: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(root)? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(files(&path)?);
        } else if path.extension().is_some_and(|extension| {
            ["log", "index", "timeindex", "txnindex", "snapshot"].iter().any(|known| extension == *known)
        }) {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

fn dump(class_path: &str, flags: &[&str], files: &[&PathBuf]) -> Result<String> {
    let names: Vec<String> = files.iter().map(|path| path.display().to_string()).collect();
    let output = Command::new("java")
        .args(["-Xmx256m", "-cp", class_path, "org.apache.kafka.tools.DumpLogSegments"])
        .args(flags)
        .args(["--files", &names.join(",")])
        .output()
        .context("java")?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{}: {errors}", output.status);
    for line in text.lines().chain(errors.lines()) {
        // records' own text cannot complain
        let line = line.split(" payload: ").next().unwrap_or_default();
        // the tool itself finds a gap between nothing and the first record of a later segment
        ensure!(!line.contains(" is followed by ") || line.trim().starts_with("-1 "), "a gap: {line}");
        if let Some(complaint) = COMPLAINTS.iter().find(|complaint| line.contains(*complaint)) {
            bail!("{complaint}: {line}");
        }
    }
    Ok(text)
}

fn of_kind<'a>(files: &'a [PathBuf], extension: &str) -> Vec<&'a PathBuf> {
    files.iter().filter(|path| path.extension().is_some_and(|found| found == extension)).collect()
}

fn check_dump(class_path: &str, files: &[PathBuf], written: &Written) -> Result<()> {
    let text = dump(class_path, &["--deep-iteration", "--print-data-log"], &of_kind(files, "log"))?;
    let count = |what: &str| text.lines().filter(|line| line.contains(what)).count();
    let markers = count("endTxnMarker:");
    let records = text.lines().filter(|line| line.starts_with("| offset: ")).count() - markers;
    ensure!((records, markers) == (written.records, written.markers), "{records} records, {markers} markers");
    for codec in Codec::ALL {
        let mut expected = written.batches_of[usize::from(codec.id())];
        expected += if codec == Codec::None { written.markers } else { 0 };
        let found = count(&format!("compresscodec: {codec} "));
        ensure!(found == expected, "{found} batches of {codec} instead of {expected}");
    }
    let aborted = dump(class_path, &[], &of_kind(files, "txnindex"))?;
    let aborted = aborted.lines().filter(|line| line.starts_with("version: 0 producerId: ")).count();
    ensure!(aborted > 0 && aborted <= written.aborted, "{aborted} aborted transactions");
    let producers = dump(class_path, &[], &of_kind(files, "snapshot"))?;
    ensure!(producers.contains("producerId: 1003 producerEpoch: 2 coordinatorEpoch: 3"), "{producers}");
    Ok(())
}

/// Entries lead to the batches they name. The tool needs the log beside the index.
fn check_indexes(class_path: &str, files: &[PathBuf], clean: bool) -> Result<()> {
    let indexes = of_kind(files, "index");
    ensure!(indexes.len() == of_kind(files, "log").len() || !clean, "an index is missing");
    let sane = dump(class_path, &["--index-sanity-check"], &indexes)?;
    let passed = sane.lines().filter(|line| line.ends_with("passed sanity check.")).count();
    ensure!(passed == indexes.len(), "{passed} of {} indexes are sane", indexes.len());
    dump(class_path, &["--verify-index-only"], &indexes)?;
    dump(class_path, &["--verify-index-only"], &of_kind(files, "timeindex"))?;
    let entries = dump(class_path, &[], &indexes)?;
    let entries = entries.lines().filter(|line| line.starts_with("offset: ")).count();
    ensure!(entries > 50, "{entries} index entries");
    Ok(())
}
