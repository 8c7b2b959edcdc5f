//! The life of replicas beside plain replication: DeleteRecords that waits for followers, followers that catch up
//! at a rate.

mod cluster;
mod support;

use broker::event::ConnectionId;
use cluster::Cluster;
use protocol::messages::delete_records_request::{DeleteRecordsPartition, DeleteRecordsTopic};
use protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use protocol::messages::*;
use protocol::records::metadata::{ConfigRecord, MetadataRecord, PartitionChangeRecord};
use protocol::{ErrorCode, Response};
use support::batch;
use types::Uuid;

fn produce(cluster: &mut Cluster, connection: ConnectionId, text: &[&str]) {
    let partition_data = vec![PartitionProduceData { index: 0, records: Some(batch(text)) }];
    let topic_data = vec![TopicProduceData { name: "t".into(), partition_data, ..Default::default() }];
    let request = ProduceRequest { acks: -1, timeout_ms: 30_000, topic_data, ..Default::default() };
    let Response::Produce(response) = cluster.call(connection, 10, request) else { panic!() };
    assert_eq!(response.responses[0].partition_responses[0].error_code, 0);
}

fn delete_request(offset: i64, timeout_ms: i32) -> DeleteRecordsRequest {
    let partitions = vec![DeleteRecordsPartition { partition_index: 0, offset }];
    DeleteRecordsRequest { topics: vec![DeleteRecordsTopic { name: "t".into(), partitions }], timeout_ms }
}

fn deleted(response: Option<Response>) -> (ErrorCode, i64) {
    let Some(Response::DeleteRecords(response)) = response else { panic!("{response:?}") };
    let answer = &response.topics[0].partitions[0];
    (ErrorCode::from(answer.error_code), answer.low_watermark)
}

#[test]
fn records_are_deleted_when_every_living_replica_has_deleted_them() {
    for shards in [1, 3] {
        let mut cluster = Cluster::new(3, shards);
        let topic = cluster.create_topic("t", &[1, 2, 3], &[]);
        let client = cluster.connect(1, 0);
        produce(&mut cluster, client, &["a", "b", "c", "d", "e"]);
        cluster.pass(1000);
        // the followers hear of it at once
        cluster.send(client, 2, delete_request(3, 30_000));
        assert_eq!(deleted(cluster.take_reply(client)), (ErrorCode::None, 3), "{shards} shards");
        // what is deleted already is at once
        assert_eq!(deleted(Some(cluster.call(client, 2, delete_request(2, 30_000)))), (ErrorCode::None, 3));

        cluster.kill(3, false);
        cluster.send(client, 2, delete_request(4, 2000));
        cluster.pass(1900);
        assert!(cluster.take_reply(client).is_none(), "node 3 may be slow");
        cluster.pass(200);
        assert_eq!(deleted(cluster.take_reply(client)), (ErrorCode::RequestTimedOut, 3));
        cluster.send(client, 2, delete_request(-1, 30_000));
        cluster.pass(1200);
        assert!(cluster.take_reply(client).is_none());
        cluster.fence(3, true);
        assert_eq!(deleted(cluster.take_reply(client)), (ErrorCode::None, 5), "who is fenced does not count");

        cluster.elect(topic, 1, &[1, 2]);
        cluster.pass(100);
        produce(&mut cluster, client, &["f"]);
        cluster.kill(2, false);
        cluster.send(client, 2, delete_request(6, 30_000));
        assert!(cluster.take_reply(client).is_none());
        cluster.elect(topic, 2, &[1, 2]);
        assert_eq!(deleted(cluster.take_reply(client)), (ErrorCode::NotLeaderOrFollower, -1));
    }
}

#[test]
fn records_of_internal_topics_are_not_deleted() {
    let mut cluster = Cluster::new(1, 1);
    cluster.create_topic("__consumer_offsets", &[1], &[]);
    let client = cluster.connect(1, 0);
    let mut request = delete_request(0, 1000);
    request.topics[0].name = "__consumer_offsets".into();
    assert_eq!(deleted(Some(cluster.call(client, 2, request))), (ErrorCode::InvalidTopicException, -1));
}

fn config(resource_type: i8, resource: &str, name: &str, value: &str) -> MetadataRecord {
    MetadataRecord::Config(ConfigRecord {
        resource_type,
        resource_name: resource.to_owned().into(),
        name: name.to_owned().into(),
        value: Some(value.to_owned().into()),
    })
}

