//! A node that starts without one of its log directories: what was in it stays offline and is made nowhere else, the others
//! serve, and all is as before when it works again.

mod cluster;
mod support;

use std::path::Path;

use broker::event::ConnectionId;
use cluster::{Cluster, DIRECTORIES, directory_ids};
use metadata::image::{MIGRATING, UNASSIGNED};
use platform::{FileSystem, OpenMode};
use protocol::messages::alter_replica_log_dirs_request::{AlterReplicaLogDir, AlterReplicaLogDirTopic};
use protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use protocol::messages::*;
use protocol::records::metadata::{BrokerRegistrationChangeRecord, MetadataRecord, PartitionChangeRecord};
use protocol::{ErrorCode, Response};
use support::batch;
use types::Uuid;

/// Stands for the id of the directory that works.
const USABLE: Uuid = Uuid([0xff; 16]);

fn produce(cluster: &mut Cluster, connection: ConnectionId, topic: &str) -> ErrorCode {
    produced(cluster, connection, topic).0
}

/// The error, and at which offset.
fn produced(cluster: &mut Cluster, connection: ConnectionId, topic: &str) -> (ErrorCode, i64) {
    let partition_data = vec![PartitionProduceData { index: 0, records: Some(batch(&["x"])) }];
    let topic_data = vec![TopicProduceData { name: topic.into(), partition_data, ..Default::default() }];
    let request = ProduceRequest { acks: -1, timeout_ms: 30_000, topic_data, ..Default::default() };
    let Response::Produce(response) = cluster.call(connection, 10, request) else { panic!() };
    let answer = &response.responses[0].partition_responses[0];
    (ErrorCode::from(answer.error_code), answer.base_offset)
}

/// By place in `DIRECTORIES`: the error, and the replicas' topics.
fn described(cluster: &mut Cluster, connection: ConnectionId) -> Vec<(ErrorCode, Vec<String>)> {
    let request = DescribeLogDirsRequest { topics: None };
    let Response::DescribeLogDirs(response) = cluster.call(connection, 4, request) else { panic!() };
    let of = |path: &&str| {
        let result = response.results.iter().find(|result| *result.log_dir == **path).expect("each is told");
        let topics = result.topics.iter().map(|topic| topic.name.to_string()).collect();
        (ErrorCode::from(result.error_code), topics)
    };
    DIRECTORIES.iter().map(of).collect()
}

fn offline_replicas(cluster: &mut Cluster, connection: ConnectionId) -> Vec<i32> {
    let Response::Metadata(response) =
        cluster.call(connection, 9, MetadataRequest { topics: None, ..Default::default() })
    else {
        panic!()
    };
    response.topics.iter().find(|topic| topic.name.as_deref() == Some("t")).expect("t").partitions[0]
        .offline_replicas
        .clone()
}

/// In any of the directories of node 1.
fn has_any(cluster: &Cluster, name: &str) -> Vec<usize> {
    let exists = |at: &usize| cluster.nodes[&1].files.exists(&Path::new(DIRECTORIES[*at]).join(name));
    (0..DIRECTORIES.len()).filter(exists).collect()
}

fn place_of(cluster: &Cluster) -> usize {
    has_any(cluster, "t-0")[0]
}

/// A topic with a record, and node 1 is gone; in which directory its replica is, and which is the other.
fn killed_with_a_record(cluster: &mut Cluster, replicas: &[i32]) -> (Uuid, usize, usize) {
    let topic = cluster.create_topic("t", replicas, &[]);
    let client = cluster.connect(1, 0);
    assert_eq!(produce(cluster, client, "t"), ErrorCode::None);
    cluster.pass(1000);
    let place = place_of(cluster);
    cluster.kill(1, false);
    (topic, place, 1 - place)
}

fn record(cluster: &mut Cluster, topic_id: Uuid, directories: Vec<Uuid>) {
    cluster.commit(vec![MetadataRecord::PartitionChange(PartitionChangeRecord {
        topic_id,
        partition_id: 0,
        leader: -2,
        directories: Some(directories),
        ..Default::default()
    })]);
}

/// As a controller is told by the registration.
fn register(cluster: &mut Cluster, log_dirs: Vec<Uuid>) {
    cluster.commit(vec![MetadataRecord::BrokerRegistrationChange(BrokerRegistrationChangeRecord {
        broker_id: 1,
        broker_epoch: 11,
        log_dirs,
        ..Default::default()
    })]);
}

