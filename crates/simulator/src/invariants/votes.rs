//! A voter gives one vote in an epoch, whatever happens to it meanwhile: it has written it down before.

use std::collections::BTreeMap;

use raft::QuorumState;

use crate::world::MachineIndex;

/// What a candidate has asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    pub epoch: i32,
    pub candidate: i32,
}

#[derive(Default)]
pub struct Votes {
    /// By connection and number of the request.
    asked: BTreeMap<(u64, i32), Asked>,
    /// By voter and epoch.
    given: BTreeMap<(MachineIndex, i32), i32>,
}

impl Votes {
    /// Pre-votes bind nobody and are not told here.
    pub fn asked(&mut self, connection: u64, correlation: i32, asked: Asked) {
        self.asked.insert((connection, correlation), asked);
    }

    /// The voter's answer.
    pub fn answered(
        &mut self,
        connection: u64,
        correlation: i32,
        (voter, written): (MachineIndex, Option<QuorumState>),
        granted: bool,
    ) -> Result<(), String> {
        let Some(asked) = self.asked.remove(&(connection, correlation)).filter(|_| granted) else {
            return Ok(());
        };
        // a disk that cannot be read now tells nothing
        let is_written = written.is_none_or(|state| {
            let is_vote =
                state.leader.is_some() || state.vote.is_some_and(|vote| vote.id.0 == asked.candidate);
            state.epoch.0 > asked.epoch || state.epoch.0 == asked.epoch && is_vote
        });
        if !is_written {
            return Err(format!("node {voter} votes in epoch {} with {written:?} on its disk", asked.epoch));
        }
        match *self.given.entry((voter, asked.epoch)).or_insert(asked.candidate) {
            known if known != asked.candidate => Err(format!(
                "node {voter} votes for {known} and for {} in epoch {}",
                asked.candidate, asked.epoch
            )),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use raft::ReplicaKey;
    use types::{LeaderEpoch, NodeId, Uuid};

    use super::*;

    #[test]
    fn one_vote_an_epoch() {
        let vote = |(epoch, candidate)| QuorumState {
            epoch: LeaderEpoch(epoch),
            leader: None,
            vote: Some(ReplicaKey::new(NodeId(candidate), Uuid::ZERO)),
        };
        for (second, written, granted, holds) in [
            ((5, 1), (5, 1), true, true),
            ((5, 2), (5, 2), true, false),
            ((5, 2), (5, 1), false, true),
            ((6, 2), (6, 2), true, true),
            ((6, 2), (7, 1), true, true),
            ((6, 2), (5, 1), true, false),
            ((6, 2), (6, 1), true, false),
        ] {
            let mut votes = Votes::default();
            votes.asked(1, 1, Asked { epoch: 5, candidate: 1 });
            assert!(votes.answered(1, 1, (0, Some(vote((5, 1)))), true).is_ok());
            votes.asked(2, 1, Asked { epoch: second.0, candidate: second.1 });
            let answer = votes.answered(2, 1, (0, Some(vote(written))), granted);
            assert_eq!(answer.is_ok(), holds, "{second:?} {written:?}");
        }
    }
}
