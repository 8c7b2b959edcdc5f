//! Replication among the shards of several nodes: what acks=all waits for, what a change of leader keeps and cuts,
//! who is in sync, what epochs fence.

mod cluster;
mod support;

use std::path::PathBuf;

use broker::config::Settings;
use broker::event::ConnectionId;
use bytes::Bytes;
use cluster::Cluster;
use platform::FileSystem;
use protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use protocol::messages::produce_response::PartitionProduceResponse;
use protocol::messages::*;
use protocol::records::metadata::{MetadataRecord, PartitionChangeRecord};
use protocol::{ErrorCode, Response};
use support::{batch, batch_of, values};
use types::{ProducerEpoch, ProducerId, Uuid};

fn produce_request(records: Bytes, acks: i16, timeout_ms: i32) -> ProduceRequest {
    let partition_data = vec![PartitionProduceData { index: 0, records: Some(records) }];
    let topic_data = vec![TopicProduceData { name: "t".into(), partition_data, ..Default::default() }];
    ProduceRequest { acks, timeout_ms, topic_data, ..Default::default() }
}

fn produced(response: Option<Response>) -> PartitionProduceResponse {
    let Some(Response::Produce(mut response)) = response else { panic!("{response:?}") };
    response.responses.remove(0).partition_responses.remove(0)
}

fn produce(cluster: &mut Cluster, connection: ConnectionId, text: &[&str], acks: i16) -> (ErrorCode, i64) {
    let answer = produced(Some(cluster.call(connection, 10, produce_request(batch(text), acks, 30_000))));
    (ErrorCode::from(answer.error_code), answer.base_offset)
}

/// Error, high watermark, records; by a version that may read from followers.
fn fetch(
    cluster: &mut Cluster,
    connection: ConnectionId,
    offset: i64,
    epoch: i32,
) -> (ErrorCode, i64, Vec<(i64, String)>) {
    let Response::Fetch(response) = cluster.call(connection, 12, fetch_request(offset, epoch)) else {
        panic!()
    };
    let data = &response.responses[0].partitions[0];
    let error = ErrorCode::from(data.error_code);
    (error, data.high_watermark, values(&data.records.bytes().unwrap_or_default()))
}

fn fetch_request(offset: i64, epoch: i32) -> FetchRequest {
    FetchRequest {
        max_bytes: 1 << 20,
        session_epoch: -1,
        topics: vec![fetch_request::FetchTopic {
            topic: "t".into(),
            partitions: vec![fetch_request::FetchPartition {
                fetch_offset: offset,
                current_leader_epoch: epoch,
                partition_max_bytes: 1 << 20,
                ..Default::default()
            }],
            ..Default::default()
        }],
        ..Default::default()
    }
}

fn texts(records: Vec<(i64, String)>) -> String {
    records.into_iter().map(|(_, text)| text).collect::<Vec<_>>().join(" ")
}

fn latest(cluster: &mut Cluster, connection: ConnectionId) -> (ErrorCode, i64) {
    let request = ListOffsetsRequest {
        replica_id: -1,
        topics: vec![list_offsets_request::ListOffsetsTopic {
            name: "t".into(),
            partitions: vec![list_offsets_request::ListOffsetsPartition {
                timestamp: -1,
                ..Default::default()
            }],
        }],
        ..Default::default()
    };
    let Response::ListOffsets(response) = cluster.call(connection, 7, request) else { panic!() };
    let answer = &response.topics[0].partitions[0];
    (ErrorCode::from(answer.error_code), answer.offset)
}

#[test]
fn acks_all_has_every_in_sync_replica_have_it() {
    for shards in [1, 3] {
        for (configs, name) in [(&[][..], "page cache"), (&[("flush.messages", "1")], "flushed")] {
            let mut cluster = Cluster::new(3, shards);
            cluster.create_topic("t", &[1, 2, 3], configs);
            let client = cluster.connect(1, 0);
            assert_eq!(produce(&mut cluster, client, &["a", "b"], -1), (ErrorCode::None, 0), "{name}");
            assert_eq!(fetch(&mut cluster, client, 0, -1).1, 2, "{shards} shards, {name}");
            cluster.pass(600);
            for node in [2, 3] {
                let reader = cluster.connect(node, 0);
                let (error, high_watermark, records) = fetch(&mut cluster, reader, 0, -1);
                assert_eq!((error, high_watermark), (ErrorCode::None, 2), "node {node}, {name}");
                assert_eq!(texts(records), "a b");
            }
        }
    }
}

