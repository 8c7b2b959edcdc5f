//! The file system itself: names to nodes, locks, faults and the trace. One mutex, no threads of its own.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use super::crash;
use super::fault::{Fault, FaultRates, Faults, input_output_error};
use super::file::MemoryFile;
use super::trace::{Call, Operation};
use super::tree::{DirectoryNode, FileNode, Node, Tree};
use crate::file_system::sync_below;
use crate::{DirEntry, File, FileSystem, Lock, OpenMode, Random};

/// Clones are the same file system.
#[derive(Clone, Debug)]
pub struct MemoryFileSystem(pub(super) Arc<Mutex<State>>);

#[derive(Debug)]
pub(super) struct State {
    pub(super) tree: Tree,
    pub(super) random: Random,
    pub(super) faults: Faults,
    trace: Option<Vec<Call>>,
    /// Bytes that all files may have together.
    pub(super) capacity: u64,
    /// Machines started: files opened before a crash are of no use after it.
    pub(super) generation: u64,
    /// The wall time of the files changed from here on.
    pub(super) now_ms: i64,
    locks: BTreeSet<PathBuf>,
    /// Directories that were synced with all that is in them.
    whole_syncs: u64,
    /// Calls that write into a file.
    pub(super) writes: u64,
}

impl State {
    /// Notes the call and gives the fault that it shall have.
    pub(super) fn enter(&mut self, call: Call) -> io::Result<Option<Fault>> {
        let fault = self.faults.next(call.operation, &call.path, &mut self.random);
        if let Some(trace) = &mut self.trace {
            trace.push(call);
        }
        fault
    }

    /// For calls that happen wholly or not at all; halted, a coin says which.
    fn enter_whole(&mut self, operation: Operation, path: &Path) -> io::Result<bool> {
        match self.enter(Call { operation, path: path.to_owned(), position: 0, size: 0 })? {
            Some(Fault::Halt) => Ok(self.random.one_in(2)),
            Some(_) => Err(input_output_error()),
            None => Ok(true),
        }
    }

    fn leave(&self) -> io::Result<()> {
        if self.faults.halted { Err(io::Error::other("the machine has stopped")) } else { Ok(()) }
    }
}

impl MemoryFileSystem {
    pub fn new(seed: u64) -> MemoryFileSystem {
        MemoryFileSystem(Arc::new(Mutex::new(State {
            tree: Tree::new(),
            random: Random::new(seed),
            faults: Faults::new(),
            trace: None,
            capacity: u64::MAX,
            generation: 0,
            now_ms: 0,
            locks: BTreeSet::new(),
            whole_syncs: 0,
            writes: 0,
        })))
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("no panic while it is held")
    }

    /// Stops the machine and starts it again: unsynced content and names are lost, kept, or in part both; locks
    /// are free; files opened before fail; planned faults are forgotten.
    pub fn crash(&self) {
        let state = &mut *self.state();
        crash::crash(&mut state.tree, &mut state.random);
        restart(state);
    }

    /// As `crash`, with everything lost that may be.
    pub fn crash_keeping_nothing(&self) {
        let state = &mut *self.state();
        crash::crash_keeping_nothing(&mut state.tree);
        restart(state);
    }

    /// The process dies and the machine does not: everything written is there.
    pub fn kill(&self) {
        restart(&mut self.state());
    }

    /// The `calls_from_now`-th changing call (0 is the next) has this fault.
    pub fn plan_fault(&self, calls_from_now: u64, fault: Fault) {
        self.state().faults.plan(calls_from_now, fault);
    }

    pub fn set_fault_rates(&self, rates: FaultRates) {
        self.state().faults.set_rates(rates);
    }

    /// Every call on this path and below fails: a disk that died.
    pub fn break_path(&self, path: &Path) {
        self.state().faults.break_path(path);
    }

    /// Planned faults, rates and broken paths are no more.
    pub fn heal(&self) {
        self.state().faults.heal();
    }

