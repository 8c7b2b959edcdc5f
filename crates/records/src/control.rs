//! Control records: what brokers and the quorum write between data. Keys name a type, values are messages of
//! fixed version 0, encoded here because nothing but their bytes is needed below `protocol`.

use types::{NodeId, Uuid};

use crate::varint::{Source, put_unsigned};
use crate::walk::Slice;
use crate::{BatchBuilder, BatchOptions, BuildError, RecordError};

/// What a control record is. Its key is two int16: version 0 and this number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ControlType {
    Abort,
    Commit,
    LeaderChange,
    SnapshotHeader,
    SnapshotFooter,
    KRaftVersion,
    KRaftVoters,
    /// A type of a later Kafka, to be passed over.
    Unknown(i16),
}

impl ControlType {
    pub fn id(self) -> i16 {
        match self {
            ControlType::Abort => 0,
            ControlType::Commit => 1,
            ControlType::LeaderChange => 2,
            ControlType::SnapshotHeader => 3,
            ControlType::SnapshotFooter => 4,
            ControlType::KRaftVersion => 5,
            ControlType::KRaftVoters => 6,
            ControlType::Unknown(id) => id,
        }
    }

    pub fn from_id(id: i16) -> ControlType {
        match id {
            0 => ControlType::Abort,
            1 => ControlType::Commit,
            2 => ControlType::LeaderChange,
            3 => ControlType::SnapshotHeader,
            4 => ControlType::SnapshotFooter,
            5 => ControlType::KRaftVersion,
            6 => ControlType::KRaftVoters,
            id => ControlType::Unknown(id),
        }
    }

    pub fn key(self) -> [u8; 4] {
        let [high, low] = self.id().to_be_bytes();
        [0, 0, high, low]
    }

    /// The type in a control record's key. Later versions of keys keep these fields.
    pub fn from_key(key: &[u8]) -> Result<ControlType, RecordError> {
        let mut source = Slice::new(key);
        if int16(&mut source)? < 0 {
            return Err(RecordError::Structure);
        }
        Ok(ControlType::from_id(int16(&mut source)?))
    }
}

/// The value of Abort and Commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EndTransactionMarker {
    pub coordinator_epoch: i32,
}

