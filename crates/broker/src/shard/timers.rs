//! What a shard does by the clock for its logs. One timer a kind, however many partitions there are.

use std::collections::BTreeMap;

use super::{Shard, Turn};
use crate::message::CheckpointKind;
use crate::partitions::Slot;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Retention,
    ExpireProducers,
    RemoveFiles,
    FlushByTime,
    RecoveryPoints,
    RecoveryPointsSoon,
    LogStarts,
    HighWatermarks,
    InSync,
}

/// How often files whose time has come are looked for.
const REMOVE_FILES_MS: i64 = 10_000;

#[derive(Default)]
pub(crate) struct Timers {
    due: BTreeMap<Kind, u64>,
}

impl Timers {
    pub fn next(&self) -> Option<u64> {
        self.due.values().min().copied()
    }

    /// Some partition is to be flushed at this time or before.
    pub fn flush_by(&mut self, due_us: u64) {
        let due = self.due.entry(Kind::FlushByTime).or_insert(due_us);
        *due = due_us.min(*due);
    }

    /// Recovery points have moved on by much: they are written down at this time, where that is not due already.
    pub fn recovery_points_by(&mut self, due_us: u64) {
        self.due.entry(Kind::RecoveryPointsSoon).or_insert(due_us);
    }

    fn take_due(&mut self, now_us: u64) -> Option<Kind> {
        let kind = self.due.iter().find(|(_, due)| **due <= now_us).map(|(kind, _)| *kind)?;
        self.due.remove(&kind);
        Some(kind)
    }
}

impl Shard {
    /// The shard has its first image: its logs are looked after from now on.
    pub(super) fn start_timers(&mut self, turn: &Turn) {
        for kind in [
            Kind::Retention,
            Kind::ExpireProducers,
            Kind::RemoveFiles,
            Kind::RecoveryPoints,
            Kind::LogStarts,
            Kind::HighWatermarks,
            Kind::InSync,
        ] {
            self.rearm(turn, kind);
        }
    }

    fn rearm(&mut self, turn: &Turn, kind: Kind) {
        let settings = &self.node.settings;
        let after_ms = match kind {
            Kind::Retention => settings.log_retention_check_interval_ms,
            Kind::ExpireProducers => i64::from(settings.producer_id_expiration_check_interval_ms),
            Kind::RemoveFiles => REMOVE_FILES_MS,
            Kind::RecoveryPoints => settings.log_flush_offset_checkpoint_interval_ms,
            Kind::LogStarts => settings.log_flush_start_offset_checkpoint_interval_ms,
            Kind::HighWatermarks => settings.replica_high_watermark_checkpoint_interval_ms,
            Kind::InSync => settings.replica_lag_time_max_ms / 2,
            // armed by appends and by flushes
            Kind::FlushByTime | Kind::RecoveryPointsSoon => return,
        };
        self.timers.due.insert(kind, turn.after_ms(after_ms.max(1)));
    }

    pub(super) fn run_timers(&mut self, turn: &mut Turn) {
        while let Some(kind) = self.timers.take_due(turn.now.monotonic_us) {
            match kind {
                Kind::Retention => self.retain(turn),
                Kind::ExpireProducers => self.expire_producers(turn),
                Kind::RemoveFiles => {
                    self.remove_files(turn);
                    self.add_missing_partitions(turn);
                }
                Kind::FlushByTime => self.flush_by_time(turn),
                Kind::RecoveryPoints => self.checkpoint(turn, CheckpointKind::RecoveryPoint, false),
                Kind::RecoveryPointsSoon => self.checkpoint_at_once(turn, CheckpointKind::RecoveryPoint),
                Kind::LogStarts => self.checkpoint(turn, CheckpointKind::LogStart, false),
                Kind::InSync => self.shrink_in_sync_sets(turn),
                Kind::HighWatermarks => self.checkpoint(turn, CheckpointKind::HighWatermark, false),
            }
            self.rearm(turn, kind);
        }
    }

    fn expire_producers(&mut self, turn: &Turn) {
        let slots: Vec<Slot> = self.partitions.all_slots().collect();
        for slot in slots {
            if let Some(partition) = self.partitions.at_mut(slot) {
                partition.log.0.expire_producers(turn.now.wall_ms);
            }
        }
    }

    fn flush_by_time(&mut self, turn: &mut Turn) {
        let slots: Vec<Slot> = self.partitions.all_slots().collect();
        for slot in slots {
            let Some(partition) = self.partitions.at(slot) else { continue };
            let Some(since) = partition.unflushed_since_us else { continue };
            let wait_us = u64::try_from(partition.config.flush_ms).unwrap_or(0).saturating_mul(1000);
            let due = since.saturating_add(wait_us);
            if due <= turn.now.monotonic_us {
                self.disk.want_flush(partition.directory, slot);
            } else {
                self.timers.flush_by(due);
            }
        }
    }
}