#[test]
fn acks_all_waits_for_a_replica_in_sync_until_it_is_no_more() {
    for shards in [1, 3] {
        let mut cluster = Cluster::new(3, shards);
        let topic = cluster.create_topic("t", &[1, 2, 3], &[]);
        let client = cluster.connect(1, 0);
        cluster.pass(1000);
        cluster.kill(3, false);
        cluster.send(client, 10, produce_request(batch(&["a"]), -1, 100_000));
        cluster.pass(20_000);
        assert!(cluster.take_reply(client).is_none(), "node 3 may have been slow only");
        assert_eq!(cluster.in_sync(topic), [1, 2, 3]);
        cluster.pass(30_000);
        assert_eq!(produced(cluster.take_reply(client)).error_code, 0, "{shards} shards");
        assert_eq!(cluster.in_sync(topic), [1, 2]);
        // it comes back, catches up, and is in sync again
        cluster.start(3);
        cluster.pass(2000);
        assert_eq!(cluster.in_sync(topic), [1, 2, 3]);
        let reader = cluster.connect(3, 0);
        assert_eq!(texts(fetch(&mut cluster, reader, 0, -1).2), "a");
    }
}

#[test]
fn a_fenced_broker_does_not_come_into_the_set() {
    let mut cluster = Cluster::new(2, 1);
    let topic = cluster.create_topic("t", &[1, 2], &[]);
    cluster.fence(2, true);
    cluster.elect(topic, 1, &[1]);
    cluster.pass(2000);
    assert_eq!(cluster.in_sync(topic), [1]);
    let client = cluster.connect(1, 0);
    assert_eq!(produce(&mut cluster, client, &["a"], -1), (ErrorCode::None, 0));
    cluster.fence(2, false);
    cluster.pass(1000);
    assert_eq!(cluster.in_sync(topic), [1, 2]);
}

#[test]
fn min_in_sync_replicas_hold_before_and_after_the_append() {
    let mut cluster = Cluster::new(2, 1);
    let topic = cluster.create_topic("t", &[1, 2], &[("min.insync.replicas", "2")]);
    let client = cluster.connect(1, 0);
    assert_eq!(produce(&mut cluster, client, &["a"], -1), (ErrorCode::None, 0));
    cluster.kill(2, false);
    // appended while two were in sync, never committed since
    cluster.send(client, 10, produce_request(batch(&["b"]), -1, 100_000));
    cluster.elect(topic, 1, &[1]);
    cluster.pass(100);
    let other = cluster.connect(1, 0);
    assert_eq!(produce(&mut cluster, other, &["c"], -1).0, ErrorCode::NotEnoughReplicas);
    assert_eq!(produce(&mut cluster, other, &["d"], 1), (ErrorCode::None, 2));
    let (_, high_watermark, records) = fetch(&mut cluster, other, 0, -1);
    assert_eq!(
        (high_watermark, texts(records).as_str()),
        (1, "a"),
        "the mark does not move below the minimum"
    );
    cluster.start(2);
    cluster.pass(2000);
    assert_eq!(produced(cluster.take_reply(client)).error_code, 0);
    assert_eq!(cluster.in_sync(topic), [1, 2]);
    assert_eq!(texts(fetch(&mut cluster, other, 0, -1).2), "a b d");
}

#[test]
fn a_leader_that_comes_back_is_cut_by_epoch() {
    for shards in [1, 2] {
        let mut cluster = Cluster::new(3, shards);
        let topic = cluster.create_topic("t", &[1, 2, 3], &[]);
        let client = cluster.connect(1, 0);
        assert_eq!(produce(&mut cluster, client, &["a", "b"], -1), (ErrorCode::None, 0));
        cluster.pass(600);
        cluster.kill(2, false);
        cluster.kill(3, false);
        // only the leader has these, and acknowledges to none that asked for all
        assert_eq!(produce(&mut cluster, client, &["x", "y"], 1), (ErrorCode::None, 2));
        cluster.kill(1, false);
        cluster.start(2);
        cluster.start(3);
        cluster.elect(topic, 2, &[2, 3]);
        cluster.pass(1000);
        let client = cluster.connect(2, 0);
        assert_eq!(produce(&mut cluster, client, &["c"], -1), (ErrorCode::None, 2), "{shards} shards");
        cluster.start(1);
        cluster.pass(2000);
        assert_eq!(cluster.in_sync(topic), [1, 2, 3], "{:?}", cluster.log);
        let reader = cluster.connect(1, 0);
        assert_eq!(texts(fetch(&mut cluster, reader, 0, -1).2), "a b c");
        assert!(cluster.log.iter().any(|(node, line)| *node == 1 && line.contains("cut from 4 to 2")));
        // and leads again, where it was cut
        cluster.elect(topic, 1, &[1, 2, 3]);
        cluster.pass(1000);
        let client = cluster.connect(1, 0);
        assert_eq!(produce(&mut cluster, client, &["d"], -1), (ErrorCode::None, 3));
        let reader = cluster.connect(3, 0);
        cluster.pass(600);
        assert_eq!(texts(fetch(&mut cluster, reader, 0, -1).2), "a b c d");
    }
}

