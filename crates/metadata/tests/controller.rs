//! The controller as a driver uses it: decide, apply at once, and what Apache Kafka 4.3.1 answered to the same.

mod harness;

use harness::{Harness, line};
use protocol::messages::*;
use protocol::{ErrorCode, Str};

fn topic(name: &str, partitions: i32, replication_factor: i16) -> create_topics_request::CreatableTopic {
    create_topics_request::CreatableTopic {
        name: Str::from(name),
        num_partitions: partitions,
        replication_factor,
        ..Default::default()
    }
}

#[test]
fn a_fresh_single_node() {
    let mut node = Harness::new(1);
    assert_eq!(
        node.activate(),
        [
            "BeginTransaction Bootstrap records",
            "FeatureLevel metadata.version=30",
            "FeatureLevel eligible.leader.replicas.version=1",
            "FeatureLevel group.version=1",
            "FeatureLevel share.version=1",
            "FeatureLevel streams.version=1",
            "FeatureLevel transaction.version=2",
            "Config 4/ min.insync.replicas=1",
            "EndTransaction",
        ]
    );
    assert_eq!(node.register(1), ["RegisterBroker 1 epoch=9 fenced"]);
    assert_eq!(node.heartbeat(1, 9, false, false).0, ["BrokerRegistrationChange 1 fenced=-1"]);
    let (records, response) = node.create(vec![topic("a", 2, 1)]);
    assert_eq!(response.topics[0].error_code, 0, "{response:?}");
    assert_eq!(
        records,
        [
            "Topic a",
            "Partition a-0 replicas=[1] isr=[1] leader=1/0 epoch=0",
            "Partition a-1 replicas=[1] isr=[1] leader=1/0 epoch=0"
        ]
    );
    let configs = response.topics[0].configs.as_ref().unwrap();
    assert_eq!(configs.len(), 33);
    let min_isr = configs.iter().find(|config| config.name == "min.insync.replicas").unwrap();
    assert_eq!((min_isr.value.as_deref(), min_isr.config_source), (Some("1"), 3));
}

#[test]
fn topics_are_refused_as_by_kafka() {
    let mut node = Harness::ready(1);
    node.create(vec![topic("aa", 2, 1), topic("c.d", 1, 1)]);
    let config = |name: &str, value: Option<&str>| {
        let mut one = topic("bc", 1, 1);
        let (name, value) = (Str::from(name), value.map(Str::from));
        one.configs = vec![create_topics_request::CreatableTopicConfig { name, value }];
        one
    };
    let manual = |assignments: &[(i32, &[i32])]| {
        let mut one = topic("m", -1, -1);
        let assignment = |(index, ids): &(i32, &[i32])| create_topics_request::CreatableReplicaAssignment {
            partition_index: *index,
            broker_ids: ids.to_vec(),
        };
        one.assignments = assignments.iter().map(assignment).collect();
        one
    };
    for (topic, code, message) in [
        (topic("aa", 2, 1), ErrorCode::TopicAlreadyExists, "Topic 'aa' already exists."),
        (
            topic("a b", 2, 1),
            ErrorCode::InvalidTopicException,
            "Topic name is invalid: 'a b' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'",
        ),
        (topic("..", 1, 1), ErrorCode::InvalidTopicException, "Topic name is invalid: '..' is not allowed"),
        (
            topic("c_d", 1, 1),
            ErrorCode::InvalidTopicException,
            "Topic 'c_d' collides with existing topic: c.d",
        ),
        (
            topic("r3", 1, 3),
            ErrorCode::InvalidReplicationFactor,
            "Unable to replicate the partition 3 time(s): The target replication factor of 3 cannot be reached because \
             only 1 broker(s) are registered or some brokers have all their log directories cordoned.",
        ),
        (
            topic("r0", 1, 0),
            ErrorCode::InvalidReplicationFactor,
            "Replication factor must be larger than 0, or -1 to use the default value.",
        ),
        (
            topic("p0", 0, 1),
            ErrorCode::InvalidPartitions,
            "Number of partitions was set to an invalid non-positive value.",
        ),
        (
            topic("p0", 10_001, 1),
            ErrorCode::PolicyViolation,
            "Excessively large number of partitions per request.",
        ),
        (config("foo", Some("bar")), ErrorCode::InvalidConfig, "Unknown topic config name: foo"),
        (
            config("retention.ms", Some("abc")),
            ErrorCode::InvalidConfig,
            "Invalid value abc for configuration retention.ms: Not a number of type LONG",
        ),
        (
            config("retention.ms", None),
            ErrorCode::InvalidConfig,
            "Null value not supported for topic configs: retention.ms",
        ),
        (
            manual(&[(0, &[5])]),
            ErrorCode::InvalidReplicaAssignment,
            "The manual partition assignment includes broker 5, but no such broker is registered.",
        ),
        (
            manual(&[(0, &[1, 1])]),
            ErrorCode::InvalidReplicaAssignment,
            "The manual partition assignment includes the broker 1 more than once.",
        ),
        (
            manual(&[(0, &[])]),
            ErrorCode::InvalidReplicaAssignment,
            "The manual partition assignment includes an empty replica list.",
        ),
        (
            manual(&[(1, &[1])]),
            ErrorCode::InvalidReplicaAssignment,
            "partitions should be a consecutive 0-based integer sequence",
        ),
        (
            topic("__cluster_metadata", 1, 1),
            ErrorCode::InvalidRequest,
            "Creation of internal topic __cluster_metadata is prohibited.",
        ),
    ] {
        let (records, response) = node.create(vec![topic]);
        let result = &response.topics[0];
        assert_eq!((result.error_code, result.error_message.as_deref()), (code.code(), Some(message)));
        assert!(records.is_empty());
    }
}

