//! Random operations on a cluster of five: whatever is decided can be applied, written and read, and what must always
//! hold does.

mod harness;

use std::collections::BTreeMap;

use harness::Harness;
use metadata::controller::Task;
use metadata::features::MetadataVersion;
use metadata::image::{Delta, MetadataImage};
use protocol::Str;
use protocol::messages::*;

fn check(before: &MetadataImage, after: &MetadataImage) {
    let elr = after.eligible_leader_replicas_enabled();
    for (topic, index, partition) in after.topics.partitions() {
        let name = format!("{}-{index}: {partition:?}", topic.name);
        assert!(partition.in_sync_replicas.iter().all(|id| partition.replicas.contains(id)), "{name}");
        assert!(elr || !partition.in_sync_replicas.is_empty(), "{name}");
        let known =
            [&partition.in_sync_replicas, &partition.eligible_leader_replicas, &partition.last_known_elr];
        let old = before.topics.partition(topic.id, index);
        assert!(known.iter().any(|ids| !ids.is_empty()), "nobody will lead {name}, which was {old:?}");
        let recorded =
            if after.metadata_version().supports_directories() { partition.replicas.len() } else { 0 };
        assert_eq!(partition.directories.len(), recorded, "{name}");
        if partition.leader >= 0 {
            assert!(partition.in_sync_replicas.contains(&partition.leader), "{name}");
        }
        if !partition.in_sync_replicas.is_empty() && partition.leader >= 0 {
            let broker = after.cluster.broker(partition.leader);
            assert!(broker.is_none_or(|broker| !broker.fenced), "a fenced broker leads {name}");
        }
        let Some(old) = before.topics.partition(topic.id, index) else { continue };
        assert!(partition.leader_epoch >= old.leader_epoch, "{name}");
        assert!(partition.partition_epoch >= old.partition_epoch, "{name}");
        if partition.leader != old.leader {
            assert!(partition.leader_epoch > old.leader_epoch, "{name}");
        }
        if partition != old {
            assert!(partition.partition_epoch > old.partition_epoch, "{name}");
        }
    }
    let records = after.snapshot_records();
    let mut again = MetadataImage::from_snapshot(&records, 0).expect("a snapshot that can be read");
    again.cluster = after.cluster.clone();
    assert_eq!(again, *after);
}

fn alter_partition(node: &mut Harness) {
    use alter_partition_request::{BrokerState, PartitionData, TopicData};
    let image = node.controller.image().clone();
    let all: Vec<_> = image.topics.partitions().filter(|(.., partition)| partition.leader >= 0).collect();
    if all.is_empty() {
        return;
    }
    let (topic, index, partition) = all[node.random.below(all.len() as u64) as usize];
    let isr: Vec<i32> = partition
        .replicas
        .iter()
        .copied()
        .filter(|id| *id == partition.leader || (image.cluster.is_active(*id) && node.random.one_in(2)))
        .collect();
    let state = |id: &i32| BrokerState { broker_id: *id, broker_epoch: -1 };
    let data = PartitionData {
        partition_index: index,
        leader_epoch: partition.leader_epoch,
        new_isr_with_epochs: isr.iter().map(state).collect(),
        partition_epoch: partition.partition_epoch,
        ..Default::default()
    };
    let Some(leader) = image.cluster.broker(partition.leader) else { return };
    let topics = vec![TopicData { topic_id: topic.id, partitions: vec![data] }];
    let request = AlterPartitionRequest { broker_id: leader.id, broker_epoch: leader.epoch, topics };
    node.run(|controller, _| controller.alter_partition(&request, 3));
}

fn reassign(node: &mut Harness) {
    use alter_partition_reassignments_request::{ReassignablePartition, ReassignableTopic};
    let image = node.controller.image().clone();
    let names: Vec<Str> = image.topics.iter().map(|topic| topic.name.clone()).collect();
    if names.is_empty() {
        return;
    }
    let name = names[node.random.below(names.len() as u64) as usize].clone();
    let mut target: Vec<i32> = (1..=5).filter(|_| node.random.one_in(2)).collect();
    let by = node.random.below(target.len().max(1) as u64) as usize;
    target.rotate_left(by);
    let replicas = (!target.is_empty()).then_some(target);
    let partition = ReassignablePartition { partition_index: 0, replicas };
    let topics = vec![ReassignableTopic { name, partitions: vec![partition] }];
    let request = AlterPartitionReassignmentsRequest {
        topics,
        allow_replication_factor_change: true,
        ..Default::default()
    };
    node.run(|controller, _| controller.alter_partition_reassignments(&request));
}

