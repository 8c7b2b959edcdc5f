//! Several brokers: fencing, controlled shutdown, in-sync sets, reassignment, directories, periodic work.

mod harness;

use harness::Harness;
use metadata::controller::Task;
use protocol::Str;
use protocol::messages::*;
use types::Uuid;

fn create(node: &mut Harness, name: &str, assignments: &[&[i32]], configs: &[(&str, &str)]) -> Vec<String> {
    let assignment = |(index, ids): (usize, &&[i32])| create_topics_request::CreatableReplicaAssignment {
        partition_index: index as i32,
        broker_ids: ids.to_vec(),
    };
    let config = |(name, value): &(&str, &str)| create_topics_request::CreatableTopicConfig {
        name: Str::from(*name),
        value: Some(Str::from(*value)),
    };
    let topic = create_topics_request::CreatableTopic {
        name: Str::from(name),
        num_partitions: -1,
        replication_factor: -1,
        assignments: assignments.iter().enumerate().map(assignment).collect(),
        configs: configs.iter().map(config).collect(),
    };
    let (lines, response) = node.create(vec![topic]);
    assert_eq!(response.topics[0].error_code, 0, "{response:?}");
    lines
}

fn alter_isr(node: &mut Harness, leader: i32, topic: &str, isr: &[i32]) -> (Vec<String>, i16) {
    use alter_partition_request::{BrokerState, PartitionData, TopicData};
    let image = node.controller.image();
    let topic = image.topics.by_name(topic).unwrap();
    let partition = &topic.partitions[&0];
    let state = |id: &i32| BrokerState {
        broker_id: *id,
        broker_epoch: image.cluster.broker(*id).map_or(-1, |broker| broker.epoch),
    };
    let data = PartitionData {
        partition_index: 0,
        leader_epoch: partition.leader_epoch,
        new_isr_with_epochs: isr.iter().map(state).collect(),
        partition_epoch: partition.partition_epoch,
        ..Default::default()
    };
    let topics = vec![TopicData { topic_id: topic.id, partitions: vec![data] }];
    let request = AlterPartitionRequest { broker_id: leader, broker_epoch: node.epoch(leader), topics };
    let (lines, response) = node.run(|controller, _| controller.alter_partition(&request, 3));
    assert_eq!(response.error_code, 0);
    (lines, response.topics[0].partitions[0].error_code)
}

fn reassign(node: &mut Harness, topic: &str, target: Option<&[i32]>) -> (Vec<String>, i16) {
    use alter_partition_reassignments_request::{ReassignablePartition, ReassignableTopic};
    let partition = ReassignablePartition { partition_index: 0, replicas: target.map(<[i32]>::to_vec) };
    let topics = vec![ReassignableTopic { name: Str::from(topic), partitions: vec![partition] }];
    let request = AlterPartitionReassignmentsRequest {
        topics,
        allow_replication_factor_change: true,
        ..Default::default()
    };
    let (lines, response) = node.run(|controller, _| controller.alter_partition_reassignments(&request));
    (lines, response.responses[0].partitions[0].error_code)
}

#[test]
fn a_controller_that_was_away_blames_nobody() {
    let mut node = Harness::ready(3);
    create(&mut node, "t", &[&[1, 2, 3]], &[]);
    let schedule = node.controller.schedule(0);
    // sessions of 9 s are looked at every 1,125 ms
    for (now_ms, away_ms) in [(1125, 0), (2250, 0), (2251, 1126), (20_000, 18_875)] {
        assert_eq!(schedule.away_ms(Task::FenceStaleBroker, now_ms), away_ms, "{now_ms}");
    }
    let (lines, _) = node.run(|controller, _| {
        controller.was_away(18_875);
        controller.run_task(Task::FenceStaleBroker, 20_000)
    });
    assert_eq!(lines, [""; 0]);
    let (lines, _) = node.run(|controller, _| controller.run_task(Task::FenceStaleBroker, 28_000));
    assert_eq!(lines.last().map(String::as_str), Some("BrokerRegistrationChange 1 fenced=1"));
}

