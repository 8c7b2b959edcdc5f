//! A crash at every write, sync and change of names of a scenario: what was synced is there, the log is a prefix
//! of what was appended, indexes lead to the right batches, and the producers' state equals a replay.

mod support;

use std::path::PathBuf;

use platform::memory::Fault;
use platform::{FileSystem, MemoryFileSystem};
use records::Compression;
use storage::{AppendContext, AppendError, Log, LogConfig, Marker};
use support::*;
use types::{LeaderEpoch, Offset, ProducerEpoch, ProducerId};

const CONTEXT: AppendContext = AppendContext { now_ms: 0, api_version: 13 };

/// What the scenario knows when it stops.
#[derive(Default)]
struct Known {
    /// All that was ever handed to the log, in order: bytes as they would be stored.
    values: Vec<Option<String>>,
    /// Synced, and acknowledged as such.
    synced: Offset,
    recovery_point: Offset,
    /// Deliberately removed from the front.
    start: Offset,
}

fn config() -> LogConfig {
    LogConfig {
        segment_bytes: 700,
        index_interval_bytes: 150,
        file_delete_delay_ms: 5,
        ..LogConfig::default()
    }
}

/// Runs until the first failure.
fn scenario(system: &MemoryFileSystem, known: &mut Known) -> Result<(), AppendError> {
    let mut log = Log::create(options(system, &config()), Some(types::Uuid([3; 16])))?;
    let mut sequences = [0i32; 3];
    for turn in 0..24usize {
        log.begin_epoch(LeaderEpoch(turn as i32 / 8));
        let epoch = LeaderEpoch(turn as i32 / 8);
        let id = turn % 3;
        let values: Vec<String> =
            (0..1 + turn % 3).map(|i| format!("value {turn}.{i} {}", "v".repeat(turn))).collect();
        let texts: Vec<&str> = values.iter().map(String::as_str).collect();
        let producer = (id as i64, 0, sequences[id], id != 0);
        known.values.extend(values.iter().cloned().map(Some));
        let bytes = batch_with(&texts, turn as i64, Some(producer), Compression::NONE);
        log.append_as_leader(&bytes, epoch, &CONTEXT)?;
        sequences[id] += texts.len() as i32;
        if turn % 4 == 2 {
            let id = ProducerId(1 + (turn / 4 % 2) as i64);
            let marker = Marker {
                producer_id: id,
                producer_epoch: ProducerEpoch(0),
                coordinator_epoch: 1,
                commit: turn % 8 == 2,
            };
            known.values.push(None);
            log.append_marker(&marker, epoch, 0)?;
        }
        if turn % 5 == 4 {
            let plan = if turn % 2 == 0 { log.flush_plan(0)? } else { log.checkpoint_plan(0)? };
            plan.run(system)?;
            log.flushed(plan.to);
            known.synced = log.flushed_offset();
            known.recovery_point = log.recovery_point();
        }
        if turn == 17 {
            let start = Offset(12);
            log.delete_records(start, log.end_offset()).expect("within the log");
            known.start = start;
            log.retention(0, log.end_offset())?;
            log.remove_deleted(100)?;
        }
    }
    log.close(0)?;
    known.synced = log.end_offset();
    known.recovery_point = log.recovery_point();
    assert_eq!(known.recovery_point, known.synced);
    Ok(())
}

fn check(system: &MemoryFileSystem, known: &Known, context: &str) {
    if !system.exists(&PathBuf::from("/data/t-0")) {
        assert_eq!(known.synced, Offset(0), "{context}");
        return;
    }
    // the checkpoints may be older than what was synced, never newer; the start offset's likewise
    for recovery_point in [known.recovery_point, Offset(known.recovery_point.0 / 2)] {
        let open = storage::LogOptions { recovery_point, ..options(system, &config()) };
        let (mut log, _) = Log::open(open).unwrap_or_else(|error| panic!("{context}: {error}"));
        assert!(log.end_offset() >= known.synced, "{context}: {} {}", log.end_offset(), known.synced);
        assert!(log.end_offset().0 <= known.values.len() as i64, "{context}");
        assert!(log.start_offset() <= known.start, "{context}");
        for from in log.start_offset().0..log.end_offset().0 {
            let expected: Vec<(i64, String)> = (from..log.end_offset().0)
                .filter_map(|at| known.values[at as usize].clone().map(|value| (at, value)))
                .collect();
            assert_eq!(read_all(&mut log, Offset(from)), expected, "{context} from {from}");
        }
        check_state(system, &mut log, context);
        // it goes on
        append(&mut log, &batch(&["after"], 1));
        log.truncate_to(log.end_offset().plus(-1), 0).unwrap();
        log.close(0).unwrap();
        system.kill();
    }
}

