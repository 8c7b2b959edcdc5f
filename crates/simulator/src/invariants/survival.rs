//! What several nodes have acknowledged on disks that lose what is not synced. With `flush.messages=1` an acks=all record
//! survives any crashes; else as long as fewer than `min.insync.replicas` of its replicas are unsure at a time, or none
//! where the replicas have changed: unsure are those that crashed since they were last known to be in sync. The controller
//! takes a killed one, too, for one that has lost records (KIP-966). Without that, at level 0 of
//! `eligible.leader.replicas.version`, who was in sync last leads again whatever it has lost: there, too, one in sync has to
//! be sure. Who is down when a partition comes is unsure in it, too: the controller may not know yet. Records that were at risk once are not asked for,
//! be it while their answer was still on its way.

use std::collections::{BTreeMap, BTreeSet};

use types::TopicIdPartition;

use crate::replicas::Reign;
use crate::world::MachineIndex;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unsure {
    /// Nothing says yet that the controller knows of the crash.
    Crashed,
    /// It is out of the in-sync set, and is sure again when it comes back.
    Out,
}

#[derive(Default)]
struct Promises {
    is_flushed: bool,
    min_in_sync: usize,
    replicas: usize,
    in_sync: Vec<MachineIndex>,
    /// The level was 0 once, or somebody wanted it to be.
    is_unprotected: bool,
    /// It was reassigned: how many replicas had what was acknowledged before is not known here.
    is_moved: bool,
    /// By first offset, the batch's number.
    batches: BTreeMap<i64, u32>,
    /// Numbers of batches that are there too: nobody said where.
    had: BTreeSet<u32>,
    unsure: BTreeMap<MachineIndex, Unsure>,
    /// When records were last at risk.
    risky_at: Option<u64>,
}

#[derive(Default)]
pub struct Survival {
    pub now: u64,
    partitions: BTreeMap<TopicIdPartition, Promises>,
    is_unprotected: bool,
    /// Crashed, and not ready again: the controller may count them as in sync in partitions that come meanwhile.
    down: BTreeSet<MachineIndex>,
}

impl Survival {
    /// acks=all, and no error, of a request that was sent then.
    pub fn acknowledged(
        &mut self,
        id: TopicIdPartition,
        (base, number): (i64, u32),
        promise: (bool, usize),
        sent_at: u64,
    ) {
        self.promise(id, promise, sent_at, |promises| {
            promises.batches.insert(base, number);
        });
    }

    /// The same of a batch of which no more was said than that it was there already.
    pub fn had(&mut self, id: TopicIdPartition, number: u32, promise: (bool, usize), sent_at: u64) {
        self.promise(id, promise, sent_at, |promises| {
            promises.had.insert(number);
        });
    }

    fn promise(
        &mut self,
        id: TopicIdPartition,
        (is_flushed, min_in_sync): (bool, usize),
        sent_at: u64,
        note: impl FnOnce(&mut Promises),
    ) {
        let promises = self.partitions.entry(id).or_default();
        (promises.is_flushed, promises.min_in_sync) = (is_flushed, min_in_sync);
        promises.is_unprotected = self.is_unprotected;
        if is_flushed || promises.risky_at.is_none_or(|at| at < sent_at) {
            note(promises);
        }
        promises.forget_risky(self.now);
    }

    /// From here on the level may be 0.
    pub fn unprotect(&mut self) {
        self.is_unprotected = true;
        for promises in self.partitions.values_mut() {
            promises.is_unprotected = true;
            promises.forget_risky(self.now);
        }
    }

    /// A machine goes down, and not in order.
    pub fn crashed(&mut self, machine: MachineIndex, reigns: &BTreeMap<TopicIdPartition, Reign>) {
        self.down.insert(machine);
        for (id, reign) in reigns.iter().filter(|(_, reign)| reign.replicas.contains(&machine)) {
            let promises = self.partitions.entry(*id).or_default();
            promises.replicas = reign.replicas.len();
            promises.in_sync = reign.in_sync.clone();
            promises.is_unprotected = self.is_unprotected;
            promises.unsure.insert(machine, Unsure::Crashed);
            promises.forget_risky(self.now);
        }
    }

