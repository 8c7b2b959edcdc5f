//! The real file system, by way of rustix: positioned reads and vectored writes, fdatasync, statvfs, locks.

use std::fs;
use std::io::{self, IoSlice};
use std::os::fd::{AsRawFd, RawFd};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::fs::FlockOperation;
use rustix::io::Errno;

use crate::file_system::write_zeros;
use crate::{DirEntry, File, FileSystem, Lock, OpenMode};

/// What the kernel takes in one vectored call.
const SLICES_MAX: usize = 1024;

#[derive(Clone, Copy, Debug, Default)]
pub struct OsFileSystem;

#[derive(Debug)]
struct OsFile(fs::File);

#[derive(Debug)]
struct OsLock(#[expect(dead_code, reason = "held, not read: dropping it frees the lock")] fs::File);

impl Lock for OsLock {}

impl FileSystem for OsFileSystem {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn File>> {
        let mut options = fs::OpenOptions::new();
        options.read(true);
        match mode {
            OpenMode::Read => &mut options,
            OpenMode::ReadWrite => options.write(true),
            OpenMode::CreateOrOpen => options.write(true).create(true),
            OpenMode::CreateNew => options.write(true).create_new(true),
        };
        Ok(Arc::new(OsFile(options.open(path)?)))
    }

    fn read_directory(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        let mut entries = Vec::new();
        for entry in fs::read_dir(path)? {
            let entry = entry?;
            // a name that is not UTF-8 is no file of ours
            let Ok(name) = entry.file_name().into_string() else { continue };
            entries
                .push(DirEntry { name, is_directory: fs::metadata(entry.path()).is_ok_and(|m| m.is_dir()) });
        }
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(entries)
    }

    fn create_directory_all(&self, path: &Path) -> io::Result<()> {
        fs::create_dir_all(path)
    }

    fn exists(&self, path: &Path) -> bool {
        path.exists()
    }

    fn file_size(&self, path: &Path) -> io::Result<u64> {
        Ok(fs::metadata(path)?.len())
    }

    fn modified_ms(&self, path: &Path) -> io::Result<i64> {
        let modified = fs::metadata(path)?.modified()?;
        Ok(match modified.duration_since(UNIX_EPOCH) {
            Ok(after) => i64::try_from(after.as_millis()).unwrap_or(i64::MAX),
            Err(before) => -i64::try_from(before.duration().as_millis()).unwrap_or(i64::MAX),
        })
    }

    fn set_modified_ms(&self, path: &Path, wall_ms: i64) -> io::Result<()> {
        let distance = Duration::from_millis(wall_ms.unsigned_abs());
        let time: Option<SystemTime> =
            if wall_ms >= 0 { UNIX_EPOCH.checked_add(distance) } else { UNIX_EPOCH.checked_sub(distance) };
        let time = time.ok_or(io::ErrorKind::InvalidInput)?;
        fs::OpenOptions::new().write(true).open(path)?.set_modified(time)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn remove_directory_all(&self, path: &Path) -> io::Result<()> {
        fs::remove_dir_all(path)
    }

    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        fs::File::open(path)?.sync_all()
    }

    fn sync_everything(&self, path: &Path) -> io::Result<()> {
        Ok(rustix::fs::syncfs(fs::File::open(path)?)?)
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn Lock>> {
        let file = fs::OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        // flock keeps out a second holder, in this process too; the record lock is the one that Java takes,
        // so that Kafka and we keep each other out.
        rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive).map_err(lock_error)?;
        rustix::fs::fcntl_lock(&file, FlockOperation::NonBlockingLockExclusive).map_err(lock_error)?;
        Ok(Box::new(OsLock(file)))
    }

    fn space(&self, path: &Path) -> io::Result<(u64, u64)> {
        let volume = rustix::fs::statvfs(path)?;
        Ok((volume.f_blocks.saturating_mul(volume.f_frsize), volume.f_bavail.saturating_mul(volume.f_frsize)))
    }
}

fn lock_error(error: Errno) -> io::Error {
    match error {
        Errno::AGAIN | Errno::ACCESS => io::ErrorKind::WouldBlock.into(),
        other => other.into(),
    }
}

impl File for OsFile {
    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        let mut filled = 0;
        while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match rustix::io::pread(&self.0, rest, position.saturating_add(filled as u64)) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(filled)
    }

    fn write_at(&self, mut buffers: &mut [IoSlice<'_>], mut position: u64) -> io::Result<()> {
        // empty slices at the front would look like a write of nothing
        IoSlice::advance_slices(&mut buffers, 0);
        while !buffers.is_empty() {
            let now = buffers.len().min(SLICES_MAX);
            match rustix::io::pwritev(&self.0, &buffers[..now], position) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => {
                    IoSlice::advance_slices(&mut buffers, written);
                    position = position.saturating_add(written as u64);
                }
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn size(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn set_size(&self, size: u64) -> io::Result<()> {
        self.0.set_len(size)
    }

    fn allocate(&self, size: u64) -> io::Result<()> {
        match rustix::fs::fallocate(&self.0, rustix::fs::FallocateFlags::empty(), 0, size) {
            Err(Errno::OPNOTSUPP | Errno::NOSYS) => write_zeros(self, size),
            done => Ok(done?),
        }
    }

    fn sync(&self) -> io::Result<()> {
        // not tried again, not even after EINTR: what an unfinished sync has lost is unknown
        Ok(rustix::fs::fdatasync(&self.0)?)
    }

    fn raw_fd(&self) -> Option<RawFd> {
        Some(self.0.as_raw_fd())
    }
}