/// The recovered state equals that of a log that is read from its beginning.
fn check_state(system: &MemoryFileSystem, log: &mut Log, context: &str) {
    let mut replayed = {
        let copy = MemoryFileSystem::new(0);
        copy.create_directory_all(&PathBuf::from("/data/t-0")).unwrap();
        for name in names(system).into_iter().filter(|name| name.ends_with(".log")) {
            let path = PathBuf::from(format!("/data/t-0/{name}"));
            copy.write_atomically(&path, &system.read(&path).unwrap()).unwrap();
        }
        let start_offset = log.start_offset();
        let open = storage::LogOptions { start_offset, ..options(&copy, &config()) };
        Log::open(open).unwrap().0
    };
    let end = log.end_offset();
    assert_eq!(replayed.end_offset(), end, "{context}");
    for state in [&mut *log, &mut replayed] {
        state.on_high_watermark(end);
    }
    // a snapshot has a producer's last batch alone, and one time for it and the marker after it
    let producers = |log: &Log| {
        let entries = log.producers().entries();
        entries
            .map(|(id, e)| {
                (
                    id,
                    e.epoch,
                    e.last_sequence(),
                    e.last_offset(),
                    e.coordinator_epoch,
                    e.current_transaction_first_offset,
                )
            })
            .collect::<Vec<_>>()
    };
    if log.first_segment_base() == Offset(0) {
        assert_eq!(producers(log), producers(&replayed), "{context}");
        assert_eq!(log.first_unstable_offset(), replayed.first_unstable_offset(), "{context}");
        let aborted = |log: &Log| log.aborted_transactions(Offset(0), end).unwrap();
        assert_eq!(aborted(log), aborted(&replayed), "{context}");
    }
    // those whose records are deleted may be known to the recovered log alone
    let epochs = |log: &Log| {
        // the epochs' file may know of a deletion that the start offset's checkpoint does not
        let start = log.start_offset().max(Offset(12));
        log.epochs().entries().iter().copied().filter(|(_, first)| *first > start).collect::<Vec<_>>()
    };
    assert_eq!(epochs(log), epochs(&replayed), "{context}");
}

/// With a log directory that lasts.
fn fresh(seed: u64) -> MemoryFileSystem {
    let system = MemoryFileSystem::new(seed);
    system.create_directory_all("/data".as_ref()).unwrap();
    system.sync_directory("/".as_ref()).unwrap();
    system
}

fn calls_of_scenario() -> u64 {
    let system = fresh(0);
    let before = system.changes();
    scenario(&system, &mut Known::default()).unwrap();
    system.changes() - before
}

#[test]
fn a_crash_at_every_call() {
    let calls = calls_of_scenario();
    assert!(calls > 100, "{calls}");
    for at in 0..calls {
        for seed in 0..6 {
            let system = fresh(seed * 1000 + at);
            let mut known = Known::default();
            system.plan_fault(at, Fault::Halt);
            let stopped = scenario(&system, &mut known);
            assert!(stopped.is_err() || at + 1 >= calls, "{at}");
            match seed {
                0 => system.crash_keeping_nothing(),
                1 => system.kill(),
                _ => system.crash(),
            }
            check(&system, &known, &format!("call {at} seed {seed}"));
        }
    }
}

#[test]
fn an_error_at_every_call_changes_nothing_or_fails_the_directory() {
    let calls = calls_of_scenario();
    for fault in [Fault::Error, Fault::Torn, Fault::Full] {
        for at in 0..calls {
            let system = fresh(at);
            let mut known = Known::default();
            system.plan_fault(at, fault);
            let stopped = scenario(&system, &mut known);
            system.kill();
            if stopped.is_err() {
                check(&system, &known, &format!("{fault:?} at {at}"));
            }
        }
    }
}

