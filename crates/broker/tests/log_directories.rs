//! Replicas that move between the log directories of a broker: what is copied while producers write, what the
//! controller is told, what a kill in the midst of it leaves, what is refused.

mod cluster;
mod support;

use std::path::Path;

use broker::event::ConnectionId;
use cluster::{Cluster, DIRECTORIES, directory_ids};
use platform::{FileSystem, OpenMode};
use protocol::messages::alter_replica_log_dirs_request::{AlterReplicaLogDir, AlterReplicaLogDirTopic};
use protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use protocol::messages::*;
use protocol::records::metadata::{ConfigRecord, MetadataRecord, PartitionChangeRecord};
use protocol::{ErrorCode, Response};
use support::{batch, values};
use types::Uuid;

fn produce_request(text: &str) -> ProduceRequest {
    let partition_data = vec![PartitionProduceData { index: 0, records: Some(batch(&[text])) }];
    let topic_data = vec![TopicProduceData { name: "t".into(), partition_data, ..Default::default() }];
    ProduceRequest { acks: -1, timeout_ms: 30_000, topic_data, ..Default::default() }
}

fn produce(cluster: &mut Cluster, connection: ConnectionId, text: &str) -> i64 {
    let Response::Produce(response) = cluster.call(connection, 10, produce_request(text)) else { panic!() };
    let answer = &response.responses[0].partition_responses[0];
    assert_eq!(answer.error_code, 0);
    answer.base_offset
}

fn alter(cluster: &mut Cluster, connection: ConnectionId, path: &str, topic: &str) -> ErrorCode {
    let topics = vec![AlterReplicaLogDirTopic { name: topic.to_owned().into(), partitions: vec![0] }];
    let dirs = vec![AlterReplicaLogDir { path: path.to_owned().into(), topics }];
    let Response::AlterReplicaLogDirs(response) =
        cluster.call(connection, 2, AlterReplicaLogDirsRequest { dirs })
    else {
        panic!()
    };
    ErrorCode::from(response.results[0].partitions[0].error_code)
}

/// Where replicas are: directory, future, lag.
fn places(cluster: &mut Cluster, connection: ConnectionId) -> Vec<(usize, bool, i64)> {
    let Response::DescribeLogDirs(response) =
        cluster.call(connection, 4, DescribeLogDirsRequest { topics: None })
    else {
        panic!()
    };
    let mut places = Vec::new();
    for result in response.results {
        let at = DIRECTORIES.iter().position(|path| *path == &*result.log_dir).unwrap();
        for partition in result.topics.iter().flat_map(|topic| &topic.partitions) {
            places.push((at, partition.is_future_key, partition.offset_lag));
        }
    }
    places.sort();
    places
}

/// In the order of `DIRECTORIES`.
fn cordoned(cluster: &mut Cluster, connection: ConnectionId) -> Vec<bool> {
    let Response::DescribeLogDirs(response) =
        cluster.call(connection, 5, DescribeLogDirsRequest { topics: None })
    else {
        panic!()
    };
    let of =
        |path: &&str| response.results.iter().find(|result| *result.log_dir == **path).unwrap().is_cordoned;
    DIRECTORIES.iter().map(of).collect()
}

fn recorded(cluster: &Cluster, topic: Uuid) -> Uuid {
    cluster.image().topics.partition(topic, 0).unwrap().directories[0]
}

/// Offsets of all records.
fn offsets(cluster: &mut Cluster, connection: ConnectionId) -> Vec<i64> {
    all(cluster, connection).into_iter().map(|(offset, _)| offset).collect()
}

/// Values of all records.
fn texts(cluster: &mut Cluster, connection: ConnectionId) -> Vec<String> {
    all(cluster, connection).into_iter().map(|(_, value)| value).collect()
}

/// By several fetches.
fn all(cluster: &mut Cluster, connection: ConnectionId) -> Vec<(i64, String)> {
    let mut found: Vec<(i64, String)> = Vec::new();
    loop {
        let next = found.last().map_or(0, |last| last.0 + 1);
        let partitions = vec![fetch_request::FetchPartition {
            fetch_offset: next,
            partition_max_bytes: 1 << 20,
            ..Default::default()
        }];
        let request = FetchRequest {
            max_bytes: 1 << 20,
            session_epoch: -1,
            topics: vec![fetch_request::FetchTopic { topic: "t".into(), partitions, ..Default::default() }],
            ..Default::default()
        };
        let Response::Fetch(response) = cluster.call(connection, 12, request) else { panic!() };
        let data = &response.responses[0].partitions[0];
        assert_eq!(data.error_code, 0);
        let more = values(&data.records.bytes().unwrap_or_default());
        if more.is_empty() {
            return found;
        }
        found.extend(more);
    }
}

