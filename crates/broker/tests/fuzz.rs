//! Frames that no client sends: damaged requests of every API that is served, to a node with topics, records and a
//! group. Every frame is answered or its connection closed, memory stays bounded, and the node goes on serving.

#[path = "../../../fuzz/fuzzing.rs"]
mod fuzzing;
mod support;

use bytes::Bytes;
use fuzzing::{each_seed, mutate, peak_of, pick, random_bytes};
use platform::Random;
use protocol::messages::*;
use protocol::{ApiKey, Request, RequestHeader, Response, Writer};
use support::{Node, batch};
use types::Uuid;

const SHARDS: u16 = 2;
const TOPIC: &str = "t";

/// One turn: the frame decoded, worked on and answered, a few segment files among it.
const MEMORY_MAX: usize = 24 << 20;

fn frame(request: Request, version: i16) -> Bytes {
    let mut writer = Writer::new();
    let header = RequestHeader {
        api_key: request.api_key().code(),
        api_version: version,
        correlation_id: 7,
        client_id: Some("c".into()),
    };
    header.encode(&mut writer).unwrap();
    request.encode(version, &mut writer).unwrap();
    writer.into_bytes().unwrap()
}

fn produce(topic_id: Uuid, acks: i16) -> ProduceRequest {
    let data = |index| produce_request::PartitionProduceData { index, records: Some(batch(&["a", "bb"])) };
    ProduceRequest {
        acks,
        timeout_ms: 50,
        topic_data: vec![produce_request::TopicProduceData {
            name: TOPIC.into(),
            topic_id,
            partition_data: vec![data(0), data(1)],
        }],
        ..Default::default()
    }
}

fn fetch(topic_id: Uuid) -> FetchRequest {
    let partition = |partition| fetch_request::FetchPartition {
        partition,
        partition_max_bytes: 1000,
        ..Default::default()
    };
    FetchRequest {
        max_wait_ms: 20,
        min_bytes: 1,
        max_bytes: 10_000,
        topics: vec![fetch_request::FetchTopic {
            topic: TOPIC.into(),
            topic_id,
            partitions: vec![partition(0), partition(1)],
        }],
        ..Default::default()
    }
}

fn join() -> JoinGroupRequest {
    let protocol = join_group_request::JoinGroupRequestProtocol {
        name: "range".into(),
        metadata: Bytes::from_static(&[0, 0, 0, 0, 0, 1, 0, 1, b't', 0, 0, 0, 0]),
    };
    JoinGroupRequest {
        group_id: "g".into(),
        session_timeout_ms: 6000,
        rebalance_timeout_ms: 100,
        protocol_type: "consumer".into(),
        protocols: vec![protocol],
        ..Default::default()
    }
}

fn commit() -> OffsetCommitRequest {
    OffsetCommitRequest {
        group_id: "g".into(),
        generation_id_or_member_epoch: -1,
        topics: vec![offset_commit_request::OffsetCommitRequestTopic {
            name: TOPIC.into(),
            partitions: vec![offset_commit_request::OffsetCommitRequestPartition {
                committed_offset: 3,
                ..Default::default()
            }],
            ..Default::default()
        }],
        ..Default::default()
    }
}

/// Requests that reach their handlers' depths.
fn deep(topic_id: Uuid) -> Vec<Bytes> {
    let list = list_offsets_request::ListOffsetsTopic {
        name: TOPIC.into(),
        partitions: vec![list_offsets_request::ListOffsetsPartition { timestamp: -1, ..Default::default() }],
    };
    let delete = delete_records_request::DeleteRecordsTopic {
        name: TOPIC.into(),
        partitions: vec![delete_records_request::DeleteRecordsPartition { partition_index: 0, offset: 1 }],
    };
    let group = offset_fetch_request::OffsetFetchRequestGroup {
        group_id: "g".into(),
        topics: Some(vec![offset_fetch_request::OffsetFetchRequestTopics {
            name: TOPIC.into(),
            partition_indexes: vec![0, 1],
            ..Default::default()
        }]),
        ..Default::default()
    };
    let epoch = offset_for_leader_epoch_request::OffsetForLeaderTopic {
        topic: TOPIC.into(),
        partitions: vec![Default::default()],
    };
    let describe = describe_configs_request::DescribeConfigsResource {
        resource_type: 2,
        resource_name: TOPIC.into(),
        configuration_keys: None,
    };
    let producers =
        describe_producers_request::TopicRequest { name: TOPIC.into(), partition_indexes: vec![0] };
    let page = describe_topic_partitions_request::TopicRequest { name: TOPIC.into() };
    vec![
        frame(produce(topic_id, 1).into(), 9),
        frame(produce(topic_id, -1).into(), 13),
        frame(fetch(topic_id).into(), 4),
        frame(fetch(topic_id).into(), 17),
        frame(join().into(), 3),
        frame(commit().into(), 8),
        frame(ListOffsetsRequest { replica_id: -1, topics: vec![list], ..Default::default() }.into(), 7),
        frame(DeleteRecordsRequest { topics: vec![delete], timeout_ms: 50 }.into(), 2),
        frame(OffsetFetchRequest { groups: vec![group], ..Default::default() }.into(), 8),
        frame(OffsetForLeaderEpochRequest { replica_id: -1, topics: vec![epoch] }.into(), 4),
        frame(DescribeConfigsRequest { resources: vec![describe], ..Default::default() }.into(), 4),
        frame(DescribeProducersRequest { topics: vec![producers] }.into(), 0),
        frame(
            DescribeTopicPartitionsRequest {
                topics: vec![page],
                response_partition_limit: 10,
                ..Default::default()
            }
            .into(),
            0,
        ),
        frame(MetadataRequest { topics: None, ..Default::default() }.into(), 12),
        frame(DescribeGroupsRequest { groups: vec!["g".into()], ..Default::default() }.into(), 5),
        frame(DeleteGroupsRequest { groups_names: vec!["g".into()] }.into(), 2),
        frame(FindCoordinatorRequest { coordinator_keys: vec!["g".into()], ..Default::default() }.into(), 4),
        frame(InitProducerIdRequest { transaction_timeout_ms: 1000, ..Default::default() }.into(), 4),
    ]
}

