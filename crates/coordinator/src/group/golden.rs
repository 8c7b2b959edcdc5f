//! Records held against those that Kafka 4.3.1's own GroupCoordinatorRecordHelpers made: written to the same bytes,
//! and read to the same state.

use bytes::Bytes;
use platform::{Random, Time};
use protocol::Str;
use protocol::messages::JoinGroupRequest;
use protocol::messages::join_group_request::JoinGroupRequestProtocol;
use types::{LeaderEpoch, Offset, Uuid};

use super::classic::{ClassicGroup, Member, State};
use super::io::WriteRecord;
use super::offsets::CommittedOffset;
use super::records;
use super::replay::ReplayRecord;
use super::state::Groups;
use super::{Caller, Command, Context, Effects, GroupConfig, GroupShard, NoTopics, Response, Token};

const TIME: Time = Time { monotonic_us: 0, wall_ms: 1_700_000_000_000 };

fn golden(name: &str) -> WriteRecord {
    let file = include_str!("../../testdata/golden/records.tsv");
    let row = file.lines().map(|line| line.split('\t').collect::<Vec<_>>()).find(|row| row[0] == name);
    let row = row.expect("a golden row");
    let hex = |text: &str| {
        let digits = text.as_bytes().chunks(2).map(|two| std::str::from_utf8(two).expect("ascii"));
        Bytes::from(digits.map(|two| u8::from_str_radix(two, 16).expect("hex")).collect::<Vec<_>>())
    };
    WriteRecord { key: hex(row[1]), value: (row[2] != "-").then(|| hex(row[2])) }
}

fn topic_id() -> Uuid {
    Uuid::from_halves(0x0102_0304_0506_0708, 0x090a_0b0c_0d0e_0f10)
}

fn offset(expire_timestamp_ms: Option<i64>) -> CommittedOffset {
    CommittedOffset {
        offset: Offset(42),
        leader_epoch: LeaderEpoch(7),
        metadata: Str::from("metadata"),
        commit_timestamp_ms: TIME.wall_ms,
        expire_timestamp_ms,
        topic_id: topic_id(),
        record_offset: Offset(-1),
    }
}

fn member(
    id: &str,
    instance_id: Option<&str>,
    (rebalance, session): (i32, i32),
    metadata: &'static str,
) -> Member {
    Member {
        id: Str::from(id),
        instance_id: instance_id.map(Str::from),
        client_id: Str::from("client"),
        client_host: Str::from("/127.0.0.1"),
        rebalance_timeout_ms: rebalance,
        session_timeout_ms: session,
        protocols: vec![(Str::from("range"), Bytes::from(metadata))],
        assignment: Bytes::new(),
        is_new: false,
        session_deadline: 0,
        waiting_join: None,
        waiting_sync: None,
    }
}

fn stable_group() -> ClassicGroup {
    let mut group = ClassicGroup::new(Str::from("group"), TIME);
    group.generation = 5;
    group.protocol = Some(Str::from("range"));
    group.add(member("m1", None, (30_000, 10_000), "one"), Some(Str::from("consumer")));
    group.add(member("m2", Some("i2"), (60_000, 45_000), "two"), Some(Str::from("consumer")));
    group
}

#[test]
fn records_are_kafkas_bytes() {
    let (group, topic) = (Str::from("group"), Str::from("topic"));
    let plain = CommittedOffset {
        offset: Offset(0),
        leader_epoch: LeaderEpoch::NONE,
        metadata: Str::default(),
        commit_timestamp_ms: 1,
        topic_id: Uuid::ZERO,
        ..offset(None)
    };
    let mut empty = ClassicGroup::new(group.clone(), TIME);
    empty.generation = 6;
    empty.protocol_type = Some(Str::from("consumer"));
    let assignment = |member: &Member| if member.id == "m1" { Bytes::from("a1") } else { Bytes::new() };
    for (name, record) in [
        ("offset", records::offset_commit(&group, &topic, 3, &offset(None))),
        ("offset-plain", records::offset_commit(&Str::default(), &Str::from("t"), 0, &plain)),
        ("offset-expiring", records::offset_commit(&group, &topic, 3, &offset(Some(TIME.wall_ms + 1000)))),
        ("offset-tombstone", records::offset_tombstone(&group, &topic, 3)),
        ("group-new", records::new_group_metadata(&group, TIME.wall_ms)),
        ("group", records::group_metadata(&stable_group(), assignment)),
        ("group-empty", records::group_metadata(&empty, |_| Bytes::new())),
        ("group-tombstone", records::group_tombstone(&group)),
    ] {
        assert_eq!(record, golden(name), "{name}");
    }
}

fn replay(groups: &mut Groups, name: &str) {
    let WriteRecord { key, value } = golden(name);
    let record = ReplayRecord { offset: Offset(9), key, value, transaction: None };
    groups.replay(&record).expect("Kafka's record");
}

