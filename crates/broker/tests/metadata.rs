//! What clients learn and change of the cluster: ApiVersions, Metadata, descriptions, records deleted, topics gone.

mod support;

use broker::event::ConnectionId;
use bytes::Bytes;
use platform::FileSystem;
use protocol::messages::delete_records_request::{DeleteRecordsPartition, DeleteRecordsTopic};
use protocol::messages::describe_configs_request::DescribeConfigsResource;
use protocol::messages::metadata_request::MetadataRequestTopic;
use protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use protocol::messages::*;
use protocol::{ErrorCode, Response};
use support::{DIRECTORY, Node, batch};
use types::Uuid;

fn metadata(
    node: &mut Node,
    connection: ConnectionId,
    version: i16,
    request: MetadataRequest,
) -> MetadataResponse {
    let Response::Metadata(response) = node.call(connection, version, request) else { panic!() };
    response
}

fn wanted(names: &[&str], create: bool) -> MetadataRequest {
    let topic = |name: &&str| MetadataRequestTopic { name: Some((*name).into()), ..Default::default() };
    MetadataRequest {
        topics: Some(names.iter().map(topic).collect()),
        allow_auto_topic_creation: create,
        ..Default::default()
    }
}

fn summary(response: &MetadataResponse) -> Vec<(String, i16, usize)> {
    let topics = response.topics.iter();
    topics
        .map(|topic| {
            (topic.name.clone().unwrap_or_default().to_string(), topic.error_code, topic.partitions.len())
        })
        .collect()
}

#[test]
fn null_means_all_topics_and_empty_means_none_but_in_version_0() {
    let mut node = Node::new(1);
    node.create_topic("a", 1, &[]);
    node.create_topic("b", 2, &[]);
    let connection = node.connect(0);
    let all = [("a".to_owned(), 0, 1), ("b".to_owned(), 0, 2)];
    let null = MetadataRequest { topics: None, ..Default::default() };
    for (version, request, expected) in [
        (0, wanted(&[], true), &all[..]),
        (1, wanted(&[], true), &[]),
        (1, null.clone(), &all[..]),
        (13, null, &all[..]),
    ] {
        let response = metadata(&mut node, connection, version, request);
        assert_eq!(summary(&response), expected, "v{version}");
        assert_eq!((response.brokers.len(), response.brokers[0].port), (1, 9092));
    }
}

#[test]
fn topics_are_found_by_name_and_from_version_12_by_id() {
    let mut node = Node::new(1);
    let id = node.create_topic("a", 1, &[]);
    let connection = node.connect(0);
    let by_id = |topic_id| MetadataRequest {
        topics: Some(vec![MetadataRequestTopic { topic_id, name: None }]),
        ..Default::default()
    };
    for (version, request, error, name) in [
        (12, by_id(id), 0, Some("a")),
        (12, by_id(Uuid([3; 16])), ErrorCode::UnknownTopicId.code(), None),
        (11, by_id(id), ErrorCode::InvalidRequest.code(), Some("")),
        (9, wanted(&["nobody"], false), ErrorCode::UnknownTopicOrPartition.code(), Some("nobody")),
        (9, wanted(&["no body"], true), ErrorCode::InvalidTopicException.code(), Some("no body")),
    ] {
        let response = metadata(&mut node, connection, version, request);
        let topic = &response.topics[0];
        assert_eq!((topic.error_code, topic.name.as_deref()), (error, name), "v{version}");
    }
}

#[test]
fn a_topic_asked_for_is_not_there_yet_and_soon_is() {
    for shards in [1, 3] {
        let mut node = Node::new(shards);
        let connection = node.connect(0);
        let asked = ["new", "no body", "__transaction_state", "__cluster_metadata"];
        let response = metadata(&mut node, connection, 9, wanted(&asked, true));
        let errors: Vec<i16> = response.topics.iter().map(|topic| topic.error_code).collect();
        assert_eq!(errors, [3, 17, 3, 3]);
        node.run();
        let response = metadata(&mut node, connection, 9, wanted(&asked, false));
        assert_eq!(summary(&response)[0], ("new".to_owned(), 0, 1));
        assert!(summary(&response)[1..].iter().all(|(_, error, _)| *error != 0));
        let response = metadata(&mut node, connection, 9, wanted(&["other"], false));
        assert_eq!(summary(&response), [("other".to_owned(), 3, 0)]);
        produce(&mut node, connection, "new");
    }
}

