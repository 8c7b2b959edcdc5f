//! Syncs and small files: planned here, done by a disk worker. One flush of a log directory is under way at a
//! time; whoever needs one meanwhile shares the next.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use bytes::Bytes;
use storage::FlushedTo;
use types::TopicIdPartition;

use super::{Shard, Turn};
use crate::event::{DirectoryIndex, DiskFailure, DiskToken, Effect, Level, ShardId};
use crate::message::Message;
use crate::partitions::Slot;

/// How soon recovery points are written down when they have moved on by much.
const RECOVERY_POINTS_SOON_MS: i64 = 1000;

enum Job {
    /// `much`: recovery is spared reading it, once the recovery points are written down.
    Flush { directory: DirectoryIndex, parts: Vec<(TopicIdPartition, FlushedTo)>, much: bool },
    /// Of a replica that moves to another log directory.
    Future { id: TopicIdPartition, to: FlushedTo },
    File {
        /// Wait for it.
        told: Vec<ShardId>,
        directory: DirectoryIndex,
    },
    /// Of the log directory itself.
    Names,
}

/// What is planned and what is under way.
#[derive(Default)]
pub(crate) struct Disk {
    next_token: u64,
    jobs: BTreeMap<DiskToken, Job>,
    wanted: BTreeMap<DirectoryIndex, BTreeSet<Slot>>,
    flushing: BTreeSet<DirectoryIndex>,
    pub failed: BTreeSet<DirectoryIndex>,
}

impl Disk {
    fn begin(&mut self, job: Job) -> DiskToken {
        self.next_token += 1;
        let token = DiskToken(self.next_token);
        self.jobs.insert(token, job);
        token
    }

    /// Something is under way.
    pub fn is_busy(&self) -> bool {
        !self.jobs.is_empty()
    }

    pub fn writes_files(&self) -> bool {
        self.jobs.values().any(|job| matches!(job, Job::File { .. }))
    }

    pub fn want_flush(&mut self, directory: DirectoryIndex, slot: Slot) {
        self.wanted.entry(directory).or_default().insert(slot);
    }
}

impl Shard {
    /// Something was appended: a flush may be due, now or later. One is due too when much is not on the disk yet:
    /// a start after a crash reads all that no flush has reached.
    pub(crate) fn note_unflushed(&mut self, turn: &mut Turn, slot: Slot, bytes: u64, rolled: bool) {
        let Some(partition) = self.partitions.at_mut(slot) else { return };
        partition.unflushed_bytes += bytes;
        let much = partition.unflushed_bytes >= self.node.limits.background_flush_bytes;
        if much || rolled || partition.log.0.flush_due(turn.now.wall_ms) {
            self.disk.want_flush(partition.directory, slot);
        } else if partition.config.flush_ms != i64::MAX && partition.unflushed_since_us.is_none() {
            partition.unflushed_since_us = Some(turn.now.monotonic_us);
            self.timers.flush_by(turn.after_ms(partition.config.flush_ms));
        }
    }

    pub(super) fn start_flushes(&mut self, turn: &mut Turn) {
        let idle = |directory: &&DirectoryIndex| !self.disk.flushing.contains(directory);
        let directories: Vec<_> = self.disk.wanted.keys().filter(idle).copied().collect();
        for directory in directories {
            let slots = self.disk.wanted.remove(&directory).unwrap_or_default();
            self.start_flush(turn, directory, slots);
        }
    }

    fn start_flush(&mut self, turn: &mut Turn, directory: DirectoryIndex, slots: BTreeSet<Slot>) {
        let (mut files, mut directories, mut parts) = (Vec::new(), BTreeSet::new(), Vec::new());
        let mut much_in_all = false;
        for slot in slots {
            let Some(partition) = self.partitions.at_mut(slot).filter(|partition| !partition.offline) else {
                continue;
            };
            partition.unflushed_since_us = None;
            let much = partition.unflushed_bytes >= self.node.limits.background_flush_bytes;
            partition.unflushed_bytes = 0;
            much_in_all |= much;
            let log = &mut partition.log.0;
            let now_ms = turn.now.wall_ms;
            let plan = if much { log.checkpoint_plan(now_ms) } else { log.flush_plan(now_ms) };
            match plan {
                Ok(plan) => {
                    files.extend(plan.files);
                    directories.extend(plan.directories);
                    parts.push((partition.id, plan.to));
                }
                Err(error) => {
                    let reason = error.to_string();
                    return self
                        .on_directory_failed(turn, &DiskFailure { directory, reason, no_room: false });
                }
            }
        }
        if parts.is_empty() {
            return;
        }
        self.metrics.flushes += 1;
        self.disk.flushing.insert(directory);
        let token = self.disk.begin(Job::Flush { directory, parts, much: much_in_all });
        turn.effects.push(Effect::Flush {
            token,
            directory,
            files,
            directories: directories.into_iter().collect(),
        });
    }

