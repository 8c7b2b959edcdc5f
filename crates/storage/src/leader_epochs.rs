//! Which leader epoch wrote from which offset on (KIP-101). Epochs and start offsets only rise.

use types::{LeaderEpoch, Offset};

/// The end of an epoch in this log; both -1 where it is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EpochEnd {
    pub epoch: LeaderEpoch,
    pub end_offset: Offset,
}

impl EpochEnd {
    pub const UNKNOWN: EpochEnd = EpochEnd { epoch: LeaderEpoch(-1), end_offset: Offset(-1) };
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LeaderEpochs {
    entries: Vec<(LeaderEpoch, Offset)>,
    /// Differs from the checkpoint file.
    dirty: bool,
}

impl LeaderEpochs {
    /// From a checkpoint; entries that do not rise are left out.
    pub fn new(entries: Vec<(LeaderEpoch, Offset)>) -> LeaderEpochs {
        let mut epochs = LeaderEpochs::default();
        entries.into_iter().for_each(|(epoch, start)| epochs.assign(epoch, start));
        epochs.dirty = false;
        epochs
    }

    pub fn entries(&self) -> &[(LeaderEpoch, Offset)] {
        &self.entries
    }

    pub fn latest(&self) -> Option<LeaderEpoch> {
        self.entries.last().map(|entry| entry.0)
    }

    pub fn is_dirty(&self) -> bool {
        self.dirty
    }

    pub fn set_clean(&mut self) {
        self.dirty = false;
    }

    /// From `start` on the log is of this epoch. What contradicts it is dropped.
    pub fn assign(&mut self, epoch: LeaderEpoch, start: Offset) {
        if epoch.0 < 0 || start.0 < 0 {
            return;
        }
        if self.entries.last().is_some_and(|last| last.0 == epoch && last.1 <= start) {
            return;
        }
        while self.entries.last().is_some_and(|last| last.0 >= epoch || last.1 >= start) {
            self.entries.pop();
        }
        self.entries.push((epoch, start));
        self.dirty = true;
    }

    /// The log ends at `end` now.
    pub fn truncate_from_end(&mut self, end: Offset) {
        while self.entries.last().is_some_and(|last| last.1 >= end) {
            self.entries.pop();
            self.dirty = true;
        }
    }

    /// The log starts at `start` now: the epoch there begins there.
    pub fn truncate_from_start(&mut self, start: Offset) {
        let before = self.entries.partition_point(|entry| entry.1 <= start);
        if before > 1 {
            self.entries.drain(..before - 1);
            self.dirty = true;
        }
        if let Some(first) = self.entries.first_mut().filter(|first| first.1 < start) {
            first.1 = start;
            self.dirty = true;
        }
    }

    pub fn clear(&mut self) {
        self.dirty |= !self.entries.is_empty();
        self.entries.clear();
    }

    /// Where the given epoch ends, as OffsetForLeaderEpoch answers it.
    pub fn end_offset(&self, epoch: LeaderEpoch, log_end_offset: Offset) -> EpochEnd {
        if epoch.0 < 0 {
            return EpochEnd::UNKNOWN;
        }
        let after = self.entries.partition_point(|entry| entry.0 <= epoch);
        match (after.checked_sub(1).and_then(|at| self.entries.get(at)), self.entries.get(after)) {
            (Some(at), None) if at.0 == epoch => EpochEnd { epoch, end_offset: log_end_offset },
            (_, None) => EpochEnd::UNKNOWN,
            (Some(at), Some(next)) => EpochEnd { epoch: at.0, end_offset: next.1 },
            (None, Some(next)) => EpochEnd { epoch, end_offset: next.1 },
        }
    }

    /// The first offset from `from` on, below `to`, that another epoch wrote in the other log.
    pub fn first_difference(&self, other: &LeaderEpochs, from: Offset, to: Offset) -> Option<Offset> {
        let begins = self.entries.iter().chain(&other.entries).map(|entry| entry.1.max(from));
        let differs = |at: &Offset| *at < to && self.epoch_of(*at) != other.epoch_of(*at);
        begins.chain([from]).filter(differs).min()
    }