#[test]
fn partitions_and_deletion() {
    let mut node = Harness::ready(1);
    node.create(vec![topic("aa", 2, 1)]);
    for (name, count, code, message) in [
        ("aa", 3, 0, None),
        ("aa", 2, 37, Some("The topic aa currently has 3 partition(s); 2 would not be an increase.")),
        ("aa", 3, 37, Some("Topic already has 3 partition(s).")),
        ("aa", -1, 37, Some("The topic aa currently has 3 partition(s); -1 would not be an increase.")),
        ("nope", 3, 3, Some("This server does not host this topic-partition.")),
        ("aa", 20_000, 44, Some("Excessively large number of partitions per request.")),
    ] {
        let topics = vec![create_partitions_request::CreatePartitionsTopic {
            name: Str::from(name),
            count,
            assignments: None,
        }];
        let request = CreatePartitionsRequest { topics, ..Default::default() };
        let response = node.run(|controller, context| controller.create_partitions(&request, context)).1;
        let result = &response.results[0];
        assert_eq!((result.error_code, result.error_message.as_deref()), (code, message));
    }
    assert_eq!(node.controller.image().topics.by_name("aa").unwrap().partitions.len(), 3);

    let (lines, response) = node.delete(&["nope", "aa"]);
    assert_eq!(lines, ["RemoveTopic"]);
    assert_eq!(response.responses.iter().map(|one| one.error_code).collect::<Vec<_>>(), [3, 0]);
    assert!(node.controller.image().topics.is_empty());
}

/// Resource type and name, operation, key, value; then error code, message and how many records.
type ConfigRow = (i8, &'static str, i8, &'static str, Option<&'static str>, i16, Option<&'static str>, usize);