#[test]
fn a_silent_broker_is_fenced_and_comes_back() {
    let mut node = Harness::ready(3);
    create(&mut node, "t", &[&[1, 2, 3], &[2, 3, 1]], &[("min.insync.replicas", "2")]);
    node.now_ms = 5000;
    for id in [2, 3] {
        let epoch = node.epoch(id);
        node.heartbeat(id, epoch, false, false);
    }
    node.now_ms = 9000;
    let (lines, more) = node.run(|controller, _| controller.run_task(Task::FenceStaleBroker, 9000));
    assert!(!more);
    assert_eq!(
        lines,
        [
            "PartitionChange t-0 isr=[2, 3] leader=2",
            "PartitionChange t-1 isr=[2, 3]",
            "BrokerRegistrationChange 1 fenced=1"
        ]
    );
    // the next one makes the set too small: who leaves stays eligible
    let epoch = node.epoch(3);
    let (lines, _) = node.heartbeat(3, epoch, true, false);
    assert_eq!(
        lines,
        [
            "PartitionChange t-0 isr=[2] elr=[3]",
            "PartitionChange t-1 isr=[2] elr=[3]",
            "BrokerRegistrationChange 3 fenced=1"
        ]
    );
    let epoch = node.epoch(2);
    let (lines, _) = node.heartbeat(2, epoch, true, false);
    assert_eq!(
        lines,
        [
            "PartitionChange t-0 isr=[] elr=[2, 3] lastKnownElr=[2] leader=-1",
            "PartitionChange t-1 isr=[] elr=[2, 3] lastKnownElr=[2] leader=-1",
            "BrokerRegistrationChange 2 fenced=1"
        ]
    );
    let epoch = node.epoch(3);
    let (lines, response) = node.heartbeat(3, epoch, false, false);
    assert!(!response.is_fenced);
    assert_eq!(
        lines,
        [
            "BrokerRegistrationChange 3 fenced=-1",
            "PartitionChange t-0 isr=[3] elr=[2] lastKnownElr=[] leader=3",
            "PartitionChange t-1 isr=[3] elr=[2] lastKnownElr=[] leader=3"
        ]
    );
}

#[test]
fn a_controlled_shutdown_waits_for_the_others() {
    let mut node = Harness::ready(2);
    create(&mut node, "t", &[&[1, 2]], &[]);
    let (epoch, other) = (node.epoch(1), node.epoch(2));
    let (lines, response) = node.heartbeat(1, epoch, false, true);
    assert!(!response.should_shut_down && !response.is_fenced);
    assert_eq!(
        lines,
        ["BrokerRegistrationChange 1 inControlledShutdown", "PartitionChange t-0 isr=[2] leader=2"]
    );
    // broker 2 has not read it yet
    let (lines, response) = node.heartbeat(1, epoch, false, true);
    assert!(lines.is_empty() && !response.should_shut_down);
    node.heartbeat(2, other, false, false);
    let (lines, response) = node.heartbeat(1, epoch, false, true);
    assert!(response.should_shut_down && response.is_fenced);
    assert_eq!(lines, ["BrokerRegistrationChange 1 fenced=1"]);
}

#[test]
fn a_new_incarnation_needs_the_old_session_to_end() {
    let mut node = Harness::ready(1);
    create(&mut node, "t", &[&[1]], &[]);
    let request = node.registration(1);
    let (_, response) = node.run(|controller, context| controller.register_broker(&request, 4, context));
    assert_eq!(response.error_code, 101);
    node.now_ms = 9000;
    let next = node.next_offset;
    let (lines, response) = node.run(|controller, context| controller.register_broker(&request, 4, context));
    // an unclean stop: the replica is no more in sync, not even eligible; the epoch is the first record's offset
    assert_eq!(
        lines,
        [
            "PartitionChange t-0 isr=[] lastKnownElr=[1] leader=-1".to_owned(),
            format!("RegisterBroker 1 epoch={next} fenced")
        ]
    );
    assert_eq!(response.broker_epoch, next);
    let (lines, _) = node.heartbeat(1, next, false, false);
    assert_eq!(
        lines,
        [
            "BrokerRegistrationChange 1 fenced=-1",
            "PartitionChange t-0 isr=[1] lastKnownElr=[] leader=1 recovery=1"
        ]
    );
}

