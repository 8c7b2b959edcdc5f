//! The `quorum-state` file: epoch, leader and vote, one line of JSON. Version 0 belongs to kraft.version 0 (no
//! directory of the vote, but the voters' ids), version 1 to kraft.version 1. It is durable before what follows.

use serde_json::{Value, json};
use types::{LeaderEpoch, NodeId, Uuid};

use crate::voters::ReplicaKey;

/// What a voter must not forget. Leader and vote can both be there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QuorumState {
    pub epoch: LeaderEpoch,
    pub leader: Option<NodeId>,
    pub vote: Option<ReplicaKey>,
}

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("quorum-state is not readable: {0}")]
pub struct InvalidQuorumState(String);

impl QuorumState {
    pub fn new(epoch: LeaderEpoch) -> QuorumState {
        QuorumState { epoch, leader: None, vote: None }
    }

    /// The file's bytes. `voters` are written in version 0 only.
    pub fn encode(&self, kraft_version: i16, voters: impl Iterator<Item = NodeId>) -> Vec<u8> {
        let leader = self.leader.unwrap_or(NodeId::NONE).0;
        let voted = self.vote.map_or(NodeId::NONE, |key| key.id).0;
        let value = if kraft_version == 0 {
            let voters: Vec<Value> = voters.map(|id| json!({ "voterId": id.0 })).collect();
            json!({ "clusterId": "", "leaderId": leader, "leaderEpoch": self.epoch.0, "votedId": voted,
                "appliedOffset": 0, "currentVoters": voters, "data_version": 0 })
        } else {
            let directory = self.vote.map_or(Uuid::ZERO, |key| key.directory_id).to_string();
            json!({ "leaderId": leader, "leaderEpoch": self.epoch.0, "votedId": voted,
                "votedDirectoryId": directory, "data_version": 1 })
        };
        value.to_string().into_bytes()
    }

    pub fn decode(bytes: &[u8]) -> Result<QuorumState, InvalidQuorumState> {
        let value: Value =
            serde_json::from_slice(bytes).map_err(|error| InvalidQuorumState(error.to_string()))?;
        let version = number(&value, "data_version")?;
        if !(0..=1).contains(&version) {
            return Err(InvalidQuorumState(format!("data_version {version} is not known")));
        }
        let leader = number(&value, "leaderId")?;
        let voted = number(&value, "votedId")?;
        let directory_id = match value.get("votedDirectoryId").and_then(Value::as_str) {
            Some(text) if version == 1 => text
                .parse()
                .map_err(|_| InvalidQuorumState(format!("votedDirectoryId {text} is not an id")))?,
            _ => Uuid::ZERO,
        };
        Ok(QuorumState {
            epoch: LeaderEpoch(number(&value, "leaderEpoch")?),
            leader: (leader >= 0).then_some(NodeId(leader)),
            vote: (voted >= 0).then_some(ReplicaKey::new(NodeId(voted), directory_id)),
        })
    }
}

fn number(value: &Value, field: &str) -> Result<i32, InvalidQuorumState> {
    let number = value.get(field).and_then(Value::as_i64).and_then(|n| i32::try_from(n).ok());
    number.ok_or_else(|| InvalidQuorumState(format!("{field} is missing or no number")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_is_kafkas() {
        let state = QuorumState::new(LeaderEpoch(0));
        let v0 = r#"{"clusterId":"","leaderId":-1,"leaderEpoch":0,"votedId":-1,"appliedOffset":0,"currentVoters":[{"voterId":1}],"data_version":0}"#;
        let v1 = r#"{"leaderId":-1,"leaderEpoch":0,"votedId":-1,"votedDirectoryId":"AAAAAAAAAAAAAAAAAAAAAA","data_version":1}"#;
        for (version, text) in [(0, v0), (1, v1)] {
            let bytes = state.encode(version, [NodeId(1)].into_iter());
            assert_eq!(String::from_utf8(bytes).unwrap(), text);
            assert_eq!(QuorumState::decode(text.as_bytes()), Ok(state));
        }
    }

    #[test]
    fn a_vote_keeps_its_directory_in_version_1() {
        let key = ReplicaKey::new(NodeId(3), Uuid::METADATA_TOPIC);
        let state = QuorumState { epoch: LeaderEpoch(7), leader: Some(NodeId(2)), vote: Some(key) };
        assert_eq!(QuorumState::decode(&state.encode(1, [].into_iter())), Ok(state));
        let idless = QuorumState { vote: Some(ReplicaKey::new(NodeId(3), Uuid::ZERO)), ..state };
        assert_eq!(QuorumState::decode(&state.encode(0, [].into_iter())), Ok(idless));
    }

    #[test]
    fn other_text_is_refused() {
        for text in [
            "",
            "{}",
            r#"{"leaderId":1,"leaderEpoch":1,"votedId":1,"data_version":2}"#,
            "[1]",
            r#"{"leaderId":99999999999}"#,
        ] {
            assert!(QuorumState::decode(text.as_bytes()).is_err(), "{text}");
        }
    }
}
