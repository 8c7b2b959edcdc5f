//! Produce, Fetch and ListOffsets over one shard and over three, as encoded frames.

mod support;

use broker::event::ConnectionId;
use protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use protocol::messages::fetch_response::FetchResponse;
use protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use protocol::messages::produce_response::{PartitionProduceResponse, ProduceResponse};
use protocol::messages::*;
use protocol::{ErrorCode, Response};
use support::{Node, batch, batch_of, values};
use types::{ProducerEpoch, ProducerId, Uuid};

fn produce_request(topic: &str, acks: i16, data: Vec<(i32, bytes::Bytes)>) -> ProduceRequest {
    let partition_data = data
        .into_iter()
        .map(|(index, records)| PartitionProduceData { index, records: Some(records) })
        .collect();
    ProduceRequest {
        acks,
        timeout_ms: 1000,
        topic_data: vec![TopicProduceData { name: topic.into(), partition_data, ..Default::default() }],
        ..Default::default()
    }
}

fn produced(response: Response) -> Vec<PartitionProduceResponse> {
    let Response::Produce(ProduceResponse { responses, .. }) = response else { panic!("{response:?}") };
    responses.into_iter().flat_map(|topic| topic.partition_responses).collect()
}

fn produce(
    node: &mut Node,
    connection: ConnectionId,
    topic: &str,
    data: Vec<(i32, bytes::Bytes)>,
) -> Vec<(i16, i64)> {
    let answers = produced(node.call(connection, 9, produce_request(topic, -1, data)));
    answers.iter().map(|answer| (answer.error_code, answer.base_offset)).collect()
}

fn fetch_request(
    topic: &str,
    id: Uuid,
    partitions: &[(i32, i64)],
    max_wait_ms: i32,
    min_bytes: i32,
) -> FetchRequest {
    let partition = |&(partition, fetch_offset): &(i32, i64)| FetchPartition {
        partition,
        fetch_offset,
        partition_max_bytes: 1 << 20,
        ..Default::default()
    };
    FetchRequest {
        max_wait_ms,
        min_bytes,
        max_bytes: 50 << 20,
        session_epoch: -1,
        topics: vec![FetchTopic {
            topic: topic.into(),
            topic_id: id,
            partitions: partitions.iter().map(partition).collect(),
        }],
        ..Default::default()
    }
}

fn fetched(response: Response) -> FetchResponse {
    let Response::Fetch(response) = response else { panic!("{response:?}") };
    response
}

/// Partition, error, records.
type Fetched = (i32, i16, Vec<(i64, String)>);

fn fetched_values(response: &FetchResponse) -> Vec<Fetched> {
    let partitions = response.responses.iter().flat_map(|topic| &topic.partitions);
    partitions
        .map(|data| (data.partition_index, data.error_code, values(&data.records.bytes().unwrap())))
        .collect()
}

#[test]
fn what_is_produced_is_fetched_on_any_number_of_shards() {
    for shards in [1, 3] {
        let mut node = Node::new(shards);
        node.create_topic("t", 5, &[]);
        for home in 0..usize::from(shards) {
            let connection = node.connect(home);
            let data = (0..5).map(|p| (p, batch(&[&format!("{home}-{p}"), "x"]))).collect();
            let offset = home as i64 * 2;
            assert_eq!(produce(&mut node, connection, "t", data), vec![(0, offset); 5]);
        }
        let connection = node.connect(0);
        let wanted: Vec<_> = (0..5).map(|p| (p, 0)).collect();
        let response = fetched(node.call(connection, 12, fetch_request("t", Uuid::ZERO, &wanted, 0, 1)));
        for (partition, error, values) in fetched_values(&response) {
            let first = (0, format!("0-{partition}"));
            assert_eq!(
                (error, values.len(), &values[0]),
                (0, usize::from(shards) * 2, &first),
                "{shards} shards"
            );
        }
        assert_eq!(fetched_values(&response).len(), 5);
    }
}