fn produce(node: &mut Node, connection: ConnectionId, topic: &str) {
    let partition_data = vec![PartitionProduceData { index: 0, records: Some(batch(&["a", "b", "c"])) }];
    let request = ProduceRequest {
        acks: -1,
        topic_data: vec![TopicProduceData { name: topic.into(), partition_data, ..Default::default() }],
        ..Default::default()
    };
    let Response::Produce(response) = node.call(connection, 9, request) else { panic!() };
    assert_eq!(response.responses[0].partition_responses[0].error_code, 0);
}

#[test]
fn api_versions_tell_what_is_served_and_survive_a_version_of_the_future() {
    let mut node = Node::new(1);
    let connection = node.connect(0);
    let request = ApiVersionsRequest {
        client_software_name: "test".into(),
        client_software_version: "1".into(),
        ..Default::default()
    };
    let Response::ApiVersions(response) = node.call(connection, 4, request.clone()) else { panic!() };
    let range = |key| {
        let api = response.api_keys.iter().find(|api| api.api_key == key)?;
        Some((api.min_version, api.max_version))
    };
    for (key, expected) in
        [(0, Some((0, 13))), (1, Some((4, 18))), (18, Some((0, 4))), (24, None), (68, None)]
    {
        assert_eq!(range(key), expected, "{key}");
    }
    let finalized: Vec<_> =
        response.finalized_features.iter().map(|feature| feature.name.to_string()).collect();
    assert_eq!(finalized, ["kraft.version", "metadata.version"]);
    let supported = response.supported_features.iter();
    let supported: Vec<_> =
        supported.map(|feature| (feature.name.as_str(), feature.min_version, feature.max_version)).collect();
    let expected =
        [("eligible.leader.replicas.version", 0, 1), ("kraft.version", 0, 1), ("metadata.version", 7, 30)];
    assert_eq!(supported, expected);

    let bad = ApiVersionsRequest { client_software_name: "-".into(), ..request };
    let Response::ApiVersions(response) = node.call(connection, 3, bad) else { panic!() };
    assert_eq!(response.error_code, ErrorCode::InvalidRequest.code());

    // key 18, version 99, correlation 7, client "a", no tags
    node.send_bytes(connection, Bytes::from_static(b"\x00\x12\x00\x63\x00\x00\x00\x07\x00\x01a\x00"));
    node.run();
    let frame = node.replies.get_mut(&connection).unwrap().pop_front().unwrap();
    assert_eq!(frame[4..], *b"\x00\x00\x00\x07\x00\x23\x00\x00\x00\x01\x00\x12\x00\x00\x00\x04");
    // what is not served ends the connection: AddPartitionsToTxn, and an old Produce
    node.send_bytes(connection, Bytes::from_static(b"\x00\x00\x00\x02\x00\x00\x00\x08\x00\x01a"));
    node.run();
    assert_eq!(node.closed, [connection]);
}

#[test]
fn records_are_deleted_up_to_an_offset() {
    for shards in [1, 3] {
        let mut node = Node::new(shards);
        node.create_topic("t", 1, &[]);
        node.create_topic("c", 1, &[("cleanup.policy", "compact")]);
        let connection = node.connect(0);
        produce(&mut node, connection, "t");
        for (topic, offset, error, low) in [
            ("t", 2, 0, 2),
            ("t", -1, 0, 3),
            ("t", 9, ErrorCode::OffsetOutOfRange.code(), -1),
            ("c", 0, ErrorCode::PolicyViolation.code(), -1),
        ] {
            let partitions = vec![DeleteRecordsPartition { partition_index: 0, offset }];
            let topics = vec![DeleteRecordsTopic { name: topic.into(), partitions }];
            let request = DeleteRecordsRequest { topics, timeout_ms: 1000 };
            let Response::DeleteRecords(response) = node.call(connection, 2, request) else { panic!() };
            let answer = &response.topics[0].partitions[0];
            assert_eq!((answer.error_code, answer.low_watermark), (error, low), "{topic} {offset}");
        }
    }
}

#[test]
fn a_deleted_topic_frees_its_files() {
    let mut node = Node::new(1);
    let id = node.create_topic("t", 1, &[("file.delete.delay.ms", "1000")]);
    let connection = node.connect(0);
    produce(&mut node, connection, "t");
    let names = |node: &Node| {
        let entries = node.files.read_directory(DIRECTORY.as_ref()).unwrap();
        entries.into_iter().filter(|entry| entry.is_directory).map(|entry| entry.name).collect::<Vec<_>>()
    };
    assert_eq!(names(&node), ["t-0"]);
    node.delete_topic(id);
    let left = names(&node);
    assert!(left.len() == 1 && left[0].starts_with("t-0.") && left[0].ends_with("-delete"), "{left:?}");
    node.pass(20_000);
    assert_eq!(names(&node), Vec::<String>::new());
    let response = metadata(&mut node, connection, 9, wanted(&["t"], false));
    assert_eq!(summary(&response), [("t".to_owned(), 3, 0)]);
}