#[test]
fn registrations_are_refused() {
    let mut node = Harness::ready(1);
    type Change = fn(&mut BrokerRegistrationRequest);
    let rows: &[(Change, i16)] = &[
        (|request| request.cluster_id = Str::from("other"), 104),
        (|request| request.is_migrating_zk_broker = true, 102),
        (|request| request.log_dirs.clear(), 119),
        (|request| request.log_dirs = vec![Uuid([101; 16])], 119),
        (|request| request.log_dirs.push(Uuid([102; 16])), 119),
        (|request| request.features.retain(|feature| feature.name != "metadata.version"), 119),
        (|request| request.features.retain(|feature| feature.name != "group.version"), 35),
        (|request| request.features[0].min_supported_version = 9, 35),
    ];
    for (change, code) in rows {
        let mut request = node.registration(2);
        change(&mut request);
        let (lines, response) =
            node.run(|controller, context| controller.register_broker(&request, 4, context));
        assert_eq!(response.error_code, *code, "{request:?}");
        assert!(lines.is_empty());
    }
}

#[test]
fn in_sync_sets_are_judged() {
    let mut node = Harness::ready(3);
    create(&mut node, "t", &[&[1, 2, 3]], &[]);
    assert_eq!(alter_isr(&mut node, 1, "t", &[1, 2]), (vec!["PartitionChange t-0 isr=[1, 2]".to_owned()], 0));
    assert_eq!(alter_isr(&mut node, 1, "t", &[1, 2]), (vec![], 0));
    for (leader, isr, code) in
        [(2, &[1, 2][..], 42), (1, &[2], 42), (1, &[1, 1], 42), (1, &[1, 4], 42), (1, &[], 42)]
    {
        assert_eq!(alter_isr(&mut node, leader, "t", isr), (vec![], code), "{leader} {isr:?}");
    }
    let epoch = node.epoch(3);
    node.heartbeat(3, epoch, true, false);
    assert_eq!(alter_isr(&mut node, 1, "t", &[1, 2, 3]).1, 107);
}

#[test]
fn a_reassignment_ends_when_the_new_replicas_are_in_sync() {
    let mut node = Harness::ready(4);
    create(&mut node, "t", &[&[1, 2]], &[]);
    assert_eq!(reassign(&mut node, "t", None).1, 85);
    assert_eq!(reassign(&mut node, "t", Some(&[9])).1, 39);
    assert_eq!(
        reassign(&mut node, "t", Some(&[3, 4])).0,
        ["PartitionChange t-0 replicas=[3, 4, 1, 2] removing=[1, 2] adding=[3, 4] directories=4"]
    );
    let request = ListPartitionReassignmentsRequest { timeout_ms: 0, topics: None };
    let listed = metadata::controller::list_partition_reassignments(node.controller.image(), &request).topics;
    assert_eq!(listed[0].partitions[0].adding_replicas, [3, 4]);
    assert_eq!(alter_isr(&mut node, 1, "t", &[1, 2, 3]).0, ["PartitionChange t-0 isr=[1, 2, 3]"]);
    // the leader goes: what it asked is done, but it is told that another leads
    let (lines, code) = alter_isr(&mut node, 1, "t", &[1, 2, 3, 4]);
    assert_eq!(
        lines,
        ["PartitionChange t-0 isr=[3, 4] replicas=[3, 4] removing=[] adding=[] leader=3 directories=2"]
    );
    assert_eq!(code, 108);
    // shrinking is done at once where the rest is in sync
    assert_eq!(
        reassign(&mut node, "t", Some(&[3])).0,
        ["PartitionChange t-0 isr=[3] replicas=[3] leader=3 directories=1"]
    );
    // cancelled: everything is as before
    reassign(&mut node, "t", Some(&[3, 1]));
    assert_eq!(
        reassign(&mut node, "t", None).0,
        ["PartitionChange t-0 replicas=[3] adding=[] leader=3 directories=1"]
    );
}

