//! Replicas that move to another log directory of this broker (KIP-113): a future log there is copied to, bit by bit,
//! and takes the replica's name when it has everything and the controller knows of it (KIP-858).
//!
//! copying -> flushing -> asking -> asked -> swapped; new records are copied in every stage.

use std::collections::{BTreeMap, BTreeSet};

use platform::{Planted, is_planted};
use protocol::ErrorCode;
use replication::Throttle;
use storage::{AppendError, DirectoryKind, FlushedTo, Log, ReadError};
use types::{LeaderEpoch, Offset, TopicIdPartition, Uuid};

use super::{Shard, Turn};
use crate::directories::FoundLog;
use crate::event::{DirectoryIndex, Level};
use crate::log::ReplicaLog;
use crate::message::CheckpointKind;

/// Read and written at once by a shard that serves clients too.
const CHUNK_BYTES: u64 = 512 << 10;
/// Between two chunks of a shard.
const PAUSE_US: u64 = 1000;
/// Until a name that is taken is looked at again.
const NAME_TAKEN_US: u64 = 200_000;
const LONGEST_NAME: usize = 255;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    Copying,
    Flushing,
    Asking,
    Asked,
}

/// Where a replica moves to.
#[derive(Debug)]
pub(crate) struct Future {
    pub directory: DirectoryIndex,
    pub log: Log,
    pub stage: Stage,
}

/// All moves of a shard.
pub(crate) struct Moves {
    ids: BTreeSet<TopicIdPartition>,
    /// Monotonic time of the next chunk.
    at: Option<u64>,
    /// The last one that was copied for: each has its turn.
    last: Option<TopicIdPartition>,
    pub throttle: Throttle,
    /// Found at the start.
    pub found: BTreeMap<TopicIdPartition, FoundLog>,
    /// More of them for the same replica.
    pub spare: Vec<FoundLog>,
    /// Replicas that were found in a second directory too.
    pub twins: Vec<FoundLog>,
    /// Where replicas that are yet to come are to be made.
    wanted: BTreeMap<TopicIdPartition, DirectoryIndex>,
}

impl Moves {
    pub fn new(throttle: Throttle) -> Moves {
        Moves {
            ids: BTreeSet::new(),
            at: None,
            last: None,
            throttle,
            found: BTreeMap::new(),
            spare: Vec::new(),
            twins: Vec::new(),
            wanted: BTreeMap::new(),
        }
    }

    pub fn next_deadline(&self) -> Option<u64> {
        self.at
    }

    /// Where this replica, which is made now, was asked for.
    pub fn take_wanted(&mut self, id: &TopicIdPartition) -> Option<DirectoryIndex> {
        self.wanted.remove(id)
    }

    pub fn forget_topic(&mut self, topic_id: Uuid) {
        self.wanted.retain(|id, _| id.topic_id != topic_id);
    }

    fn wake(&mut self, at: u64) {
        self.at = Some(self.at.map_or(at, |known| known.min(at)));
    }

    fn next(&mut self) -> Option<TopicIdPartition> {
        use std::ops::Bound::{Excluded, Unbounded};
        let after = self.last.and_then(|last| self.ids.range((Excluded(last), Unbounded)).next());
        self.last = after.or_else(|| self.ids.first()).copied();
        self.last
    }
}

impl Shard {
    /// AlterReplicaLogDirs of one partition.
    pub(crate) fn move_replica(
        &mut self,
        turn: &mut Turn,
        id: &TopicIdPartition,
        to: DirectoryIndex,
    ) -> Result<(), ErrorCode> {
        if self.disk.failed.contains(&to) {
            return Err(ErrorCode::KafkaStorageError);
        }
        // before anything else, as Kafka's: what moves elsewhere goes on
        if self.partitions.get(id).is_some() && self.is_cordoned(to) {
            return Err(ErrorCode::InvalidReplicaAssignment);
        }
        let Some(partition) = self.partitions.get(id) else { return Err(self.want_made_there(id, to)) };
        if partition.offline {
            return Err(ErrorCode::KafkaStorageError);
        }
        // digits, a dot and the longest ending
        if partition.name().len() + 40 > LONGEST_NAME {
            return Err(ErrorCode::InvalidTopicException);
        }
        if partition.future.as_ref().is_some_and(|future| future.directory == to) {
            return Ok(());
        }
        let stays = partition.directory == to;
        self.end_move(turn, id);
        if stays {
            return Ok(());
        }
        let unique = self.unique_name();
        let directories = self.directories.clone();
        let started = directories.get(to).ok_or(ErrorCode::LogDirNotFound)?;
        let partition = self.partitions.get_mut(id).ok_or(ErrorCode::UnknownTopicOrPartition)?;
        let log = &partition.log.0;
        let (name, config) = (log.partition().clone(), log.config().clone());
        let made = started.directory.create_future_log(&name, id.topic_id, config, unique, turn.now.wall_ms);
        match made {
            Ok(log) => {
                self.begin_move(turn, id, to, log);
                Ok(())
            }
            Err(error) => {
                self.on_move_failed(turn, id, to, &error);
                Err(ErrorCode::KafkaStorageError)
            }
        }
    }

