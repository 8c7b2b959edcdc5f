//! What happens to partitions beside produce and fetch: leadership, failed disks, retention, time of append,
//! epochs, stops.

mod support;

use broker::event::{ActorId, ConnectionId, Effect, Event, ShardId};
use broker::message::Message;
use bytes::Bytes;
use platform::FileSystem;
use protocol::messages::offset_for_leader_epoch_request::{OffsetForLeaderPartition, OffsetForLeaderTopic};
use protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use protocol::messages::produce_response::PartitionProduceResponse;
use protocol::messages::*;
use protocol::records::metadata::{MetadataRecord, PartitionChangeRecord};
use protocol::{ErrorCode, Response};
use support::{Node, batch, batch_of, values};
use types::{ProducerEpoch, ProducerId};

fn produce_request(topic: &str, partition: i32, records: Bytes, acks: i16) -> ProduceRequest {
    let partition_data = vec![PartitionProduceData { index: partition, records: Some(records) }];
    ProduceRequest {
        acks,
        timeout_ms: 1000,
        topic_data: vec![TopicProduceData { name: topic.into(), partition_data, ..Default::default() }],
        ..Default::default()
    }
}

fn produced(response: Option<Response>) -> PartitionProduceResponse {
    let Some(Response::Produce(mut response)) = response else { panic!("{response:?}") };
    response.responses.remove(0).partition_responses.remove(0)
}

fn produce(
    node: &mut Node,
    connection: ConnectionId,
    topic: &str,
    partition: i32,
) -> PartitionProduceResponse {
    produced(Some(node.call(connection, 10, produce_request(topic, partition, batch(&["a", "b"]), -1))))
}

fn fetch(
    node: &mut Node,
    connection: ConnectionId,
    topic: &str,
    offset: i64,
) -> (i16, i64, Vec<(i64, String)>) {
    let request = FetchRequest {
        max_bytes: 1 << 20,
        session_epoch: -1,
        topics: vec![fetch_request::FetchTopic {
            topic: topic.into(),
            partitions: vec![fetch_request::FetchPartition {
                fetch_offset: offset,
                partition_max_bytes: 1 << 20,
                ..Default::default()
            }],
            ..Default::default()
        }],
        ..Default::default()
    };
    let Response::Fetch(response) = node.call(connection, 12, request) else { panic!() };
    let data = &response.responses[0].partitions[0];
    (data.error_code, data.log_start_offset, values(&data.records.bytes().unwrap()))
}

#[test]
fn who_loses_the_leadership_says_so_and_names_the_leader() {
    for shards in [1, 3] {
        let mut node = Node::new(shards);
        let topic_id = node.create_topic("t", 1, &[("flush.messages", "1")]);
        let (connection, waiting) = (node.connect(0), node.connect(usize::from(shards) - 1));
        assert_eq!(produce(&mut node, connection, "t", 0).error_code, 0);
        node.hold_disk = true;
        node.send(waiting, 9, produce_request("t", 0, batch(&["c"]), -1));
        node.run();
        node.commit(vec![MetadataRecord::PartitionChange(PartitionChangeRecord {
            topic_id,
            partition_id: 0,
            leader: -1,
            ..Default::default()
        })]);
        let answer = produced(node.take_reply(waiting));
        assert_eq!(answer.error_code, ErrorCode::NotLeaderOrFollower.code(), "{shards} shards");
        let answer = produce(&mut node, connection, "t", 0);
        assert_eq!(answer.error_code, ErrorCode::NotLeaderOrFollower.code());
        assert_eq!(fetch(&mut node, connection, "t", 0).0, ErrorCode::NotLeaderOrFollower.code());
    }
}

