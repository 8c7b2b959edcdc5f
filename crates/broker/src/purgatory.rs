//! Waiting is data: rows that wait for something, each with a deadline. The owner finds out what completes a
//! row; the purgatory knows rows by id and by time only.

use std::collections::{BTreeMap, BTreeSet};

use crate::message::WorkId;

/// Rows of one kind of waiting.
#[derive(Debug)]
pub struct Purgatory<R> {
    rows: BTreeMap<WorkId, (u64, R)>,
    deadlines: BTreeSet<(u64, WorkId)>,
}

/// No deadline: completed by an event alone.
pub const NEVER: u64 = u64::MAX;

impl<R> Default for Purgatory<R> {
    fn default() -> Self {
        Purgatory { rows: BTreeMap::new(), deadlines: BTreeSet::new() }
    }
}

impl<R> Purgatory<R> {
    /// `deadline_us` is monotonic time, or `NEVER`.
    pub fn insert(&mut self, id: WorkId, deadline_us: u64, row: R) {
        if deadline_us != NEVER {
            self.deadlines.insert((deadline_us, id));
        }
        self.rows.insert(id, (deadline_us, row));
    }

    pub fn get(&self, id: WorkId) -> Option<&R> {
        self.rows.get(&id).map(|(_, row)| row)
    }

    pub fn get_mut(&mut self, id: WorkId) -> Option<&mut R> {
        self.rows.get_mut(&id).map(|(_, row)| row)
    }

    pub fn take(&mut self, id: WorkId) -> Option<R> {
        self.take_with_deadline(id).map(|(_, row)| row)
    }

    pub fn take_with_deadline(&mut self, id: WorkId) -> Option<(u64, R)> {
        let (deadline, row) = self.rows.remove(&id)?;
        if deadline != NEVER {
            self.deadlines.remove(&(deadline, id));
        }
        Some((deadline, row))
    }

    /// The row that is overdue for longest, taken out; None where none is overdue.
    pub fn take_expired(&mut self, now_us: u64) -> Option<(WorkId, R)> {
        let &(deadline, id) = self.deadlines.first()?;
        if deadline > now_us {
            return None;
        }
        self.take(id).map(|row| (id, row))
    }

    pub fn next_deadline(&self) -> Option<u64> {
        self.deadlines.first().map(|&(deadline, _)| deadline)
    }

    pub fn len(&self) -> usize {
        self.rows.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_leave_in_order_of_their_deadlines() {
        let mut rows = Purgatory::default();
        for (id, deadline) in [(1, 30), (2, 10), (3, NEVER), (4, 20)] {
            rows.insert(WorkId(id), deadline, id);
        }
        assert_eq!(rows.next_deadline(), Some(10));
        assert_eq!(rows.take(WorkId(4)), Some(4));
        assert_eq!(rows.take(WorkId(4)), None);
        assert_eq!(rows.take_expired(9), None);
        assert_eq!(rows.take_expired(100), Some((WorkId(2), 2)));
        assert_eq!(rows.take_expired(100), Some((WorkId(1), 1)));
        assert_eq!(rows.take_expired(u64::MAX), None);
        assert_eq!(rows.len(), 1);
        assert_eq!(rows.get(WorkId(3)), Some(&3));
    }
}
