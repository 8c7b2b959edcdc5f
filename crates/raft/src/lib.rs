//! KRaft, Kafka's consensus for one log (KIP-595, 853, 996), as a pure state machine: `Raft::step` takes the
//! time and one input and writes outputs. It has no clock, no thread and no socket; the log is behind `RaftLog`.
//! The driver is `broker::quorum`.

mod code;
mod connections;
mod control;
mod describe;
mod election;
mod epochs;
mod follow;
mod high_watermark;
mod history;
mod join;
mod leader;
mod log;
mod machine;
mod membership;
mod message;
#[cfg(test)]
mod model;
mod quorum_state;
mod role;
mod serve_fetch;
mod transitions;
mod voters;

pub use code::Code;
pub use control::ControlRecord;
pub use history::Quorum;
pub use log::{EpochEnd, RaftLog, SnapshotId};
pub use machine::{Fatal, Input, Output, Raft, Settings, Token};
pub use message::*;
pub use quorum_state::{InvalidQuorumState, QuorumState};
pub use role::RoleName;
pub use voters::{Endpoint, ReplicaKey, VersionRange, Voter, VoterSet};
