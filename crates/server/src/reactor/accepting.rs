//! Listeners and the connections they give: taken here, opened on the thread that is to have them.

use std::net::{SocketAddr, TcpStream};

use broker::event::{Event, ListenerId};
use platform::Time;
use rustix::event::epoll::{self, EventData, EventFlags};

use super::{Actor, LISTENERS, Mail, Notice, Reactor};
use crate::acceptor::{Accepted, Acceptor};
use crate::connection::{Connection, Side};
use crate::limits::Slot;

/// Listeners are left alone for so long after a failed accept: the reason, too many open files, does not go away at once.
const ACCEPT_AGAIN_US: u64 = 200_000;

impl<A: Actor> Reactor<A> {
    pub(super) fn listen(&mut self, acceptors: Vec<Acceptor>) {
        for acceptor in acceptors {
            let token = LISTENERS + self.acceptors.len() as u64;
            match epoll::add(&self.epoll, acceptor.socket(), EventData::new_u64(token), EventFlags::IN) {
                Ok(()) => self.acceptors.push(acceptor),
                Err(error) => self.tell(Notice::Fatal(format!("a listener cannot be waited for: {error}"))),
            }
        }
    }

    pub(super) fn accept(&mut self, now: Time, index: usize) {
        for _ in 0..64 {
            let Some(acceptor) = self.acceptors.get_mut(index) else { return };
            let (socket, peer, slot) = match acceptor.accept() {
                Accepted::Connection(socket, peer, slot) => (socket, peer, slot),
                Accepted::Nobody => return,
                Accepted::Refused(peer) => {
                    if let Some(left_out) = self.refused.may_speak(now.monotonic_us) {
                        tracing::warn!(%peer, left_out, "refused: max.connections, max.connections.per.ip or the limit of open files is reached");
                    }
                    continue;
                }
                Accepted::Failed(error) => {
                    if let Some(left_out) = self.refused.may_speak(now.monotonic_us) {
                        tracing::warn!(left_out, "no connection can be taken for now: {error}");
                    }
                    let _ = epoll::delete(&self.epoll, acceptor.socket());
                    acceptor.is_left_alone = true;
                    self.accept_again_us = Some(now.monotonic_us + ACCEPT_AGAIN_US);
                    return;
                }
            };
            let listener = acceptor.listener();
            let home = acceptor.next_home(self.peers.shards());
            if home == self.id {
                self.open(now, socket, peer, listener, slot);
            } else {
                self.peers.post(home, Mail::Accepted { socket, peer, listener, slot });
            }
        }
    }

    pub(super) fn accept_again(&mut self) {
        self.accept_again_us = None;
        for (index, acceptor) in self.acceptors.iter_mut().enumerate().filter(|(_, one)| one.is_left_alone) {
            acceptor.is_left_alone = false;
            let token = EventData::new_u64(LISTENERS + index as u64);
            if let Err(error) = epoll::add(&self.epoll, acceptor.socket(), token, EventFlags::IN) {
                tracing::error!("a listener cannot be waited for: {error}");
            }
        }
    }

    pub(super) fn open(
        &mut self,
        now: Time,
        socket: TcpStream,
        peer: SocketAddr,
        listener: ListenerId,
        slot: Slot,
    ) {
        let Ok(local) = socket.local_addr() else { return };
        let id = self.connections.next_id();
        let added = epoll::add(&self.epoll, &socket, EventData::new_u64(id.0), EventFlags::IN);
        if added.is_err() {
            return;
        }
        self.traffic.opened(usize::from(listener.0));
        let side = Side::Accepted { listener, _slot: slot };
        let mut connection = Connection::new(id, socket, side, now.monotonic_us);
        connection.interest = EventFlags::IN;
        self.connections.insert(connection);
        let event = Event::ConnectionOpened { connection: id, listener, peer, local };
        self.actor.step(now, event, &mut self.effects);
    }
}
