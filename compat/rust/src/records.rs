//! Record i of the contract in compat/README.md, and its comparison with one that was read.

use anyhow::{Result, bail};
use rdkafka::message::{BorrowedMessage, Headers, Message};
use sha2::{Digest, Sha256};

pub const PARTITIONS: usize = 3;
const BIG: usize = 1_040_000;

pub fn count() -> usize {
    std::env::var("COMPAT_RECORDS").ok().and_then(|text| text.parse().ok()).unwrap_or(10_000)
}

/// The replication factor of the topics.
pub fn replication() -> i32 {
    std::env::var("COMPAT_REPLICATION").ok().and_then(|text| text.parse().ok()).unwrap_or(1)
}

pub fn timestamp(i: usize) -> i64 {
    1_700_000_000_000 + 1000 * i as i64
}

pub fn key(i: usize) -> Option<Vec<u8>> {
    match i {
        _ if i % 5 == 0 && i % 11 != 0 => None,
        _ if i % 17 == 0 => Some(Vec::new()),
        _ => Some(format!("key-{}", i % 97).into_bytes()),
    }
}

pub fn value(i: usize) -> Option<Vec<u8>> {
    if i % 11 == 0 {
        return None;
    }
    if i % 13 == 0 {
        return Some(Vec::new());
    }
    let size = if i % 2500 == 1249 { BIG } else { 7919 * i % 301 };
    let mut value = Vec::with_capacity(size + 32);
    let mut k = 0;
    while value.len() < size {
        value.extend_from_slice(&Sha256::digest(format!("{i}:{}", k * (i % 2))));
        k += 1;
    }
    value.truncate(size);
    Some(value)
}

pub fn headers(i: usize) -> Vec<(String, Vec<u8>)> {
    (0..i % 4).map(|j| (format!("h{}", j / 2), format!("v{i}-{j}").into_bytes())).collect()
}

/// What a look-up by the timestamp of record `target` must give.
pub fn expected_offset(partition: usize, target: usize) -> i64 {
    (target + PARTITIONS - 1 - partition) as i64 / PARTITIONS as i64
}

/// Counts and compares what is read: every record must be the next one of its partition.
pub struct Reader {
    expected: usize,
    pub seen: usize,
    pub next: [i64; PARTITIONS],
}

impl Reader {
    pub fn new(expected: usize, start: i64) -> Reader {
        Reader { expected, seen: 0, next: [start; PARTITIONS] }
    }

    pub fn unfinished(&self) -> bool {
        self.seen < self.expected
    }

    pub fn take(&mut self, message: &BorrowedMessage<'_>) -> Result<()> {
        let (partition, offset) = (message.partition() as usize, message.offset());
        if offset != self.next[partition] {
            bail!("partition {partition}: expected offset {}, got {offset}", self.next[partition]);
        }
        let i = offset as usize * PARTITIONS + partition;
        let got: Vec<(String, Vec<u8>)> = message.headers().map_or(Vec::new(), |headers| {
            headers.iter().map(|header| (header.key.to_owned(), header.value.unwrap_or_default().to_vec())).collect()
        });
        let checks = [
            ("key", key(i).as_deref() == message.key()),
            ("value", value(i).as_deref() == message.payload()),
            ("timestamp", message.timestamp().to_millis() == Some(timestamp(i))),
            ("headers", headers(i) == got),
        ];
        for (what, right) in checks {
            if !right {
                bail!("{what} of {partition}@{offset}");
            }
        }
        self.next[partition] += 1;
        self.seen += 1;
        Ok(())
    }
}