fn filled(nodes: i32, shards: u16) -> (Cluster, Uuid, ConnectionId, i64) {
    fill(Cluster::with_two_directories(nodes, shards), nodes)
}

fn fill(mut cluster: Cluster, nodes: i32) -> (Cluster, Uuid, ConnectionId, i64) {
    let replicas: Vec<i32> = (1..=nodes).collect();
    let topic = cluster.create_topic("t", &replicas, &[]);
    let client = cluster.connect(1, 0);
    let text = "x".repeat(100_000);
    let last = (0..40).map(|_| produce(&mut cluster, client, &text)).last().unwrap();
    (cluster, topic, client, last)
}

#[test]
fn a_replica_moves_while_producers_write() {
    for (nodes, shards) in [(1, 1), (1, 2), (3, 1)] {
        let (mut cluster, topic, client, mut last) = filled(nodes, shards);
        let from = directory_ids(1).iter().position(|id| *id == recorded(&cluster, topic)).expect("told");
        let to = 1 - from;
        assert_eq!(alter(&mut cluster, client, DIRECTORIES[from], "t"), ErrorCode::None);
        assert_eq!(places(&mut cluster, client), [(from, false, 0)], "it is there already");
        assert_eq!(alter(&mut cluster, client, DIRECTORIES[to], "t"), ErrorCode::None);
        let begun = places(&mut cluster, client);
        assert!(begun.iter().any(|(at, future, lag)| *at == to && *future && *lag > 10), "{begun:?}");
        assert_eq!(recorded(&cluster, topic), directory_ids(1)[from]);
        while places(&mut cluster, client) != [(to, false, 0)] {
            last = produce(&mut cluster, client, "y");
            cluster.pass(1);
            assert!(last < 1000, "{:?}", places(&mut cluster, client));
        }
        assert_eq!(recorded(&cluster, topic), directory_ids(1)[to]);
        let wanted: Vec<i64> = (0..=last).collect();
        assert_eq!(offsets(&mut cluster, client), wanted, "{nodes} nodes, {shards} shards");
        // its old place is freed in time; a start finds it where it is
        cluster.pass(80_000);
        let files = cluster.nodes[&1].files.clone();
        let names = files.read_directory(DIRECTORIES[from].as_ref()).unwrap();
        assert!(names.iter().all(|entry| !entry.name.starts_with("t-0")), "{names:?}");
        cluster.kill(1, false);
        cluster.start(1);
        let client = cluster.connect(1, 0);
        cluster.pass(1000);
        assert_eq!(offsets(&mut cluster, client), wanted);
        assert_eq!(produce(&mut cluster, client, "z"), last + 1);
        assert_eq!(places(&mut cluster, client), [(to, false, 0)]);
    }
}

#[test]
fn a_move_goes_on_after_a_kill_and_ends_when_it_is_taken_back() {
    let (mut cluster, topic, client, last) = filled(1, 1);
    let from = directory_ids(1).iter().position(|id| *id == recorded(&cluster, topic)).unwrap();
    assert_eq!(alter(&mut cluster, client, DIRECTORIES[1 - from], "t"), ErrorCode::None);
    cluster.pass(3);
    assert_eq!(places(&mut cluster, client).len(), 2);
    cluster.kill(1, false);
    cluster.start(1);
    let client = cluster.connect(1, 0);
    assert_eq!(places(&mut cluster, client).len(), 2, "{:?}", cluster.log);
    cluster.pass(1000);
    assert_eq!(places(&mut cluster, client), [(1 - from, false, 0)]);
    assert_eq!(offsets(&mut cluster, client), (0..=last).collect::<Vec<_>>());
    // and back, but not
    assert_eq!(alter(&mut cluster, client, DIRECTORIES[from], "t"), ErrorCode::None);
    cluster.pass(2);
    assert_eq!(alter(&mut cluster, client, DIRECTORIES[1 - from], "t"), ErrorCode::None);
    cluster.pass(1000);
    assert_eq!(places(&mut cluster, client), [(1 - from, false, 0)]);
}

