//! Records of `__consumer_offsets` that were damaged: what cannot be read is an error, what can be is a state that
//! goes on: it answers, its timers run, and what it writes can be read again.

#[path = "../../../fuzz/fuzzing.rs"]
mod fuzzing;
mod harness;

use bytes::Bytes;
use coordinator::group::*;
use fuzzing::{each_seed, mutate, peak_of, pick, random_bytes};
use harness::{Driver, Entry};
use platform::Random;
use protocol::Str;
use protocol::messages::*;
use types::{Offset, ProducerId};

/// A log with groups of both generations, members, offsets and transactions.
fn log() -> Vec<ReplayRecord> {
    let mut driver = Driver::new(1);
    driver.config.initial_rebalance_delay_ms = 0;
    for group in ["g", "h"] {
        join(&mut driver, group, "");
        driver.advance(1000);
    }
    // one without members, whose offsets anybody may commit
    commit(&mut driver, "o", 5);
    let entries = driver.log.iter().filter_map(|entry| match entry {
        Entry::Record(record) => Some(record.clone()),
        Entry::Marker(..) => None,
    });
    entries.chain(foreign()).collect()
}

/// Keys and values of the newer protocols, in Kafka's layout: types 3 and up, each key beginning with its group.
fn foreign() -> impl Iterator<Item = ReplayRecord> {
    (3..=20i16).map(|kind| {
        let mut key = kind.to_be_bytes().to_vec();
        key.extend([0, 1, b'f', 0, 1, b'm', 0, 0, 0, 0]);
        record(Bytes::from(key), Some(Bytes::from_static(&[0, 0, 0, 0, 0, 1, 0, 0, 0, 0])))
    })
}

fn record(key: Bytes, value: Option<Bytes>) -> ReplayRecord {
    ReplayRecord { offset: Offset(0), key, value, transaction: None }
}

fn join(driver: &mut Driver, group: &str, member: &str) {
    let protocol = join_group_request::JoinGroupRequestProtocol {
        name: Str::from_static("range"),
        metadata: Bytes::from_static(&[0, 1, 0, 0, 0, 1, 0, 3, b'f', b'o', b'o', 0xff, 0xff, 0xff, 0xff]),
    };
    let request = JoinGroupRequest {
        group_id: Str::from(group),
        session_timeout_ms: 10_000,
        rebalance_timeout_ms: 5_000,
        member_id: Str::from(member),
        protocol_type: Str::from_static("consumer"),
        protocols: vec![protocol],
        ..Default::default()
    };
    driver.command(3, "c", Command::JoinGroup(request));
    driver.advance(10);
    for (_, response) in driver.take_replies() {
        let Response::JoinGroup(joined) = response else { continue };
        let assignment = sync_group_request::SyncGroupRequestAssignment {
            member_id: joined.member_id.clone(),
            assignment: Bytes::from_static(b"assignment"),
        };
        let request = SyncGroupRequest {
            group_id: Str::from(group),
            generation_id: joined.generation_id,
            member_id: joined.member_id,
            assignments: vec![assignment],
            ..Default::default()
        };
        driver.command(3, "c", Command::SyncGroup(request));
    }
}

fn commit(driver: &mut Driver, group: &str, offset: i64) {
    let partition = offset_commit_request::OffsetCommitRequestPartition {
        committed_offset: offset,
        committed_metadata: Some("m".into()),
        ..Default::default()
    };
    let topic = offset_commit_request::OffsetCommitRequestTopic {
        name: Str::from_static("foo"),
        partitions: vec![partition],
        ..Default::default()
    };
    let request = OffsetCommitRequest {
        group_id: Str::from(group),
        generation_id_or_member_epoch: -1,
        topics: vec![topic],
        ..Default::default()
    };
    driver.command(8, "c", Command::OffsetCommit(request));
}

fn damaged(records: &[ReplayRecord], random: &mut Random) -> Vec<Entry> {
    let mut some = Vec::new();
    for offset in 0..records.len() as i64 * 3 {
        let mut record = pick(records, random).clone();
        record.offset = Offset(offset);
        match random.below(6) {
            0 => record.key = mutate(&record.key, random).into(),
            1 | 2 => record.value = record.value.map(|value| mutate(&value, random).into()),
            3 => record.value = None,
            4 => record.value = Some(random_bytes(60, random).into()),
            _ => {}
        }
        if random.one_in(3) {
            record.transaction = Some(ProducerId(random.below(3) as i64));
        }
        some.push(Entry::Record(record));
        if random.one_in(6) {
            some.push(Entry::Marker(ProducerId(random.below(3) as i64), random.one_in(2)));
        }
    }
    some
}

fn load(entries: &[Entry]) -> GroupShard {
    let mut shard = GroupShard::new();
    for entry in entries {
        match entry {
            Entry::Record(record) => {
                if let Err(error) = shard.replay(record) {
                    assert!(!error.to_string().is_empty());
                }
            }
            Entry::Marker(producer, commit) => shard.on_marker(*producer, *commit),
        }
    }
    shard
}

/// What was read answers, times out and writes records that can be read.
fn live(driver: &mut Driver) {
    driver.reload();
    for group in ["g", "h", "f", "o", ""] {
        join(driver, group, "");
        commit(driver, group, 9);
        let request = HeartbeatRequest { group_id: Str::from(group), ..Default::default() };
        driver.command(4, "c", Command::Heartbeat(request));
    }
    driver.advance(60_000);
    driver.advance(30 * 24 * 3_600_000);
    driver.reload();
}

#[test]
fn damaged_records() {
    let records = log();
    assert!(records.iter().any(|record| record.key[..2] == [0, 2]), "a group");
    assert!(records.iter().any(|record| record.key[..2] == [0, 1]), "an offset");
    each_seed(100, |random| {
        let entries = damaged(&records, random);
        let bytes: usize = entries
            .iter()
            .map(|entry| match entry {
                Entry::Record(record) => record.key.len() + record.value.as_ref().map_or(0, Bytes::len),
                Entry::Marker(..) => 0,
            })
            .sum();
        let (shard, peak) = peak_of(|| load(&entries));
        assert!(peak <= 64 * bytes + (1 << 20), "{peak} bytes for {bytes}");
        drop(shard);
        let mut driver = Driver::new(random.next_u64());
        // what it refuses is not in the log that is loaded next: `reload` takes readable records alone
        driver.log = entries.into_iter().filter(readable).collect();
        live(&mut driver);
    });
}

fn readable(entry: &Entry) -> bool {
    match entry {
        Entry::Record(record) => GroupShard::new().replay(record).is_ok(),
        Entry::Marker(..) => true,
    }
}
