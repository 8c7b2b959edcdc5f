//! Idempotent and transactional producers: retries, sequences, epochs, markers, snapshots.

mod support;

use records::Compression;
use storage::{
    AppendContext, Appended, DirectoryKind, Log, LogConfig, LogDirectory, Marker, partition_directory,
};
use support::*;
use types::{LeaderEpoch, Offset, ProducerEpoch, ProducerId};

const CONTEXT: AppendContext = AppendContext { now_ms: 0, api_version: 13 };

/// Appends `count` records; the base offset, or the error's number.
fn send(log: &mut Log, producer: Producer, count: usize) -> Result<(i64, bool), i16> {
    let bytes = batch_with(&vec!["v"; count], 77, Some(producer), Compression::NONE);
    match log.append_as_leader(&bytes, EPOCH, &CONTEXT) {
        Ok(Appended { base_offset, duplicate, .. }) => Ok((base_offset.0, duplicate)),
        Err(error) => Err(error.error_code()),
    }
}

fn end(log: &mut Log, id: i64, epoch: i16, coordinator_epoch: i32, commit: bool) -> Result<i64, i16> {
    let marker = Marker {
        producer_id: ProducerId(id),
        producer_epoch: ProducerEpoch(epoch),
        coordinator_epoch,
        commit,
    };
    log.append_marker(&marker, EPOCH, 0).map(|a| a.base_offset.0).map_err(|error| error.error_code())
}

#[test]
fn sequences() {
    let system = system();
    let mut log = create(&system, &LogConfig::default());
    // producer 1 begins anywhere, as its state may have expired
    for (row, (producer, count, expected)) in [
        ((1, 0, 40, false), 2, Ok((0, false))),
        ((1, 0, 42, false), 1, Ok((2, false))),
        ((1, 0, 42, false), 1, Ok((2, true))),
        ((1, 0, 40, false), 2, Ok((0, true))),
        ((1, 0, 40, false), 1, Err(45)),
        ((1, 0, 44, false), 1, Err(45)),
        ((1, 0, 43, false), 1, Ok((3, false))),
        ((1, 0, 44, false), 1, Ok((4, false))),
        ((1, 0, 45, false), 1, Ok((5, false))),
        ((1, 0, 46, false), 1, Ok((6, false))),
        // of the first of six no more is known than that it was there, of the second where
        ((1, 0, 40, false), 2, Err(46)),
        ((1, 0, 42, false), 1, Ok((2, true))),
        ((1, 0, 41, false), 1, Err(46)),
        // what nobody has seen, and what is not as it was
        ((1, 0, 39, false), 2, Err(45)),
        ((1, 0, 41, false), 2, Err(45)),
        ((1, 0, 43, false), 2, Err(45)),
        ((1, 1, 47, false), 1, Err(45)),
        ((1, 1, 0, false), 1, Ok((7, false))),
        ((1, 0, 46, false), 1, Err(47)),
        ((1, 1, 0, false), 1, Ok((7, true))),
        ((2, 0, i32::MAX, false), 1, Ok((8, false))),
        ((2, 0, 0, false), 1, Ok((9, false))),
        ((2, 0, i32::MAX, false), 1, Ok((8, true))),
        // sequences wrap within a batch
        ((3, 0, i32::MAX - 1, false), 4, Ok((10, false))),
        ((3, 0, i32::MAX - 1, false), 4, Ok((10, true))),
        ((3, 0, 2, false), 1, Ok((14, false))),
    ]
    .into_iter()
    .enumerate()
    {
        assert_eq!(send(&mut log, producer, count), expected, "row {row}");
    }
}

/// Where the state begins anew, nothing from before is said to have been there.
#[test]
fn a_batch_is_an_old_duplicate_only_where_the_log_is_known_to_have_had_it() {
    let system = system();
    let mut log = create(&system, &LogConfig { producer_id_expiration_ms: 100, ..config() });
    let send_each = |log: &mut Log, sequences: std::ops::Range<i32>| {
        for sequence in sequences {
            send(log, (1, 0, sequence, false), 1).unwrap();
        }
    };
    send_each(&mut log, 0..20);
    assert_eq!(send(&mut log, (1, 0, 0, false), 1), Err(46));
    // cut by a new leader, and written by it: as it was
    log.truncate_to(Offset(12), 0).unwrap();
    assert_eq!(send(&mut log, (1, 0, 13, false), 1), Err(45));
    send_each(&mut log, 12..20);
    assert_eq!(send(&mut log, (1, 0, 13, false), 1), Err(46));
    log.close(0).unwrap();
    drop(log);
    // the snapshot knows the last batch alone
    let (mut log, _) = reopen(&system, &config(), Offset(20), true);
    assert_eq!(send(&mut log, (1, 0, 13, false), 1), Err(45));
    send_each(&mut log, 20..26);
    assert_eq!(send(&mut log, (1, 0, 18, false), 1), Err(45));
    assert_eq!(send(&mut log, (1, 0, 19, false), 1), Err(46));
    assert_eq!(send(&mut log, (1, 0, 19, false), 2), Err(46));
    // begun again after a gap that nobody can explain
    log.expire_producers(i64::MAX);
    send_each(&mut log, 30..37);
    assert_eq!(send(&mut log, (1, 0, 25, false), 1), Err(45));
    assert_eq!(send(&mut log, (1, 0, 30, false), 1), Err(46));
    // sequences begin again at 0
    assert_eq!(send(&mut log, (2, 0, i32::MAX - 3, false), 2), Ok((33, false)));
    for sequence in [i32::MAX - 1, i32::MAX, 0, 1, 2, 3] {
        send(&mut log, (2, 0, sequence, false), 1).unwrap();
    }
    assert_eq!(send(&mut log, (2, 0, i32::MAX - 3, false), 2), Err(46));
    assert_eq!(send(&mut log, (2, 0, i32::MAX - 1, false), 1), Err(46));
    assert_eq!(send(&mut log, (2, 0, i32::MAX - 4, false), 1), Err(45));
}