#[test]
fn nothing_is_cut_at_the_high_watermark() {
    // The new leader's high watermark is behind what its predecessor acknowledged.
    let mut cluster = Cluster::new(3, 1);
    let topic = cluster.create_topic("t", &[1, 2, 3], &[]);
    let client = cluster.connect(1, 0);
    assert_eq!(produce(&mut cluster, client, &["a", "b"], -1), (ErrorCode::None, 0));
    cluster.kill(1, false);
    cluster.elect(topic, 2, &[2, 3]);
    let client = cluster.connect(2, 0);
    cluster.pass(600);
    let (_, high_watermark, records) = fetch(&mut cluster, client, 0, -1);
    assert_eq!((high_watermark, texts(records).as_str()), (2, "a b"));
}

#[test]
fn a_new_leader_does_not_say_where_the_end_is_before_it_knows() {
    let mut cluster = Cluster::new(3, 1);
    let topic = cluster.create_topic("t", &[1, 2, 3], &[]);
    let client = cluster.connect(1, 0);
    assert_eq!(produce(&mut cluster, client, &["a", "b"], -1), (ErrorCode::None, 0));
    cluster.kill(1, false);
    cluster.kill(3, false);
    cluster.elect(topic, 2, &[2, 3]);
    let client = cluster.connect(2, 0);
    assert_eq!(latest(&mut cluster, client).0, ErrorCode::OffsetNotAvailable);
    cluster.start(3);
    cluster.pass(1000);
    assert_eq!(latest(&mut cluster, client), (ErrorCode::None, 2));
}

#[test]
fn an_idempotent_producers_sequence_goes_on_with_the_new_leader() {
    let mut cluster = Cluster::new(2, 1);
    let topic = cluster.create_topic("t", &[1, 2], &[]);
    let client = cluster.connect(1, 0);
    let send = |cluster: &mut Cluster, client, text, sequence| {
        let records = batch_of(&[text], ProducerId(5), ProducerEpoch(0), sequence);
        let answer = produced(Some(cluster.call(client, 10, produce_request(records, -1, 1000))));
        (ErrorCode::from(answer.error_code), answer.base_offset)
    };
    assert_eq!(send(&mut cluster, client, "a", 0), (ErrorCode::None, 0));
    assert_eq!(send(&mut cluster, client, "b", 1), (ErrorCode::None, 1));
    cluster.kill(1, false);
    cluster.elect(topic, 2, &[2]);
    let client = cluster.connect(2, 0);
    for (sequence, expected) in [
        (1, (ErrorCode::None, 1)),
        (3, (ErrorCode::OutOfOrderSequenceNumber, -1)),
        (2, (ErrorCode::None, 2)),
        (2, (ErrorCode::None, 2)),
    ] {
        assert_eq!(send(&mut cluster, client, "c", sequence), expected, "{sequence}");
    }
    assert_eq!(texts(fetch(&mut cluster, client, 0, -1).2), "a b c");
}

#[test]
fn a_batch_from_before_the_last_five_is_known_to_the_new_leader() {
    // What was sent to the old leader is in its log and not answered; the client goes on with the new one meanwhile.
    let mut cluster = Cluster::new(3, 1);
    let topic = cluster.create_topic("t", &[1, 2, 3], &[]);
    let client = cluster.connect(1, 0);
    let send = |cluster: &mut Cluster, client, sequence| {
        let records = batch_of(&["x"], ProducerId(5), ProducerEpoch(0), sequence);
        let answer = produced(Some(cluster.call(client, 10, produce_request(records, -1, 1000))));
        (ErrorCode::from(answer.error_code), answer.base_offset)
    };
    for sequence in 0..3 {
        assert_eq!(send(&mut cluster, client, sequence), (ErrorCode::None, i64::from(sequence)));
    }
    cluster.kill(1, false);
    cluster.elect(topic, 2, &[2, 3]);
    cluster.pass(1000);
    let client = cluster.connect(2, 0);
    for sequence in 3..8 {
        assert_eq!(send(&mut cluster, client, sequence), (ErrorCode::None, i64::from(sequence)));
    }
    assert_eq!(send(&mut cluster, client, 3), (ErrorCode::None, 3));
    assert_eq!(send(&mut cluster, client, 1), (ErrorCode::DuplicateSequenceNumber, -1));
    // nobody has the next six but the leader: what is below the five of them is not acknowledged
    cluster.kill(3, false);
    for sequence in 8..14 {
        let records = batch_of(&["x"], ProducerId(5), ProducerEpoch(0), sequence);
        let answer = produced(Some(cluster.call(client, 10, produce_request(records, 1, 1000))));
        assert_eq!(answer.base_offset, i64::from(sequence));
    }
    assert_eq!(send(&mut cluster, client, 8), (ErrorCode::NotEnoughReplicasAfterAppend, -1));
    cluster.elect(topic, 2, &[2]);
    cluster.pass(1000);
    assert_eq!(send(&mut cluster, client, 8), (ErrorCode::DuplicateSequenceNumber, -1));
}