/// The directories of `t-0` in a log directory.
fn names(cluster: &Cluster, directory: usize) -> Vec<String> {
    let files = &cluster.nodes[&1].files;
    let entries = files.read_directory(DIRECTORIES[directory].as_ref()).unwrap();
    entries.into_iter().map(|entry| entry.name).filter(|name| name.starts_with("t-0")).collect()
}

#[test]
fn what_a_crash_left_of_a_swap_is_settled() {
    let (mut cluster, topic, mut client, _) = filled(1, 1);
    // to and fro: the stale one is found first, then last
    for _ in 0..2 {
        let from = directory_ids(1).iter().position(|id| *id == recorded(&cluster, topic)).unwrap();
        let to = 1 - from;
        assert_eq!(alter(&mut cluster, client, DIRECTORIES[to], "t"), ErrorCode::None);
        cluster.pass(1000);
        let last = produce(&mut cluster, client, "after the swap");
        cluster.kill(1, false);
        // the old one's name was not on the disk yet, and a copy had not said yet whose it is
        let files = cluster.nodes[&1].files.clone();
        let [doomed] = &names(&cluster, from)[..] else { panic!() };
        let directory = Path::new(DIRECTORIES[from]);
        files.rename(&directory.join(doomed), &directory.join("t-0")).unwrap();
        let copy = format!("t-0.{}-future", "0".repeat(32));
        files.create_directory_all(&directory.join(copy)).unwrap();
        // copies of moves that were given up
        for (place, name) in [(0, "1"), (0, "2"), (1, "3")] {
            let copy = format!("t-0.{}-future", name.repeat(32));
            let copy = Path::new(DIRECTORIES[place]).join(copy);
            files.create_directory_all(&copy).unwrap();
            let whose = files.read(&directory.join("t-0/partition.metadata")).unwrap();
            files.write_atomically(&copy.join("partition.metadata"), &whose).unwrap();
        }
        cluster.start(1);
        client = cluster.connect(1, 0);
        cluster.pass(1000);
        assert_eq!(places(&mut cluster, client), [(to, false, 0)]);
        assert_eq!(recorded(&cluster, topic), directory_ids(1)[to]);
        assert_eq!(offsets(&mut cluster, client), (0..=last).collect::<Vec<_>>());
        cluster.pass(80_000);
        assert_eq!((names(&cluster, to), names(&cluster, from)), (vec!["t-0".into()], vec![]));
    }
}

/// What a crash leaves of a swap where the controller has nothing on record of directories: the old replica under its
/// own name, as one that goes, or nowhere; the copy under its own name or the replica's; and what of another copy.
#[test]
fn what_a_crash_left_of_an_unrecorded_swap_is_settled() {
    let rows = [
        ("a swap that is done", "-delete", "", ""),
        ("between its two renames", "-delete", "-future", ""),
        ("the old one's removal is on the disk before the copy's new name", "", "-future", ""),
        ("beside what a move that was given up had copied", "-delete", "-future", "0"),
        ("beside what a move that was given up had copied", "-delete", "-future", "f"),
        ("the old one's directory failed in the swap, and works again", "t-0", "", ""),
    ];
    for to_and_fro in [1, 2] {
        for (what, old, copy, spare) in rows {
            let (mut cluster, _, mut client, _) = fill(Cluster::with_two_unrecorded_directories(1, 1), 1);
            let mut to = 0;
            for _ in 0..to_and_fro {
                to = 1 - places(&mut cluster, client)[0].0;
                assert_eq!(alter(&mut cluster, client, DIRECTORIES[to], "t"), ErrorCode::None);
                cluster.pass(1000);
                assert_eq!(places(&mut cluster, client), [(to, false, 0)]);
            }
            let from = 1 - to;
            let last = produce(&mut cluster, client, "after the swap");
            cluster.kill(1, false);
            let files = cluster.nodes[&1].files.clone();
            let (from_path, to_path) = (Path::new(DIRECTORIES[from]), Path::new(DIRECTORIES[to]));
            let doomed = names(&cluster, from).pop().unwrap();
            match old {
                "" => files.remove_directory_all(&from_path.join(doomed)).unwrap(),
                "t-0" => files.rename(&from_path.join(doomed), &from_path.join("t-0")).unwrap(),
                _ => {}
            }
            if !spare.is_empty() {
                let path = from_path.join(format!("t-0.{}-future", spare.repeat(32)));
                files.create_directory_all(&path).unwrap();
                let whose = files.read(&to_path.join("t-0/partition.metadata")).unwrap();
                files.write_atomically(&path.join("partition.metadata"), &whose).unwrap();
            }
            if !copy.is_empty() {
                let name = format!("t-0.{}-future", "7".repeat(32));
                files.rename(&to_path.join("t-0"), &to_path.join(name)).unwrap();
            }
            cluster.start(1);
            client = cluster.connect(1, 0);
            cluster.pass(1000);
            assert_eq!(offsets(&mut cluster, client), (0..=last).collect::<Vec<_>>(), "{what}");
            assert_eq!(places(&mut cluster, client), [(to, false, 0)], "{what}");
            cluster.pass(80_000);
            assert_eq!(names(&cluster, to), ["t-0"], "{what}");
            let kept = names(&cluster, from);
            assert!(kept.iter().all(|name| name.ends_with("-stray")), "{what}: {kept:?}");
            assert_eq!(kept.len(), usize::from(old == "t-0"), "{what}");
        }
    }
}

