//! Groups with their lag, the quorum, the controller and the brokers.

use std::io;

use broker::metrics::{GroupRow, QuorumRow};

use super::Scrape;
use super::text::Exposition;

pub fn write(scrape: &Scrape, out: &mut Exposition<'_>) -> io::Result<()> {
    groups(scrape, out)?;
    lag(scrape, out)?;
    let nothing = QuorumRow::default();
    let row = scrape.metrics.quorum.as_ref().unwrap_or(&nothing);
    quorum(row, out)?;
    controller(row, out)?;
    brokers(scrape.node_id, row, out)
}

/// States as DescribeGroups says them, and as the old beans are called.
const STATES: [(&str, &str); 5] = [
    ("PreparingRebalance", "kafka_coordinator_group_groupmetadatamanager_numgroupspreparingrebalance"),
    ("CompletingRebalance", "kafka_coordinator_group_groupmetadatamanager_numgroupscompletingrebalance"),
    ("Stable", "kafka_coordinator_group_groupmetadatamanager_numgroupsstable"),
    ("Empty", "kafka_coordinator_group_groupmetadatamanager_numgroupsempty"),
    ("Dead", "kafka_coordinator_group_groupmetadatamanager_numgroupsdead"),
];

fn groups(scrape: &Scrape, out: &mut Exposition<'_>) -> io::Result<()> {
    let groups = &scrape.metrics.groups;
    let in_state = |state: &str| groups.iter().filter(|group| group.state == state).count();
    out.gauge(
        "kafka_coordinator_group_groupmetadatamanager_numgroups",
        "Groups coordinated here.",
        groups.len(),
    )?;
    for (state, name) in STATES {
        out.gauge(name, "Groups in this state.", in_state(state))?;
    }
    let offsets: usize = groups.iter().map(|group| group.offsets.len()).sum();
    out.gauge("kafka_coordinator_group_groupmetadatamanager_numoffsets", "Offsets that are kept.", offsets)?;
    out.family("kafka_server_group_coordinator_metrics_group_count", "gauge", "Groups by state.")?;
    for (state, _) in STATES {
        out.sample(&[("protocol", &"classic"), ("state", &state)], in_state(state))?;
    }
    out.family("kafka_consumergroup_members", "gauge", "Members of the group.")?;
    for group in groups {
        out.sample(&[("consumergroup", &group.group)], group.members)?;
    }
    Ok(())
}

/// What is still to be read of a partition; none where it is not led here.
fn lag_of(scrape: &Scrape, topic: &str, partition: i32, committed: i64) -> Option<i64> {
    let rows = &scrape.metrics.partitions;
    let found = rows.binary_search_by(|row| (&*row.topic, row.partition).cmp(&(topic, partition)));
    let row = rows.get(found.ok()?).filter(|row| row.is_leader)?;
    Some(row.high_watermark.saturating_sub(committed.max(row.log_start_offset)).max(0))
}

