//! After an unclean stop: batches past the recovery point are read, checked and written once more (a sync may have
//! failed), the first bad one and all behind it go, and indexes, epochs, producers and aborted transactions are made
//! from what is left. After a clean stop only the end is looked for.

use std::io;
use std::sync::Arc;

use platform::OpenMode;
use records::{HEADER_SIZE, Header, PatchedHeader};
use types::Offset;

use super::Log;
use super::open::{Listing, LogOptions, Opened};
use crate::error::{At, Error, Result, if_room};
use crate::names::LOG;
use crate::producer::CompletedTransaction;
use crate::segment::{Judged, Place, Scan, Segment, Window, truncate_aborted};

impl Log {
    pub(super) fn recover(&mut self, listing: &Listing, options: &LogOptions) -> Result<Opened> {
        let mut opened = Opened::default();
        let now_ms = options.now_ms;
        if options.clean {
            self.find_end(listing)?;
            self.recovery_point = self.end_offset;
        } else {
            self.scan_unsynced(listing, now_ms, &mut opened)?;
        }
        if self.end_offset < options.start_offset {
            self.truncate_fully_and_start_at(options.start_offset, now_ms)?;
        }
        let (start, end) = (options.start_offset.max(self.first_segment_base()), self.end_offset);
        self.start_offset = start;
        self.epochs.truncate_from_end(end);
        self.epochs.truncate_from_start(start);
        self.remove_snapshots(|offset| offset > end)?;
        if options.clean {
            self.load_producers(now_ms)?;
        }
        self.recovery_point = self.recovery_point.min(end);
        self.flushed_offset = self.recovery_point.max(start);
        self.segments.iter_mut().for_each(|segment| segment.close());
        Ok(opened)
    }

    /// After a clean stop: the end of the active segment, and indexes that somebody has removed.
    fn find_end(&mut self, listing: &Listing) -> Result<()> {
        let place = &self.place;
        for segment in self.segments.iter_mut().filter(|segment| segment.size > 0) {
            if !listing.offset_indexes.contains(&segment.base) {
                segment.rebuild_indexes(place)?;
            }
        }
        let last = self.segments.len() - 1;
        let size = self.active().size;
        self.note_rest(last, size)?;
        let found = self.active().size;
        if found < size {
            let (segment, place) = self.segment(last)?;
            segment.cut(place, found)?;
        }
        Ok(())
    }

    /// Takes the batches from the last index entry to `size` into account again: the end, and the largest timestamp.
    pub(super) fn note_rest(&mut self, index: usize, size: u32) -> Result<()> {
        let (base, from) = self.start_at_index(index, None, size)?;
        self.end_offset = base;
        self.walk_segment(index, from, size, None)
    }

    /// Newest snapshot, then what comes after it. A Kafka that stopped cleanly without any has no producers.
    fn load_producers(&mut self, now_ms: i64) -> Result<()> {
        let end = self.end_offset;
        let had_snapshots = !self.snapshots.is_empty();
        match self.load_snapshot(end, now_ms)? {
            Some(from) => self.replay_producers(from, end),
            None if had_snapshots => self.replay_producers(self.first_segment_base(), end),
            None => Ok(()),
        }
    }

