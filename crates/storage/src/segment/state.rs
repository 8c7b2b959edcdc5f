//! A segment's files and what is known of them. Files are opened when needed and closed when idle.

use std::collections::VecDeque;
use std::io::IoSlice;
use std::sync::Arc;

use platform::{File, OpenMode};
use records::{HEADER_SIZE, Header};
use types::Offset;

use super::place::Place;
use super::scan::{Judged, Scan, Window};
use super::{OffsetIndex, TimeIndex};
use crate::error::{At, ReadError, Result, if_room};
use crate::names::LOG;

/// The newest batches whose places are kept in memory: readers at the end of a log find theirs without a read.
const RECENT: usize = 16;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TimestampOffset {
    /// -1: none.
    pub(crate) timestamp: i64,
    /// The last offset of the batch that has it.
    pub(crate) offset: Offset,
}

/// Where a batch lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) base_offset: Offset,
    pub(crate) position: u32,
    pub(crate) size: u32,
}

#[derive(Clone, Copy, Debug)]
struct Recent {
    base_offset: Offset,
    last_offset_delta: u32,
    position: u32,
}

#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) base: Offset,
    /// Bytes of the log that count; the file may have more behind them after a failed write.
    pub(crate) size: u32,
    pub(crate) created_ms: i64,
    pub(crate) jitter_ms: i64,
    pub(crate) offset_index: OffsetIndex,
    pub(crate) time_index: TimeIndex,
    /// There is a `.txnindex`.
    pub(crate) has_aborted: bool,
    pub(crate) unsynced_aborted: Option<Arc<dyn File>>,
    log: Option<Arc<dyn File>>,
    /// None: not looked at.
    largest: Option<TimestampOffset>,
    first_timestamp: Option<i64>,
    bytes_since_index: u32,
    recent: VecDeque<Recent>,
    surplus: bool,
    unsynced: bool,
    used: bool,
}

impl Segment {
    /// Makes the `.log` file; the indexes' come with their first entries.
    pub(crate) fn create(place: &Place, base: Offset, now_ms: i64, jitter_ms: i64) -> Result<Segment> {
        let log = place.open(base, LOG, OpenMode::CreateOrOpen)?;
        if log.size().at(|| place.path(base, LOG))? != 0 {
            log.set_size(0).at(|| place.path(base, LOG))?;
        }
        Ok(Segment {
            offset_index: OffsetIndex::empty(base),
            time_index: TimeIndex::empty(base),
            log: Some(log),
            largest: Some(TimestampOffset { timestamp: -1, offset: base }),
            created_ms: now_ms,
            jitter_ms,
            ..Segment::existing(base, 0)
        })
    }

    pub(crate) fn existing(base: Offset, size: u32) -> Segment {
        Segment {
            base,
            size,
            created_ms: 0,
            jitter_ms: 0,
            offset_index: OffsetIndex::unread(base),
            time_index: TimeIndex::unread(base),
            has_aborted: false,
            unsynced_aborted: None,
            log: None,
            largest: None,
            first_timestamp: None,
            bytes_since_index: 0,
            recent: VecDeque::new(),
            surplus: false,
            unsynced: false,
            used: true,
        }
    }

    pub(crate) fn file(&mut self, place: &Place) -> Result<&Arc<dyn File>> {
        self.used = true;
        let log = match self.log.take() {
            Some(log) => log,
            None => place.open(self.base, LOG, OpenMode::ReadWrite)?,
        };
        Ok(self.log.insert(log))
    }

    pub(crate) fn relative(&self, offset: Offset) -> Option<u32> {
        let relative = offset.0.checked_sub(self.base.0)?;
        u32::try_from(relative).ok().filter(|relative| *relative <= i32::MAX as u32)
    }