/// Every API in every version, as small as it can be.
fn shallow() -> Vec<Bytes> {
    let mut frames = Vec::new();
    for (api_key, versions) in broker::served(protocol::Listener::Broker) {
        for version in versions.min..=versions.max {
            let mut writer = Writer::new();
            let header = RequestHeader {
                api_key: api_key.code(),
                api_version: version,
                correlation_id: 7,
                client_id: None,
            };
            header.encode(&mut writer).unwrap();
            let mut bytes = writer.into_bytes().unwrap().to_vec();
            bytes.extend([0; 24]);
            frames.push(Bytes::from(bytes));
        }
    }
    frames
}

fn damaged(frames: &[Bytes], random: &mut Random) -> Bytes {
    let good = pick(frames, random);
    // the header stays, most of the time, so that the damage is seen behind it
    let head = if random.one_in(8) { 0 } else { good.len().min(10) };
    let mut bytes = good[..head].to_vec();
    match random.below(8) {
        0 => bytes.extend(random_bytes(80, random)),
        _ => bytes.extend(mutate(&good[head..], random)),
    }
    bytes.into()
}

/// The answer that is due, or the end of the connection. Produce without acknowledgement has neither.
fn is_done(node: &mut Node, connection: broker::event::ConnectionId, silences: usize) -> bool {
    node.replies.get_mut(&connection).is_some_and(|replies| replies.pop_front().is_some())
        || node.closed.contains(&connection)
        || node.silences > silences
}

fn is_for_the_controller(bytes: &Bytes) -> bool {
    let key = bytes.get(..2).map(|key| i16::from_be_bytes([key[0], key[1]]));
    key.and_then(|key| ApiKey::try_from(key).ok()).is_some_and(|key| {
        // what a shard does itself, or refuses; every other served one is forwarded
        !matches!(
            key,
            ApiKey::Produce
                | ApiKey::Fetch
                | ApiKey::ListOffsets
                | ApiKey::Metadata
                | ApiKey::ApiVersions
                | ApiKey::InitProducerId
                | ApiKey::OffsetForLeaderEpoch
                | ApiKey::DeleteRecords
                | ApiKey::DescribeProducers
                | ApiKey::DescribeCluster
                | ApiKey::DescribeTopicPartitions
                | ApiKey::DescribeConfigs
                | ApiKey::ListConfigResources
                | ApiKey::DescribeLogDirs
                | ApiKey::DescribeClientQuotas
                | ApiKey::DescribeUserScramCredentials
                | ApiKey::DescribeAcls
                | ApiKey::FindCoordinator
                | ApiKey::ListGroups
                | ApiKey::DescribeGroups
                | ApiKey::DeleteGroups
                | ApiKey::OffsetDelete
                | ApiKey::OffsetFetch
                | ApiKey::JoinGroup
                | ApiKey::SyncGroup
                | ApiKey::Heartbeat
                | ApiKey::LeaveGroup
                | ApiKey::OffsetCommit
        )
    })
}

fn one_frame(node: &mut Node, shard: usize, bytes: Bytes) {
    let connection = node.connect(shard);
    let silences = node.silences;
    node.send_bytes(connection, bytes.clone());
    node.run();
    let mut waited = 0;
    while !is_done(node, connection, silences) {
        // longer than any wait that a request may ask for, as time-outs are theirs to choose
        assert!(waited < 64, "no answer to {bytes:?}");
        node.pass(1 << waited.min(30));
        waited += 1;
    }
    node.disconnect(connection);
    node.replies.remove(&connection);
    node.closed.clear();
}

#[test]
fn damaged_frames() {
    each_seed(30, |random| {
        let mut node = Node::new(SHARDS);
        let topic_id = node.create_topic(TOPIC, 2, &[]);
        let (deep, shallow) = (deep(topic_id), shallow());
        for _ in 0..40 {
            let frames = if random.one_in(3) { &shallow } else { &deep };
            let bytes = damaged(frames, random);
            // this node's quorum is a stand-in; the real one has its own test
            if is_for_the_controller(&bytes) {
                continue;
            }
            let shard = random.below(u64::from(SHARDS)) as usize;
            let ((), peak) = peak_of(|| one_frame(&mut node, shard, bytes.clone()));
            assert!(peak <= MEMORY_MAX, "{peak} bytes for {bytes:?}");
        }
        still_serves(&mut node, topic_id);
    });
}

fn still_serves(node: &mut Node, topic_id: Uuid) {
    let connection = node.connect(0);
    let Response::Produce(response) = node.call(connection, 13, produce(topic_id, 1)) else { panic!() };
    let codes = response.responses.iter().flat_map(|topic| &topic.partition_responses);
    assert!(codes.clone().count() == 2 && codes.clone().all(|row| row.error_code == 0), "{response:?}");
}
