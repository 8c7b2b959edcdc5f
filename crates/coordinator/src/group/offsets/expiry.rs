//! Expiry: offsets that nobody has committed or could read for the retention time, and groups that hold nothing.
//! A sweep goes over the groups in order, a bounded number of offsets a turn.

use protocol::Str;

use super::CommittedOffset;
use super::delete::tombstone;
use crate::group::classic::State;
use crate::group::entry::Group;
use crate::group::io::WriteRecord;
use crate::group::pending::Change;
use crate::group::turn::Turn;

/// Where the sweep stands. `next_at` is the beginning of the next one, or now while one goes on.
#[derive(Debug, Default)]
pub(crate) struct Sweep {
    /// Monotonic microseconds; none while there is no group.
    pub next_at: Option<u64>,
    pub after: Option<Str>,
}

/// The time from which an offset's retention counts.
#[derive(Clone, Copy)]
enum Since {
    Commit,
    Empty(i64),
}

impl Group {
    /// Tombstones of what has expired, and of the group itself when nothing is left of it.
    pub fn expire(&self, id: &Str, turn: &Turn) -> Vec<(WriteRecord, Change)> {
        let mut records = Vec::new();
        let Some(since) = self.expires_since() else { return records };
        let mut everything = true;
        for (topic, partition, committed) in self.offsets.iter() {
            let expired = !self.is_subscribed_to(topic)
                && !self.has_pending_offset(topic, partition)
                && is_expired(committed, since, turn);
            everything &= expired;
            if expired {
                records.push(tombstone(id, topic, partition));
            }
        }
        if everything && self.pending.is_empty() && self.is_idle() {
            self.tombstones(id, &mut records);
        }
        records
    }

    /// None where offsets do not expire now: a group with members whose subscriptions are not known, or one that
    /// rebalances.
    fn expires_since(&self) -> Option<Since> {
        let Some(classic) = &self.classic else {
            return self.foreign.is_none().then_some(Since::Commit);
        };
        if classic.protocol_type.is_none() {
            Some(Since::Commit)
        } else if classic.state == State::Empty {
            Some(classic.state_timestamp_ms.map_or(Since::Commit, Since::Empty))
        } else if classic.state == State::Stable && classic.subscribed_topics.is_some() {
            Some(Since::Commit)
        } else {
            None
        }
    }
}

fn is_expired(committed: &CommittedOffset, since: Since, turn: &Turn) -> bool {
    let now = turn.now.wall_ms;
    if let Some(expire_timestamp_ms) = committed.expire_timestamp_ms {
        return now >= expire_timestamp_ms;
    }
    let from = match since {
        Since::Commit => committed.commit_timestamp_ms,
        Since::Empty(from) => from,
    };
    now.saturating_sub(from) >= turn.config.offsets_retention_ms
}