    /// Reassignment asks before the replica is here; the answer tells to ask again, as Kafka's does. What is remembered
    /// is gone with this process.
    fn want_made_there(&mut self, id: &TopicIdPartition, to: DirectoryIndex) -> ErrorCode {
        match self.cluster.absent(id) {
            ErrorCode::NotLeaderOrFollower if self.is_cordoned(to) => ErrorCode::InvalidReplicaAssignment,
            ErrorCode::NotLeaderOrFollower => {
                self.moves.wanted.insert(*id, to);
                ErrorCode::ReplicaNotAvailable
            }
            error => error,
        }
    }

    pub(super) fn begin_move(
        &mut self,
        turn: &mut Turn,
        id: &TopicIdPartition,
        to: DirectoryIndex,
        log: Log,
    ) {
        let Some(partition) = self.partitions.get_mut(id) else { return };
        let text = format!("{} moves to {}", partition.name(), log.directory().display());
        partition.future = Some(Box::new(Future { directory: to, log, stage: Stage::Copying }));
        self.moves.ids.insert(*id);
        self.moves.wake(turn.now.monotonic_us);
        turn.log(Level::Info, text);
    }

    /// Gives up a move; what was copied is deleted.
    pub(super) fn end_move(&mut self, turn: &mut Turn, id: &TopicIdPartition) {
        self.moves.ids.remove(id);
        let future = self.partitions.get_mut(id).and_then(|partition| partition.future.take());
        let Some(future) = future else { return };
        // the controller may have been told already where it would be
        if let Some(recorded) = self.recorded_directory(id) {
            self.compare_directory(*id, recorded);
        }
        if self.disk.failed.contains(&future.directory) {
            return;
        }
        self.doom(turn, future.log, future.directory, 0);
    }

    /// Renames a log's directory for deletion.
    pub(super) fn doom(&mut self, turn: &mut Turn, log: Log, at: DirectoryIndex, delay_ms: i64) {
        let unique = self.unique_name();
        let directories = self.directories.clone();
        let Some(started) = directories.get(at) else { return };
        match started.directory.rename_partition(log, DirectoryKind::Delete, unique) {
            Ok(path) => self.doomed.push((turn.now.wall_ms.saturating_add(delay_ms), at, path)),
            Err(error) => self.on_directory_lost(turn, at, &error),
        }
    }

    /// A log directory has failed: what moves there does so no more.
    pub(super) fn drop_moves_to(&mut self, directory: DirectoryIndex) {
        for id in self.moves.ids.clone() {
            let Some(partition) = self.partitions.get_mut(&id) else { continue };
            let goes_there = partition.future.as_ref().is_some_and(|future| future.directory == directory);
            if goes_there || partition.directory == directory {
                partition.future = None;
                self.moves.ids.remove(&id);
            }
        }
    }

