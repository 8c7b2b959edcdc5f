//! How fast one log appends, opens and recovers on the real file system: `cargo run --release -p storage
//! --example speed -- DIRECTORY [GIB]`. Figures for reading, not for asserting.
#![allow(clippy::disallowed_methods, reason = "a measurement needs the clock")]

use std::io::IoSlice;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use platform::{FileSystem, OpenMode, OsFileSystem};
use records::{BatchBuilder, BatchOptions};
use storage::{AppendContext, Log, LogConfig, LogOptions};
use types::{LeaderEpoch, Offset, TopicPartition};

fn main() {
    let mut arguments = std::env::args().skip(1);
    let root = PathBuf::from(arguments.next().expect("a directory"));
    let gib: f64 = arguments.next().map_or(1.0, |text| text.parse().expect("a number"));
    let config = Arc::new(LogConfig { message_timestamp_after_max_ms: i64::MAX, ..LogConfig::default() });
    let options = |directory: &str, clean, recovery_point| LogOptions {
        file_system: Arc::new(OsFileSystem),
        directory: root.join(directory),
        partition: TopicPartition { topic: Arc::from("speed"), partition: 0 },
        config: Arc::clone(&config),
        recovery_point: Offset(recovery_point),
        start_offset: Offset(0),
        clean,
        now_ms: 0,
        seed: 0,
    };
    for (name, record, count) in
        [("one of 1 KiB", 1024, 1), ("sixteen of 1 KiB", 1024, 16), ("160 of 100 B", 100, 160)]
    {
        let mut builder = BatchBuilder::new(BatchOptions::default());
        let value: Vec<u8> = (0..record).map(|i| (i * 7) as u8).collect();
        for _ in 0..count {
            builder.append(1, None, Some(&value), &[]).expect("fits");
        }
        let batch = builder.build().expect("fits");
        let turns = ((gib * (1u64 << 30) as f64) as usize / batch.len()).min(1_000_000);
        // twice, so that the second is into pages that were touched before
        for round in 0..2 {
            let _ = OsFileSystem.remove_directory_all(&root.join("log-0"));
            let mut log = Log::create(options("log-0", false, 0), None).expect("created");
            let context = AppendContext { now_ms: 0, api_version: 13 };
            let (start, user) = (Instant::now(), user_ms());
            for _ in 0..turns {
                log.append_as_leader(&batch, LeaderEpoch(0), &context).expect("appended");
            }
            let ours = start.elapsed().as_nanos() / turns as u128;
            let user = (user_ms() - user) * 1_000_000 / turns as u64;
            log.close(0).expect("closed");
            let raw = raw(&root, &batch, turns);
            println!(
                "{name}: append {ours} ns ({user} ns of them outside of the kernel), pwritev of the same {raw} ns, round {round}"
            );
        }
        let size = (turns * batch.len()) as f64;
        for (what, clean, recovery_point) in [
            ("reload", true, 0),
            ("recovery of all", false, 0),
            ("recovery of half", false, turns * count / 2),
        ] {
            let start = Instant::now();
            let (log, opened) = Log::open(options("log-0", clean, recovery_point as i64)).expect("opened");
            let took = start.elapsed();
            assert_eq!(log.end_offset(), Offset((turns * count) as i64));
            let speed = opened.scanned_bytes as f64 / took.as_secs_f64() / 1e9;
            println!(
                "{name}: {what} of {:.2} GB in {:.2} ms, {speed:.1} GB/s checked",
                size / 1e9,
                took.as_secs_f64() * 1e3
            );
        }
    }
    let _ = OsFileSystem.remove_directory_all(&root.join("log-0"));
    idle_partitions(&options);
}

/// What a partition costs that was written to once and then let alone.
fn idle_partitions(options: &dyn Fn(&str, bool, i64) -> LogOptions) {
    const COUNT: u64 = 2000;
    let status = |name: &str| {
        let status = std::fs::read_to_string("/proc/self/status").expect("linux");
        let line = status.lines().find(|line| line.starts_with(name)).expect("a field");
        line.split_whitespace().nth(1).expect("a value").parse::<u64>().expect("a number")
    };
    let files = || std::fs::read_dir("/proc/self/fd").expect("linux").count();
    let (before, start) = (status("VmRSS:"), Instant::now());
    let mut logs = Vec::new();
    for number in 0..COUNT {
        let mut log = Log::create(options(&format!("idle-{number}"), false, 0), None).expect("created");
        let mut builder = BatchBuilder::new(BatchOptions::default());
        builder.append(1, None, Some(b"one"), &[]).expect("fits");
        let batch = builder.build().expect("fits");
        log.append_as_leader(&batch, LeaderEpoch(0), &AppendContext { now_ms: 0, api_version: 13 })
            .expect("appended");
        log.close_idle_files().expect("closed");
        log.close_idle_files().expect("closed");
        logs.push(log);
    }
    let took = start.elapsed().as_micros() as u64 / COUNT;
    let bytes = (status("VmRSS:") - before) * 1024 / COUNT;
    println!("idle partition: made and written in {took} us, {bytes} bytes resident, {} files open", files());
    for log in logs {
        let _ = OsFileSystem.remove_directory_all(log.directory());
    }
}

/// Milliseconds that this process has spent outside of the kernel, in clock ticks.
fn user_ms() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("linux");
    let after_name = stat.rsplit(')').next().expect("a name");
    let ticks: u64 = after_name.split_whitespace().nth(11).expect("a field").parse().expect("a number");
    ticks * 10
}

/// The floor: header and payload of the same sizes into a file.
fn raw(root: &std::path::Path, batch: &[u8], turns: usize) -> u128 {
    let path = root.join("raw");
    let _ = OsFileSystem.remove_file(&path);
    let file = OsFileSystem.open(&path, OpenMode::CreateNew).expect("created");
    let start = Instant::now();
    for turn in 0..turns {
        let (header, payload) = batch.split_at(61);
        let mut slices = [IoSlice::new(header), IoSlice::new(payload)];
        file.write_at(&mut slices, (turn * batch.len()) as u64).expect("written");
    }
    let took = start.elapsed().as_nanos() / turns as u128;
    OsFileSystem.remove_file(&path).expect("removed");
    took
}
