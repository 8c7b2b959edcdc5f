//! Messages into a thread that sleeps in `epoll_wait`: a channel and an eventfd that wakes it once.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;

use rustix::event::{EventfdFlags, eventfd};

#[derive(Debug)]
struct Bell {
    fd: OwnedFd,
    rung: AtomicBool,
}

/// The sending end; messages of one sender arrive in order.
#[derive(Debug)]
pub struct Sender<T> {
    channel: mpsc::Sender<T>,
    bell: Arc<Bell>,
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        Sender { channel: self.channel.clone(), bell: Arc::clone(&self.bell) }
    }
}

impl<T> Sender<T> {
    /// Lost without a word where the receiver has ended: the process is stopping then.
    pub fn send(&self, message: T) {
        if self.channel.send(message).is_ok() && !self.bell.rung.swap(true, Ordering::SeqCst) {
            let _ = rustix::io::write(&self.bell.fd, &1u64.to_ne_bytes());
        }
    }
}

#[derive(Debug)]
pub struct Receiver<T> {
    channel: mpsc::Receiver<T>,
    bell: Arc<Bell>,
}

impl<T> Receiver<T> {
    /// Readable while messages may be waiting.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.bell.fd.as_fd()
    }

    /// Silences the bell; to be called before `take`, so that what arrives later rings again.
    pub fn silence(&self) {
        let mut count = [0u8; 8];
        let _ = rustix::io::read(&self.bell.fd, &mut count);
        // a swap and no store: a store may come into effect only after `take` has looked, and a sender between the two
        // would think that the bell still rings
        self.bell.rung.swap(false, Ordering::SeqCst);
    }

    /// So that the next wait ends at once: not all was taken.
    pub fn ring(&self) {
        if !self.bell.rung.swap(true, Ordering::SeqCst) {
            let _ = rustix::io::write(&self.bell.fd, &1u64.to_ne_bytes());
        }
    }

    pub fn take(&self) -> Option<T> {
        self.channel.try_recv().ok()
    }
}

pub fn mailbox<T>() -> std::io::Result<(Sender<T>, Receiver<T>)> {
    let fd = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
    let bell = Arc::new(Bell { fd, rung: AtomicBool::new(false) });
    let (sender, receiver) = mpsc::channel();
    Ok((Sender { channel: sender, bell: Arc::clone(&bell) }, Receiver { channel: receiver, bell }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_of_a_sender_keep_their_order_and_ring_once() {
        let (sender, receiver) = mailbox().unwrap();
        let other = sender.clone();
        let thread = std::thread::spawn(move || (0..1000).for_each(|i| other.send(i)));
        thread.join().unwrap();
        sender.send(1000);
        receiver.silence();
        let got: Vec<i32> = std::iter::from_fn(|| receiver.take()).collect();
        assert_eq!(got, (0..=1000).collect::<Vec<_>>());
        let mut count = [0u8; 8];
        assert!(rustix::io::read(receiver.fd(), &mut count).is_err(), "silenced");
        sender.send(1);
        assert_eq!(rustix::io::read(receiver.fd(), &mut count), Ok(8));
    }
}