    fn scan_unsynced(&mut self, listing: &Listing, now_ms: i64, opened: &mut Opened) -> Result<()> {
        // where segments were deleted past the recovery point, nothing is left to look for below the first
        let synced = self.recovery_point.max(self.first_segment_base());
        let mut first = self.segment_of(synced);
        self.cut_surplus_before(first, opened)?;
        let place = &self.place;
        // a recovery point says nothing of a segment that a crash has taken the index from
        for (index, segment) in self.segments.iter_mut().enumerate().take(first) {
            if segment.size > 0 && !listing.offset_indexes.contains(&segment.base) {
                first = first.min(index);
                segment.clear_indexes(place)?;
            }
        }
        let sizes: Vec<u32> = self.segments.iter().map(|segment| segment.size).collect();
        let size_of = |index: usize| sizes.get(index).copied().unwrap_or(0);
        let snapshot = self.load_snapshot(synced, now_ms)?;
        let trusted = snapshot.unwrap_or(self.first_segment_base());
        self.remove_snapshots(|offset| offset > trusted)?;
        // below the recovery point both indexes were synced too
        let (from_offset, from) = self.start_at_index(first, Some(self.recovery_point), size_of(first))?;
        self.replay_producers(trusted, from_offset)?;
        let producers_from = trusted.max(from_offset);

        // after a kill everything may still be in memory alone
        self.segments.iter_mut().skip(first).for_each(Segment::set_unsynced);
        self.unsynced_names = true;
        self.unsynced_directory = self.recovery_point <= self.first_segment_base();

        self.end_offset = from_offset;
        let mut index = first;
        let mut position = from;
        while index == first || self.follows(index) {
            let Some(segment) = self.segments.get(index) else { break };
            let (base, size) = (segment.base, size_of(index));
            self.end_offset = self.end_offset.max(base);
            if index > first {
                let (segment, place) = self.segment(index)?;
                segment.clear_indexes(place)?;
                segment.size = 0;
            }
            let place = &self.place;
            let aborted = self.segments.get(index).is_some_and(|segment| segment.has_aborted);
            let kept = aborted && truncate_aborted(place, base, producers_from)?;
            if let Some(segment) = self.segments.get_mut(index) {
                segment.has_aborted = kept;
            }
            let found = self.recover_segment(index, position, size, producers_from)?;
            opened.scanned_bytes += u64::from(found.saturating_sub(position));
            opened.truncated_bytes += u64::from(size - found);
            index += 1;
            position = 0;
            if found < size && self.segments.get(index).is_none_or(|next| next.base != self.end_offset) {
                break;
            }
        }
        while self.segments.len() > index {
            opened.truncated_bytes += u64::from(self.active().size);
            opened.removed_segments += 1;
            self.remove_last_segment()?;
        }
        if self.end_offset < trusted {
            self.rebuild_producers(now_ms)?;
        }
        Ok(())
    }

    /// Whether a segment goes on where the log ends so far. A hole before it means that a crash has lost the end of
    /// the segment before: the log keeps no record that comes after a lost one. A hole that was there when it was
    /// written is told by the recovery point, by compaction, and by a width that no lost end can have.
    fn follows(&self, index: usize) -> bool {
        let (Some(before), Some(segment)) = (self.segments.get(index - 1), self.segments.get(index)) else {
            return false;
        };
        let hole = segment.base.0.saturating_sub(self.end_offset.0);
        let is_meant = || {
            self.config.compact
                || segment.base <= self.recovery_point
                || segment.base.0.saturating_sub(before.base.0) > i64::from(u32::MAX / 2 + 1)
        };
        hole == 0 || hole > 0 && is_meant()
    }

    /// Where the recovery point is at a segment's base, the segment before it may have bytes behind its last record:
    /// of a write that failed, or that an earlier crash has torn. They were cut off before the next segment was begun,
    /// but a loss of power undoes a cut that no flush has reached.
    fn cut_surplus_before(&mut self, first: usize, opened: &mut Opened) -> Result<()> {
        let Some(index) = first.checked_sub(1) else { return Ok(()) };
        let Some(next) = self.segments.get(first).map(|segment| segment.base) else { return Ok(()) };
        if next < self.recovery_point {
            return Ok(());
        }
        let (segment, place) = self.segment(index)?;
        let (path, size) = (place.path(segment.base, LOG), segment.size);
        let file = Arc::clone(segment.file(place)?);
        let entry = segment.offset_index.last(place)?.filter(|entry| entry.position < size);
        let mut position = entry.map_or(0, |entry| u64::from(entry.position));
        let mut window = Window::whole();
        let mut scan = Scan { file: &file, window: &mut window, end: size.into(), verify: true };
        let mut end = None;
        while let Judged::Batch(header) = scan.batch_at(position).at(|| path.clone())?
            && header.base_offset() < next
        {
            end = Some(header.next_offset());
            position += header.size() as u64;
        }
        // a cut of the process before this one may not have reached the disk either
        segment.set_unsynced();
        // where a record is missing, it is not surplus
        if let Ok(found) = u32::try_from(position)
            && end == Some(next)
            && found < size
        {
            opened.truncated_bytes += u64::from(size - found);
            segment.cut(place, found)?;
        }
        Ok(())
    }

