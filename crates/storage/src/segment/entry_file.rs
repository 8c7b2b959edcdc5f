//! A file of entries of one size, appended to. The newest are in memory until a block of them is written: a crash
//! loses them, and recovery makes them again.

use std::io::IoSlice;
use std::sync::Arc;

use platform::{File, OpenMode};
use types::Offset;

use super::place::Place;
use crate::error::{At, Result};

/// Bytes in memory before they are written.
const BLOCK: usize = 4096;

#[derive(Debug)]
pub(crate) struct EntryFile<const N: usize> {
    base: Offset,
    suffix: &'static str,
    file: Option<Arc<dyn File>>,
    /// Entries in the file; None until it was looked at.
    written: Option<u32>,
    tail: Vec<[u8; N]>,
    /// Bytes behind the entries that count are to be cut off.
    surplus: bool,
    /// Written to since the last sync.
    unsynced: bool,
}

impl<const N: usize> EntryFile<N> {
    /// Of a new segment.
    pub(crate) fn empty(base: Offset, suffix: &'static str) -> EntryFile<N> {
        EntryFile {
            base,
            suffix,
            file: None,
            written: Some(0),
            tail: Vec::new(),
            surplus: true,
            unsynced: false,
        }
    }

    /// Of a segment that was there; looked at when it is needed.
    pub(crate) fn unread(base: Offset, suffix: &'static str) -> EntryFile<N> {
        EntryFile { written: None, surplus: false, ..EntryFile::empty(base, suffix) }
    }

    fn opened(&mut self, place: &Place) -> Result<&Arc<dyn File>> {
        let file = match self.file.take() {
            Some(file) => file,
            None => place.open(self.base, self.suffix, OpenMode::CreateOrOpen)?,
        };
        Ok(self.file.insert(file))
    }

    fn written(&mut self, place: &Place) -> Result<u32> {
        if let Some(written) = self.written {
            return Ok(written);
        }
        let size = match place.open_existing(self.base, self.suffix)? {
            Some(file) => {
                let size = file.size().at(|| place.path(self.base, self.suffix))?;
                self.file = Some(file);
                size
            }
            None => 0,
        };
        let count = u32::try_from(size / N as u64).unwrap_or(u32::MAX);
        self.surplus = size % N as u64 != 0;
        self.written = Some(count);
        Ok(count)
    }

    pub(crate) fn len(&mut self, place: &Place) -> Result<u32> {
        Ok(self.written(place)?.saturating_add(self.tail.len() as u32))
    }

    pub(crate) fn get(&mut self, place: &Place, at: u32) -> Result<Option<[u8; N]>> {
        let written = self.written(place)?;
        if let Some(in_tail) = at.checked_sub(written) {
            return Ok(self.tail.get(in_tail as usize).copied());
        }
        let mut entry = [0; N];
        let read = self.opened(place)?.read_at(&mut entry, u64::from(at) * N as u64);
        let read = read.at(|| place.path(self.base, self.suffix))?;
        Ok((read == N).then_some(entry))
    }

    pub(crate) fn last(&mut self, place: &Place) -> Result<Option<[u8; N]>> {
        match self.tail.last() {
            Some(last) => Ok(Some(*last)),
            None => match self.written(place)?.checked_sub(1) {
                Some(at) => self.get(place, at),
                None => Ok(None),
            },
        }
    }

    /// How many entries from the first on satisfy `before`, of entries in order.
    pub(crate) fn partition_point(
        &mut self,
        place: &Place,
        before: impl Fn(&[u8; N]) -> bool,
    ) -> Result<u32> {
        let written = self.written(place)?;
        // the newest are asked for most
        if self.tail.first().is_some_and(&before) {
            return Ok(written.saturating_add(self.tail.partition_point(&before) as u32));
        }
        let (mut low, mut high) = (0, written);
        while low < high {
            let middle = low + (high - low) / 2;
            match self.get(place, middle)? {
                Some(entry) if before(&entry) => low = middle + 1,
                _ => high = middle,
            }
        }
        Ok(low)
    }

    /// In memory alone; `write_full_blocks` follows an append when there may be disk work.
    pub(crate) fn append(&mut self, entry: [u8; N]) {
        self.tail.push(entry);
    }

    pub(crate) fn write_full_blocks(&mut self, place: &Place) -> Result<()> {
        if self.tail.len() * N >= BLOCK { self.write_all(place) } else { Ok(()) }
    }

    /// Everything is in the file after this, which exists even where there are no entries.
    pub(crate) fn write_all(&mut self, place: &Place) -> Result<()> {
        let written = self.written(place)?;
        if self.tail.is_empty() && !self.surplus {
            return Ok(());
        }
        let position = u64::from(written) * N as u64;
        let (bytes, count) = (self.tail.concat(), self.tail.len() as u32);
        let surplus = self.surplus;
        let file = self.opened(place)?;
        let result = match surplus {
            true => file.set_size(position),
            false => Ok(()),
        }
        .and_then(|()| file.write_at(&mut [IoSlice::new(&bytes)], position));
        result.at(|| place.path(self.base, self.suffix))?;
        self.surplus = false;
        self.unsynced = true;
        self.written = Some(written.saturating_add(count));
        self.tail.clear();
        Ok(())
    }

    pub(crate) fn set_unsynced(&mut self) {
        self.unsynced = true;
    }

    pub(crate) fn has_unwritten(&self) -> bool {
        !self.tail.is_empty() || self.surplus
    }

    /// Only the first `count` entries stay.
    pub(crate) fn truncate(&mut self, place: &Place, count: u32) -> Result<()> {
        let written = self.written(place)?;
        if count >= written {
            self.tail.truncate((count - written) as usize);
            return Ok(());
        }
        self.tail.clear();
        self.written = Some(count);
        self.surplus = true;
        Ok(())
    }

    /// The entries in the file up to the first that `follows` refuses, seen in order; the rest is cut off.
    pub(crate) fn keep_valid(
        &mut self,
        place: &Place,
        mut follows: impl FnMut(&[u8; N]) -> bool,
    ) -> Result<()> {
        let written = self.written(place)?;
        if written == 0 {
            return Ok(());
        }
        let mut block = [0; BLOCK];
        let mut valid = 0;
        let per_block = (BLOCK / N) as u32;
        'file: while valid < written {
            let wanted = (written - valid).min(per_block) as usize * N;
            let buffer = block.get_mut(..wanted).unwrap_or_default();
            let read = self.opened(place)?.read_at(buffer, u64::from(valid) * N as u64);
            let read = read.at(|| place.path(self.base, self.suffix))?;
            if read < N {
                break;
            }
            for entry in buffer.get(..read).unwrap_or_default().chunks_exact(N) {
                if !entry.first_chunk().is_some_and(&mut follows) {
                    break 'file;
                }
                valid += 1;
            }
        }
        self.truncate(place, valid)
    }

    /// The file, where it has to be synced. Everything must be written.
    pub(crate) fn take_unsynced(&mut self, place: &Place) -> Result<Option<Arc<dyn File>>> {
        if !std::mem::take(&mut self.unsynced) {
            return Ok(None);
        }
        self.opened(place).cloned().map(Some)
    }

    pub(crate) fn close(&mut self) {
        self.file = None;
        self.tail.shrink_to_fit();
    }
}
