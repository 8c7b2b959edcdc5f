//! One turn's surroundings, handed down to the groups: time, randomness, where replies and writes go.

use platform::{Random, Time};
use protocol::ErrorCode;

use super::io::{Effects, Response, Token, Topics, Write, WriteId, WriteRecord};
use super::pending::{Change, PendingWrite, Then};
use super::{Context, GroupConfig};
use types::{ProducerEpoch, ProducerId};

/// Writes handed out and not yet answered, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Writes {
    next: u64,
    pub(crate) pending: std::collections::VecDeque<(WriteId, PendingWrite)>,
}

pub(crate) struct Turn<'a> {
    pub now: Time,
    pub config: &'a GroupConfig,
    pub random: &'a mut Random,
    pub topics: &'a dyn Topics,
    pub effects: &'a mut Effects,
    pub writes: &'a mut Writes,
}

impl<'a> Turn<'a> {
    pub fn new(context: &'a mut Context<'_>, effects: &'a mut Effects, writes: &'a mut Writes) -> Turn<'a> {
        Turn {
            now: context.now,
            config: context.config,
            random: context.random,
            topics: context.topics,
            effects,
            writes,
        }
    }

    pub fn reply(&mut self, token: Token, response: Response) {
        self.effects.replies.push((token, response));
    }

    /// Hands out a write. `changes` are applied and `then` is done when it is committed.
    pub fn write(&mut self, records: Vec<(WriteRecord, Change)>, then: Then) {
        self.write_as(None, records, then);
    }

    pub fn write_as(
        &mut self,
        producer: Option<(ProducerId, ProducerEpoch)>,
        records: Vec<(WriteRecord, Change)>,
        then: Then,
    ) {
        let id = WriteId(self.writes.next);
        self.writes.next += 1;
        let (records, changes) = records.into_iter().unzip();
        self.effects.writes.push(Write { id, records, timestamp_ms: self.now.wall_ms, producer });
        let producer = producer.map(|(id, _)| id);
        self.writes.pending.push_back((id, PendingWrite { changes, producer, then }));
    }

    /// Monotonic microseconds `ms` from now; a negative time-out is due at once.
    pub fn after_ms(&self, ms: i32) -> u64 {
        self.now.monotonic_us.saturating_add(u64::try_from(ms).unwrap_or(0) * 1000)
    }

    pub fn is_due(&self, deadline: u64) -> bool {
        deadline <= self.now.monotonic_us
    }
}

/// What clients are told when the append of group metadata failed.
pub(crate) fn metadata_append_error(error: ErrorCode) -> ErrorCode {
    match error {
        ErrorCode::UnknownTopicOrPartition | ErrorCode::NotEnoughReplicas | ErrorCode::RequestTimedOut => {
            ErrorCode::CoordinatorNotAvailable
        }
        ErrorCode::NotLeaderOrFollower | ErrorCode::KafkaStorageError => ErrorCode::NotCoordinator,
        ErrorCode::MessageTooLarge | ErrorCode::RecordListTooLarge | ErrorCode::InvalidFetchSize => {
            ErrorCode::UnknownServerError
        }
        other => other,
    }
}

/// What clients are told when the append of offsets failed.
pub(crate) fn offset_append_error(error: ErrorCode) -> ErrorCode {
    match error {
        ErrorCode::MessageTooLarge | ErrorCode::RecordListTooLarge | ErrorCode::InvalidFetchSize => {
            ErrorCode::InvalidCommitOffsetSize
        }
        other => metadata_append_error(other),
    }
}
