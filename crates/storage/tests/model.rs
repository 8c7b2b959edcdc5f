//! Random operations on a log and on a simple model of it, with restarts, kills and crashes between them.

mod support;

use platform::memory::FaultRates;
use platform::{FileSystem, MemoryFileSystem, Random};
use records::{Codec, Compression};
use storage::{AppendContext, AppendError, Log, LogConfig, LogOptions};
use support::*;
use types::{LeaderEpoch, Offset};

/// What the log must look like.
#[derive(Default)]
struct Model {
    /// Timestamp and value of each record from offset 0 on; those below `start` are gone.
    records: Vec<(i64, String)>,
    /// Base offset of each batch.
    batches: Vec<i64>,
    start: i64,
    synced: i64,
    /// The largest start that a checkpoint would know.
    epoch: i32,
    /// Next sequence of the one idempotent producer, and its last batch.
    sequence: i32,
    last_idempotent: Option<(i64, Vec<u8>)>,
}

impl Model {
    fn end(&self) -> i64 {
        self.records.len() as i64
    }

    fn truncate(&mut self, to: i64) {
        let to = self
            .batches
            .iter()
            .copied()
            .filter(|base| *base <= to)
            .max()
            .filter(|_| to < self.end())
            .unwrap_or(to);
        self.records.truncate(to as usize);
        self.batches.retain(|base| *base < to);
        self.synced = self.synced.min(to);
        // what the producer's state is now only the log knows
        self.last_idempotent = None;
        self.sequence = -1;
    }
}

fn config(random: &mut Random) -> LogConfig {
    LogConfig {
        segment_bytes: 500 + random.below(2000) as u32,
        index_interval_bytes: random.below(300) as u32,
        segment_index_bytes: 60 + random.below(300) as u32,
        file_delete_delay_ms: 10,
        retention_ms: -1,
        ..LogConfig::default()
    }
}

struct World {
    system: MemoryFileSystem,
    config: LogConfig,
    random: Random,
    model: Model,
    log: Log,
    now_ms: i64,
}

impl World {
    fn new(seed: u64) -> World {
        let mut random = Random::new(seed);
        let system = MemoryFileSystem::new(random.next_u64());
        system.create_directory_all("/data".as_ref()).unwrap();
        system.sync_directory("/".as_ref()).unwrap();
        let config = config(&mut random);
        let mut log = create(&system, &config);
        log.flush(0).unwrap();
        World { system, config, random, model: Model::default(), log, now_ms: 0 }
    }

    fn step(&mut self) {
        self.now_ms += self.random.below(5) as i64;
        match self.random.below(30) {
            0..=11 => self.append(),
            12..=13 => self.append_idempotent(),
            14..=17 => self.read(),
            18 => self.find_time(),
            19..=20 => self.flush(),
            21 => self.truncate(),
            22 => self.delete_records(),
            23 => self.log.close_idle_files().unwrap(),
            24 => drop(self.log.roll(self.now_ms).unwrap()),
            25 => self.begin_epoch(),
            26 => self.restart(),
            27 => self.kill(),
            28 => self.crash(),
            _ => self.retain(),
        }
        assert_eq!(self.log.end_offset().0, self.model.end());
        assert_eq!(self.log.start_offset().0, self.model.start);
    }

    fn values(&mut self) -> (Vec<String>, i64, Compression) {
        let count = 1 + self.random.below(4);
        let end = self.model.end();
        let size = self.random.below(80) as usize;
        let values = (0..count as i64).map(|i| format!("{}:{}", end + i, "x".repeat(size))).collect();
        let codec = Codec::ALL[self.random.below(5) as usize];
        (values, self.random.below(1000) as i64, Compression::new(codec))
    }

    fn append_bytes(&mut self, bytes: &[u8], values: Vec<String>, timestamp: i64) {
        let context = AppendContext { now_ms: self.now_ms, api_version: 13 };
        let appended = self.log.append_as_leader(bytes, LeaderEpoch(self.model.epoch), &context).unwrap();
        assert!(!appended.duplicate);
        assert_eq!(appended.base_offset.0, self.model.end());
        self.model.batches.push(self.model.end());
        self.model.records.extend(values.into_iter().map(|value| (timestamp, value)));
    }

    fn append(&mut self) {
        let (values, timestamp, compression) = self.values();
        let texts: Vec<&str> = values.iter().map(String::as_str).collect();
        let bytes = batch_with(&texts, timestamp, None, compression);
        self.append_bytes(&bytes, values, timestamp);
    }

