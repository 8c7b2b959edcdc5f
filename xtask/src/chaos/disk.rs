//! A small disk that is filled and freed, and writers that keep a disk busy.

use std::fs::{self, File};
use std::io::{Seek, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use anyhow::{Context, Result};
use rustix::fs::FallocateFlags;

use crate::install::quietly;

/// A file system in memory. Unmounted when dropped, and by the network's guardian.
pub struct SmallDisk {
    pub folder: PathBuf,
}

impl SmallDisk {
    pub fn mount(folder: PathBuf, mib: u64) -> Result<SmallDisk> {
        fs::create_dir_all(&folder)?;
        let size = format!("size={mib}m");
        quietly(Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(&folder))
            .context("a full disk needs the right to mount a tmpfs")?;
        Ok(SmallDisk { folder })
    }

    fn ballast(&self) -> PathBuf {
        self.folder.join("ballast")
    }

    /// Leaves so many bytes.
    pub fn fill(&self, left: u64) -> Result<()> {
        let file = File::create(self.ballast())?;
        let room = rustix::fs::fstatvfs(&file)?;
        let free = room.f_bavail.saturating_mul(room.f_frsize).saturating_sub(left);
        // it writes meanwhile: what is gone already need not be taken
        for bytes in [free, free.saturating_sub(1 << 20), free.saturating_sub(8 << 20)] {
            if bytes > 0 && rustix::fs::fallocate(&file, FallocateFlags::empty(), 0, bytes).is_ok() {
                return Ok(());
            }
        }
        Ok(())
    }

    pub fn free(&self) -> Result<()> {
        fs::remove_file(self.ballast()).context("ballast")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").args(["-q", "-l"]).arg(&self.folder).stderr(Stdio::null()).status();
    }
}

/// Writers that sync all the time, until stopped or dropped.
pub struct Saturation {
    over: Arc<AtomicBool>,
    writers: Vec<JoinHandle<()>>,
    files: Vec<PathBuf>,
}

const WRITERS: usize = 2;
const PIECE: usize = 4 << 20;
const PIECES: u64 = 32;

impl Saturation {
    pub fn start(folder: &Path) -> Result<Saturation> {
        let over = Arc::new(AtomicBool::new(false));
        let mut saturation = Saturation { over: over.clone(), writers: Vec::new(), files: Vec::new() };
        for writer in 0..WRITERS {
            let path = folder.join(format!("saturation-{writer}"));
            let file = File::create(&path)?;
            let over = over.clone();
            saturation.files.push(path);
            saturation.writers.push(thread::spawn(move || write(file, &over)));
        }
        Ok(saturation)
    }

    pub fn stop(self) {}
}

impl Drop for Saturation {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        for writer in self.writers.drain(..) {
            let _ = writer.join();
        }
        for file in &self.files {
            let _ = fs::remove_file(file);
        }
    }
}

fn write(mut file: File, over: &AtomicBool) {
    let piece = vec![0x5a; PIECE];
    let mut count = 0;
    while !over.load(Ordering::Relaxed) {
        // a disk without room ends the fault, not the run
        if file.write_all(&piece).and_then(|()| file.sync_data()).is_err() {
            return;
        }
        count += 1;
        if count % PIECES == 0 && file.rewind().is_err() {
            return;
        }
    }
}
