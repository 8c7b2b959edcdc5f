//! Log directories that a real Kafka 4.3.1 wrote (`testdata/kafka-4.3/make.sh`): every codec, headers, transactions
//! committed and aborted, groups. Opened after a clean stop and as after a kill, read as its own consumer read them.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;

use platform::{FileSystem, MemoryFileSystem};
use records::{Batch, Batches, Record};
use storage::{AppendContext, Log, LogConfig, LogDirectory};
use types::{LeaderEpoch, Offset, TopicPartition};

fn testdata(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/kafka-4.3").join(name);
    let file = platform::OsFileSystem.read(&path).expect("committed");
    let mut bytes = Vec::new();
    flate2::read::GzDecoder::new(&file[..]).read_to_end(&mut bytes).expect("gzip");
    bytes
}

/// Puts the files of a tar archive into memory.
fn unpack(name: &str) -> MemoryFileSystem {
    let (system, archive) = (MemoryFileSystem::new(0), testdata(name));
    let mut at = 0;
    while let Some(header) = archive.get(at..at + 512).filter(|header| header[0] != 0) {
        let text = |from: usize, size: usize| {
            let field = &header[from..from + size];
            String::from_utf8(field.iter().copied().take_while(|byte| *byte != 0).collect()).unwrap()
        };
        let size = usize::from_str_radix(text(124, 12).trim(), 8).unwrap();
        let path = Path::new("/data").join(text(0, 100).trim_start_matches("./"));
        match header[156] {
            b'5' => system.create_directory_all(&path).unwrap(),
            b'0' => {
                let file = system.open(&path, platform::OpenMode::CreateNew).unwrap();
                file.write_at(&mut [std::io::IoSlice::new(&archive[at + 512..at + 512 + size])], 0).unwrap();
            }
            other => panic!("{other}"),
        }
        at += 512 + size.div_ceil(512) * 512;
    }
    system
}

fn text(bytes: Option<&[u8]>) -> String {
    bytes.map_or("null".into(), |bytes| String::from_utf8(bytes.to_vec()).unwrap())
}

fn line(topic: &str, isolation: &str, record: &Record<'_>) -> String {
    let headers: String = record
        .headers
        .iter()
        .map(|header| format!("|{}={}", text(Some(header.key)), text(header.value)))
        .collect();
    let (key, value) = (text(record.key), text(record.value));
    format!("{topic} {isolation} {} {} {key}|{value}{headers}", record.offset, record.timestamp)
}

/// What a consumer gets that skips aborted transactions as Kafka's does.
fn consume(log: &mut Log, isolation: &str) -> Vec<String> {
    let topic = log.partition().topic.to_string();
    let end = log.end_offset();
    let mut aborted = match isolation {
        "read_committed" => log.aborted_transactions(log.start_offset(), end).unwrap(),
        _ => Vec::new(),
    };
    let (mut lines, mut at, mut skipped) = (Vec::new(), log.start_offset(), BTreeMap::new());
    while at < end {
        let bytes = log.read(at, 3000, end, true).unwrap().slice.expect("more").read().unwrap();
        for batch in Batches::new(&bytes) {
            let batch: Batch<'_> = batch.unwrap();
            batch.verify_crc().unwrap();
            at = batch.next_offset();
            while aborted.first().is_some_and(|first| first.first_offset <= batch.last_offset()) {
                let first = aborted.remove(0);
                skipped.insert(first.producer_id.0, first.last_offset);
            }
            if batch.is_control() {
                if skipped.get(&batch.producer_id().0) == Some(&batch.base_offset()) {
                    skipped.remove(&batch.producer_id().0);
                }
                continue;
            }
            if batch.is_transactional() && skipped.contains_key(&batch.producer_id().0) {
                continue;
            }
            let data = batch.data(1 << 20).unwrap();
            lines.extend(batch.records(&data).map(|record| line(&topic, isolation, &record.unwrap())));
        }
    }
    lines
}

fn config() -> Arc<LogConfig> {
    Arc::new(LogConfig {
        segment_ms: 60_000,
        index_interval_bytes: 300,
        segment_index_bytes: 4092,
        retention_ms: -1,
        message_timestamp_after_max_ms: i64::MAX,
        ..LogConfig::default()
    })
}

fn partition(topic: &str, partition: i32) -> TopicPartition {
    TopicPartition { topic: Arc::from(topic), partition }
}

struct Node {
    system: MemoryFileSystem,
    directory: LogDirectory,
    clean: bool,
    logs: BTreeMap<TopicPartition, Log>,
}

fn start(system: MemoryFileSystem) -> Node {
    let directory = LogDirectory::open(Arc::new(system.clone()), Path::new("/data")).unwrap();
    let clean = directory.take_clean_shutdown().unwrap().is_some();
    let points = directory.start_points().unwrap();
    assert_eq!(points.unreadable, Vec::<String>::new());
    let mut logs = BTreeMap::new();
    for found in directory.partitions().unwrap() {
        assert!(found.topic_id.is_some());
        let (mut log, opened) = directory.open_log(&found.partition, config(), &points, clean, 1).unwrap();
        assert_eq!((opened.truncated_bytes, opened.removed_segments), (0, 0), "{:?}", found.partition);
        assert_eq!(opened.scanned_bytes > 0, !clean && log.size() > 0);
        log.on_high_watermark(log.end_offset());
        logs.insert(found.partition, log);
    }
    Node { system, directory, clean, logs }
}

