//! One log: appends, reads, rolls, reopening, retention, look-ups, truncation.

mod support;

use platform::FileSystem;
use records::{Codec, Compression, TimestampType};
use storage::{AppendContext, AppendError, LogConfig, LogOptions, ReadError};
use support::*;
use types::{LeaderEpoch, Offset};

#[test]
fn what_is_appended_is_read() {
    let system = system();
    let mut log = create(&system, &config());
    for i in 0..100 {
        let appended = append(&mut log, &batch(&[&format!("a{i}"), &format!("b{i}")], i));
        assert_eq!((appended.base_offset, appended.last_offset), (Offset(2 * i), Offset(2 * i + 1)));
        assert_eq!((appended.log_append_time, appended.duplicate), (-1, false));
    }
    assert!(log.segment_count() > 5, "{}", log.segment_count());
    let expected = |from: i64| {
        (from..200)
            .map(|n| (n, format!("{}{}", if n % 2 == 0 { 'a' } else { 'b' }, n / 2)))
            .collect::<Vec<_>>()
    };
    for from in [0, 1, 2, 77, 150, 199, 200] {
        assert_eq!(read_all(&mut log, Offset(from)), expected(from), "{from}");
    }
    log.close(0).unwrap();
    for clean in [true, false] {
        let (mut log, opened) = reopen(&system, &config(), Offset(200), clean);
        assert_eq!(log.end_offset(), Offset(200), "{clean}");
        assert_eq!(opened.truncated_bytes, 0);
        for from in [0, 1, 2, 77, 150, 199] {
            assert_eq!(read_all(&mut log, Offset(from)), expected(from), "{from}");
        }
        append(&mut log, &batch(&["more"], 5));
        log.truncate_to(Offset(200), 0).unwrap();
        log.close(0).unwrap();
    }
}

#[test]
fn bounds_of_reads() {
    let system = system();
    let mut log = create(&system, &LogConfig::default());
    let sizes: Vec<u64> = (0..3).map(|i| batch(&["x"; 10][..=i], 0).len() as u64).collect();
    for i in 0..3 {
        append(&mut log, &batch(&["x"; 10][..=i], 0));
    }
    // batches at 0, 1..2, 3..5
    let total: u64 = sizes.iter().sum();
    for (offset, max, upper, one, expected) in [
        (0, u64::MAX, 6, true, Some((0, 0, total))),
        (0, u64::MAX, 3, true, Some((0, 0, sizes[0] + sizes[1]))),
        (0, u64::MAX, 2, true, Some((0, 0, sizes[0]))),
        (2, u64::MAX, 6, true, Some((1, sizes[0], sizes[1] + sizes[2]))),
        (2, 1, 6, true, Some((1, sizes[0], sizes[1]))),
        (2, 1, 6, false, None),
        (2, 0, 6, false, None),
        (2, sizes[1] + 1, 6, false, Some((1, sizes[0], sizes[1] + 1))),
        (2, u64::MAX, 2, true, None),
        (6, u64::MAX, 6, true, None),
        (1, u64::MAX, 99, true, Some((1, sizes[0], sizes[1] + sizes[2]))),
    ] {
        let read = log.read(Offset(offset), max, Offset(upper), one).unwrap();
        let found = read.slice.map(|slice| (read.base_offset.0, slice.position, slice.size));
        assert_eq!(found, expected, "{offset} {max} {upper} {one}");
    }
    for offset in [-1, 7] {
        let refused = log.read(Offset(offset), 100, Offset(6), true);
        assert!(matches!(refused, Err(ReadError::OutOfRange { .. })));
    }
}

