//! What the active controller does by the clock, and when the actor is to be woken.
//! Alone in its cluster it has nobody to fence and nobody to tell that it lives: then nothing is woken at all.

use metadata::controller::{Schedule, Task};
use protocol::records::metadata::MetadataRecord;

use super::active::monotonic_ms;
use super::{Quorum, Turn};
use crate::event::{Effect, Level};

impl Quorum {
    /// Whether others follow this log or send heartbeats.
    fn has_company(&self) -> bool {
        let own = self.node.node_id.0;
        let Some(active) = &self.active else { return false };
        let cluster = &active.controller.image().cluster;
        self.raft.voters().len() > 1
            || cluster.brokers.values().any(|broker| broker.id != own && !broker.fenced)
    }

    pub(super) fn begin_schedule(&mut self, turn: &Turn<'_>) {
        let now_ms = monotonic_ms(turn.now);
        self.schedule = match &self.active {
            Some(active) => active.controller.schedule(now_ms),
            None => Schedule::default(),
        };
    }

    pub(super) fn poll_timers(&mut self, turn: &mut Turn<'_>) {
        if !self.has_company() {
            return;
        }
        for task in self.schedule.due(monotonic_ms(turn.now)) {
            self.run_task(task, turn);
        }
    }

    fn run_task(&mut self, task: Task, turn: &mut Turn<'_>) {
        // its life is this process's
        let own = self.own.epoch().filter(|_| task == Task::FenceStaleBroker);
        let own = own.map(|epoch| self.own_heartbeat(epoch));
        let away_ms = self.schedule.away_ms(task, monotonic_ms(turn.now));
        let decided = self.decide(turn, |controller, context| {
            if task == Task::FenceStaleBroker && away_ms > 0 {
                controller.was_away(away_ms);
            }
            if let Some(own) = &own {
                controller.heartbeat_arrived(own, context.now_ms);
            }
            controller.run_task(task, context.now_ms)
        });
        let Some(outcome) = decided else { return };
        self.schedule.ran(task, monotonic_ms(turn.now), outcome.reply);
        if !outcome.records.is_empty() {
            tell_fenced(&outcome.records, turn);
            self.append(outcome, turn);
        }
    }

    pub(super) fn wake(&mut self, turn: &mut Turn<'_>) {
        let scheduled = self.schedule.next_deadline().filter(|_| self.has_company());
        let scheduled = scheduled.map(|ms| u64::try_from(ms).unwrap_or(0));
        let next = self.raft.deadline().into_iter().chain(scheduled).min();
        let has_leader = self.active.is_some() || self.raft.followed().is_some();
        let all = [
            next.map(|ms| ms.saturating_mul(1000)),
            self.network.deadline(),
            self.absent.deadline(),
            self.remote.deadline(has_leader),
            self.own_deadline(),
            self.leaving_deadline(),
        ];
        if let Some(monotonic_us) = all.into_iter().flatten().min() {
            turn.effects.push(Effect::WakeAt { monotonic_us });
        }
    }
}

/// A broker that was silent for too long is a thing that operators look for.
fn tell_fenced(records: &[MetadataRecord], turn: &mut Turn<'_>) {
    for record in records {
        if let MetadataRecord::BrokerRegistrationChange(change) = record
            && change.fenced == 1
        {
            turn.log(Level::Info, format!("broker {} is fenced: silent for its session", change.broker_id));
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
