//! A log directory whose files were damaged: cut, grown, changed, deleted, swapped. Opening it is an error or gives a
//! log that can be read, written and opened again; what an unclean opening has checked is served with right checksums.

#[path = "../../../fuzz/fuzzing.rs"]
mod fuzzing;
mod support;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use fuzzing::{STRANGE, each_seed, mutate, mutate_text, peak_of, pick, random_bytes};
use platform::{FileSystem, MemoryFileSystem, OpenMode, Random};
use records::{Batches, Codec, Compression};
use storage::{
    AppendContext, HIGH_WATERMARK, LOG_START_OFFSET, Log, LogConfig, LogDirectory, Marker, MetaProperties,
    PartitionOffset, RECOVERY_POINT, StartPoints, decode_snapshot, parse_partition_directory,
};
use support::batch_with;
use types::{LeaderEpoch, NodeId, Offset, ProducerEpoch, ProducerId, TopicPartition, Uuid};

const DIRECTORY: &str = "/data";
const CONTEXT: AppendContext = AppendContext { now_ms: 0, api_version: 13 };

/// Beside what the files themselves take, which a damaged one is no larger than: a few KiB more than that.
const MEMORY_MAX: usize = 4 << 20;

fn config() -> Arc<LogConfig> {
    Arc::new(LogConfig { segment_bytes: 1200, index_interval_bytes: 150, ..LogConfig::default() })
}

fn partition() -> TopicPartition {
    TopicPartition { topic: Arc::from("t"), partition: 0 }
}

fn entry(offset: Offset) -> [PartitionOffset; 1] {
    [PartitionOffset { partition: partition(), offset }]
}

fn open_directory(system: &MemoryFileSystem) -> LogDirectory {
    LogDirectory::open(Arc::new(system.clone()), DIRECTORY.as_ref()).unwrap()
}

/// Several segments with indexes, producers, transactions, epochs and checkpoints.
fn build(random: &mut Random) -> MemoryFileSystem {
    let system = MemoryFileSystem::new(random.next_u64());
    let mut directory = open_directory(&system);
    let meta =
        MetaProperties { cluster_id: "c".into(), node_id: NodeId(1), directory_id: Some(Uuid([7; 16])) };
    directory.write_meta(meta).unwrap();
    let mut log = directory.create_log(&partition(), Some(Uuid([3; 16])), config(), 0).unwrap();
    let mut sequences = [0i32; 3];
    for turn in 0..16 + random.below(24) as usize {
        let epoch = LeaderEpoch(turn as i32 / 6);
        log.begin_epoch(epoch);
        let id = turn % 3;
        let values: Vec<String> =
            (0..=turn % 3).map(|i| format!("{turn}.{i} {}", "v".repeat(turn))).collect();
        let texts: Vec<&str> = values.iter().map(String::as_str).collect();
        let compression = Compression::new(*pick(&Codec::ALL, random));
        let producer = (id as i64, 0, sequences[id], id != 0);
        let bytes = batch_with(&texts, turn as i64, Some(producer), compression);
        log.append_as_leader(&bytes, epoch, &CONTEXT).unwrap();
        sequences[id] += texts.len() as i32;
        if turn % 4 == 2 {
            let marker = Marker {
                producer_id: ProducerId(1 + (turn / 4 % 2) as i64),
                producer_epoch: ProducerEpoch(0),
                coordinator_epoch: 1,
                commit: turn % 8 == 2,
            };
            log.append_marker(&marker, epoch, 0).unwrap();
        }
        if random.one_in(8) {
            let plan = log.checkpoint_plan(0).unwrap();
            plan.run(&system).unwrap();
            log.flushed(plan.to);
        }
    }
    if random.one_in(3) {
        log.delete_records(Offset(7), log.end_offset()).unwrap();
    }
    let (start, end) = (log.start_offset(), log.end_offset());
    let clean = random.one_in(2);
    let mut recovery_point = log.recovery_point();
    if clean {
        log.close(0).unwrap();
        recovery_point = end;
        directory.write_clean_shutdown(1).unwrap();
    }
    directory.write_recovery_points(&entry(recovery_point)).unwrap();
    directory.write_start_offsets(&entry(start)).unwrap();
    directory.write_high_watermarks(&entry(end)).unwrap();
    drop(log);
    system
}

fn files(system: &MemoryFileSystem, directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in system.read_directory(directory).unwrap() {
        let path = directory.join(&entry.name);
        if entry.is_directory { found.extend(files(system, &path)) } else { found.push(path) }
    }
    found
}

fn write(system: &MemoryFileSystem, path: &Path, bytes: &[u8]) {
    system.write_atomically(path, bytes).unwrap();
}