    /// What may fail for lack of room is done before a batch is written, so that nothing fails after it.
    pub(crate) fn prepare_append(&mut self, place: &Place) -> Result<()> {
        self.largest(place)?;
        self.time_index.prepare(place)?;
        self.offset_index.0.len(place)?;
        self.offset_index.0.write_full_blocks(place)?;
        self.time_index.entries.write_full_blocks(place)?;
        if self.surplus {
            let size = self.size.into();
            self.file(place)?.set_size(size).at(|| place.path(self.base, LOG))?;
            self.surplus = false;
        }
        Ok(())
    }

    /// Writes at the end. `note_batch` follows for each batch.
    pub(crate) fn write(&mut self, place: &Place, buffers: &mut [IoSlice<'_>]) -> Result<()> {
        let position = self.size.into();
        let written = self.file(place)?.write_at(buffers, position);
        if written.is_err() {
            self.surplus = true;
        }
        self.unsynced = true;
        written.at(|| place.path(self.base, LOG))
    }

    /// Takes the batch at the end into account: size, times, indexes.
    pub(crate) fn note_batch(&mut self, header: &Header<'_>, index_interval: u32) {
        let (base_offset, last_offset) = (header.base_offset(), header.last_offset());
        let (position, size) = (self.size, u32::try_from(header.size()).unwrap_or(u32::MAX));
        let mut largest = self.largest.unwrap_or(TimestampOffset { timestamp: -1, offset: self.base });
        if header.max_timestamp() > largest.timestamp {
            largest = TimestampOffset { timestamp: header.max_timestamp(), offset: last_offset };
        }
        self.largest = Some(largest);
        if position == 0 {
            self.first_timestamp = Some(header.max_timestamp());
        }
        if self.bytes_since_index > index_interval {
            if let Some(relative) = self.relative(last_offset) {
                self.offset_index.append(relative, position);
            }
            self.note_largest();
            self.bytes_since_index = 0;
        }
        self.bytes_since_index = self.bytes_since_index.saturating_add(size);
        self.size = self.size.saturating_add(size);
        if self.recent.len() == RECENT {
            self.recent.pop_front();
        }
        let last_offset_delta = header.last_offset_delta().max(0) as u32;
        self.recent.push_back(Recent { base_offset, last_offset_delta, position });
    }

    /// Puts the largest timestamp so far into the time index, if it is not there.
    pub(crate) fn note_largest(&mut self) {
        if let Some(largest) = self.largest
            && let Some(relative) = self.relative(largest.offset)
        {
            self.time_index.maybe_append(largest.timestamp, relative);
        }
    }

    /// The first batch that ends at or behind the offset.
    pub(crate) fn find(
        &mut self,
        place: &Place,
        offset: Offset,
    ) -> std::result::Result<Option<Found>, ReadError> {
        if let Some(found) = self.find_recent(offset) {
            return Ok(Some(found));
        }
        let relative = self.relative(offset.max(self.base)).unwrap_or(i32::MAX as u32);
        let entry = self.offset_index.floor(place, relative)?;
        let mut window = Window::headers();
        if let Some(entry) = entry {
            let expected = self.base.plus(entry.relative_offset.into());
            let header = self.header_at(place, &mut window, entry.position)?;
            match header {
                Some(last) if last == expected => {}
                // an index that a crash or another hand has damaged is made anew
                _ => self.rebuild_indexes(place)?,
            }
        }
        let entry = self.offset_index.floor(place, relative)?;
        self.scan_for(place, &mut window, entry.map_or(0, |entry| entry.position), offset)
    }

    fn find_recent(&self, offset: Offset) -> Option<Found> {
        self.recent.front().filter(|first| offset >= first.base_offset)?;
        let last_offset = |recent: &Recent| recent.base_offset.plus(recent.last_offset_delta.into());
        let at = self.recent.partition_point(|recent| last_offset(recent) < offset);
        let found = self.recent.get(at)?;
        let end = self.recent.get(at + 1).map_or(self.size, |next| next.position);
        let Recent { base_offset, position, .. } = *found;
        Some(Found { base_offset, position, size: end.saturating_sub(position) })
    }

    fn header_at(&mut self, place: &Place, window: &mut Window, position: u32) -> Result<Option<Offset>> {
        let (base, end) = (self.base, self.size.into());
        let file = self.file(place)?;
        let mut scan = Scan { file, window, end, verify: false };
        Ok(match scan.batch_at(position.into()).at(|| place.path(base, LOG))? {
            Judged::Batch(header) => Some(header.last_offset()),
            _ => None,
        })
    }

    fn scan_for(
        &mut self,
        place: &Place,
        window: &mut Window,
        from: u32,
        offset: Offset,
    ) -> std::result::Result<Option<Found>, ReadError> {
        let (base, end) = (self.base, self.size.into());
        let path = || place.path(base, LOG);
        let mut position = u64::from(from);
        let mut scan = Scan { file: self.file(place)?, window, end, verify: false };
        loop {
            match scan.batch_at(position).at(path)? {
                Judged::Batch(header) if header.last_offset() >= offset => {
                    let size = u32::try_from(header.size()).unwrap_or(u32::MAX);
                    let position = u32::try_from(position).unwrap_or(u32::MAX);
                    return Ok(Some(Found { base_offset: header.base_offset(), position, size }));
                }
                Judged::Batch(header) => position += header.size() as u64,
                Judged::End => return Ok(None),
                Judged::Damaged(reason) => {
                    return Err(ReadError::Corrupt(format!("{} at {position}: {reason}", path().display())));
                }
                Judged::Old => {
                    return Err(ReadError::Corrupt(format!("{}: an old record format", path().display())));
                }
            }
        }
    }

    /// Makes both indexes from the headers, as far as they can be read.
    pub(crate) fn rebuild_indexes(&mut self, place: &Place) -> Result<()> {
        self.clear_indexes(place)?;
        let (base, end) = (self.base, u64::from(self.size));
        let file = Arc::clone(self.file(place)?);
        let mut window = Window::headers();
        let mut scan = Scan { file: &file, window: &mut window, end, verify: false };
        self.size = 0;
        // the interval is Kafka's default: the index is a hint, and this one may be denser than asked for
        while let Judged::Batch(header) = scan.batch_at(self.size.into()).at(|| place.path(base, LOG))? {
            self.note_batch(&header, 4096);
        }
        self.size = u32::try_from(end).unwrap_or(u32::MAX);
        self.recent.clear();
        self.note_largest();
        if_room(self.offset_index.0.write_all(place))?;
        if_room(self.time_index.entries.write_all(place))?;
        Ok(())
    }

    pub(crate) fn clear_indexes(&mut self, place: &Place) -> Result<()> {
        self.offset_index.0.truncate(place, 0)?;
        self.time_index.entries.truncate(place, 0)?;
        self.time_index = TimeIndex::empty(self.base);
        self.offset_index = OffsetIndex::empty(self.base);
        self.largest = Some(TimestampOffset { timestamp: -1, offset: self.base });
        self.bytes_since_index = 0;
        self.recent.clear();
        Ok(())
    }

    /// Prepares for `note_batch` from this position on, which an index entry names or is 0.
    pub(crate) fn start_again_at(&mut self, place: &Place, position: u32, base_offset: Offset) -> Result<()> {
        if position == 0 {
            self.clear_indexes(place)?;
        } else {
            let relative = self.relative(base_offset).unwrap_or(0);
            self.offset_index.truncate_to_position(place, position)?;
            self.time_index.truncate_to(place, relative)?;
            self.largest = None;
            self.largest(place)?;
            // the batch at `position` had an entry, and gets it again
            self.bytes_since_index = u32::MAX;
            self.recent.clear();
        }
        self.size = position;
        Ok(())
    }

    /// The largest timestamp of its records, from the time index where it is not known.
    pub(crate) fn largest(&mut self, place: &Place) -> Result<TimestampOffset> {
        if let Some(largest) = self.largest {
            return Ok(largest);
        }
        let last = self.time_index.last(place)?;
        let largest = last.map_or(TimestampOffset { timestamp: -1, offset: self.base }, |last| {
            TimestampOffset { timestamp: last.timestamp, offset: self.base.plus(last.relative_offset.into()) }
        });
        self.largest = Some(largest);
        Ok(largest)
    }

    /// The largest timestamp, or the file's where the records have none.
    pub(crate) fn largest_or_modified(&mut self, place: &Place) -> Result<i64> {
        match self.largest(place)?.timestamp {
            -1 => {
                let path = place.path(self.base, LOG);
                place.file_system.modified_ms(&path).at(|| path)
            }
            timestamp => Ok(timestamp),
        }
    }

    /// The first batch's largest timestamp: the segment's age counts from it.
    pub(crate) fn first_timestamp(&mut self, place: &Place) -> Result<Option<i64>> {
        if self.first_timestamp.is_none() && self.size > 0 {
            let (base, end) = (self.base, self.size.into());
            let mut header = [0; HEADER_SIZE];
            let read = self.file(place)?.read_at(&mut header, 0).at(|| place.path(base, LOG))?;
            let header = header.get(..read).unwrap_or_default();
            self.first_timestamp = match Header::parse(header) {
                Ok(Some(header)) if header.size() as u64 <= end => Some(header.max_timestamp()),
                _ => Some(-1),
            };
        }
        Ok(self.first_timestamp.filter(|timestamp| *timestamp >= 0))
    }

    /// Cuts the log file to `size`.
    pub(crate) fn cut(&mut self, place: &Place, size: u32) -> Result<()> {
        self.size = size;
        self.unsynced = true;
        self.surplus = false;
        self.file(place)?.set_size(size.into()).at(|| place.path(self.base, LOG))
    }

    /// Everything in memory goes to the files, which are complete then.
    pub(crate) fn write_indexes(&mut self, place: &Place) -> Result<()> {
        self.time_index.prepare(place)?;
        self.largest(place)?;
        self.note_largest();
        self.offset_index.0.write_all(place)?;
        self.time_index.entries.write_all(place)
    }

    /// Records were written or cut off since the last flush.
    pub(crate) fn is_unsynced(&self) -> bool {
        self.unsynced
    }

    /// Nothing is known of what reached the disk: the next flush syncs all of it.
    pub(crate) fn set_unsynced(&mut self) {
        self.unsynced = true;
        self.offset_index.0.set_unsynced();
        self.time_index.entries.set_unsynced();
    }

    pub(crate) fn has_unwritten_entries(&self) -> bool {
        self.offset_index.0.has_unwritten() || self.time_index.entries.has_unwritten()
    }

    pub(crate) fn has_surplus(&self) -> bool {
        self.surplus
    }

    /// The files that a sync must reach. Without `indexes`, those alone whose loss recovery does not repair.
    pub(crate) fn take_unsynced(
        &mut self,
        place: &Place,
        indexes: bool,
        files: &mut Vec<Arc<dyn File>>,
    ) -> Result<()> {
        if self.unsynced {
            files.push(Arc::clone(self.file(place)?));
            self.unsynced = false;
        }
        files.extend(self.unsynced_aborted.take());
        if indexes {
            files.extend(self.offset_index.0.take_unsynced(place)?);
            files.extend(self.time_index.entries.take_unsynced(place)?);
        }
        Ok(())
    }

    /// Closes the files if nothing has used them since the last call. Entries that found no room stay in memory.
    pub(crate) fn close_if_idle(&mut self, place: &Place) -> Result<()> {
        if !std::mem::take(&mut self.used) {
            let _ = if_room(self.offset_index.0.write_all(place))?
                && if_room(self.time_index.entries.write_all(place))?;
            self.close();
        }
        Ok(())
    }

    pub(crate) fn close(&mut self) {
        self.log = None;
        self.offset_index.0.close();
        self.time_index.entries.close();
        self.recent.shrink_to_fit();
    }
}