#[test]
fn epochs_fence() {
    let mut cluster = Cluster::new(2, 1);
    let topic = cluster.create_topic("t", &[1, 2], &[]);
    let (one, two) = (cluster.connect(1, 0), cluster.connect(2, 0));
    for (epoch, expected) in [(-1, ErrorCode::None), (0, ErrorCode::None), (1, ErrorCode::UnknownLeaderEpoch)]
    {
        assert_eq!(fetch(&mut cluster, one, 0, epoch).0, expected, "{epoch}");
        assert_eq!(fetch(&mut cluster, two, 0, epoch).0, expected, "of the follower, {epoch}");
    }
    cluster.elect(topic, 2, &[2, 1]);
    for (epoch, expected) in [(0, ErrorCode::FencedLeaderEpoch), (1, ErrorCode::None)] {
        assert_eq!(fetch(&mut cluster, two, 0, epoch).0, expected, "{epoch}");
        assert_eq!(fetch(&mut cluster, one, 0, epoch).0, expected, "of the follower, {epoch}");
    }
    assert_eq!(produce(&mut cluster, one, &["a"], -1).0, ErrorCode::NotLeaderOrFollower);
    // a version that knows nothing of reading from followers
    let Response::Fetch(response) = cluster.call(one, 10, fetch_request(0, -1)) else { panic!() };
    assert_eq!(response.responses[0].partitions[0].error_code, ErrorCode::NotLeaderOrFollower.code());
    assert_eq!(latest(&mut cluster, one).0, ErrorCode::NotLeaderOrFollower);
}

#[test]
fn a_stale_leader_commits_nothing() {
    // Node 1 does not hear that node 2 leads: what it takes with acks=all is never acknowledged.
    let mut cluster = Cluster::new(2, 1);
    let topic = cluster.create_topic("t", &[1, 2], &[]);
    cluster.pass(600);
    let stale = cluster.connect(1, 0);
    cluster.told = Some([2].into());
    cluster.elect(topic, 2, &[2]);
    cluster.send(stale, 10, produce_request(batch(&["x"]), -1, 200_000));
    let client = cluster.connect(2, 0);
    assert_eq!(produce(&mut cluster, client, &["a"], -1), (ErrorCode::None, 0));
    cluster.pass(60_000);
    assert!(cluster.take_reply(stale).is_none(), "its wish to shrink the set is refused");
    assert!(!cluster.asked.is_empty());
    cluster.tell_all();
    cluster.pass(2000);
    let answer = produced(cluster.take_reply(stale));
    assert_eq!(answer.error_code, ErrorCode::NotLeaderOrFollower.code());
    assert_eq!(texts(fetch(&mut cluster, stale, 0, -1).2), "a");
    assert_eq!(cluster.in_sync(topic), [1, 2]);
}

/// Where the leader's log starts at the beginning of a batch, and in the midst of one.
#[test]
fn a_follower_whose_leader_has_deleted_more_begins_anew() {
    begins_anew(&[&["b"], &["c"], &["d"]]);
    begins_anew(&[&["b"], &["c", "d", "e"]]);
    begins_anew(&[&["b", "c", "d", "e"], &["f"]]);
}

fn begins_anew(batches: &[&[&str]]) {
    let mut cluster = Cluster::new(2, 1);
    let topic = cluster.create_topic("t", &[1, 2], &[]);
    let client = cluster.connect(1, 0);
    assert_eq!(produce(&mut cluster, client, &["a"], -1), (ErrorCode::None, 0));
    cluster.kill(2, false);
    cluster.fence(2, true);
    cluster.elect(topic, 1, &[1]);
    for texts in batches {
        produce(&mut cluster, client, texts, -1);
    }
    let Response::DeleteRecords(_) = cluster.call(client, 2, delete_records_before(3)) else { panic!() };
    cluster.start(2);
    cluster.fence(2, false);
    cluster.pass(3000);
    assert_eq!(cluster.in_sync(topic), [1, 2], "{:?}", cluster.log);
    let reader = cluster.connect(2, 0);
    assert_eq!(fetch(&mut cluster, reader, 0, -1).0, ErrorCode::OffsetOutOfRange);
    let left = fetch(&mut cluster, reader, 3, -1).2;
    assert_eq!(left.iter().find(|(offset, _)| *offset == 3), Some(&(3, "d".to_owned())), "{batches:?}");
    assert_eq!(left, fetch(&mut cluster, client, 3, -1).2);
}

fn delete_records_before(offset: i64) -> DeleteRecordsRequest {
    let partitions = vec![delete_records_request::DeleteRecordsPartition { partition_index: 0, offset }];
    let topic = delete_records_request::DeleteRecordsTopic { name: "t".into(), partitions };
    DeleteRecordsRequest { topics: vec![topic], timeout_ms: 1000 }
}