    pub fn is_back(&mut self, machine: MachineIndex) {
        self.down.remove(&machine);
    }

    /// Its replicas are others now. How many have to be in sync the controller takes, as Kafka's does, to be no more than
    /// the topic's first partition has replicas: where that one changes, all others have changed too.
    pub fn moved<'a>(&mut self, id: TopicIdPartition, all: impl Iterator<Item = &'a TopicIdPartition>) {
        let concerns =
            |other: &&TopicIdPartition| **other == id || id.partition == 0 && other.topic_id == id.topic_id;
        for other in all.filter(concerns) {
            let promises = self.partitions.entry(*other).or_default();
            promises.is_moved = true;
            promises.forget_risky(self.now);
        }
    }

    /// What the newest image says.
    pub fn reign(&mut self, id: &TopicIdPartition, reign: &Reign) {
        if !self.partitions.contains_key(id) && reign.replicas.iter().any(|one| self.down.contains(one)) {
            let down = reign.replicas.iter().filter(|one| self.down.contains(one));
            let unsure = down.map(|one| (*one, Unsure::Crashed)).collect();
            let is_unprotected = self.is_unprotected;
            let promises =
                Promises { unsure, is_unprotected, replicas: reign.replicas.len(), ..Default::default() };
            self.partitions.insert(*id, promises);
        }
        let Some(promises) = self.partitions.get_mut(id) else { return };
        promises.in_sync = reign.in_sync.clone();
        promises.forget_risky(self.now);
        promises.unsure.retain(|machine, unsure| {
            let is_in = reign.in_sync.contains(machine);
            let is_back = is_in && *unsure == Unsure::Out && !self.down.contains(machine);
            if !is_in {
                *unsure = Unsure::Out;
            }
            !is_back
        });
    }

    /// No replica is unsure.
    pub fn is_sure(&self, id: &TopicIdPartition) -> bool {
        self.partitions.get(id).is_none_or(|promises| promises.unsure.is_empty())
    }

    /// One of those that were said to be there already, and that are not among these.
    pub fn had_missing(&self, id: &TopicIdPartition, there: &BTreeSet<u32>) -> Option<u32> {
        self.partitions.get(id)?.had.difference(there).next().copied()
    }

    /// The first that a log lacks, of those that have to be there from an offset on.
    pub fn missing(
        &self,
        id: &TopicIdPartition,
        from: i64,
        is_there: impl Fn(i64, u32) -> bool,
    ) -> Option<(i64, u32)> {
        let promises = self.partitions.get(id)?;
        let mut batches = promises.batches.range(from..).map(|(base, number)| (*base, *number));
        batches.find(|(base, number)| !is_there(*base, *number))
    }
}

