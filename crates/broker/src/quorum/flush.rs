//! Making the metadata log durable: one sync at a time on a disk worker, shared by all that was appended meanwhile.

use platform::{Planted, is_planted};
use storage::FlushedTo;
use types::Offset;

use super::{Quorum, Turn};
use crate::event::{DirectoryIndex, DiskFailure, DiskToken, Effect};
use raft::{Input, RaftLog};

#[derive(Debug, Default)]
pub(super) struct Flushing {
    wanted: Option<u64>,
    under_way: Option<UnderWay>,
    last_token: u64,
}

#[derive(Debug)]
struct UnderWay {
    token: DiskToken,
    to: FlushedTo,
    generation: u64,
    end: Offset,
}

impl Flushing {
    pub fn want(&mut self, generation: u64) {
        self.wanted = Some(generation);
    }

    pub fn is_idle(&self) -> bool {
        self.wanted.is_none() && self.under_way.is_none()
    }
}

impl Quorum {
    pub(super) fn start_flush(&mut self, turn: &mut Turn<'_>) {
        if self.is_failed || self.flushing.under_way.is_some() {
            return;
        }
        let Some(generation) = self.flushing.wanted.take() else { return };
        let end = self.log.end_offset();
        let plan = match self.log.flush_plan() {
            Ok(plan) => plan,
            Err(error) => return self.fail(format!("metadata log: {error}"), turn),
        };
        self.flushing.last_token += 1;
        let token = DiskToken(self.flushing.last_token);
        self.flushing.under_way = Some(UnderWay { token, to: plan.to, generation, end });
        turn.effects.push(Effect::Flush {
            token,
            directory: self.metadata_directory(),
            files: plan.files,
            directories: plan.directories,
        });
        if is_planted(Planted::MetadataBeforeFlush) {
            self.raft_step(Input::Flushed { generation, end }, turn);
        }
    }

    fn metadata_directory(&self) -> DirectoryIndex {
        let path = &self.node.metadata_log_directory;
        let index = self.node.log_directories.iter().position(|directory| directory.path == *path);
        DirectoryIndex(index.and_then(|index| u16::try_from(index).ok()).unwrap_or(0))
    }

    pub(super) fn on_disk_done(
        &mut self,
        token: DiskToken,
        result: Result<(), DiskFailure>,
        turn: &mut Turn<'_>,
    ) {
        let Some(done) = self.flushing.under_way.take_if(|under_way| under_way.token == token) else {
            return;
        };
        if let Err(failure) = result {
            let path = self.node.metadata_log_directory.display();
            return self.fail(format!("metadata log in {path}: {}", failure.reason), turn);
        }
        self.log.flushed(done.to);
        self.raft_step(Input::Flushed { generation: done.generation, end: done.end }, turn);
    }
}
