//! Carrying out what the actor asked for, in its order.

use std::sync::Arc;

use broker::event::{ActorId, ConnectionId, DirectoryIndex, DiskToken, Effect, Event};
use broker::message::Message;
use platform::Time;

use super::{Actor, Mail, Notice, Reactor, mark_dirty};
use crate::disk::Ticket;
use crate::parts::ends_request;

impl<A: Actor> Reactor<A> {
    /// What the actor asked for in this turn, in order. Answers may let further frames in, which ask for more.
    pub(super) fn carry_out(&mut self, now: Time) {
        while !self.effects.is_empty() {
            self.done_us = self.clock.now().monotonic_us;
            let mut effects = std::mem::take(&mut self.effects);
            for effect in effects.drain(..) {
                self.carry_out_one(now, effect);
            }
            if self.effects.is_empty() {
                // the empty list's room is kept
                self.effects = effects;
                return;
            }
        }
    }

    pub(super) fn carry_out_one(&mut self, now: Time, effect: Effect) {
        match effect {
            Effect::Reply { connection, chunks } => self.answered(now, connection, chunks),
            Effect::NoReply { connection } => self.answered(now, connection, Vec::new()),
            Effect::Dial { connection, address } => self.dial(now, connection, &address),
            Effect::Request { connection, chunks } => {
                if let Some(connection) = self.connections.get_mut(connection) {
                    connection.last_active_us = now.monotonic_us;
                    chunks.into_iter().for_each(|chunk| connection.output.push(chunk));
                    mark_dirty(connection, &mut self.dirty);
                }
            }
            Effect::Close { connection } if connection.is_dialed() => {
                self.dials.forget(connection);
                self.remove(connection);
            }
            Effect::Close { connection } => {
                if let Some(connection) = self.connections.get_mut(connection) {
                    connection.closing = true;
                    connection.forget_waiting();
                    mark_dirty(connection, &mut self.dirty);
                }
            }
            Effect::Mute { connection, until_monotonic_us } => {
                if let Some(connection) = self.connections.get_mut(connection) {
                    connection.muted_until_us = until_monotonic_us;
                    self.next_sweep_us = self.next_sweep_us.min(until_monotonic_us);
                    mark_dirty(connection, &mut self.dirty);
                }
            }
            Effect::Send { to, message } => self.send(to, message),
            Effect::Flush { token, directory, files, directories } => {
                self.disk.sync(self.context(token, directory), files, directories)
            }
            Effect::WriteFile { token, directory, path, content } => {
                self.disk.write(self.context(token, directory), path, content)
            }
            Effect::WakeAt { monotonic_us } => self.wake_at_us = Some(monotonic_us),
            Effect::Metrics(metrics) => {
                self.traffic.request_bytes = self.held as u64;
                let traffic = self.traffic.snapshot(now.monotonic_us);
                self.tell(Notice::Metrics(self.id, Box::new((*metrics, traffic))));
            }
            Effect::Log { level, text } => crate::logging::write(level, &text),
            Effect::Fatal { reason } => self.tell(Notice::Fatal(reason)),
            Effect::Ready => self.tell(Notice::Ready),
            Effect::Left => self.tell(Notice::Left),
            Effect::Stopped => {
                self.stopped = true;
                self.tell(Notice::Stopped(self.id));
            }
        }
    }

    pub(super) fn context(&self, token: DiskToken, directory: DirectoryIndex) -> Ticket {
        Ticket { token, directory, file_system: Arc::clone(&self.file_system), to: self.own.clone() }
    }

    pub(super) fn answered(&mut self, now: Time, id: ConnectionId, chunks: Vec<broker::Chunk>) {
        let Some(connection) = self.connections.get_mut(id) else { return };
        connection.last_active_us = now.monotonic_us;
        let done = connection.end_oldest();
        // a request in parts takes from when it was whole, as any other
        if let Some(done) = done.filter(|done| ends_request(done.part))
            && let Some(api) = self.traffic.api_mut(done.api_key)
        {
            api.answered(self.done_us.saturating_sub(done.since_us));
        }
        match connection.join(done.and_then(|done| done.part), chunks) {
            Ok(chunks) => connection.push(chunks),
            Err(why) => {
                self.complain(now, id, &why.to_string());
                return self.closed(now, id);
            }
        }
        mark_dirty(connection, &mut self.dirty);
        if connection.has_waiting() {
            self.hand_in(now, id);
        }
    }

    pub(super) fn send(&mut self, to: ActorId, message: Message) {
        self.peers.post(to, Mail::Event(Event::Message { from: self.id, message }));
    }

    pub(super) fn tell(&self, notice: Notice) {
        let _ = self.notices.send(notice);
    }
}
