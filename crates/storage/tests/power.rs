//! What a loss of power undoes that was not synced: a cut, a rename, a roll. What is left must be whole batches in every
//! file, and everything that was synced.

mod support;

use platform::memory::Fault;
use platform::{FileSystem, MemoryFileSystem};
use records::Batches;
use storage::{AppendContext, Log, LogConfig};
use support::*;
use types::{LeaderEpoch, Offset};

const SEEDS: u64 = 300;

/// With a log directory that lasts.
fn fresh(seed: u64) -> MemoryFileSystem {
    let system = MemoryFileSystem::new(seed);
    system.create_directory_all("/data".as_ref()).unwrap();
    system.sync_directory("/".as_ref()).unwrap();
    system
}

/// Every `.log` file holds whole batches and nothing else.
fn check_files(system: &MemoryFileSystem, context: &str) {
    for name in names(system).into_iter().filter(|name| name.ends_with(".log")) {
        let bytes = system.read(format!("/data/t-0/{name}").as_ref()).unwrap();
        let whole: usize = Batches::new(&bytes).flatten().map(|batch| batch.bytes().len()).sum();
        assert_eq!(whole, bytes.len(), "{context}: {name}");
    }
}

fn check(system: &MemoryFileSystem, recovery_point: Offset, clean: bool, synced: i64, context: &str) -> Log {
    let (mut log, _) = reopen(system, &config(), recovery_point, clean);
    check_files(system, context);
    assert!(log.end_offset() >= Offset(synced), "{context}: {}", log.end_offset());
    let start = log.start_offset();
    let offsets: Vec<i64> = read_all(&mut log, start).iter().map(|(at, _)| *at).collect();
    let expected: Vec<i64> = (start.0..log.end_offset().0).collect();
    assert_eq!(offsets, expected, "{context}");
    log
}

/// A write that fails half-way, bytes of it behind the log's end.
fn fail_a_write(system: &MemoryFileSystem, log: &mut Log, fault: Fault) {
    system.plan_fault(0, fault);
    let bytes = batch(&["a value that is lost half-way ......................................."], 0);
    let context = AppendContext { now_ms: 0, api_version: 13 };
    log.append_as_leader(&bytes, EPOCH, &context).unwrap_err();
}

#[test]
fn a_deletion_that_is_undone_leaves_no_torn_end() {
    for seed in 0..SEEDS {
        let system = fresh(seed);
        let config = LogConfig { retention_ms: 10, ..config() };
        let mut log = create(&system, &config);
        log.flush(0).unwrap();
        for time in 0..4 {
            append_records(&mut log, 2, time);
        }
        let deleted = log.retention(1000, log.end_offset()).unwrap().deleted_segments;
        assert_eq!((deleted, log.start_offset()), (1, Offset(8)));
        // nothing was flushed since, and the checkpoint is written all the same
        let recovery_point = log.recovery_point();
        system.crash();
        check(&system, recovery_point, false, 0, &format!("seed {seed}"));
    }
}

#[test]
fn a_deletion_that_lasts_keeps_the_producers() {
    let system = fresh(1);
    let config = LogConfig { retention_ms: 10, ..config() };
    let mut log = create(&system, &config);
    append(&mut log, &batch_with(&["x", "y"], 0, Some((7, 0, 0, false)), records::Compression::NONE));
    log.retention(1000, log.end_offset()).unwrap();
    let recovery_point = log.recovery_point();
    system.kill();
    let (mut log, _) = reopen(&system, &config, recovery_point, false);
    assert_eq!((log.start_offset(), log.end_offset()), (Offset(2), Offset(2)));
    // its next batch is in sequence
    append(&mut log, &batch_with(&["z"], 0, Some((7, 0, 2, false)), records::Compression::NONE));
}