#[test]
fn state_outlives_a_restart_by_snapshot_and_by_replay() {
    for (clean, lose_snapshots) in [(true, false), (false, false), (true, true), (false, true)] {
        let system = system();
        let mut log = create(&system, &config());
        for sequence in 0..20 {
            send(&mut log, (1, 0, sequence, false), 1).unwrap();
            send(&mut log, (2, 3, 2 * sequence, false), 2).unwrap();
        }
        if clean {
            log.close(0).unwrap();
        }
        drop(log);
        if lose_snapshots {
            let all = names(&system);
            let snapshots: Vec<_> = all.iter().filter(|name| name.ends_with(".snapshot")).collect();
            assert!(!snapshots.is_empty());
            // damaged, not gone: a clean stop without any means that there are no producers
            for name in snapshots {
                let path = std::path::PathBuf::from(format!("/data/t-0/{name}"));
                platform::FileSystem::open(&system, &path, platform::OpenMode::ReadWrite)
                    .unwrap()
                    .set_size(9)
                    .unwrap();
            }
        }
        let (mut log, _) = reopen(&system, &config(), Offset(0), clean);
        assert_eq!(send(&mut log, (1, 0, 19, false), 1), Ok((57, true)), "{clean} {lose_snapshots}");
        assert_eq!(send(&mut log, (1, 0, 20, false), 1), Ok((60, false)));
        assert_eq!(send(&mut log, (2, 3, 41, false), 2), Err(45));
        assert_eq!(send(&mut log, (2, 3, 40, false), 2), Ok((61, false)));
    }
}

#[test]
fn silent_producers_are_forgotten() {
    let system = system();
    let mut log = create(&system, &LogConfig { producer_id_expiration_ms: 100, ..LogConfig::default() });
    send(&mut log, (1, 0, 5, false), 1).unwrap();
    send(&mut log, (2, 0, 5, true), 1).unwrap();
    log.expire_producers(176);
    assert_eq!(send(&mut log, (1, 0, 9, false), 1), Err(45));
    log.expire_producers(177);
    assert_eq!(send(&mut log, (1, 0, 9, false), 1), Ok((2, false)));
    // an open transaction is never forgotten
    assert_eq!(send(&mut log, (2, 0, 9, true), 1), Err(45));
}