#[test]
fn kafkas_records_are_read() {
    let mut groups = Groups::default();
    replay(&mut groups, "offset-expiring");
    let expiring = groups.by_id["group"].offsets.get("topic", 3).cloned().expect("an offset");
    assert_eq!(expiring.expire_timestamp_ms, Some(TIME.wall_ms + 1000));
    replay(&mut groups, "offset");
    let read = groups.by_id["group"].offsets.get("topic", 3).cloned();
    assert_eq!(read, Some(CommittedOffset { record_offset: Offset(9), ..offset(None) }));
    replay(&mut groups, "group");
    let classic = groups.by_id["group"].classic.as_ref().expect("a group");
    assert_eq!((classic.state, classic.generation), (State::Stable, 5));
    assert_eq!(records::group_metadata(classic, |member| member.assignment.clone()), golden("group"));
    replay(&mut groups, "group-empty");
    assert_eq!(groups.by_id["group"].state_name(), "Empty");
    replay(&mut groups, "offset-tombstone");
    replay(&mut groups, "group-tombstone");
    assert!(groups.by_id.is_empty());
}

#[test]
fn groups_of_other_protocols_are_kept_until_their_tombstones() {
    let mut groups = Groups::default();
    for name in
        ["consumer-group", "consumer-target", "consumer-current-tombstone", "consumer-member-tombstone"]
    {
        replay(&mut groups, name);
    }
    let group = &groups.by_id["kip848"];
    assert_eq!((group.type_name(), group.state_name()), ("consumer", "Empty"));
    let mut tombstones = Vec::new();
    group.tombstones(&Str::from("kip848"), &mut tombstones);
    assert_eq!(tombstones.len(), 2);
    for (_, change) in tombstones {
        groups.apply(change, Offset(10), None);
    }
    assert!(groups.by_id.is_empty());
}

#[test]
fn unknown_types_are_skipped_and_broken_records_refused() {
    let read = |key: &'static [u8], value: Option<&'static [u8]>| {
        let mut groups = Groups::default();
        let value = value.map(Bytes::from_static);
        let record =
            ReplayRecord { offset: Offset(0), key: Bytes::from_static(key), value, transaction: None };
        let result = groups.replay(&record).is_ok();
        assert!(groups.by_id.is_empty());
        result
    };
    assert!(read(b"\x00\x63anything", Some(b"x")));
    assert!(read(b"\x00\x09", None));
    for (key, value) in [
        (&b""[..], None),
        (b"\x00", None),
        (b"\x00\x01\x00\x05ab", None),
        (b"\x00\x01\x00\x01g\x00\x01t\x00\x00\x00\x00", Some(&b""[..])),
        (b"\x00\x01\x00\x01g\x00\x01t\x00\x00\x00\x00", Some(b"\x00\x63\x00")),
        (b"\x00\x02\x00\x01g", Some(b"\x00\x03\x00")),
        (b"\x00\x03\x7f\xff", Some(b"\x00\x00")),
    ] {
        assert!(!read(key, value), "{key:?}");
    }
}

/// Kafka's own way when a classic consumer joins a consumer group that has no members left.
#[test]
fn an_empty_group_of_another_protocol_becomes_a_classic_one() {
    let mut shard = GroupShard::new();
    for name in ["consumer-group", "consumer-target"] {
        let WriteRecord { key, value } = golden(name);
        let record = ReplayRecord { offset: Offset(0), key, value, transaction: None };
        shard.replay(&record).expect("Kafka's record");
    }
    let request = JoinGroupRequest {
        group_id: Str::from("kip848"),
        session_timeout_ms: 10_000,
        rebalance_timeout_ms: 10_000,
        protocol_type: Str::from("consumer"),
        protocols: vec![JoinGroupRequestProtocol { name: Str::from("range"), metadata: Bytes::new() }],
        ..Default::default()
    };
    let caller =
        Caller { token: Token(1), version: 3, client_id: Str::from("c"), client_host: Str::default() };
    let config = GroupConfig::default();
    let mut random = Random::new(1);
    let mut context = Context { now: TIME, config: &config, random: &mut random, topics: &NoTopics };
    let mut effects = Effects::default();
    shard.on_loaded(&mut context, &mut effects);
    shard.command(&caller, &Command::JoinGroup(request), &mut context, &mut effects);
    assert!(effects.replies.is_empty(), "the first rebalance waits");
    let write = effects.writes.first().expect("tombstones");
    assert!(write.records.len() == 2 && write.records.iter().all(|record| record.value.is_none()));
    let list = Command::ListGroups(Default::default());
    shard.command(&caller, &list, &mut context, &mut effects);
    let Some((_, Response::ListGroups(listed))) = effects.replies.pop() else { panic!("a list") };
    assert_eq!(listed.groups[0].group_state, "PreparingRebalance");
    assert_eq!(listed.groups[0].group_type, "classic");
}