fn step(node: &mut Harness, number: u64) {
    let id = 1 + node.random.below(5) as i32;
    match node.random.below(13) {
        0 => {
            let topic = create_topics_request::CreatableTopic {
                name: Str::from(format!("t{number}")),
                num_partitions: 1 + node.random.below(3) as i32,
                replication_factor: 1 + node.random.below(3) as i16,
                ..Default::default()
            };
            node.create(vec![topic]);
        }
        1 => {
            let name = node.controller.image().topics.iter().next().map(|topic| topic.name.to_string());
            if let Some(name) = name.filter(|_| node.random.one_in(3)) {
                node.delete(&[&name]);
            }
        }
        2..=5 => {
            if node.controller.image().cluster.broker(id).is_some() {
                let epoch = node.epoch(id);
                let (fence, stop) = (node.random.one_in(3), node.random.one_in(4));
                node.heartbeat(id, epoch, fence, stop);
            }
        }
        6 => {
            node.now_ms += 9000;
            let mut request = node.registration(id);
            if node.random.one_in(2) {
                request.previous_broker_epoch =
                    node.controller.image().cluster.broker(id).map_or(-1, |broker| broker.epoch);
            }
            node.run(|controller, context| controller.register_broker(&request, 4, context));
        }
        7 => {
            node.now_ms += node.random.below(6000) as i64;
            let now = node.now_ms;
            node.run(|controller, _| controller.run_task(Task::FenceStaleBroker, now));
        }
        8 | 9 => alter_partition(node),
        10 => reassign(node),
        11 if node.controller.image().metadata_version().supports_eligible_leader_replicas() => {
            let level = node.random.below(2) as i16;
            node.set_level("eligible.leader.replicas.version", level);
        }
        _ => {
            let task = if node.random.one_in(2) { Task::BalanceLeaders } else { Task::UncleanElection };
            let now = node.now_ms;
            node.run(|controller, _| controller.run_task(task, now));
        }
    }
}

#[test]
fn what_must_hold_holds() {
    let mut seen: BTreeMap<&str, u32> = BTreeMap::new();
    for seed in 0..60 {
        let extra: &[(&str, &str)] = match seed % 3 {
            0 => &[("min.insync.replicas", "2")],
            1 => &[("unclean.leader.election.enable", "true")],
            _ => &[],
        };
        let mut node = Harness::with(seed, extra);
        // what has no room in the records of an old version must not be written
        let version = [30, 7, 30, 16, 30, 22][seed as usize / 3 % 6];
        node.activate_at(MetadataVersion(version));
        for id in 1..=5 {
            node.join(id);
        }
        for number in 0..150 {
            let before = node.controller.image().clone();
            node.controller.publish();
            step(&mut node, number);
            let after = node.controller.image().clone();
            check(&before, &after);
            let (published, delta) = node.controller.publish();
            assert_eq!(published, after);
            let found = Delta::between(&before, &after);
            // what is told of may have come back to what it was; what changed is told of
            for (topic, partitions) in &found.partitions {
                assert!(partitions.is_subset(&delta.partitions[topic]), "seed {seed} step {number}");
            }
            assert_eq!(
                (&delta.topics_created, &delta.topics_deleted),
                (&found.topics_created, &found.topics_deleted)
            );
            for (_, _, partition) in after.topics.partitions() {
                *seen.entry("leaderless").or_default() += u32::from(partition.leader < 0);
                *seen.entry("reassigning").or_default() += u32::from(partition.is_reassigning());
                *seen.entry("eligible").or_default() +=
                    u32::from(!partition.eligible_leader_replicas.is_empty());
            }
        }
    }
    assert!(seen.values().all(|count| *count > 50), "{seen:?}");
}
