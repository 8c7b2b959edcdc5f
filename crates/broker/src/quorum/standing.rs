//! How this node stands in the quorum, for whoever watches it from outside, as the simulator does.

use raft::{RoleName, VoterSet};
use types::{LeaderEpoch, Offset};

use super::Quorum;

#[derive(Clone, Copy, Debug)]
pub struct Standing<'a> {
    pub is_leader: bool,
    pub epoch: LeaderEpoch,
    /// None: not known in this epoch.
    pub high_watermark: Option<Offset>,
    /// Everything before it survives a loss of power.
    pub flushed: Offset,
    /// As the log says up to its end, committed or not.
    pub voters: &'a VoterSet,
}

impl Quorum {
    pub fn standing(&self) -> Standing<'_> {
        Standing {
            is_leader: self.raft.role() == RoleName::Leader,
            epoch: self.raft.epoch(),
            high_watermark: self.raft.high_watermark(),
            flushed: self.raft.flushed(),
            voters: self.raft.voters(),
        }
    }
}