#[test]
fn reasons_to_roll() {
    let small = |change: fn(&mut LogConfig)| {
        let mut config = LogConfig { segment_ms: 1000, ..LogConfig::default() };
        change(&mut config);
        config
    };
    let rolled = |config: LogConfig, batches: &[(usize, i64)]| {
        let system = system();
        let mut log = create(&system, &config);
        batches.iter().map(|(count, time)| append_records(&mut log, *count, *time).rolled).collect::<Vec<_>>()
    };
    let never = small(|_| {});
    assert_eq!(rolled(never.clone(), &[(1, 0), (1, 500), (1, 1000), (1, 300)]), [false; 4]);
    assert_eq!(rolled(never, &[(1, 0), (1, 1001), (1, 1500), (1, 2002)]), [false, true, false, true]);
    let size = small(|config| config.segment_bytes = 300);
    assert_eq!(rolled(size, &[(1, 0), (1, 0), (1, 0), (1, 0)]), [false, false, true, false]);
    let index = small(|config| (config.segment_index_bytes, config.index_interval_bytes) = (24, 0));
    // entries for the second to fourth batch, and none in the time index
    assert_eq!(rolled(index, &[(1, -1); 5]), [false, false, false, false, true]);
    let time_index = small(|config| (config.segment_index_bytes, config.index_interval_bytes) = (36, 0));
    assert_eq!(rolled(time_index, &[(1, 1), (1, 2), (1, 3), (1, 4)]), [false, false, false, true]);
    let compacted = small(|config| (config.compact, config.max_compaction_lag_ms) = (true, 10));
    assert_eq!(rolled(compacted, &[(1, 0), (1, 11)]), [false, true]);
}

#[test]
fn offsets_too_far_apart_roll() {
    let system = system();
    let mut log = create(&system, &LogConfig::default());
    append(&mut log, &batch(&["x"], 0));
    let mut far = batch(&["y"], 0);
    far[..8].copy_from_slice(&(1i64 << 31).to_be_bytes());
    far[12..16].copy_from_slice(&0i32.to_be_bytes());
    let followed = log.append_as_follower(&far, EPOCH, 0).unwrap();
    assert!(followed.rolled);
    // no hole between the segments: the batch goes as far behind the base as it can
    assert_eq!((log.active_segment_base(), log.end_offset()), (Offset(1), Offset((1 << 31) + 1)));
    assert_eq!(read_all(&mut log, Offset(1)), [(1 << 31, "y".to_owned())]);
    far[..8].copy_from_slice(&(1i64 << 40).to_be_bytes());
    log.append_as_follower(&far, EPOCH, 0).unwrap();
    assert_eq!((log.active_segment_base(), log.end_offset()), (Offset(1 << 40), Offset((1 << 40) + 1)));
    let all = [(0, "x".to_owned()), (1 << 31, "y".to_owned()), (1 << 40, "y".to_owned())];
    assert_eq!(read_all(&mut log, Offset(0)), all);
    // a kill loses none of them: no crash makes a hole that wide
    system.kill();
    let (mut log, opened) = reopen(&system, &LogConfig::default(), Offset(0), false);
    assert_eq!((read_all(&mut log, Offset(0)).as_slice(), opened.removed_segments), (&all[..], 0));
}

#[test]
fn files_are_kafkas() {
    let system = system();
    let mut log = create(&system, &config());
    for i in 0..12 {
        append_records(&mut log, 1, i);
    }
    log.begin_epoch(LeaderEpoch(3));
    log.close(0).unwrap();
    let base = log.active_segment_base().0;
    assert!(base > 0);
    let expected: Vec<String> = [0, base]
        .into_iter()
        .flat_map(|base| {
            let snapshot = if base == 0 { 12 } else { base };
            let names = ["index", "log", "snapshot", "timeindex"];
            names.map(|name| format!("{:020}.{name}", if name == "snapshot" { snapshot } else { base }))
        })
        .chain(["leader-epoch-checkpoint".to_owned()])
        .collect();
    let mut expected = expected;
    expected.sort();
    assert_eq!(names(&system), expected);
    let read = |name: &str| system.read(format!("/data/t-0/{name}").as_ref()).unwrap();
    assert_eq!(read("leader-epoch-checkpoint"), b"0\n2\n0 0\n3 12\n");
    let size = batch(&["a value of some thirty bytes ..."], 0).len() as u32;
    // entries for each batch that follows more than 100 bytes: all but the first
    let entries = read("00000000000000000000.index");
    let entries: Vec<(u32, u32)> = entries
        .chunks(8)
        .map(|e| {
            (u32::from_be_bytes(e[..4].try_into().unwrap()), u32::from_be_bytes(e[4..].try_into().unwrap()))
        })
        .collect();
    assert_eq!(&entries[..2], [(1, size), (2, 2 * size)]);
}

