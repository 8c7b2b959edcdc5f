//! What arrives on a connection: read, cut into frames, handed in; and the end of a connection.

use broker::event::{ActorId, ConnectionId, Event};
use platform::Time;
use rustix::event::epoll::{self, EventFlags};

use super::{Actor, Reactor, mark_dirty};
use crate::connection::{Connection, ReadEnd};
use crate::parts::{Frame, ends_request};

/// The largest answer that is taken from a peer.
const ANSWER_MAX: usize = 256 << 20;

impl<A: Actor> Reactor<A> {
    pub(super) fn on_socket(&mut self, now: Time, id: ConnectionId, flags: EventFlags) {
        if self.dials.has(id) {
            let progress = self.dials.on_socket(id, &self.epoll);
            return self.on_dial(now, id, progress);
        }
        let Some(connection) = self.connections.get_mut(id) else { return };
        connection.last_active_us = now.monotonic_us;
        if flags.contains(EventFlags::OUT) {
            connection.socket_full = false;
            mark_dirty(connection, &mut self.dirty);
        }
        if !flags.intersects(EventFlags::IN | EventFlags::HUP | EventFlags::ERR) {
            return;
        }
        if connection.closing {
            // nothing of it is handed in any more: an end of the peer's side ends it
            if flags.intersects(EventFlags::HUP | EventFlags::ERR) {
                self.remove(id);
            }
            return;
        }
        if !connection.is_talking() {
            // it is not read any more: only its end can be told
            return self.give_up(id);
        }
        if connection.is_between_frames() {
            connection.begun_us = now.monotonic_us;
            let is_alive = !flags.intersects(EventFlags::HUP | EventFlags::ERR) && !connection.is_dialed();
            if is_alive && self.settings.request_memory.is_full() {
                // looked at again when there is room
                return mark_dirty(connection, &mut self.dirty);
            }
        }
        let frame_max = if connection.is_dialed() { ANSWER_MAX } else { self.settings.frame_max };
        let end = connection.read(&mut self.scratch, frame_max);
        self.hand_in(now, id);
        let Some(connection) = self.connections.get_mut(id) else { return };
        match end {
            Ok(()) if connection.is_dialed() => mark_dirty(connection, &mut self.dirty),
            Ok(()) if connection.held() > self.settings.held_max => {
                self.complain(now, id, "its requests take too much memory");
                self.closed(now, id);
            }
            Ok(())
                if self.settings.request_memory.is_exceeded_by(self.settings.frame_max)
                    && !connection.is_between_frames() =>
            {
                self.complain(now, id, "the node's requests take too much memory");
                self.closed(now, id);
            }
            Ok(()) => mark_dirty(connection, &mut self.dirty),
            Err(ReadEnd::Refused(why)) => {
                self.complain(now, id, &why.to_string());
                self.stop_reading(id);
            }
            Err(ReadEnd::Failed(why)) => {
                tracing::debug!(peer = ?connection.socket.peer_addr(), "closed: {why}");
                self.give_up(id);
            }
            // a node's process has ended, which is to be known before the fetch that the quorum holds back is answered
            Err(ReadEnd::Closed) if self.id == ActorId::Quorum => self.give_up(id),
            Err(ReadEnd::Closed) => self.stop_reading(id),
        }
    }

    /// Requests that came whole are answered before the end.
    fn stop_reading(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.get_mut(id) else { return };
        connection.stop_reading();
        mark_dirty(connection, &mut self.dirty);
    }

    /// Requests that came whole are carried out, for nobody's eyes. A socket that failed would wake the thread for ever.
    pub(super) fn give_up(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.get_mut(id) else { return };
        if !connection.is_gone() {
            let _ = epoll::delete(&self.epoll, &connection.socket);
            connection.give_up();
        }
        mark_dirty(connection, &mut self.dirty);
    }

    /// Gives the actor as many waiting frames of the connection as it may have now.
    pub(super) fn hand_in(&mut self, now: Time, id: ConnectionId) {
        while let Some(connection) = self.connections.get_mut(id) {
            if !connection.may_hand_in(self.settings.unanswered_max, now.monotonic_us) {
                return;
            }
            let Some(Frame { bytes, part }) = connection.begin_next(now.monotonic_us) else { return };
            self.traffic.bytes_received += bytes.len() as u64;
            if id.is_dialed() {
                self.actor.step(now, Event::Frame { connection: id, bytes }, &mut self.effects);
                continue;
            }
            if ends_request(part)
                && let Some(&[key, key_low, version, version_low]) = bytes.first_chunk::<4>()
                && let Some(api) = self.traffic.api_mut(i16::from_be_bytes([key, key_low]))
            {
                api.count(i16::from_be_bytes([version, version_low]));
            }
            self.actor.step(now, Event::Frame { connection: id, bytes }, &mut self.effects);
        }
    }

    pub(super) fn closed(&mut self, now: Time, id: ConnectionId) {
        if let Some(connection) = self.remove(id)
            && !connection.closing
        {
            self.actor.step(now, Event::ConnectionClosed { connection: id }, &mut self.effects);
        }
    }

    pub(super) fn remove(&mut self, id: ConnectionId) -> Option<Connection> {
        let connection = self.connections.remove(id)?;
        self.held = self.held.saturating_sub(connection.accounted);
        if let Some(listener) = connection.listener() {
            self.traffic.ended(usize::from(listener.0));
        }
        Some(connection)
    }

    /// Why a connection is closed, quietly: whoever sends nonsense sends more of it.
    pub(super) fn complain(&mut self, now: Time, id: ConnectionId, why: &str) {
        let Some(connection) = self.connections.get_mut(id) else { return };
        if let Some(left_out) = self.nonsense.may_speak(now.monotonic_us) {
            tracing::warn!(peer = ?connection.socket.peer_addr(), left_out, "closed: {why}");
        }
    }
}