    pub(crate) fn write_file(
        &mut self,
        turn: &mut Turn,
        directory: DirectoryIndex,
        path: PathBuf,
        content: Bytes,
        told: Vec<ShardId>,
    ) {
        let token = self.disk.begin(Job::File { told, directory });
        turn.effects.push(Effect::WriteFile { token, directory, path, content });
    }

    /// Makes renames in a log directory last.
    pub(super) fn sync_names(&mut self, turn: &mut Turn, directory: DirectoryIndex) -> Option<DiskToken> {
        let path = self.directories.get(directory)?.directory.path().to_owned();
        let token = self.disk.begin(Job::Names);
        turn.effects.push(Effect::Flush { token, directory, files: Vec::new(), directories: vec![path] });
        Some(token)
    }

    pub(super) fn flush_future(
        &mut self,
        turn: &mut Turn,
        directory: DirectoryIndex,
        id: TopicIdPartition,
        plan: storage::FlushPlan,
    ) {
        let storage::FlushPlan { files, directories, to, .. } = plan;
        let token = self.disk.begin(Job::Future { id, to });
        turn.effects.push(Effect::Flush { token, directory, files, directories });
    }

    pub(super) fn lose_directory_because(
        &mut self,
        turn: &mut Turn,
        directory: DirectoryIndex,
        reason: String,
    ) {
        self.on_directory_failed(turn, &DiskFailure { directory, reason, no_room: false });
    }

    pub(super) fn on_disk_done(
        &mut self,
        turn: &mut Turn,
        token: DiskToken,
        result: Result<(), DiskFailure>,
    ) {
        match (self.disk.jobs.remove(&token), result) {
            (Some(Job::File { told, .. }), Err(failure)) if failure.no_room => {
                self.await_checkpoint(told);
                self.tell_full(turn, format!("checkpoints wait for room: {}", self.node.told(&failure)));
                self.write_checkpoints_again(failure.directory);
            }
            (_, Err(failure)) => self.on_directory_failed(turn, &failure),
            (Some(Job::Flush { directory, parts, much }), Ok(())) => {
                self.on_flushed(turn, directory, parts);
                if much {
                    self.timers.recovery_points_by(turn.after_ms(RECOVERY_POINTS_SOON_MS));
                }
            }
            (Some(Job::File { told, directory }), Ok(())) => {
                told.into_iter().for_each(|shard| self.tell_written(turn, shard, directory));
            }
            (Some(Job::Future { id, to }), Ok(())) => self.on_future_flushed(turn, &id, to),
            (Some(Job::Names) | None, Ok(())) => {}
        }
        self.untold.jobs.remove(&token);
        self.tell_if_settled(turn);
        // a stop waits for every job, whatever kind comes last
        self.finish_stopping(turn);
    }

    fn on_flushed(
        &mut self,
        turn: &Turn,
        directory: DirectoryIndex,
        parts: Vec<(TopicIdPartition, FlushedTo)>,
    ) {
        self.disk.flushing.remove(&directory);
        for (id, to) in parts {
            let Some(slot) = self.partitions.slot(&id) else { continue };
            if let Some(partition) = self.partitions.at_mut(slot) {
                partition.log.0.flushed(to);
                partition.advance_high_watermark(turn.now);
                self.partitions.mark_changed(slot);
                self.follow_on(slot);
            }
        }
    }

    pub(crate) fn fail_directory_of(&mut self, turn: &mut Turn, slot: Slot, reason: String) {
        if let Some(directory) = self.partitions.at(slot).map(|partition| partition.directory) {
            self.on_directory_failed(turn, &DiskFailure { directory, reason, no_room: false });
        }
    }

    /// Nothing in the directory is read or written any more. Told to everybody once.
    pub(super) fn on_directory_failed(&mut self, turn: &mut Turn, failure: &DiskFailure) {
        if !self.lose_directory(failure.directory) {
            return;
        }
        turn.log(Level::Error, self.node.told(failure));
        turn.send_quorum(Message::DirectoryFailed { directory: failure.directory });
        for other in (0..self.node.shards).map(ShardId).filter(|other| *other != self.id) {
            turn.send(other, Message::DirectoryFailed { directory: failure.directory });
        }
        let all = self.node.log_directories.len();
        if self.disk.failed.len() >= all {
            let reason = format!("all {all} log directories have failed");
            turn.effects.push(Effect::Fatal { reason });
        }
    }

    /// False where it was lost already.
    pub(super) fn lose_directory(&mut self, directory: DirectoryIndex) -> bool {
        if !self.disk.failed.insert(directory) {
            return false;
        }
        self.disk.wanted.remove(&directory);
        self.drop_moves_to(directory);
        let slots: Vec<Slot> = self.partitions.all_slots().collect();
        for slot in slots {
            if let Some(partition) = self.partitions.at_mut(slot).filter(|at| at.directory == directory) {
                partition.offline = true;
                self.partitions.mark_changed(slot);
                self.unfollow(slot);
            }
        }
        true
    }
}