fn check(node: &mut Node, expected: &str) {
    let meta = node.directory.meta().unwrap();
    assert_eq!((meta.cluster_id.as_str(), meta.node_id.0), ("AAAAAAAAAAAAAAAAAAAAZA", 1));
    assert!(meta.directory_id.is_some());
    assert_eq!(node.logs.len(), 6, "{:?}", node.logs.keys());
    for topic in ["codecs", "transactions"] {
        let log = node.logs.get_mut(&partition(topic, 0)).unwrap();
        assert!(log.segment_count() > 1);
        assert_eq!(log.first_unstable_offset(), None);
        for isolation in ["read_uncommitted", "read_committed"] {
            let wanted: Vec<&str> =
                expected.lines().filter(|line| line.starts_with(&format!("{topic} {isolation} "))).collect();
            assert!(wanted.len() > 100);
            assert_eq!(consume(log, isolation), wanted);
        }
    }
    for log in node.logs.values_mut().filter(|log| log.partition().topic.starts_with("__")) {
        let lines = log.end_offset().0;
        assert_eq!(consume_count(log), lines);
    }
}

/// Offsets that batches cover: there are no gaps.
fn consume_count(log: &mut Log) -> i64 {
    let (mut at, end) = (Offset(0), log.end_offset());
    while at < end {
        let bytes = log.read(at, 500, end, true).unwrap().slice.expect("more").read().unwrap();
        for batch in Batches::new(&bytes).flatten() {
            assert_eq!(batch.base_offset(), at);
            let data = batch.data(1 << 20).unwrap();
            assert_eq!(batch.records(&data).flatten().count() as i32, batch.record_count());
            at = batch.next_offset();
        }
    }
    at.0
}

fn stop(mut node: Node) -> MemoryFileSystem {
    let mut points = Vec::new();
    for (partition, log) in &mut node.logs {
        log.close(1).unwrap();
        points.push(storage::PartitionOffset { partition: partition.clone(), offset: log.recovery_point() });
    }
    node.directory.write_recovery_points(&points).unwrap();
    node.directory.write_clean_shutdown(1).unwrap();
    node.system
}

#[test]
fn after_a_clean_stop_and_after_a_kill() {
    for (name, clean) in [("clean", true), ("killed", false)] {
        let expected = String::from_utf8(testdata(&format!("{name}.txt.gz"))).unwrap();
        let mut node = start(unpack(&format!("{name}.tar.gz")));
        assert_eq!(node.clean, clean);
        check(&mut node, &expected);
        // and again what we have closed, and what we have left as a kill does
        let mut node = start(stop(node));
        assert!(node.clean);
        check(&mut node, &expected);
        node.system.kill();
        let mut node = start(node.system.clone());
        assert!(!node.clean);
        check(&mut node, &expected);
    }
}

#[test]
fn the_clean_directory_opened_as_after_a_kill() {
    let expected = String::from_utf8(testdata("clean.txt.gz")).unwrap();
    let system = unpack("clean.tar.gz");
    system.remove_file(Path::new("/data/.kafka_cleanshutdown")).unwrap();
    // its recovery points are at the ends: nothing is scanned past them, so begin at 0
    system.write_atomically(Path::new("/data/recovery-point-offset-checkpoint"), b"0\n0\n").unwrap();
    check(&mut start(system), &expected);
}

/// Our recovery makes the indexes that Kafka made, entry for entry.
#[test]
fn recovered_indexes_are_kafkas() {
    let (theirs, ours) = (unpack("clean.tar.gz"), unpack("clean.tar.gz"));
    ours.remove_file(Path::new("/data/.kafka_cleanshutdown")).unwrap();
    ours.write_atomically(Path::new("/data/recovery-point-offset-checkpoint"), b"0\n0\n").unwrap();
    let mut node = start(ours.clone());
    node.logs.values_mut().for_each(|log| log.close(1).unwrap());
    let mut compared = 0;
    for topic in ["codecs-0", "transactions-0"] {
        for entry in theirs.read_directory(&Path::new("/data").join(topic)).unwrap() {
            let path = Path::new("/data").join(topic).join(&entry.name);
            if entry.name.ends_with("index") {
                assert_eq!(ours.read(&path).unwrap(), theirs.read(&path).unwrap(), "{}", path.display());
                compared += 1;
            }
        }
    }
    assert!(compared >= 11);
}

#[test]
fn a_producer_that_kafka_knew_goes_on() {
    let mut node = start(unpack("clean.tar.gz"));
    let log = node.logs.get_mut(&partition("codecs", 0)).unwrap();
    let known: Vec<_> = log.producers().entries().map(|(id, e)| (id, e.epoch, e.last_sequence())).collect();
    assert_eq!(known.len(), 5);
    let (id, epoch, last) = known[0];
    let end = log.end_offset();
    for (sequence, expected) in [(last + 2, Err(45)), (last + 1, Ok(end))] {
        let mut builder = records::BatchBuilder::new(records::BatchOptions {
            producer_id: id,
            producer_epoch: epoch,
            base_sequence: sequence,
            ..records::BatchOptions::default()
        });
        builder.append(1, None, Some(b"more"), &[]).unwrap();
        let context = AppendContext { now_ms: 1, api_version: 13 };
        let appended = log.append_as_leader(&builder.build().unwrap(), LeaderEpoch(9), &context);
        assert_eq!(appended.map(|a| a.base_offset).map_err(|error| error.error_code()), expected);
    }
}