#[test]
fn errors_stand_at_their_partitions() {
    for shards in [1, 3] {
        let mut node = Node::new(shards);
        let id = node.create_topic("t", 2, &[]);
        let connection = node.connect(0);
        let mut broken = batch(&["x"]).to_vec();
        let last = broken.len() - 1;
        broken[last] ^= 1;
        let data = vec![(0, batch(&["a"])), (1, broken.into()), (7, batch(&["b"]))];
        assert_eq!(
            produce(&mut node, connection, "t", data),
            [(0, 0), (ErrorCode::CorruptMessage.code(), -1), (ErrorCode::UnknownTopicOrPartition.code(), -1)]
        );
        assert_eq!(produce(&mut node, connection, "nobody", vec![(0, batch(&["a"]))]), [(3, -1)]);
        assert_eq!(produce(&mut node, connection, "__consumer_offsets", vec![(0, batch(&["a"]))]), [(3, -1)]);
        let answers = produced(node.call(connection, 9, produce_request("t", 2, vec![(0, batch(&["a"]))])));
        assert_eq!(answers[0].error_code, ErrorCode::InvalidRequiredAcks.code());
        // version 13 names topics by id alone
        let mut request = produce_request("", -1, vec![(0, batch(&["b"]))]);
        request.topic_data[0].topic_id = id;
        assert_eq!(produced(node.call(connection, 13, request.clone()))[0].base_offset, 1);
        request.topic_data[0].topic_id = Uuid([5; 16]);
        let answers = produced(node.call(connection, 13, request));
        assert_eq!(answers[0].error_code, ErrorCode::UnknownTopicId.code());
    }
}

#[test]
fn acks_0_is_answered_by_silence_or_the_end() {
    let mut node = Node::new(1);
    node.create_topic("t", 1, &[]);
    let connection = node.connect(0);
    node.send(connection, 9, produce_request("t", 0, vec![(0, batch(&["a"]))]));
    node.run();
    assert_eq!((node.silences, node.take_reply(connection).is_none()), (1, true));
    node.send(connection, 9, produce_request("t", 0, vec![(9, batch(&["a"]))]));
    node.run();
    assert_eq!(node.closed, [connection]);
}

#[test]
fn an_idempotent_producer_may_try_again() {
    let mut node = Node::new(1);
    node.create_topic("t", 1, &[]);
    let connection = node.connect(0);
    let mut send = |sequence, values: &[&str]| {
        let records = batch_of(values, ProducerId(4), ProducerEpoch(0), sequence);
        produce(&mut node, connection, "t", vec![(0, records)])[0]
    };
    assert_eq!(send(0, &["a", "b"]), (0, 0));
    assert_eq!(send(2, &["c"]), (0, 2));
    assert_eq!(send(0, &["a", "b"]), (0, 0), "a duplicate gets its old offset");
    assert_eq!(send(5, &["d"]).0, ErrorCode::OutOfOrderSequenceNumber.code());
    assert_eq!(send(3, &["d"]), (0, 3));
}

#[test]
fn a_long_fetch_ends_when_records_come_or_time_is_up() {
    for shards in [1, 3] {
        let mut node = Node::new(shards);
        node.create_topic("t", 4, &[]);
        let (reader, writer) = (node.connect(0), node.connect(usize::from(shards) - 1));
        let wanted: Vec<_> = (0..4).map(|p| (p, 0)).collect();
        node.send(reader, 12, fetch_request("t", Uuid::ZERO, &wanted, 500, 1));
        node.run();
        assert!(node.take_reply(reader).is_none(), "nothing there yet");
        for partition in [3, 2] {
            node.pass(100);
            produce(&mut node, writer, "t", vec![(partition, batch(&["late"]))]);
            if partition == 3 {
                let response = fetched(node.take_reply(reader).expect("woken"));
                let of_three = fetched_values(&response).into_iter().find(|(p, _, _)| *p == 3).unwrap();
                assert_eq!(of_three.2, [(0, "late".to_owned())], "{shards} shards");
            }
        }
        node.send(reader, 12, fetch_request("t", Uuid::ZERO, &[(0, 0), (1, 0)], 500, 1));
        node.pass(499);
        assert!(node.take_reply(reader).is_none());
        node.pass(1);
        let response = fetched(node.take_reply(reader).expect("time is up"));
        assert_eq!(fetched_values(&response), [(0, 0, vec![]), (1, 0, vec![])]);
    }
}

#[test]
fn min_bytes_are_waited_for() {
    for shards in [1, 3] {
        let mut node = Node::new(shards);
        node.create_topic("t", 3, &[]);
        let (reader, writer) = (node.connect(0), node.connect(0));
        node.send(reader, 12, fetch_request("t", Uuid::ZERO, &[(0, 0), (1, 0), (2, 0)], 5000, 200));
        node.run();
        for (partition, done) in [(0, false), (1, false), (2, true)] {
            produce(&mut node, writer, "t", vec![(partition, batch(&["0123456789"]))]);
            assert_eq!(node.take_reply(reader).is_some(), done, "{partition}, {shards} shards");
        }
    }
}

