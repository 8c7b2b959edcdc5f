//! The end of a turn: what has changed in it is looked at once, however often it changed.

use super::{Shard, Turn};
use crate::event::Effect;
use crate::handlers;

impl Shard {
    /// Completes what waited for partitions that changed.
    pub(super) fn settle(&mut self, turn: &mut Turn) {
        for slot in self.partitions.take_changed() {
            self.settle_waiters(turn, slot);
            self.settle_deletions(turn, slot);
            if self.partitions.at(slot).is_some_and(|partition| partition.offline) {
                // what it has not committed never will be
                self.abandon_groups(turn, slot);
            }
            self.settle_group_writes(turn, slot);
            self.wake_watchers(turn, slot);
            if let Some(id) = self.partitions.at(slot).filter(|at| at.future.is_some()).map(|at| at.id) {
                self.note_moving(turn, &id);
            }
        }
        self.wake_replica_sessions(turn);
    }

    pub(super) fn on_tick(&mut self, turn: &mut Turn) {
        let now = turn.now.monotonic_us;
        while let Some((id, wait)) = self.produces.take_expired(now) {
            self.on_produce_expired(turn, id, wait);
        }
        while let Some((id, wait)) = self.deletions.take_expired(now) {
            self.on_deletion_expired(turn, id, wait);
        }
        while let Some((id, wait)) = self.fetches.take_expired(now) {
            handlers::fetch::on_expired(self, turn, id, wait);
        }
        while let Some((id, wait)) = self.replica_fetches.take_expired(now) {
            handlers::replica_fetch::on_expired(self, turn, id, wait);
        }
        self.tick_fetchers(turn);
        self.run_group_timers(turn);
        self.run_timers(turn);
        self.wake_at = u64::MAX;
    }

    pub(super) fn ask_to_be_woken(&mut self, turn: &mut Turn) {
        let deadlines = [
            self.produces.next_deadline(),
            self.deletions.next_deadline(),
            self.fetches.next_deadline(),
            self.replica_fetches.next_deadline(),
            self.groups.next_deadline(),
            self.timers.next(),
            self.following.next_deadline(turn.now),
            self.alterations.next_deadline(),
            self.assignments.next_deadline(),
            self.moves.next_deadline(),
        ];
        let Some(next) = deadlines.into_iter().flatten().min() else { return };
        // A wake-up that comes too early does no harm, so one that is asked for is only ever moved forward.
        if next < self.wake_at || self.wake_at <= turn.now.monotonic_us {
            self.wake_at = next;
            turn.effects.push(Effect::WakeAt { monotonic_us: next });
        }
    }
}
