//! DescribeQuorum: how far each replica is, as the leader knows it.

use types::Offset;

use crate::code::Code;
use crate::leader::Progress;
use crate::machine::{Asker, Raft, Turn};
use crate::message::{Body, QuorumDescription, ReplicaDescription};
use crate::role::Role;
use crate::voters::ReplicaKey;

impl Raft {
    pub(crate) fn on_describe_quorum(&mut self, asker: &Asker, known_topic: bool, turn: &mut Turn<'_>) {
        let nothing = Body::DescribeQuorum(Box::default());
        if !known_topic {
            return self.reply(asker, Code::UNKNOWN_TOPIC_OR_PARTITION, nothing, turn);
        }
        match self.describe(turn) {
            Some(description) => {
                self.reply(asker, Code::NONE, Body::DescribeQuorum(Box::new(description)), turn)
            }
            None => self.reply(asker, Code::NOT_LEADER_OR_FOLLOWER, nothing, turn),
        }
    }

    fn describe(&self, turn: &Turn<'_>) -> Option<QuorumDescription> {
        let Role::Leader(leader) = &self.role else { return None };
        let own = self.settings.key;
        let own_row = |key| ReplicaDescription {
            key,
            log_end_offset: turn.log.end_offset(),
            last_fetch_timestamp: turn.wall_ms,
            last_caught_up_timestamp: turn.wall_ms,
        };
        let voters = self.quorum.voters();
        let row = |voter: ReplicaKey| match leader.voters.get(&voter) {
            _ if voter.covers(own) => own_row(voter),
            Some(progress) => row(voter, progress),
            None => row(voter, &Progress::default()),
        };
        let mut observers: Vec<_> =
            leader.observers.iter().map(|(key, progress)| self::row(*key, progress)).collect();
        if !voters.contains(own) {
            observers.push(own_row(own));
        }
        Some(QuorumDescription {
            high_watermark: self.high_watermark.unwrap_or(Offset(-1)),
            voters: voters.iter().map(|voter| row(voter.key)).collect(),
            observers,
            nodes: voters.iter().map(|voter| (voter.key.id, voter.endpoints.clone())).collect(),
        })
    }
}

fn row(key: ReplicaKey, progress: &Progress) -> ReplicaDescription {
    ReplicaDescription {
        key,
        log_end_offset: progress.end.unwrap_or(Offset(-1)),
        last_fetch_timestamp: progress.last_fetch_wall_ms,
        last_caught_up_timestamp: progress.last_caught_up_wall_ms,
    }
}