#[test]
fn a_deposed_leader_whose_successor_has_deleted_what_they_differ_in_begins_anew() {
    let mut cluster = Cluster::new(2, 1);
    let topic = cluster.create_topic("t", &[1, 2], &[]);
    cluster.pass(600);
    let deposed = cluster.connect(1, 0);
    assert_eq!(produce(&mut cluster, deposed, &["a"], -1), (ErrorCode::None, 0));
    cluster.told = Some([2].into());
    cluster.elect(topic, 2, &[2]);
    for (offset, text) in [(1, "x"), (2, "y"), (3, "z")] {
        assert_eq!(produce(&mut cluster, deposed, &[text], 1), (ErrorCode::None, offset));
    }
    let client = cluster.connect(2, 0);
    assert_eq!(produce(&mut cluster, client, &["b", "c", "d", "e"], -1), (ErrorCode::None, 1));
    cluster.send(client, 2, delete_records_before(3));
    cluster.tell_all();
    cluster.pass(3000);
    assert_eq!(cluster.in_sync(topic), [1, 2], "{:?}", cluster.log);
    assert!(matches!(cluster.take_reply(client), Some(Response::DeleteRecords(_))));
    let left = fetch(&mut cluster, deposed, 3, -1).2;
    assert_eq!(left.last(), Some(&(4, "e".to_owned())));
    assert_eq!(left, fetch(&mut cluster, client, 3, -1).2);
}

/// A follower's session that begins with a topic that the leader does not know yet.
#[test]
fn a_shard_may_come_into_a_session_later() {
    let mut cluster = Cluster::new(2, 3);
    let topic = cluster.create_topic("t", &[1, 2], &[]);
    let client = cluster.connect(1, 0);
    assert_eq!(produce(&mut cluster, client, &["a"], 1), (ErrorCode::None, 0));
    for shard in 0..3 {
        let follower = cluster.connect(1, shard);
        let mut ask = |session_id, session_epoch, topic_id| {
            let partition = fetch_request::FetchPartition {
                current_leader_epoch: 0,
                partition_max_bytes: 1000,
                ..Default::default()
            };
            let request = FetchRequest {
                replica_state: fetch_request::ReplicaState { replica_id: 2, replica_epoch: -1 },
                max_bytes: 1000,
                session_id,
                session_epoch,
                topics: vec![fetch_request::FetchTopic {
                    topic_id,
                    partitions: vec![partition],
                    ..Default::default()
                }],
                ..Default::default()
            };
            let Response::Fetch(response) = cluster.call(follower, 16, request) else { panic!() };
            response
        };
        let session = ask(0, 0, Uuid([7; 16])).session_id;
        assert_ne!(session, 0);
        let told = ask(session, 1, topic).responses;
        let of_topic = told.iter().find(|told| told.topic_id == topic).expect("news of the topic");
        let records = of_topic.partitions[0].records.bytes().unwrap_or_default();
        assert_eq!(texts(values(&records)), "a", "by shard {shard}");
    }
}

#[test]
fn leaders_that_append_nothing_leave_no_trace() {
    let mut cluster = Cluster::new(2, 1);
    let topic = cluster.create_topic("t", &[1, 2], &[]);
    let client = cluster.connect(1, 0);
    assert_eq!(produce(&mut cluster, client, &["a"], -1), (ErrorCode::None, 0));
    // node 2 knows nothing of the epochs in which node 1 leads alone and nobody produces, and the other way round
    for leader in [1, 2, 1, 2, 2, 1] {
        cluster.kill(3 - leader, false);
        cluster.elect(topic, leader, &[leader]);
        cluster.start(3 - leader);
        cluster.pass(1500);
        assert_eq!(cluster.in_sync(topic), [1, 2], "{leader}");
    }
    let client = cluster.connect(1, 0);
    assert_eq!(produce(&mut cluster, client, &["b"], -1), (ErrorCode::None, 1));
    assert!(!cluster.log.iter().any(|(_, line)| line.contains("cut from")), "{:?}", cluster.log);
}

#[test]
fn a_change_of_leader_does_not_wait_for_answers_that_are_held_back() {
    for shards in [1, 2] {
        let mut cluster = Cluster::new(3, shards);
        let topic = cluster.create_topic("t", &[1, 2, 3], &[]);
        // node 3 fetches from node 2 too, which has nothing for it and holds back its answer
        cluster.create_topic("other", &[2, 3, 1], &[]);
        cluster.pass(5000);
        cluster.kill(1, false);
        // node 3 hears of it first
        cluster.told = Some([3].into());
        cluster.elect(topic, 2, &[2, 3]);
        cluster.pass(7);
        cluster.tell_all();
        let client = cluster.connect(2, 0);
        cluster.send(client, 10, produce_request(batch(&["a"]), -1, 30_000));
        cluster.pass(60);
        assert_eq!(produced(cluster.take_reply(client)).error_code, 0, "{shards} shards");
    }
}

