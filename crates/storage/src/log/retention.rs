//! Old segments go: by start offset, size, age. A file is renamed first and removed after a delay, so that readers
//! who look for its name still find it.

use types::Offset;

use super::Log;
use crate::error::{At, ReadError, Result};
use crate::names::{DELETED, LOG, OFFSET_INDEX, SNAPSHOT, TIME_INDEX, TRANSACTION_INDEX};
use crate::segment::Segment;

/// What retention has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retained {
    pub deleted_segments: usize,
    pub deleted_bytes: u64,
}

impl Log {
    /// Deletes what the configuration lets go, only segments wholly below the high watermark, oldest first.
    pub fn retention(&mut self, now_ms: i64, high_watermark: Offset) -> Result<Retained> {
        let mut retained = Retained::default();
        let by_start = self.count_below_start();
        self.delete_oldest(by_start, high_watermark, now_ms, &mut retained)?;
        if self.config.delete {
            let by_size = self.count_over_size();
            self.delete_oldest(by_size, high_watermark, now_ms, &mut retained)?;
            let by_age = self.count_over_age(now_ms)?;
            self.delete_oldest(by_age, high_watermark, now_ms, &mut retained)?;
        }
        Ok(retained)
    }

    /// Records below are no more: DeleteRecords. The caller has checked the high watermark. True where that moved
    /// the start.
    pub fn delete_records(
        &mut self,
        new_start: Offset,
        high_watermark: Offset,
    ) -> std::result::Result<bool, ReadError> {
        if new_start > high_watermark || new_start > self.end_offset || new_start.0 < 0 {
            let (start, end) = (self.start_offset, high_watermark.min(self.end_offset));
            return Err(ReadError::OutOfRange { offset: new_start, start, end });
        }
        if new_start <= self.start_offset {
            return Ok(false);
        }
        self.set_start_offset(new_start);
        Ok(true)
    }

    pub(super) fn set_start_offset(&mut self, start: Offset) {
        self.start_offset = self.start_offset.max(start);
        self.epochs.truncate_from_start(self.start_offset);
        self.producers.truncate_from_start(self.start_offset);
    }

    /// The time when renamed files are to be removed next.
    pub fn next_removal_ms(&self) -> Option<i64> {
        self.deleted.iter().map(|(when, _)| *when).min()
    }

    /// Removes the renamed files whose delay is over.
    pub fn remove_deleted(&mut self, now_ms: i64) -> Result<()> {
        let (due, later): (Vec<_>, Vec<_>) = self.deleted.drain(..).partition(|(when, _)| *when <= now_ms);
        self.deleted = later;
        for (_, path) in due {
            match self.place.file_system.remove_file(&path) {
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                removed => removed.at(|| path)?,
            }
        }
        Ok(())
    }

    fn count_below_start(&self) -> usize {
        let next_bases = self.segments.iter().skip(1).map(|segment| segment.base);
        next_bases.take_while(|next| *next <= self.start_offset).count()
    }

    fn count_over_size(&self) -> usize {
        let Ok(bytes_max) = u64::try_from(self.config.retention_bytes) else { return 0 };
        let mut over = self.size().saturating_sub(bytes_max);
        let mut fits = |segment: &&Segment| match over.checked_sub(u64::from(segment.size)) {
            Some(rest) if self.config.retention_bytes >= 0 && over > 0 => {
                over = rest;
                true
            }
            _ => false,
        };
        self.segments.iter().take_while(|segment| fits(segment)).count()
    }

    fn count_over_age(&mut self, now_ms: i64) -> Result<usize> {
        let retention_ms = self.config.retention_ms;
        if retention_ms < 0 {
            return Ok(0);
        }
        let place = &self.place;
        for (index, segment) in self.segments.iter_mut().enumerate() {
            if now_ms.saturating_sub(segment.largest_or_modified(place)?) <= retention_ms {
                return Ok(index);
            }
        }
        Ok(self.segments.len())
    }

    /// Deletes the first `count` segments as far as they are below the high watermark; the last one only if it
    /// holds something, and another takes its place.
    fn delete_oldest(
        &mut self,
        count: usize,
        high_watermark: Offset,
        now_ms: i64,
        retained: &mut Retained,
    ) -> Result<()> {
        for _ in 0..count {
            let next_base = self.segments.get(1).map_or(self.end_offset, |next| next.base);
            if next_base > high_watermark {
                break;
            }
            if self.segments.len() == 1 && !self.roll(now_ms)? {
                break;
            }
            let Some(segment) = self.segments.pop_front() else { break };
            retained.deleted_segments += 1;
            retained.deleted_bytes += u64::from(segment.size);
            // the recovery point stays: until the names are synced a loss of power brings the segment back, and what
            // no flush has reached of it is torn then
            let start = self.first_segment_base();
            self.flushed_offset = self.flushed_offset.max(start);
            self.set_start_offset(start);
            let base = segment.base;
            drop(segment);
            self.rename_deleted(base, now_ms)?;
        }
        Ok(())
    }

    fn rename_deleted(&mut self, base: Offset, now_ms: i64) -> Result<()> {
        let when = now_ms.saturating_add(self.config.file_delete_delay_ms);
        for suffix in [LOG, OFFSET_INDEX, TIME_INDEX, TRANSACTION_INDEX, SNAPSHOT] {
            let path = self.place.path(base, suffix);
            let mut renamed = path.clone().into_os_string();
            renamed.push(DELETED);
            match self.place.file_system.rename(&path, renamed.as_ref()) {
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                done => {
                    done.at(|| path)?;
                    self.deleted.push((when, renamed.into()));
                }
            }
        }
        self.snapshots.retain(|offset| *offset != base);
        self.unsynced_names = true;
        Ok(())
    }
}
