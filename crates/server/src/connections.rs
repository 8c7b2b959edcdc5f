//! A thread's sockets: those that peers opened, by numbers of ours, and those that the actor dialed, by numbers of its own.

use std::collections::BTreeMap;

use broker::event::ConnectionId;

use crate::connection::Connection;
use crate::table::Table;

#[derive(Default)]
pub struct Connections {
    accepted: Table<Connection>,
    dialed: BTreeMap<ConnectionId, Connection>,
}

impl Connections {
    /// The number for the next accepted connection.
    pub fn next_id(&mut self) -> ConnectionId {
        ConnectionId(self.accepted.next_id())
    }

    pub fn insert(&mut self, connection: Connection) {
        let id = connection.id;
        if id.is_dialed() {
            self.dialed.insert(id, connection);
        } else {
            self.accepted.insert(id.0, connection);
        }
    }

    pub fn get_mut(&mut self, id: ConnectionId) -> Option<&mut Connection> {
        if id.is_dialed() { self.dialed.get_mut(&id) } else { self.accepted.get_mut(id.0) }
    }

    pub fn remove(&mut self, id: ConnectionId) -> Option<Connection> {
        if id.is_dialed() { self.dialed.remove(&id) } else { self.accepted.remove(id.0) }
    }

    pub fn ids(&self, wanted: impl Fn(&Connection) -> bool) -> Vec<ConnectionId> {
        let mut ids: Vec<_> = self.accepted.ids(&wanted).into_iter().map(ConnectionId).collect();
        ids.extend(self.dialed.values().filter(|connection| wanted(connection)).map(|one| one.id));
        ids
    }

    pub fn is_empty(&self) -> bool {
        self.accepted.is_empty() && self.dialed.is_empty()
    }
}