/// Two changes within 20 ms. A follower that has just given up its connection to the second's leader spares it for a while,
/// but forgets nobody.
#[test]
fn changes_of_leader_one_after_the_other_are_not_held_back() {
    for (first_leader, wait_ms) in [(2, 250), (3, 30)] {
        let mut cluster = Cluster::new(3, 1);
        let first = cluster.create_topic("u", &[1, 2, 3], &[]);
        let second = cluster.create_topic("t", &[1, 2, 3], &[]);
        // so that both fetch from everybody
        cluster.create_topic("of-2", &[2, 1, 3], &[]);
        cluster.create_topic("of-3", &[3, 1, 2], &[]);
        cluster.pass(5000);
        cluster.elect(first, first_leader, &[1, 2, 3]);
        cluster.pass(20);
        cluster.elect(second, 2, &[1, 2, 3]);
        let client = cluster.connect(2, 0);
        cluster.send(client, 10, produce_request(batch(&["a"]), -1, 30_000));
        cluster.pass(wait_ms / 2);
        let early = cluster.take_reply(client);
        assert_eq!(early.is_some(), first_leader != 2, "{first_leader}: {early:?}");
        cluster.pass(wait_ms / 2);
        assert_eq!(produced(early.or(cluster.take_reply(client))).error_code, 0, "{first_leader}");
    }
}

#[test]
fn consumers_are_sent_to_the_replica_in_their_rack() {
    let settings = Settings { replica_selector_rack_aware: true, ..Settings::default() };
    let mut cluster = Cluster::with(3, 1, settings, true);
    cluster.create_topic("t", &[1, 2, 3], &[]);
    let client = cluster.connect(1, 0);
    assert_eq!(produce(&mut cluster, client, &["a", "b"], -1), (ErrorCode::None, 0));
    cluster.pass(600);
    for (rack, preferred, text) in
        [("rack-2", 2, ""), ("rack-1", -1, "a b"), ("", -1, "a b"), ("moon", -1, "a b")]
    {
        let request = FetchRequest { rack_id: rack.into(), ..fetch_request(0, -1) };
        let Response::Fetch(response) = cluster.call(client, 12, request) else { panic!() };
        let data = &response.responses[0].partitions[0];
        assert_eq!(
            (data.error_code, data.preferred_read_replica, data.high_watermark),
            (0, preferred, 2),
            "{rack}"
        );
        assert_eq!(texts(values(&data.records.bytes().unwrap_or_default())), text, "{rack}");
    }
    let near = cluster.connect(2, 0);
    let request = FetchRequest { rack_id: "rack-2".into(), ..fetch_request(0, -1) };
    let Response::Fetch(response) = cluster.call(near, 12, request) else { panic!() };
    let data = &response.responses[0].partitions[0];
    assert_eq!(data.preferred_read_replica, -1);
    assert_eq!(texts(values(&data.records.bytes().unwrap())), "a b");
}

fn commit(cluster: &mut Cluster, connection: ConnectionId, offset: i64) -> ErrorCode {
    let request = OffsetCommitRequest {
        group_id: "g".into(),
        generation_id_or_member_epoch: -1,
        topics: vec![offset_commit_request::OffsetCommitRequestTopic {
            name: "t".into(),
            partitions: vec![offset_commit_request::OffsetCommitRequestPartition {
                partition_index: 0,
                committed_offset: offset,
                ..Default::default()
            }],
            ..Default::default()
        }],
        ..Default::default()
    };
    let Response::OffsetCommit(response) = cluster.call(connection, 8, request) else { panic!() };
    ErrorCode::from(response.topics[0].partitions[0].error_code)
}

fn committed(cluster: &mut Cluster, connection: ConnectionId) -> (ErrorCode, i64) {
    let request = OffsetFetchRequest {
        group_id: "g".into(),
        topics: Some(vec![offset_fetch_request::OffsetFetchRequestTopic {
            name: "t".into(),
            partition_indexes: vec![0],
        }]),
        ..Default::default()
    };
    let Response::OffsetFetch(response) = cluster.call(connection, 7, request) else { panic!() };
    let offset = response.topics.first().map_or(-1, |topic| topic.partitions[0].committed_offset);
    (ErrorCode::from(response.error_code), offset)
}