#[test]
fn refusals() {
    let system = system();
    let config = LogConfig { max_message_bytes: 600, segment_bytes: 400, ..LogConfig::default() };
    let mut log = create(&system, &config);
    let context = AppendContext { now_ms: 0, api_version: 13 };
    let mut code = |bytes: &[u8]| log.append_as_leader(bytes, EPOCH, &context).map_err(|e| e.error_code());
    let mut damaged = batch(&["x"], 0);
    damaged[40] ^= 1;
    let (large, larger) = ("x".repeat(400), "x".repeat(600));
    for (bytes, expected) in
        [(damaged, 2), (batch(&[&large], 0), 18), (batch(&[&larger], 0), 10), (vec![], 87)]
    {
        assert_eq!(code(&bytes).unwrap_err(), expected);
    }
    assert_eq!(log.end_offset(), Offset(0));
}

#[test]
fn times_and_codecs_of_the_topic() {
    let system = system();
    let zstd = Compression::new(Codec::Zstd);
    let config = LogConfig {
        message_timestamp_type: TimestampType::LogAppendTime,
        compression: Some(zstd),
        ..LogConfig::default()
    };
    let mut log = create(&system, &config);
    let context = AppendContext { now_ms: 7777, api_version: 13 };
    for (number, codec) in Codec::ALL.into_iter().enumerate() {
        let sent = batch_with(&["x", "y"], 5, None, Compression::new(codec));
        let appended = log.append_as_leader(&sent, LeaderEpoch(4), &context).unwrap();
        assert_eq!((appended.log_append_time, appended.max_timestamp), (7777, 7777));
        let read = log.read(appended.base_offset, u64::MAX, log.end_offset(), true).unwrap();
        let bytes = read.slice.unwrap().read().unwrap();
        let stored = records::Batch::exact(&bytes).unwrap();
        stored.verify_crc().unwrap();
        assert_eq!((stored.codec(), stored.leader_epoch().0), (Some(Codec::Zstd), 4));
        assert_eq!(stored.base_offset(), Offset(2 * number as i64));
        assert_eq!((stored.timestamp_type(), stored.max_timestamp()), (TimestampType::LogAppendTime, 7777));
    }
    assert_eq!(log.epochs().entries(), [(LeaderEpoch(4), Offset(0))]);
}

#[test]
fn followers() {
    let system = system();
    let mut log = create(&system, &config());
    let mut sent = Vec::new();
    for i in 0..30i64 {
        let mut bytes = batch(&["x", "y"], i);
        bytes[..8].copy_from_slice(&(2 * i).to_be_bytes());
        bytes[12..16].copy_from_slice(&((i / 10) as i32).to_be_bytes());
        sent.extend_from_slice(&bytes);
    }
    let size = batch(&["x", "y"], 0).len();
    // a cut tail, then what is there already
    let followed = log.append_as_follower(&sent[..size * 5 + 10], LeaderEpoch(9), 0).unwrap();
    assert_eq!((followed.bytes, followed.end_offset, followed.records), (size * 5, Offset(10), 10));
    let again = log.append_as_follower(&sent, LeaderEpoch(9), 0);
    assert!(matches!(again, Err(AppendError::OutOfOrder { offset: Offset(0), end: Offset(10) })));
    // stops before an epoch that is not its own yet
    let followed = log.append_as_follower(&sent[size * 5..], LeaderEpoch(1), 0).unwrap();
    assert_eq!(followed.end_offset, Offset(40));
    assert!(followed.rolled);
    let followed = log.append_as_follower(&sent[size * 20..], LeaderEpoch(2), 0).unwrap();
    assert_eq!(followed.end_offset, Offset(60));
    let epochs: Vec<_> = log.epochs().entries().iter().map(|entry| (entry.0.0, entry.1.0)).collect();
    assert_eq!(epochs, [(0, 0), (1, 20), (2, 40)]);
    let mut damaged = batch(&["z"], 0);
    damaged[..8].copy_from_slice(&60i64.to_be_bytes());
    damaged[30] ^= 1;
    assert!(matches!(log.append_as_follower(&damaged, LeaderEpoch(2), 0), Err(AppendError::Corrupt(_))));
    assert_eq!(read_all(&mut log, Offset(0)).len(), 60);
}