#[test]
fn a_failed_disk_takes_its_partitions_with_it() {
    for shards in [1, 3] {
        let mut node = Node::new(shards);
        node.create_topic("t", 3, &[]);
        node.create_topic("synced", 3, &[("flush.messages", "1")]);
        let connection = node.connect(0);
        node.hold_disk = true;
        node.send(connection, 9, produce_request("synced", 0, batch(&["a"]), 1));
        node.run();
        let (shard, flush) = node.held.remove(0);
        let Effect::Flush { token, directory, .. } = flush else { panic!() };
        node.fatal_allowed = true;
        let result = Err(broker::event::DiskFailure { directory, reason: "it broke".into(), no_room: false });
        node.step(shard, Event::DiskDone { token, result });
        node.run();
        let error = ErrorCode::KafkaStorageError.code();
        assert_eq!(produced(node.take_reply(connection)).error_code, error, "{shards} shards");
        for partition in 0..3 {
            assert_eq!(produce(&mut node, connection, "t", partition).error_code, error, "{partition}");
        }
        assert_eq!(fetch(&mut node, connection, "t", 0).0, error);
        assert!(node.log.iter().any(|line| line.contains("it broke")), "{:?}", node.log);
        assert_eq!(node.fatal, ["all 1 log directories have failed"], "once, by who saw it");
    }
}

#[test]
fn old_segments_go_and_consumers_are_told() {
    let mut node = Node::new(1);
    node.create_topic("t", 1, &[("retention.bytes", "2000"), ("internal.segment.bytes", "1000")]);
    let connection = node.connect(0);
    let value = "x".repeat(400);
    for _ in 0..10 {
        let request = produce_request("t", 0, batch(&[&value]), -1);
        assert_eq!(produced(Some(node.call(connection, 9, request))).error_code, 0);
    }
    assert_eq!(fetch(&mut node, connection, "t", 0).2.len(), 2, "one segment at a time");
    node.pass(301_000);
    let (error, start, _) = fetch(&mut node, connection, "t", 0);
    assert_eq!(error, ErrorCode::OffsetOutOfRange.code());
    assert!(start > 0, "{start}");
    let (error, _, records) = fetch(&mut node, connection, "t", start);
    assert_eq!((error, records[0].0), (0, start));
}

#[test]
fn the_time_of_append_is_told_where_it_counts() {
    let mut node = Node::new(1);
    node.create_topic("created", 1, &[]);
    node.create_topic("appended", 1, &[("message.timestamp.type", "LogAppendTime")]);
    let connection = node.connect(0);
    assert_eq!(produce(&mut node, connection, "created", 0).log_append_time_ms, -1);
    assert_eq!(produce(&mut node, connection, "appended", 0).log_append_time_ms, node.now.wall_ms);
}

#[test]
fn records_that_break_a_rule_are_named() {
    let mut node = Node::new(1);
    node.create_topic("t", 1, &[("message.timestamp.before.max.ms", "1")]);
    let connection = node.connect(0);
    node.now.wall_ms += 10;
    let answer = produce(&mut node, connection, "t", 0);
    assert_eq!(answer.error_code, ErrorCode::InvalidTimestamp.code());
    let places: Vec<_> = answer.record_errors.iter().map(|error| error.batch_index).collect();
    assert_eq!(places, [0, 1]);
    assert!(answer.error_message.is_some());
}

#[test]
fn epochs_end_where_the_next_begins() {
    for shards in [1, 3] {
        let mut node = Node::new(shards);
        let topic_id = node.create_topic("t", 1, &[]);
        let connection = node.connect(0);
        produce(&mut node, connection, "t", 0);
        // a leader that changes to the same node begins a new epoch
        let change = PartitionChangeRecord { topic_id, partition_id: 0, leader: 1, ..Default::default() };
        node.commit(vec![MetadataRecord::PartitionChange(change)]);
        produce(&mut node, connection, "t", 0);
        for (current, wanted, expected) in [
            (-1, 0, (0, 0, 2)),
            (1, 1, (0, 1, 4)),
            (-1, 7, (0, -1, -1)),
            (0, 0, (ErrorCode::FencedLeaderEpoch.code(), -1, -1)),
            (2, 0, (ErrorCode::UnknownLeaderEpoch.code(), -1, -1)),
        ] {
            let partitions = vec![OffsetForLeaderPartition {
                partition: 0,
                current_leader_epoch: current,
                leader_epoch: wanted,
            }];
            let request = OffsetForLeaderEpochRequest {
                replica_id: -1,
                topics: vec![OffsetForLeaderTopic { topic: "t".into(), partitions }],
            };
            let Response::OffsetForLeaderEpoch(response) = node.call(connection, 4, request) else {
                panic!()
            };
            let answer = &response.topics[0].partitions[0];
            assert_eq!(
                (answer.error_code, answer.leader_epoch, answer.end_offset),
                expected,
                "{current} {wanted}"
            );
        }
    }
}

