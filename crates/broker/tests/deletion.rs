//! Topics deleted and made again under the same name: the second inherits nothing of the first, whenever the power fails
//! and whichever shard is faster.

mod support;

use broker::event::ConnectionId;
use platform::FileSystem;
use protocol::messages::delete_records_request::{DeleteRecordsPartition, DeleteRecordsTopic};
use protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use protocol::messages::*;
use protocol::records::metadata::{MetadataRecord, RemoveTopicRecord};
use protocol::{ErrorCode, Response};
use support::{Node, batch};
use types::Uuid;

const PARTITIONS: i32 = 4;

/// Error and base offset of two records for each partition.
fn produce(node: &mut Node, connection: ConnectionId, topic: &str) -> Vec<(i16, i64)> {
    let data = |index| PartitionProduceData { index, records: Some(batch(&["a", "b"])) };
    let partition_data = (0..PARTITIONS).map(data).collect();
    let topic_data = vec![TopicProduceData { name: topic.into(), partition_data, ..Default::default() }];
    let request = ProduceRequest { acks: -1, timeout_ms: 1000, topic_data, ..Default::default() };
    let Response::Produce(response) = node.call(connection, 10, request) else { panic!() };
    let told = response.responses[0].partition_responses.iter();
    told.map(|partition| (partition.error_code, partition.base_offset)).collect()
}

fn delete_records(node: &mut Node, connection: ConnectionId, topic: &str, offset: i64) {
    let partition = |partition_index| DeleteRecordsPartition { partition_index, offset };
    let partitions = (0..PARTITIONS).map(partition).collect();
    let topics = vec![DeleteRecordsTopic { name: topic.into(), partitions }];
    let request = DeleteRecordsRequest { topics, timeout_ms: 1000 };
    let Response::DeleteRecords(response) = node.call(connection, 2, request) else { panic!() };
    assert!(response.topics[0].partitions.iter().all(|partition| partition.error_code == 0));
}

fn names(node: &Node) -> Vec<String> {
    node.files.read_directory("/data".as_ref()).unwrap().into_iter().map(|entry| entry.name).collect()
}

/// The lines about a topic in the files that a start believes.
fn checkpointed(node: &Node, topic: &str) -> usize {
    let lines = |name: &str| {
        let text = node.files.read(format!("/data/{name}").as_ref()).unwrap_or_default();
        let text = String::from_utf8(text).unwrap();
        text.lines().filter(|line| line.starts_with(&format!("{topic} "))).count()
    };
    let files =
        ["log-start-offset-checkpoint", "recovery-point-offset-checkpoint", "replication-offset-checkpoint"];
    files.into_iter().map(lines).sum()
}

/// A node with records in a topic, its log start moved and written down.
fn with_records(shards: u16) -> (Node, Uuid) {
    let mut node = Node::new(shards);
    node.files.sync_directory("/".as_ref()).unwrap();
    let id = node.create_topic("t", PARTITIONS, &[("flush.messages", "1")]);
    let connection = node.connect(0);
    assert_eq!(produce(&mut node, connection, "t"), [(0, 0); PARTITIONS as usize]);
    delete_records(&mut node, connection, "t", 1);
    node.pass(61_000);
    node.pass(61_000);
    assert_eq!(checkpointed(&node, "t"), 3 * PARTITIONS as usize);
    (node, id)
}

#[test]
fn a_deletion_that_is_told_survives_the_power() {
    for shards in [1, 3] {
        let mut told_after = Vec::new();
        for done in 0..30 {
            let (mut node, id) = with_records(shards);
            node.hold_disk = true;
            node.applied.clear();
            node.delete_topic(id);
            (0..done).for_each(|_| node.release_jobs(1));
            if node.applied.len() < usize::from(shards) {
                continue;
            }
            told_after.push(done);
            node.files.crash_keeping_nothing();
            assert_eq!(checkpointed(&node, "t"), 0, "{shards} shards, {done} jobs done");
            node.hold_disk = false;
            node.restart(shards, false);
            let left: Vec<_> = names(&node).into_iter().filter(|name| name.starts_with("t-")).collect();
            assert_eq!(left, [""; 0], "{shards} shards, {done} jobs done");
        }
        assert!(told_after.first().is_some_and(|done| *done > 0), "{shards} shards: {told_after:?}");
    }
}

/// Deleted and made again in one image, as a start or a snapshot may show it: some shard of the new topic is faster
/// than the old one's.
#[test]
fn a_namesake_waits_until_its_name_is_free() {
    let (mut refused, shards) = (0, 3);
    for _ in 0..3 {
        let (mut node, old) = with_records(shards);
        let (_, mut records) = node.topic_records("t", PARTITIONS, &[]);
        records.insert(0, MetadataRecord::RemoveTopic(RemoveTopicRecord { topic_id: old }));
        node.commit(records);
        let connection = node.connect(0);
        let at_once = produce(&mut node, connection, "t");
        refused += at_once.iter().filter(|(error, _)| *error != 0).count();
        assert!(at_once.iter().all(|(error, base)| *error != 0 || *base == 0), "{at_once:?}");
        node.pass(10_000);
        let again = produce(&mut node, connection, "t");
        for (first, second) in at_once.iter().zip(again) {
            let expected = if first.0 == 0 { 2 } else { 0 };
            assert_eq!(second, (0, expected), "{at_once:?} {:?}", node.log);
        }
    }
    assert!(refused > 0);
}

/// A power failure has taken the file that says whose records these are.
#[test]
fn records_of_nobody_knows_whom_are_set_aside() {
    for shards in [1, 3] {
        let (mut node, _) = with_records(shards);
        for partition in 0..PARTITIONS {
            let path = format!("/data/t-{partition}/partition.metadata");
            node.files.remove_file(path.as_ref()).unwrap();
        }
        node.forget_metadata();
        node.restart(shards, false);
        let aside = names(&node).iter().filter(|name| name.ends_with("-stray")).count();
        assert_eq!(aside, PARTITIONS as usize, "{:?}", node.log);
        node.create_topic("t", PARTITIONS, &[]);
        let connection = node.connect(0);
        assert_eq!(produce(&mut node, connection, "t"), [(ErrorCode::None.code(), 0); PARTITIONS as usize]);
    }
}