#[test]
fn retention_by_size_time_and_start() {
    let config = |change: fn(&mut LogConfig)| {
        let mut config = LogConfig { retention_ms: -1, file_delete_delay_ms: 10, ..config() };
        change(&mut config);
        config
    };
    for (change, now, high_watermark, start, left) in [
        ((|_| {}) as fn(&mut LogConfig), 1_000_000, 40, 0, 5),
        (|c| c.retention_bytes = 2000, 0, 40, 18, 3),
        (|c| c.retention_bytes = 2000, 0, 9, 9, 4),
        (|c| (c.retention_bytes, c.delete) = (2000, false), 0, 40, 0, 5),
        (|c| c.retention_bytes = 0, 0, 40, 40, 1),
        (|c| c.retention_ms = 15, 33, 40, 18, 3),
        (|c| c.retention_ms = 15, 1000, 40, 40, 1),
    ] {
        let system = system();
        let config = config(change);
        let mut log = create(&system, &config);
        // 9 batches to a segment, at times 0 to 39
        for i in 0..40 {
            append_records(&mut log, 1, i);
        }
        log.retention(now, Offset(high_watermark)).unwrap();
        assert_eq!((log.start_offset(), log.segment_count()), (Offset(start), left), "{config:?}");
        let deleted = |names: Vec<String>| names.iter().filter(|name| name.ends_with(".deleted")).count();
        assert_eq!(deleted(names(&system)) > 0, start > 0);
        log.remove_deleted(now + 9).unwrap();
        assert_eq!(deleted(names(&system)) > 0, start > 0);
        log.remove_deleted(now + 10).unwrap();
        assert_eq!(deleted(names(&system)), 0);
        assert_eq!(read_all(&mut log, Offset(start)).len(), 40 - start as usize);
    }
}

#[test]
fn deleting_records() {
    let system = system();
    let mut log = create(&system, &config());
    for i in 0..40 {
        append_records(&mut log, 1, i);
    }
    assert!(log.delete_records(Offset(21), Offset(20)).is_err());
    assert!(log.delete_records(Offset(20), Offset(40)).unwrap());
    assert!(!log.delete_records(Offset(5), Offset(40)).unwrap());
    assert!(log.read(Offset(19), 100, Offset(40), true).is_err());
    assert_eq!(read_all(&mut log, Offset(20)).len(), 20);
    log.retention(0, Offset(40)).unwrap();
    assert_eq!((log.first_segment_base(), log.start_offset()), (Offset(18), Offset(20)));
    assert_eq!(log.epochs().entries(), [(EPOCH, Offset(20))]);
    log.close(0).unwrap();
    let open = LogOptions { start_offset: Offset(20), clean: true, ..options(&system, &config()) };
    let (log, _) = storage::Log::open(open).unwrap();
    assert_eq!((log.start_offset(), log.end_offset()), (Offset(20), Offset(40)));
}

#[test]
fn a_start_past_the_end_empties_the_log() {
    let system = system();
    let mut log = create(&system, &config());
    append_records(&mut log, 3, 0);
    log.close(0).unwrap();
    let open = LogOptions { start_offset: Offset(50), ..options(&system, &config()) };
    let (mut log, _) = storage::Log::open(open).unwrap();
    assert_eq!((log.start_offset(), log.end_offset()), (Offset(50), Offset(50)));
    assert_eq!(append_records(&mut log, 1, 0).base_offset, Offset(50));
}