#[test]
fn a_fetch_waits_no_longer_than_its_connection_lives() {
    for shards in [1, 3] {
        let mut node = Node::new(shards);
        node.create_topic("t", 3, &[]);
        let (first, second) = (node.connect(0), node.connect(0));
        for reader in [first, second] {
            let request = fetch_request("t", Uuid::ZERO, &[(0, 0), (1, 0), (2, 0)], 5000, 1);
            node.send(reader, 12, request);
            node.run();
        }
        assert_eq!(node.count_waiting_fetches(), 2);
        node.disconnect(first);
        assert_eq!(node.count_waiting_fetches(), 1, "{shards} shards");
        let writer = node.connect(0);
        produce(&mut node, writer, "t", vec![(0, batch(&["x"]))]);
        assert!(node.take_reply(second).is_some(), "{shards} shards");
    }
}

#[test]
fn limits_hold_but_one_batch_is_always_given() {
    for shards in [1, 3] {
        let mut node = Node::new(shards);
        node.create_topic("t", 3, &[]);
        let connection = node.connect(0);
        for partition in 0..3 {
            produce(&mut node, connection, "t", vec![(partition, batch(&["x".repeat(500).as_str()]))]);
        }
        let mut request = fetch_request("t", Uuid::ZERO, &[(0, 0), (1, 0), (2, 0)], 0, 1);
        request.max_bytes = 10;
        let response = fetched(node.call(connection, 12, request.clone()));
        let counts: Vec<_> = fetched_values(&response).iter().map(|(_, _, values)| values.len()).collect();
        assert_eq!(counts.iter().sum::<usize>(), 1, "{shards} shards: {counts:?}");
        request.max_bytes = 1300;
        let response = fetched(node.call(connection, 12, request));
        let counts: Vec<_> = fetched_values(&response).iter().map(|(_, _, values)| values.len()).collect();
        assert_eq!(counts.iter().sum::<usize>(), 2, "{shards} shards: {counts:?}");
    }
}

#[test]
fn fetches_outside_the_log_and_of_strangers_fail() {
    let mut node = Node::new(1);
    let id = node.create_topic("t", 1, &[]);
    let connection = node.connect(0);
    produce(&mut node, connection, "t", vec![(0, batch(&["a"]))]);
    for (topic, id, offset, version, error) in [
        ("t", Uuid::ZERO, 5, 12, ErrorCode::OffsetOutOfRange),
        ("t", Uuid::ZERO, -3, 4, ErrorCode::OffsetOutOfRange),
        ("nobody", Uuid::ZERO, 0, 11, ErrorCode::UnknownTopicOrPartition),
        ("", Uuid([8; 16]), 0, 13, ErrorCode::UnknownTopicId),
        ("", id, 1, 18, ErrorCode::None),
    ] {
        let response =
            fetched(node.call(connection, version, fetch_request(topic, id, &[(0, offset)], 0, 1)));
        assert_eq!(fetched_values(&response)[0].1, error.code(), "{topic} {offset} v{version}");
    }
}

#[test]
fn sessions_tell_only_what_changed() {
    for shards in [1, 3] {
        let mut node = Node::new(shards);
        let id = node.create_topic("t", 3, &[]);
        let (reader, writer) = (node.connect(0), node.connect(0));
        let mut request = fetch_request("", id, &[(0, 0), (1, 0), (2, 0)], 0, 1);
        request.session_epoch = 0;
        let response = fetched(node.call(reader, 17, request));
        assert_eq!(fetched_values(&response).len(), 3);
        let session_id = response.session_id;
        assert_ne!(session_id, 0);
        produce(&mut node, writer, "t", vec![(1, batch(&["a"]))]);
        let incremental = |epoch| FetchRequest {
            session_id,
            session_epoch: epoch,
            max_bytes: 1 << 20,
            min_bytes: 1,
            ..Default::default()
        };
        let response = fetched(node.call(reader, 17, incremental(1)));
        assert_eq!(fetched_values(&response), [(1, 0, vec![(0, "a".to_owned())])], "{shards} shards");
        let response = fetched(node.call(reader, 17, incremental(1)));
        assert_eq!(response.error_code, ErrorCode::InvalidFetchSessionEpoch.code());
    }
}

