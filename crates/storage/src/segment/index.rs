//! `.index`: the last offset of a batch, and where the batch begins. Sparse: one entry for some 4 KiB of log.

use types::Offset;

use super::entry_file::EntryFile;
use super::place::Place;
use crate::error::Result;
use crate::names;

/// An offset, relative to the segment's base, and a position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct IndexEntry {
    pub(crate) relative_offset: u32,
    pub(crate) position: u32,
}

impl IndexEntry {
    fn decode(bytes: &[u8; 8]) -> IndexEntry {
        let [a, b, c, d, e, f, g, h] = *bytes;
        IndexEntry {
            relative_offset: u32::from_be_bytes([a, b, c, d]),
            position: u32::from_be_bytes([e, f, g, h]),
        }
    }

    fn encode(self) -> [u8; 8] {
        let [a, b, c, d] = self.relative_offset.to_be_bytes();
        let [e, f, g, h] = self.position.to_be_bytes();
        [a, b, c, d, e, f, g, h]
    }
}

#[derive(Debug)]
pub(crate) struct OffsetIndex(pub(crate) EntryFile<8>);

impl OffsetIndex {
    pub(crate) fn empty(base: Offset) -> OffsetIndex {
        OffsetIndex(EntryFile::empty(base, names::OFFSET_INDEX))
    }

    pub(crate) fn unread(base: Offset) -> OffsetIndex {
        OffsetIndex(EntryFile::unread(base, names::OFFSET_INDEX))
    }

    pub(crate) fn append(&mut self, relative_offset: u32, position: u32) {
        self.0.append(IndexEntry { relative_offset, position }.encode());
    }

    /// The last entry whose offset is at or below.
    pub(crate) fn floor(&mut self, place: &Place, relative_offset: u32) -> Result<Option<IndexEntry>> {
        let after =
            self.0.partition_point(place, |e| IndexEntry::decode(e).relative_offset <= relative_offset)?;
        self.entry_before(place, after)
    }

    pub(crate) fn last(&mut self, place: &Place) -> Result<Option<IndexEntry>> {
        Ok(self.0.last(place)?.as_ref().map(IndexEntry::decode))
    }

    fn entry_before(&mut self, place: &Place, after: u32) -> Result<Option<IndexEntry>> {
        match after.checked_sub(1) {
            Some(at) => Ok(self.0.get(place, at)?.as_ref().map(IndexEntry::decode)),
            None => Ok(None),
        }
    }

    /// Keeps entries of batches below the position, in a file of rising entries.
    pub(crate) fn truncate_to_position(&mut self, place: &Place, position: u32) -> Result<()> {
        let count = self.0.partition_point(place, |entry| IndexEntry::decode(entry).position < position)?;
        self.0.truncate(place, count)
    }

    /// Keeps the entries that rise, up to the given bounds: what a crash cannot have made up.
    pub(crate) fn keep_valid(&mut self, place: &Place, below_offset: u32, below_position: u32) -> Result<()> {
        let mut last = IndexEntry { relative_offset: 0, position: 0 };
        self.0.keep_valid(place, |entry| {
            let entry = IndexEntry::decode(entry);
            let rises = entry.relative_offset > last.relative_offset && entry.position > last.position;
            last = entry;
            rises && entry.relative_offset < below_offset && entry.position < below_position
        })
    }
}
