//! Snapshots of the committed state, by bytes or time since the last, and the cleaning of older ones.
//! Looked at when records come: an idle log needs none.

use metadata::configs::StaticConfig;
use raft::{ControlRecord, SnapshotId};
use types::Offset;

use super::snapshot::{self, Content};
use super::{Quorum, Turn};
use crate::event::{Effect, Level};

#[derive(Debug)]
pub(super) struct Progress {
    bytes_max: u64,
    interval_ms: i64,
    retention_bytes: u64,
    retention_ms: i64,
    bytes: u64,
    last_ms: i64,
    last_timestamp: i64,
}

impl Progress {
    pub fn new(config: &StaticConfig, now_ms: i64) -> Progress {
        let size = |name: &str| u64::try_from(config.i64(name)).unwrap_or(u64::MAX);
        Progress {
            bytes_max: size("metadata.log.max.record.bytes.between.snapshots"),
            interval_ms: config.i64("metadata.log.max.snapshot.interval.ms"),
            retention_bytes: size("metadata.max.retention.bytes"),
            retention_ms: config.i64("metadata.max.retention.ms"),
            bytes: 0,
            last_ms: now_ms,
            last_timestamp: 0,
        }
    }

    /// A batch was applied.
    pub fn note(&mut self, bytes: u64, timestamp: i64) {
        self.bytes = self.bytes.saturating_add(bytes);
        self.last_timestamp = timestamp;
    }

    fn is_due(&self, now_ms: i64) -> bool {
        let by_time = self.interval_ms > 0 && now_ms.saturating_sub(self.last_ms) >= self.interval_ms;
        self.bytes > 0 && (self.bytes >= self.bytes_max || by_time)
    }
}

impl Quorum {
    pub(super) fn consider_snapshot(&mut self, turn: &mut Turn<'_>) {
        if self.is_failed || self.loader.in_transaction() || !self.snapshots.is_due(turn.now.wall_ms) {
            return;
        }
        self.snapshots.bytes = 0;
        self.snapshots.last_ms = turn.now.wall_ms;
        let done = self.take_snapshot(turn.now.wall_ms).and_then(|()| self.clean(turn.now.wall_ms));
        if let Err(reason) = done {
            // the log has everything all the same; the next one may succeed
            turn.effects
                .push(Effect::Log { level: Level::Error, text: format!("metadata snapshot: {reason}") });
        }
    }

    fn take_snapshot(&mut self, now_ms: i64) -> Result<(), String> {
        let end = self.applied;
        let id = SnapshotId { end_offset: end, epoch: self.log.epoch_before(end) };
        if self.log.snapshots().contains(&id) {
            return Ok(());
        }
        let last = Offset(end.0 - 1);
        let quorum = self.raft.quorum();
        let version = quorum.kraft_version_at(last);
        let controls = match version {
            0 => Vec::new(),
            _ => vec![
                ControlRecord::KraftVersion(version),
                ControlRecord::Voters(quorum.voters_at(last).clone()),
            ],
        };
        let image = self.loader.head();
        let content = Content {
            last_contained_log_timestamp: self.snapshots.last_timestamp,
            controls,
            records: image.snapshot_records(),
        };
        let bytes = snapshot::encode(&content, image.metadata_version(), id.epoch, now_ms)
            .map_err(|error| error.to_string())?;
        self.log.add_snapshot(id, &bytes).map_err(|error| error.to_string())
    }

    /// Oldest first, while the log is too large or the oldest too old; one is always kept.
    fn clean(&mut self, now_ms: i64) -> Result<(), String> {
        while let [oldest, _, ..] = self.log.snapshots() {
            let oldest = *oldest;
            let is_large = self.log.size() > self.snapshots.retention_bytes;
            let timestamp = self.log.snapshot_timestamp(oldest).map_err(|error| error.to_string())?;
            let is_old = now_ms.saturating_sub(timestamp) > self.snapshots.retention_ms;
            if !is_large && !is_old {
                break;
            }
            self.log.drop_oldest_snapshot().map_err(|error| error.to_string())?;
        }
        self.log.remove_deleted().map_err(|error| error.to_string())
    }

    /// For tests of what a snapshot holds.
    #[cfg(test)]
    pub(super) fn snapshot_now(&mut self, now_ms: i64) -> Result<(), String> {
        self.take_snapshot(now_ms)
    }
}
