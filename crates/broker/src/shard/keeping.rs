//! Keeping house: retention, files whose time has come, checkpoints, and the end of it all.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use types::Offset;

use super::{Shard, Turn};
use crate::event::{DirectoryIndex, DiskFailure, Effect, Level, ShardId};
use crate::message::{CheckpointKind, CheckpointPart, Message};
use crate::partitions::Slot;

/// Shard 0's collection of what all shards say for the checkpoint files.
#[derive(Default)]
pub(crate) struct Checkpoints {
    parts: BTreeMap<(CheckpointKind, ShardId), CheckpointPart>,
    /// Shards that append nothing to some log until the recovery points are written.
    awaiting: BTreeSet<ShardId>,
}

/// Topic, partition, offset.
type Line = (Arc<str>, i32, i64);

const KINDS: [CheckpointKind; 3] =
    [CheckpointKind::RecoveryPoint, CheckpointKind::LogStart, CheckpointKind::HighWatermark];

impl Shard {
    fn slots(&self) -> Vec<Slot> {
        self.partitions.all_slots().collect()
    }

    pub(super) fn retain(&mut self, turn: &mut Turn) {
        let now_ms = turn.now.wall_ms;
        for slot in self.slots() {
            let Some(partition) = self.partitions.at_mut(slot).filter(|partition| !partition.offline) else {
                continue;
            };
            let high_watermark = partition.replica.high_watermark();
            match partition.log.0.retention(now_ms, high_watermark) {
                Ok(retained) if retained.deleted_segments > 0 => {
                    let text =
                        format!("{}: {} old segments deleted", partition.name(), retained.deleted_segments);
                    turn.log(Level::Info, text);
                    self.partitions.mark_changed(slot);
                }
                Ok(_) => {}
                Err(error) => self.on_log_error(turn, slot, &error),
            }
        }
    }

    /// Removes deleted segments and deleted partitions after their delay, and closes files that nobody uses.
    pub(super) fn remove_files(&mut self, turn: &mut Turn) {
        let now_ms = turn.now.wall_ms;
        for slot in self.slots() {
            let Some(partition) = self.partitions.at_mut(slot).filter(|partition| !partition.offline) else {
                continue;
            };
            let log = &mut partition.log.0;
            let removed = match log.next_removal_ms() {
                Some(due) if due <= now_ms => log.remove_deleted(now_ms),
                _ => Ok(()),
            };
            if let Err(error) = removed.and_then(|()| log.close_idle_files()) {
                self.on_log_error(turn, slot, &error);
            }
        }
        let (due, later) =
            std::mem::take(&mut self.doomed).into_iter().partition(|(when, _, _)| *when <= now_ms);
        self.doomed = later;
        let due: Vec<_> = due;
        for (_, directory, path) in due {
            let removed =
                self.directories.get(directory).map(|started| started.directory.remove_directory(&path));
            if let Some(Err(error)) = removed {
                self.on_directory_failed(
                    turn,
                    &DiskFailure { directory, reason: error.to_string(), no_room: false },
                );
            }
        }
    }

    pub(crate) fn on_log_error(&mut self, turn: &mut Turn, slot: Slot, error: &storage::Error) {
        if error.is_directory_failed() {
            self.fail_directory_of(turn, slot, error.to_string());
        } else {
            turn.log(Level::Error, error.to_string());
        }
    }

    /// Tells shard 0 this shard's lines; shard 0 writes the files when it has those of all.
    pub(super) fn checkpoint(&mut self, turn: &mut Turn, kind: CheckpointKind, last: bool) {
        self.tell_checkpoint(turn, kind, last, false, false);
    }

    /// As `checkpoint`, without waiting for the round of shard 0.
    pub(super) fn checkpoint_at_once(&mut self, turn: &mut Turn, kind: CheckpointKind) {
        self.tell_checkpoint(turn, kind, false, true, false);
    }

    /// Topics were deleted: what the files say of them goes too, or it would be believed of the next of the same name.
    pub(super) fn forget_in_checkpoints(&mut self, turn: &mut Turn) {
        for kind in KINDS {
            self.checkpoint_at_once(turn, kind);
        }
    }

    /// A log was cut below its recovery point: the file has to say so before anything is appended to it.
    pub(super) fn rewrite_recovery_points(&mut self, turn: &mut Turn) {
        self.tell_checkpoint(turn, CheckpointKind::RecoveryPoint, false, true, true);
    }

    fn tell_checkpoint(
        &mut self,
        turn: &mut Turn,
        kind: CheckpointKind,
        last: bool,
        at_once: bool,
        awaited: bool,
    ) {
        // the clock goes on while a stop waits for the disk, and must not take back the last word
        if self.stopping && !last {
            return;
        }
        let entry = |partition: &crate::partition::Partition| {
            let log = &partition.log.0;
            let offset = match kind {
                CheckpointKind::RecoveryPoint => log.recovery_point(),
                CheckpointKind::HighWatermark => partition.replica.high_watermark(),
                CheckpointKind::LogStart if log.start_offset() > log.first_segment_base() => {
                    log.start_offset()
                }
                CheckpointKind::LogStart => return None,
            };
            let topic = log.partition().topic.clone();
            (!partition.offline).then_some((partition.directory, topic, partition.id.partition, offset.0))
        };
        let entries = self.partitions.iter().filter_map(entry).collect();
        let image_offset = self.cluster.offset();
        let part = CheckpointPart { kind, entries, last, at_once, awaited, image_offset };
        if self.id == ShardId(0) {
            self.on_checkpoint_part(turn, ShardId(0), part);
        } else {
            turn.send(ShardId(0), Message::Checkpoint(part));
        }
    }

