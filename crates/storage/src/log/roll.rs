//! Closing the active segment and beginning another: for size, age, full indexes, or offsets too far apart.

use records::Header;
use types::Offset;

use super::Log;
use crate::error::Result;
use crate::segment::Segment;

impl Log {
    /// Closes the active segment, if there is something in it.
    pub fn roll(&mut self, now_ms: i64) -> Result<bool> {
        if self.active().size == 0 {
            return Ok(false);
        }
        self.roll_at(self.end_offset, now_ms)?;
        Ok(true)
    }

    /// Rolls where this batch does not belong into the active segment.
    pub(super) fn roll_for(&mut self, header: &Header<'_>, now_ms: i64) -> Result<bool> {
        if !self.should_roll(header, now_ms)? {
            return Ok(false);
        }
        let base = self.next_base(header);
        self.roll_at(base, now_ms)?;
        Ok(true)
    }

    /// Where the next segment begins: at the log's end, though a follower's next batch may begin behind it. A hole
    /// between segments would look to recovery as if a crash had lost what was in it.
    fn next_base(&self, header: &Header<'_>) -> Offset {
        let span = header.last_offset().0.saturating_sub(self.end_offset.0);
        if span <= i64::from(i32::MAX) { self.end_offset } else { header.base_offset().max(self.end_offset) }
    }

    fn should_roll(&mut self, header: &Header<'_>, now_ms: i64) -> Result<bool> {
        let roll_ms = self.config.roll_ms();
        let (bytes_max, index_bytes_max) = (self.config.segment_bytes, self.config.segment_index_bytes);
        let place = &self.place;
        let active = self.segments.back_mut().expect("a log has a segment");
        if active.relative(header.last_offset()).is_none() {
            return Ok(true);
        }
        if active.size == 0 {
            return Ok(false);
        }
        if u64::from(active.size) + header.size() as u64 > u64::from(bytes_max) {
            return Ok(true);
        }
        if active.offset_index.0.len(place)? >= index_bytes_max / 8
            || active.time_index.entries.len(place)? >= (index_bytes_max / 12).saturating_sub(1)
        {
            return Ok(true);
        }
        let waited = match (header.max_timestamp(), active.first_timestamp(place)?) {
            (timestamp, Some(first)) if timestamp >= 0 => timestamp.saturating_sub(first),
            _ => now_ms.saturating_sub(active.created_ms),
        };
        Ok(waited > roll_ms.saturating_sub(active.jitter_ms))
    }

    /// The new segment is there before the old one is closed, so that nothing has changed where it fails.
    pub(super) fn roll_at(&mut self, base: Offset, now_ms: i64) -> Result<()> {
        let jitter = self.jitter();
        if base == self.active_segment_base() {
            // empty, but its indexes are full or its offsets too far apart
            return self.active_begins_anew(now_ms, jitter);
        }
        let next = Segment::create(&self.place, base, now_ms, jitter)?;
        self.unsynced_names = true;
        let place = &self.place;
        let old = self.segments.back_mut().expect("a log has a segment");
        let size = old.size;
        if old.has_surplus() {
            old.cut(place, size)?;
        }
        // for lack of room the entries stay in memory, and the flush writes them
        let written = old.write_indexes(place);
        self.segments.push_back(next);
        match written {
            Err(error) if error.is_directory_failed() => return Err(error),
            _ => {}
        }
        match self.take_snapshot() {
            Err(error) if error.is_directory_failed() => Err(error),
            _ => Ok(()),
        }
    }

    fn active_begins_anew(&mut self, now_ms: i64, jitter_ms: i64) -> Result<()> {
        let base = self.active_segment_base();
        let place = &self.place;
        self.segments.back_mut().expect("a log has a segment").clear_indexes(place)?;
        let segment = Segment::create(&self.place, base, now_ms, jitter_ms)?;
        *self.active() = segment;
        Ok(())
    }
}
