//! Writes batches for Apache Kafka's classes to read: `rust.bin`, and what is in it as `rust.txt`, into the
//! directory named (`golden/README.md`).
#![allow(clippy::disallowed_methods)] // a development tool that writes files

#[path = "../tests/common/mod.rs"]
mod common;

use records::control::{
    ControlRecord, EndTransactionMarker, Endpoint, KRaftVersion, KRaftVoters, LeaderChange, SnapshotFooter,
    SnapshotHeader, Voter, control_batch,
};
use records::{
    Batch, BatchBuilder, BatchOptions, Codec, Compression, PatchedHeader, RecordHeader, TimestampType,
};
use types::{LeaderEpoch, NodeId, Offset, ProducerEpoch, ProducerId, Uuid};

const NOW: i64 = 1_700_000_000_000;

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let directory = std::env::args().nth(1).ok_or("which directory?")?;
    let mut bytes = Vec::new();
    for compression in compressions() {
        bytes.extend(mixed(BatchOptions { compression, ..BatchOptions::default() })?);
        bytes.extend(mixed(producer(compression))?);
        bytes.extend(stamped(compression)?);
        bytes.extend(cleaned(compression)?);
        for size in [0, 1, 32 * 1024, 64 * 1024, 64 * 1024 + 1, 300_000] {
            bytes.extend(large(compression, size)?);
        }
    }
    bytes.extend(BatchBuilder::new(BatchOptions::default()).build()?);
    for (base, record) in (0..).zip(controls()) {
        let marker = matches!(record, ControlRecord::Abort(_) | ControlRecord::Commit(_));
        let options = BatchOptions {
            base_offset: Offset(base),
            leader_epoch: LeaderEpoch(3),
            producer_id: if marker { ProducerId(5) } else { ProducerId::NONE },
            producer_epoch: if marker { ProducerEpoch(1) } else { ProducerEpoch::NONE },
            transactional: marker,
            ..BatchOptions::default()
        };
        bytes.extend(control_batch(options, NOW, &[record])?);
    }
    std::fs::write(format!("{directory}/rust.txt"), common::dump(&bytes))?;
    std::fs::write(format!("{directory}/rust.bin"), bytes)?;
    Ok(())
}

fn compressions() -> impl Iterator<Item = Compression> {
    let zstd = [-131072, -5, 1, 9, 19, 22].map(|level| (Codec::Zstd, level));
    let levels = (1..=9).map(|level| (Codec::Gzip, level)).chain((1..=17).map(|level| (Codec::Lz4, level)));
    let levels = levels.chain(zstd).filter_map(|(codec, level)| Compression::with_level(codec, level));
    Codec::ALL.into_iter().map(Compression::new).chain(levels)
}

fn producer(compression: Compression) -> BatchOptions {
    BatchOptions {
        compression,
        base_offset: Offset(1 << 40),
        leader_epoch: LeaderEpoch(7),
        producer_id: ProducerId(4000),
        producer_epoch: ProducerEpoch(2),
        base_sequence: i32::MAX,
        transactional: true,
        ..BatchOptions::default()
    }
}

fn mixed(options: BatchOptions) -> Result<Vec<u8>, Failure> {
    let mut builder = BatchBuilder::new(options);
    let header = |key, value| RecordHeader { key, value };
    let (one, two) = (Some(&b"1"[..]), Some(&b"2"[..]));
    let headers = [header(&b"a"[..], one), header(b"b", None), header(b"a", two), header(b"", Some(b""))];
    builder.append(NOW, Some(b"key"), Some(b"value"), &[])?;
    builder.append(NOW - 100_000, None, Some("第一条消息".as_bytes()), &headers)?;
    builder.append(NOW + 1, Some(b""), Some(b""), &headers[..1])?;
    builder.append(0, Some(b"tombstone"), None, &[])?;
    builder.append(i64::MAX / 2, None, None, &[header("名".as_bytes(), Some(&[7; 100]))])?;
    Ok(builder.build_vec()?)
}

fn large(compression: Compression, size: usize) -> Result<Vec<u8>, Failure> {
    let mut builder = BatchBuilder::new(BatchOptions { compression, ..BatchOptions::default() });
    let pattern: Vec<u8> = (0..size).map(|i| ((i / 5) ^ (i >> 8)) as u8).collect();
    let mut state = 1u32;
    let noise: Vec<u8> = (0..size / 4)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        })
        .collect();
    builder.append(NOW, None, Some(&pattern), &[])?;
    builder.append(NOW, Some(&noise), None, &[])?;
    Ok(builder.build_vec()?)
}

/// LogAppendTime as a leader sets it on a batch that came with CreateTime.
fn stamped(compression: Compression) -> Result<Vec<u8>, Failure> {
    let bytes = mixed(BatchOptions { compression, ..BatchOptions::default() })?;
    let batch = Batch::exact(&bytes)?;
    let mut header = PatchedHeader::new(batch.header());
    header.set_base_offset(Offset(12_345));
    header.set_leader_epoch(LeaderEpoch(6));
    header.set_timestamps(TimestampType::LogAppendTime, NOW + 50);
    Ok([&header.bytes()[..], batch.payload()].concat())
}

fn cleaned(compression: Compression) -> Result<Vec<u8>, Failure> {
    let bytes = mixed(BatchOptions { compression, ..BatchOptions::default() })?;
    let batch = Batch::exact(&bytes)?;
    let data = batch.data(1 << 20)?;
    let mut builder = BatchBuilder::new(BatchOptions {
        compression,
        delete_horizon_ms: Some(NOW + 86_400_000),
        ..BatchOptions::default()
    });
    for record in batch.records(&data).skip(1).step_by(2) {
        builder.append_record(&record?)?;
    }
    builder.set_last_offset(batch.last_offset())?;
    Ok(builder.build_vec()?)
}

fn controls() -> Vec<ControlRecord> {
    let marker = EndTransactionMarker { coordinator_epoch: 9 };
    let endpoint = Endpoint { name: "CONTROLLER".into(), host: "node-1".into(), port: 65_535 };
    let voter = |id, endpoints| Voter {
        id: NodeId(id),
        directory_id: Uuid::from_halves(id.into(), 77),
        endpoints,
        min_supported_version: 0,
        max_supported_version: 1,
    };
    vec![
        ControlRecord::Abort(marker),
        ControlRecord::Commit(marker),
        ControlRecord::LeaderChange(LeaderChange {
            leader_id: NodeId(1),
            voters: vec![NodeId(1), NodeId(2)],
            granting_voters: vec![NodeId(1)],
        }),
        ControlRecord::SnapshotHeader(SnapshotHeader { last_contained_log_timestamp: NOW }),
        ControlRecord::KRaftVersion(KRaftVersion { kraft_version: 1 }),
        ControlRecord::KRaftVoters(KRaftVoters { voters: vec![voter(1, vec![endpoint]), voter(2, vec![])] }),
        ControlRecord::SnapshotFooter(SnapshotFooter),
    ]
}
