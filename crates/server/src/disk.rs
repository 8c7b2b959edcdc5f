//! Threads that wait for disks, so that the ones that serve never do: syncs, and reads that warm the page cache.

use std::io;
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::thread;

use platform::{File, FileSlice};

/// Stack of a thread that only makes system calls.
const STACK: usize = 128 << 10;

pub enum Job {
    /// Syncs all files, then tells.
    Sync { files: Vec<Arc<dyn File>>, done: Box<dyn FnOnce(io::Result<()>) + Send> },
    /// Reads the range so that it is in the page cache, then tells.
    Warm { slice: FileSlice, done: Box<dyn FnOnce() + Send> },
}

/// A fixed number of threads that take jobs in order.
#[derive(Clone)]
pub struct Disk {
    jobs: mpsc::Sender<Job>,
}

impl Disk {
    pub fn start(name: &str, threads: usize) -> io::Result<Disk> {
        let (jobs, queue) = mpsc::channel::<Job>();
        let queue = Arc::new(Mutex::new(queue));
        for _ in 0..threads {
            let queue = Arc::clone(&queue);
            thread::Builder::new().name(name.to_owned()).stack_size(STACK).spawn(move || work(&queue))?;
        }
        Ok(Disk { jobs })
    }

    /// Dropped where the threads have ended: the process is stopping then.
    pub fn submit(&self, job: Job) {
        let _ = self.jobs.send(job);
    }
}

fn work(queue: &Mutex<mpsc::Receiver<Job>>) {
    loop {
        let Ok(queue) = queue.lock() else { return };
        let Ok(job) = queue.recv() else { return };
        drop(queue);
        match job {
            Job::Sync { files, done } => done(files.iter().try_for_each(|file| file.sync())),
            Job::Warm { slice, done } => {
                warm(&slice);
                done();
            }
        }
    }
}

/// An error here shows again, and is dealt with, when the range is sent.
fn warm(slice: &FileSlice) {
    let mut buffer = [0u8; 64 << 10];
    let end = slice.position + slice.size;
    let mut position = slice.position;
    while position < end {
        let wanted = (end - position).min(buffer.len() as u64) as usize;
        match slice.file.read_at(&mut buffer[..wanted], position) {
            Ok(0) | Err(_) => return,
            Ok(count) => position += count as u64,
        }
    }
}