#[test]
fn what_was_in_it_stays_offline_and_comes_back_with_it() {
    for (shards, is_recorded) in [(1, true), (2, true), (1, false), (2, false)] {
        let mut cluster = match is_recorded {
            true => Cluster::with_two_directories(2, shards),
            false => Cluster::with_two_unrecorded_directories(2, shards),
        };
        let (topic, lost, good) = killed_with_a_record(&mut cluster, &[1, 2]);
        cluster.elect(topic, 2, &[2]);
        cluster.lost.insert((1, lost));
        let files = cluster.nodes[&1].files.clone();
        files.rename(Path::new(DIRECTORIES[lost]), Path::new("/away")).unwrap();
        cluster.start(1);
        if is_recorded {
            register(&mut cluster, vec![directory_ids(1)[good]]);
        }
        cluster.pass(5000);
        // nor when its record changes
        cluster.elect(topic, 2, &[2]);
        cluster.pass(5000);
        assert!(has_any(&cluster, "t-0").is_empty(), "made anew: {shards} shards, recorded: {is_recorded}");
        assert_eq!(cluster.in_sync(topic), [2]);
        let client = cluster.connect(1, 0);
        let told = cluster.log.iter().filter(|(node, text)| *node == 1 && text.starts_with("t-0 is offline"));
        assert_eq!(told.count(), 1, "{:?}", cluster.log);
        let expected = [(lost, (ErrorCode::KafkaStorageError, vec![])), (good, (ErrorCode::None, vec![]))];
        let told = described(&mut cluster, client);
        expected.into_iter().for_each(|(place, expected)| assert_eq!(told[place], expected));
        let topics = vec![AlterReplicaLogDirTopic { name: "t".into(), partitions: vec![0] }];
        let dirs = vec![AlterReplicaLogDir { path: DIRECTORIES[lost].into(), topics }];
        let Response::AlterReplicaLogDirs(response) =
            cluster.call(client, 2, AlterReplicaLogDirsRequest { dirs })
        else {
            panic!()
        };
        let code = response.results[0].partitions[0].error_code;
        assert_eq!(ErrorCode::from(code), ErrorCode::KafkaStorageError);
        if is_recorded {
            assert_eq!(offline_replicas(&mut cluster, client), [1]);
            // what is new is made where it can be
            cluster.create_topic("new", &[1], &[]);
            assert_eq!(produce(&mut cluster, client, "new"), ErrorCode::None);
            assert_eq!(described(&mut cluster, client)[good].1, ["new"]);
        }
        // the others go on, and it comes back
        let other = cluster.connect(2, 0);
        assert_eq!(produce(&mut cluster, other, "t"), ErrorCode::None);
        cluster.kill(1, false);
        files.rename(Path::new("/away"), Path::new(DIRECTORIES[lost])).unwrap();
        cluster.lost.clear();
        cluster.start(1);
        if is_recorded {
            register(&mut cluster, directory_ids(1).to_vec());
        }
        cluster.pass(5000);
        assert_eq!(cluster.in_sync(topic), [1, 2]);
        assert_eq!(has_any(&cluster, "t-0"), [lost]);
    }
}

/// What the controller has on record of a replica that is not found, whether it is in sync, and whether it is made.
#[test]
fn only_what_nobody_counts_on_is_made_anew() {
    let gone = Uuid::from_halves(5, 5);
    let usable = |lost: usize| directory_ids(1)[1 - lost];
    for (recorded, in_sync, is_made) in [
        (Some(UNASSIGNED), true, false),
        (Some(UNASSIGNED), false, true),
        // where a move was to end that was given up
        (Some(USABLE), true, false),
        (Some(USABLE), false, true),
        (Some(MIGRATING), false, false),
        (Some(gone), false, false),
        (None, false, false),
    ] {
        let mut cluster = Cluster::with_two_directories(2, 1);
        let topic = cluster.create_topic("t", &[1, 2], &[]);
        let client = cluster.connect(1, 0);
        assert_eq!(produce(&mut cluster, client, "t"), ErrorCode::None);
        cluster.pass(1000);
        let lost = place_of(&cluster);
        cluster.kill(1, false);
        let other = cluster.image().topics.partition(topic, 0).unwrap().directories[1];
        if let Some(recorded) = recorded {
            let recorded = if recorded == USABLE { usable(lost) } else { recorded };
            record(&mut cluster, topic, vec![recorded, other]);
        }
        match in_sync {
            true => cluster.elect(topic, 1, &[1]),
            false => cluster.elect(topic, 2, &[2]),
        }
        cluster.lost.insert((1, lost));
        let files = cluster.nodes[&1].files.clone();
        files.rename(Path::new(DIRECTORIES[lost]), Path::new("/away")).unwrap();
        cluster.start(1);
        cluster.pass(5000);
        assert_eq!(
            has_any(&cluster, "t-0"),
            if is_made { vec![1 - lost] } else { vec![] },
            "{recorded:?} {in_sync}"
        );
        if in_sync {
            let client = cluster.connect(1, 0);
            assert_eq!(produce(&mut cluster, client, "t"), ErrorCode::KafkaStorageError);
            // somebody else is made the leader: there is nothing to count on any more
            cluster.elect(topic, 2, &[2]);
            cluster.pass(5000);
            assert_eq!(has_any(&cluster, "t-0"), [1 - lost]);
        }
        assert_eq!(cluster.in_sync(topic), if is_made || in_sync { vec![1, 2] } else { vec![2] });
    }
}

