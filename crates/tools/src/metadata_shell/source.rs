//! Where the metadata comes from: a file of a metadata log (a snapshot or a segment), or a running quorum, followed as an
//! observer does.

use bytes::{Bytes, BytesMut};
use client::{Connection, Error};
use metadata::image::{Loader, MetadataImage};
use protocol::Str;
use protocol::messages::describe_quorum_request::{PartitionData, TopicData};
use protocol::messages::fetch_request::{FetchPartition, FetchTopic, ReplicaState};
use protocol::messages::fetch_snapshot_request::{PartitionSnapshot, SnapshotId, TopicSnapshot};
use protocol::messages::{DescribeQuorumRequest, FetchRequest, FetchSnapshotRequest};
use protocol::records::metadata::MetadataRecord;
use records::Batches;
use types::Uuid;

use super::tree::Provenance;
use crate::admin::Admin;

const TOPIC: &str = "__cluster_metadata";
/// What a compressed batch may grow to.
const UNCOMPRESSED_MAX: usize = 1 << 30;
/// Bytes of one answer, of a log and of a snapshot.
const FETCH_BYTES_MAX: i32 = 8 << 20;
/// A snapshot that claims to be larger is not believed.
const SNAPSHOT_BYTES_MAX: i64 = 4 << 30;

/// The image as far as it was read.
#[derive(Default)]
pub struct Replayed {
    loader: Loader,
    pub provenance: Provenance,
    /// The next record that is wanted, and the epoch of the one before.
    next_offset: i64,
    last_epoch: i32,
}

impl Replayed {
    pub fn image(&self) -> &MetadataImage {
        self.loader.head()
    }

    /// Whole batches, one after the other, those below `end` alone; a torn last one is left.
    fn take(&mut self, bytes: &[u8], end: i64) -> Result<(), String> {
        for batch in Batches::new(bytes) {
            let Ok(batch) = batch else { break };
            let header = batch.header();
            if header.base_offset().0 >= end {
                break;
            }
            let last = header.last_offset().0;
            // a snapshot's head and foot say nothing of the metadata
            if !header.is_control() {
                self.take_records(&batch)?;
                self.provenance = Provenance {
                    offset: last,
                    epoch: header.leader_epoch().0,
                    timestamp: header.max_timestamp(),
                };
            }
            self.next_offset = last.saturating_add(1);
            self.last_epoch = header.leader_epoch().0;
        }
        Ok(())
    }

    fn take_records(&mut self, batch: &records::Batch<'_>) -> Result<(), String> {
        let data = batch.data(UNCOMPRESSED_MAX).map_err(|error| error.to_string())?;
        for record in batch.records(&data) {
            let record = record.map_err(|error| error.to_string())?;
            let value = Bytes::copy_from_slice(record.value.unwrap_or_default());
            let at = |error: String| format!("offset {}: {error}", record.offset.0);
            let (value, _) = MetadataRecord::decode(value).map_err(|error| at(error.to_string()))?;
            self.loader.apply(&value, record.offset.0).map_err(|error| at(error.to_string()))?;
        }
        Ok(())
    }

