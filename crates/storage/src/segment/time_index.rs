//! `.timeindex`: the largest timestamp so far, and the last offset of the batch that has it. Timestamps rise.

use types::Offset;

use super::entry_file::EntryFile;
use super::place::Place;
use crate::error::Result;
use crate::names;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TimeEntry {
    pub(crate) timestamp: i64,
    pub(crate) relative_offset: u32,
}

impl TimeEntry {
    fn decode(bytes: &[u8; 12]) -> TimeEntry {
        let [a, b, c, d, e, f, g, h, i, j, k, l] = *bytes;
        TimeEntry {
            timestamp: i64::from_be_bytes([a, b, c, d, e, f, g, h]),
            relative_offset: u32::from_be_bytes([i, j, k, l]),
        }
    }

    fn encode(self) -> [u8; 12] {
        let [a, b, c, d, e, f, g, h] = self.timestamp.to_be_bytes();
        let [i, j, k, l] = self.relative_offset.to_be_bytes();
        [a, b, c, d, e, f, g, h, i, j, k, l]
    }
}

#[derive(Debug)]
pub(crate) struct TimeIndex {
    pub(crate) entries: EntryFile<12>,
    /// The last entry's; None until it was looked at, -1 where there is none.
    last_timestamp: Option<i64>,
}

impl TimeIndex {
    pub(crate) fn empty(base: Offset) -> TimeIndex {
        TimeIndex { entries: EntryFile::empty(base, names::TIME_INDEX), last_timestamp: Some(-1) }
    }

    pub(crate) fn unread(base: Offset) -> TimeIndex {
        TimeIndex { entries: EntryFile::unread(base, names::TIME_INDEX), last_timestamp: None }
    }

    /// `maybe_append` may be called from here on.
    pub(crate) fn prepare(&mut self, place: &Place) -> Result<()> {
        if self.last_timestamp.is_none() {
            self.last_timestamp = Some(self.last(place)?.map_or(-1, |last| last.timestamp));
        }
        Ok(())
    }

    /// Appends where the timestamp is larger than the last one; -1 is no timestamp.
    pub(crate) fn maybe_append(&mut self, timestamp: i64, relative_offset: u32) {
        if self.last_timestamp.is_some_and(|last| timestamp > last) {
            self.entries.append(TimeEntry { timestamp, relative_offset }.encode());
            self.last_timestamp = Some(timestamp);
        }
    }

    /// The last entry whose timestamp is at or below.
    pub(crate) fn floor(&mut self, place: &Place, timestamp: i64) -> Result<Option<TimeEntry>> {
        let after =
            self.entries.partition_point(place, |entry| TimeEntry::decode(entry).timestamp <= timestamp)?;
        match after.checked_sub(1) {
            Some(at) => Ok(self.entries.get(place, at)?.as_ref().map(TimeEntry::decode)),
            None => Ok(None),
        }
    }

    pub(crate) fn last(&mut self, place: &Place) -> Result<Option<TimeEntry>> {
        Ok(self.entries.last(place)?.as_ref().map(TimeEntry::decode))
    }

    /// Keeps entries below the offset.
    pub(crate) fn truncate_to(&mut self, place: &Place, relative_offset: u32) -> Result<()> {
        let before = |entry: &[u8; 12]| TimeEntry::decode(entry).relative_offset < relative_offset;
        let count = self.entries.partition_point(place, before)?;
        self.entries.truncate(place, count)?;
        self.last_timestamp = None;
        self.prepare(place)
    }

    /// Keeps the entries that rise, below the given offset.
    pub(crate) fn keep_valid(&mut self, place: &Place, below_offset: u32) -> Result<()> {
        let mut last = TimeEntry { timestamp: -1, relative_offset: 0 };
        self.entries.keep_valid(place, |entry| {
            let entry = TimeEntry::decode(entry);
            let padding = entry.timestamp == 0 && entry.relative_offset == 0;
            let rises = entry.timestamp > last.timestamp && entry.relative_offset >= last.relative_offset;
            last = entry;
            rises && !padding && entry.relative_offset < below_offset
        })?;
        self.last_timestamp = None;
        self.prepare(place)
    }
}
