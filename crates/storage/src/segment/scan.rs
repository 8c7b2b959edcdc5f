//! Walks the batches of a `.log` file: headers alone, or whole batches with their checksums.

use std::io::{ErrorKind, IoSlice};
use std::sync::Arc;

use crc_fast::CrcAlgorithm::Crc32IsoHdlc;
use platform::{File, Planted, is_planted};
use records::{Batch, BatchError, HEADER_SIZE, Header};

/// Read at once where whole batches are wanted.
const WHOLE: usize = 512 << 10;
/// Read at once where headers suffice: small batches come several at a time, large ones are skipped.
const HEADERS: usize = 8 << 10;
/// No batch is larger: Kafka's largest setting.
const BATCH_MAX: u64 = i32::MAX as u64;

/// A part of a file in memory. Kept for a whole scan.
pub(crate) struct Window {
    bytes: Vec<u8>,
    start: u64,
    /// Bytes of `bytes` that are the file's.
    filled: usize,
    size: usize,
    /// Everything read is written once more, see `Window::rewriting`.
    rewrites: bool,
}

impl Window {
    pub(crate) fn whole() -> Window {
        Window { bytes: Vec::new(), start: 0, filled: 0, size: WHOLE, rewrites: false }
    }

    /// Whole batches, each byte written again where it lies. After a sync that failed the system takes pages for
    /// clean that the disk never had: what the next process reads is in memory alone, and no sync of its own would
    /// make it last.
    pub(crate) fn rewriting() -> Window {
        Window { rewrites: true, ..Window::whole() }
    }

    pub(crate) fn headers() -> Window {
        Window { size: HEADERS, ..Window::whole() }
    }

    /// Forgets the file it was on.
    pub(crate) fn reset(&mut self) {
        self.filled = 0;
    }

    /// The bytes from `position` on: at least `count`, or fewer where the file ends before.
    fn at(&mut self, file: &Arc<dyn File>, position: u64, count: usize, end: u64) -> std::io::Result<&[u8]> {
        let count = usize::try_from(end.saturating_sub(position)).unwrap_or(usize::MAX).min(count);
        let inside =
            position.checked_sub(self.start).filter(|skip| *skip <= self.filled as u64).unwrap_or(u64::MAX);
        let held = usize::try_from(inside).ok().and_then(|skip| self.filled.checked_sub(skip)).unwrap_or(0);
        if held < count {
            let left = usize::try_from(end.saturating_sub(position)).unwrap_or(usize::MAX);
            let wanted = count.max(self.size).min(left);
            if self.bytes.len() < wanted {
                self.bytes.resize(wanted, 0);
            }
            self.filled = file.read_at(self.bytes.get_mut(..wanted).unwrap_or_default(), position)?;
            self.start = position;
            if self.rewrites && !is_planted(Planted::RecoveredUnwritten) {
                rewrite(file, self.bytes.get(..self.filled).unwrap_or_default(), position)?;
            }
        }
        let skip = usize::try_from(position - self.start).unwrap_or(usize::MAX);
        Ok(self.bytes.get(skip..self.filled).unwrap_or_default())
    }
}

/// Writes bytes where they were read. A file system that wants new room for them and has none leaves them as they are.
pub(crate) fn rewrite(file: &Arc<dyn File>, bytes: &[u8], position: u64) -> std::io::Result<()> {
    match file.write_at(&mut [IoSlice::new(bytes)], position) {
        Err(error) if error.kind() == ErrorKind::StorageFull => Ok(()),
        written => written,
    }
}

/// What lies at a position.
pub(crate) enum Judged<'a> {
    /// A header, and the batch where whole ones were asked for.
    Batch(Header<'a>),
    /// The end of the file, or of what is readable in it.
    End,
    /// Bytes that are no batch, or a batch that is cut off or damaged.
    Damaged(String),
    /// A record of format 0 or 1 whose own checksum is right.
    Old,
}

pub(crate) struct Scan<'w> {
    pub(crate) file: &'w Arc<dyn File>,
    pub(crate) window: &'w mut Window,
    /// Bytes of the file that count.
    pub(crate) end: u64,
    /// Checks sums.
    pub(crate) verify: bool,
}

impl Scan<'_> {
    pub(crate) fn batch_at(&mut self, position: u64) -> std::io::Result<Judged<'_>> {
        if position >= self.end {
            return Ok(Judged::End);
        }
        let left = self.end - position;
        let verify = self.verify;
        let bytes = self.window.at(self.file, position, HEADER_SIZE, self.end)?;
        let size = match Header::parse(bytes) {
            Ok(Some(header)) => header.size() as u64,
            Ok(None) => return Ok(Judged::Damaged("a header is cut off".into())),
            Err(error @ BatchError::OldMagic(_)) => return self.old(position, &error),
            Err(error) => return Ok(Judged::Damaged(error.to_string())),
        };
        if size > left || size > BATCH_MAX {
            return Ok(Judged::Damaged(format!("a batch of {size} bytes with {left} left")));
        }
        let wanted = if verify { size as usize } else { HEADER_SIZE };
        let bytes = self.window.at(self.file, position, wanted, self.end)?;
        if verify {
            match Batch::first(bytes) {
                Ok(Some(batch)) => {
                    if let Err(error) = batch.verify_crc()
                        && !is_planted(Planted::TornBatchKept)
                    {
                        return Ok(Judged::Damaged(error.to_string()));
                    }
                }
                Ok(None) => return Ok(Judged::Damaged("a batch is cut off".into())),
                Err(error) => return Ok(Judged::Damaged(error.to_string())),
            }
        }
        match Header::parse(bytes) {
            Ok(Some(header)) => Ok(Judged::Batch(header)),
            _ => Ok(Judged::Damaged("a header is cut off".into())),
        }
    }

    /// The payload of the batch at `position`, which `batch_at` has given with `verify` on.
    pub(crate) fn bytes_at(&mut self, position: u64, size: usize) -> std::io::Result<&[u8]> {
        let bytes = self.window.at(self.file, position, size, self.end)?;
        Ok(bytes.get(..size).unwrap_or_default())
    }

    /// Half-written bytes may look like an old format: only its own checksum tells.
    fn old(&mut self, position: u64, error: &BatchError) -> std::io::Result<Judged<'_>> {
        let left = self.end - position;
        let bytes = self.window.at(self.file, position, HEADER_SIZE, self.end)?;
        let length =
            bytes.get(8..12).and_then(|length| length.first_chunk()).map_or(0, |l| i32::from_be_bytes(*l));
        let size = u64::try_from(length).unwrap_or(0) + 12;
        if size <= left {
            let bytes = self.window.at(self.file, position, size as usize, self.end)?;
            let stored =
                bytes.get(12..16).and_then(|crc| crc.first_chunk()).map_or(0, |c| u32::from_be_bytes(*c));
            let content = bytes.get(16..size as usize).unwrap_or_default();
            if crc_fast::checksum(Crc32IsoHdlc, content) as u32 == stored {
                return Ok(Judged::Old);
            }
        }
        Ok(Judged::Damaged(error.to_string()))
    }
}