    /// The replica's log was cut, or begins anew: so does what is copied from it.
    pub(super) fn cut_future(&mut self, turn: &mut Turn, id: &TopicIdPartition) {
        let Some(partition) = self.partitions.get_mut(id) else { return };
        let Some(future) = &mut partition.future else { return };
        let (start, end) = (partition.log.log_start_offset(), partition.log.log_end_offset());
        let directory = future.directory;
        let now_ms = turn.now.wall_ms;
        let cut = match future.log.end_offset() {
            at if at < start || future.log.start_offset() > end => {
                future.log.truncate_fully_and_start_at(start, now_ms).map_err(ReadError::Storage)
            }
            at if at > end => future.log.truncate_to(end, now_ms).map(drop),
            _ => Ok(()),
        };
        match cut {
            Ok(()) => {}
            // nothing was cut: what was copied is of no use, its directory is
            Err(error @ (ReadError::Corrupt(_) | ReadError::OutOfRange { .. })) => {
                self.give_up_move(turn, id, &format!("the copy is not cut to {end}: {error}"));
            }
            Err(ReadError::Storage(error)) => self.lose_directory_because(turn, directory, error.to_string()),
        }
    }

    /// The partition has changed: there may be more to copy.
    pub(super) fn note_moving(&mut self, turn: &Turn, id: &TopicIdPartition) {
        if self.moves.ids.contains(id) {
            self.moves.wake(turn.now.monotonic_us.saturating_add(PAUSE_US));
        }
    }

    /// One chunk of one of the moves.
    pub(super) fn run_moves(&mut self, turn: &mut Turn) {
        let now_us = turn.now.monotonic_us;
        if self.stopping || self.moves.at.is_none_or(|at| at > now_us) {
            return;
        }
        self.moves.at = None;
        if let Some(until) = self.moves.throttle.exceeded_until(now_us) {
            self.moves.wake(until);
            return;
        }
        let mut any = false;
        for _ in 0..self.moves.ids.len() {
            let Some(id) = self.moves.next() else { return };
            if self.advance_move(turn, &id) {
                any = true;
                break;
            }
        }
        if any {
            self.moves.wake(now_us.saturating_add(PAUSE_US));
        }
    }

    /// True where something was done, and more may be.
    fn advance_move(&mut self, turn: &mut Turn, id: &TopicIdPartition) -> bool {
        self.cut_future(turn, id);
        let Some(partition) = self.partitions.get_mut(id).filter(|at| !at.offline) else {
            self.moves.ids.remove(id);
            return false;
        };
        let Some(future) = &mut partition.future else { return false };
        let at = future.log.end_offset();
        let is_behind = at < partition.log.log_end_offset();
        if !is_behind || future.stage != Stage::Copying && is_planted(Planted::SwappedBehind) {
            return self.advance_stage(turn, id);
        }
        let (to, from) = (future.directory, partition.directory);
        let bytes = match partition.log.read_bytes(at, CHUNK_BYTES) {
            Ok(bytes) => bytes,
            Err(error) => {
                turn.log(Level::Error, format!("{} does not move: {error}", partition.name()));
                if matches!(&error, ReadError::Storage(one) if one.is_directory_failed()) {
                    self.lose_directory_because(turn, from, error.to_string());
                }
                self.end_move(turn, id);
                return true;
            }
        };
        let now_ms = turn.now.wall_ms;
        let mut appended = future.log.append_as_follower(&bytes, LeaderEpoch(i32::MAX), now_ms);
        // the replica's log starts in the midst of a batch, and what is copied begins where that does
        if let Err(AppendError::OutOfOrder { offset, end }) = &appended
            && offset < end
            && future.log.start_offset() == *end
        {
            let emptied = future.log.truncate_fully_and_start_at(*offset, now_ms);
            appended = emptied
                .map_err(AppendError::Storage)
                .and_then(|()| future.log.append_as_follower(&bytes, LeaderEpoch(i32::MAX), now_ms));
        }
        self.moves.throttle.record(turn.now.monotonic_us, bytes.len() as u64);
        match appended {
            Ok(followed) if followed.bytes > 0 => {
                // where producers write all the time, it has everything right after a chunk only
                if followed.end_offset >= partition.log.log_end_offset() {
                    self.advance_stage(turn, id);
                }
                true
            }
            Ok(_) => {
                self.give_up_move(turn, id, "a batch is damaged");
                true
            }
            Err(AppendError::Storage(error)) => {
                self.on_move_failed(turn, id, to, &error);
                true
            }
            Err(error) => {
                self.give_up_move(turn, id, &error.to_string());
                true
            }
        }
    }

    fn give_up_move(&mut self, turn: &mut Turn, id: &TopicIdPartition, reason: &str) {
        let name = self.partitions.get(id).map(|partition| partition.name()).unwrap_or_default();
        turn.log(Level::Error, format!("{name} does not move: {reason}"));
        self.end_move(turn, id);
    }