#[test]
fn producers_are_described() {
    for shards in [1, 3] {
        let mut node = Node::new(shards);
        node.create_topic("t", 2, &[]);
        let connection = node.connect(0);
        let records = batch_of(&["a", "b", "c"], ProducerId(8), ProducerEpoch(2), 0);
        node.call(connection, 9, produce_request("t", 1, records, -1));
        let topics = vec![describe_producers_request::TopicRequest {
            name: "t".into(),
            partition_indexes: vec![0, 1, 2],
        }];
        let Response::DescribeProducers(response) =
            node.call(connection, 0, DescribeProducersRequest { topics })
        else {
            panic!()
        };
        let told: Vec<_> = response.topics[0]
            .partitions
            .iter()
            .map(|one| {
                (one.partition_index, one.error_code, one.active_producers.first().map(|p| p.last_sequence))
            })
            .collect();
        assert_eq!(told, [(0, 0, None), (1, 0, Some(2)), (2, 3, None)], "{shards} shards");
    }
}

#[test]
fn pages_of_topic_partitions_follow_each_other() {
    let mut node = Node::new(1);
    node.create_topic("a", 3, &[]);
    node.create_topic("b", 2, &[]);
    let connection = node.connect(0);
    let mut cursor = None;
    let mut seen = Vec::new();
    for _ in 0..3 {
        let request = DescribeTopicPartitionsRequest {
            topics: Vec::new(),
            response_partition_limit: 2,
            cursor: cursor.take(),
        };
        let Response::DescribeTopicPartitions(response) = node.call(connection, 0, request) else { panic!() };
        for topic in &response.topics {
            let name = topic.name.clone().unwrap_or_default().to_string();
            seen.extend(topic.partitions.iter().map(|partition| (name.clone(), partition.partition_index)));
        }
        cursor = response.next_cursor.map(|next| describe_topic_partitions_request::Cursor {
            topic_name: next.topic_name,
            partition_index: next.partition_index,
        });
    }
    let expected = [("a", 0), ("a", 1), ("a", 2), ("b", 0), ("b", 1)];
    assert_eq!(seen, expected.map(|(name, index)| (name.to_owned(), index)));
    assert_eq!(cursor, None);
}

#[test]
fn a_stop_ends_connections_and_what_was_acknowledged_is_there_without_a_scan() {
    // few logs are synced one by one, many with their directory
    for partitions in [6, 90] {
        let mut node = Node::new(3);
        node.create_topic("t", partitions, &[]);
        let connection = node.connect(1);
        for partition in 0..partitions {
            produce(&mut node, connection, "t", partition);
        }
        for shard in 0..3 {
            node.step(shard, Event::Shutdown);
        }
        node.run();
        assert_eq!((node.stopped, node.closed.contains(&connection)), (3, true));
        // even a crash right after a clean stop loses nothing
        node.restart(1, true);
        let connection = node.connect(0);
        for partition in 0..partitions {
            assert_eq!(produce(&mut node, connection, "t", partition).base_offset, 2, "{:?}", node.log);
        }
        assert!(node.log.iter().all(|line| !line.contains("recovery")), "{:?}", node.log);
    }
}

#[test]
fn logs_of_unknown_topics_are_set_aside() {
    let mut node = Node::new(1);
    node.create_topic("t", 1, &[]);
    let connection = node.connect(0);
    produce(&mut node, connection, "t", 0);
    node.forget_metadata();
    node.restart(1, false);
    assert!(node.log.iter().any(|line| line.contains("t-0") && line.contains("-stray")), "{:?}", node.log);
}