    /// Checks a segment from a position on and cuts it behind its last good batch. Gives its size.
    fn recover_segment(&mut self, index: usize, from: u32, size: u32, producers_from: Offset) -> Result<u32> {
        self.walk_segment(index, from, size, Some(producers_from))?;
        let is_last = index + 1 == self.segments.len();
        let (segment, place) = self.segment(index)?;
        if segment.size < size {
            let found = segment.size;
            segment.cut(place, found)?;
        }
        if !is_last {
            if_room(segment.write_indexes(place))?;
        }
        Ok(segment.size)
    }

    /// Where to begin in a segment: at its last index entry (below `offset`), whose batch is there, or at its start.
    /// The indexes then end there. Gives the batch's base offset and position.
    fn start_at_index(&mut self, index: usize, below: Option<Offset>, size: u32) -> Result<(Offset, u32)> {
        let (segment, place) = self.segment(index)?;
        let base = segment.base;
        if let Some(below) = below {
            let below = segment.relative(below).unwrap_or(if below < base { 0 } else { i32::MAX as u32 });
            segment.offset_index.keep_valid(place, below, size)?;
            segment.time_index.keep_valid(place, below)?;
        }
        if let Some(entry) = segment.offset_index.last(place)? {
            let file = Arc::clone(segment.file(place)?);
            let mut window = Window::headers();
            let mut scan = Scan { file: &file, window: &mut window, end: size.into(), verify: false };
            if let Judged::Batch(header) =
                scan.batch_at(entry.position.into()).at(|| place.path(base, LOG))?
                && header.last_offset() == base.plus(entry.relative_offset.into())
            {
                segment.start_again_at(place, entry.position, header.base_offset())?;
                return Ok((header.base_offset(), entry.position));
            }
        }
        segment.start_again_at(place, 0, base)?;
        Ok((base, 0))
    }

    /// Takes good batches into account, from a position to the first that is none. The segment's size is then
    /// theirs. Recovering, their checksums are checked, and epochs and, from an offset on, producers are told.
    fn walk_segment(&mut self, index: usize, from: u32, size: u32, recovering: Option<Offset>) -> Result<()> {
        let verify = recovering.is_some();
        let interval = self.config.index_interval_bytes;
        let (segment, place) = self.segment(index)?;
        let (base, path) = (segment.base, place.path(segment.base, LOG));
        let file = Arc::clone(segment.file(place)?);
        let mut window = if verify { Window::rewriting() } else { Window::headers() };
        let mut scan = Scan { file: &file, window: &mut window, end: size.into(), verify };
        let mut position = u64::from(from);
        loop {
            let header = match scan.batch_at(position).at(|| path.clone())? {
                Judged::Batch(header) => header,
                Judged::Old => return Err(Error::unreadable(&path, "records of format 0 or 1 are not read")),
                Judged::End | Judged::Damaged(_) => return Ok(()),
            };
            let fits = header.base_offset() >= self.end_offset.max(base)
                && header.last_offset_delta() >= 0
                && header.last_offset().0.saturating_sub(base.0) <= i64::from(i32::MAX);
            if !fits {
                return Ok(());
            }
            let (segment, place) = self.segment(index)?;
            segment.note_batch(&header, interval);
            // on a full disk the entries stay in memory, and a flush writes them
            if_room(segment.offset_index.0.write_full_blocks(place))?;
            if_room(segment.time_index.entries.write_full_blocks(place))?;
            self.end_offset = header.next_offset();
            let header = PatchedHeader::new(header);
            let header = header.header();
            if verify && self.epochs.latest().is_none_or(|latest| header.leader_epoch() > latest) {
                self.epochs.assign(header.leader_epoch(), header.base_offset());
            }
            if recovering.is_some_and(|from| header.base_offset() >= from)
                && let Some(ended) =
                    self.note_scanned_producer(&header, &mut scan, position).at(|| path.clone())?
                && ended.aborted
            {
                self.index_aborted_in(index, &ended)?;
            }
            position += header.size() as u64;
        }
    }