/// A text, where the file is one.
fn is_text(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    name.contains("checkpoint")
        || name.ends_with("properties")
        || name.ends_with(".metadata")
        || name.starts_with('.')
}

fn damage(system: &MemoryFileSystem, random: &mut Random) {
    for _ in 0..=random.below(3) {
        let files = files(system, DIRECTORY.as_ref());
        let path = pick(&files, random);
        let bytes = system.read(path).unwrap();
        match random.below(10) {
            0 => system.remove_file(path).unwrap(),
            1 => {
                let size = random.below(bytes.len() as u64 + 1);
                system.open(path, OpenMode::ReadWrite).unwrap().set_size(size).unwrap();
            }
            2 => {
                let mut bytes = bytes;
                bytes.extend(if random.one_in(2) { vec![0; 100] } else { random_bytes(300, random) });
                write(system, path, &bytes);
            }
            3 => {
                let other = system.read(pick::<PathBuf>(&files, random)).unwrap();
                write(system, path, &other);
            }
            4 => write(system, path, &random_bytes(200, random)),
            5 => {
                // of a crash in the middle of a replacement, or of nobody
                let name = path.file_name().unwrap().to_string_lossy().into_owned();
                let suffix = pick(&[".swap", ".cleaned", ".deleted", ".tmp", ".index", ".snapshot"], random);
                write(system, &path.with_file_name(format!("{name}{suffix}")), &bytes);
            }
            6 => {
                let suffix = pick(&["log", "index", "timeindex", "txnindex", "snapshot", "log.swap"], random);
                let base = *pick(&[0, 1, 20, i64::MAX as u64, u64::MAX], random);
                let path = PathBuf::from(format!("{DIRECTORY}/t-0/{base:020}.{suffix}"));
                write(system, &path, &mutate(&bytes, random));
            }
            _ if is_text(path) => {
                let text = String::from_utf8_lossy(&bytes).into_owned();
                write(system, path, &mutate_text(&text, STRANGE, random));
            }
            _ => write(system, path, &mutate(&bytes, random)),
        }
    }
}

/// Everything that can be read, in steps of any size; `checked`: every batch must have its checksum.
fn read(log: &mut Log, checked: bool, random: &mut Random) {
    let mut at = log.start_offset();
    for _ in 0..2000 {
        if at >= log.end_offset() {
            break;
        }
        let bytes_max = 1 + random.below(2000);
        let Ok(read) = log.read(at, bytes_max, log.end_offset(), true) else {
            assert!(!checked, "offset {at} of {} to {}", log.start_offset(), log.end_offset());
            break;
        };
        let Some(slice) = read.slice else { break };
        let Ok(bytes) = slice.read() else {
            assert!(!checked, "a slice without its bytes");
            break;
        };
        let before = at;
        for batch in Batches::new(&bytes) {
            let Ok(batch) = batch else {
                assert!(!checked, "no batch");
                break;
            };
            assert!(!checked || batch.verify_crc().is_ok(), "a wrong checksum at {}", batch.base_offset());
            at = batch.next_offset().max(at);
        }
        if at == before {
            assert!(!checked, "no way on from {at}");
            break;
        }
    }
    let (start, end) = (log.start_offset(), log.end_offset());
    for time in [i64::MIN, -1, 0, 5, 17, i64::MAX] {
        let _ = log.offset_for_timestamp(time);
    }
    for epoch in [-1, 0, 1, 3, i32::MAX] {
        let _ = log.end_offset_for_epoch(LeaderEpoch(epoch));
    }
    let _ = (log.aborted_transactions(start, end), log.first_unstable_offset(), log.latest_epoch());
}

fn use_directory(system: &MemoryFileSystem, random: &mut Random) {
    let Ok(directory) = LogDirectory::open(Arc::new(system.clone()), DIRECTORY.as_ref()) else { return };
    let clean = directory.take_clean_shutdown().ok().flatten().is_some();
    let points = directory.start_points().unwrap_or_default();
    let Ok(partitions) = directory.partitions() else { return };
    for found in partitions {
        let opened = directory.open_log(&found.partition, config(), &points, clean, 0);
        let Ok((mut log, _)) = opened else { continue };
        // with a recovery point of 0 every batch has been checked
        let recovery_point = points.recovery_points.get(&found.partition).copied().unwrap_or(Offset(0));
        let checked = !clean && recovery_point <= log.first_segment_base();
        read(&mut log, checked, random);
        go_on(log, &directory, &found.partition, &points, random);
    }
}

