//! A rolling restart with nothing else wrong is hardly noticed: every partition that has somebody else in sync keeps having a
//! leader in the metadata, and none goes without a node that leads it for longer than it takes to choose a new active
//! controller and hear from it, where that node goes down just then.

use std::collections::{BTreeMap, BTreeSet};

use types::TopicIdPartition;

use crate::replicas::Reign;
use crate::world::MachineIndex;

const PAUSE_MAX_US: u64 = 1_000_000;

#[derive(Clone, Copy, Debug)]
struct Lead {
    machine: MachineIndex,
    epoch: i32,
    /// Since when it leads no more.
    over_since: Option<u64>,
}

#[derive(Default)]
pub struct Pauses {
    is_watching: bool,
    leads: BTreeMap<TopicIdPartition, Lead>,
    /// Nobody else is in sync: they wait for the node whose turn it is.
    alone: BTreeSet<TopicIdPartition>,
    longest: (u64, Option<TopicIdPartition>),
}

impl Pauses {
    /// From here on no partition is without a leader for long.
    pub fn watch(&mut self) {
        self.is_watching = true;
        self.leads.values_mut().for_each(|lead| lead.over_since = None);
    }

    /// In milliseconds, and whose it was.
    pub fn longest(&self) -> (u64, Option<TopicIdPartition>) {
        (self.longest.0 / 1000, self.longest.1)
    }

    /// A node is about to be stopped.
    pub fn begin_turn(&mut self, machine: MachineIndex, reigns: &BTreeMap<TopicIdPartition, Reign>) {
        let is_alone = |reign: &Reign| reign.in_sync.iter().all(|one| *one == machine);
        let alone = reigns.iter().filter(|(_, reign)| is_alone(reign)).map(|(id, _)| *id);
        // the last one may be about to lead again
        let waits = |id: &TopicIdPartition| self.leads.get(id).is_some_and(|lead| lead.over_since.is_some());
        self.alone.retain(waits);
        self.alone.extend(alone);
    }

    /// What an image says of a partition.
    pub fn reign(&self, id: &TopicIdPartition, before: &Reign, reign: &Reign) -> Result<(), String> {
        let has_lost = before.leader.is_some() && reign.leader.is_none();
        match self.is_watching && has_lost && !self.alone.contains(id) {
            true => Err(format!("nobody leads it while nodes are restarted in turn, {before:?} went before")),
            false => Ok(()),
        }
    }

    /// How a node has a partition after a turn of its shard.
    pub fn seen(
        &mut self,
        machine: MachineIndex,
        (id, epoch, leads): (TopicIdPartition, i32, bool),
        now: u64,
    ) -> Result<(), String> {
        let known = self.leads.get(&id).copied();
        if !leads {
            if let Some(lead) = self.leads.get_mut(&id).filter(|lead| lead.machine == machine) {
                lead.over_since.get_or_insert(now);
            }
            return Ok(());
        }
        if known.is_some_and(|lead| lead.epoch > epoch) {
            return Ok(());
        }
        self.leads.insert(id, Lead { machine, epoch, over_since: None });
        match known.and_then(|lead| lead.over_since) {
            Some(since) => self.paused(&id, now.saturating_sub(since)),
            None => Ok(()),
        }
    }

    pub fn died(&mut self, machine: MachineIndex, now: u64) {
        for lead in self.leads.values_mut().filter(|lead| lead.machine == machine) {
            lead.over_since.get_or_insert(now);
        }
    }

    /// All nodes have been restarted: who is without a leader still has been for long enough.
    pub fn end(&mut self, now: u64, reigns: &BTreeMap<TopicIdPartition, Reign>) -> Result<(), String> {
        let without = self.leads.iter().filter(|(id, _)| reigns.contains_key(id));
        let without = without.filter_map(|(id, lead)| Some((*id, now.saturating_sub(lead.over_since?))));
        let without: Vec<_> = without.collect();
        let found = without.into_iter().try_for_each(|(id, pause)| self.paused(&id, pause));
        self.is_watching = false;
        found
    }

    fn paused(&mut self, id: &TopicIdPartition, pause: u64) -> Result<(), String> {
        if !self.is_watching || self.alone.contains(id) {
            return Ok(());
        }
        self.longest = self.longest.max((pause, Some(*id)));
        match pause > PAUSE_MAX_US {
            true => Err(format!("no node has led {id} for {} ms of a rolling restart", pause / 1000)),
            false => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use types::Uuid;

    use super::*;

    const ID: TopicIdPartition = TopicIdPartition { topic_id: Uuid([1; 16]), partition: 0 };

    fn reigns(in_sync: &[MachineIndex]) -> BTreeMap<TopicIdPartition, Reign> {
        let in_sync = in_sync.to_vec();
        let (leader, replicas) = (in_sync.first().copied(), vec![0, 1, 2]);
        [(ID, Reign { leader, replicas, in_sync, ..Reign::default() })].into()
    }

    /// Node 0 leads in epoch 1 and stops doing so at 1 s; node 1 leads from a time on.
    fn holds(in_sync: &[MachineIndex], dies: bool, led_again_ms: Option<u64>) -> bool {
        let mut pauses = Pauses::default();
        let second = 1_000_000;
        pauses.seen(0, (ID, 1, true), 0).expect("nothing is watched");
        pauses.watch();
        pauses.begin_turn(0, &reigns(in_sync));
        match dies {
            true => pauses.died(0, second),
            false => pauses.seen(0, (ID, 2, false), second).expect("a pause begins"),
        }
        // who has not heard does not count
        pauses.seen(2, (ID, 0, true), 2 * second).expect("an old epoch");
        let led = led_again_ms.map(|at| pauses.seen(1, (ID, 2, true), at * 1000));
        led.unwrap_or(Ok(())).and_then(|()| pauses.end(9 * second, &reigns(in_sync))).is_ok()
    }

    #[test]
    fn a_partition_is_not_without_a_leader_for_long() {
        for dies in [true, false] {
            assert!(holds(&[0, 1], dies, Some(1000)));
            assert!(holds(&[0, 1], dies, Some(1900)));
            assert!(!holds(&[0, 1], dies, Some(2100)));
            assert!(!holds(&[0, 1], dies, None));
            assert!(holds(&[0], dies, None));
        }
    }

    #[test]
    fn the_metadata_names_a_leader_all_the_while() {
        let (two, none) = (&reigns(&[0, 1])[&ID], &reigns(&[])[&ID]);
        let mut pauses = Pauses::default();
        assert!(pauses.reign(&ID, two, none).is_ok());
        pauses.watch();
        assert!(pauses.reign(&ID, two, none).is_err());
        assert!(pauses.reign(&ID, none, two).is_ok());
        pauses.begin_turn(0, &reigns(&[0]));
        assert!(pauses.reign(&ID, two, none).is_ok());
    }
}