    /// Bytes of the volume; writes past it get ENOSPC.
    pub fn set_capacity(&self, bytes: u64) {
        self.state().capacity = bytes;
    }

    /// Changes bytes of a file as they lie on the disk: nobody wrote them.
    pub fn rot(&self, path: &Path, position: u64, bytes: &[u8]) -> io::Result<()> {
        let state = &mut *self.state();
        let node = state.tree.find(path)?;
        let content = &mut state.tree.file_mut(node)?.content;
        let start = usize::try_from(position).unwrap_or(usize::MAX);
        for (place, byte) in content.iter_mut().skip(start).zip(bytes) {
            *place = *byte;
        }
        Ok(())
    }

    /// Files changed from here on are modified at this time.
    pub fn set_time(&self, wall_ms: i64) {
        self.state().now_ms = wall_ms;
    }

    /// A planned halt has come: nothing works before `crash` or `kill`.
    pub fn is_halted(&self) -> bool {
        self.state().faults.halted
    }

    /// Bytes of all files.
    pub fn used(&self) -> u64 {
        self.state().tree.used(0)
    }

    /// How much of a file, from its beginning, any crash leaves as it is. None where its name may be lost.
    pub fn durable_size(&self, path: &Path) -> Option<u64> {
        self.state().tree.durable_size(path)
    }

    /// Changing calls until now: a scenario's crash points are 0 to this.
    pub fn changes(&self) -> u64 {
        self.state().faults.changes
    }

    /// Calls of `sync_everything` until now.
    pub fn whole_syncs(&self) -> u64 {
        self.state().whole_syncs
    }

    /// Calls that write into a file until now.
    pub fn writes(&self) -> u64 {
        self.state().writes
    }

    pub fn start_trace(&self) {
        self.state().trace = Some(Vec::new());
    }

    /// The calls since `start_trace` or the last `take_trace`.
    pub fn take_trace(&self) -> Vec<Call> {
        self.state().trace.as_mut().map(std::mem::take).unwrap_or_default()
    }
}

fn restart(state: &mut State) {
    state.faults.heal();
    state.faults.halted = false;
    state.generation += 1;
    state.locks.clear();
}

impl FileSystem for MemoryFileSystem {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn File>> {
        let state = &mut *self.state();
        let found = match state.tree.find(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            other => Some(other?),
        };
        let operation = match (mode, found) {
            (OpenMode::Read | OpenMode::ReadWrite, None) => return Err(io::ErrorKind::NotFound.into()),
            (OpenMode::CreateNew, Some(_)) => return Err(io::ErrorKind::AlreadyExists.into()),
            (_, Some(_)) => Operation::Open,
            (_, None) => Operation::Create,
        };
        let happens = state.enter_whole(operation, path)?;
        let node = match found {
            Some(node) => node,
            None if happens => {
                let (parent, name) = state.tree.parent(path)?;
                let file = FileNode { modified_ms: state.now_ms, ..FileNode::default() };
                state.tree.link(parent, name, Node::File(file))?
            }
            None => return Err(input_output_error()),
        };
        state.leave()?;
        state.tree.file(node)?;
        let generation = state.generation;
        let (system, path) = (self.clone(), path.to_owned());
        Ok(Arc::new(MemoryFile { system, path, node, generation, writable: mode != OpenMode::Read }))
    }

    fn read_directory(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        let state = &mut *self.state();
        state.enter_whole(Operation::Open, path)?;
        let node = state.tree.find(path)?;
        let names = &state.tree.directory(node)?.names;
        let is_directory = |id: usize| matches!(state.tree.nodes.get(id), Some(Node::Directory(_)));
        Ok(names
            .iter()
            .map(|(n, &id)| DirEntry { name: n.clone(), is_directory: is_directory(id) })
            .collect())
    }