/// Here Kafka's lists would name 3 as coming and going, and the reassignment would never end; and 2 as going though the
/// target has it.
#[test]
fn a_reassignment_that_replaces_another_ends_with_its_own_target() {
    for (target, first, then) in [
        (&[1, 2][..], "PartitionChange t-0 replicas=[1, 2] adding=[] leader=1 directories=2", None),
        (
            &[1, 4],
            "PartitionChange t-0 replicas=[1, 4, 2, 3] removing=[2, 3] adding=[4] directories=4",
            Some((
                &[1, 2, 4][..],
                "PartitionChange t-0 isr=[1, 4] replicas=[1, 4] removing=[] adding=[] leader=1 directories=2",
            )),
        ),
        (
            &[1, 2, 3],
            "PartitionChange t-0 replicas=[1, 2, 3] directories=3",
            Some((&[1, 2, 3], "PartitionChange t-0 isr=[1, 2, 3] adding=[]")),
        ),
    ] {
        let mut node = Harness::ready(4);
        create(&mut node, "t", &[&[1, 2]], &[]);
        reassign(&mut node, "t", Some(&[1, 3, 2]));
        assert_eq!(reassign(&mut node, "t", Some(target)).0, [first], "{target:?}");
        if let Some((isr, last)) = then {
            assert_eq!(alter_isr(&mut node, 1, "t", isr).0, [last], "{target:?}");
        }
    }
    let mut node = Harness::ready(4);
    create(&mut node, "t", &[&[1, 2]], &[]);
    reassign(&mut node, "t", Some(&[3, 1]));
    let (lines, _) = reassign(&mut node, "t", Some(&[1, 2, 3]));
    assert_eq!(lines, ["PartitionChange t-0 replicas=[1, 2, 3] removing=[] directories=3"]);
}

#[test]
fn preferred_leaders_are_restored() {
    let mut node = Harness::ready(2);
    create(&mut node, "t", &[&[1, 2]], &[]);
    let epoch = node.epoch(1);
    node.heartbeat(1, epoch, true, false);
    node.heartbeat(1, epoch, false, false);
    let balance = |node: &mut Harness| node.run(|controller, _| controller.run_task(Task::BalanceLeaders, 0));
    assert!(balance(&mut node).0.is_empty());
    alter_isr(&mut node, 2, "t", &[2, 1]);
    assert_eq!(balance(&mut node).0, ["PartitionChange t-0 leader=1"]);
}

#[test]
fn an_unclean_leader_only_where_the_topic_allows_it() {
    let mut node = Harness::ready(2);
    create(&mut node, "no", &[&[1, 2]], &[]);
    create(&mut node, "yes", &[&[1, 2]], &[]);
    for topic in ["no", "yes"] {
        alter_isr(&mut node, 1, topic, &[1]);
    }
    let epoch = node.epoch(1);
    node.heartbeat(1, epoch, true, false);
    let unclean =
        |node: &mut Harness| node.run(|controller, _| controller.run_task(Task::UncleanElection, 0)).0;
    assert!(unclean(&mut node).is_empty());
    let config = incremental_alter_configs_request::AlterableConfig {
        name: Str::from("unclean.leader.election.enable"),
        config_operation: 0,
        value: Some(Str::from("true")),
    };
    let resource = incremental_alter_configs_request::AlterConfigsResource {
        resource_type: 2,
        resource_name: Str::from("yes"),
        configs: vec![config],
    };
    let request = IncrementalAlterConfigsRequest { resources: vec![resource], validate_only: false };
    node.run(|controller, _| controller.incremental_alter_configs(&request, true));
    assert_eq!(
        unclean(&mut node),
        ["PartitionChange yes-0 isr=[2] elr=[] lastKnownElr=[] leader=2 recovery=1"]
    );
}