#[test]
fn groups_move_with_their_partition() {
    for shards in [1, 2] {
        let mut cluster = Cluster::new(3, shards);
        cluster.create_topic("t", &[1, 2, 3], &[]);
        let offsets = cluster.create_topic("__consumer_offsets", &[1, 2, 3], &[]);
        let (one, two) = (cluster.connect(1, 0), cluster.connect(2, 0));
        assert_eq!(commit(&mut cluster, one, 5), ErrorCode::None);
        assert_eq!(commit(&mut cluster, two, 6), ErrorCode::NotCoordinator);
        assert_eq!(committed(&mut cluster, one), (ErrorCode::None, 5));
        let find = FindCoordinatorRequest { coordinator_keys: vec!["g".into()], ..Default::default() };
        let Response::FindCoordinator(found) = cluster.call(two, 4, find.clone()) else { panic!() };
        assert_eq!(found.coordinators[0].node_id, 1);
        cluster.elect(offsets, 2, &[2, 3]);
        assert_eq!(commit(&mut cluster, one, 7), ErrorCode::NotCoordinator);
        cluster.pass(100);
        assert_eq!(committed(&mut cluster, two), (ErrorCode::None, 5), "{shards} shards");
        assert_eq!(commit(&mut cluster, two, 8), ErrorCode::None);
        let Response::FindCoordinator(found) = cluster.call(one, 4, find) else { panic!() };
        assert_eq!(found.coordinators[0].node_id, 2);
    }
}

#[test]
fn what_only_the_new_leader_has_of_a_group_is_not_shown_before_it_is_committed() {
    let mut cluster = Cluster::new(3, 1);
    cluster.create_topic("t", &[1, 2, 3], &[]);
    let offsets = cluster.create_topic("__consumer_offsets", &[1, 2, 3], &[]);
    let one = cluster.connect(1, 0);
    assert_eq!(commit(&mut cluster, one, 5), ErrorCode::None);
    cluster.kill(1, false);
    cluster.kill(3, false);
    cluster.elect(offsets, 2, &[2, 3]);
    let two = cluster.connect(2, 0);
    assert_eq!(committed(&mut cluster, two).0, ErrorCode::CoordinatorLoadInProgress);
    // as Kafka's: members of some clients end of anything else
    let heartbeat = HeartbeatRequest { group_id: "g".into(), ..Default::default() };
    let Response::Heartbeat(response) = cluster.call(two, 4, heartbeat) else { panic!() };
    assert_eq!(ErrorCode::from(response.error_code), ErrorCode::None);
    cluster.start(3);
    cluster.pass(1000);
    assert_eq!(committed(&mut cluster, two), (ErrorCode::None, 5));
}

#[test]
fn what_is_on_the_disk_is_cut_too_and_stays_cut_after_a_crash() {
    for shards in [1, 2] {
        let mut cluster = Cluster::new(2, shards);
        let topic = cluster.create_topic("t", &[1, 2], &[("flush.messages", "1")]);
        let client = cluster.connect(1, 0);
        assert_eq!(produce(&mut cluster, client, &["a"], -1), (ErrorCode::None, 0));
        cluster.pass(70_000);
        cluster.kill(2, false);
        for (offset, text) in [(1, "x"), (2, "y"), (3, "z")] {
            assert_eq!(produce(&mut cluster, client, &[text], 1), (ErrorCode::None, offset));
        }
        // the recovery points are written with the whole log below them
        cluster.pass(70_000);
        cluster.kill(1, true);
        cluster.start(2);
        cluster.elect(topic, 2, &[2]);
        let client = cluster.connect(2, 0);
        assert_eq!(produce(&mut cluster, client, &["b"], -1), (ErrorCode::None, 1), "{shards} shards");
        cluster.start(1);
        cluster.pass(2000);
        assert_eq!(cluster.in_sync(topic), [1, 2], "{:?}", cluster.log);
        assert!(cluster.log.iter().any(|(node, line)| *node == 1 && line.contains("cut from 4 to 1")));
        assert_eq!(produce(&mut cluster, client, &["c"], -1), (ErrorCode::None, 2));
        cluster.kill(1, true);
        cluster.start(1);
        cluster.pass(2000);
        let reader = cluster.connect(1, 0);
        assert_eq!(texts(fetch(&mut cluster, reader, 0, -1).2), "a b c");
    }
}

#[test]
fn a_damaged_log_that_is_to_be_cut_fails_for_itself_alone() {
    let mut cluster = Cluster::new(2, 1);
    let (topic, other) =
        (cluster.create_topic("t", &[1, 2], &[]), cluster.create_topic("other", &[1, 2], &[]));
    let client = cluster.connect(1, 0);
    assert_eq!(produce(&mut cluster, client, &["a"], -1), (ErrorCode::None, 0));
    cluster.pass(600);
    cluster.kill(2, false);
    for offset in 1..200 {
        assert_eq!(produce(&mut cluster, client, &["x"], 1), (ErrorCode::None, offset));
    }
    let path = PathBuf::from(cluster::DIRECTORIES[0]).join("t-0/00000000000000000000.log");
    // no batch is that short
    cluster.nodes[&1].files.rot(&path, 8, &[0; 4]).unwrap();
    cluster.start(2);
    cluster.elect(topic, 2, &[2]);
    let client = cluster.connect(2, 0);
    assert_eq!(produce(&mut cluster, client, &["b"], -1), (ErrorCode::None, 1));
    cluster.pass(5000);
    assert!(cluster.log.iter().any(|(node, line)| *node == 1 && line.contains("t-0: not cut to 1")));
    assert_eq!((cluster.in_sync(topic), cluster.in_sync(other)), (vec![2], vec![1, 2]), "{:?}", cluster.log);
}