fn go_on(
    mut log: Log,
    directory: &LogDirectory,
    partition: &TopicPartition,
    points: &StartPoints,
    random: &mut Random,
) {
    let end = log.end_offset();
    log.on_high_watermark(end);
    let epoch = log.latest_epoch().unwrap_or(LeaderEpoch(0)).max(LeaderEpoch(0));
    for at in 0..4 {
        let bytes = batch_with(&["afterwards"], at, None, Compression::NONE);
        if log.append_as_leader(&bytes, epoch, &CONTEXT).is_err() {
            return;
        }
    }
    if random.one_in(2) {
        let _ = log.truncate_to(Offset(random.below(end.0.clamp(1, 1000) as u64) as i64), 0);
    }
    let _ = log.retention(0, log.end_offset());
    let _ = log.remove_deleted(i64::MAX);
    if log.close(0).is_err() {
        return;
    }
    drop(log);
    let Ok((mut again, _)) = directory.open_log(partition, config(), points, random.one_in(2), 0) else {
        return;
    };
    read(&mut again, false, random);
}

#[test]
fn damaged_directories() {
    each_seed(60, |random| {
        let system = build(random);
        damage(&system, random);
        let ((), peak) = peak_of(|| use_directory(&system, random));
        assert!(peak <= MEMORY_MAX, "{peak} bytes");
    });
}

/// Nothing is believed: no clean stop, recovery from the first byte.
#[test]
fn damaged_logs_are_recovered_from_their_beginning() {
    each_seed(60, |random| {
        let system = build(random);
        let meta = system.read(Path::new("/data/meta.properties")).unwrap();
        damage(&system, random);
        for name in [RECOVERY_POINT, LOG_START_OFFSET, HIGH_WATERMARK, ".kafka_cleanshutdown"] {
            let _ = system.remove_file(&Path::new(DIRECTORY).join(name));
        }
        write(&system, Path::new("/data/meta.properties"), &meta);
        let ((), peak) = peak_of(|| use_directory(&system, random));
        assert!(peak <= MEMORY_MAX, "{peak} bytes");
    });
}

#[test]
fn damaged_texts() {
    let offsets = "0\n3\nt 0 5\nu 1 7\nlong-name.with_dots 12 99\n";
    let epochs = "0\n3\n0 0\n1 5\n4 17\n";
    let meta = "#\n#Sat\ncluster.id=c\nversion=1\nnode.id=1\ndirectory.id=AAAAAAAAAAAAAAAAAAAAAw\n";
    let topic = "version: 0\ntopic_id: AAAAAAAAAAAAAAAAAAAAAw\n";
    each_seed(100, |random| {
        let system = MemoryFileSystem::new(0);
        system.create_directory_all(DIRECTORY.as_ref()).unwrap();
        let path = Path::new(DIRECTORY);
        let mut put = |name: &str, text: &str| {
            let bytes = mutate_text(text, STRANGE, random);
            write(&system, &path.join(name), &bytes);
        };
        put("meta.properties", meta);
        put("partition.metadata", topic);
        put(RECOVERY_POINT, offsets);
        put("epochs", epochs);
        put(".kafka_cleanshutdown", "{\"version\":0,\"brokerEpoch\":7}");
        let ((), peak) = peak_of(|| {
            let _ = storage::read_offsets(&system, &path.join(RECOVERY_POINT));
            let _ = storage::read_epochs(&system, &path.join("epochs"));
            let _ = LogDirectory::open(Arc::new(system.clone()), path).map(|directory| {
                let _ = (directory.take_clean_shutdown(), directory.start_points(), directory.partitions());
            });
        });
        assert!(peak <= 1 << 20, "{peak} bytes");
        let name = mutate_text("topic-name-12.0123456789abcdef0123456789abcdef-delete", STRANGE, random);
        let _ = parse_partition_directory(&String::from_utf8_lossy(&name));
    });
}

#[test]
fn damaged_producer_snapshots() {
    let mut random = Random::new(0);
    let system = build(&mut random);
    let snapshots = files(&system, DIRECTORY.as_ref())
        .into_iter()
        .filter(|path| path.extension().is_some_and(|extension| extension == "snapshot"));
    let good: Vec<Vec<u8>> = snapshots.map(|path| system.read(&path).unwrap()).collect();
    each_seed(100, |random| {
        let mut bytes = mutate(pick::<Vec<u8>>(&good, random), random);
        if let Some(rest) = bytes.get(6..).filter(|_| random.one_in(2)) {
            let crc = records::crc32c(rest);
            bytes[2..6].copy_from_slice(&crc.to_be_bytes());
        }
        let (_, peak) = peak_of(|| decode_snapshot(&bytes).is_some());
        assert!(peak <= 64 * bytes.len() + 4096, "{peak} bytes for {}", bytes.len());
    });
}