#[test]
fn directories_and_unregistration() {
    let mut node = Harness::ready(2);
    create(&mut node, "t", &[&[1, 2]], &[]);
    let topic_id = node.controller.image().topics.id("t").unwrap();
    use assign_replicas_to_dirs_request::{DirectoryData, PartitionData, TopicData};
    let assign = |node: &mut Harness, broker: i32, directory: Uuid, partition: i32| {
        let partitions = vec![PartitionData { partition_index: partition }];
        let topics = vec![TopicData { topic_id, partitions }];
        let request = AssignReplicasToDirsRequest {
            broker_id: broker,
            broker_epoch: node.epoch(broker),
            directories: vec![DirectoryData { id: directory, topics }],
        };
        let (lines, response) = node.run(|controller, _| controller.assign_replicas_to_dirs(&request));
        (lines, response.directories[0].topics[0].partitions[0].error_code)
    };
    assert_eq!(assign(&mut node, 2, Uuid([102; 16]), 0), (vec![], 0));
    assert_eq!(assign(&mut node, 2, Uuid([102; 16]), 9).1, 3);
    // a directory the broker never told of: the replica there cannot be in sync
    let (lines, code) = assign(&mut node, 2, Uuid([77; 16]), 0);
    assert_eq!(code, 0);
    assert_eq!(lines, ["PartitionChange t-0 directories=2", "PartitionChange t-0 isr=[1]"]);

    let unregister = |node: &mut Harness, broker_id: i32| {
        let request = UnregisterBrokerRequest { broker_id };
        let (lines, response) = node.run(|controller, _| controller.unregister_broker(&request));
        (lines, response.error_code, response.error_message)
    };
    let (_, code, message) = unregister(&mut node, 7);
    assert_eq!((code, message.as_deref()), (102, Some("Broker ID 7 is not currently registered")));
    let (lines, code, _) = unregister(&mut node, 1);
    assert_eq!(code, 0);
    assert_eq!(lines.last().map(String::as_str), Some("UnregisterBroker"));
}

#[test]
fn quotas_are_judged_as_by_kafka() {
    let mut node = Harness::ready(1);
    type Entity = &'static [(&'static str, Option<&'static str>)];
    let user: Entity = &[("user", Some("u"))];
    let ip: Entity = &[("ip", Some("127.0.0.1"))];
    let rows: &[(Entity, &str, f64, Option<&str>)] = &[
        (user, "producer_byte_rate", 5.0, None),
        (&[("user", None)], "producer_byte_rate", 5.0, None),
        (user, "foo", 5.0, Some("Invalid configuration key foo")),
        (user, "producer_byte_rate", 0.0, Some("Quota producer_byte_rate must be greater than 0")),
        (user, "producer_byte_rate", 5.5, Some("producer_byte_rate cannot be a fractional value.")),
        (user, "request_percentage", 5.5, None),
        (&[("foo", Some("u"))], "producer_byte_rate", 5.0, Some("Unhandled client quota entity type: foo")),
        (ip, "connection_creation_rate", 5.0, None),
        (
            &[("ip", Some("not an ip"))],
            "connection_creation_rate",
            5.0,
            Some("not an ip is not a valid IP or resolvable host."),
        ),
        (ip, "producer_byte_rate", 5.0, Some("Invalid configuration key producer_byte_rate")),
        (&[("user", Some(""))], "producer_byte_rate", 5.0, Some("Empty user not supported")),
        (user, "controller_mutation_rate", 5.5, None),
        (
            &[("user", Some("u")), ("ip", Some("1.1.1.1"))],
            "producer_byte_rate",
            5.0,
            Some("Invalid quota entity combination, IP entity shouldnot be combined with User or ClientId"),
        ),
        (&[], "producer_byte_rate", 5.0, Some("Invalid empty client quota entity")),
    ];
    for (entity, key, value, message) in rows {
        use alter_client_quotas_request::{EntityData, EntryData, OpData};
        let part = |(kind, name): &(&str, Option<&str>)| EntityData {
            entity_type: Str::from(*kind),
            entity_name: name.map(Str::from),
        };
        let entry = EntryData {
            entity: entity.iter().map(part).collect(),
            ops: vec![OpData { key: Str::from(*key), value: *value, remove: false }],
        };
        let request = AlterClientQuotasRequest { entries: vec![entry], validate_only: false };
        let (lines, response) = node.run(|controller, _| controller.alter_client_quotas(&request));
        assert_eq!(response.entries[0].error_message.as_deref(), *message, "{entity:?} {key}");
        assert_eq!(lines.is_empty(), message.is_some());
    }
}