    fn append_idempotent(&mut self) {
        let context = AppendContext { now_ms: self.now_ms, api_version: 13 };
        if let Some((base, bytes)) = self.model.last_idempotent.clone().filter(|_| self.random.one_in(2)) {
            let again = self.log.append_as_leader(&bytes, LeaderEpoch(self.model.epoch), &context).unwrap();
            assert_eq!((again.duplicate, again.base_offset.0), (true, base));
            return;
        }
        if self.model.sequence < 0 {
            let known = self.log.producers().get(types::ProducerId(1));
            self.model.sequence = known.map_or(0, |entry| entry.last_sequence() + 1);
        }
        let (values, timestamp, compression) = self.values();
        let texts: Vec<&str> = values.iter().map(String::as_str).collect();
        let wrong = batch_with(&texts, timestamp, Some((1, 0, self.model.sequence + 7, false)), compression);
        let refused = self.log.append_as_leader(&wrong, LeaderEpoch(self.model.epoch), &context);
        if let Ok(taken) = refused {
            // nothing is known of the producer: any sequence is good
            assert_eq!(taken.base_offset.0, self.model.end());
            self.cut(taken.base_offset.0);
            return;
        }
        let bytes = batch_with(&texts, timestamp, Some((1, 0, self.model.sequence, false)), compression);
        self.model.last_idempotent = Some((self.model.end(), bytes.clone()));
        self.model.sequence += texts.len() as i32;
        self.append_bytes(&bytes, values, timestamp);
    }

    fn read(&mut self) {
        let from =
            self.model.start + self.random.below((self.model.end() - self.model.start + 1) as u64) as i64;
        let expected: Vec<(i64, String)> =
            (from..self.model.end()).map(|at| (at, self.model.records[at as usize].1.clone())).collect();
        let found = read_all(&mut self.log, Offset(from));
        for (found, expected) in found.iter().zip(&expected) {
            assert_eq!(found, expected);
        }
        assert_eq!(found.len(), expected.len());
    }

    fn find_time(&mut self) {
        let time = self.random.below(1010) as i64;
        let expected = (self.model.start..self.model.end())
            .map(|at| (self.model.records[at as usize].0, at))
            .find(|(timestamp, _)| *timestamp >= time);
        let found =
            self.log.offset_for_timestamp(time).unwrap().map(|found| (found.timestamp, found.offset.0));
        // a segment's start may hold records that are deleted, whose times still count for it
        assert_eq!(found, expected, "time {time}");
    }

    fn flush(&mut self) {
        let plan =
            if self.random.one_in(2) { self.log.flush_plan(0) } else { self.log.checkpoint_plan(0) }.unwrap();
        let end = self.model.end();
        if self.random.one_in(3) {
            self.append();
        }
        plan.run(&self.system).unwrap();
        self.log.flushed(plan.to);
        self.model.synced = end;
        assert_eq!(self.log.flushed_offset().0, end.max(self.model.start));
    }

    fn truncate(&mut self) {
        let to = self.model.end() - self.random.below(12) as i64;
        self.cut(to.max(self.model.start));
    }

    /// Synced, or a crash may bring back what was cut.
    fn cut(&mut self, to: i64) {
        self.log.truncate_to(Offset(to), self.now_ms).unwrap();
        self.model.truncate(to);
        self.model.start = self.model.start.min(self.model.end());
        self.log.flush(0).unwrap();
        self.model.synced = self.model.end();
    }

    fn delete_records(&mut self) {
        let to = self.model.start + self.random.below(8) as i64;
        if to <= self.model.end() {
            self.log.delete_records(Offset(to), self.log.end_offset()).unwrap();
            self.model.start = to;
        }
    }

    fn retain(&mut self) {
        let before = self.log.segment_count();
        let retained = self.log.retention(self.now_ms, self.log.end_offset()).unwrap();
        assert!(
            self.log.segment_count() == before - retained.deleted_segments
                || retained.deleted_segments == before
        );
        self.log.remove_deleted(self.now_ms).unwrap();
    }

    fn begin_epoch(&mut self) {
        self.model.epoch += 1;
        self.log.begin_epoch(LeaderEpoch(self.model.epoch));
        let end = self.log.end_offset_for_epoch(LeaderEpoch(self.model.epoch));
        assert_eq!((end.epoch.0, end.end_offset.0), (self.model.epoch, self.model.end()));
    }

    fn reopen(&mut self, recovery_point: i64, clean: bool) {
        let open = LogOptions {
            recovery_point: Offset(recovery_point),
            start_offset: Offset(self.model.start),
            clean,
            now_ms: self.now_ms,
            ..options(&self.system, &self.config)
        };
        let (log, _) = Log::open(open).unwrap();
        self.log = log;
        self.model.last_idempotent = None;
        self.model.sequence = -1;
    }