    /// All of a file.
    pub fn read(path: &str) -> Result<Replayed, String> {
        let bytes = std::fs::read(path).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => format!("java.nio.file.NoSuchFileException: {path}"),
            _ => format!("java.io.IOException: {path}: {error}"),
        })?;
        let mut replayed = Replayed::default();
        replayed.take(&bytes, i64::MAX)?;
        Ok(replayed)
    }

    /// Takes what the quorum has committed since; from the beginning where nothing was taken yet.
    pub async fn follow(&mut self, admin: &Admin) -> Result<(), Error> {
        let leader = Leader::of(admin).await?;
        while self.next_offset < leader.high_watermark {
            let from = self.next_offset;
            self.fetch(&leader).await?;
            if self.next_offset == from {
                return Err(Error::Malformed("the quorum's leader gives no records".to_owned()));
            }
        }
        Ok(())
    }

    async fn fetch(&mut self, leader: &Leader) -> Result<(), Error> {
        let response =
            leader.connection.call(&fetch(leader.epoch, self.next_offset, self.last_epoch)).await?;
        Error::check(response.error_code, None)?;
        let partition = response.responses.into_iter().flat_map(|topic| topic.partitions).next();
        let partition =
            partition.ok_or_else(|| Error::Malformed("an answer without partition".to_owned()))?;
        Error::check(partition.error_code, None)?;
        let snapshot = &partition.snapshot_id;
        if snapshot.end_offset >= 0 && snapshot.epoch >= 0 {
            return self.load(leader, snapshot.end_offset, snapshot.epoch).await;
        }
        if partition.diverging_epoch.end_offset >= 0 {
            // what was taken was never committed: from the beginning
            *self = Replayed::default();
            return Ok(());
        }
        let bytes = partition.records.bytes().unwrap_or_default();
        self.take(&bytes, leader.high_watermark).map_err(Error::Malformed)
    }

    /// A whole snapshot in place of all that was taken.
    async fn load(&mut self, leader: &Leader, end_offset: i64, epoch: i32) -> Result<(), Error> {
        let mut whole = BytesMut::new();
        loop {
            let position = whole.len() as i64;
            let request = fetch_snapshot(leader.epoch, end_offset, epoch, position);
            let response = leader.connection.call(&request).await?;
            Error::check(response.error_code, None)?;
            let chunk = response.topics.into_iter().flat_map(|topic| topic.partitions).next();
            let chunk = chunk.ok_or_else(|| Error::Malformed("an answer without partition".to_owned()))?;
            Error::check(chunk.error_code, None)?;
            let bytes = chunk.unaligned_records.bytes().unwrap_or_default();
            if chunk.size > SNAPSHOT_BYTES_MAX || chunk.position != position || bytes.is_empty() {
                return Err(Error::Malformed(format!(
                    "a snapshot of {} bytes that ends at {position}",
                    chunk.size
                )));
            }
            whole.extend_from_slice(&bytes);
            if whole.len() as i64 >= chunk.size {
                break;
            }
        }
        let mut replayed = Replayed::default();
        replayed.take(&whole, i64::MAX).map_err(Error::Malformed)?;
        // offsets within a snapshot are its own
        replayed.provenance.offset = end_offset.saturating_sub(1);
        replayed.provenance.epoch = epoch;
        (replayed.next_offset, replayed.last_epoch) = (end_offset, epoch);
        *self = replayed;
        Ok(())
    }
}

/// Who leads the metadata log, and how far it is committed.
struct Leader {
    connection: Connection,
    epoch: i32,
    high_watermark: i64,
}

impl Leader {
    async fn of(admin: &Admin) -> Result<Leader, Error> {
        let topic = TopicData {
            topic_name: Str::from(TOPIC),
            partitions: vec![PartitionData { partition_index: 0 }],
        };
        let response = admin.call(&DescribeQuorumRequest { topics: vec![topic] }).await?;
        Error::check(response.error_code, response.error_message.as_ref())?;
        let log = response.topics.into_iter().flat_map(|topic| topic.partitions).next();
        let log = log.ok_or_else(|| Error::Malformed("the quorum said nothing of its log".to_owned()))?;
        Error::check(log.error_code, log.error_message.as_ref())?;
        let node = response.nodes.iter().find(|node| node.node_id == log.leader_id);
        let listener = node.and_then(|node| node.listeners.first());
        let listener = listener.ok_or_else(|| {
            Error::Disconnected(format!("controller {} has told no address", log.leader_id))
        })?;
        let host = match listener.host.contains(':') {
            true => format!("[{}]", listener.host),
            false => listener.host.to_string(),
        };
        let connection = admin.cluster.connect(&format!("{host}:{}", listener.port)).await?;
        Ok(Leader { connection, epoch: log.leader_epoch, high_watermark: log.high_watermark })
    }
}

fn fetch(epoch: i32, offset: i64, last_epoch: i32) -> FetchRequest {
    let partition = FetchPartition {
        current_leader_epoch: epoch,
        fetch_offset: offset,
        last_fetched_epoch: last_epoch,
        log_start_offset: -1,
        partition_max_bytes: FETCH_BYTES_MAX,
        ..FetchPartition::default()
    };
    FetchRequest {
        // an observer without a number of its own, which the leader does not remember
        replica_id: -1,
        replica_state: ReplicaState { replica_id: -1, replica_epoch: -1 },
        max_wait_ms: 0,
        max_bytes: FETCH_BYTES_MAX,
        session_epoch: -1,
        topics: vec![FetchTopic {
            topic: Str::from(TOPIC),
            topic_id: Uuid::METADATA_TOPIC,
            partitions: vec![partition],
        }],
        ..FetchRequest::default()
    }
}

fn fetch_snapshot(leader_epoch: i32, end_offset: i64, epoch: i32, position: i64) -> FetchSnapshotRequest {
    let partition = PartitionSnapshot {
        partition: 0,
        current_leader_epoch: leader_epoch,
        snapshot_id: SnapshotId { end_offset, epoch },
        position,
        replica_directory_id: Uuid::ZERO,
    };
    FetchSnapshotRequest {
        cluster_id: None,
        replica_id: -1,
        max_bytes: FETCH_BYTES_MAX,
        topics: vec![TopicSnapshot { name: Str::from(TOPIC), partitions: vec![partition] }],
    }
}
