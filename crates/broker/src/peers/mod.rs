//! Requests to other nodes, as a value: an address book, one connection a peer, requests in their order with deadlines,
//! a pause after each failure. A connection's life is taken off the pause after it: one that was of use is dialed anew
//! at once, so that it is soon known whether anybody is there still. It gives effects and takes the events of its own
//! lane of connection ids; answers come back with the token that their request was sent with.
//!
//! Of one peer: Idle -> Dialing -> Greeting (ApiVersions) -> Ready; any failure -> Paused -> Idle.

mod frames;
mod peer;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use bytes::Bytes;
use platform::{Random, Time};
use protocol::{Request, Response};
use types::NodeId;

use crate::event::{Address, ConnectionId, Effect, Event};

use peer::{Peer, Step};

pub use frames::api_versions_request;

/// Names for Kafka's configurations; times in milliseconds.
#[derive(Clone, Debug)]
pub struct PeerSettings {
    /// Told in each request's header.
    pub client_id: String,
    /// Of this value's connections among all of its actor.
    pub lane: u8,
    /// The pause after the first failure and the longest, a fifth more or less of it drawn at random.
    pub reconnect_backoff_ms: u64,
    pub reconnect_backoff_ms_max: u64,
    /// How long dialing and greeting may take.
    pub connection_setup_timeout_ms: u64,
    /// Requests to one peer that have no answer, those not sent yet among them.
    pub requests_max: usize,
}

impl PeerSettings {
    pub fn new(client_id: String, lane: u8) -> PeerSettings {
        PeerSettings {
            client_id,
            lane,
            reconnect_backoff_ms: 50,
            reconnect_backoff_ms_max: 500,
            connection_setup_timeout_ms: 10_000,
            requests_max: 1000,
        }
    }
}

/// Why a request has no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// No connection, or it ended first; the request may have been carried out.
    Disconnected,
    /// It could not be connected to: nothing was carried out.
    Refused,
    /// No answer in time; the request may have been carried out.
    TimedOut,
    /// The peer knows no version that this request can be told in.
    UnsupportedVersion,
}

/// A request that is over.
#[derive(Debug)]
pub struct Done<T> {
    pub token: T,
    pub peer: NodeId,
    /// With the version that was spoken.
    pub result: Result<(i16, Response), Failure>,
}

/// See the head of the file.
#[derive(Debug)]
pub struct PeerConnections<T> {
    settings: PeerSettings,
    random: Random,
    peers: BTreeMap<NodeId, Peer<T>>,
    by_connection: BTreeMap<ConnectionId, NodeId>,
    last_connection: u64,
    done: Vec<Done<T>>,
}

impl<T> PeerConnections<T> {
    pub fn new(settings: PeerSettings, random: Random) -> PeerConnections<T> {
        PeerConnections {
            settings,
            random,
            peers: BTreeMap::new(),
            by_connection: BTreeMap::new(),
            last_connection: 0,
            done: Vec::new(),
        }
    }

    /// Where a peer is reached from now on. A connection to another place is closed, its requests fail.
    pub fn set_address(&mut self, id: NodeId, address: Address, effects: &mut Vec<Effect>) {
        if self.address(id).is_some_and(|known| *known == address) {
            return;
        }
        self.forget(id, effects);
        self.peers.insert(id, Peer::new(address));
    }

    pub fn address(&self, id: NodeId) -> Option<&Address> {
        self.peers.get(&id).map(|peer| &peer.address)
    }

    pub fn known(&self) -> impl Iterator<Item = NodeId> {
        self.peers.keys().copied()
    }

    /// Closes the connection; what was asked fails.
    pub fn forget(&mut self, id: NodeId, effects: &mut Vec<Effect>) {
        if let Some(mut peer) = self.peers.remove(&id) {
            self.drop_connection(&mut peer, effects);
            self.done.extend(peer.fail_all(id, Failure::Disconnected));
        }
    }

    /// Whether a request would not fail at once: the address is known and there is no pause after a failure.
    pub fn may_send(&self, now: Time, id: NodeId) -> bool {
        self.peers
            .get(&id)
            .is_some_and(|peer| !peer.is_paused(now) && peer.count() < self.settings.requests_max)
    }

    /// When the pause of a peer ends, in monotonic microseconds.
    pub fn paused_until(&self, now: Time, id: NodeId) -> Option<u64> {
        self.peers.get(&id).filter(|peer| peer.is_paused(now)).and_then(Peer::deadline)
    }

    /// Sends as soon as the peer is connected. `Done` follows in any case, from here or from a later event.
    pub fn send(
        &mut self,
        now: Time,
        id: NodeId,
        request: Request,
        token: T,
        timeout_ms: u64,
        effects: &mut Vec<Effect>,
    ) {
        if !self.may_send(now, id) {
            return self.done.push(Done { token, peer: id, result: Err(Failure::Disconnected) });
        }
        let Some(peer) = self.peers.get_mut(&id) else { return };
        peer.push(request, token, now.monotonic_us.saturating_add(timeout_ms.saturating_mul(1000)));
        if peer.needs_dial() {
            self.last_connection += 1;
            let connection = ConnectionId::dialed(self.settings.lane, self.last_connection);
            let setup_us = self.settings.connection_setup_timeout_ms.saturating_mul(1000);
            peer.dial(connection, now.monotonic_us.saturating_add(setup_us));
            self.by_connection.insert(connection, id);
            effects.push(Effect::Dial { connection, address: peer.address.clone() });
        }
        let outcome = peer.write(&self.settings);
        self.carry_out(now, id, outcome, effects);
    }

    /// Whether an event about this connection is for this value.
    pub fn owns(&self, connection: ConnectionId) -> bool {
        connection.is_dialed() && connection.lane() == self.settings.lane
    }