/// Two nodes of which the second lacks 4 MB of the topic `t` and has just begun to follow.
fn with_a_follower_that_lags(
    shards: u16,
    configs: &[(i8, &str, &str, &str)],
) -> (Cluster, Uuid, ConnectionId) {
    let mut cluster = Cluster::new(2, shards);
    let topic = cluster.create_topic("t", &[1, 2], &[]);
    cluster.pass(1000);
    cluster.kill(2, false);
    cluster.fence(2, true);
    cluster.elect(topic, 1, &[1]);
    let client = cluster.connect(1, 0);
    let text = "x".repeat(100_000);
    (0..40).for_each(|_| produce(&mut cluster, client, &[&text]));
    let records = configs.iter().map(|(kind, resource, name, value)| config(*kind, resource, name, value));
    cluster.commit(records.collect());
    cluster.fence(2, false);
    cluster.start(2);
    (cluster, topic, client)
}

/// Milliseconds that it takes to have them.
fn catch_up(shards: u16, configs: &[(i8, &str, &str, &str)]) -> u64 {
    let (mut cluster, topic, client) = with_a_follower_that_lags(shards, configs);
    let began = cluster.now.monotonic_us;
    while cluster.in_sync(topic) != [1, 2] {
        cluster.pass(50);
        assert!(cluster.now.monotonic_us < began + 60_000_000, "{configs:?}");
        // who writes meanwhile is not held up
        if configs.is_empty() {
            produce(&mut cluster, client, &["y"]);
        }
    }
    (cluster.now.monotonic_us - began) / 1000
}

#[test]
fn followers_that_lag_are_held_to_the_rate() {
    const TOPIC: i8 = 2;
    const BROKER: i8 = 4;
    let leader = "leader.replication.throttled.replicas";
    let follower = "follower.replication.throttled.replicas";
    let (leader_rate, follower_rate) =
        ("leader.replication.throttled.rate", "follower.replication.throttled.rate");
    for shards in [1, 2] {
        for (configs, least_ms, most_ms) in [
            (&[][..], 0, 1000),
            (&[(TOPIC, "t", leader, "*"), (BROKER, "1", leader_rate, "1000000")], 2500, 5000),
            (&[(TOPIC, "t", leader, "0:1"), (BROKER, "", leader_rate, "500000")], 5500, 9000),
            (&[(TOPIC, "t", follower, "0:2"), (BROKER, "2", follower_rate, "1000000")], 2500, 5000),
            // of another partition, another broker, nobody's rate
            (&[(TOPIC, "t", leader, "1:1,0:2"), (BROKER, "1", leader_rate, "1000000")], 0, 1000),
            (&[(TOPIC, "t", leader, "*"), (BROKER, "2", leader_rate, "1000000")], 0, 1000),
            (&[(TOPIC, "t", follower, "*"), (BROKER, "1", follower_rate, "1000000")], 0, 1000),
        ] {
            let took_ms = catch_up(shards, configs);
            assert!(
                (least_ms..=most_ms).contains(&took_ms),
                "{took_ms} ms with {shards} shards and {configs:?}"
            );
        }
    }
}

#[test]
fn a_follower_is_held_whatever_else_changes_and_let_go_at_once() {
    const TOPIC: i8 = 2;
    const BROKER: i8 = 4;
    const LIST: &str = "follower.replication.throttled.replicas";
    const RATE: &str = "follower.replication.throttled.rate";
    let raised = config(BROKER, "2", RATE, "2147483647");
    let ended = MetadataRecord::Config(ConfigRecord {
        resource_type: TOPIC,
        resource_name: "t".into(),
        name: LIST.into(),
        value: None,
    });
    for shards in [1, 2] {
        for release in [&raised, &ended] {
            let configs = [(TOPIC, "t", LIST, "0:2"), (BROKER, "2", RATE, "1")];
            let (mut cluster, topic, _) = with_a_follower_that_lags(shards, &configs);
            for _ in 0..5 {
                cluster.pass(200);
                // nothing of it is for the follower
                cluster.commit(vec![MetadataRecord::PartitionChange(PartitionChangeRecord {
                    topic_id: topic,
                    partition_id: 0,
                    isr: Some(vec![1]),
                    leader: -2,
                    ..Default::default()
                })]);
            }
            cluster.pass(1000);
            assert_eq!(cluster.in_sync(topic), [1]);
            cluster.commit(vec![release.clone()]);
            cluster.pass(1000);
            assert_eq!(cluster.in_sync(topic), [1, 2], "{shards} shards, {release:?}");
        }
    }
}
