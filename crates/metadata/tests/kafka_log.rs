//! The metadata log of an Apache Kafka 4.3.1 node on which nearly everything was created, changed and deleted: read,
//! written again to the same bytes, and understood as that node understood it.

mod harness;

use std::collections::BTreeMap;

use metadata::configs::{ConfigSource, Entry, Kind, describe};
use metadata::features::record_version;
use metadata::image::{ConfigResource, Loader, MetadataImage};
use protocol::records::metadata::MetadataRecord;
use records::Batches;

const LOG: &[u8] = include_bytes!("../testdata/kafka-metadata.log");

/// Every record with its offset, version and bytes.
fn log() -> Vec<(i64, MetadataRecord, i16, Vec<u8>)> {
    let mut all = Vec::new();
    for batch in Batches::new(LOG) {
        let batch = batch.expect("a batch");
        if batch.header().is_control() {
            continue;
        }
        let data = batch.data(1 << 20).expect("its data");
        for record in batch.records(&data) {
            let record = record.expect("a record");
            let value = record.value.expect("a value").to_vec();
            let (decoded, version) = MetadataRecord::decode(value.clone().into()).expect("a known record");
            all.push((record.offset.0, decoded, version, value));
        }
    }
    all
}

fn image() -> MetadataImage {
    let mut loader = Loader::default();
    for (offset, record, ..) in log() {
        loader.apply(&record, offset).unwrap_or_else(|error| panic!("{offset}: {error}"));
    }
    assert!(!loader.in_transaction());
    loader.publish().0
}

#[test]
fn records_are_written_as_kafka_wrote_them() {
    let log = log();
    assert!(log.len() > 70, "{}", log.len());
    let mut loader = Loader::default();
    for (offset, record, version, bytes) in log {
        loader.apply(&record, offset).unwrap();
        let chosen = record_version(&record, loader.head().metadata_version());
        assert_eq!(chosen, version, "{offset}: {record:?}");
        assert_eq!(record.encode(chosen).unwrap(), bytes, "{offset}: {record:?}");
    }
}

#[test]
fn a_fresh_kafka_begins_as_we_do() {
    let kafka: Vec<String> = log()
        .iter()
        .take_while(|(_, record, ..)| !matches!(record, MetadataRecord::RegisterController(_)))
        .filter(|(_, record, ..)| !matches!(record, MetadataRecord::NoOp(_)))
        .map(|(_, record, ..)| harness::line(&MetadataImage::default(), record))
        .collect();
    let ours = harness::Harness::new(1).activate();
    assert_eq!(kafka[..ours.len()], ours);
}

#[test]
fn the_image_is_what_was_done() {
    let image = image();
    assert_eq!(image.metadata_version().0, 30);
    assert_eq!(image.topics.by_name("aa").unwrap().partitions.len(), 3);
    assert!(image.topics.by_name("nope").is_none());
    assert_eq!(image.feature_level("transaction.version"), 2);
    assert_eq!(image.client_quotas.len(), 3);
    // it was stopped in order at the end
    assert!(image.cluster.broker(1).is_some_and(|broker| broker.in_controlled_shutdown || broker.fenced));
    let snapshot = image.snapshot_records();
    let mut again = MetadataImage::from_snapshot(&snapshot, 0).unwrap();
    again.cluster = image.cluster.clone();
    assert_eq!(again, image);
}

fn source_name(source: ConfigSource) -> &'static str {
    match source {
        ConfigSource::DynamicTopic => "DYNAMIC_TOPIC_CONFIG",
        ConfigSource::DynamicBroker => "DYNAMIC_BROKER_CONFIG",
        ConfigSource::DynamicDefaultBroker => "DYNAMIC_DEFAULT_BROKER_CONFIG",
        ConfigSource::StaticBroker => "STATIC_BROKER_CONFIG",
        ConfigSource::Default => "DEFAULT_CONFIG",
        ConfigSource::DynamicBrokerLogger => "DYNAMIC_BROKER_LOGGER_CONFIG",
        ConfigSource::ClientMetrics => "DYNAMIC_CLIENT_METRICS_CONFIG",
        ConfigSource::Group => "DYNAMIC_GROUP_CONFIG",
    }
}

fn row(kind: &str, resource: &str, entry: &Entry) -> String {
    let text = |value: &Option<String>| value.clone().unwrap_or("null".to_owned());
    let synonym = |one: &metadata::configs::Synonym| {
        format!("{}={}@{}", one.name, text(&one.value), source_name(one.source))
    };
    [
        kind.to_owned(),
        resource.to_owned(),
        entry.name.clone(),
        text(&entry.value),
        source_name(entry.source).to_owned(),
        entry.definition.map_or("UNKNOWN", |row| Kind::name(row.kind)).to_owned(),
        if entry.read_only { "ro" } else { "rw" }.to_owned(),
        if entry.sensitive { "secret" } else { "open" }.to_owned(),
        entry.synonyms.iter().map(synonym).collect::<Vec<_>>().join(";"),
    ]
    .join("\t")
}

#[test]
fn configs_are_described_as_by_that_node() {
    let image = image();
    let file: BTreeMap<String, String> = [
        ("process.roles", "broker,controller"),
        ("node.id", "1"),
        ("broker.id", "1"),
        ("controller.quorum.voters", "1@127.0.0.1:29393"),
        ("controller.listener.names", "CONTROLLER"),
        ("listeners", "PLAINTEXT://127.0.0.1:29392,CONTROLLER://127.0.0.1:29393"),
        ("log.dirs", "/tmp/mdk/data"),
        ("offsets.topic.replication.factor", "1"),
        ("transaction.state.log.replication.factor", "1"),
        ("log.retention.hours", "200"),
        ("num.partitions", "3"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into();
    let layers = image.layers(1, &file);
    let own = |kind: i8, name: &str| image.properties(&ConfigResource::new(kind, name));
    let mut ours = Vec::new();
    let mut add = |kind: &str, resource: &str, mut entries: Vec<Entry>| {
        entries.retain(|entry| !entry.name.starts_with("barnabas."));
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        ours.extend(entries.iter().map(|entry| row(kind, resource, entry)));
    };
    add("TOPIC", "aa", describe::topic(own(2, "aa"), layers));
    add("TOPIC", "def", describe::topic(own(2, "def"), layers));
    add("BROKER", "1", describe::broker(layers));
    add("BROKER", "", describe::cluster(layers));
    add("GROUP", "g", describe::group(own(32, "g"), layers));
    add("GROUP", "nog", describe::group(own(32, "nog"), layers));
    add("CLIENT_METRICS", "s", describe::client_metrics(own(16, "s")));
    let table = include_str!("../testdata/describe-configs.tsv");
    // Kafka forgets log.retention.hours of the file while log.retention.ms is set at run time; we show what is there
    ours.retain(|line| !line.starts_with("BROKER\t1\tlog.retention.hours\t"));
    let kafka: Vec<&str> = table.lines().filter(|line| !line.starts_with('#')).collect();
    let kafka: Vec<&str> =
        kafka.into_iter().filter(|line| !line.starts_with("BROKER\t1\tlog.retention.hours\t")).collect();
    let missing: Vec<&&str> = kafka.iter().filter(|line| !ours.iter().any(|one| one == *line)).collect();
    let extra: Vec<&String> = ours.iter().filter(|line| !kafka.contains(&line.as_str())).collect();
    assert!(missing.is_empty() && extra.is_empty(), "Kafka's\n{missing:#?}\nours\n{extra:#?}");
}
