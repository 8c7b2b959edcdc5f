//! Controlled shutdown: before it stops, the broker has the controller hand what it leads to others, and leaves when the
//! controller lets it go, or when nothing has been heard of a controller for too long.

use protocol::messages::BrokerHeartbeatResponse;

use super::own_broker::State;
use super::{Quorum, Turn};
use crate::event::{Effect, Level};

/// From one request to leave to the next.
const AGAIN_US: u64 = 50_000;
/// Without an answer for so long it leaves all the same,
const SILENCE_US: u64 = 5_000_000;
/// and with answers, but without leave, after so long.
const PATIENCE_US: u64 = 60_000_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Leaving {
    No,
    Asking {
        ask_at: u64,
        /// Nothing heard until then ends it.
        heard_by: u64,
        give_up_at: u64,
    },
    /// Granted by this node's own controller; the records are at this offset or below. They may never be committed: other
    /// voters may be stopping too.
    Granted {
        offset: i64,
        give_up_at: u64,
    },
    Done,
}

impl Quorum {
    pub(super) fn begin_leaving(&mut self, turn: &mut Turn<'_>) {
        if self.own.leaving != Leaving::No {
            return;
        }
        let now = turn.now.monotonic_us;
        let own = self.node.node_id.0;
        let is_running = matches!(self.own.state(), State::Running { .. });
        let brokers = &self.loader.head().cluster.brokers;
        let alone = !brokers.values().any(|broker| broker.id != own && !broker.fenced);
        if !is_running || alone || !self.config.bool("controlled.shutdown.enable") {
            return self.end_leaving(turn);
        }
        self.own.leaving = Leaving::Asking {
            ask_at: now,
            heard_by: now.saturating_add(SILENCE_US),
            give_up_at: now.saturating_add(PATIENCE_US),
        };
        self.own.remote.hurry();
    }

    fn end_leaving(&mut self, turn: &mut Turn<'_>) {
        self.own.leaving = Leaving::Done;
        turn.effects.push(Effect::Left);
    }

    pub(super) fn poll_leaving(&mut self, turn: &mut Turn<'_>) {
        let now = turn.now.monotonic_us;
        match self.own.leaving {
            Leaving::Granted { offset, .. } if self.applied.0 > offset => self.end_leaving(turn),
            // it was unregistered: there is nothing that the controller could hand to others
            Leaving::Asking { .. } if !self.is_broker_registered() => self.end_leaving(turn),
            Leaving::Asking { heard_by, give_up_at, .. } if heard_by.min(give_up_at) <= now => {
                self.leave_unasked(turn);
            }
            Leaving::Granted { give_up_at, .. } if give_up_at <= now => self.leave_unasked(turn),
            Leaving::Asking { ask_at, .. } if ask_at <= now && self.active.is_some() => {
                self.ask_own_controller_to_leave(turn);
            }
            _ => {}
        }
    }

    fn leave_unasked(&mut self, turn: &mut Turn<'_>) {
        let text = "the controller does not let this broker go: it stops all the same";
        turn.log(Level::Warning, text.to_owned());
        self.end_leaving(turn);
    }

    fn ask_own_controller_to_leave(&mut self, turn: &mut Turn<'_>) {
        let Some(epoch) = self.own.epoch() else { return self.end_leaving(turn) };
        let request = self.own_heartbeat(epoch);
        let outcome = self.decide(turn, |controller, context| {
            controller.heartbeat_arrived(&request, context.now_ms);
            controller.broker_heartbeat(&request, context)
        });
        let Some(outcome) = outcome else { return };
        if let Some((reply, offset)) = self.append(outcome, turn) {
            self.heard_while_leaving(turn);
            if reply.should_shut_down {
                let give_up_at = turn.now.monotonic_us.saturating_add(SILENCE_US);
                self.own.leaving = Leaving::Granted { offset, give_up_at };
            }
        }
    }

    /// Another node's controller has answered a heartbeat.
    pub(super) fn on_leave_answer(&mut self, reply: &BrokerHeartbeatResponse, turn: &mut Turn<'_>) {
        self.heard_while_leaving(turn);
        if reply.should_shut_down {
            self.end_leaving(turn);
        }
    }

    fn heard_while_leaving(&mut self, turn: &Turn<'_>) {
        let now = turn.now.monotonic_us;
        if let Leaving::Asking { ask_at, heard_by, .. } = &mut self.own.leaving {
            *ask_at = now.saturating_add(AGAIN_US);
            *heard_by = now.saturating_add(SILENCE_US);
        }
    }

    pub(super) fn leaving_deadline(&self) -> Option<u64> {
        match self.own.leaving {
            Leaving::Asking { ask_at, heard_by, give_up_at } => {
                let ask_at = if self.active.is_some() { ask_at } else { u64::MAX };
                Some(ask_at.min(heard_by).min(give_up_at))
            }
            Leaving::Granted { give_up_at, .. } => Some(give_up_at),
            _ => None,
        }
    }

    pub(super) fn leaves(&self) -> bool {
        self.own.leaving != Leaving::No
    }
}
