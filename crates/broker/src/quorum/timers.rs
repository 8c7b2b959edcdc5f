//! What the active controller does by the clock, and when the actor is to be woken.
//! Alone in its cluster it has nobody to fence and nobody to tell that it lives: then nothing is woken at all.

use metadata::configs::StaticConfig;
use metadata::controller::Outcome;
use platform::Time;
use protocol::records::metadata::{MetadataRecord, NoOpRecord};

use super::{Quorum, Turn};
use crate::event::Effect;

#[derive(Debug)]
pub(super) struct Timers {
    /// `metadata.max.idle.interval.ms`; 0: never.
    no_op_ms: u64,
    no_op_at: u64,
    fence_at: u64,
}

impl Timers {
    pub fn new(config: &StaticConfig) -> Timers {
        let no_op_ms = u64::try_from(config.i64("metadata.max.idle.interval.ms")).unwrap_or(0);
        Timers { no_op_ms, no_op_at: 0, fence_at: 0 }
    }

    pub fn start(&mut self, now: Time) {
        self.no_op_at = now.monotonic_ms() + self.no_op_ms;
        self.fence_at = now.monotonic_ms();
    }
}

impl Quorum {
    /// Whether others follow this log or send heartbeats.
    fn has_company(&self) -> bool {
        let own = self.node.node_id.0;
        let Some(active) = &self.active else { return false };
        let cluster = &active.controller.image().cluster;
        self.raft.voters().len() > 1
            || cluster.brokers.values().any(|broker| broker.id != own && !broker.fenced)
    }

    pub(super) fn poll_timers(&mut self, turn: &mut Turn<'_>) {
        if !self.has_company() {
            return;
        }
        let now = turn.now.monotonic_ms();
        if self.timers.no_op_ms > 0 && self.timers.no_op_at <= now {
            self.timers.no_op_at = now + self.timers.no_op_ms;
            let records = vec![MetadataRecord::NoOp(NoOpRecord::default())];
            self.append(Outcome { records, atomic: true, reply: () }, turn);
        }
        if self.timers.fence_at <= now {
            self.fence_stale(turn);
        }
    }

    fn fence_stale(&mut self, turn: &mut Turn<'_>) {
        let own = self.own.epoch().map(|epoch| self.own_heartbeat(epoch));
        let decided = self.decide(turn, |controller, context| {
            if let Some(own) = &own {
                controller.heartbeat_arrived(own, context.now_ms);
            }
            let interval = controller.fence_interval_ms();
            (controller.fence_stale_broker(context.now_ms), interval)
        });
        let Some((outcome, interval)) = decided else { return };
        // one at a time, so that the next is judged by what the first left
        let again = if outcome.reply { 10 } else { u64::try_from(interval).unwrap_or(1000) };
        self.timers.fence_at = turn.now.monotonic_ms() + again;
        self.append(outcome, turn);
    }

    pub(super) fn wake(&mut self, turn: &mut Turn<'_>) {
        let mut next = self.raft.deadline();
        if self.has_company() {
            let no_op = (self.timers.no_op_ms > 0).then_some(self.timers.no_op_at);
            next = [next, no_op, Some(self.timers.fence_at)].into_iter().flatten().min();
        }
        let has_leader = self.active.is_some() || self.raft.followed().is_some();
        let all = [
            next.map(|ms| ms.saturating_mul(1000)),
            self.network.deadline(),
            self.remote.deadline(has_leader),
            self.own_deadline(),
        ];
        if let Some(monotonic_us) = all.into_iter().flatten().min() {
            turn.effects.push(Effect::WakeAt { monotonic_us });
        }
    }
}

impl Quorum {
    /// The shards have stopped. Nothing more is decided; what was decided is made durable.
    pub(super) fn begin_shutdown(&mut self, turn: &mut Turn<'_>) {
        self.stopping = true;
        self.raft_step(raft::Input::Shutdown, turn);
    }

    pub(super) fn finish_shutdown(&mut self, turn: &mut Turn<'_>) {
        if !self.stopping || self.is_failed || !self.flushing.is_idle() || !self.raft.is_stopped() {
            return;
        }
        self.is_failed = true;
        match self.log.close() {
            Ok(()) => turn.effects.push(Effect::Stopped),
            Err(error) => turn.effects.push(Effect::Fatal { reason: format!("metadata log: {error}") }),
        }
    }
}
