//! One replica's log: its segments, offsets, producers and epochs. Owned by one shard; nothing in it is shared.
//!
//! start_offset, recovery_point <= flushed_offset <= end_offset. Segments ascend and are never none; the last one is active.

mod append;
mod flush;
mod lookup;
mod open;
mod read;
mod recover;
mod retention;
mod roll;
mod snapshots;
mod transactions;
mod truncate;

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use platform::{File, Random};
use types::{LeaderEpoch, Offset, TopicPartition, Uuid};

pub use append::{AppendContext, Appended, Followed, Marker};
pub use flush::{FlushPlan, FlushedTo};
pub use lookup::TimestampAndOffset;
pub use open::{LogOptions, Opened};
pub use read::Read;
pub use retention::Retained;

use crate::config::LogConfig;
use crate::error::{Error, Result};
use crate::leader_epochs::{EpochEnd, LeaderEpochs};
use crate::partition_metadata;
use crate::producer::ProducerState;
use crate::segment::{Place, Segment};

#[derive(Debug)]
pub struct Log {
    place: Place,
    partition: TopicPartition,
    topic_id: Option<Uuid>,
    config: Arc<LogConfig>,
    segments: VecDeque<Segment>,
    start_offset: Offset,
    end_offset: Offset,
    /// Everything below is synced, indexes and all: recovery begins here. Below the start where segments were deleted
    /// that no flush had reached.
    recovery_point: Offset,
    /// The records below are synced.
    flushed_offset: Offset,
    epochs: LeaderEpochs,
    producers: ProducerState,
    /// The `.snapshot` files, ascending.
    snapshots: Vec<Offset>,
    last_flush_ms: i64,
    /// Truncations until now: a sync planned before one says nothing about what was appended after it.
    truncations: u32,
    /// Small files to be synced with the next flush.
    unsynced_files: Vec<Arc<dyn File>>,
    /// Names in the directory, and its own in its parent, to be synced with the next flush.
    unsynced_names: bool,
    unsynced_directory: bool,
    /// The process before this one died: the small files that it wrote beside the records may not be synced.
    unsynced_before: bool,
    /// Files renamed to `.deleted`, and when they are to go.
    deleted: Vec<(i64, PathBuf)>,
    random: Random,
}

impl Log {
    pub fn partition(&self) -> &TopicPartition {
        &self.partition
    }

    pub fn topic_id(&self) -> Option<Uuid> {
        self.topic_id
    }

    /// Writes `partition.metadata` for a log that has none.
    pub fn set_topic_id(&mut self, topic_id: Uuid) -> Result<()> {
        let file = partition_metadata::write(&*self.place.file_system, &self.place.directory, topic_id)?;
        self.topic_id = Some(topic_id);
        self.unsynced_files.push(file);
        self.unsynced_names = true;
        Ok(())
    }

    pub fn directory(&self) -> &Path {
        &self.place.directory
    }

    /// The directory was renamed. Files that are open stay so.
    pub(crate) fn set_directory(&mut self, directory: std::path::PathBuf) {
        self.place.directory = directory;
    }

    pub fn config(&self) -> &Arc<LogConfig> {
        &self.config
    }

    /// A changed configuration, in effect at once.
    pub fn set_config(&mut self, config: Arc<LogConfig>) {
        self.config = config;
    }

    /// The first offset that may be read.
    pub fn start_offset(&self) -> Offset {
        self.start_offset
    }

    /// The offset of the next record.
    pub fn end_offset(&self) -> Offset {
        self.end_offset
    }

    /// Where recovery begins after a crash: for the checkpoint file.
    pub fn recovery_point(&self) -> Offset {
        self.recovery_point
    }

    /// Records below survive a crash: for those who wait for a sync.
    pub fn flushed_offset(&self) -> Offset {
        self.flushed_offset
    }

    /// The base offset of the first segment: with a start offset above it, a checkpoint is needed.
    pub fn first_segment_base(&self) -> Offset {
        self.segments.front().map_or(self.start_offset, |segment| segment.base)
    }

    pub fn active_segment_base(&self) -> Offset {
        self.segments.back().map_or(self.start_offset, |segment| segment.base)
    }

    /// Bytes of all segments.
    pub fn size(&self) -> u64 {
        self.segments.iter().map(|segment| u64::from(segment.size)).sum()
    }

    pub fn segment_count(&self) -> usize {
        self.segments.len()
    }

    pub fn producers(&self) -> &ProducerState {
        &self.producers
    }

    pub fn epochs(&self) -> &LeaderEpochs {
        &self.epochs
    }

    pub fn latest_epoch(&self) -> Option<LeaderEpoch> {
        self.epochs.latest()
    }

    /// A leader's epoch begins at the log's end; called on becoming leader, before anything is appended.
    pub fn begin_epoch(&mut self, epoch: LeaderEpoch) {
        self.epochs.assign(epoch, self.end_offset);
    }

    /// Where an epoch ends in this log, as OffsetForLeaderEpoch answers it.
    pub fn end_offset_for_epoch(&self, epoch: LeaderEpoch) -> EpochEnd {
        self.epochs.end_offset(epoch, self.end_offset)
    }

    /// Forgets producers that were silent for longer than `producer.id.expiration.ms`.
    pub fn expire_producers(&mut self, now_ms: i64) {
        self.producers.expire(now_ms, self.config.producer_id_expiration_ms);
    }

    fn active(&mut self) -> &mut Segment {
        self.segments.back_mut().expect("a log has a segment")
    }

    /// The index of the segment that holds the offset, or of the first where it is below all.
    fn segment_of(&self, offset: Offset) -> usize {
        self.segments.partition_point(|segment| segment.base <= offset).saturating_sub(1)
    }

    /// The segment and where everything lies: borrowed apart.
    fn segment(&mut self, index: usize) -> Result<(&mut Segment, &Place)> {
        let place = &self.place;
        let none = || Error::unreadable(&place.directory, format!("no segment {index}"));
        Ok((self.segments.get_mut(index).ok_or_else(none)?, place))
    }

    fn jitter(&mut self) -> i64 {
        let bound = self.config.segment_jitter_ms.min(self.config.segment_ms).max(0);
        self.random.below(bound as u64) as i64
    }
}
