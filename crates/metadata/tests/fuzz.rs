//! Records of the metadata log that nobody decided on: decoded, applied to the image and to a snapshot of it, they end
//! in an error or in an image that can be written and read. And configurations with strange values.

#[path = "../../../fuzz/fuzzing.rs"]
mod fuzzing;

use std::collections::BTreeMap;

use bytes::Bytes;
use fuzzing::{STRANGE, each_seed, mutate, mutate_text, peak_of, pick};
use metadata::configs::{StaticConfig, unknown_names};
use metadata::image::{Loader, MetadataImage};
use platform::Random;
use protocol::records::metadata::MetadataRecord;
use records::Batches;

const LOG: &[u8] = include_bytes!("../testdata/kafka-metadata.log");

/// The values of a node on which nearly everything was done.
fn values() -> Vec<Bytes> {
    let mut values = Vec::new();
    for batch in Batches::new(LOG).map(Result::unwrap).filter(|batch| !batch.is_control()) {
        let data = batch.data(1 << 20).unwrap();
        values.extend(
            batch.records(&data).map(|record| Bytes::copy_from_slice(record.unwrap().value.unwrap())),
        );
    }
    values
}

/// Some of the records: damaged, left out, doubled, at another place.
fn disorder(values: &[Bytes], random: &mut Random) -> Vec<Bytes> {
    let mut some = Vec::new();
    for value in values {
        match random.below(12) {
            0 => continue,
            1 => some.push(Bytes::from(mutate(value, random))),
            2 => some.push(pick(values, random).clone()),
            3 => some.extend([value.clone(), Bytes::from(mutate(value, random))]),
            _ => some.push(value.clone()),
        }
    }
    some
}

fn replay(values: &[Bytes], publish_every: usize) -> MetadataImage {
    let mut loader = Loader::default();
    for (offset, value) in values.iter().enumerate() {
        let Ok((record, version)) = MetadataRecord::decode(value.clone()) else { continue };
        let _ = record.encode(version);
        let _ = loader.apply(&record, offset as i64);
        if offset % publish_every == 0 && !loader.in_transaction() {
            let _ = loader.publish();
        }
    }
    loader.publish().0
}

#[test]
fn damaged_records() {
    let values = values();
    let total: usize = values.iter().map(Bytes::len).sum();
    each_seed(20, |random| {
        let some = disorder(&values, random);
        let (image, peak) = peak_of(|| replay(&some, 1 + some.len() / 3));
        assert!(peak <= 64 * total + (8 << 20), "{peak} bytes");
        let records = image.snapshot_records();
        let mut again = MetadataImage::from_snapshot(&records, 0).expect("our own snapshot");
        again.cluster = image.cluster.clone();
        // a snapshot has no number that is not one, and order is its own: it is equal to its own snapshot
        assert_eq!(again.snapshot_records().len(), records.len());
        for record in &records {
            let version = metadata::features::record_version(record, image.metadata_version());
            let Ok(bytes) = record.encode(version) else { continue };
            assert!(MetadataRecord::decode(bytes).is_ok(), "{record:?}");
        }
    });
}

#[test]
fn damaged_snapshots() {
    let values = values();
    each_seed(20, |random| {
        let some = disorder(&values, random);
        let records: Vec<MetadataRecord> = some
            .into_iter()
            .filter_map(|value| MetadataRecord::decode(value).ok())
            .map(|(record, _)| record)
            .collect();
        if let Ok(image) = MetadataImage::from_snapshot(&records, 7) {
            let _ = image.snapshot_records();
        }
    });
}

const PROPERTIES: &str = "process.roles=broker,controller
node.id=1
controller.quorum.voters=1@localhost:9093,2@other:9093
controller.quorum.bootstrap.servers=localhost:9093
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://:9092,CONTROLLER://:9093,SSL://[::1]:9094
advertised.listeners=PLAINTEXT://localhost:9092
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SSL:SSL
inter.broker.listener.name=PLAINTEXT
log.dirs=/a,/b
log.segment.bytes=1000000
log.retention.hours=168
log.cleanup.policy=compact,delete
compression.type=zstd
group.min.session.timeout.ms=6000
num.partitions=3
min.insync.replicas=1
auto.create.topics.enable=true
offsets.topic.replication.factor=1
log.message.timestamp.type=CreateTime
";

#[test]
fn damaged_configurations() {
    each_seed(100, |random| {
        let bytes = mutate_text(PROPERTIES, STRANGE, random);
        let text = String::from_utf8_lossy(&bytes);
        let given: BTreeMap<String, String> = text
            .lines()
            .filter_map(|line| line.split_once('='))
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect();
        let ((), peak) = peak_of(|| {
            let _ = unknown_names(&given);
            if let Ok(config) = StaticConfig::parse(&given) {
                assert!(
                    !config.log_dirs.is_empty()
                        || config.roles == Default::default()
                        || !config.given.is_empty()
                );
            }
        });
        assert!(peak <= 1 << 20, "{peak} bytes");
    });
}
