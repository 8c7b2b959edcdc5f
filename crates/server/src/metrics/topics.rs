//! Topics and partitions: a name at a time over rows in order, so that ten thousand partitions are only ever written.

use std::fmt::Display;
use std::io;

use broker::metrics::{PartitionRow, TopicCounts};

use super::Scrape;
use super::text::Exposition;

type TopicSeries = (&'static str, &'static str, fn(&TopicCounts) -> u64);

const TOPIC_SERIES: [TopicSeries; 8] = [
    ("kafka_server_brokertopicmetrics_messagesin_total", "Records appended.", |c| c.messages_in),
    ("kafka_server_brokertopicmetrics_bytesin_total", "Bytes appended for clients.", |c| c.bytes_in),
    ("kafka_server_brokertopicmetrics_bytesout_total", "Bytes given to consumers.", |c| c.bytes_out),
    (
        "kafka_server_brokertopicmetrics_bytesrejected_total",
        "Bytes refused because they were too many.",
        |c| c.bytes_rejected,
    ),
    ("kafka_server_brokertopicmetrics_totalproducerequests_total", "Appends asked for.", |c| {
        c.produce_requests
    }),
    ("kafka_server_brokertopicmetrics_totalfetchrequests_total", "Reads answered.", |c| c.fetch_requests),
    ("kafka_server_brokertopicmetrics_failedproducerequests_total", "Appends refused.", |c| {
        c.failed_produce_requests
    }),
    ("kafka_server_brokertopicmetrics_failedfetchrequests_total", "Reads refused.", |c| {
        c.failed_fetch_requests
    }),
];

/// Name, what it tells, its value where it has one.
type PartitionSeries = (&'static str, &'static str, fn(&PartitionRow) -> Option<i64>);

const PARTITION_SERIES: [PartitionSeries; 16] = [
    ("kafka_log_log_size", "Bytes of the log.", |row| Some(row.size as i64)),
    ("kafka_log_log_logstartoffset", "First offset of the log.", |row| Some(row.log_start_offset)),
    ("kafka_log_log_logendoffset", "Offset after the last of the log.", |row| Some(row.log_end_offset)),
    ("kafka_log_log_numlogsegments", "Segments of the log.", |row| Some(row.segments as i64)),
    ("kafka_cluster_partition_underreplicated", "1 where a replica is out of sync.", |row| {
        row.is_leader.then_some(row.is_under_replicated().into())
    }),
    ("kafka_cluster_partition_underminisr", "1 below min.insync.replicas.", |row| {
        row.is_leader.then_some(row.is_under_min_in_sync().into())
    }),
    ("kafka_cluster_partition_insyncreplicascount", "Replicas in sync.", |row| {
        row.is_leader.then_some(row.in_sync_replicas.into())
    }),
    ("kafka_cluster_partition_replicascount", "Replicas.", |row| {
        row.is_leader.then_some(row.replicas.into())
    }),
    (
        "kafka_cluster_partition_laststableoffsetlag",
        "From the last stable offset to the high watermark.",
        |row| row.is_leader.then_some(row.high_watermark.saturating_sub(row.last_stable_offset)),
    ),
    ("kafka_topic_partition_current_offset", "Where a consumer at the end stands.", |row| {
        row.is_leader.then_some(row.high_watermark)
    }),
    ("kafka_topic_partition_oldest_offset", "Where a consumer at the beginning stands.", |row| {
        row.is_leader.then_some(row.log_start_offset)
    }),
    ("kafka_topic_partition_leader", "Broker that leads.", |row| row.is_leader.then_some(row.leader.into())),
    ("kafka_topic_partition_in_sync_replica", "Replicas in sync.", |row| {
        row.is_leader.then_some(row.in_sync_replicas.into())
    }),
    ("kafka_topic_partition_replicas", "Replicas.", |row| row.is_leader.then_some(row.replicas.into())),
    ("kafka_topic_partition_leader_is_preferred", "1 where the first replica leads.", |row| {
        row.is_leader.then_some(row.has_preferred_leader.into())
    }),
    ("kafka_topic_partition_under_replicated_partition", "1 where a replica is out of sync.", |row| {
        row.is_leader.then_some(row.is_under_replicated().into())
    }),
];

pub fn write(scrape: &Scrape, out: &mut Exposition<'_>) -> io::Result<()> {
    let rows = &scrape.metrics.partitions;
    for (name, help, count) in TOPIC_SERIES {
        out.family(name, "counter", help)?;
        // without a topic: of all topics, those that are deleted among them
        out.sample(&[], count(&scrape.metrics.all_topics))?;
        for topic in rows.chunk_by(|a, b| a.topic == b.topic) {
            let mut sum = TopicCounts::default();
            topic.iter().for_each(|row| sum.add(&row.counts));
            if let (Some(first), true) = (topic.first(), sum != TopicCounts::default()) {
                out.sample(&[("topic", &first.topic)], count(&sum))?;
            }
        }
    }
    for (name, help, value) in PARTITION_SERIES {
        out.family(name, "gauge", help)?;
        for row in rows {
            if let Some(value) = value(row) {
                let labels: [(&str, &dyn Display); 2] =
                    [("topic", &row.topic), ("partition", &row.partition)];
                out.sample(&labels, value)?;
            }
        }
    }
    out.family("kafka_topic_partitions", "gauge", "Partitions of the topic that this broker leads.")?;
    for topic in rows.chunk_by(|a, b| a.topic == b.topic) {
        if let Some(first) = topic.first() {
            out.sample(&[("topic", &first.topic)], topic.iter().filter(|row| row.is_leader).count())?;
        }
    }
    Ok(())
}