/// Up to there. Gives where the log starts then.
fn delete_records(cluster: &mut Cluster, connection: ConnectionId, offset: i64) -> i64 {
    let partitions = vec![delete_records_request::DeleteRecordsPartition { partition_index: 0, offset }];
    let topics = vec![delete_records_request::DeleteRecordsTopic { name: "t".into(), partitions }];
    let request = DeleteRecordsRequest { topics, timeout_ms: 1000 };
    let Response::DeleteRecords(response) = cluster.call(connection, 2, request) else { panic!() };
    let answer = &response.topics[0].partitions[0];
    assert_eq!(answer.error_code, 0);
    answer.low_watermark
}

#[test]
fn a_replica_moves_that_starts_within_a_batch_to_where_a_crash_left_its_name() {
    let mut cluster = Cluster::with_two_directories(1, 1);
    let topic = cluster.create_topic("t", &[1], &[]);
    let client = cluster.connect(1, 0);
    for _ in 0..3 {
        let records = Some(batch(&["a", "b", "c"]));
        let partition_data = vec![PartitionProduceData { index: 0, records }];
        let topic_data = vec![TopicProduceData { name: "t".into(), partition_data, ..Default::default() }];
        let request = ProduceRequest { acks: -1, timeout_ms: 1000, topic_data, ..Default::default() };
        let Response::Produce(_) = cluster.call(client, 10, request) else { panic!() };
    }
    delete_records(&mut cluster, client, 4);
    let from = directory_ids(1).iter().position(|id| *id == recorded(&cluster, topic)).unwrap();
    let left = Path::new(DIRECTORIES[1 - from]).join("t-0");
    let files = cluster.nodes[&1].files.clone();
    files.create_directory_all(&left).unwrap();
    files.open(&left.join("00000000000000000000.log"), OpenMode::CreateOrOpen).unwrap();
    assert_eq!(alter(&mut cluster, client, DIRECTORIES[1 - from], "t"), ErrorCode::None);
    cluster.pass(1000);
    assert_eq!(places(&mut cluster, client), [(1 - from, false, 0)], "{:?}", cluster.log);
    assert_eq!(produce(&mut cluster, client, "z"), 9);
    assert_eq!(delete_records(&mut cluster, client, 0), 4, "what was deleted stays so");
}

#[test]
fn a_refused_target_stops_no_move() {
    let (mut cluster, topic, client, _) = filled(1, 1);
    let from = directory_ids(1).iter().position(|id| *id == recorded(&cluster, topic)).unwrap();
    assert_eq!(alter(&mut cluster, client, DIRECTORIES[1 - from], "t"), ErrorCode::None);
    cluster.commit(vec![config("cordoned.log.dirs", DIRECTORIES[from])]);
    assert_eq!(alter(&mut cluster, client, DIRECTORIES[from], "t"), ErrorCode::InvalidReplicaAssignment);
    cluster.pass(1000);
    assert_eq!(places(&mut cluster, client), [(1 - from, false, 0)]);
}