#[test]
fn configs_are_changed_as_by_kafka() {
    let mut node = Harness::ready(1);
    node.create(vec![topic("aa", 1, 1)]);
    let rows: &[ConfigRow] = &[
        (2, "aa", 0, "retention.ms", Some("1000"), 0, None, 1),
        (2, "aa", 0, "retention.ms", Some("1000"), 0, None, 0),
        (
            2,
            "aa",
            0,
            "retention.ms",
            Some("abc"),
            40,
            Some("Invalid value abc for configuration retention.ms: Not a number of type LONG"),
            0,
        ),
        (2, "aa", 0, "foo", Some("abc"), 40, Some("Unknown topic config name: foo"), 0),
        (2, "nope", 0, "retention.ms", Some("5"), 3, Some("The topic 'nope' does not exist."), 0),
        (
            2,
            "aa",
            2,
            "retention.ms",
            Some("5"),
            40,
            Some("Can't APPEND to key retention.ms because its type is not LIST."),
            0,
        ),
        (2, "aa", 2, "cleanup.policy", Some("compact"), 0, None, 1),
        (2, "aa", 3, "cleanup.policy", Some("delete"), 0, None, 1),
        (2, "aa", 3, "cleanup.policy", Some("compact"), 0, None, 1),
        (2, "aa", 1, "cleanup.policy", None, 0, None, 1),
        (
            2,
            "aa",
            2,
            "cleanup.policy",
            Some("foo"),
            40,
            Some(
                "Invalid value foo for configuration cleanup.policy: String must be one of: compact, delete",
            ),
            0,
        ),
        (2, "", 0, "retention.ms", Some("5"), 42, Some("Default topic resources are not allowed."), 0),
        // a change of min.insync.replicas makes everybody ineligible
        (2, "aa", 0, "min.insync.replicas", Some("2"), 0, None, 2),
        (
            4,
            "1",
            0,
            "min.insync.replicas",
            Some("2"),
            40,
            Some("Broker-level min.insync.replicas cannot be altered while ELR is enabled."),
            0,
        ),
        (
            4,
            "",
            1,
            "min.insync.replicas",
            None,
            40,
            Some("Cluster-level min.insync.replicas cannot be removed while ELR is enabled."),
            0,
        ),
        // for brokers a record is written even where nothing changes
        (4, "1", 0, "log.retention.ms", Some("5000"), 0, None, 1),
        (4, "1", 0, "log.retention.ms", Some("5000"), 0, None, 1),
        (4, "7", 0, "log.retention.ms", Some("5000"), 102, Some("No node with id 7 found."), 0),
        (
            4,
            "x",
            0,
            "num.io.threads",
            Some("9"),
            42,
            Some("Unable to parse broker name as a base 10 number."),
            0,
        ),
        (32, "g", 0, "consumer.session.timeout.ms", Some("50000"), 0, None, 1),
        (
            32,
            "",
            0,
            "consumer.session.timeout.ms",
            Some("50000"),
            42,
            Some("Default group resources are not allowed."),
            0,
        ),
        (
            16,
            "s",
            2,
            "metrics",
            Some("a"),
            40,
            Some("Can't APPEND to key metrics because its type is not LIST."),
            0,
        ),
    ];
    for (resource_type, resource_name, operation, name, value, code, message, count) in rows {
        use incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig};
        let config = AlterableConfig {
            name: Str::from(*name),
            config_operation: *operation,
            value: value.map(Str::from),
        };
        let resource = AlterConfigsResource {
            resource_type: *resource_type,
            resource_name: Str::from(*resource_name),
            configs: vec![config],
        };
        let request = IncrementalAlterConfigsRequest { resources: vec![resource], validate_only: false };
        let (lines, response) =
            node.run(|controller, _| controller.incremental_alter_configs(&request, true));
        let result = &response.responses[0];
        assert_eq!(
            (result.error_code, result.error_message.as_deref()),
            (*code, *message),
            "{name} {value:?}"
        );
        assert_eq!(lines.len(), *count, "{name} {value:?}: {lines:?}");
    }
    let legacy = alter_configs_request::AlterConfigsResource {
        resource_type: 2,
        resource_name: Str::from("aa"),
        configs: vec![alter_configs_request::AlterableConfig {
            name: Str::from("retention.ms"),
            value: Some(Str::from("7")),
        }],
    };
    let request = AlterConfigsRequest { resources: vec![legacy], validate_only: false };
    let (lines, _) = node.run(|controller, _| controller.alter_configs(&request, true));
    assert_eq!(lines, ["Config 2/aa retention.ms=7", "Config 2/aa min.insync.replicas=null", "ClearElr aa"]);
}

#[test]
fn features_are_changed_as_by_kafka() {
    let mut node = Harness::ready(1);
    let failed = "The update failed for all features since the following feature had an error: ";
    for (feature, level, upgrade_type, message) in [
        (
            "metadata.version",
            29,
            2,
            Some(
                "Unsupported metadata.version downgrade from 30 to 29. Refusing to perform the requested downgrade \
                 because it might delete metadata information.",
            ),
        ),
        ("metadata.version", 30, 1, None),
        (
            "foo",
            1,
            1,
            Some(
                "Invalid update version 1 for feature foo. Local controller 1 does not support this feature.",
            ),
        ),
        ("group.version", 0, 2, None),
        ("group.version", 1, 1, None),
        ("group.version", 1, 2, None),
        (
            "metadata.version",
            7,
            3,
            Some(
                "Unsupported metadata.version downgrade from 30 to 7. Unsafe metadata downgrade is not supported in \
                 this version.",
            ),
        ),
        ("transaction.version", 1, 2, None),
        ("kraft.version", 1, 1, None),
        ("eligible.leader.replicas.version", 0, 2, None),
        ("eligible.leader.replicas.version", 1, 1, None),
    ] {
        let update = update_features_request::FeatureUpdateKey {
            feature: Str::from(feature),
            max_version_level: level,
            upgrade_type,
            ..Default::default()
        };
        let request = UpdateFeaturesRequest { feature_updates: vec![update], ..Default::default() };
        let (lines, reply) = node.run(|controller, _| controller.update_features(&request, 2));
        let expected = message.map(|message| format!("{failed}{message}"));
        assert_eq!(reply.response.error_message.as_deref(), expected.as_deref(), "{feature} {level}");
        assert_eq!(reply.response.error_code, if message.is_some() { 95 } else { 0 });
        assert_eq!(lines.is_empty(), message.is_some(), "{feature} {level}: {lines:?}");
    }
}

