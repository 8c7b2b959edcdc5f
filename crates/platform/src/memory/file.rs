//! An open file: reads, writes, sizes and syncs of one node, each with its faults.

use std::io::{self, IoSlice};
use std::os::fd::RawFd;
use std::path::PathBuf;

use super::fault::{Fault, input_output_error, no_space};
use super::file_system::{MemoryFileSystem, State};
use super::trace::{Call, Operation};
use super::tree::{FileNode, NodeId, Unsynced};
use crate::File;

#[derive(Debug)]
pub(super) struct MemoryFile {
    pub(super) system: MemoryFileSystem,
    pub(super) path: PathBuf,
    pub(super) node: NodeId,
    pub(super) generation: u64,
    pub(super) writable: bool,
}

impl MemoryFile {
    fn enter(
        &self,
        state: &mut State,
        operation: Operation,
        position: u64,
        size: u64,
    ) -> io::Result<Option<Fault>> {
        if state.generation != self.generation {
            return Err(io::Error::other("opened before the machine stopped"));
        }
        if operation.changes() && operation != Operation::Sync && !self.writable {
            return Err(rustix::io::Errno::BADF.into());
        }
        state.enter(Call { operation, path: self.path.clone(), position, size })
    }
}

impl File for MemoryFile {
    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        let state = &mut *self.system.state();
        if self.enter(state, Operation::Read, position, buffer.len() as u64)?.is_some() {
            return Err(input_output_error());
        }
        let content = &state.tree.file(self.node)?.content;
        let start = usize::try_from(position).unwrap_or(usize::MAX).min(content.len());
        let read = buffer.len().min(content.len() - start);
        buffer[..read].copy_from_slice(&content[start..start + read]);
        Ok(read)
    }

    fn write_at(&self, buffers: &mut [IoSlice<'_>], position: u64) -> io::Result<()> {
        let state = &mut *self.system.state();
        let size: usize = buffers.iter().map(|buffer| buffer.len()).sum();
        state.writes += 1;
        let fault = self.enter(state, Operation::Write, position, size as u64)?;
        let mut bytes = Vec::with_capacity(size);
        buffers.iter().for_each(|buffer| bytes.extend_from_slice(buffer));

        let growth = position
            .saturating_add(size as u64)
            .saturating_sub(state.tree.file(self.node)?.content.len() as u64);
        let full = state.capacity != u64::MAX
            && growth > 0
            && state.tree.used(0).saturating_add(growth) > state.capacity;
        let fault = if full && fault.is_none() { Some(Fault::Full) } else { fault };
        let (at, part) = match fault {
            None => (position, size),
            Some(Fault::Misdirected) => (position.saturating_sub(1 + state.random.below(4096)), size),
            Some(_) => (position, state.random.below(size as u64 + 1) as usize),
        };
        let now_ms = state.now_ms;
        write(state.tree.file_mut(self.node)?, at, &bytes[..part], now_ms);
        match fault {
            None | Some(Fault::Misdirected) => Ok(()),
            Some(Fault::Full) => Err(no_space()),
            Some(_) => Err(input_output_error()),
        }
    }

    fn size(&self) -> io::Result<u64> {
        let state = &mut *self.system.state();
        self.enter(state, Operation::Open, 0, 0)?;
        Ok(state.tree.file(self.node)?.content.len() as u64)
    }

    fn set_size(&self, size: u64) -> io::Result<()> {
        let state = &mut *self.system.state();
        let fault = self.enter(state, Operation::SetSize, 0, size)?;
        if fault.is_none() || (fault == Some(Fault::Halt) && state.random.one_in(2)) {
            let now_ms = state.now_ms;
            let file = state.tree.file_mut(self.node)?;
            let replaced = file.content.get(size as usize..).unwrap_or(&[]).to_vec();
            let size_before = file.content.len() as u64;
            file.unsynced.push(Unsynced { position: size, written: None, size_before, replaced });
            file.content.resize(size as usize, 0);
            file.modified_ms = now_ms;
        }
        fault.map_or(Ok(()), |_| Err(input_output_error()))
    }

    fn sync(&self) -> io::Result<()> {
        let state = &mut *self.system.state();
        let fault = self.enter(state, Operation::Sync, 0, 0)?;
        let kept = fault.is_none() || (fault == Some(Fault::Halt) && state.random.one_in(2));
        let file = state.tree.file_mut(self.node)?;
        if kept {
            file.sync();
        } else if fault != Some(Fault::Halt) {
            file.fail_sync();
        }
        fault.map_or(Ok(()), |_| Err(input_output_error()))
    }

    fn raw_fd(&self) -> Option<RawFd> {
        None
    }
}

fn write(file: &mut FileNode, position: u64, bytes: &[u8], now_ms: i64) {
    if bytes.is_empty() {
        return;
    }
    let (start, size_before) = (position as usize, file.content.len() as u64);
    let end = start + bytes.len();
    let replaced = file.content.get(start..end.min(file.content.len())).unwrap_or(&[]).to_vec();
    if file.content.len() < end {
        file.content.resize(end, 0);
    }
    file.content[start..end].copy_from_slice(bytes);
    file.unsynced.push(Unsynced { position, written: Some(bytes.len() as u64), size_before, replaced });
    file.modified_ms = now_ms;
}
