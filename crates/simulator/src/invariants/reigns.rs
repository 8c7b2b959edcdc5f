//! Every replica of several nodes, after each turn of its shard: an epoch has one leader, epochs do not go back, the
//! high watermark of a replica does not while its node lives, and a leader's covers only what every replica in sync has had
//! in this epoch, on its disk where `flush.messages=1` says so.

use std::collections::BTreeMap;

use broker::shard::standing::Standing;
use types::TopicIdPartition;

use crate::world::MachineIndex;

/// How one replica was seen last.
#[derive(Clone, Copy, Debug)]
struct Seen {
    life: u32,
    epoch: i32,
    high_watermark: i64,
    end: i64,
    /// The furthest that it went in this epoch, whatever a crash has taken since: the leader was told so.
    reached: Reached,
    /// The same of the epoch before, in which a leader may not have heard yet that it is deposed.
    earlier: Option<Reached>,
}

/// How far a replica's log, and what of it was flushed, went in an epoch.
#[derive(Clone, Copy, Debug)]
struct Reached {
    epoch: i32,
    end: i64,
    flushed: i64,
}

impl Seen {
    /// What it had in that epoch; None where it has gone too far to tell.
    fn in_epoch(&self, epoch: i32) -> Option<Reached> {
        match epoch >= self.reached.epoch {
            true => Some(self.reached),
            false => self.earlier.filter(|earlier| earlier.epoch == epoch),
        }
    }
}

#[derive(Default)]
pub struct Reigns {
    leaders: BTreeMap<(TopicIdPartition, i32), MachineIndex>,
    seen: BTreeMap<(TopicIdPartition, MachineIndex), Seen>,
}

impl Reigns {
    /// `is_strict`: no disk loses anything, so that no replica has to cut what is committed.
    pub fn check(
        &mut self,
        machine: MachineIndex,
        life: u32,
        now: &Standing<'_>,
        is_strict: bool,
    ) -> Result<(), String> {
        let epoch = now.leader_epoch.0;
        let name = now.id;
        if now.is_leader {
            let first = *self.leaders.entry((name, epoch)).or_insert(machine);
            if first != machine {
                return Err(format!("nodes {first} and {machine} lead {name} in epoch {epoch}"));
            }
        }
        let before = self.seen.get(&(name, machine)).copied();
        let next = next(before, life, now);
        self.seen.insert((name, machine), next);
        let Some(before) = before.filter(|before| before.life == life) else { return Ok(()) };
        if epoch < before.epoch {
            return Err(format!("{name} on node {machine} went from epoch {} to {epoch}", before.epoch));
        }
        let (from, to) = (before.high_watermark, now.high_watermark.0);
        // an unclean loss may make a follower cut what was committed; one that begins anew has nothing
        let was_cut = !now.is_leader && now.log_end_offset.0 < from;
        let may_be_cut = !is_strict || now.log_start_offset == now.log_end_offset;
        if to < from && !(was_cut && may_be_cut) {
            return Err(format!(
                "the high watermark of {name} on node {machine} went from {from} to {to} in epoch {epoch}"
            ));
        }
        match now.is_leader && (to > from || epoch > before.epoch && to > before.end) {
            true => self.check_reach(machine, now),
            false => Ok(()),
        }
    }

    /// The machine's disk is empty.
    pub fn forget(&mut self, machine: MachineIndex) {
        self.seen.retain(|(_, other), _| *other != machine);
    }

    /// The newest epoch that anybody has begun, and who leads in it.
    pub fn newest(&self, id: TopicIdPartition) -> Option<(i32, MachineIndex)> {
        let mut reigns = self.leaders.range((id, i32::MIN)..=(id, i32::MAX));
        reigns.next_back().map(|((_, epoch), machine)| (*epoch, *machine))
    }

    fn check_reach(&self, machine: MachineIndex, now: &Standing<'_>) -> Result<(), String> {
        let (name, mark) = (now.id, now.high_watermark.0);
        for node in now.in_sync_replicas {
            let other = node.0 as usize - 1;
            let Some(seen) = self.seen.get(&(name, other)) else { continue };
            let Some(had) = seen.in_epoch(now.leader_epoch.0) else { continue };
            let reached = if now.flushes_before_ack { had.flushed } else { had.end };
            if reached < mark {
                return Err(format!(
                    "node {machine} says that {name} is committed up to {mark} in epoch {}; node {other}, one of {:?} in sync, \
                     has {seen:?}",
                    now.leader_epoch.0, now.in_sync_replicas
                ));
            }
        }
        Ok(())
    }
}