#[test]
fn offsets_by_time() {
    for codec in [Codec::None, Codec::Lz4] {
        let system = system();
        let mut log = create(&system, &config());
        // times that go back and forth: 10, 5, 20, 15, 30, 25 ...
        for i in 0..40i64 {
            let time = 10 * i + if i % 2 == 0 { 10 } else { -5 };
            let appended = append(&mut log, &batch_with(&["x", "y"], time, None, Compression::new(codec)));
            assert_eq!(appended.base_offset, Offset(2 * i));
        }
        let found = |log: &mut storage::Log, time| {
            log.offset_for_timestamp(time).unwrap().map(|t| (t.timestamp, t.offset.0))
        };
        for reopened in [false, true] {
            if reopened {
                log.close(0).unwrap();
                log = reopen(&system, &config(), Offset(80), true).0;
            }
            assert_eq!(found(&mut log, 0), Some((10, 0)));
            assert_eq!(found(&mut log, 10), Some((10, 0)));
            assert_eq!(found(&mut log, 11), Some((30, 4)));
            assert_eq!(found(&mut log, 25), Some((30, 4)));
            assert_eq!(found(&mut log, 371), Some((390, 76)));
            assert_eq!(found(&mut log, 390), Some((390, 76)));
            assert_eq!(found(&mut log, 391), None);
            assert_eq!(log.max_timestamp().unwrap().map(|t| (t.timestamp, t.offset.0)), Some((390, 76)));
        }
        log.delete_records(Offset(5), Offset(80)).unwrap();
        assert_eq!(found(&mut log, 11), Some((30, 5)));
    }
}

#[test]
fn truncating() {
    for to in [0, 1, 7, 8, 9, 17, 39, 40] {
        let system = system();
        let mut log = create(&system, &config());
        for i in 0..20 {
            append_records(&mut log, 2, i);
        }
        log.flush(0).unwrap();
        let all = read_all(&mut log, Offset(0));
        assert_eq!(log.truncate_to(Offset(to), 0).unwrap(), to < 40);
        let end = to - to % 2;
        assert_eq!((log.end_offset(), log.flushed_offset()), (Offset(end), Offset(end)));
        assert_eq!(read_all(&mut log, Offset(0)), all[..end as usize]);
        append(&mut log, &batch(&["new"], 3));
        log.close(0).unwrap();
        let (mut log, _) = reopen(&system, &config(), Offset(0), false);
        assert_eq!(read_all(&mut log, Offset(0)).last(), Some(&(end, "new".to_owned())));
    }
}

#[test]
fn a_plan_from_before_a_truncation_says_nothing() {
    let system = system();
    let mut log = create(&system, &config());
    append_records(&mut log, 4, 0);
    append_records(&mut log, 4, 0);
    let plan = log.flush_plan(0).unwrap();
    log.truncate_to(Offset(4), 0).unwrap();
    append_records(&mut log, 4, 0);
    log.flushed(plan.to);
    assert_eq!(log.flushed_offset(), Offset(0));
    log.flush(0).unwrap();
    assert_eq!(log.flushed_offset(), Offset(8));
}

#[test]
fn when_a_flush_is_due() {
    let system = system();
    let mut log = create(&system, &LogConfig { flush_messages: 5, flush_ms: 100, ..LogConfig::default() });
    assert!(!log.flush_due(1000));
    append_records(&mut log, 4, 0);
    assert!(!log.flush_due(99) && log.flush_due(100));
    append_records(&mut log, 1, 0);
    assert!(log.flush_due(0));
    log.flush(50).unwrap();
    assert!(!log.flush_due(1000));
    append_records(&mut log, 1, 0);
    assert!(!log.flush_due(149) && log.flush_due(150));
    assert!(log.unchecked_bytes() > 300);
    let plan = log.checkpoint_plan(0).unwrap();
    plan.run(&system).unwrap();
    log.flushed(plan.to);
    assert_eq!((log.unchecked_bytes(), log.recovery_point()), (0, log.end_offset()));
    append_records(&mut log, 1, 0);
    assert_eq!(log.unchecked_bytes(), batch(&["a value of some thirty bytes ..."], 0).len() as u64);
}

#[test]
fn idle_files_are_closed_and_opened_again() {
    let system = system();
    let mut log = create(&system, &config());
    for i in 0..20 {
        append_records(&mut log, 1, i);
    }
    log.close_idle_files().unwrap();
    log.close_idle_files().unwrap();
    system.start_trace();
    assert_eq!(read_all(&mut log, Offset(3)).len(), 17);
    append_records(&mut log, 1, 3);
    let opened = system.take_trace().iter().filter(|call| call.to_string().starts_with("open")).count();
    assert!(opened > 0);
    assert_eq!(read_all(&mut log, Offset(3)).len(), 18);
}