    /// The epoch that wrote this offset.
    pub fn epoch_of(&self, offset: Offset) -> Option<LeaderEpoch> {
        let after = self.entries.partition_point(|entry| entry.1 <= offset);
        after.checked_sub(1).and_then(|at| self.entries.get(at)).map(|entry| entry.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn epochs(entries: &[(i32, i64)]) -> LeaderEpochs {
        LeaderEpochs::new(entries.iter().map(|&(epoch, start)| (LeaderEpoch(epoch), Offset(start))).collect())
    }

    #[test]
    fn assigning() {
        for (before, new, after) in [
            (&[][..], (0, 0), &[(0, 0)][..]),
            (&[(1, 5)], (1, 9), &[(1, 5)]),
            (&[(1, 5)], (1, 3), &[(1, 3)]),
            (&[(1, 5)], (2, 9), &[(1, 5), (2, 9)]),
            (&[(1, 5), (2, 9)], (3, 9), &[(1, 5), (3, 9)]),
            (&[(1, 5), (4, 9)], (3, 20), &[(1, 5), (3, 20)]),
            (&[(1, 5)], (-1, 9), &[(1, 5)]),
        ] {
            let mut changed = epochs(before);
            changed.assign(LeaderEpoch(new.0), Offset(new.1));
            assert_eq!(changed.entries(), epochs(after).entries(), "{before:?} {new:?}");
            assert_eq!(changed.is_dirty(), before != after);
        }
    }

    #[test]
    fn where_two_logs_part() {
        for (one, other, from, to, at) in [
            (&[(1, 0), (2, 9)][..], &[(1, 0), (2, 9)][..], 0, 20, None),
            (&[(1, 0), (2, 9)], &[(1, 0), (3, 9)], 0, 20, Some(9)),
            (&[(1, 0), (2, 9)], &[(1, 0), (3, 9)], 0, 9, None),
            (&[(1, 0)], &[(1, 0), (3, 9)], 0, 10, Some(9)),
            (&[(1, 0), (2, 9)], &[(2, 12)], 12, 20, None),
            (&[(1, 0), (2, 9)], &[(1, 5)], 5, 20, Some(9)),
            (&[(1, 0)], &[(2, 0)], 4, 20, Some(4)),
            (&[], &[], 0, 20, None),
        ] {
            for (one, other) in [(one, other), (other, one)] {
                let found = epochs(one).first_difference(&epochs(other), Offset(from), Offset(to));
                assert_eq!(found, at.map(Offset), "{one:?} {other:?} from {from} to {to}");
            }
        }
    }

    #[test]
    fn truncating() {
        let all = &[(1, 5), (2, 9), (4, 20)][..];
        for (end, after) in [(21, all), (20, &all[..2]), (9, &all[..1]), (0, &[])] {
            let mut cut = epochs(all);
            cut.truncate_from_end(Offset(end));
            assert_eq!(cut.entries(), epochs(after).entries(), "{end}");
        }
        for (start, after) in [
            (0, all),
            (5, all),
            (6, &[(1, 6), (2, 9), (4, 20)][..]),
            (9, &[(2, 9), (4, 20)]),
            (12, &[(2, 12), (4, 20)]),
            (30, &[(4, 30)]),
        ] {
            let mut cut = epochs(all);
            cut.truncate_from_start(Offset(start));
            assert_eq!(cut.entries(), epochs(after).entries(), "{start}");
        }
    }

    #[test]
    fn ends() {
        let some = epochs(&[(2, 5), (4, 9)]);
        for (asked, expected) in
            [(-1, (-1, -1)), (1, (1, 5)), (2, (2, 9)), (3, (2, 9)), (4, (4, 100)), (5, (-1, -1))]
        {
            let EpochEnd { epoch, end_offset } = some.end_offset(LeaderEpoch(asked), Offset(100));
            assert_eq!((epoch.0, end_offset.0), expected, "{asked}");
        }
        assert_eq!(epochs(&[]).end_offset(LeaderEpoch(0), Offset(3)), EpochEnd::UNKNOWN);
        let at = [0, 5, 8, 9, 50].map(|offset| some.epoch_of(Offset(offset)).map(|epoch| epoch.0));
        assert_eq!(at, [None, Some(2), Some(2), Some(4), Some(4)]);
    }
}