#[test]
fn configs_sizes_and_producer_ids_are_told() {
    for shards in [1, 3] {
        let mut node = Node::new(shards);
        node.create_topic("t", 2, &[("retention.ms", "1234")]);
        let connection = node.connect(0);
        produce(&mut node, connection, "t");
        let resources = vec![
            DescribeConfigsResource {
                resource_type: 2,
                resource_name: "t".into(),
                configuration_keys: Some(vec!["retention.ms".into()]),
            },
            DescribeConfigsResource { resource_type: 2, resource_name: "u".into(), configuration_keys: None },
            DescribeConfigsResource { resource_type: 4, resource_name: "1".into(), configuration_keys: None },
        ];
        let request =
            DescribeConfigsRequest { resources, include_synonyms: true, include_documentation: true };
        let Response::DescribeConfigs(response) = node.call(connection, 4, request) else { panic!() };
        let config = &response.results[0].configs[0];
        assert_eq!((config.value.as_deref(), config.config_source, config.config_type), (Some("1234"), 1, 5));
        assert!(config.documentation.is_some() && !config.synonyms.is_empty());
        assert_eq!(response.results[1].error_code, ErrorCode::UnknownTopicOrPartition.code());
        assert!(response.results[2].configs.len() > 100);

        let Response::DescribeLogDirs(dirs) =
            node.call(connection, 4, DescribeLogDirsRequest { topics: None })
        else {
            panic!()
        };
        let partitions: Vec<_> = dirs.results[0].topics.iter().flat_map(|topic| &topic.partitions).collect();
        assert_eq!((dirs.results.len(), partitions.len()), (1, 2), "{shards} shards");
        assert!(partitions.iter().any(|partition| partition.partition_size > 0));

        // blocks of three ids: the fourth needs another
        let ids: Vec<_> = (0..5)
            .map(|_| {
                let request = InitProducerIdRequest { transactional_id: None, ..Default::default() };
                let Response::InitProducerId(response) = node.call(connection, 4, request) else { panic!() };
                (response.error_code, response.producer_id)
            })
            .collect();
        assert_eq!(ids, [(0, 0), (0, 1), (0, 2), (0, 3), (0, 4)]);
        let request = InitProducerIdRequest { transactional_id: Some("x".into()), ..Default::default() };
        let Response::InitProducerId(response) = node.call(connection, 4, request) else { panic!() };
        assert_eq!(response.error_code, ErrorCode::TransactionalIdAuthorizationFailed.code());
    }
}

#[test]
fn the_operator_is_told_once_that_compacted_topics_are_not_cleaned() {
    for shards in [1, 3] {
        let mut node = Node::new(shards);
        node.create_topic("__consumer_offsets", 1, &[("cleanup.policy", "compact")]);
        node.create_topic("plain", 3, &[]);
        assert_eq!(node.log, Vec::<String>::new());
        node.create_topic("first", 3, &[("cleanup.policy", "compact,delete")]);
        node.create_topic("second", 3, &[("cleanup.policy", "compact")]);
        let [told] = node.log.as_slice() else { panic!("{:?}", node.log) };
        assert!(told.starts_with("topic first: cleanup.policy=compact keeps every record"), "{told}");
    }
}

#[test]
fn nobody_has_credentials() {
    use protocol::messages::DescribeUserScramCredentialsRequest;
    use protocol::messages::describe_user_scram_credentials_request::UserName;
    let mut node = Node::new(1);
    let connection = node.connect(0);
    for (users, expected) in [
        (None, vec![]),
        (Some(vec![UserName { name: "alice".into() }]), vec![("alice", ErrorCode::ResourceNotFound)]),
    ] {
        let request = DescribeUserScramCredentialsRequest { users };
        let Response::DescribeUserScramCredentials(answer) = node.call(connection, 0, request) else {
            panic!()
        };
        assert_eq!(answer.error_code, 0);
        let found: Vec<_> =
            answer.results.iter().map(|one| (one.user.as_str(), ErrorCode::from(one.error_code))).collect();
        assert_eq!(found, expected);
    }
}
