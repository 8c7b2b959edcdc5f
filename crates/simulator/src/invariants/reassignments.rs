//! A reassignment ends, and the replicas are those that were asked for; none that is new counts as one of them before it
//! is in sync. What comes of a target that replaces another under way is not asked: Kafka keeps parts of the former, and
//! so do we. Nor what comes of a request without an answer, which may be carried out at any time.

use std::collections::{BTreeMap, BTreeSet};

use types::TopicIdPartition;

use crate::replicas::Reign;
use crate::world::MachineIndex;

/// What one partition has to come to.
#[derive(Clone, Debug, Default)]
struct Wanted {
    replicas: Option<Vec<MachineIndex>>,
    /// Before the last reassignment was begun.
    before: Option<Vec<MachineIndex>>,
    is_unclear: bool,
}

#[derive(Default)]
pub struct Reassignments {
    wanted: BTreeMap<TopicIdPartition, Wanted>,
    /// Somebody has asked and has no answer yet: nobody else asks meanwhile.
    asked: BTreeSet<TopicIdPartition>,
}

fn sorted(machines: &[MachineIndex]) -> Vec<MachineIndex> {
    let mut machines = machines.to_vec();
    machines.sort_unstable();
    machines
}

impl Reassignments {
    pub fn is_asked(&self, id: &TopicIdPartition) -> bool {
        self.asked.contains(id)
    }

    pub fn ask(&mut self, id: TopicIdPartition) {
        self.asked.insert(id);
    }

    /// An answer has come, or none will.
    pub fn answered(&mut self, id: &TopicIdPartition) {
        self.asked.remove(id);
    }

    /// A target was accepted. `before`: the replicas, where no other reassignment was under way.
    pub fn begun(&mut self, id: TopicIdPartition, target: &[MachineIndex], before: Option<&[MachineIndex]>) {
        let wanted = self.wanted.entry(id).or_default();
        // what came of the one before may not be known yet
        let is_known =
            before.is_some_and(|before| wanted.replicas.as_ref().is_none_or(|last| *last == sorted(before)));
        wanted.is_unclear |= !is_known;
        wanted.replicas = Some(sorted(target));
        wanted.before = before.map(sorted);
    }

    /// It goes back to what it was.
    pub fn cancelled(&mut self, id: TopicIdPartition) {
        let wanted = self.wanted.entry(id).or_default();
        wanted.replicas = wanted.before.take();
    }

    /// Nobody knows whether it is carried out.
    pub fn unclear(&mut self, id: TopicIdPartition) {
        self.wanted.entry(id).or_default().is_unclear = true;
    }

    /// When all has healed.
    pub fn check_end(&self, id: &TopicIdPartition, reign: &Reign) -> Result<(), String> {
        let wanted = self.wanted.get(id).cloned().unwrap_or_default();
        if wanted.is_unclear {
            return Ok(());
        }
        if reign.is_reassigning() {
            return Err(format!("the reassignment does not end: {reign:?}"));
        }
        match wanted.replicas {
            Some(replicas) if replicas != sorted(&reign.replicas) => {
                Err(format!("{replicas:?} were to be the replicas, {reign:?}"))
            }
            _ => Ok(()),
        }
    }
}

/// One change of a partition: who is new among the replicas of one that is at rest is in sync.
pub fn check_change(before: &Reign, after: &Reign) -> Result<(), String> {
    let is_one_change = after.partition_epoch == before.partition_epoch + 1;
    if !is_one_change || after.is_reassigning() {
        return Ok(());
    }
    let is_new = |one: &&MachineIndex| before.adding.contains(one) || !before.replicas.contains(one);
    match after.replicas.iter().filter(is_new).find(|one| !after.in_sync.contains(one)) {
        Some(one) => {
            Err(format!("{one} is not in sync and counts as a replica: {before:?} became {after:?}"))
        }
        None => Ok(()),
    }
}

/// Whoever leads, is in sync, comes or goes is one of the replicas.
pub fn check_members(reign: &Reign) -> Result<(), String> {
    let mut all = reign.leader.iter().chain(&reign.in_sync).chain(&reign.adding).chain(&reign.removing);
    match all.find(|one| !reign.replicas.contains(one)) {
        Some(one) => Err(format!("{one} is no replica: {reign:?}")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use types::Uuid;

    use super::*;

    fn reign(epoch: i32, replicas: &[usize], in_sync: &[usize], adding: &[usize]) -> Reign {
        let (replicas, in_sync) = (replicas.to_vec(), in_sync.to_vec());
        Reign { replicas, in_sync, adding: adding.to_vec(), partition_epoch: epoch, ..Reign::default() }
    }

    #[test]
    fn the_new_are_in_sync_before_they_count() {
        let under_way = reign(5, &[2, 0, 1], &[0, 1], &[2]);
        for (after, holds) in [
            (reign(6, &[2, 0], &[2, 0], &[]), true),
            (reign(6, &[2, 0], &[0], &[]), false),
            (reign(7, &[2, 0], &[0], &[]), true),
            (reign(6, &[0, 1], &[0, 1], &[]), true),
            (reign(6, &[2, 0, 1], &[0], &[2]), true),
            (reign(6, &[3, 0], &[0], &[]), false),
        ] {
            assert_eq!(check_change(&under_way, &after).is_ok(), holds, "{after:?}");
        }
    }

    #[test]
    fn it_comes_to_what_was_asked() {
        let id = TopicIdPartition { topic_id: Uuid([1; 16]), partition: 0 };
        let rows: [(&[&str], &[usize], bool); 6] = [
            (&["begun"], &[1, 2], true),
            (&["begun"], &[0, 1], false),
            (&["begun", "cancelled"], &[0, 1], true),
            (&["begun", "cancelled"], &[1, 2], false),
            (&["begun", "unclear"], &[0, 1], true),
            (&[], &[0, 1], true),
        ];
        for (events, replicas, holds) in rows {
            let mut all = Reassignments::default();
            for event in events {
                match *event {
                    "begun" => all.begun(id, &[2, 1], Some(&[0, 1])),
                    "cancelled" => all.cancelled(id),
                    _ => all.unclear(id),
                }
            }
            let end = all.check_end(&id, &reign(9, replicas, replicas, &[]));
            assert_eq!(end.is_ok(), holds, "{events:?} {replicas:?}");
        }
        let all = Reassignments::default();
        assert!(all.check_end(&id, &reign(9, &[0, 1], &[0], &[1])).is_err(), "it does not end");
    }
}