    pub fn on_dialed(&mut self, now: Time, connection: ConnectionId, effects: &mut Vec<Effect>) {
        let Some((id, peer)) = self.find(connection) else { return };
        let outcome = peer.on_dialed();
        self.carry_out(now, id, outcome, effects);
        let Some(peer) = self.peers.get_mut(&id) else { return };
        let outcome = peer.write(&self.settings);
        self.carry_out(now, id, outcome, effects);
    }

    pub fn on_frame(&mut self, now: Time, connection: ConnectionId, frame: Bytes, effects: &mut Vec<Effect>) {
        let Some((id, peer)) = self.find(connection) else { return };
        let outcome = peer.on_frame(now, frame);
        self.carry_out(now, id, outcome, effects);
        let Some(peer) = self.peers.get_mut(&id) else { return };
        let outcome = peer.write(&self.settings);
        self.carry_out(now, id, outcome, effects);
    }

    /// The connection ended.
    pub fn on_closed(
        &mut self,
        now: Time,
        connection: ConnectionId,
        reason: &str,
        effects: &mut Vec<Effect>,
    ) {
        let Some((id, _)) = self.find(connection) else { return };
        self.by_connection.remove(&connection);
        self.fail(now, id, reason, Failure::Disconnected, effects);
    }

    fn on_refused(&mut self, now: Time, connection: ConnectionId, reason: &str, effects: &mut Vec<Effect>) {
        let Some((id, _)) = self.find(connection) else { return };
        self.by_connection.remove(&connection);
        self.fail(now, id, reason, Failure::Refused, effects);
    }

    /// The event, if it is about a connection of this value; else it is given back.
    pub fn on_event(&mut self, now: Time, event: Event, effects: &mut Vec<Effect>) -> Option<Event> {
        match event {
            Event::Dialed { connection } if self.owns(connection) => {
                self.on_dialed(now, connection, effects);
            }
            Event::DialFailed { connection, reason } if self.owns(connection) => {
                self.on_refused(now, connection, &reason, effects);
            }
            Event::Frame { connection, bytes } if self.owns(connection) => {
                self.on_frame(now, connection, bytes, effects);
            }
            Event::ConnectionClosed { connection } if self.owns(connection) => {
                self.on_closed(now, connection, "the connection ended", effects);
            }
            other => return Some(other),
        }
        None
    }

    /// Ends what took too long. To be called when `deadline` has come; too often does no harm.
    pub fn on_tick(&mut self, now: Time, effects: &mut Vec<Effect>) {
        let due = |peer: &Peer<T>| peer.deadline().is_some_and(|at| at <= now.monotonic_us);
        let ids: Vec<NodeId> = self.peers.iter().filter(|(_, peer)| due(peer)).map(|(id, _)| *id).collect();
        for id in ids {
            let Some(peer) = self.peers.get_mut(&id) else { continue };
            if peer.end_pause(now) {
                continue;
            }
            // answers come in the order of the requests: what waits behind a late one cannot be trusted to come
            self.done.extend(peer.take_late(now, id));
            self.fail(now, id, "no answer in time", Failure::Disconnected, effects);
        }
    }

    /// When `on_tick` has something to do, in monotonic microseconds.
    pub fn deadline(&self) -> Option<u64> {
        self.peers.values().filter_map(Peer::deadline).min()
    }

    /// Requests that are over since this was last called.
    pub fn take_done(&mut self) -> Vec<Done<T>> {
        std::mem::take(&mut self.done)
    }

    fn find(&mut self, connection: ConnectionId) -> Option<(NodeId, &mut Peer<T>)> {
        let id = *self.by_connection.get(&connection)?;
        self.peers.get_mut(&id).map(|peer| (id, peer))
    }

    fn carry_out(&mut self, now: Time, id: NodeId, step: Step<T>, effects: &mut Vec<Effect>) {
        let Step { frames, done, broken } = step;
        effects.extend(frames.into_iter().map(|(connection, chunks)| Effect::Request { connection, chunks }));
        self.done.extend(done.into_iter().map(|(token, result)| Done { token, peer: id, result }));
        if let Some(reason) = broken {
            self.fail(now, id, &reason, Failure::Disconnected, effects);
        }
    }

    fn fail(&mut self, now: Time, id: NodeId, reason: &str, failure: Failure, effects: &mut Vec<Effect>) {
        let Some(mut peer) = self.peers.remove(&id) else { return };
        let lasted_us = peer.ready_us(now);
        self.drop_connection(&mut peer, effects);
        self.done.extend(peer.fail_all(id, failure));
        let pause_us = self.pause_us(peer.failures).saturating_sub(lasted_us);
        if let Some(text) = peer.pause(now.monotonic_us.saturating_add(pause_us), id, reason) {
            effects.push(Effect::Log { level: crate::event::Level::Info, text });
        }
        self.peers.insert(id, peer);
    }

    fn drop_connection(&mut self, peer: &mut Peer<T>, effects: &mut Vec<Effect>) {
        if let Some(connection) = peer.take_connection()
            && self.by_connection.remove(&connection).is_some()
        {
            effects.push(Effect::Close { connection });
        }
    }

    /// Doubles with each failure in a row.
    fn pause_us(&mut self, failures: u32) -> u64 {
        let PeerSettings { reconnect_backoff_ms: first, reconnect_backoff_ms_max: max, .. } = self.settings;
        let ms = first.saturating_mul(1 << failures.min(20)).min(max);
        let us = ms.saturating_mul(1000);
        (us - us / 5).saturating_add(self.random.below((us / 5 * 2).max(1)))
    }
}
