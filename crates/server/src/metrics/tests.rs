//! A whole scrape as text, from rows made by hand.

use broker::metrics::{GroupRow, PartitionRow, QuorumRow, TopicCounts};
use protocol::{ApiKey, ErrorCode};

use super::*;

fn row(topic: &'static str, partition: i32, end: i64) -> PartitionRow {
    PartitionRow {
        topic: topic.into(),
        partition,
        counts: TopicCounts { messages_in: end as u64, bytes_in: end as u64 * 70, ..TopicCounts::default() },
        leader: 1,
        is_leader: true,
        has_preferred_leader: true,
        replicas: 1,
        in_sync_replicas: 1,
        min_in_sync_replicas: 1,
        is_offline: false,
        size: end as u64 * 70,
        segments: 1,
        log_start_offset: 0,
        log_end_offset: end,
        high_watermark: end,
        last_stable_offset: end,
    }
}

fn scrape() -> Scrape {
    let mut metrics = Metrics {
        partitions: vec![row("a", 0, 5), row("a", 1, 0), row("empty", 0, 0)],
        ..Metrics::default()
    };
    metrics.all_topics = TopicCounts { messages_in: 7, bytes_in: 490, ..TopicCounts::default() };
    metrics.groups = vec![GroupRow {
        group: "a \"group\"\n".into(),
        state: "Stable",
        members: 2,
        offsets: vec![("a".into(), 0, 3), ("a".into(), 1, 0), ("gone".into(), 0, 9)],
    }];
    metrics.errors.insert((ApiKey::Produce, ErrorCode::KafkaStorageError.code()), 2);
    metrics.quorum = Some(QuorumRow {
        state: "leader",
        leader: 1,
        epoch: 2,
        high_watermark: 40,
        log_end_offset: 40,
        log_end_epoch: 2,
        voters: 1,
        is_active_controller: true,
        metadata_version: 30,
        last_applied_offset: 39,
        active_brokers: 1,
        topics: 2,
        partitions: 3,
        brokers: vec![(1, "localhost:9092".to_owned())],
        ..QuorumRow::default()
    });
    let mut traffic = Traffic::default();
    traffic.opened(0);
    traffic.opened(0);
    traffic.ended(0);
    for _ in 0..10 {
        let api = traffic.api_mut(ApiKey::Produce.code()).unwrap();
        api.count(12);
        api.answered(1500);
    }
    assert!(traffic.api_mut(-1).is_none() && traffic.api_mut(i16::MAX).is_none());
    let listeners = Arc::from(["PLAINTEXT".to_owned()]);
    Scrape { node_id: 1, listeners, metrics, traffic: vec![(ActorId::Quorum, traffic)] }
}

fn text(scrape: &Scrape) -> String {
    let mut text = Vec::new();
    scrape.write(&mut text).unwrap();
    let text = String::from_utf8(text).unwrap();
    // what follows differs from process to process
    text.split("# HELP process_cpu_seconds_total").next().unwrap().to_owned()
}

/// `REWRITE=1 cargo test -p server metrics` writes it anew.
#[test]
#[allow(clippy::disallowed_methods)]
fn a_scrape_is_as_it_was() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/metrics.txt");
    let text = text(&scrape());
    if std::env::var_os("REWRITE").is_some() {
        std::fs::write(path, &text).unwrap();
    }
    assert_eq!(text, std::fs::read_to_string(path).unwrap());
}

#[test]
fn a_name_is_explained_once_and_before_its_samples() {
    let mut known = std::collections::BTreeSet::new();
    let mut current = String::new();
    for scrape in [scrape(), Scrape::default()] {
        known.clear();
        for line in text(&scrape).lines() {
            if let Some(rest) = line.strip_prefix("# TYPE ") {
                current = rest.split(' ').next().unwrap().to_owned();
                assert!(known.insert(current.clone()), "{current} twice");
            } else if !line.starts_with('#') {
                assert!(line.starts_with(&current), "{line} under {current}");
            }
        }
    }
    assert!(known.contains("kafka_server_brokertopicmetrics_messagesin_total"), "there at zero");
}
