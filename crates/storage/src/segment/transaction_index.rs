//! `.txnindex`: the aborted transactions whose markers are in a segment. There is no file where there are none.

use std::io::IoSlice;
use std::sync::Arc;

use platform::{File, OpenMode};
use types::{Offset, ProducerId};

use super::place::Place;
use crate::error::{At, Error, Result};
use crate::names::TRANSACTION_INDEX;

const ENTRY: usize = 34;
const VERSION: i16 = 0;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AbortedTransaction {
    pub producer_id: ProducerId,
    pub first_offset: Offset,
    /// The marker's.
    pub last_offset: Offset,
    pub last_stable_offset: Offset,
}

impl AbortedTransaction {
    fn encode(&self) -> [u8; ENTRY] {
        let mut out = [0; ENTRY];
        let (version, numbers) = out.split_at_mut(2);
        version.copy_from_slice(&VERSION.to_be_bytes());
        let values = [self.producer_id.0, self.first_offset.0, self.last_offset.0, self.last_stable_offset.0];
        for (place, value) in numbers.chunks_exact_mut(8).zip(values) {
            place.copy_from_slice(&value.to_be_bytes());
        }
        out
    }

    fn decode(bytes: &[u8]) -> Option<AbortedTransaction> {
        let (version, numbers) = bytes.split_first_chunk()?;
        let mut numbers =
            numbers.chunks_exact(8).filter_map(|n| n.first_chunk()).map(|n| i64::from_be_bytes(*n));
        let mut next = || numbers.next();
        (i16::from_be_bytes(*version) == VERSION).then_some(())?;
        Some(AbortedTransaction {
            producer_id: ProducerId(next()?),
            first_offset: Offset(next()?),
            last_offset: Offset(next()?),
            last_stable_offset: Offset(next()?),
        })
    }
}

/// All entries; those behind a malformed one are left out.
pub(crate) fn read(place: &Place, base: Offset) -> Result<Vec<AbortedTransaction>> {
    let path = place.path(base, TRANSACTION_INDEX);
    if !place.file_system.exists(&path) {
        return Ok(Vec::new());
    }
    let bytes = place.file_system.read(&path).at(|| path.clone())?;
    let mut entries: Vec<AbortedTransaction> = Vec::with_capacity(bytes.len() / ENTRY);
    for chunk in bytes.chunks_exact(ENTRY) {
        let follows = |entry: &AbortedTransaction| {
            entries.last().is_none_or(|last| last.last_offset < entry.last_offset)
                && entry.first_offset >= Offset(0)
        };
        match AbortedTransaction::decode(chunk).filter(follows) {
            Some(entry) => entries.push(entry),
            None => break,
        }
    }
    Ok(entries)
}

/// Appends to the file of the segment and gives the file to be synced.
pub(crate) fn append(place: &Place, base: Offset, aborted: &AbortedTransaction) -> Result<Arc<dyn File>> {
    let file = place.open(base, TRANSACTION_INDEX, OpenMode::CreateOrOpen)?;
    let written = file.size().and_then(|size| {
        // an entry that was written in part is overwritten
        let end = size - size % ENTRY as u64;
        file.write_at(&mut [IoSlice::new(&aborted.encode())], end)
    });
    written.at(|| place.path(base, TRANSACTION_INDEX))?;
    Ok(file)
}

/// Keeps the transactions that ended below the offset. True where there are some.
pub(crate) fn truncate(place: &Place, base: Offset, end: Offset) -> Result<bool> {
    let kept = read(place, base)?.iter().take_while(|entry| entry.last_offset < end).count();
    if kept == 0 {
        place.remove(base, TRANSACTION_INDEX)?;
        return Ok(false);
    }
    let file = place.open(base, TRANSACTION_INDEX, OpenMode::ReadWrite)?;
    let size = u64::try_from(kept.saturating_mul(ENTRY)).unwrap_or(u64::MAX);
    let cut = file.set_size(size);
    cut.map_err(|error| Error::DirectoryFailed { path: place.path(base, TRANSACTION_INDEX), error })?;
    Ok(true)
}
