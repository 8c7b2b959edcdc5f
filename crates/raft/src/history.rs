//! Values by the offset of the record that set them: the voter set and kraft.version over the log.
//! A record counts from its append on, committed or not, and is undone when the log is truncated under it.
//! The records of a snapshot count at its end offset minus one, hence at -1 for the checkpoint 0-0.

use types::Offset;

use crate::control::ControlRecord;
use crate::log::SnapshotId;
use crate::voters::VoterSet;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct History<T>(Vec<(Offset, T)>);

impl<T> History<T> {
    fn add(&mut self, offset: Offset, value: T) {
        // a record read twice (a snapshot and the log below it) keeps its first place
        if self.0.last().is_none_or(|(last, _)| *last < offset) {
            self.0.push((offset, value));
        }
    }

    fn last(&self) -> Option<&(Offset, T)> {
        self.0.last()
    }

    fn at(&self, offset: Offset) -> Option<&T> {
        self.0.iter().rev().find(|(added, _)| *added <= offset).map(|(_, value)| value)
    }

    fn truncate_to(&mut self, end: Offset) {
        self.0.retain(|(added, _)| *added < end);
    }

    fn forget_before(&mut self, start: Offset) {
        let below = self.0.iter().filter(|(added, _)| *added < start).count();
        self.0.drain(..below.saturating_sub(1));
    }
}

/// What the control records of the log say about the quorum.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Quorum {
    configured: VoterSet,
    voters: History<VoterSet>,
    kraft_version: History<i16>,
}

impl Quorum {
    /// `configured`: the static voters; empty for a dynamic quorum.
    pub fn new(configured: VoterSet) -> Quorum {
        Quorum { configured, voters: History(Vec::new()), kraft_version: History(Vec::new()) }
    }

    /// Takes over a record read from the log or just appended; those of other kinds change nothing.
    pub fn add(&mut self, offset: Offset, record: &ControlRecord) {
        match record {
            ControlRecord::Voters(voters) => self.voters.add(offset, voters.clone()),
            ControlRecord::KraftVersion(version) => self.kraft_version.add(offset, *version),
            _ => {}
        }
    }

    pub fn add_snapshot(&mut self, id: SnapshotId, records: &[ControlRecord]) {
        let offset = Offset(id.end_offset.0 - 1);
        for record in records {
            self.add(offset, record);
        }
    }

    /// Starts anew from a snapshot that replaced the log.
    pub fn reset_to_snapshot(&mut self, id: SnapshotId, records: &[ControlRecord]) {
        *self = Quorum::new(std::mem::take(&mut self.configured));
        self.add_snapshot(id, records);
    }

    pub fn voters(&self) -> &VoterSet {
        self.voters.last().map_or(&self.configured, |(_, voters)| voters)
    }

    pub fn voters_at(&self, offset: Offset) -> &VoterSet {
        self.voters.at(offset).unwrap_or(&self.configured)
    }

    /// Offset of the newest voters record; none where the set is the configured one.
    pub fn voters_offset(&self) -> Option<Offset> {
        self.voters.last().map(|(offset, _)| *offset)
    }

    pub fn kraft_version(&self) -> i16 {
        self.kraft_version.last().map_or(0, |(_, version)| *version)
    }

    pub fn kraft_version_at(&self, offset: Offset) -> i16 {
        self.kraft_version.at(offset).copied().unwrap_or(0)
    }

    pub fn truncate_to(&mut self, end: Offset) {
        self.voters.truncate_to(end);
        self.kraft_version.truncate_to(end);
    }

    /// Forgets what only offsets below `start` need.
    pub fn forget_before(&mut self, start: Offset) {
        self.voters.forget_before(start);
        self.kraft_version.forget_before(start);
    }
}