    fn restart(&mut self) {
        self.log.close(self.now_ms).unwrap();
        self.system.crash_keeping_nothing();
        self.model.synced = self.model.end();
        self.reopen(self.model.end(), true);
    }

    fn kill(&mut self) {
        let recovery_point = self.random.below(self.log.recovery_point().0 as u64 + 1) as i64;
        self.system.kill();
        self.reopen(recovery_point, false);
    }

    fn crash(&mut self) {
        let recovery_point = self.random.below(self.log.recovery_point().0 as u64 + 1) as i64;
        self.system.crash();

        let start = self.model.start;
        self.model.start = start.min(self.model.synced);
        self.reopen(recovery_point, false);
        let end = self.log.end_offset().0;
        assert!(end >= self.model.synced && end <= self.model.end(), "{end} {}", self.model.synced);
        let synced = self.model.synced;
        self.model.truncate(end);
        self.model.synced = synced;
        self.read();
        // the new state is what counts from here on
        self.log.flush(0).unwrap();
        self.model.synced = end;
    }
}

#[test]
fn random_operations() {
    for seed in 0..150 {
        let result = std::panic::catch_unwind(|| {
            let mut world = World::new(seed);
            for _ in 0..250 {
                world.step();
            }
            world.model.end()
        });
        assert!(result.is_ok(), "seed {seed}");
    }
}

/// Whatever bytes lie in a directory: opening it gives a log of good batches, or an error, and never a panic.
#[test]
fn damaged_directories() {
    for seed in 0..300 {
        let mut world = World::new(seed);
        (0..40).for_each(|_| world.append_idempotent());
        world.log.close(0).unwrap();
        let names = names(&world.system);
        for _ in 0..1 + world.random.below(4) {
            let name = &names[world.random.below(names.len() as u64) as usize];
            let path = std::path::PathBuf::from(format!("/data/t-0/{name}"));
            let file = world.system.open(&path, platform::OpenMode::ReadWrite).unwrap();
            let size = file.size().unwrap();
            match world.random.below(3) {
                0 => file.set_size(world.random.below(size + 100)).unwrap(),
                _ => {
                    let bytes = world.random.bytes16();
                    let at = world.random.below(size + 1);
                    file.write_at(&mut [std::io::IoSlice::new(&bytes)], at).unwrap();
                }
            }
        }
        for clean in [true, false] {
            let open = LogOptions { clean, ..options(&world.system, &world.config) };
            let Ok((mut log, _)) = Log::open(open) else { continue };
            let (mut at, end) = (log.start_offset(), log.end_offset());
            while at < end {
                let Ok(read) = log.read(at, 1000, end, true) else { break };
                let Some(slice) = read.slice else { break };
                let bytes = slice.read().unwrap();
                let next = records::Batches::new(&bytes).flatten().last().map(|batch| batch.next_offset());
                match next.filter(|next| *next > at) {
                    Some(next) => at = next,
                    None => break,
                }
            }
            let _ = log.offset_for_timestamp(500);
            let _ = log.max_timestamp();
            let _ = log.aborted_transactions(Offset(0), end);
        }
    }
}

/// Errors at random: the log refuses or its directory has failed, and what was synced is there afterwards.
#[test]
fn failing_disks() {
    for seed in 0..100 {
        let mut world = World::new(seed);
        let rates = FaultRates {
            write_error: 20,
            write_torn: 20,
            sync_error: 10,
            read_error: 40,
            ..FaultRates::default()
        };
        world.system.set_fault_rates(rates);
        let (mut appended, mut synced) = (0i64, 0);
        let context = AppendContext { now_ms: 0, api_version: 13 };
        for i in 0..200 {
            let bytes = batch(&[&format!("value {appended}")], i);
            match world.log.append_as_leader(&bytes, EPOCH, &context) {
                Ok(_) => appended += 1,
                Err(AppendError::Storage(_)) => break,
                Err(other) => panic!("{other}"),
            }
            if i % 7 == 3 {
                match world.log.flush(0) {
                    Ok(()) => synced = appended,
                    Err(_) => break,
                }
            }
        }
        world.system.heal();
        world.system.crash();
        let (mut log, _) = reopen(&world.system, &world.config, Offset(synced), false);
        let found = read_all(&mut log, Offset(0));
        assert!(found.len() as i64 >= synced && found.len() as i64 <= appended + 1, "seed {seed}");
        assert!(found.iter().all(|(offset, value)| *value == format!("value {offset}")));
    }
}
