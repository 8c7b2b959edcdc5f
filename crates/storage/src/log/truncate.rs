//! Cutting the log's end, where a new leader's log differs.

use types::Offset;

use super::Log;
use crate::error::{ReadError, Result};
use crate::names::{LOG, OFFSET_INDEX, TIME_INDEX, TRANSACTION_INDEX};
use crate::segment::{Segment, truncate_aborted};

impl Log {
    /// Keeps the batches that end below `offset`. False where there was nothing to cut. Until a flush a crash may
    /// bring back what was cut; the recovery points' checkpoint must be written before anything is appended that
    /// a crash could mix with it.
    pub fn truncate_to(&mut self, offset: Offset, now_ms: i64) -> std::result::Result<bool, ReadError> {
        if offset >= self.end_offset {
            // a leader that appended nothing has noted its epoch all the same, which its successor may not know
            self.epochs.truncate_from_end(self.end_offset);
            return Ok(false);
        }
        if offset < self.first_segment_base() {
            self.truncate_fully_and_start_at(offset, now_ms)?;
            return Ok(true);
        }
        let index = self.segment_of(offset);
        let (segment, place) = self.segment(index)?;
        let cut = segment.find(place, offset)?;
        // the recovery point first: what comes after the cut was never synced
        self.truncations = self.truncations.wrapping_add(1);
        while self.segments.len() > index + 1 {
            self.remove_last_segment()?;
        }
        let mut end = offset;
        if let Some(cut) = cut {
            end = cut.base_offset.min(offset);
            let (segment, place) = self.segment(index)?;
            segment.cut(place, cut.position)?;
            segment.offset_index.truncate_to_position(place, cut.position)?;
            segment.has_aborted = segment.has_aborted && truncate_aborted(place, segment.base, end)?;
            self.note_rest(index, cut.position)?;
        }
        self.end_offset = end.max(self.active_segment_base());
        self.recovery_point = self.recovery_point.min(self.end_offset);
        self.flushed_offset = self.flushed_offset.min(self.end_offset);
        self.start_offset = self.start_offset.min(self.end_offset);
        self.epochs.truncate_from_end(self.end_offset);
        self.rebuild_producers(now_ms)?;
        Ok(true)
    }

    /// Drops everything; the log is empty and starts at `offset`.
    pub fn truncate_fully_and_start_at(&mut self, offset: Offset, now_ms: i64) -> Result<()> {
        self.truncations = self.truncations.wrapping_add(1);
        while !self.segments.is_empty() {
            self.remove_last_segment()?;
        }
        self.remove_snapshots(|_| true)?;
        let jitter = self.jitter();
        self.segments.push_back(Segment::create(&self.place, offset, now_ms, jitter)?);
        self.start_offset = offset;
        self.end_offset = offset;
        // not raised: a loss of power may bring the old segments back
        self.recovery_point = self.recovery_point.min(offset);
        self.flushed_offset = offset;
        self.epochs.clear();
        self.producers.clear();
        Ok(())
    }

    pub(super) fn remove_last_segment(&mut self) -> Result<()> {
        self.unsynced_names = true;
        let Some(segment) = self.segments.pop_back() else { return Ok(()) };
        for suffix in [LOG, OFFSET_INDEX, TIME_INDEX, TRANSACTION_INDEX] {
            self.place.remove(segment.base, suffix)?;
        }
        Ok(())
    }

    /// After a cut: snapshots past the end go, and the newest that is left is replayed to the end.
    pub(super) fn rebuild_producers(&mut self, now_ms: i64) -> Result<()> {
        let end = self.end_offset;
        self.remove_snapshots(|offset| offset > end)?;
        let from = self.load_snapshot(end, now_ms)?.unwrap_or(self.first_segment_base());
        self.replay_producers(from, end)
    }
}
