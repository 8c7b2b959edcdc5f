//! Bytes of the metadata log and of snapshots: batches of framed metadata records, and control batches.
//! Uncompressed, no producer; a control batch never holds data.

use bytes::Bytes;
use metadata::features::{MetadataVersion, record_version};
use protocol::records::metadata::MetadataRecord;
use raft::{ControlRecord, Endpoint, VersionRange, Voter, VoterSet};
use records::{Batch, BatchBuilder, BatchOptions, Batches, control};
use types::{LeaderEpoch, Offset};

/// What a batch may be decompressed to; Kafka writes none compressed.
const BATCH_BYTES_MAX: usize = 64 << 20;

/// Bytes that are no metadata log, or hold what this version cannot read.
#[derive(Debug, thiserror::Error)]
#[error("metadata record at offset {offset}: {reason}")]
pub(crate) struct Unreadable {
    offset: i64,
    reason: String,
}

fn unreadable(offset: Offset, reason: impl ToString) -> Unreadable {
    Unreadable { offset: offset.0, reason: reason.to_string() }
}

/// A record as it stands in the log.
#[derive(Clone, Debug)]
pub(crate) enum LogRecord {
    Data(Box<MetadataRecord>),
    Control(ControlRecord),
}

fn options(base_offset: Offset, leader_epoch: LeaderEpoch) -> BatchOptions {
    BatchOptions { base_offset, leader_epoch, ..BatchOptions::default() }
}

/// One batch of data. `version`: the metadata.version that the records are written for.
pub(crate) fn data_batch(
    records: &[MetadataRecord],
    version: MetadataVersion,
    base_offset: Offset,
    epoch: LeaderEpoch,
    wall_ms: i64,
) -> Result<Bytes, Unreadable> {
    let mut builder = BatchBuilder::new(options(base_offset, epoch));
    for record in records {
        let value = record.encode(record_version(record, version));
        let value = value.map_err(|error| unreadable(base_offset, error))?;
        let appended = builder.append(wall_ms, None, Some(&value), &[]);
        appended.map_err(|error| unreadable(base_offset, error))?;
    }
    builder.build().map_err(|error| unreadable(base_offset, error))
}

pub(crate) fn control_batch(
    records: &[ControlRecord],
    base_offset: Offset,
    epoch: LeaderEpoch,
    wall_ms: i64,
) -> Result<Bytes, Unreadable> {
    let records: Vec<_> = records.iter().map(to_wire).collect();
    control::control_batch(options(base_offset, epoch), wall_ms, &records)
        .map_err(|error| unreadable(base_offset, error))
}

/// All whole batches of a buffer, in order; a cut tail is passed over.
pub(crate) fn read_all(
    bytes: &[u8],
    mut each: impl FnMut(Offset, LogRecord) -> Result<(), Unreadable>,
) -> Result<(), Unreadable> {
    for batch in Batches::new(bytes) {
        let batch = batch.map_err(|error| unreadable(Offset(-1), error))?;
        read_batch(&batch, &mut each)?;
    }
    Ok(())
}

pub(crate) fn read_batch(
    batch: &Batch<'_>,
    each: &mut impl FnMut(Offset, LogRecord) -> Result<(), Unreadable>,
) -> Result<(), Unreadable> {
    let base = batch.base_offset();
    let data = batch.data(BATCH_BYTES_MAX).map_err(|error| unreadable(base, error))?;
    for record in batch.records(&data) {
        let record = record.map_err(|error| unreadable(base, error))?;
        let fail = |error: &dyn std::fmt::Display| unreadable(record.offset, error);
        let (key, value) = (record.key.unwrap_or_default(), record.value.unwrap_or_default());
        if batch.is_control() {
            if let Some(control) = control::ControlRecord::decode(key, value).map_err(|error| fail(&error))?
                && let Some(control) = from_wire(control)
            {
                each(record.offset, LogRecord::Control(control))?;
            }
        } else {
            let decoded = MetadataRecord::decode(Bytes::copy_from_slice(value));
            let (decoded, _) = decoded.map_err(|error| fail(&error))?;
            each(record.offset, LogRecord::Data(Box::new(decoded)))?;
        }
    }
    Ok(())
}

/// Control records of a buffer with their offsets.
pub(crate) fn controls(bytes: &[u8]) -> Result<Vec<(Offset, ControlRecord)>, Unreadable> {
    let mut found = Vec::new();
    for batch in Batches::new(bytes).flatten().filter(|batch| batch.is_control()) {
        read_batch(&batch, &mut |offset, record| {
            if let LogRecord::Control(control) = record {
                found.push((offset, control));
            }
            Ok(())
        })?;
    }
    Ok(found)
}

fn to_wire(record: &ControlRecord) -> control::ControlRecord {
    match record {
        ControlRecord::LeaderChange { leader, voters, granting } => {
            control::ControlRecord::LeaderChange(control::LeaderChange {
                leader_id: *leader,
                voters: voters.clone(),
                granting_voters: granting.clone(),
            })
        }
        ControlRecord::SnapshotHeader { last_contained_log_timestamp } => {
            control::ControlRecord::SnapshotHeader(control::SnapshotHeader {
                last_contained_log_timestamp: *last_contained_log_timestamp,
            })
        }
        ControlRecord::SnapshotFooter => control::ControlRecord::SnapshotFooter(control::SnapshotFooter),
        ControlRecord::KraftVersion(version) => {
            control::ControlRecord::KRaftVersion(control::KRaftVersion { kraft_version: *version })
        }
        ControlRecord::Voters(voters) => control::ControlRecord::KRaftVoters(control::KRaftVoters {
            voters: voters.iter().map(voter_to_wire).collect(),
        }),
    }
}

fn voter_to_wire(voter: &Voter) -> control::Voter {
    let endpoint = |one: &Endpoint| control::Endpoint {
        name: one.listener.clone(),
        host: one.host.clone(),
        port: one.port,
    };
    control::Voter {
        id: voter.key.id,
        directory_id: voter.key.directory_id,
        endpoints: voter.endpoints.iter().map(endpoint).collect(),
        min_supported_version: voter.supported.min,
        max_supported_version: voter.supported.max,
    }
}

/// None for the markers of transactions, which this log never has.
fn from_wire(record: control::ControlRecord) -> Option<ControlRecord> {
    Some(match record {
        control::ControlRecord::Abort(_) | control::ControlRecord::Commit(_) => return None,
        control::ControlRecord::LeaderChange(change) => ControlRecord::LeaderChange {
            leader: change.leader_id,
            voters: change.voters,
            granting: change.granting_voters,
        },
        control::ControlRecord::SnapshotHeader(header) => ControlRecord::SnapshotHeader {
            last_contained_log_timestamp: header.last_contained_log_timestamp,
        },
        control::ControlRecord::SnapshotFooter(_) => ControlRecord::SnapshotFooter,
        control::ControlRecord::KRaftVersion(version) => ControlRecord::KraftVersion(version.kraft_version),
        control::ControlRecord::KRaftVoters(voters) => {
            ControlRecord::Voters(VoterSet::new(voters.voters.into_iter().map(voter_from_wire)))
        }
    })
}

fn voter_from_wire(voter: control::Voter) -> Voter {
    let endpoint = |one: control::Endpoint| Endpoint { listener: one.name, host: one.host, port: one.port };
    Voter {
        key: raft::ReplicaKey::new(voter.id, voter.directory_id),
        endpoints: voter.endpoints.into_iter().map(endpoint).collect(),
        supported: VersionRange { min: voter.min_supported_version, max: voter.max_supported_version },
    }
}