    pub(super) fn on_checkpoint_part(&mut self, turn: &mut Turn, from: ShardId, part: CheckpointPart) {
        let (kind, last, at_once) = (part.kind, part.last, part.at_once);
        if part.awaited {
            self.checkpoints.awaiting.insert(from);
        }
        self.checkpoints.parts.insert((kind, from), part);
        let awaited = kind == CheckpointKind::RecoveryPoint && !self.checkpoints.awaiting.is_empty();
        if awaited {
            self.ask_for_checkpoint_parts(turn, kind);
        }
        if (from == self.id || at_once || awaited) && !last {
            self.write_checkpoint(turn, kind);
        }
        self.tell_if_settled(turn);
        self.finish_stopping(turn);
    }

    /// Those of shards that have not said yet what they have.
    fn ask_for_checkpoint_parts(&mut self, turn: &mut Turn, kind: CheckpointKind) {
        for shard in (0..self.node.shards.max(1)).map(ShardId).filter(|shard| *shard != self.id) {
            if !self.checkpoints.parts.contains_key(&(kind, shard)) {
                turn.send(shard, Message::TellCheckpoint(kind));
            }
        }
        if !self.checkpoints.parts.contains_key(&(kind, self.id)) {
            self.checkpoint(turn, kind, false);
        }
    }

    /// The file could not be written: those who wait for it are told after its next round.
    pub(super) fn await_checkpoint(&mut self, shards: Vec<ShardId>) {
        self.checkpoints.awaiting.extend(shards);
    }

    pub(super) fn tell_written(&mut self, turn: &mut Turn, shard: ShardId, directory: DirectoryIndex) {
        if shard == self.id {
            self.on_recovery_points_written(directory);
        } else {
            turn.send(shard, Message::RecoveryPointsWritten { directory });
        }
    }

    /// Shard 0: every shard has said what it has without what this image has deleted, and no file is being written.
    pub(super) fn is_forgotten(&self, image_offset: i64) -> bool {
        let shards = (0..self.node.shards.max(1)).map(ShardId);
        let mut parts = shards.flat_map(|shard| KINDS.map(|kind| (kind, shard)));
        let said =
            |key| self.checkpoints.parts.get(&key).is_some_and(|part| part.image_offset >= image_offset);
        parts.all(said) && !self.disk.writes_files()
    }

    fn lines(&self, kind: CheckpointKind) -> Option<BTreeMap<DirectoryIndex, Vec<Line>>> {
        let mut lines: BTreeMap<_, Vec<_>> =
            self.directories.indexes().map(|index| (index, Vec::new())).collect();
        for shard in (0..self.node.shards.max(1)).map(ShardId) {
            let part = self.checkpoints.parts.get(&(kind, shard))?;
            for (directory, topic, partition, offset) in &part.entries {
                lines.entry(*directory).or_default().push((topic.clone(), *partition, *offset));
            }
        }
        lines.retain(|directory, _| !self.disk.failed.contains(directory));
        Some(lines)
    }

    /// By a disk worker: the file is synced. Not before every shard has said what it has.
    fn write_checkpoint(&mut self, turn: &mut Turn, kind: CheckpointKind) {
        let Some(of_directories) = self.lines(kind) else { return };
        let told: Vec<ShardId> = match kind {
            CheckpointKind::RecoveryPoint => {
                std::mem::take(&mut self.checkpoints.awaiting).into_iter().collect()
            }
            CheckpointKind::LogStart | CheckpointKind::HighWatermark => Vec::new(),
        };
        for (directory, lines) in of_directories {
            let Some(started) = self.directories.get(directory) else { continue };
            let path = started.directory.path().join(file_name(kind));
            let content = checkpoint_text(&lines);
            // what is the same may still be on its way to the disk
            if told.is_empty() && self.checkpoints_written.get(&(kind, directory)) == Some(&content) {
                continue;
            }
            self.checkpoints_written.insert((kind, directory), content.clone());
            self.write_file(turn, directory, path, content, told.clone());
        }
    }

    /// What the files of this directory hold is not known any more: the next round writes them.
    pub(super) fn write_checkpoints_again(&mut self, directory: DirectoryIndex) {
        self.checkpoints_written.retain(|(_, of), _| *of != directory);
    }

