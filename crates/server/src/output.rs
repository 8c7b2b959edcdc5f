//! What a connection still has to send: bytes by `writev`, file ranges by `sendfile`, in order.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::os::fd::{BorrowedFd, RawFd};

use broker::Chunk;
use bytes::{Buf, Bytes};
use platform::FileSlice;
use rustix::io::Errno;

/// How many pieces of bytes one `writev` takes.
const PIECES: usize = 64;
/// The most that one `sendfile` is asked for, so that one reader does not hold the thread.
const SENDFILE_MAX: u64 = 1 << 20;

#[derive(Debug, PartialEq, Eq)]
pub enum Progress {
    /// Everything is with the kernel.
    Done,
    /// The socket takes no more now.
    Full,
    /// The next piece is not in the page cache: to be read by a disk worker first.
    Cold,
}

#[derive(Debug, Default)]
pub struct Output {
    chunks: VecDeque<Chunk>,
    /// Bytes in memory that wait here; file ranges hold none.
    held: usize,
    /// The first file piece was brought into the page cache, however the probe answers.
    warmed: bool,
}

impl Output {
    pub fn push(&mut self, chunk: Chunk) {
        match &chunk {
            Chunk::Bytes(bytes) if bytes.is_empty() => return,
            Chunk::File(slice) if slice.size == 0 => return,
            Chunk::Bytes(bytes) => self.held += bytes.len(),
            Chunk::File(_) => {}
        }
        self.chunks.push_back(chunk);
    }

    pub fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }

    pub fn held(&self) -> usize {
        self.held
    }

    /// The piece that `Progress::Cold` speaks of.
    pub fn cold_piece(&self) -> Option<FileSlice> {
        match self.chunks.front() {
            Some(Chunk::File(slice)) => {
                Some(FileSlice { size: slice.size.min(SENDFILE_MAX), ..slice.clone() })
            }
            _ => None,
        }
    }

    pub fn warmed(&mut self) {
        self.warmed = true;
    }

    /// Sends as much as the socket takes. An error, and a file that is shorter than the range, end the connection.
    pub fn flush(&mut self, socket: BorrowedFd<'_>) -> io::Result<Progress> {
        loop {
            let sent = match self.chunks.front() {
                None => return Ok(Progress::Done),
                Some(Chunk::Bytes(_)) => self.send_bytes(socket)?,
                Some(Chunk::File(slice)) => {
                    let slice = slice.clone();
                    match slice.file.raw_fd() {
                        Some(file) => {
                            if !self.warmed && is_cold(file, &slice) {
                                return Ok(Progress::Cold);
                            }
                            self.send_file(socket, file, slice)?
                        }
                        None => {
                            self.read_into_memory(&slice)?;
                            true
                        }
                    }
                }
            };
            if !sent {
                return Ok(Progress::Full);
            }
        }
    }

    /// False where the socket takes no more.
    fn send_bytes(&mut self, socket: BorrowedFd<'_>) -> io::Result<bool> {
        let empty: &[u8] = &[];
        let mut pieces = [IoSlice::new(empty); PIECES];
        let mut count = 0;
        for (piece, chunk) in pieces.iter_mut().zip(&self.chunks) {
            let Chunk::Bytes(bytes) = chunk else { break };
            *piece = IoSlice::new(bytes);
            count += 1;
        }
        let result = if count == 1 {
            rustix::net::send(socket, &pieces[0], rustix::net::SendFlags::NOSIGNAL)
        } else {
            rustix::io::writev(socket, &pieces[..count])
        };
        match result {
            Ok(sent) => {
                self.consume(sent);
                Ok(true)
            }
            Err(Errno::AGAIN) => Ok(false),
            Err(Errno::INTR) => Ok(true),
            Err(error) => Err(error.into()),
        }
    }

    fn consume(&mut self, mut sent: usize) {
        self.held -= sent;
        while sent > 0 {
            let Some(Chunk::Bytes(bytes)) = self.chunks.front_mut() else { return };
            if sent < bytes.len() {
                bytes.advance(sent);
                return;
            }
            sent -= bytes.len();
            self.chunks.pop_front();
        }
    }

    fn send_file(&mut self, socket: BorrowedFd<'_>, file: RawFd, mut slice: FileSlice) -> io::Result<bool> {
        // SAFETY: the slice keeps its file open
        let file = unsafe { BorrowedFd::borrow_raw(file) };
        let count = slice.size.min(SENDFILE_MAX) as usize;
        let mut position = slice.position;
        match rustix::fs::sendfile(socket, file, Some(&mut position), count) {
            Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(sent) => {
                self.warmed = false;
                slice.position += sent as u64;
                slice.size -= sent as u64;
                if slice.size == 0 {
                    self.chunks.pop_front();
                } else if let Some(front) = self.chunks.front_mut() {
                    *front = Chunk::File(slice);
                }
                Ok(true)
            }
            Err(Errno::AGAIN) => Ok(false),
            Err(Errno::INTR) => Ok(true),
            Err(error) => Err(error.into()),
        }
    }

    fn read_into_memory(&mut self, slice: &FileSlice) -> io::Result<()> {
        let bytes = Bytes::from(slice.read()?);
        self.held += bytes.len();
        self.chunks[0] = Chunk::Bytes(bytes);
        Ok(())
    }
}

/// Asks for the last byte of the next piece without waiting for the disk (`preadv2` with `RWF_NOWAIT`).
fn is_cold(file: RawFd, slice: &FileSlice) -> bool {
    // SAFETY: the slice keeps its file open
    let file = unsafe { BorrowedFd::borrow_raw(file) };
    let last = slice.position + slice.size.min(SENDFILE_MAX) - 1;
    let mut byte = [0u8; 1];
    let mut buffers = [io::IoSliceMut::new(&mut byte)];
    let flags = rustix::io::ReadWriteFlags::NOWAIT;
    matches!(rustix::io::preadv2(file, &mut buffers, last, flags), Err(Errno::AGAIN))
}