/// The first record of an epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaderChange {
    pub leader_id: NodeId,
    pub voters: Vec<NodeId>,
    pub granting_voters: Vec<NodeId>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SnapshotHeader {
    pub last_contained_log_timestamp: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SnapshotFooter;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KRaftVersion {
    pub kraft_version: i16,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KRaftVoters {
    pub voters: Vec<Voter>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Voter {
    pub id: NodeId,
    pub directory_id: Uuid,
    pub endpoints: Vec<Endpoint>,
    pub min_supported_version: i16,
    pub max_supported_version: i16,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// The listener's.
    pub name: String,
    pub host: String,
    pub port: u16,
}

/// A control record of the quorum's log or of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ControlRecord {
    Abort(EndTransactionMarker),
    Commit(EndTransactionMarker),
    LeaderChange(LeaderChange),
    SnapshotHeader(SnapshotHeader),
    SnapshotFooter(SnapshotFooter),
    KRaftVersion(KRaftVersion),
    KRaftVoters(KRaftVoters),
}

impl ControlRecord {
    pub fn control_type(&self) -> ControlType {
        match self {
            ControlRecord::Abort(_) => ControlType::Abort,
            ControlRecord::Commit(_) => ControlType::Commit,
            ControlRecord::LeaderChange(_) => ControlType::LeaderChange,
            ControlRecord::SnapshotHeader(_) => ControlType::SnapshotHeader,
            ControlRecord::SnapshotFooter(_) => ControlType::SnapshotFooter,
            ControlRecord::KRaftVersion(_) => ControlType::KRaftVersion,
            ControlRecord::KRaftVoters(_) => ControlType::KRaftVoters,
        }
    }

    pub fn encode_value(&self) -> Vec<u8> {
        let mut out = 0i16.to_be_bytes().to_vec(); // version
        match self {
            ControlRecord::Abort(marker) | ControlRecord::Commit(marker) => {
                out.extend_from_slice(&marker.coordinator_epoch.to_be_bytes());
                return out; // the one message that is not flexible
            }
            ControlRecord::LeaderChange(change) => {
                out.extend_from_slice(&change.leader_id.0.to_be_bytes());
                put_nodes(&mut out, &change.voters);
                put_nodes(&mut out, &change.granting_voters);
            }
            ControlRecord::SnapshotHeader(header) => {
                out.extend_from_slice(&header.last_contained_log_timestamp.to_be_bytes());
            }
            ControlRecord::SnapshotFooter(SnapshotFooter) => {}
            ControlRecord::KRaftVersion(version) => {
                out.extend_from_slice(&version.kraft_version.to_be_bytes());
            }
            ControlRecord::KRaftVoters(voters) => put_voters(&mut out, &voters.voters),
        }
        out.push(NO_TAGS);
        out
    }

    /// The record with this key and value; None for a type of a later Kafka.
    pub fn decode(key: &[u8], value: &[u8]) -> Result<Option<ControlRecord>, RecordError> {
        let source = &mut Slice::new(value);
        let control_type = ControlType::from_key(key)?;
        if matches!(control_type, ControlType::Unknown(_)) {
            return Ok(None);
        }
        if int16(source)? < 0 {
            return Err(RecordError::Structure);
        }
        Ok(Some(match control_type {
            ControlType::Abort => ControlRecord::Abort(read_marker(source)?),
            ControlType::Commit => ControlRecord::Commit(read_marker(source)?),
            ControlType::LeaderChange => ControlRecord::LeaderChange(LeaderChange {
                leader_id: NodeId(int32(source)?),
                voters: read_nodes(source)?,
                granting_voters: read_nodes(source)?,
            }),
            ControlType::SnapshotHeader => ControlRecord::SnapshotHeader(SnapshotHeader {
                last_contained_log_timestamp: i64::from_be_bytes(array(source)?),
            }),
            ControlType::SnapshotFooter => ControlRecord::SnapshotFooter(SnapshotFooter),
            ControlType::KRaftVersion => {
                ControlRecord::KRaftVersion(KRaftVersion { kraft_version: int16(source)? })
            }
            ControlType::KRaftVoters => {
                ControlRecord::KRaftVoters(KRaftVoters { voters: read_array(source, read_voter)? })
            }
            ControlType::Unknown(_) => return Ok(None),
        }))
    }
}

/// A control batch of these records. `options` gives offset, epoch and, for markers, the producer.
pub fn control_batch(
    options: BatchOptions,
    timestamp: i64,
    records: &[ControlRecord],
) -> Result<bytes::Bytes, BuildError> {
    let mut builder = BatchBuilder::new(BatchOptions { control: true, ..options });
    for record in records {
        let key = record.control_type().key();
        builder.append(timestamp, Some(&key), Some(&record.encode_value()), &[])?;
    }
    builder.build()
}

const NO_TAGS: u8 = 0;

fn put_length(out: &mut Vec<u8>, length: usize) {
    put_unsigned(out, length as u64 + 1);
}

fn put_nodes(out: &mut Vec<u8>, nodes: &[NodeId]) {
    put_length(out, nodes.len());
    for node in nodes {
        out.extend_from_slice(&node.0.to_be_bytes());
        out.push(NO_TAGS);
    }
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    put_length(out, text.len());
    out.extend_from_slice(text.as_bytes());
}

fn put_voters(out: &mut Vec<u8>, voters: &[Voter]) {
    put_length(out, voters.len());
    for voter in voters {
        out.extend_from_slice(&voter.id.0.to_be_bytes());
        out.extend_from_slice(&voter.directory_id.0);
        put_length(out, voter.endpoints.len());
        for endpoint in &voter.endpoints {
            put_text(out, &endpoint.name);
            put_text(out, &endpoint.host);
            out.extend_from_slice(&endpoint.port.to_be_bytes());
            out.push(NO_TAGS);
        }
        out.extend_from_slice(&voter.min_supported_version.to_be_bytes());
        out.extend_from_slice(&voter.max_supported_version.to_be_bytes());
        out.push(NO_TAGS); // of the version range
        out.push(NO_TAGS);
    }
}

fn array<const N: usize>(source: &mut Slice<'_>) -> Result<[u8; N], RecordError> {
    source.take(N)?.first_chunk().copied().ok_or(RecordError::Structure)
}

fn int16(source: &mut Slice<'_>) -> Result<i16, RecordError> {
    Ok(i16::from_be_bytes(array(source)?))
}

fn int32(source: &mut Slice<'_>) -> Result<i32, RecordError> {
    Ok(i32::from_be_bytes(array(source)?))
}

fn length(source: &mut Slice<'_>) -> Result<usize, RecordError> {
    // null is as invalid here as a length past the end
    let length = source.unsigned(5)?.checked_sub(1).ok_or(RecordError::Structure)?;
    usize::try_from(length).ok().filter(|length| *length <= source.rest().len()).ok_or(RecordError::Structure)
}

fn read_array<'a, T>(
    source: &mut Slice<'a>,
    mut read: impl FnMut(&mut Slice<'a>) -> Result<T, RecordError>,
) -> Result<Vec<T>, RecordError> {
    let count = length(source)?;
    (0..count).map(|_| read(source)).collect()
}

fn skip_tags(source: &mut Slice<'_>) -> Result<(), RecordError> {
    for _ in 0..source.unsigned(5)? {
        source.unsigned(5)?;
        let size = source.unsigned(5)? as usize;
        source.take(size)?;
    }
    Ok(())
}

fn read_marker(source: &mut Slice<'_>) -> Result<EndTransactionMarker, RecordError> {
    Ok(EndTransactionMarker { coordinator_epoch: int32(source)? })
}

fn read_nodes(source: &mut Slice<'_>) -> Result<Vec<NodeId>, RecordError> {
    read_array(source, |source| {
        let node = NodeId(int32(source)?);
        skip_tags(source)?;
        Ok(node)
    })
}

fn read_text(source: &mut Slice<'_>) -> Result<String, RecordError> {
    let size = length(source)?;
    std::str::from_utf8(source.take(size)?).map(Into::into).map_err(|_| RecordError::Structure)
}

fn read_endpoint(source: &mut Slice<'_>) -> Result<Endpoint, RecordError> {
    let endpoint = Endpoint {
        name: read_text(source)?,
        host: read_text(source)?,
        port: u16::from_be_bytes(array(source)?),
    };
    skip_tags(source)?;
    Ok(endpoint)
}

fn read_voter(source: &mut Slice<'_>) -> Result<Voter, RecordError> {
    let id = NodeId(int32(source)?);
    let directory_id = Uuid(array(source)?);
    let endpoints = read_array(source, read_endpoint)?;
    let (min_supported_version, max_supported_version) = (int16(source)?, int16(source)?);
    skip_tags(source)?;
    skip_tags(source)?;
    Ok(Voter { id, directory_id, endpoints, min_supported_version, max_supported_version })
}