    fn on_move_failed(
        &mut self,
        turn: &mut Turn,
        id: &TopicIdPartition,
        to: DirectoryIndex,
        error: &storage::Error,
    ) {
        if error.is_directory_failed() {
            self.on_directory_lost(turn, to, error);
        }
        self.give_up_move(turn, id, &error.to_string());
    }

    pub(super) fn on_directory_lost(
        &mut self,
        turn: &mut Turn,
        directory: DirectoryIndex,
        error: &storage::Error,
    ) {
        self.lose_directory_because(turn, directory, error.to_string());
    }

    /// The future log has everything that the replica has.
    fn advance_stage(&mut self, turn: &mut Turn, id: &TopicIdPartition) -> bool {
        let Some(future) = self.partitions.get_mut(id).and_then(|partition| partition.future.as_mut()) else {
            return false;
        };
        let (directory, stage) = (future.directory, future.stage);
        match stage {
            Stage::Copying if is_planted(Planted::SwappedUnsynced) => {
                self.swap(turn, id);
                true
            }
            Stage::Copying => match future.log.flush_plan(turn.now.wall_ms) {
                Ok(plan) => {
                    future.stage = Stage::Flushing;
                    self.flush_future(turn, directory, *id, plan);
                    false
                }
                Err(error) => {
                    self.on_move_failed(turn, id, directory, &error);
                    true
                }
            },
            Stage::Flushing | Stage::Asking => false,
            Stage::Asked => {
                self.swap(turn, id);
                self.partitions.get(id).is_none_or(|partition| partition.future.is_none())
            }
        }
    }

    /// What was copied when this was asked for is on the disk.
    pub(super) fn on_future_flushed(&mut self, turn: &mut Turn, id: &TopicIdPartition, to: FlushedTo) {
        let Some(future) = self.partitions.get_mut(id).and_then(|partition| partition.future.as_mut()) else {
            return;
        };
        future.log.flushed(to);
        future.stage = Stage::Asking;
        let directory = future.directory;
        if self.cluster.image.metadata_version().supports_directories() {
            self.want_directory_assigned(*id, directory);
        } else {
            self.on_directory_assigned(turn, id, directory);
        }
    }

    /// The controller knows where the replica goes.
    pub(super) fn on_directory_assigned(
        &mut self,
        turn: &mut Turn,
        id: &TopicIdPartition,
        to: DirectoryIndex,
    ) {
        let Some(future) = self.partitions.get_mut(id).and_then(|partition| partition.future.as_mut()) else {
            return;
        };
        if future.directory == to && future.stage == Stage::Asking {
            future.stage = Stage::Asked;
            self.moves.wake(turn.now.monotonic_us);
        }
    }

    /// Whether the replica's name can be had where it goes. Another topic of that name may still be deleted there.
    fn free_name(&mut self, turn: &mut Turn, id: &TopicIdPartition) -> bool {
        let unique = self.unique_name();
        let directories = self.directories.clone();
        let Some(partition) = self.partitions.get(id) else { return false };
        let Some(to) = partition.future.as_ref().map(|future| future.directory) else { return false };
        let Some(started) = directories.get(to) else { return false };
        match started.directory.free_name(partition.log.0.partition(), id.topic_id, unique) {
            Ok(None) => true,
            Ok(Some(path)) => {
                self.doomed.push((turn.now.wall_ms, to, path));
                true
            }
            Err(error) if error.is_directory_failed() => {
                self.on_directory_lost(turn, to, &error);
                false
            }
            Err(error) => {
                turn.log(Level::Warning, format!("a move waits: {error}"));
                self.moves.wake(turn.now.monotonic_us.saturating_add(NAME_TAKEN_US));
                false
            }
        }
    }

