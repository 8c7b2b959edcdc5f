//! Which brokers may be in an in-sync set at all.

use std::collections::BTreeMap;

use types::NodeId;

/// Brokers that are registered, neither fenced nor shutting down, and the epoch of each registration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ActiveBrokers(BTreeMap<NodeId, i64>);

impl ActiveBrokers {
    /// None where the broker is unknown, fenced or on its way out.
    pub fn epoch_of(&self, node: NodeId) -> Option<i64> {
        self.0.get(&node).copied()
    }
}

impl FromIterator<(NodeId, i64)> for ActiveBrokers {
    fn from_iter<I: IntoIterator<Item = (NodeId, i64)>>(brokers: I) -> Self {
        ActiveBrokers(brokers.into_iter().collect())
    }
}