fn config(name: &str, value: &str) -> MetadataRecord {
    MetadataRecord::Config(ConfigRecord {
        resource_type: 4,
        resource_name: "1".into(),
        name: name.to_owned().into(),
        value: Some(value.to_owned().into()),
    })
}

#[test]
fn moves_are_held_to_their_rate_and_refused_where_they_cannot_be() {
    let (mut cluster, topic, client, _) = filled(1, 1);
    let from = directory_ids(1).iter().position(|id| *id == recorded(&cluster, topic)).unwrap();
    let to = DIRECTORIES[1 - from];
    for (path, topic, expected) in
        [("/nowhere", "t", ErrorCode::LogDirNotFound), (to, "u", ErrorCode::UnknownTopicOrPartition)]
    {
        assert_eq!(alter(&mut cluster, client, path, topic), expected, "{path} {topic}");
    }
    assert_eq!(cordoned(&mut cluster, client), [false, false]);
    cluster.commit(vec![config("cordoned.log.dirs", to)]);
    assert_eq!(cordoned(&mut cluster, client), [from == 1, from == 0]);
    assert_eq!(alter(&mut cluster, client, to, "t"), ErrorCode::InvalidReplicaAssignment);
    // nothing new is placed there
    for name in ["a", "b", "c"] {
        cluster.create_topic(name, &[1], &[]);
    }
    assert!(places(&mut cluster, client).iter().all(|(at, _, _)| *at == from));
    let rate = config("replica.alter.log.dirs.io.max.bytes.per.second", "1000000");
    cluster.commit(vec![config("cordoned.log.dirs", ""), rate]);
    assert_eq!(alter(&mut cluster, client, to, "t"), ErrorCode::None);
    cluster.pass(2500);
    assert_eq!(places(&mut cluster, client).iter().filter(|(_, future, _)| *future).count(), 1);
    cluster.pass(2500);
    assert_eq!(places(&mut cluster, client).iter().filter(|(_, future, _)| *future).count(), 0);
}

#[test]
fn a_damaged_copy_that_is_to_be_cut_is_given_up_alone() {
    let mut cluster = Cluster::with_two_directories(2, 1);
    let topic = cluster.create_topic("t", &[1, 2], &[]);
    let client = cluster.connect(1, 0);
    assert_eq!(produce(&mut cluster, client, "a"), 0);
    cluster.pass(600);
    cluster.kill(2, false);
    // more than the shard remembers the places of
    let long = "x".repeat(100_000);
    for text in std::iter::repeat_n("x", 200).chain(std::iter::repeat_n(&*long, 40)) {
        let Response::Produce(response) =
            cluster.call(client, 10, ProduceRequest { acks: 1, ..produce_request(text) })
        else {
            panic!()
        };
        assert_eq!(response.responses[0].partition_responses[0].error_code, 0);
    }
    let from = directory_ids(1).iter().position(|id| *id == recorded(&cluster, topic)).unwrap();
    let to = 1 - from;
    // one chunk, then none for as long as this takes
    cluster.commit(vec![config("replica.alter.log.dirs.io.max.bytes.per.second", "1000")]);
    assert_eq!(alter(&mut cluster, client, DIRECTORIES[to], "t"), ErrorCode::None);
    cluster.pass(10);
    let copy = names(&cluster, to).into_iter().find(|name| name.ends_with("-future")).expect("begun");
    let path = Path::new(DIRECTORIES[to]).join(copy).join("00000000000000000000.log");
    // no batch is that short
    cluster.nodes[&1].files.rot(&path, 8, &[0; 4]).unwrap();
    cluster.start(2);
    cluster.elect(topic, 2, &[2]);
    cluster.pass(5000);
    let said = |text: &str| cluster.log.iter().any(|(node, line)| *node == 1 && line.contains(text));
    assert!(said("t-0 does not move: the copy is not cut to 1"), "{:?}", cluster.log);
    assert_eq!(cluster.in_sync(topic), [1, 2]);
    let client = cluster.connect(1, 0);
    assert_eq!(places(&mut cluster, client), [(from, false, 0)]);
}