#[test]
fn transactions() {
    let system = system();
    let config = config();
    let mut log = create(&system, &config);
    let stable = |log: &Log, high_watermark| log.last_stable_offset(Offset(high_watermark)).0;
    assert_eq!(send(&mut log, (1, 0, 0, true), 2), Ok((0, false)));
    assert_eq!(send(&mut log, (2, 0, 0, true), 1), Ok((2, false)));
    assert_eq!(send(&mut log, (1, 0, 2, false), 1), Err(48));
    assert_eq!(stable(&log, 3), 0);
    assert_eq!(end(&mut log, 1, 0, 5, true), Ok(3));
    // ended, but the marker is not below the high watermark
    assert_eq!(stable(&log, 3), 0);
    log.on_high_watermark(Offset(3));
    assert_eq!(stable(&log, 3), 0);
    log.on_high_watermark(Offset(4));
    assert_eq!(stable(&log, 4), 2);
    assert_eq!(end(&mut log, 2, 0, 4, false), Ok(4));
    assert_eq!(end(&mut log, 1, 0, 4, false), Err(52));
    assert_eq!(end(&mut log, 1, -1, 9, false), Err(47));
    log.on_high_watermark(Offset(5));
    assert_eq!((log.first_unstable_offset(), stable(&log, 5)), (None, 5));
    // a marker without data is appended and changes nothing
    assert_eq!(end(&mut log, 7, 0, 0, false), Ok(5));
    assert_eq!(log.first_unstable_offset(), None);

    // overlapping ones over several segments
    for turn in 0..10i32 {
        send(&mut log, (1, 0, 2 + turn, true), 1).unwrap();
        send(&mut log, (2, 0, 1 + turn, true), 1).unwrap();
        end(&mut log, 2, 0, 4, turn % 2 == 0).unwrap();
    }
    end(&mut log, 1, 0, 9, false).unwrap();
    assert!(log.segment_count() > 2);
    let aborted = |log: &Log, from, to| {
        let found = log.aborted_transactions(Offset(from), Offset(to)).unwrap();
        found.into_iter().map(|a| (a.producer_id.0, a.first_offset.0, a.last_offset.0)).collect::<Vec<_>>()
    };
    let all = vec![(2, 2, 4), (1, 6, 36), (2, 10, 11), (2, 16, 17), (2, 22, 23), (2, 28, 29), (2, 34, 35)];
    for reopened in [false, true] {
        if reopened {
            drop(log);
            log = reopen(&system, &config, Offset(0), false).0;
        }
        assert_eq!(aborted(&log, 0, 37), all);
        assert_eq!(aborted(&log, 5, 7), [(1, 6, 36)]);
        assert_eq!(aborted(&log, 12, 17), [(1, 6, 36), (2, 16, 17)]);
        assert_eq!(aborted(&log, 0, 2), []);
        assert_eq!(aborted(&log, 37, 99), []);
    }
    // truncation forgets what it cut: 1's transaction is open again
    log.truncate_to(Offset(24), 0).unwrap();
    log.on_high_watermark(Offset(24));
    assert_eq!(log.first_unstable_offset(), Some(Offset(6)));
    assert_eq!(aborted(&log, 0, 37), [(2, 2, 4), (2, 10, 11), (2, 16, 17), (2, 22, 23)]);
}

#[test]
fn a_log_directory() {
    use std::sync::Arc;
    let system: Arc<dyn platform::FileSystem> = Arc::new(system());
    let root = std::path::Path::new("/logs");
    let mut directory = LogDirectory::open(Arc::clone(&system), root).unwrap();
    assert!(LogDirectory::open(Arc::clone(&system), root).is_err());
    assert_eq!(directory.meta(), None);
    let id = types::Uuid([7; 16]);
    let meta =
        storage::MetaProperties { cluster_id: "c".into(), node_id: types::NodeId(1), directory_id: Some(id) };
    directory.write_meta(meta).unwrap();
    let config = Arc::new(config());
    let partition = |topic: &str| types::TopicPartition { topic: Arc::from(topic), partition: 3 };
    let (a, b) = (partition("a"), partition("b"));
    let mut first = directory.create_log(&a, Some(types::Uuid([9; 16])), Arc::clone(&config), 0).unwrap();
    let second = directory.create_log(&b, None, Arc::clone(&config), 0).unwrap();
    append_records(&mut first, 5, 0);
    first.append_trusted(&batch(&["x"], 0), LeaderEpoch(1), 0).unwrap();
    first.close(0).unwrap();
    let entry = |offset| [storage::PartitionOffset { partition: a.clone(), offset: Offset(offset) }];
    directory.write_recovery_points(&entry(6)).unwrap();
    directory.write_start_offsets(&entry(2)).unwrap();
    directory.write_high_watermarks(&entry(5)).unwrap();
    let unique = types::Uuid([0xcd; 16]);
    let gone = directory.rename_partition(second, DirectoryKind::Delete, unique).unwrap();
    assert_eq!(gone, root.join(partition_directory(&b, DirectoryKind::Delete, unique)));
    directory.write_clean_shutdown(12).unwrap();
    drop(directory);

    let directory = LogDirectory::open(Arc::clone(&system), root).unwrap();
    assert_eq!(directory.id(), id);
    assert_eq!(directory.take_clean_shutdown().unwrap().map(|stop| stop.broker_epoch), Some(12));
    assert_eq!(directory.take_clean_shutdown().unwrap(), None);
    let found: Vec<_> =
        directory.partitions().unwrap().into_iter().map(|p| (p.partition, p.kind, p.topic_id)).collect();
    let current = (a.clone(), DirectoryKind::Current, Some(types::Uuid([9; 16])));
    assert_eq!(found, [current, (b, DirectoryKind::Delete, None)]);
    directory.remove_directory(&gone).unwrap();
    let points = directory.start_points().unwrap();
    assert_eq!((points.high_watermarks[&a], points.unreadable.len()), (Offset(5), 0));
    let (log, _) = directory.open_log(&a, config, &points, true, 0).unwrap();
    assert_eq!(
        (log.start_offset(), log.end_offset(), log.recovery_point()),
        (Offset(2), Offset(6), Offset(6))
    );
    assert_eq!(log.topic_id(), Some(types::Uuid([9; 16])));
}
