//! The same state of memory for all: a page cache that is full of clean pages, as on a machine that has run for long. A page
//! that the host has to hand out first, or that it took back while it lay free, would cost its first user seconds a GiB.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::PathBuf;

use anyhow::{Context, Result};

const BLOCK: usize = 1 << 20;
const FILE_MIB: usize = 256;
/// What is left free: enough that the kernel reclaims ahead of need.
const LEFT_KIB: u64 = 512 << 10;

/// Files that nobody needs, read again in turns where their pages have gone. The kernel takes those first that were read
/// longest ago, which are the next in turn.
pub struct Filler {
    folder: PathBuf,
    most: usize,
    files: usize,
    next: usize,
    block: Vec<u8>,
}

impl Filler {
    /// Of so many GiB at most; none when that is 0.
    pub fn new(folder: PathBuf, gib: u64) -> Result<Filler> {
        let most = usize::try_from(gib)? * 1024 / FILE_MIB;
        let mut filler = Filler { folder, most, files: 0, next: 0, block: vec![7; BLOCK] };
        filler.remove();
        fs::create_dir_all(&filler.folder)?;
        filler.top_up()?;
        Ok(filler)
    }

    /// Reads and writes until next to no memory is free.
    pub fn top_up(&mut self) -> Result<()> {
        for _ in 0..self.most * 2 {
            if free_kib()? <= LEFT_KIB {
                break;
            }
            if self.files < self.most {
                self.write_one()?;
            } else {
                self.read_one()?;
            }
        }
        Ok(())
    }

    fn write_one(&mut self) -> Result<()> {
        let mut file = File::create(self.folder.join(self.files.to_string()))?;
        for _ in 0..FILE_MIB {
            file.write_all(&self.block)?;
        }
        // Only clean pages are there to be taken.
        file.sync_data()?;
        self.files += 1;
        Ok(())
    }

    fn read_one(&mut self) -> Result<()> {
        let mut file = File::open(self.folder.join(self.next.to_string()))?;
        while file.read(&mut self.block)? > 0 {}
        self.next = (self.next + 1) % self.files.max(1);
        Ok(())
    }

    fn remove(&self) {
        // What is not there need not be removed.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

impl Drop for Filler {
    fn drop(&mut self) {
        self.remove();
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
    line.split_whitespace()
        .nth(1)
        .and_then(|kib| kib.parse().ok())
        .with_context(|| format!("no {name} in /proc/meminfo"))
}
