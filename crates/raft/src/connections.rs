//! One request in flight for each destination, and the back-off after a failed one.
//! A change of role forgets them all: answers to what was sent before are dropped.

use std::collections::BTreeMap;

use types::NodeId;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Connection {
    InFlight { correlation: u64, deadline: u64, sent: Sent },
    BackOff { until: u64 },
}

/// What was asked, as far as the answer's handling needs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Sent {
    Vote,
    BeginQuorumEpoch,
    EndQuorumEpoch,
    Fetch,
    FetchSnapshot,
    UpdateVoter,
    AddVoter,
    RemoveVoter,
    Probe,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Connections {
    pub(crate) connections: BTreeMap<NodeId, Connection>,
    pub(crate) last_correlation: u64,
}

impl Connections {
    pub fn is_ready(&self, id: NodeId) -> bool {
        !self.connections.contains_key(&id)
    }

    pub fn is_backing_off(&self, id: NodeId) -> bool {
        matches!(self.connections.get(&id), Some(Connection::BackOff { .. }))
    }

    pub fn any_in_flight(&self) -> bool {
        self.connections.values().any(|connection| matches!(connection, Connection::InFlight { .. }))
    }

    /// Gives the correlation id of a request about to be sent.
    pub fn sent(&mut self, id: NodeId, sent: Sent, deadline: u64) -> u64 {
        self.last_correlation += 1;
        let correlation = self.last_correlation;
        self.connections.insert(id, Connection::InFlight { correlation, deadline, sent });
        correlation
    }

    /// Whose answer this is; none where it is no longer expected.
    pub fn awaited(&self, correlation: u64) -> Option<(NodeId, Sent)> {
        self.connections.iter().find_map(|(id, connection)| match connection {
            Connection::InFlight { correlation: c, sent, .. } if *c == correlation => Some((*id, *sent)),
            _ => None,
        })
    }

    /// Ends a request, unless a change of role has forgotten it.
    pub fn answered(&mut self, correlation: u64, back_off_until: Option<u64>) {
        let Some((id, _)) = self.awaited(correlation) else { return };
        match back_off_until {
            Some(until) => self.connections.insert(id, Connection::BackOff { until }),
            None => self.connections.remove(&id),
        };
    }

    pub fn clear(&mut self) {
        self.connections.clear();
    }

    /// A request without an answer in time counts as failed; a back-off that is over as none.
    pub fn expire(&mut self, now: u64, back_off_until: u64) {
        self.connections.retain(|_, connection| match connection {
            Connection::BackOff { until } => *until > now,
            Connection::InFlight { deadline, .. } => {
                if *deadline <= now {
                    *connection = Connection::BackOff { until: back_off_until };
                }
                true
            }
        });
    }

    pub fn next_deadline(&self) -> Option<u64> {
        let at = |connection: &Connection| match connection {
            Connection::InFlight { deadline, .. } => *deadline,
            Connection::BackOff { until } => *until,
        };
        self.connections.values().map(at).min()
    }
}