#[test]
fn a_cut_before_a_roll_that_is_undone_leaves_no_surplus() {
    for (seed, fault) in (0..SEEDS).flat_map(|seed| [(seed, Fault::Torn), (seed, Fault::Full)]) {
        let context = format!("{fault:?} seed {seed}");
        let system = fresh(seed);
        let mut log = create(&system, &config());
        let values = 1 + seed as usize % 5;
        append_records(&mut log, values, 0);
        let plan = log.checkpoint_plan(0).unwrap();
        plan.run(&system).unwrap();
        log.flushed(plan.to);
        fail_a_write(&system, &mut log, fault);
        log.roll(0).unwrap();
        append_records(&mut log, 1, 0);
        let (synced, recovery_point) = (values as i64, log.recovery_point());
        assert_eq!(recovery_point, Offset(synced));
        match seed % 3 {
            0 => {}
            // the process dies first, and the next one flushes what it finds
            1 => {
                system.kill();
                let mut log = check(&system, recovery_point, false, synced + 1, &context);
                log.flush(0).unwrap();
                append_records(&mut log, 1, 0);
                let (end, recovery_point) = (log.flushed_offset().0, log.recovery_point());
                system.crash();
                check(&system, recovery_point, false, end, &context);
                continue;
            }
            // a flush under way ends before it has synced anything, and the stop is clean
            _ => {
                let _not_run = log.flush_plan(0).unwrap();
                log.close(0).unwrap();
                let end = log.end_offset();
                system.crash();
                check(&system, end, true, end.0, &context);
                continue;
            }
        }
        system.crash();
        check(&system, recovery_point, false, synced, &context);
    }
}

/// A crash of the process loses nothing, holes that a leader's log has included.
#[test]
fn a_follower_keeps_what_comes_after_a_hole() {
    let system = fresh(1);
    let mut log = create(&system, &config());
    let mut bytes = batch(&[&"v".repeat(400)], 0);
    for base in [0i64, 1, 7, 8, 20] {
        bytes[..8].copy_from_slice(&base.to_be_bytes());
        log.append_as_follower(&bytes, LeaderEpoch(0), 0).unwrap();
    }
    assert_eq!((log.segment_count(), log.end_offset()), (3, Offset(21)));
    for recovery_point in [0, 1, 2, 8, 21] {
        system.kill();
        let (mut log, opened) = reopen(&system, &config(), Offset(recovery_point), false);
        let offsets: Vec<i64> = read_all(&mut log, Offset(0)).iter().map(|(at, _)| *at).collect();
        assert_eq!(offsets, [0, 1, 7, 8, 20], "{recovery_point}");
        assert_eq!((opened.truncated_bytes, opened.removed_segments), (0, 0), "{recovery_point}");
    }
}

/// Of another's making: segments with a hole between them that were synced long ago.
#[test]
fn a_hole_below_the_recovery_point_stays() {
    let system = fresh(1);
    let mut log = create(&system, &config());
    append_records(&mut log, 2, 0);
    log.close(0).unwrap();
    let mut bytes = system.read("/data/t-0/00000000000000000000.log".as_ref()).unwrap();
    bytes[..8].copy_from_slice(&5i64.to_be_bytes());
    let directory = std::path::Path::new("/data/t-0");
    for (name, content) in [("log", bytes), ("index", vec![]), ("timeindex", vec![])] {
        let path = directory.join(format!("00000000000000000005.{name}"));
        system.write_atomically(&path, &content).unwrap();
    }
    for recovery_point in [5, 6, 7] {
        let (mut log, opened) = reopen(&system, &config(), Offset(recovery_point), false);
        assert_eq!((log.end_offset(), opened.removed_segments), (Offset(7), 0), "{recovery_point}");
        assert_eq!(read_all(&mut log, Offset(0)).len(), 4);
        system.kill();
    }
}

/// A flush fails, and with it the process. The machine runs on: the next process finds everything in memory, and what
/// it flushes has to last, though the system takes those pages for clean.
#[test]
fn records_that_a_failed_flush_has_lost_last_once_the_next_process_has_flushed_them() {
    for seed in 0..SEEDS {
        let context = format!("seed {seed}");
        let system = fresh(seed);
        let mut log = create(&system, &config());
        let values = 1 + seed as usize % 7;
        append_records(&mut log, values, 0);
        log.flush(0).unwrap();
        append_records(&mut log, 1 + seed as usize % 5, 0);
        let recovery_point = log.recovery_point();
        system.plan_fault(seed % 2, Fault::Error);
        let by_stop = seed % 3 == 0;
        let failed = if by_stop { log.close(0) } else { log.flush(0) };
        assert!(by_stop || seed % 2 == 1 || failed.is_err(), "{context}");
        let end = log.end_offset();
        system.kill();

        let mut log = check(&system, recovery_point, false, end.0, &context);
        log.flush(0).unwrap();
        append_records(&mut log, 1, 0);
        log.flush(0).unwrap();
        let (end, recovery_point) = (log.flushed_offset().0, log.recovery_point());
        system.crash_keeping_nothing();
        check(&system, recovery_point, false, end, &context);
    }
}