#[test]
fn offsets_are_listed_by_name_and_by_time() {
    for shards in [1, 3] {
        let mut node = Node::new(shards);
        node.create_topic("t", 2, &[]);
        let connection = node.connect(0);
        produce(&mut node, connection, "t", vec![(0, batch(&["a", "b"]))]);
        produce(&mut node, connection, "t", vec![(0, batch(&["c"]))]);
        for (timestamp, version, error, offset) in [
            (-1, 7, 0, 3),
            (-2, 7, 0, 0),
            (-3, 7, 0, 0),
            (-3, 6, 35, -1),
            (1_700_000_000_000, 1, 0, 0),
            (1_700_000_000_001, 1, 0, -1),
            (-9, 11, 35, -1),
        ] {
            let topics = vec![ListOffsetsTopic {
                name: "t".into(),
                partitions: vec![ListOffsetsPartition {
                    partition_index: 0,
                    timestamp,
                    current_leader_epoch: -1,
                }],
            }];
            let request = ListOffsetsRequest { replica_id: -1, topics, ..Default::default() };
            let Response::ListOffsets(response) = node.call(connection, version, request) else { panic!() };
            let answer = &response.topics[0].partitions[0];
            assert_eq!((answer.error_code, answer.offset), (error, offset), "{timestamp} v{version}");
        }
    }
}

#[test]
fn with_flush_messages_1_the_answer_waits_for_the_disk_and_those_behind_share_a_flush() {
    let mut node = Node::new(1);
    node.create_topic("t", 1, &[("flush.messages", "1")]);
    let connections: Vec<_> = (0..4).map(|_| node.connect(0)).collect();
    node.hold_disk = true;
    for (index, connection) in connections.iter().enumerate() {
        let acks = if index % 2 == 0 { 1 } else { -1 };
        node.send(*connection, 9, produce_request("t", acks, vec![(0, batch(&["a"]))]));
        node.run();
    }
    assert!(connections.iter().all(|connection| node.take_reply(*connection).is_none()));
    assert_eq!(node.held.len(), 1, "one flush at a time");
    let reader = node.connect(0);
    let response = fetched(node.call(reader, 12, fetch_request("t", Uuid::ZERO, &[(0, 0)], 0, 1)));
    assert_eq!(fetched_values(&response), [(0, 0, vec![])], "what is not flushed is not shown");
    node.release_disk();
    let offsets: Vec<_> = connections
        .iter()
        .map(|connection| produced(node.take_reply(*connection).unwrap())[0].base_offset)
        .collect();
    assert_eq!(offsets, [0, 1, 2, 3]);
    assert_eq!(node.flushes, 2, "the three behind the first share one");
}

#[test]
fn records_outlive_a_clean_stop_and_what_was_flushed_a_crash() {
    for crash in [false, true] {
        let mut node = Node::new(3);
        node.create_topic("t", 4, &[("flush.messages", "1")]);
        let connection = node.connect(0);
        for partition in 0..4 {
            produce(&mut node, connection, "t", vec![(partition, batch(&["a", "b"]))]);
        }
        if !crash {
            for shard in 0..3 {
                node.step(shard, broker::event::Event::Shutdown);
            }
            node.run();
            assert_eq!(node.stopped, 3);
        }
        // partitions may fall on other shards now
        node.restart(2, crash);
        let connection = node.connect(1);
        let wanted: Vec<_> = (0..4).map(|p| (p, 0)).collect();
        let response = fetched(node.call(connection, 12, fetch_request("t", Uuid::ZERO, &wanted, 0, 1)));
        for (partition, error, values) in fetched_values(&response) {
            assert_eq!((error, values.len()), (0, 2), "{partition}, crash {crash}, {:?}", node.log);
        }
    }
}

#[test]
fn pipelined_produce_is_answered_in_order() {
    let mut node = Node::new(3);
    node.create_topic("t", 3, &[]);
    let connection = node.connect(0);
    for n in 0..9 {
        node.send(connection, 9, produce_request("t", -1, vec![(n % 3, batch(&["a"]))]));
    }
    node.run();
    for n in 0..9 {
        let answers = produced(node.take_reply(connection).unwrap());
        assert_eq!((answers[0].index, answers[0].base_offset), (n % 3, i64::from(n / 3)));
    }
}