impl Promises {
    fn forget_risky(&mut self, now: u64) {
        let enough = if self.is_moved { 1 } else { self.min_in_sync.min(self.replicas).max(1) };
        let is_unsure = |machine: &MachineIndex| self.unsure.contains_key(machine);
        let all_unsure = !self.in_sync.is_empty() && self.in_sync.iter().all(is_unsure);
        let is_risky = self.unsure.len() >= enough || self.is_unprotected && all_unsure;
        if is_risky {
            self.risky_at = Some(now);
        }
        if !self.is_flushed && is_risky {
            self.batches.clear();
            self.had.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use types::Uuid;

    use super::*;

    fn reign(in_sync: &[usize]) -> Reign {
        let (leader, in_sync) = (in_sync.first().copied(), in_sync.to_vec());
        Reign { leader, replicas: vec![0, 1, 2], in_sync, ..Reign::default() }
    }

    /// Crashes and in-sync sets; then whether the record has to be there.
    fn is_promised_at(level: i16, flushed: bool, min: usize, events: &[Result<usize, &[usize]>]) -> bool {
        let id = TopicIdPartition { topic_id: Uuid([1; 16]), partition: 0 };
        let mut survival = Survival::default();
        if level == 0 {
            survival.unprotect();
        }
        survival.acknowledged(id, (5, 1), (flushed, min), 0);
        survival.had(id, 2, (flushed, min), 0);
        for event in events {
            match event {
                Ok(machine) => {
                    survival.crashed(*machine, &[(id, reign(&[0, 1, 2]))].into());
                    survival.is_back(*machine);
                }
                Err(in_sync) => survival.reign(&id, &reign(in_sync)),
            }
        }
        let promised = survival.missing(&id, 0, |_, _| false) == Some((5, 1));
        assert_eq!(survival.had_missing(&id, &[1].into()) == Some(2), promised);
        promised
    }

    fn is_promised(flushed: bool, min: usize, events: &[Result<usize, &[usize]>]) -> bool {
        is_promised_at(1, flushed, min, events)
    }

    #[test]
    fn who_was_in_sync_last_leads_again_at_level_0() {
        assert!(is_promised_at(0, false, 2, &[Ok(0), Err(&[1, 2])]));
        assert!(!is_promised_at(0, false, 2, &[Err(&[0]), Ok(0), Err(&[0])]));
        assert!(is_promised_at(1, false, 2, &[Err(&[0]), Ok(0), Err(&[1])]));
        assert!(is_promised_at(0, true, 2, &[Err(&[0]), Ok(0), Err(&[0])]));
    }

    #[test]
    fn who_is_not_ready_again_is_unsure() {
        let id = TopicIdPartition { topic_id: Uuid([1; 16]), partition: 0 };
        for (is_back, expected) in [(false, None), (true, Some((5, 1)))] {
            let mut survival = Survival::default();
            survival.crashed(0, &BTreeMap::new());
            if is_back {
                survival.is_back(0);
            }
            for in_sync in [&[0, 1, 2][..], &[1, 2], &[0, 1, 2]] {
                survival.reign(&id, &reign(in_sync));
            }
            survival.acknowledged(id, (5, 1), (false, 2), 0);
            survival.crashed(1, &[(id, reign(&[0, 1, 2]))].into());
            assert_eq!(survival.missing(&id, 0, |_, _| false), expected);
        }
    }

    #[test]
    fn what_was_at_risk_before_its_answer_came_is_not_promised() {
        let id = TopicIdPartition { topic_id: Uuid([1; 16]), partition: 0 };
        for (sent_at, flushed, expected) in
            [(3, false, None), (7, false, None), (8, false, Some((5, 1))), (3, true, Some((5, 1)))]
        {
            let mut survival = Survival { now: 5, ..Survival::default() };
            survival.crashed(0, &[(id, reign(&[0]))].into());
            survival.is_back(0);
            survival.now = 7;
            survival.reign(&id, &reign(&[1]));
            survival.reign(&id, &reign(&[1, 0]));
            survival.acknowledged(id, (5, 1), (flushed, 1), sent_at);
            assert_eq!(survival.missing(&id, 0, |_, _| false), expected, "{sent_at}");
        }
    }

    #[test]
    fn what_was_at_risk_is_not_promised() {
        assert!(is_promised(false, 1, &[]));
        assert!(!is_promised(false, 1, &[Ok(0)]));
        assert!(is_promised(false, 2, &[Ok(0)]));
        assert!(!is_promised(false, 2, &[Ok(0), Ok(1)]));
        assert!(is_promised(true, 1, &[Ok(0), Ok(1), Ok(2)]));
        // out of the set and back in it
        assert!(is_promised(false, 2, &[Ok(0), Err(&[1, 2]), Err(&[1, 2, 0]), Ok(1)]));
        // the controller has not heard of the crash yet
        assert!(!is_promised(false, 2, &[Ok(0), Err(&[0, 1, 2]), Ok(1)]));
    }
}
