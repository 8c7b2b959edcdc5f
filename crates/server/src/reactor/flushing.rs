//! The end of a turn: one write for each connection that has something to send, and what epoll is to wait for.

use std::os::fd::AsFd;

use broker::event::ConnectionId;
use platform::Time;
use rustix::event::epoll::{self, EventData, EventFlags};

use super::{Actor, Reactor};
use crate::output::Progress;

impl<A: Actor> Reactor<A> {
    /// One write for each connection that has something to send; epoll learns what each waits for now.
    pub(super) fn flush(&mut self, now: Time) {
        for id in std::mem::take(&mut self.dirty) {
            let Some(connection) = self.connections.get_mut(id) else { continue };
            connection.dirty = false;
            let keep = self.flush_one(id, now);
            if !keep {
                self.closed(now, id);
            }
        }
    }

    /// False where the connection is to end.
    pub(super) fn flush_one(&mut self, id: ConnectionId, now: Time) -> bool {
        let Some(connection) = self.connections.get_mut(id) else { return true };
        if !connection.socket_full && !connection.warming && !connection.output.is_empty() {
            match connection.flush() {
                Ok(Progress::Cold) => {
                    if let Some(slice) = connection.output.cold_piece() {
                        connection.warming = true;
                        self.disk.warm(slice, id, self.own.clone());
                    }
                }
                Ok(_) => {}
                Err(why) => {
                    tracing::debug!(peer = ?connection.socket.peer_addr(), "closed: {why}");
                    self.give_up(id);
                }
            }
        }
        let Some(connection) = self.connections.get_mut(id) else { return true };
        if connection.is_done() || connection.closing && connection.output.is_empty() {
            return false;
        }
        let bytes = connection.request_bytes();
        self.held = self.held.saturating_sub(connection.accounted) + bytes;
        connection.accounted = bytes;
        let mut reads = connection.wants_read(self.settings.unanswered_max, now.monotonic_us);
        if reads
            && !connection.is_dialed()
            && connection.is_between_frames()
            && self.settings.request_memory.is_full()
        {
            reads = false;
            if !std::mem::replace(&mut connection.starved, true) {
                self.starved.push(id);
            }
        }
        let mut interest = EventFlags::empty();
        interest.set(EventFlags::IN, reads);
        interest.set(EventFlags::OUT, connection.socket_full);
        if interest != connection.interest && !connection.is_gone() {
            connection.interest = interest;
            let data = EventData::new_u64(id.0);
            return epoll::modify(&self.epoll, connection.socket.as_fd(), data, interest).is_ok();
        }
        true
    }
}
