//! The roles and what each remembers. Times are milliseconds of the monotonic clock.
//!
//! Unattached --timeout--> Prospective --pre-votes--> Candidate --votes--> Leader --no majority--> Resigned
//!     ^ any higher epoch      | lost                     | timeout: Prospective     Resigned --timeout--> Unattached
//!     +-----------------------+---- a leader is known: Follower

use std::collections::{BTreeMap, BTreeSet};

use types::NodeId;

use crate::leader::Leader;
use crate::log::SnapshotId;
use crate::voters::{Endpoint, ReplicaKey, VoterSet};

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    Unattached(Unattached),
    Prospective(Prospective),
    Candidate(Candidate),
    Follower(Follower),
    Leader(Box<Leader>),
    Resigned(Resigned),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RoleName {
    Unattached,
    Prospective,
    Candidate,
    Follower,
    Leader,
    Resigned,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Unattached {
    /// Known by id alone: nobody said where it is.
    pub leader: Option<NodeId>,
    pub vote: Option<ReplicaKey>,
    /// None: an observer, which never stands for election.
    pub deadline: Option<u64>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Prospective {
    pub leader: Option<(NodeId, Vec<Endpoint>)>,
    pub vote: Option<ReplicaKey>,
    pub tally: Tally,
    pub deadline: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Candidate {
    pub tally: Tally,
    pub deadline: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Follower {
    pub leader: NodeId,
    pub endpoints: Vec<Endpoint>,
    pub vote: Option<ReplicaKey>,
    pub fetch_deadline: u64,
    /// A fetch succeeded since this state was entered: the leader lives, no pre-vote is granted.
    pub has_fetched: bool,
    pub update_deadline: u64,
    /// The leader has taken this voter's data over (kraft.version 0).
    pub is_updated: bool,
    /// The snapshot being downloaded and the bytes held.
    pub download: Option<(SnapshotId, u64)>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Resigned {
    pub voters: VoterSet,
    pub candidates: Vec<ReplicaKey>,
    pub acknowledged: BTreeSet<NodeId>,
    pub deadline: u64,
}

/// Votes of an election among the voters at its begin.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Tally {
    votes: BTreeMap<NodeId, Option<bool>>,
}

impl Tally {
    pub fn new(voters: &VoterSet, own: NodeId) -> Tally {
        Tally { votes: voters.ids().map(|id| (id, (id == own).then_some(true))).collect() }
    }

    /// False where the id had no vote.
    pub fn record(&mut self, id: NodeId, granted: bool) -> bool {
        match self.votes.get_mut(&id) {
            Some(vote) => {
                *vote = Some(granted);
                true
            }
            None => false,
        }
    }

    pub fn unanswered(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.votes.iter().filter(|(_, vote)| vote.is_none()).map(|(id, _)| *id)
    }

    pub fn granting(&self) -> Vec<NodeId> {
        self.votes.iter().filter(|(_, vote)| **vote == Some(true)).map(|(id, _)| *id).collect()
    }

    pub fn is_won(&self) -> bool {
        self.granting().len() > self.votes.len() / 2
    }

    pub fn is_lost(&self) -> bool {
        let rejecting = self.votes.values().filter(|vote| **vote == Some(false)).count();
        self.votes.len() - rejecting <= self.votes.len() / 2
    }
}

impl Role {
    pub fn name(&self) -> RoleName {
        match self {
            Role::Unattached(_) => RoleName::Unattached,
            Role::Prospective(_) => RoleName::Prospective,
            Role::Candidate(_) => RoleName::Candidate,
            Role::Follower(_) => RoleName::Follower,
            Role::Leader(_) => RoleName::Leader,
            Role::Resigned(_) => RoleName::Resigned,
        }
    }

    /// Another node known to lead this epoch.
    pub fn remote_leader(&self) -> Option<NodeId> {
        match self {
            Role::Unattached(role) => role.leader,
            Role::Prospective(role) => role.leader.as_ref().map(|(id, _)| *id),
            Role::Follower(role) => Some(role.leader),
            Role::Candidate(_) | Role::Leader(_) | Role::Resigned(_) => None,
        }
    }

    /// Where that node is reached; empty where nobody said.
    pub fn leader_endpoints(&self) -> &[Endpoint] {
        match self {
            Role::Prospective(role) => role.leader.as_ref().map_or(&[], |(_, endpoints)| endpoints),
            Role::Follower(role) => &role.endpoints,
            _ => &[],
        }
    }
}