#[test]
fn a_full_disk_refuses_and_goes_on() {
    let system = MemoryFileSystem::new(5);
    let mut log = create(&system, &config());
    let mut appended = 0;
    for turn in 0..60 {
        // now and then there is no room, at any byte
        let (total, free) = system.space("/".as_ref()).unwrap();
        if turn % 3 == 1 {
            system.set_capacity((total - free) + turn % 97);
        }
        let bytes = batch(&["a value of some thirty bytes ..."], turn as i64);
        match log.append_as_leader(&bytes, EPOCH, &CONTEXT) {
            Ok(done) => {
                assert_eq!(done.base_offset, Offset(appended));
                appended += 1;
            }
            Err(AppendError::Storage(error)) => assert!(!error.is_directory_failed(), "{error}"),
            Err(other) => panic!("{other}"),
        }
        assert_eq!(read_all(&mut log, Offset(0)).len() as i64, appended);
        system.set_capacity(u64::MAX);
    }
    assert!((30..60).contains(&appended), "{appended}");
    log.close(0).unwrap();
    for clean in [true, false] {
        let (mut log, opened) = reopen(&system, &config(), Offset(0), clean);
        assert_eq!((opened.truncated_bytes, read_all(&mut log, Offset(0)).len() as i64), (0, appended));
    }
}

#[test]
fn a_full_disk_is_recovered_on() {
    let system = MemoryFileSystem::new(5);
    let mut log = create(&system, &config());
    for time in 0..20 {
        append_records(&mut log, 1, time);
    }
    log.flush(0).unwrap();
    let expected = read_all(&mut log, Offset(0));
    system.kill();
    for name in names(&system).into_iter().filter(|name| name.contains("index")) {
        system.remove_file(&PathBuf::from("/data/t-0").join(name)).unwrap();
    }
    system.set_capacity(system.used());
    for recovery_point in [0, 7, 20] {
        let (mut log, _) = reopen(&system, &config(), Offset(recovery_point), false);
        assert_eq!(read_all(&mut log, Offset(0)), expected, "{recovery_point}");
        system.kill();
    }
    let (mut log, _) = reopen(&system, &config(), Offset(0), false);
    system.set_capacity(u64::MAX);
    log.flush(0).unwrap();
    let indexes = names(&system).into_iter().filter(|name| name.ends_with(".index")).count();
    assert_eq!(indexes + 1, log.segment_count(), "all but the active one's");
}

#[test]
fn trusted_batches_are_appended_all_or_none() {
    let batches = [batch(&["first"], 1), batch(&["second", "third"], 2), batch(&["fourth"], 3)].concat();
    let calls = {
        let system = MemoryFileSystem::new(0);
        let mut log = create(&system, &config());
        let before = system.changes();
        log.append_trusted(&batches, EPOCH, 0).unwrap();
        system.changes() - before
    };
    for (filler, fault) in [0, 3, 5].into_iter().flat_map(|n| [(n, Fault::Torn), (n, Fault::Full)]) {
        // a roll between makes more calls
        for at in 0..calls + 8 {
            let system = MemoryFileSystem::new(at);
            let mut log = create(&system, &config());
            let expected = |end: i64| (0..end).collect::<Vec<_>>();
            for _ in 0..filler {
                append_records(&mut log, 1, 0);
            }
            system.plan_fault(at, fault);
            let appended = log.append_trusted(&batches, EPOCH, 0);
            let added = if appended.is_ok() { 4 } else { 0 };
            let context = format!("{filler} before, {fault:?} at {at}: {appended:?}");
            assert_eq!(log.end_offset(), Offset(filler + added), "{context}");
            system.heal();
            if fault == Fault::Full {
                // it goes on where nothing of the refused batches is
                append_records(&mut log, 1, 0);
                let found: Vec<i64> = read_all(&mut log, Offset(0)).iter().map(|(at, _)| *at).collect();
                assert_eq!(found, expected(filler + added + 1), "{context}");
            }
            system.kill();
            let (mut log, _) = reopen(&system, &config(), Offset(0), false);
            let found: Vec<i64> = read_all(&mut log, Offset(0)).iter().map(|(at, _)| *at).collect();
            assert!(log.end_offset() >= Offset(filler + added), "{context}");
            assert_eq!(found, expected(log.end_offset().0), "{context}");
        }
    }
    let system = MemoryFileSystem::new(0);
    let mut log = create(&system, &config());
    let cut = &batches[..batches.len() - 1];
    assert!(matches!(log.append_trusted(cut, EPOCH, 0), Err(AppendError::Corrupt(_))));
    let many = batches.repeat(10);
    assert!(matches!(log.append_trusted(&many, EPOCH, 0), Err(AppendError::LargerThanSegment { .. })));
    assert_eq!(log.end_offset(), Offset(0));
}