#[test]
fn a_level_that_is_not_stable_is_refused_unless_all_nodes_enable_it() {
    let with = |enable| {
        let mut node = Harness::with(7, &[("unstable.feature.versions.enable", enable)]);
        node.activate();
        node
    };
    let mut with_broker = with("true");
    with_broker.join(1);
    for (mut node, message) in [
        (with("false"), Some("Local controller 1 only supports versions 7-30")),
        (with_broker, Some("Broker 1 only supports versions 7-30")),
        (with("true"), None),
    ] {
        let update = update_features_request::FeatureUpdateKey {
            feature: Str::from("metadata.version"),
            max_version_level: 31,
            upgrade_type: 1,
            ..Default::default()
        };
        let request = UpdateFeaturesRequest { feature_updates: vec![update], ..Default::default() };
        let (lines, reply) = node.run(|controller, _| controller.update_features(&request, 2));
        let text = reply.response.error_message.unwrap_or_default();
        match message {
            None => {
                assert_eq!((lines, text.as_str()), (vec!["FeatureLevel metadata.version=31".to_owned()], ""))
            }
            Some(message) => {
                let invalid = "Invalid update version 31 for feature metadata.version. ";
                assert!(text.ends_with(&format!("{invalid}{message}")) && lines.is_empty(), "{text}");
            }
        }
    }
}

#[test]
fn elections_on_one_node() {
    let mut node = Harness::ready(1);
    node.create(vec![topic("aa", 1, 1)]);
    for (election_type, name, code, message) in [
        (0, "aa", 84, "Leader election not needed for topic partition."),
        (1, "aa", 84, "Leader election not needed for topic partition."),
        (0, "nope", 3, "No such topic as nope"),
    ] {
        let topics =
            vec![elect_leaders_request::TopicPartitions { topic: Str::from(name), partitions: vec![0] }];
        let request = ElectLeadersRequest { election_type, topic_partitions: Some(topics), timeout_ms: 0 };
        let response = node.run(|controller, _| controller.elect_leaders(&request)).1;
        let result = &response.replica_election_results[0].partition_result[0];
        assert_eq!((result.error_code, result.error_message.as_deref()), (code, Some(message)));
    }
}

#[test]
fn producer_ids_go_up_by_blocks() {
    let mut node = Harness::ready(1);
    let epoch = node.epoch(1);
    for (broker_epoch, code, start) in [(epoch, 0, 0), (epoch, 0, 1000), (epoch + 1, 77, 0), (epoch, 0, 2000)]
    {
        let request = AllocateProducerIdsRequest { broker_id: 1, broker_epoch };
        let response = node.run(|controller, _| controller.allocate_producer_ids(&request)).1;
        assert_eq!((response.error_code, response.producer_id_start), (code, start));
    }
}

#[test]
fn a_snapshot_is_the_same_image() {
    let mut node = Harness::ready(1);
    node.create(vec![topic("aa", 3, 1), topic("b", 1, 1)]);
    let image = node.controller.image().clone();
    let records = image.snapshot_records();
    assert_eq!(line(&image, &records[0]), "FeatureLevel metadata.version=30");
    let bytes: Vec<_> = records
        .iter()
        .map(|record| {
            let version = metadata::features::record_version(record, image.metadata_version());
            record.encode(version).expect("encodes")
        })
        .collect();
    let decoded: Vec<_> = bytes
        .into_iter()
        .map(|bytes| protocol::records::metadata::MetadataRecord::decode(bytes).expect("decodes").0)
        .collect();
    let mut loaded = metadata::image::MetadataImage::from_snapshot(&decoded, 99).unwrap();
    assert!(loaded.cluster.broker(1).is_some_and(|broker| broker.registered_at == 99));
    loaded.cluster = image.cluster.clone();
    assert_eq!(loaded, image);
    assert!(metadata::image::Delta::between(&image, &loaded).is_empty());
}