    /// The future log becomes the replica's. Its last records are synced first, since the old ones go.
    fn swap(&mut self, turn: &mut Turn, id: &TopicIdPartition) {
        if !self.free_name(turn, id) {
            return;
        }
        let Some(partition) = self.partitions.get_mut(id) else { return };
        let Some(mut future) = partition.future.take() else { return };
        self.moves.ids.remove(id);
        let to = future.directory;
        let (start, end) = (partition.log.log_start_offset(), partition.log.log_end_offset());
        let prepared = match is_planted(Planted::SwappedUnsynced) {
            true => Ok(()),
            false => future.log.flush(turn.now.wall_ms),
        };
        // as far as records were deleted meanwhile, they are in the new log too
        let started = future.log.delete_records(start, end);
        if let Err(error) = prepared {
            partition.future = Some(future);
            return self.on_move_failed(turn, id, to, &error);
        }
        if let Err(error) = started {
            partition.future = Some(future);
            return self.give_up_move(turn, id, &error.to_string());
        }
        let epoch = partition.replica.leader_epoch;
        if partition.replica.is_leader() {
            future.log.begin_epoch(epoch);
        }
        future.log.on_high_watermark(partition.replica.high_watermark());
        let from = std::mem::replace(&mut partition.directory, to);
        let old = std::mem::replace(&mut partition.log, ReplicaLog(future.log));
        let (name, delay_ms) = (partition.name(), partition.config.file_delete_delay_ms);
        self.doom(turn, old.0, from, delay_ms);
        let directories = self.directories.clone();
        let promoted = match (directories.get(to), self.partitions.get_mut(id)) {
            (Some(started), Some(partition)) => started.directory.promote(&mut partition.log.0),
            _ => Ok(()),
        };
        if let Err(error) = promoted {
            return self.on_directory_lost(turn, to, &error);
        }
        turn.log(Level::Info, format!("{name} has moved"));
        for directory in [from, to] {
            self.sync_names(turn, directory);
        }
        [CheckpointKind::RecoveryPoint, CheckpointKind::LogStart, CheckpointKind::HighWatermark]
            .into_iter()
            .for_each(|kind| self.checkpoint_at_once(turn, kind));
        if let Some(slot) = self.partitions.slot(id) {
            if self.partitions.at(slot).is_some_and(|partition| partition.awaits_checkpoint) {
                // of the other directory now
                self.rewrite_recovery_points(turn);
            }
            if let Some(partition) = self.partitions.at_mut(slot) {
                // more is on the disk now than was flushed of the old log
                partition.advance_high_watermark(turn.now);
            }
            self.partitions.mark_changed(slot);
            self.follow_on(slot);
        }
    }

    /// A move that a stop has interrupted goes on.
    pub(super) fn resume_move(&mut self, turn: &mut Turn, id: &TopicIdPartition) {
        let Some(found) = self.moves.found.remove(id) else { return };
        let Some(partition) = self.partitions.get(id) else { return };
        if partition.directory == found.directory || partition.future.is_some() {
            return self.drop_copy(turn, &found);
        }
        let config = partition.log.0.config().clone();
        let directories = self.directories.clone();
        let Some(started) = directories.get(found.directory) else { return };
        match started.directory.open_future_log(&found.found, config, turn.now.wall_ms) {
            Ok(log) => {
                self.begin_move(turn, id, found.directory, log);
                // the crash may have left more of it than of the replica
                self.cut_future(turn, id);
                self.cut_where_it_parts(turn, id);
            }
            Err(error) => turn.log(Level::Error, error.to_string()),
        }
    }

    /// A copy in a directory that had failed did not see the replica cut, which may have as much again since, but of other
    /// leaders.
    fn cut_where_it_parts(&mut self, turn: &mut Turn, id: &TopicIdPartition) {
        let Some(partition) = self.partitions.get_mut(id) else { return };
        let (log, Some(future)) = (&partition.log.0, &mut partition.future) else { return };
        let from = log.start_offset().max(future.log.start_offset());
        let to = log.end_offset().min(future.log.end_offset());
        let Some(at) = log.epochs().first_difference(future.log.epochs(), from, to) else { return };
        let directory = future.directory;
        match future.log.truncate_to(at, turn.now.wall_ms) {
            Ok(_) => {}
            Err(ReadError::Storage(error)) => self.lose_directory_because(turn, directory, error.to_string()),
            Err(error) => self.give_up_move(turn, id, &format!("the copy is not cut to {at}: {error}")),
        }
    }

    /// How far a future log is behind the replica's.
    pub(crate) fn future_lag(end: Offset, future: &Future) -> i64 {
        (end.0 - future.log.end_offset().0).max(0)
    }
}