fn lag(scrape: &Scrape, out: &mut Exposition<'_>) -> io::Result<()> {
    let groups = &scrape.metrics.groups;
    out.family("kafka_consumergroup_current_offset", "gauge", "Committed offset.")?;
    for group in groups {
        for (topic, partition, offset) in &group.offsets {
            let labels: [super::text::Label<'_>; 3] =
                [("consumergroup", &group.group), ("topic", topic), ("partition", partition)];
            out.sample(&labels, offset)?;
        }
    }
    out.family("kafka_consumergroup_lag", "gauge", "Records from the committed offset to the end.")?;
    for group in groups {
        for (topic, partition, offset) in &group.offsets {
            if let Some(lag) = lag_of(scrape, topic, *partition, *offset) {
                let labels: [super::text::Label<'_>; 3] =
                    [("consumergroup", &group.group), ("topic", topic), ("partition", partition)];
                out.sample(&labels, lag)?;
            }
        }
    }
    out.family("kafka_consumergroup_current_offset_sum", "gauge", "Committed offsets of a topic, added up.")?;
    by_topic(groups, out, |_, _, offset| offset)?;
    out.family("kafka_consumergroup_lag_sum", "gauge", "Lag of a topic, added up.")?;
    by_topic(groups, out, |topic, partition, offset| lag_of(scrape, topic, partition, offset).unwrap_or(0))
}

fn by_topic(
    groups: &[GroupRow],
    out: &mut Exposition<'_>,
    value: impl Fn(&str, i32, i64) -> i64,
) -> io::Result<()> {
    for group in groups {
        for topic in group.offsets.chunk_by(|a, b| a.0 == b.0) {
            let sum: i64 =
                topic.iter().map(|(topic, partition, offset)| value(topic, *partition, *offset)).sum();
            if let Some((name, _, _)) = topic.first() {
                out.sample(&[("consumergroup", &group.group), ("topic", name)], sum)?;
            }
        }
    }
    Ok(())
}

fn quorum(row: &QuorumRow, out: &mut Exposition<'_>) -> io::Result<()> {
    out.family("kafka_server_raft_metrics_current_state", "gauge", "1 at the state that this node is in.")?;
    out.sample(&[("state", &row.state)], 1)?;
    for (name, help, value) in [
        (
            "kafka_server_raft_metrics_current_leader",
            "Leader of the quorum, -1 where none is known.",
            row.leader.into(),
        ),
        ("kafka_server_raft_metrics_current_epoch", "Epoch of the quorum.", row.epoch.into()),
        (
            "kafka_server_raft_metrics_high_watermark",
            "High watermark of the metadata log.",
            row.high_watermark,
        ),
        ("kafka_server_raft_metrics_log_end_offset", "End of the metadata log.", row.log_end_offset),
        ("kafka_server_raft_metrics_log_end_epoch", "Epoch at its end.", row.log_end_epoch.into()),
        ("kafka_server_raft_metrics_number_of_voters", "Voters of the quorum.", row.voters as i64),
        ("kafka_server_raft_metrics_is_observer", "1 where this node has no vote.", row.is_observer.into()),
        (
            "kafka_server_broker_metadata_metrics_last_applied_record_offset",
            "Last offset of the metadata log that is in force.",
            row.last_applied_offset,
        ),
        (
            "kafka_server_metadataloader_currentmetadataversion",
            "Level of metadata.version.",
            row.metadata_version.into(),
        ),
        ("kafka_server_metadataloader_currentcontrollerid", "Active controller.", row.leader.into()),
    ] {
        out.gauge(name, help, value)?;
    }
    Ok(())
}

fn controller(row: &QuorumRow, out: &mut Exposition<'_>) -> io::Result<()> {
    for (name, help, value) in [
        (
            "kafka_controller_kafkacontroller_activecontrollercount",
            "1 on the active controller.",
            u64::from(row.is_active_controller),
        ),
        ("kafka_controller_kafkacontroller_activebrokercount", "Brokers that serve.", row.active_brokers),
        (
            "kafka_controller_kafkacontroller_fencedbrokercount",
            "Brokers that do not serve.",
            row.fenced_brokers,
        ),
        (
            "kafka_controller_kafkacontroller_controlledshutdownbrokercount",
            "Brokers that are stopping.",
            row.stopping_brokers,
        ),
        ("kafka_controller_kafkacontroller_globaltopiccount", "Topics.", row.topics),
        ("kafka_controller_kafkacontroller_globalpartitioncount", "Partitions.", row.partitions),
        (
            "kafka_controller_kafkacontroller_offlinepartitionscount",
            "Partitions without a leader.",
            row.offline_partitions,
        ),
        (
            "kafka_controller_kafkacontroller_preferredreplicaimbalancecount",
            "Partitions that another than the first replica leads.",
            row.preferred_replica_imbalance,
        ),
    ] {
        out.gauge(name, help, value)?;
    }
    let applied = row.last_applied_offset;
    out.gauge("kafka_controller_kafkacontroller_lastappliedrecordoffset", "Last offset applied.", applied)?;
    let committed = row.high_watermark.saturating_sub(1);
    out.gauge(
        "kafka_controller_kafkacontroller_lastcommittedrecordoffset",
        "Last offset committed.",
        committed,
    )?;
    // a record that cannot be applied ends the node
    out.gauge("kafka_controller_kafkacontroller_metadataerrorcount", "Errors while applying metadata.", 0)
}

/// As kafka_exporter counts them, and what state this one is in.
fn brokers(node_id: i32, row: &QuorumRow, out: &mut Exposition<'_>) -> io::Result<()> {
    out.gauge("kafka_brokers", "Brokers of the cluster that serve.", row.active_brokers)?;
    out.family("kafka_broker_info", "gauge", "1 for each broker.")?;
    for (id, address) in &row.brokers {
        out.sample(&[("id", id), ("address", address)], 1)?;
    }
    // Kafka's numbers: 3 is running, 1 starting
    let state = if row.brokers.iter().any(|(id, _)| *id == node_id) { 3 } else { 1 };
    out.gauge("kafka_server_kafkaserver_brokerstate", "3 where this broker serves.", state)
}