#[test]
fn replicas_come_and_go() {
    let mut cluster = Cluster::new(3, 2);
    let topic = cluster.create_topic("t", &[1, 2], &[]);
    let client = cluster.connect(1, 0);
    assert_eq!(produce(&mut cluster, client, &["a", "b"], -1), (ErrorCode::None, 0));
    let change = |replicas: &[i32], isr: Option<&[i32]>, leader| {
        let directories = replicas.iter().map(|&node| cluster::directory_id(node)).collect();
        MetadataRecord::PartitionChange(PartitionChangeRecord {
            topic_id: topic,
            partition_id: 0,
            replicas: Some(replicas.to_vec()),
            isr: isr.map(<[i32]>::to_vec),
            directories: Some(directories),
            leader,
            ..Default::default()
        })
    };
    const SAME: i32 = -2;
    cluster.commit(vec![change(&[1, 2, 3], None, SAME)]);
    cluster.pass(1000);
    assert_eq!(cluster.in_sync(topic), [1, 2, 3]);
    cluster.commit(vec![change(&[2, 3], Some(&[2, 3]), 3)]);
    let client = cluster.connect(3, 0);
    assert_eq!(produce(&mut cluster, client, &["c"], -1), (ErrorCode::None, 2));
    assert_eq!(texts(fetch(&mut cluster, client, 0, -1).2), "a b c");
    let gone = cluster.connect(1, 0);
    assert_eq!(fetch(&mut cluster, gone, 0, -1).0, ErrorCode::NotLeaderOrFollower);
    let left = cluster.nodes[&1].files.read_directory("/data".as_ref()).unwrap();
    assert!(format!("{left:?}").contains("-delete"), "{left:?}");
}

#[test]
fn who_asks_the_wrong_broker_is_told_the_right_one() {
    let mut cluster = Cluster::new(3, 1);
    cluster.create_topic("t", &[1, 2], &[]);
    for node in [2, 3] {
        let client = cluster.connect(node, 0);
        let request = produce_request(batch(&["a"]), -1, 1000);
        let Response::Produce(response) = cluster.call(client, 10, request) else { panic!() };
        let answer = &response.responses[0].partition_responses[0];
        assert_eq!(answer.error_code, ErrorCode::NotLeaderOrFollower.code());
        assert_eq!((answer.current_leader.leader_id, answer.current_leader.leader_epoch), (1, 0), "{node}");
        assert_eq!((response.node_endpoints[0].node_id, response.node_endpoints[0].port), (1, 9001));
    }
    let client = cluster.connect(3, 0);
    let mut request = fetch_request(0, -1);
    request.topics[0].topic = Default::default();
    request.topics[0].topic_id = cluster.topic_id("t");
    let Response::Fetch(response) = cluster.call(client, 16, request) else { panic!() };
    let data = &response.responses[0].partitions[0];
    assert_eq!(data.error_code, ErrorCode::NotLeaderOrFollower.code());
    assert_eq!((data.current_leader.leader_id, data.current_leader.leader_epoch), (1, 0));
    assert_eq!((response.node_endpoints[0].node_id, response.node_endpoints[0].port), (1, 9001));
    // where it cannot be told who that is, it is not told that there is another
    let Response::Fetch(response) = cluster.call(client, 12, fetch_request(0, -1)) else { panic!() };
    let data = &response.responses[0].partitions[0];
    assert_eq!((data.error_code, data.current_leader.leader_id), (ErrorCode::NotLeaderOrFollower.code(), -1));
    let Response::Metadata(metadata) = cluster.call(client, 12, MetadataRequest::default()) else { panic!() };
    assert_eq!(metadata.brokers.len(), 3);
}

#[test]
fn the_controllers_no_is_taken_as_it_is_meant() {
    for (refusal, asked) in [
        (ErrorCode::NotController, 2),
        (ErrorCode::IneligibleReplica, 2),
        (ErrorCode::InvalidUpdateVersion, 1),
    ] {
        let mut cluster = Cluster::new(2, 1);
        let topic = cluster.create_topic("t", &[1, 2], &[]);
        cluster.refusals.push_back(refusal);
        cluster.elect(topic, 1, &[1]);
        cluster.pass(1200);
        if refusal == ErrorCode::IneligibleReplica {
            assert_eq!(cluster.asked.len(), 1, "it is asked for with the next fetch that says where it is");
            let client = cluster.connect(1, 0);
            assert_eq!(produce(&mut cluster, client, &["a"], 1).0, ErrorCode::None);
            cluster.pass(1200);
        }
        assert_eq!(cluster.asked.len(), asked, "{refusal:?}");
        assert_eq!(cluster.in_sync(topic).len(), asked, "{refusal:?}");
    }
}