    /// The producer's state after a batch that is read from a file; some where it ends a transaction.
    fn note_scanned_producer(
        &mut self,
        header: &Header<'_>,
        scan: &mut Scan<'_>,
        position: u64,
    ) -> io::Result<Option<CompletedTransaction>> {
        if !header.has_producer_id() {
            return Ok(None);
        }
        // only a marker's records are looked at
        let bytes = if header.is_control() { scan.bytes_at(position, header.size())? } else { &[] };
        Ok(self.note_producer(header, bytes.get(HEADER_SIZE..).unwrap_or_default()))
    }

    fn index_aborted_in(&mut self, index: usize, ended: &CompletedTransaction) -> Result<()> {
        let later: Vec<_> = self.segments.drain(index + 1..).collect();
        let indexed = self.index_aborted(ended);
        self.segments.extend(later);
        indexed
    }

    /// The epochs of all records, from their headers: a crash has damaged the file that lists them.
    pub(super) fn rebuild_epochs(&mut self) -> Result<()> {
        let mut window = Window::headers();
        for index in 0..self.segments.len() {
            window.reset();
            let (segment, place) = self.segment(index)?;
            let (path, end) = (place.path(segment.base, LOG), segment.size.into());
            let file = Arc::clone(segment.file(place)?);
            let mut scan = Scan { file: &file, window: &mut window, end, verify: false };
            let mut position = 0;
            while let Judged::Batch(header) = scan.batch_at(position).at(|| path.clone())? {
                if self.epochs.latest().is_none_or(|latest| header.leader_epoch() > latest) {
                    self.epochs.assign(header.leader_epoch(), header.base_offset());
                }
                position += header.size() as u64;
            }
        }
        Ok(())
    }

    /// Feeds the batches from `from` to `end` to the producers' state. Their headers were good before.
    pub(super) fn replay_producers(&mut self, from: Offset, end: Offset) -> Result<()> {
        if from >= end {
            return Ok(());
        }
        let mut window = Window::headers();
        for index in self.segment_of(from)..self.segments.len() {
            let (segment, place) = self.segment(index)?;
            if segment.base >= end {
                break;
            }
            window.reset();
            let (path, file) = (place.path(segment.base, LOG), Arc::clone(segment.file(place)?));
            let size = file.size().at(|| path.clone())?;
            let floor = segment.relative(from).map(|relative| segment.offset_index.floor(place, relative));
            let mut position = floor.transpose()?.flatten().map_or(0, |entry| u64::from(entry.position));
            loop {
                let mut scan = Scan { file: &file, window: &mut window, end: size, verify: false };
                let header = match scan.batch_at(position).at(|| path.clone())? {
                    Judged::Batch(header) if header.base_offset() < end => header,
                    _ => break,
                };
                let header = PatchedHeader::new(header);
                let header = header.header();
                if header.base_offset() >= from {
                    self.note_scanned_producer(&header, &mut scan, position).at(|| path.clone())?;
                }
                position += header.size() as u64;
            }
        }
        Ok(())
    }
}

/// The offset behind a segment's last batch, from its headers.
pub(super) fn next_offset(place: &Place, base: Offset, name: &str) -> Result<Offset> {
    let path = place.directory.join(name);
    let file = place.file_system.open(&path, OpenMode::Read).at(|| path.clone())?;
    let end = file.size().at(|| path.clone())?;
    let (mut window, mut position, mut next) = (Window::headers(), 0, base);
    let mut scan = Scan { file: &file, window: &mut window, end, verify: false };
    while let Judged::Batch(header) = scan.batch_at(position).at(|| path.clone())? {
        next = header.next_offset();
        position += header.size() as u64;
    }
    Ok(next)
}
