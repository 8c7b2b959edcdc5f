//! Disk workers: one an actor, doing its jobs in order, as slowly and as badly as the seed says.

use std::path::PathBuf;
use std::sync::Arc;

use broker::event::{DirectoryIndex, DiskFailure, DiskToken};
use bytes::Bytes;
use platform::{File, FileSystem};

use crate::world::{Inside, MachineIndex, World};

pub enum Job {
    Flush {
        token: DiskToken,
        directory: DirectoryIndex,
        files: Vec<Arc<dyn File>>,
        directories: Vec<PathBuf>,
    },
    Write {
        token: DiskToken,
        directory: DirectoryIndex,
        path: PathBuf,
        content: Bytes,
    },
}

impl World {
    pub fn plan_job(&mut self, machine: MachineIndex, actor: usize, job: Job) {
        let takes = match (self.machines[machine].slow_flush, self.draws.disk.below(20)) {
            (true, _) => 50_000 + self.draws.disk.below(800_000),
            (false, 0) => self.draws.disk.below(30_000),
            (false, _) => 30 + self.draws.disk.below(1500),
        };
        let Some(node) = &mut self.machines[machine].node else { return };
        let done = self.now.max(node.disk_free[actor]) + takes;
        node.disk_free[actor] = done;
        self.plan_inside(done - self.now, machine, actor, Inside::Disk(job));
    }

    /// The worker has come to this job. A machine that stops in its midst has done a part of it.
    pub fn work(&mut self, machine: MachineIndex, actor: usize, job: Job) {
        let files = self.files(machine).clone();
        let (token, directory, result) = match job {
            Job::Flush { token, directory, files: open, directories } => {
                let synced = open.iter().try_for_each(|file| file.sync());
                let all = synced.and_then(|()| {
                    directories.iter().try_for_each(|path| files.sync_directory_if_exists(path))
                });
                (token, directory, all)
            }
            Job::Write { token, directory, path, content } => {
                (token, directory, files.write_atomically(&path, &content))
            }
        };
        if files.is_halted() {
            return self.on_halt(machine);
        }
        let result = result.map_err(|error| DiskFailure {
            directory,
            no_room: error.kind() == std::io::ErrorKind::StorageFull,
            reason: error.to_string(),
        });
        if let Err(failure) = &result
            && !self.machines[machine].disk_failed()
        {
            self.model.violation(format!("a disk without faults fails: {failure}"));
        }
        let after = self.draws.disk.below(60);
        self.plan_inside(after, machine, actor, Inside::DiskDone { token, result });
    }
}