    fn create_directory_all(&self, path: &Path) -> io::Result<()> {
        let mut ancestors: Vec<&Path> = path.ancestors().collect();
        ancestors.reverse();
        let state = &mut *self.state();
        for path in ancestors {
            match state.tree.find(path) {
                Ok(found) => {
                    state.tree.directory(found)?;
                }
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                Err(_) => {
                    if state.enter_whole(Operation::Create, path)? {
                        let (parent, name) = state.tree.parent(path)?;
                        state.tree.link(parent, name, Node::Directory(DirectoryNode::default()))?;
                    }
                    state.leave()?;
                }
            }
        }
        Ok(())
    }

    fn exists(&self, path: &Path) -> bool {
        self.state().tree.find(path).is_ok()
    }

    fn file_size(&self, path: &Path) -> io::Result<u64> {
        let state = &mut *self.state();
        state.enter_whole(Operation::Open, path)?;
        let node = state.tree.find(path)?;
        Ok(state.tree.file(node)?.content.len() as u64)
    }

    fn modified_ms(&self, path: &Path) -> io::Result<i64> {
        let state = &mut *self.state();
        state.enter_whole(Operation::Open, path)?;
        let node = state.tree.find(path)?;
        Ok(state.tree.file(node)?.modified_ms)
    }

    fn set_modified_ms(&self, path: &Path, wall_ms: i64) -> io::Result<()> {
        let state = &mut *self.state();
        if state.enter_whole(Operation::SetModified, path)? {
            let node = state.tree.find(path)?;
            state.tree.file_mut(node)?.modified_ms = wall_ms;
        }
        state.leave()
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let state = &mut *self.state();
        state.tree.find(from)?;
        if state.enter_whole(Operation::Rename, from)? {
            let (from, to) = (state.tree.parent(from)?, state.tree.parent(to)?);
            state.tree.rename(from, to)?;
        }
        state.leave()
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        let state = &mut *self.state();
        let node = state.tree.find(path)?;
        state.tree.file(node)?;
        if state.enter_whole(Operation::Remove, path)? {
            let (parent, name) = state.tree.parent(path)?;
            state.tree.unlink(parent, name)?;
        }
        state.leave()
    }

    fn remove_directory_all(&self, path: &Path) -> io::Result<()> {
        for entry in self.read_directory(path)? {
            let inner = path.join(&entry.name);
            if entry.is_directory { self.remove_directory_all(&inner)? } else { self.remove_file(&inner)? }
        }
        let state = &mut *self.state();
        if state.enter_whole(Operation::Remove, path)? {
            let (parent, name) = state.tree.parent(path)?;
            state.tree.unlink(parent, name)?;
        }
        state.leave()
    }

    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        let state = &mut *self.state();
        if state.enter_whole(Operation::SyncDirectory, path)? {
            let node = state.tree.find(path)?;
            state.tree.directory_mut(node)?.unsynced.clear();
        }
        state.leave()
    }

    fn sync_everything(&self, path: &Path) -> io::Result<()> {
        self.state().whole_syncs += 1;
        sync_below(self, path)
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn Lock>> {
        drop(self.open(path, OpenMode::CreateOrOpen)?);
        let state = &mut *self.state();
        if !state.locks.insert(path.to_owned()) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let generation = state.generation;
        Ok(Box::new(MemoryLock { system: self.clone(), path: path.to_owned(), generation }))
    }

    fn space(&self, path: &Path) -> io::Result<(u64, u64)> {
        let state = &mut *self.state();
        state.enter_whole(Operation::Open, path)?;
        Ok((state.capacity, state.capacity.saturating_sub(state.tree.used(0))))
    }
}

#[derive(Debug)]
struct MemoryLock {
    system: MemoryFileSystem,
    path: PathBuf,
    generation: u64,
}

impl Lock for MemoryLock {}

impl Drop for MemoryLock {
    fn drop(&mut self) {
        let state = &mut *self.system.state();
        // after a crash the lock may be another's
        if state.generation == self.generation {
            state.locks.remove(&self.path);
        }
    }
}