fn next(before: Option<Seen>, life: u32, now: &Standing<'_>) -> Seen {
    let (end, flushed) = (now.log_end_offset.0, now.flushed_offset.0);
    let mut next = Seen {
        life,
        epoch: now.leader_epoch.0,
        high_watermark: now.high_watermark.0,
        end,
        reached: Reached { epoch: now.leader_epoch.0, end, flushed },
        earlier: None,
    };
    let Some(before) = before else { return next };
    if before.epoch != next.epoch {
        next.earlier = Some(before.reached);
        return next;
    }
    next.earlier = before.earlier;
    // what this life has cut it does not have
    let was_cut = before.life == life && end < before.end;
    if !was_cut {
        next.reached.end = before.reached.end.max(end);
        next.reached.flushed = before.reached.flushed.max(flushed);
    }
    next
}

#[cfg(test)]
mod tests {
    use types::{LeaderEpoch, NodeId, Offset, Uuid};

    use super::*;

    /// (machine, life, leads, epoch, high watermark, end, flushed)
    type Row = (usize, u32, bool, i32, i64, i64, i64);

    fn holds(rows: &[Row]) -> bool {
        let mut reigns = Reigns::default();
        rows.iter().all(|&(machine, life, is_leader, epoch, high_watermark, end, flushed)| {
            let standing = Standing {
                id: TopicIdPartition { topic_id: Uuid([1; 16]), partition: 0 },
                is_leader,
                leader_epoch: LeaderEpoch(epoch),
                high_watermark: Offset(high_watermark),
                log_start_offset: Offset(0),
                log_end_offset: Offset(end),
                flushed_offset: Offset(flushed),
                flushes_before_ack: flushed < 100,
                in_sync_replicas: &[NodeId(1), NodeId(2)],
            };
            reigns.check(machine, life, &standing, true).is_ok()
        })
    }

    #[test]
    fn reigns_are_held_to_their_rules() {
        let rows: [(&[Row], bool); 12] = [
            (&[(0, 1, true, 1, 0, 9, 100), (1, 1, false, 1, 0, 9, 100), (0, 1, true, 1, 9, 9, 100)], true),
            (&[(0, 1, true, 1, 0, 9, 100), (1, 1, false, 1, 0, 8, 100), (0, 1, true, 1, 9, 9, 100)], false),
            // it is there, but not flushed
            (&[(0, 1, true, 1, 0, 9, 9), (1, 1, false, 1, 0, 9, 8), (0, 1, true, 1, 9, 9, 9)], false),
            (&[(0, 1, true, 1, 0, 9, 9), (1, 1, false, 1, 0, 9, 9), (0, 1, true, 1, 9, 9, 9)], true),
            // a crash after it had said so
            (
                &[
                    (0, 1, true, 1, 0, 9, 100),
                    (1, 1, false, 1, 0, 9, 100),
                    (1, 2, false, 1, 0, 5, 100),
                    (0, 1, true, 1, 9, 9, 100),
                ],
                true,
            ),
            // and begins in the next epoch with less, of which the leader has not heard yet
            (
                &[
                    (0, 1, true, 1, 0, 9, 100),
                    (1, 1, false, 1, 0, 9, 100),
                    (1, 2, false, 2, 0, 5, 100),
                    (0, 1, true, 1, 9, 9, 100),
                ],
                true,
            ),
            (
                &[
                    (0, 1, true, 1, 0, 9, 100),
                    (1, 1, false, 1, 0, 8, 100),
                    (1, 2, false, 2, 0, 9, 100),
                    (0, 1, true, 1, 9, 9, 100),
                ],
                false,
            ),
            (&[(0, 1, true, 1, 0, 9, 100), (1, 1, true, 1, 0, 9, 100)], false),
            (&[(0, 1, true, 1, 0, 9, 100), (1, 1, true, 2, 0, 9, 100)], true),
            (&[(0, 1, false, 2, 0, 9, 100), (0, 1, false, 1, 0, 9, 100)], false),
            (&[(0, 1, false, 2, 5, 9, 100), (0, 1, false, 2, 4, 9, 100)], false),
            // strict: nothing committed is cut
            (&[(0, 1, false, 2, 5, 9, 100), (0, 1, false, 2, 4, 4, 100)], false),
        ];
        for (number, (rows, expected)) in rows.iter().enumerate() {
            assert_eq!(holds(rows), *expected, "{number}: {rows:?}");
        }
    }
}
