//! The same state of memory for all: a page cache that is full of clean pages, as on a machine that has run for long. A page
//! that the host has to hand out first, or that it took back while it lay free, would cost its first user seconds a GiB.

use std::fs::{self, File};
use std::io::{Read, Seek};
use std::path::PathBuf;

use anyhow::{Context, Result};

const BLOCK: usize = 1 << 20;
/// Between two looks at what is free.
const BLOCKS: usize = 64;
/// What is left free: enough that the kernel reclaims ahead of need.
const LEFT_KIB: u64 = 512 << 10;

/// A file of nothing but holes, read round and round: its pages fill the memory and no disk. The kernel takes those first
/// that were read longest ago, which are the next in turn.
pub struct Filler {
    path: PathBuf,
    file: File,
    size: u64,
    block: Vec<u8>,
}

impl Filler {
    /// Of so many GiB at most; none when that is 0.
    pub fn new(path: PathBuf, gib: u64) -> Result<Filler> {
        let file = File::options().read(true).write(true).create(true).truncate(true).open(&path)?;
        let size = gib << 30;
        file.set_len(size)?;
        let mut filler = Filler { path, file, size, block: vec![0; BLOCK] };
        filler.top_up()?;
        Ok(filler)
    }

    /// Reads until next to no memory is free.
    pub fn top_up(&mut self) -> Result<()> {
        let mut read = 0;
        while read < self.size && free_kib()? > LEFT_KIB {
            for _ in 0..BLOCKS {
                if self.file.read(&mut self.block)? == 0 {
                    self.file.rewind()?;
                }
                read += BLOCK as u64;
            }
        }
        Ok(())
    }
}

impl Drop for Filler {
    fn drop(&mut self) {
        // What is not there need not be removed.
        let _ = fs::remove_file(&self.path);
    }
}

/// Of `/proc/meminfo`.
pub fn available_gib() -> Result<u64> {
    Ok(meminfo("MemAvailable:")? >> 20)
}

fn free_kib() -> Result<u64> {
    meminfo("MemFree:")
}

fn meminfo(name: &str) -> Result<u64> {
    let text = fs::read_to_string("/proc/meminfo")?;
    let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_default();
    let kib = line.split_whitespace().nth(1).and_then(|kib| kib.parse().ok());
    kib.with_context(|| format!("no {name} in /proc/meminfo"))
}
