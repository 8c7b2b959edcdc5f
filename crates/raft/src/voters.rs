//! Who votes: replica keys, voters with their endpoints and version ranges, and sets of them.
//! Under kraft.version 0 a set comes from the configuration and has no directory ids: ids alone are compared.

use std::collections::BTreeMap;
use std::fmt;

use types::{NodeId, Uuid};

/// A replica of the metadata log: a node, and the directory that holds its log (zero: unknown).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReplicaKey {
    pub id: NodeId,
    pub directory_id: Uuid,
}

impl ReplicaKey {
    pub fn new(id: NodeId, directory_id: Uuid) -> ReplicaKey {
        ReplicaKey { id, directory_id }
    }

    /// Whether `other` is this one, as far as this one says which directory it means.
    pub fn covers(self, other: ReplicaKey) -> bool {
        self.id == other.id && (self.directory_id.is_zero() || self.directory_id == other.directory_id)
    }
}

impl fmt::Display for ReplicaKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.id, self.directory_id)
    }
}

/// Where a listener is reached. Listener names compare upper-cased.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Endpoint {
    pub listener: String,
    pub host: String,
    pub port: u16,
}

/// The endpoint of a listener by its name in any case.
pub fn endpoint_of<'a>(endpoints: &'a [Endpoint], listener: &str) -> Option<&'a Endpoint> {
    endpoints.iter().find(|endpoint| endpoint.listener.eq_ignore_ascii_case(listener))
}

/// The levels of kraft.version that a voter can run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VersionRange {
    pub min: i16,
    pub max: i16,
}

impl VersionRange {
    /// What this node can run.
    pub const OURS: VersionRange = VersionRange { min: 0, max: 1 };

    pub fn contains(self, level: i16) -> bool {
        (self.min..=self.max).contains(&level)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Voter {
    pub key: ReplicaKey,
    pub endpoints: Vec<Endpoint>,
    pub supported: VersionRange,
}

/// Voters by node id.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VoterSet(BTreeMap<NodeId, Voter>);

impl VoterSet {
    pub fn new(voters: impl IntoIterator<Item = Voter>) -> VoterSet {
        VoterSet(voters.into_iter().map(|voter| (voter.key.id, voter)).collect())
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn iter(&self) -> impl Iterator<Item = &Voter> {
        self.0.values()
    }

    pub fn ids(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.0.keys().copied()
    }

    pub fn get(&self, id: NodeId) -> Option<&Voter> {
        self.0.get(&id)
    }

    /// Whether the key is a voter: by id and, where the set knows it, by directory.
    pub fn contains(&self, key: ReplicaKey) -> bool {
        self.0.get(&key.id).is_some_and(|voter| voter.key.covers(key))
    }

    pub fn is_only(&self, key: ReplicaKey) -> bool {
        self.len() == 1 && self.contains(key)
    }

    /// Votes that decide an election.
    pub fn majority(&self) -> usize {
        self.len() / 2 + 1
    }

    pub fn with(&self, voter: Voter) -> VoterSet {
        let mut voters = self.0.clone();
        voters.insert(voter.key.id, voter);
        VoterSet(voters)
    }

    pub fn without(&self, id: NodeId) -> VoterSet {
        let mut voters = self.0.clone();
        voters.remove(&id);
        VoterSet(voters)
    }

    pub fn endpoints(&self, id: NodeId) -> &[Endpoint] {
        self.0.get(&id).map_or(&[], |voter| &voter.endpoints)
    }
}

impl FromIterator<Voter> for VoterSet {
    fn from_iter<I: IntoIterator<Item = Voter>>(voters: I) -> VoterSet {
        VoterSet::new(voters)
    }
}
