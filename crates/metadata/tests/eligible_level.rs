//! `eligible.leader.replicas.version` or `min.insync.replicas` changes while nobody is in sync: whoever has what is committed leads when it is
//! back. Apache Kafka 4.3.1 (a controller and two brokers, each change tried with brokers that stopped in order and with
//! brokers that were killed) has no leader after a change to 0, nor after one to 1 where the last in sync was killed.

mod harness;

use harness::Harness;
use protocol::Str;
use protocol::messages::create_topics_request::*;
use protocol::records::metadata::{FeatureLevelRecord, MetadataRecord};

const FEATURE: &str = "eligible.leader.replicas.version";

/// A topic of replicas 1, 2 and 3, of which two have to be in sync, and everybody gone, the third broker last, then the
/// second.
fn without_brokers(level: i16) -> Harness {
    let mut node = Harness::ready(3);
    node.set_level(FEATURE, level);
    let topic = CreatableTopic {
        name: Str::from("t"),
        num_partitions: -1,
        replication_factor: -1,
        assignments: vec![CreatableReplicaAssignment { partition_index: 0, broker_ids: vec![1, 2, 3] }],
        configs: vec![CreatableTopicConfig {
            name: Str::from("min.insync.replicas"),
            value: Some(Str::from("2")),
        }],
    };
    node.create(vec![topic]);
    for id in [1, 3, 2] {
        let epoch = node.epoch(id);
        node.heartbeat(id, epoch, true, false);
    }
    node
}

/// Another life of a broker. Lines of the registration, but its own, and of what comes of it when it is unfenced.
fn comes_back(node: &mut Harness, id: i32, clean: bool) -> Vec<String> {
    node.now_ms += 10_000;
    let mut request = node.registration(id);
    if clean {
        request.previous_broker_epoch = node.epoch(id);
    }
    let (mut lines, response) =
        node.run(|controller, context| controller.register_broker(&request, 4, context));
    assert_eq!(response.error_code, 0);
    lines.extend(is_unfenced(node, id));
    lines.retain(|line| line.starts_with("Partition"));
    lines
}

fn is_unfenced(node: &mut Harness, id: i32) -> Vec<String> {
    let epoch = node.epoch(id);
    let mut lines = node.heartbeat(id, epoch, false, false).0;
    lines.retain(|line| line.starts_with("Partition"));
    lines
}

#[test]
fn who_is_eligible_is_in_sync_below() {
    let lowered = [
        "PartitionChange t-0 isr=[2, 3] elr=[]",
        "ClearElr ",
        "FeatureLevel eligible.leader.replicas.version=0",
    ];
    // the same life goes on
    let mut node = without_brokers(1);
    assert_eq!(node.set_level(FEATURE, 0), lowered);
    assert_eq!(is_unfenced(&mut node, 1), [""; 0], "it lacks records");
    assert_eq!(is_unfenced(&mut node, 3), ["PartitionChange t-0 isr=[3] leader=3"]);
    assert_eq!(is_unfenced(&mut node, 2), [""; 0], "its leader says when it is in sync");
    // another, after a stop in order
    let mut node = without_brokers(1);
    assert_eq!(node.set_level(FEATURE, 0), lowered);
    assert_eq!(comes_back(&mut node, 3, true), ["PartitionChange t-0 isr=[3] leader=3"]);
    // killed: the last of them leads, as at this level always
    let mut node = without_brokers(1);
    assert_eq!(node.set_level(FEATURE, 0), lowered);
    assert_eq!(comes_back(&mut node, 2, false), ["PartitionChange t-0 isr=[3]"]);
    assert_eq!(comes_back(&mut node, 3, false), ["PartitionChange t-0 leader=3"]);
    // and back again before anybody is
    let mut node = without_brokers(1);
    assert_eq!(node.set_level(FEATURE, 0), lowered);
    assert_eq!(node.set_level(FEATURE, 1), ["FeatureLevel eligible.leader.replicas.version=1"]);
    assert_eq!(is_unfenced(&mut node, 2), ["PartitionChange t-0 isr=[2] elr=[3] leader=2"]);
}

