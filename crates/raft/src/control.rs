//! Control records of the metadata log, as values. Their bytes are in `wire`.

use types::NodeId;

use crate::voters::VoterSet;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ControlRecord {
    LeaderChange { leader: NodeId, voters: Vec<NodeId>, granting: Vec<NodeId> },
    SnapshotHeader { last_contained_log_timestamp: i64 },
    SnapshotFooter,
    KraftVersion(i16),
    Voters(VoterSet),
}