#[test]
fn shards_can_move_to_threads() {
    fn is_send<T: Send>() {}
    is_send::<broker::Shard>();
    is_send::<Message>();
    is_send::<Effect>();
    let _ = ActorId::Shard(ShardId(0));
}

#[test]
fn a_stop_waits_for_a_checkpoint_that_is_under_way_and_writes_the_last_one() {
    for shards in [1, 3] {
        let mut node = Node::new(shards);
        node.create_topic("t", 6, &[]);
        let connection = node.connect(0);
        (0..6).for_each(|partition| assert_eq!(produce(&mut node, connection, "t", partition).error_code, 0));
        node.hold_disk = true;
        (0..2).for_each(|_| node.pass(61_000));
        assert!(!node.held.is_empty());
        // another shard may take its time to close
        for shard in 0..usize::from(shards) {
            node.step(shard, Event::Shutdown);
            node.pass(61_000);
        }
        assert!(node.stopped < usize::from(shards));
        node.release_disk();
        assert_eq!(node.stopped, usize::from(shards), "{:?}", node.log);
        node.restart(1, true);
        let connection = node.connect(0);
        for partition in 0..6 {
            assert_eq!(produce(&mut node, connection, "t", partition).base_offset, 2, "{:?}", node.log);
        }
    }
}

#[test]
fn what_comes_while_a_node_stops_is_not_there_unsynced_at_its_next_start() {
    let mut node = Node::new(1);
    node.files.sync_directory("/".as_ref()).unwrap();
    node.create_topic("t", 1, &[]);
    let connection = node.connect(0);
    produce(&mut node, connection, "t", 0);
    node.hold_disk = true;
    (0..2).for_each(|_| node.pass(61_000));
    node.step(0, Event::Shutdown);
    assert_eq!(node.stopped, 0);
    node.create_topic("later", 1, &[("flush.messages", "1")]);
    node.release_disk();
    assert_eq!(node.stopped, 1);
    node.restart(1, false);
    let connection = node.connect(0);
    assert_eq!(produce(&mut node, connection, "later", 0).base_offset, 0, "{:?}", node.log);
    node.files.crash_keeping_nothing();
    node.restart(1, false);
    let connection = node.connect(0);
    assert_eq!(produce(&mut node, connection, "later", 0).base_offset, 2, "{:?}", node.log);
}

#[test]
fn a_topics_namesake_inherits_nothing_from_its_checkpoints() {
    for shards in [1, 3] {
        let mut node = Node::new(shards);
        let topic_id = node.create_topic("t", 1, &[]);
        let connection = node.connect(0);
        (0..2).for_each(|_| assert_eq!(produce(&mut node, connection, "t", 0).error_code, 0));
        let request = DeleteRecordsRequest {
            topics: vec![delete_records_request::DeleteRecordsTopic {
                name: "t".into(),
                partitions: vec![delete_records_request::DeleteRecordsPartition {
                    partition_index: 0,
                    offset: 3,
                }],
            }],
            timeout_ms: 1000,
        };
        node.call(connection, 2, request);
        node.pass(61_000);
        node.pass(61_000);
        node.delete_topic(topic_id);
        node.create_topic("t", 1, &[]);
        assert_eq!(produce(&mut node, connection, "t", 0).base_offset, 0);
        node.restart(shards, false);
        let connection = node.connect(0);
        assert_eq!(fetch(&mut node, connection, "t", 0).2.len(), 2);
    }
}

#[test]
fn a_topic_made_again_before_a_crash_does_not_find_the_old_records() {
    let mut node = Node::new(1);
    let topic_id = node.create_topic("t", 1, &[]);
    let connection = node.connect(0);
    produce(&mut node, connection, "t", 0);
    // committed, and the shard never knew
    node.shards.clear();
    node.delete_topic(topic_id);
    node.create_topic("t", 1, &[]);
    node.restart(1, false);
    let connection = node.connect(0);
    assert_eq!(produce(&mut node, connection, "t", 0).base_offset, 0);
    node.restart(1, false);
    let connection = node.connect(0);
    assert_eq!(fetch(&mut node, connection, "t", 0).2.len(), 2);
}
