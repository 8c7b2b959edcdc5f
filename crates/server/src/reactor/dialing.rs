//! Connections that the actor asks for: how far they are, and the first of them that it hears.

use broker::event::{Address, ConnectionId, Event};
use platform::Time;
use rustix::event::epoll::EventFlags;

use super::{Actor, Reactor, mark_dirty};
use crate::connection::{Connection, Side};
use crate::dial::Progress;

impl<A: Actor> Reactor<A> {
    pub(super) fn dial(&mut self, now: Time, id: ConnectionId, address: &Address) {
        let progress = self.dials.begin(id, address, &self.epoll, &self.own);
        self.on_dial(now, id, progress);
    }

    pub(super) fn on_dial(&mut self, now: Time, id: ConnectionId, progress: Progress) {
        let event = match progress {
            Progress::Waiting => return,
            Progress::Failed(reason) => Event::DialFailed { connection: id, reason },
            Progress::Connected(socket) => {
                let mut connection = Connection::new(id, socket, Side::Dialed, now.monotonic_us);
                // what epoll still has of the attempt
                connection.interest = EventFlags::OUT;
                mark_dirty(&mut connection, &mut self.dirty);
                self.connections.insert(connection);
                Event::Dialed { connection: id }
            }
        };
        self.actor.step(now, event, &mut self.effects);
    }
}
