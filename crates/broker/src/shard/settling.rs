//! What a start finds of moves between log directories that a crash or a directory's failure has cut short: replicas that
//! are there twice, copies, and copies without a replica. The controller's record says which is the replica; where it
//! has none (KIP-858 came with metadata.version 3.7-IV2), what the logs hold does.

use metadata::image::{MIGRATING, UNASSIGNED, is_reserved_directory};
use storage::{DirectoryKind, PartitionDirectory};
use types::{LeaderEpoch, Offset, TopicIdPartition};

use super::{Shard, Turn};
use crate::directories::FoundLog;
use crate::event::{DirectoryIndex, Level};
use crate::log::log_config;

impl Shard {
    /// A crash in the midst of a swap, or a directory that failed then and works again, leaves a replica in two
    /// directories: it is in the one that the controller has on record. Where it knows of neither, the one with more is
    /// served, and the other kept.
    pub(super) fn settle_twins(&mut self, turn: &mut Turn) {
        let directories = self.directories.clone();
        for mut twin in std::mem::take(&mut self.moves.twins) {
            let twin_wins =
                self.found_logs.get(&twin.id).is_some_and(|found| self.is_better(turn, &twin, found));
            let Some(found) = self.found_logs.get_mut(&twin.id) else { continue };
            if twin_wins {
                std::mem::swap(found, &mut twin);
            }
            let served = found.directory;
            let kind = match self.is_recorded(&twin.id, served) {
                true => DirectoryKind::Delete,
                false => DirectoryKind::Stray,
            };
            let unique = self.unique_name();
            let Some(started) = directories.get(twin.directory) else { continue };
            match started.directory.rename_directory(&twin.found, kind, unique) {
                Ok(path) if kind == DirectoryKind::Delete => {
                    self.doomed.push((turn.now.wall_ms, twin.directory, path));
                }
                Ok(path) => {
                    let text = format!("{} is there twice, one is set aside as", twin.found.partition);
                    turn.log(Level::Warning, format!("{text} {}", path.display()));
                }
                Err(error) => turn.log(Level::Error, error.to_string()),
            }
        }
    }

    /// At the very end of a move, the replica is where it goes; else the move goes on when the partition is there; one
    /// that nobody wants is deleted.
    pub(super) fn settle_futures(&mut self, turn: &mut Turn) {
        self.drop_spare_futures(turn);
        for (id, mut future) in std::mem::take(&mut self.moves.found) {
            if self.found_logs.contains_key(&id) {
                self.moves.found.insert(id, future);
            } else if self.is_the_replica(&id, future.directory) {
                match self.promote_found(turn, &future) {
                    Ok(found) => {
                        future.found = found;
                        self.found_logs.insert(id, future);
                    }
                    Err(error) => turn.log(Level::Error, error.to_string()),
                }
            } else if self.sees_all() || !self.is_meant_here(&id, future.directory) {
                self.drop_copy(turn, &future);
            } else {
                // its replica is in what cannot be looked at, or it is all that is left of it; if that is made anew, since
                // nobody counts on it, the move to here goes on
                self.moves.found.insert(id, future);
            }
        }
    }

    fn promote_found(&mut self, turn: &Turn, future: &FoundLog) -> storage::Result<PartitionDirectory> {
        let (unique, directories) = (self.unique_name(), self.directories.clone());
        let Some(started) = directories.get(future.directory) else { return Ok(future.found.clone()) };
        if let Some(path) = started.directory.free_unused_name(&future.found.partition, unique)? {
            self.doomed.push((turn.now.wall_ms, future.directory, path));
        }
        started.directory.promote_directory(&future.found)
    }

    fn sees_all(&self) -> bool {
        self.node.lost_log_directories.is_empty()
    }

    /// Of a copy without a replica beside it. The record may name where it goes before it has everything: it has only where
    /// there is no replica anywhere else.
    fn is_the_replica(&self, id: &TopicIdPartition, at: DirectoryIndex) -> bool {
        self.sees_all() && self.is_meant_here(id, at)
    }

    /// Where the record names no directory, the crash came between the two renames of a swap, and the copy has everything; or,
    /// with the power, it took a replica's name that was not on the disk yet, and what was copied is a first part of what is
    /// nowhere else.
    fn is_meant_here(&self, id: &TopicIdPartition, at: DirectoryIndex) -> bool {
        self.is_unrecorded(id) || self.is_recorded(id, at)
    }

    fn is_unrecorded(&self, id: &TopicIdPartition) -> bool {
        let recorded = self.recorded_directory(id);
        recorded.is_some_and(|recorded| [MIGRATING, UNASSIGNED].contains(&recorded))
    }

    fn is_recorded(&self, id: &TopicIdPartition, at: DirectoryIndex) -> bool {
        let Some(started) = self.directories.get(at) else { return false };
        let recorded = self.recorded_directory(id).filter(|recorded| !is_reserved_directory(*recorded));
        recorded == Some(started.directory.id())
    }

    /// Whether the first of two that are the same replica is the one to be used.
    fn is_better(&self, turn: &mut Turn, one: &FoundLog, other: &FoundLog) -> bool {
        match (self.is_recorded(&one.id, one.directory), self.is_recorded(&one.id, other.directory)) {
            (false, false) if self.recorded_directory(&one.id).is_some() => {
                self.log_end(turn, one) > self.log_end(turn, other)
            }
            (one, other) => one && !other,
        }
    }

    /// What is compared where nobody has on record where the replica is. Opens the log; none is less than any.
    fn log_end(&self, turn: &mut Turn, one: &FoundLog) -> Option<(Option<LeaderEpoch>, Offset)> {
        let started = self.directories.get(one.directory)?;
        let config = self.cluster.log_config(&one.found.partition.topic);
        let config = log_config(&config, i64::from(self.node.settings.producer_id_expiration_ms));
        let opened = match one.found.kind {
            DirectoryKind::Current => started
                .directory
                .open_log(
                    &one.found.partition,
                    config.into(),
                    &started.points,
                    started.clean,
                    turn.now.wall_ms,
                )
                .map(|(log, _)| log),
            _ => started.directory.open_future_log(&one.found, config.into(), turn.now.wall_ms),
        };
        match opened {
            Ok(log) => Some((log.latest_epoch(), log.end_offset())),
            Err(error) => {
                turn.log(Level::Error, error.to_string());
                None
            }
        }
    }

    /// Moves that were given up before a crash took their ends back: of several copies of a replica one may be all that
    /// is left of it.
    fn drop_spare_futures(&mut self, turn: &mut Turn) {
        for mut spare in std::mem::take(&mut self.moves.spare) {
            let spare_wins =
                self.moves.found.get(&spare.id).is_some_and(|found| self.is_better(turn, &spare, found));
            if let Some(found) = self.moves.found.get_mut(&spare.id).filter(|_| spare_wins) {
                std::mem::swap(found, &mut spare);
            }
            self.drop_copy(turn, &spare);
        }
    }

    pub(super) fn drop_copy(&mut self, turn: &mut Turn, copy: &FoundLog) {
        let unique = self.unique_name();
        let directories = self.directories.clone();
        let Some(started) = directories.get(copy.directory) else { return };
        match started.directory.rename_directory(&copy.found, DirectoryKind::Delete, unique) {
            Ok(path) => self.doomed.push((turn.now.wall_ms, copy.directory, path)),
            Err(error) => turn.log(Level::Error, error.to_string()),
        }
    }
}
