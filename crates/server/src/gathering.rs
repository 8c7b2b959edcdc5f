//! How much a socket gathers before it wakes its thread (`SO_RCVLOWAT`): the rest of a large frame, within reason, and never
//! more than the frame misses, so that no whole frame waits. The system wakes the thread all the same when the socket has
//! no more room, the peer ends, or memory is short.

use std::os::fd::{AsRawFd, BorrowedFd};

/// The most that is gathered: a large frame of a busy producer would else wake the thread for each of its segments.
const GATHERED_MAX: usize = 1 << 20;
/// A frame that misses less is not worth a system call.
const GATHERED_MIN: usize = 64 << 10;

/// See the head of the file.
#[derive(Debug)]
pub struct Gathering {
    /// As the socket was told last.
    bytes: usize,
}

impl Default for Gathering {
    /// Of a new socket.
    fn default() -> Gathering {
        Gathering { bytes: 1 }
    }
}

impl Gathering {
    pub fn is_on(&self) -> bool {
        self.bytes > 1
    }

    /// `missing`: what is still to come of the frame that is arriving, where that is known.
    pub fn on_read(&mut self, socket: BorrowedFd<'_>, missing: Option<usize>) {
        self.set(socket, wanted(self.bytes, missing));
    }

    pub fn stop(&mut self, socket: BorrowedFd<'_>) {
        self.set(socket, 1);
    }

    fn set(&mut self, socket: BorrowedFd<'_>, bytes: usize) {
        if bytes == self.bytes {
            return;
        }
        let Ok(value) = libc::c_int::try_from(bytes) else { return };
        let size = size_of_val(&value) as libc::socklen_t;
        // SAFETY: the kernel reads one int from a place that holds one
        let result = unsafe {
            let (level, name) = (libc::SOL_SOCKET, libc::SO_RCVLOWAT);
            libc::setsockopt(socket.as_raw_fd(), level, name, (&raw const value).cast(), size)
        };
        if result == 0 {
            self.bytes = bytes;
        }
    }
}

/// A socket that gathers goes on to the end of its frame.
fn wanted(now: usize, missing: Option<usize>) -> usize {
    match missing {
        Some(missing) if missing >= GATHERED_MIN || now > 1 => missing.clamp(1, GATHERED_MAX),
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_more_than_the_frame_misses() {
        for (now, missing, expected) in [
            (1, None, 1),
            (1, Some(0), 1),
            (1, Some(GATHERED_MIN - 1), 1),
            (1, Some(GATHERED_MIN), GATHERED_MIN),
            (1, Some(usize::MAX), GATHERED_MAX),
            (GATHERED_MAX, Some(GATHERED_MAX + 1), GATHERED_MAX),
            (GATHERED_MAX, Some(GATHERED_MAX - 1), GATHERED_MAX - 1),
            (GATHERED_MAX, Some(7), 7),
            (7, Some(0), 1),
            (7, None, 1),
        ] {
            assert_eq!(wanted(now, missing), expected, "{now} {missing:?}");
        }
    }
}
