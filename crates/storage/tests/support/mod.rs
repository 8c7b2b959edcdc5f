//! Logs in memory and batches to put into them.
#![allow(dead_code, reason = "each test takes what it needs")]

use std::path::PathBuf;
use std::sync::Arc;

use platform::{FileSystem, MemoryFileSystem};
use records::{Batch, BatchBuilder, BatchOptions, Batches, Compression};
use storage::{AppendContext, Appended, Log, LogConfig, LogOptions, Opened};
use types::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, TopicPartition};

pub const EPOCH: LeaderEpoch = LeaderEpoch(0);

pub fn config() -> LogConfig {
    LogConfig { segment_bytes: 1000, index_interval_bytes: 100, ..LogConfig::default() }
}

pub fn options(system: &MemoryFileSystem, config: &LogConfig) -> LogOptions {
    LogOptions {
        file_system: Arc::new(system.clone()),
        directory: PathBuf::from("/data/t-0"),
        partition: TopicPartition { topic: Arc::from("t"), partition: 0 },
        config: Arc::new(config.clone()),
        recovery_point: Offset::ZERO,
        start_offset: Offset::ZERO,
        clean: false,
        now_ms: 0,
        seed: 1,
    }
}

pub fn create(system: &MemoryFileSystem, config: &LogConfig) -> Log {
    Log::create(options(system, config), None).unwrap()
}

pub fn reopen(
    system: &MemoryFileSystem,
    config: &LogConfig,
    recovery_point: Offset,
    clean: bool,
) -> (Log, Opened) {
    Log::open(LogOptions { recovery_point, clean, ..options(system, config) }).unwrap()
}

pub fn system() -> MemoryFileSystem {
    MemoryFileSystem::new(1)
}

/// Who sends a batch: producer id, epoch, first sequence, in a transaction.
pub type Producer = (i64, i16, i32, bool);

pub fn batch_with(
    values: &[&str],
    timestamp: i64,
    producer: Option<Producer>,
    compression: Compression,
) -> Vec<u8> {
    let mut options = BatchOptions { compression, ..BatchOptions::default() };
    if let Some((id, epoch, sequence, transactional)) = producer {
        options.producer_id = ProducerId(id);
        options.producer_epoch = ProducerEpoch(epoch);
        options.base_sequence = sequence;
        options.transactional = transactional;
    }
    let mut builder = BatchBuilder::new(options);
    for value in values {
        builder.append(timestamp, Some(b"k"), Some(value.as_bytes()), &[]).unwrap();
    }
    builder.build().unwrap().to_vec()
}

pub fn batch(values: &[&str], timestamp: i64) -> Vec<u8> {
    batch_with(values, timestamp, None, Compression::NONE)
}

pub fn append(log: &mut Log, bytes: &[u8]) -> Appended {
    log.append_as_leader(bytes, EPOCH, &AppendContext { now_ms: 0, api_version: 13 }).unwrap()
}

/// Appends a batch of `count` records at the given time, of about 100 bytes for one record.
pub fn append_records(log: &mut Log, count: usize, timestamp: i64) -> Appended {
    append(log, &batch(&vec!["a value of some thirty bytes ..."; count], timestamp))
}

/// All records that `read` gives from an offset to the end: offset and value.
pub fn read_all(log: &mut Log, from: Offset) -> Vec<(i64, String)> {
    let (mut found, mut at) = (Vec::new(), from);
    while at < log.end_offset() {
        let read = log.read(at, u64::MAX, log.end_offset(), true).unwrap();
        let bytes = read.slice.expect("there is more").read().unwrap();
        for batch in Batches::new(&bytes) {
            let batch: Batch<'_> = batch.unwrap();
            batch.verify_crc().unwrap();
            at = batch.next_offset();
            if batch.is_control() {
                continue;
            }
            let data = batch.data(1 << 20).unwrap();
            for record in batch.records(&data) {
                let record = record.unwrap();
                if record.offset >= from {
                    let value = String::from_utf8_lossy(record.value.unwrap_or_default()).into_owned();
                    found.push((record.offset.0, value));
                }
            }
        }
    }
    found
}

pub fn names(system: &MemoryFileSystem) -> Vec<String> {
    let entries = system.read_directory("/data/t-0".as_ref()).unwrap();
    entries.into_iter().map(|entry| entry.name).collect()
}
