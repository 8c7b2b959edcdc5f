//! Time passing: connections that idle are closed, muted and starved ones are looked at again. Starved are those not
//! read while the node holds as many bytes of requests as it may.

use broker::event::Event;
use platform::Time;

use super::{Actor, Reactor, mark_dirty};
use crate::connection::Connection;

const SWEEP_US: u64 = 5_000_000;
/// While the node holds as many bytes of requests as it may: a frame that gets nothing for so long is given up,
const STALLED_US: u64 = 5_000_000;
/// and so is one that is not whole after so long.
const SLOW_US: u64 = 30_000_000;

impl<A: Actor> Reactor<A> {
    pub(super) fn on_time(&mut self, now: Time) {
        if self.accept_again_us.is_some_and(|at| at <= now.monotonic_us) {
            self.accept_again();
        }
        if !self.starved.is_empty() && !self.settings.request_memory.is_full() {
            for id in std::mem::take(&mut self.starved) {
                if let Some(connection) = self.connections.get_mut(id) {
                    connection.starved = false;
                    connection.last_active_us = now.monotonic_us;
                    mark_dirty(connection, &mut self.dirty);
                }
            }
        }
        if self.wake_at_us.is_some_and(|at| at <= now.monotonic_us) {
            self.wake_at_us = None;
            self.actor.step(now, Event::Tick, &mut self.effects);
        }
        if now.monotonic_us >= self.next_sweep_us {
            self.next_sweep_us = now.monotonic_us + SWEEP_US.min(self.settings.idle_us / 2 + 1);
            self.sweep(now);
        }
    }

    /// Closes connections that were idle too long, and wakes muted ones.
    pub(super) fn sweep(&mut self, now: Time) {
        let idle_us = self.settings.idle_us;
        // one that owes the peer an answer is not idle, nor is one that is not read; one that the peer does not read
        // from is, and one that it will not write to
        let idle = self.connections.ids(|c| {
            now.monotonic_us.saturating_sub(c.last_active_us) > idle_us
                && !c.starved
                && !c.gathers()
                && (c.unanswered.is_empty() || c.closing || !c.is_talking() || !c.output.is_empty())
        });
        for id in idle {
            self.traffic.closed_idle += 1;
            self.closed(now, id);
        }
        if self.settings.request_memory.is_full() {
            let slow = self.connections.ids(|c| {
                let since = |at: u64| now.monotonic_us.saturating_sub(at);
                !c.is_between_frames()
                    && !c.is_dialed()
                    && (since(c.last_active_us) > STALLED_US && !c.gathers() || since(c.begun_us) > SLOW_US)
            });
            for id in slow {
                self.complain(now, id, "its request does not come on while the node is short of memory");
                self.closed(now, id);
            }
        }
        // what a slow peer has sent is seen now, and judged at the next sweep
        for id in self.connections.ids(Connection::gathers) {
            if let Some(connection) = self.connections.get_mut(id) {
                connection.stop_gathering();
            }
        }
        for id in self.connections.ids(|c| c.muted_until_us != 0 && c.muted_until_us <= now.monotonic_us) {
            if let Some(connection) = self.connections.get_mut(id) {
                connection.muted_until_us = 0;
                mark_dirty(connection, &mut self.dirty);
            }
            self.hand_in(now, id);
        }
    }
}
