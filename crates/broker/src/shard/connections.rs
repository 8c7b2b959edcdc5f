//! Frames in, answers out: the loop that keeps the order of each connection.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;

use super::{Call, Shard, Turn};
use crate::connection::{Connection, Departure};
use crate::dispatch;
use crate::event::{ConnectionId, Effect, ListenerId};
use crate::handlers;

impl Shard {
    pub(super) fn on_connection_opened(
        &mut self,
        turn: &mut Turn,
        id: ConnectionId,
        listener: ListenerId,
        peer: SocketAddr,
    ) {
        if self.stopping {
            turn.effects.push(Effect::Close { connection: id });
            return;
        }
        self.connections.insert(id, Connection::new(listener, peer, Arc::from("User:ANONYMOUS")));
    }

    pub(super) fn on_connection_closed(&mut self, turn: &mut Turn, id: ConnectionId) {
        if let Some(fetch) = self.connections.remove(&id).and_then(|connection| connection.fetch) {
            handlers::fetch::abandon(self, turn, fetch);
        }
        handlers::replica_fetch::on_closed(self, turn, id);
    }

    pub(super) fn close_connections(&mut self, turn: &mut Turn) {
        for connection in std::mem::take(&mut self.connections).into_keys() {
            turn.effects.push(Effect::Close { connection });
        }
    }

    pub(super) fn on_frame(&mut self, turn: &mut Turn, id: ConnectionId, bytes: Bytes) {
        self.metrics.bytes_received += bytes.len() as u64;
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.push_frame(bytes);
            // the shell hands in no more than this: whoever is over it has lost count, and so might we
            if connection.unanswered() > self.node.limits.queued_requests.saturating_mul(2) {
                self.on_connection_closed(turn, id);
                turn.effects.push(Effect::Close { connection: id });
                return;
            }
            self.ready.push(id);
        }
    }

    /// Lets answers leave and frames start until every connection waits for something.
    pub(super) fn pump(&mut self, turn: &mut Turn) {
        while let Some(id) = self.ready.pop() {
            self.pump_connection(turn, id);
        }
    }

    fn pump_connection(&mut self, turn: &mut Turn, id: ConnectionId) {
        while let Some(connection) = self.connections.get_mut(&id) {
            while let Some(departure) = connection.depart() {
                turn.effects.push(match departure {
                    Departure::Reply(chunks) => Effect::Reply { connection: id, chunks },
                    Departure::Silence => Effect::NoReply { connection: id },
                    Departure::Close => {
                        self.on_connection_closed(turn, id);
                        turn.effects.push(Effect::Close { connection: id });
                        return;
                    }
                });
            }
            let Some(frame) = connection.next_frame() else { return };
            self.start_frame(turn, id, frame);
        }
    }

    fn start_frame(&mut self, turn: &mut Turn, id: ConnectionId, frame: Bytes) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let is_produce = frame.starts_with(&[0, 0]);
        let sequence = connection.start(is_produce);
        match dispatch::decode(connection, frame) {
            Ok((header, api_key, request)) => {
                let call = Call {
                    connection: id,
                    sequence,
                    correlation_id: header.correlation_id,
                    api_key,
                    api_version: header.api_version,
                };
                let answer = dispatch::dispatch(self, turn, call, request);
                self.answer(turn, call, answer);
            }
            Err(dispatch::Refused::Close) => {
                connection.close(sequence);
                self.ready.push(id);
            }
            Err(dispatch::Refused::Version(header)) => {
                let call = Call {
                    connection: id,
                    sequence,
                    correlation_id: header.correlation_id,
                    api_key: protocol::ApiKey::ApiVersions,
                    api_version: 0,
                };
                let answer = crate::handlers::api_versions::unsupported();
                self.answer(turn, call, answer);
            }
        }
    }
}