/// A swap that a crash cut short leaves an old copy under the replica's name.
#[test]
fn an_old_copy_elsewhere_is_not_taken_for_it() {
    let mut cluster = Cluster::with_two_directories(2, 1);
    let (topic, lost, good) = killed_with_a_record(&mut cluster, &[1, 2]);
    let files = cluster.nodes[&1].files.clone();
    let old = Path::new(DIRECTORIES[good]).join("t-0");
    files.create_directory_all(&old).unwrap();
    let whose = files.read(&Path::new(DIRECTORIES[lost]).join("t-0/partition.metadata")).unwrap();
    files.write_atomically(&old.join("partition.metadata"), &whose).unwrap();
    cluster.lost.insert((1, lost));
    cluster.start(1);
    cluster.elect(topic, 1, &[1]);
    cluster.pass(5000);
    let client = cluster.connect(1, 0);
    assert_eq!(produce(&mut cluster, client, "t"), ErrorCode::KafkaStorageError);
    assert_eq!(cluster.image().topics.partition(topic, 0).unwrap().directories[0], directory_ids(1)[lost]);
}

/// A copy of the replica, without a record yet, as a move makes it; its name.
fn copy_of(cluster: &Cluster, from: usize, to: usize) -> String {
    let files = &cluster.nodes[&1].files;
    let name = format!("t-0.{}-future", "7".repeat(32));
    let copy = Path::new(DIRECTORIES[to]).join(&name);
    files.create_directory_all(&copy).unwrap();
    let whose = files.read(&Path::new(DIRECTORIES[from]).join("t-0/partition.metadata")).unwrap();
    files.write_atomically(&copy.join("partition.metadata"), &whose).unwrap();
    name
}

/// Where nothing is on record, a copy without a replica beside it is what a crash left of a swap, but not here.
#[test]
fn a_copy_is_not_taken_for_a_replica_that_cannot_be_seen() {
    let mut cluster = Cluster::with_two_unrecorded_directories(2, 1);
    let (topic, lost, good) = killed_with_a_record(&mut cluster, &[1, 2]);
    cluster.elect(topic, 2, &[2]);
    let name = copy_of(&cluster, lost, good);
    cluster.lost.insert((1, lost));
    cluster.start(1);
    cluster.pass(5000);
    assert_eq!((has_any(&cluster, "t-0"), has_any(&cluster, &name)), (vec![lost], vec![good]));
    assert_eq!(cluster.in_sync(topic), [2]);
    // the move goes on
    cluster.kill(1, false);
    cluster.lost.clear();
    cluster.start(1);
    cluster.pass(5000);
    assert_eq!((has_any(&cluster, "t-0"), has_any(&cluster, &name)), (vec![good], vec![]));
    assert_eq!(cluster.in_sync(topic), [1, 2]);
}

/// The controller has on record where a replica goes before the copy has everything, and records that are acknowledged
/// meanwhile are synced where the replica is.
#[test]
fn a_copy_is_not_taken_for_its_replica_although_it_is_on_record() {
    let mut cluster = Cluster::with_two_directories(2, 1);
    let (topic, lost, good) = killed_with_a_record(&mut cluster, &[1]);
    record(&mut cluster, topic, vec![directory_ids(1)[good]]);
    let name = copy_of(&cluster, lost, good);
    cluster.lost.insert((1, lost));
    cluster.start(1);
    cluster.elect(topic, 1, &[1]);
    cluster.pass(5000);
    assert_eq!((has_any(&cluster, "t-0"), has_any(&cluster, &name)), (vec![lost], vec![good]));
    let client = cluster.connect(1, 0);
    assert_eq!(produce(&mut cluster, client, "t"), ErrorCode::KafkaStorageError);
    cluster.kill(1, false);
    cluster.lost.clear();
    cluster.start(1);
    cluster.elect(topic, 1, &[1]);
    cluster.pass(5000);
    assert_eq!((has_any(&cluster, "t-0"), has_any(&cluster, &name)), (vec![good], vec![]));
    let client = cluster.connect(1, 0);
    assert_eq!(produced(&mut cluster, client, "t"), (ErrorCode::None, 1));
}

/// Where the replica was made anew beside a copy, a loss of power may leave no more than its name.
#[test]
fn a_name_without_anything_gives_way_to_the_copy() {
    let mut cluster = Cluster::with_two_directories(2, 1);
    let topic = cluster.create_topic("t", &[1], &[]);
    cluster.pass(1000);
    let (gone, good) = (place_of(&cluster), 1 - place_of(&cluster));
    cluster.kill(1, false);
    record(&mut cluster, topic, vec![directory_ids(1)[good]]);
    let name = copy_of(&cluster, gone, good);
    let files = cluster.nodes[&1].files.clone();
    files.remove_directory_all(&Path::new(DIRECTORIES[gone]).join("t-0")).unwrap();
    let unused = Path::new(DIRECTORIES[good]).join("t-0");
    files.create_directory_all(&unused).unwrap();
    files.open(&unused.join("00000000000000000000.log"), OpenMode::CreateOrOpen).unwrap();
    cluster.start(1);
    cluster.elect(topic, 1, &[1]);
    cluster.pass(5000);
    assert_eq!((has_any(&cluster, "t-0"), has_any(&cluster, &name)), (vec![good], vec![]));
    let client = cluster.connect(1, 0);
    assert_eq!(produced(&mut cluster, client, "t"), (ErrorCode::None, 0));
}
