//! What the leader of the quorum says is committed is on the disks of a majority of the voters, and those are who its own
//! log says, committed or not (KIP-853). They change by one at a time, and none changes before the last change is
//! committed.

use std::collections::{BTreeMap, BTreeSet};

use broker::quorum::standing::Standing;

use crate::world::MachineIndex;

type Voters = BTreeSet<MachineIndex>;

/// What a leader has said last.
struct Reign {
    high_watermark: i64,
    voters: Voters,
}

#[derive(Default)]
pub struct Majorities {
    /// How much each machine has had on its disk in each epoch.
    flushed: BTreeMap<(i32, MachineIndex), i64>,
    /// By epoch.
    reigns: BTreeMap<i32, Reign>,
}

/// Nodes count from 1.
fn machines(standing: &Standing<'_>) -> Voters {
    standing.voters.ids().filter_map(|id| usize::try_from(id.0 - 1).ok()).collect()
}

impl Majorities {
    /// After a step of the machine's quorum.
    pub fn check(&mut self, machine: MachineIndex, now: &Standing<'_>) -> Result<(), String> {
        let epoch = now.epoch.0;
        let flushed = self.flushed.entry((epoch, machine)).or_insert(now.flushed.0);
        *flushed = now.flushed.0.max(*flushed);
        if !now.is_leader {
            return Ok(());
        }
        self.check_leader(machine, epoch, now.high_watermark.map_or(-1, |offset| offset.0), machines(now))
    }

    fn check_leader(
        &mut self,
        machine: MachineIndex,
        epoch: i32,
        high_watermark: i64,
        voters: Voters,
    ) -> Result<(), String> {
        // what is committed when a reign begins is so by another
        let first = || Reign { high_watermark, voters: voters.clone() };
        let reign = self.reigns.entry(epoch).or_insert_with(first);
        if reign.voters.symmetric_difference(&voters).count() > 1 {
            let before = &reign.voters;
            return Err(format!("in epoch {epoch} the voters {before:?} became {voters:?} at once"));
        }
        let has_risen = high_watermark > reign.high_watermark;
        // a change that waited for it may follow in the same step
        let before = std::mem::replace(&mut reign.voters, voters.clone());
        reign.high_watermark = high_watermark.max(reign.high_watermark);
        let has = |voter: &&MachineIndex| self.flushed.get(&(epoch, **voter)) >= Some(&high_watermark);
        let decide = |voters: &Voters| voters.iter().filter(has).count() * 2 > voters.len();
        if has_risen && !decide(&voters) && !decide(&before) {
            let has = |voter: &MachineIndex| (*voter, self.flushed.get(&(epoch, *voter)).copied());
            let ends: Vec<_> = voters.iter().map(has).collect();
            return Err(format!(
                "node {machine} says in epoch {epoch} that {high_watermark} is committed, voters have {ends:?}"
            ));
        }
        Ok(())
    }

    #[cfg(test)]
    fn has(&mut self, epoch: i32, machine: MachineIndex, flushed: i64) {
        self.flushed.insert((epoch, machine), flushed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_majority_of_the_newest_voters_has_it() {
        // ends of machines 0, 1, 2; then high watermark and voters, one after the other
        for (ends, says, holds) in [
            ([9, 9, 0], vec![(0, vec![0, 1, 2]), (9, vec![0, 1, 2])], true),
            ([9, 0, 0], vec![(0, vec![0, 1, 2]), (9, vec![0, 1, 2])], false),
            ([9, 8, 8], vec![(0, vec![0, 1, 2]), (9, vec![0, 1, 2])], false),
            ([9, 0, 0], vec![(9, vec![0, 1, 2])], true),
            // the one that goes does not count
            ([9, 9, 0], vec![(5, vec![0, 1]), (9, vec![0, 1, 2])], true),
            ([9, 0, 9], vec![(0, vec![0, 1, 2]), (0, vec![0, 1]), (9, vec![0, 1])], false),
            ([9, 0, 9], vec![(0, vec![0, 1, 2]), (9, vec![0, 1])], true),
            // nor a leader that goes
            ([9, 9, 0], vec![(0, vec![0, 1, 2]), (0, vec![1, 2]), (9, vec![1, 2])], false),
            ([9, 9, 9], vec![(0, vec![0, 1, 2]), (9, vec![0])], false),
        ] {
            let mut majorities = Majorities::default();
            (0..3).for_each(|machine| majorities.has(5, machine, ends[machine]));
            let all = says.iter().all(|(high_watermark, voters)| {
                let voters = voters.iter().copied().collect();
                majorities.check_leader(0, 5, *high_watermark, voters).is_ok()
            });
            assert_eq!(all, holds, "{ends:?} {says:?}");
        }
    }
}