    pub(super) fn on_shutdown(&mut self, turn: &mut Turn) {
        if std::mem::replace(&mut self.stopping, true) {
            return;
        }
        self.stop_following(turn);
        let mut not_closed = self.close_logs(turn);
        not_closed.extend(self.sync_names_at_the_end(turn));
        not_closed.into_iter().for_each(|directory| self.stop_uncleanly(turn, directory));
        KINDS.into_iter().for_each(|kind| self.checkpoint(turn, kind, true));
        // whoever asks now, through another shard too, is told to go elsewhere
        for slot in self.slots() {
            if let Some(partition) = self.partitions.at_mut(slot) {
                partition.offline = true;
            }
        }
        self.close_connections(turn);
        if self.id != ShardId(0) {
            turn.effects.push(Effect::Stopped);
        }
    }

    /// Where many logs of a directory have something to sync, the rest of them is synced with the directory as a
    /// whole. Gives the directories with a log that is not closed.
    fn close_logs(&mut self, turn: &mut Turn) -> Vec<DirectoryIndex> {
        let synced_alone = self.node.limits.logs_synced_alone;
        let mut not_closed = Vec::new();
        let mut synced: BTreeMap<DirectoryIndex, usize> = BTreeMap::new();
        for slot in self.slots() {
            let Some(partition) = self.partitions.at_mut(slot).filter(|partition| !partition.offline) else {
                continue;
            };
            let directory = partition.directory;
            let Some(started) = self.directories.get(directory) else { continue };
            let closed = partition.log.0.close_with(turn.now.wall_ms, |plan| {
                let count = synced.entry(directory).or_default();
                *count += usize::from(!plan.is_empty());
                if *count > synced_alone { Ok(()) } else { started.directory.sync(plan) }
            });
            if let Err(error) = closed {
                not_closed.push(directory);
                self.on_log_error(turn, slot, &error);
            }
        }
        synced.retain(|directory, count| *count > synced_alone && !self.disk.failed.contains(directory));
        for started in synced.into_keys() {
            let result = self.directories.get(started).map(|started| started.directory.sync_everything());
            if let Some(Err(error)) = result {
                not_closed.push(started);
                turn.log(Level::Error, error.to_string());
            }
        }
        not_closed
    }

    /// A log of the directory is not closed (the disk may be full): its next start must not believe that it is.
    fn stop_uncleanly(&mut self, turn: &mut Turn, directory: DirectoryIndex) {
        self.lose_directory(directory);
        if self.id != ShardId(0) {
            turn.send(ShardId(0), Message::DirectoryFailed { directory });
        }
    }

    /// Shard 0 is the last one: it writes the checkpoints of all, then that the stop was clean.
    pub(super) fn finish_stopping(&mut self, turn: &mut Turn) {
        let all_closed = || {
            let shards = (0..self.node.shards.max(1)).map(ShardId);
            shards
                .flat_map(|shard| KINDS.map(|kind| (kind, shard)))
                .all(|key| self.checkpoints.parts.get(&key).is_some_and(|part| part.last))
        };
        if !self.stopping || self.stopped || self.id != ShardId(0) || self.disk.is_busy() || !all_closed() {
            return;
        }
        self.stopped = true;
        if let Err(error) = self.write_last_files() {
            turn.log(Level::Error, format!("the stop is not clean: {error}"));
        }
        turn.effects.push(Effect::Stopped);
    }

    fn write_last_files(&self) -> storage::Result<()> {
        for kind in KINDS {
            for (directory, lines) in self.lines(kind).unwrap_or_default() {
                let Some(started) = self.directories.get(directory) else { continue };
                let entry = |(topic, partition, offset): Line| storage::PartitionOffset {
                    partition: types::TopicPartition { topic, partition },
                    offset: Offset(offset),
                };
                let entries: Vec<_> = lines.into_iter().map(entry).collect();
                match kind {
                    CheckpointKind::RecoveryPoint => started.directory.write_recovery_points(&entries)?,
                    CheckpointKind::LogStart => started.directory.write_start_offsets(&entries)?,
                    CheckpointKind::HighWatermark => started.directory.write_high_watermarks(&entries)?,
                }
            }
        }
        let good = self.directories.indexes().filter(|index| !self.disk.failed.contains(index));
        for started in good.filter_map(|index| self.directories.get(index)) {
            started.directory.write_clean_shutdown(self.broker_epoch())?;
        }
        Ok(())
    }

    pub(super) fn broker_epoch(&self) -> i64 {
        self.cluster.image.cluster.broker(self.node.node_id.0).map_or(-1, |broker| broker.epoch)
    }
}

fn file_name(kind: CheckpointKind) -> &'static str {
    match kind {
        CheckpointKind::RecoveryPoint => storage::RECOVERY_POINT,
        CheckpointKind::LogStart => storage::LOG_START_OFFSET,
        CheckpointKind::HighWatermark => storage::HIGH_WATERMARK,
    }
}

/// Version 0, the number of lines, then `topic partition offset` each.
fn checkpoint_text(lines: &[Line]) -> Bytes {
    let mut text = format!("0\n{}\n", lines.len());
    for (topic, partition, offset) in lines {
        text.push_str(&format!("{topic} {partition} {offset}\n"));
    }
    Bytes::from(text)
}
