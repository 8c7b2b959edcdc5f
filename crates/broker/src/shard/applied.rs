//! Telling the quorum that an image is applied. Where topics were deleted in it, that waits until the new names of their
//! directories and the checkpoints without them are on the disk: a namesake may be made right after it, and must inherit
//! nothing, whenever the power fails.

use std::collections::BTreeSet;

use super::{Shard, Turn};
use crate::event::{DirectoryIndex, DiskToken, Level, ShardId};
use crate::message::Message;

/// What the word waits for.
#[derive(Default)]
pub(crate) struct Untold {
    /// The newest image that is applied and not told.
    offset: Option<i64>,
    /// The newest of them that deleted topics.
    forgetting: Option<i64>,
    /// Syncs of names that are under way.
    pub jobs: BTreeSet<DiskToken>,
    /// Log directories in which the image that is being applied renames.
    pub renamed_in: BTreeSet<DirectoryIndex>,
    /// The image that is being applied deletes topics.
    pub forgets: bool,
}

impl Shard {
    /// The logs are as this image wants them.
    pub(super) fn tell_applied(&mut self, turn: &mut Turn, offset: i64) {
        for directory in std::mem::take(&mut self.untold.renamed_in) {
            let token = self.sync_names(turn, directory);
            self.untold.jobs.extend(token);
        }
        self.untold.offset = Some(offset);
        if std::mem::take(&mut self.untold.forgets) {
            self.untold.forgetting = Some(offset);
        }
        self.tell_if_settled(turn);
    }

    /// A checkpoint that finds no room is not waited for: deleting is how room is made.
    pub(super) fn tell_if_settled(&mut self, turn: &mut Turn) {
        let writes_checkpoints = self.id == ShardId(0);
        let is_settled = || {
            let forgotten = self.untold.forgetting.is_none_or(|offset| self.is_forgotten(offset));
            self.untold.jobs.is_empty() && (!writes_checkpoints || forgotten)
        };
        if self.untold.offset.is_none() || !(self.stopping || is_settled()) {
            return;
        }
        self.untold.forgetting = None;
        if let Some(offset) = self.untold.offset.take() {
            turn.send_quorum(Message::ImageApplied { offset });
        }
    }

    /// The disk worker may end before it comes to what is under way. Gives the directories where that fails.
    pub(super) fn sync_names_at_the_end(&mut self, turn: &mut Turn) -> Vec<DirectoryIndex> {
        let mut failed = Vec::new();
        if !std::mem::take(&mut self.untold.jobs).is_empty() {
            for index in self.directories.indexes().filter(|index| !self.disk.failed.contains(index)) {
                let synced = self.directories.get(index).map(|started| started.directory.sync_names());
                if let Some(Err(error)) = synced {
                    turn.log(Level::Error, error.to_string());
                    failed.push(index);
                }
            }
        }
        self.tell_if_settled(turn);
        failed
    }
}
