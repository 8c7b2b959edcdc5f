//! Producer snapshots: written at each roll and stop, so that opening a log need not read all of it.

use std::io::IoSlice;

use platform::OpenMode;
use types::Offset;

use super::Log;
use crate::error::{At, Result};
use crate::names::SNAPSHOT;
use crate::producer::{ProducerState, decode_snapshot, encode_snapshot};

impl Log {
    /// Writes the producers as of the end, once for an end.
    pub(super) fn take_snapshot(&mut self) -> Result<()> {
        let at = self.end_offset;
        if self.snapshots.last() == Some(&at) {
            return Ok(());
        }
        let bytes = encode_snapshot(self.producers.entries());
        let file = self.place.open(at, SNAPSHOT, OpenMode::CreateOrOpen)?;
        let written = file.set_size(0).and_then(|()| file.write_at(&mut [IoSlice::new(&bytes)], 0));
        written.at(|| self.place.path(at, SNAPSHOT))?;
        self.snapshots.push(at);
        self.unsynced_files.push(file);
        self.unsynced_names = true;
        self.remove_inner_snapshots()
    }

    /// Only those at segments' bases and the newest are of use.
    fn remove_inner_snapshots(&mut self) -> Result<()> {
        let newest = self.snapshots.last().copied();
        let (segments, place) = (&self.segments, &self.place);
        let is_base = |offset: &Offset| segments.binary_search_by_key(offset, |segment| segment.base).is_ok();
        let (kept, inner): (Vec<_>, Vec<_>) =
            self.snapshots.drain(..).partition(|offset| Some(*offset) == newest || is_base(offset));
        self.snapshots = kept;
        inner.into_iter().try_for_each(|offset| place.remove(offset, SNAPSHOT))
    }

    pub(super) fn remove_snapshots(&mut self, gone: impl Fn(Offset) -> bool) -> Result<()> {
        let (removed, kept): (Vec<_>, Vec<_>) = self.snapshots.drain(..).partition(|offset| gone(*offset));
        self.snapshots = kept;
        removed.into_iter().try_for_each(|offset| self.place.remove(offset, SNAPSHOT))
    }

    /// The newest good snapshot at or below `newest` becomes the state. Gives its offset, or None where there is
    /// none. Damaged ones are removed.
    pub(super) fn load_snapshot(&mut self, newest: Offset, now_ms: i64) -> Result<Option<Offset>> {
        let expiration_ms = self.config.producer_id_expiration_ms;
        let candidates: Vec<Offset> =
            self.snapshots.iter().rev().copied().filter(|offset| *offset <= newest).collect();
        for offset in candidates {
            let path = self.place.path(offset, SNAPSHOT);
            let bytes = self.place.file_system.read(&path).at(|| path)?;
            if let Some(entries) = decode_snapshot(&bytes) {
                self.producers = ProducerState::new(entries, now_ms, expiration_ms);
                return Ok(Some(offset));
            }
            self.remove_snapshots(|other| other == offset)?;
        }
        self.producers = ProducerState::default();
        Ok(None)
    }
}