/// Its directory had failed, and works again: what was copied before has records of a leader whose tail was cut.
#[test]
fn a_copy_that_was_away_is_cut_where_the_replica_went_another_way() {
    let mut cluster = Cluster::with_two_directories(2, 1);
    let topic = cluster.create_topic("t", &[1, 2], &[]);
    let client = cluster.connect(1, 0);
    assert_eq!(produce(&mut cluster, client, "kept"), 0);
    cluster.pass(600);
    cluster.kill(2, false);
    let long = "x".repeat(100_000);
    for text in std::iter::repeat_n("lost", 20).chain(std::iter::repeat_n(&*long, 20)) {
        cluster.call(client, 10, ProduceRequest { acks: 1, ..produce_request(text) });
    }
    let from = directory_ids(1).iter().position(|id| *id == recorded(&cluster, topic)).unwrap();
    let to = 1 - from;
    // one chunk, then none for as long as this takes
    cluster.commit(vec![config("replica.alter.log.dirs.io.max.bytes.per.second", "1000")]);
    assert_eq!(alter(&mut cluster, client, DIRECTORIES[to], "t"), ErrorCode::None);
    cluster.pass(10);
    cluster.kill(1, false);
    let copy = names(&cluster, to).into_iter().find(|name| name.ends_with("-future")).expect("begun");
    let (files, directory) = (cluster.nodes[&1].files.clone(), Path::new(DIRECTORIES[to]));
    files.rename(&directory.join(&copy), Path::new("/away")).unwrap();
    cluster.start(2);
    cluster.elect(topic, 2, &[2]);
    let client = cluster.connect(2, 0);
    for _ in 0..30 {
        produce(&mut cluster, client, "true");
    }
    cluster.start(1);
    cluster.pass(5000);
    assert_eq!(cluster.in_sync(topic), [1, 2]);
    cluster.kill(1, false);
    files.rename(Path::new("/away"), &directory.join(&copy)).unwrap();
    cluster.commit(vec![config("replica.alter.log.dirs.io.max.bytes.per.second", "1000000000")]);
    cluster.start(1);
    cluster.elect(topic, 1, &[1]);
    cluster.pass(5000);
    let client = cluster.connect(1, 0);
    assert_eq!(places(&mut cluster, client), [(to, false, 0)]);
    let wanted = std::iter::once("kept").chain(std::iter::repeat_n("true", 30));
    assert_eq!(texts(&mut cluster, client), wanted.collect::<Vec<_>>());
}

#[test]
fn a_replica_that_comes_later_is_made_where_it_was_wanted() {
    for (shards, wanted) in [(1, 0), (1, 1), (2, 0), (2, 1)] {
        let mut cluster = Cluster::with_two_directories(2, shards);
        let topic = cluster.create_topic("t", &[2], &[]);
        let client = cluster.connect(1, 0);
        cluster.commit(vec![config("cordoned.log.dirs", DIRECTORIES[wanted])]);
        assert_eq!(
            alter(&mut cluster, client, DIRECTORIES[wanted], "t"),
            ErrorCode::InvalidReplicaAssignment,
            "not to a cordoned one"
        );
        cluster.commit(vec![config("cordoned.log.dirs", "")]);
        // the last word counts
        for path in [DIRECTORIES[1 - wanted], DIRECTORIES[wanted]] {
            assert_eq!(alter(&mut cluster, client, path, "t"), ErrorCode::ReplicaNotAvailable);
        }
        assert!(places(&mut cluster, client).is_empty());
        // the controller has chosen the other directory
        let directories = vec![recorded(&cluster, topic), directory_ids(1)[1 - wanted]];
        cluster.commit(vec![MetadataRecord::PartitionChange(PartitionChangeRecord {
            topic_id: topic,
            partition_id: 0,
            replicas: Some(vec![2, 1]),
            directories: Some(directories),
            leader: -2,
            ..Default::default()
        })]);
        cluster.pass(10);
        assert_eq!(places(&mut cluster, client), [(wanted, false, 0)], "{shards} shards");
        let told = cluster.image().topics.partition(topic, 0).unwrap().directories.clone();
        assert_eq!(told[1], directory_ids(1)[wanted]);
        // what was remembered is used once
        assert_eq!(alter(&mut cluster, client, DIRECTORIES[1 - wanted], "t"), ErrorCode::None);
        cluster.pass(1000);
        assert_eq!(places(&mut cluster, client), [(1 - wanted, false, 0)]);
    }
}
