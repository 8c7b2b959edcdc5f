//! Brokers whose process has died are known at once, not only when their session ends. The active controller knows
//! which connections a broker's heartbeats and its fetches of the metadata come on; when they close it tries the broker's listener. Refused, or not
//! there in `barnabas.broker.probe.timeout.ms`: it is fenced. A process that is ending may still listen when its
//! connections have closed already, so a connection that comes about is watched for a while, and one that closes is
//! followed by another try. A new active controller tries all of them once, since it
//! had no connection that could close. A broker that hangs or is cut off closes nothing: its session ends it.

use std::collections::BTreeMap;

use protocol::messages::BrokerHeartbeatRequest;
use types::NodeId;

use super::{Quorum, Turn};
use crate::event::{Address, ConnectionId, Effect, Event, Level};

/// Of the probes, among the dialed connections of this actor.
const LANE: u8 = 3;

/// A broker and its epoch.
type Key = (i32, i64);

/// How many connections in a row may close before the broker, which listens after all, is left alone.
const TRIES: u8 = 5;
/// A connection is watched for so many times what it may take to come about.
const WATCHED: u64 = 10;

#[derive(Debug)]
struct Probe {
    broker: Key,
    deadline_us: u64,
    /// Connections that closed before this one.
    tries: u8,
    connected: bool,
}

/// See the head of the file.
#[derive(Debug, Default)]
pub(super) struct Absent {
    /// 0: nobody is tried.
    timeout_us: u64,
    speakers: BTreeMap<ConnectionId, Key>,
    probes: BTreeMap<ConnectionId, Probe>,
    last_connection: u64,
}

impl Absent {
    pub fn new(timeout_ms: u64) -> Absent {
        Absent { timeout_us: timeout_ms.saturating_mul(1000), ..Absent::default() }
    }

    pub fn deadline(&self) -> Option<u64> {
        self.probes.values().map(|probe| probe.deadline_us).min()
    }

    /// A heartbeat came on this connection.
    pub fn spoke(&mut self, connection: ConnectionId, heartbeat: &BrokerHeartbeatRequest) {
        self.speakers.insert(connection, (heartbeat.broker_id, heartbeat.broker_epoch));
    }

    /// The broker that spoke on a connection which has closed, unless it has another.
    fn closed(&mut self, connection: ConnectionId) -> Option<Key> {
        let broker = self.speakers.remove(&connection)?;
        (!self.speakers.values().any(|other| *other == broker)).then_some(broker)
    }

    fn probe(&mut self, broker: Key, tries: u8, address: Address, turn: &mut Turn<'_>) {
        if self.timeout_us == 0 || self.probes.values().any(|probe| probe.broker == broker) {
            return;
        }
        self.last_connection += 1;
        let connection = ConnectionId::dialed(LANE, self.last_connection);
        let deadline_us = turn.now.monotonic_us.saturating_add(self.timeout_us);
        self.probes.insert(connection, Probe { broker, deadline_us, tries, connected: false });
        turn.effects.push(Effect::Dial { connection, address });
    }

    fn connected(&mut self, connection: ConnectionId, now_us: u64) {
        if let Some(probe) = self.probes.get_mut(&connection) {
            probe.connected = true;
            probe.deadline_us = now_us.saturating_add(self.timeout_us.saturating_mul(WATCHED));
        }
    }

    /// The probes whose time is over.
    fn take_late(&mut self, now_us: u64) -> BTreeMap<ConnectionId, Probe> {
        let (late, others) =
            std::mem::take(&mut self.probes).into_iter().partition(|(_, probe)| probe.deadline_us <= now_us);
        self.probes = others;
        late
    }
}

impl Quorum {
    /// The event, unless it is about a probe.
    pub(super) fn hear_probes(&mut self, event: Event, turn: &mut Turn<'_>) -> Option<Event> {
        let ours = |connection: &ConnectionId| connection.is_dialed() && connection.lane() == LANE;
        match event {
            Event::Dialed { connection } if ours(&connection) => {
                self.absent.connected(connection, turn.now.monotonic_us);
            }
            Event::DialFailed { connection, reason } if ours(&connection) => {
                if let Some(probe) = self.absent.probes.remove(&connection) {
                    self.fence_absent(probe.broker, &reason, turn);
                }
            }
            Event::ConnectionClosed { connection } if ours(&connection) => {
                if let Some(probe) = self.absent.probes.remove(&connection)
                    && probe.tries < TRIES
                {
                    self.try_broker(probe.broker, probe.tries + 1, turn);
                }
            }
            Event::Frame { connection, .. } if ours(&connection) => {}
            other => return Some(other),
        }
        None
    }

    /// A node that follows the metadata asked on this connection. Its heartbeats come seldom: it may die before a new active
    /// controller has heard one.
    pub(super) fn follower_spoke(&mut self, connection: ConnectionId, node: NodeId) {
        let Some(active) = &self.active else { return };
        if let Some(broker) = active.controller.image().cluster.broker(node.0) {
            self.absent.speakers.insert(connection, (broker.id, broker.epoch));
        }
    }

    /// A connection of the controller's listener has closed.
    pub(super) fn speaker_closed(&mut self, connection: ConnectionId, turn: &mut Turn<'_>) {
        if let Some(broker) = self.absent.closed(connection) {
            self.try_broker(broker, 0, turn);
        }
    }

    /// This node is the active controller now: who died before is not waited for.
    pub(super) fn try_all_brokers(&mut self, turn: &mut Turn<'_>) {
        let Some(active) = &self.active else { return };
        let brokers = active.controller.image().cluster.brokers.values();
        let all: Vec<Key> = brokers.map(|broker| (broker.id, broker.epoch)).collect();
        all.into_iter().for_each(|broker| self.try_broker(broker, 0, turn));
    }

    fn try_broker(&mut self, broker: Key, tries: u8, turn: &mut Turn<'_>) {
        if self.is_expected(broker)
            && let Some(address) = self.address_of(broker.0)
        {
            self.absent.probe(broker, tries, address, turn);
        }
    }

    /// It should be there: registered in this epoch, not fenced, not this node's own.
    fn is_expected(&self, broker: Key) -> bool {
        let Some(active) = &self.active else { return false };
        let known = active.controller.image().cluster.broker(broker.0);
        broker.0 != self.node.node_id.0 && known.is_some_and(|known| known.epoch == broker.1 && !known.fenced)
    }

    /// Where brokers reach it.
    fn address_of(&self, broker: i32) -> Option<Address> {
        let cluster = &self.active.as_ref()?.controller.image().cluster;
        let endpoints = &cluster.broker(broker)?.endpoints;
        let wanted = self.node.inter_broker_listener();
        let endpoint = endpoints.iter().find(|one| &*one.name == wanted).or(endpoints.first())?;
        Some(Address::new(&endpoint.host, endpoint.port))
    }

    pub(super) fn end_late_probes(&mut self, turn: &mut Turn<'_>) {
        for (connection, probe) in self.absent.take_late(turn.now.monotonic_us) {
            turn.effects.push(Effect::Close { connection });
            // where one came about and lasts, somebody is there
            if !probe.connected {
                self.fence_absent(probe.broker, "no connection in time", turn);
            }
        }
    }

    fn fence_absent(&mut self, broker: Key, reason: &str, turn: &mut Turn<'_>) {
        if !self.is_expected(broker) {
            return;
        }
        turn.log(Level::Info, format!("broker {} is gone and fenced: {reason}", broker.0));
        let decided = self.decide(turn, |controller, _| controller.fence_gone_broker(broker.0, broker.1));
        if let Some(outcome) = decided {
            self.append(outcome, turn);
        }
    }
}