#[test]
fn who_led_last_is_in_sync_below() {
    let mut node = without_brokers(1);
    node.now_ms += 10_000;
    node.register(2);
    node.register(3);
    assert_eq!(
        node.set_level(FEATURE, 0),
        [
            "PartitionChange t-0 isr=[2] recovery=1",
            "ClearElr ",
            "FeatureLevel eligible.leader.replicas.version=0"
        ]
    );
    assert_eq!(is_unfenced(&mut node, 3), [""; 0]);
    assert_eq!(is_unfenced(&mut node, 2), ["PartitionChange t-0 leader=2"]);
}

#[test]
fn who_was_in_sync_last_leads_above() {
    for (clean, expected) in [
        (true, &["PartitionChange t-0 leader=2"][..]),
        (
            false,
            &[
                "PartitionChange t-0 isr=[] lastKnownElr=[2]",
                "PartitionChange t-0 isr=[2] lastKnownElr=[] leader=2 recovery=1",
            ],
        ),
    ] {
        let mut node = without_brokers(0);
        assert_eq!(
            node.set_level(FEATURE, 1),
            ["FeatureLevel eligible.leader.replicas.version=1"],
            "min.insync.replicas stands for the cluster already"
        );
        assert_eq!(comes_back(&mut node, 3, clean), [""; 0]);
        assert_eq!(comes_back(&mut node, 2, clean), expected, "{clean}");
    }
}

#[test]
fn who_is_eligible_is_in_sync_by_another_minimum() {
    use protocol::messages::IncrementalAlterConfigsRequest;
    use protocol::messages::incremental_alter_configs_request::*;
    for (resource_type, resource_name) in [(2, "t"), (4, "")] {
        let mut node = without_brokers(1);
        let config = AlterableConfig {
            name: "min.insync.replicas".into(),
            config_operation: 0,
            value: Some("3".into()),
        };
        let resource = AlterConfigsResource {
            resource_type,
            resource_name: resource_name.into(),
            configs: vec![config],
        };
        let request = IncrementalAlterConfigsRequest { resources: vec![resource], validate_only: false };
        let (lines, _) = node.run(|controller, _| controller.incremental_alter_configs(&request, false));
        assert_eq!(
            lines,
            [
                format!("Config {resource_type}/{resource_name} min.insync.replicas=3"),
                "PartitionChange t-0 isr=[2, 3] elr=[]".to_owned(),
                format!("ClearElr {resource_name}"),
            ]
        );
        assert_eq!(is_unfenced(&mut node, 3), ["PartitionChange t-0 isr=[3] elr=[2] leader=3"]);
    }
}

/// Its controller writes nothing but the level.
#[test]
fn what_kafkas_controller_left_of_a_change() {
    let lowers = |node: &mut Harness| {
        let record = FeatureLevelRecord { name: Str::from(FEATURE), feature_level: 0 };
        node.controller.replay(&MetadataRecord::FeatureLevel(record), node.next_offset).unwrap();
        node.next_offset += 1;
    };
    // nobody has led since
    let mut node = without_brokers(1);
    lowers(&mut node);
    node.set_level(FEATURE, 1);
    assert_eq!(
        comes_back(&mut node, 3, true),
        ["PartitionChange t-0 isr=[3] elr=[2] lastKnownElr=[] leader=3"]
    );
    // one of them is here
    let mut node = without_brokers(1);
    lowers(&mut node);
    assert_eq!(is_unfenced(&mut node, 1), ["PartitionChange t-0 elr=[]"]);
    assert_eq!(is_unfenced(&mut node, 2), [""; 0]);
    assert_eq!(
        node.set_level(FEATURE, 1),
        [
            "PartitionChange t-0 isr=[2] lastKnownElr=[] leader=2 recovery=1",
            "FeatureLevel eligible.leader.replicas.version=1"
        ]
    );
    // somebody leads
    let mut node = without_brokers(1);
    is_unfenced(&mut node, 3);
    lowers(&mut node);
    assert_eq!(
        node.set_level(FEATURE, 1),
        ["PartitionChange t-0 elr=[] lastKnownElr=[]", "FeatureLevel eligible.leader.replicas.version=1"]
    );
}
