//! Threads that wait for disks, so that the ones that serve never do: syncs, small files written whole, and reads that
//! warm the page cache. One thread does what concerns one path in order.

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, mpsc};
use std::thread;

use broker::event::{ConnectionId, DirectoryIndex, DiskFailure, DiskToken, Event};
use bytes::Bytes;
use platform::{File, FileSlice, FileSystem};
use rustix::io::Errno;

use crate::mailbox::Sender;
use crate::reactor::Mail;

/// Stack of a thread that only makes system calls.
const STACK: usize = 192 << 10;

/// Whom to tell when a job is done, and what it was.
pub struct Ticket {
    pub token: DiskToken,
    pub directory: DirectoryIndex,
    pub file_system: Arc<dyn FileSystem>,
    pub to: Sender<Mail>,
}

impl Ticket {
    fn done(self, result: io::Result<()>) {
        let Ticket { token, directory, .. } = self;
        // what passes: nothing was changed, and the disk is not to blame
        let no_room = [Errno::NOSPC, Errno::DQUOT, Errno::MFILE, Errno::NFILE, Errno::NOMEM];
        let result = result.map_err(|error| DiskFailure {
            directory,
            no_room: Errno::from_io_error(&error).is_some_and(|errno| no_room.contains(&errno)),
            reason: error.to_string(),
        });
        self.to.send(Mail::Event(Event::DiskDone { token, result }));
    }
}

enum Job {
    Sync { ticket: Ticket, files: Vec<Arc<dyn File>>, directories: Vec<PathBuf> },
    Write { ticket: Ticket, path: PathBuf, content: Bytes },
    Warm { slice: FileSlice, connection: ConnectionId, to: Sender<Mail> },
}

/// One thread for syncs and writes, one for reads.
#[derive(Clone)]
pub struct Disk {
    writes: mpsc::Sender<Job>,
    reads: mpsc::Sender<Job>,
}

impl Disk {
    /// Threads named after the actor; the one for reads only where clients are served.
    pub fn start(name: &str) -> io::Result<Disk> {
        Ok(Disk { writes: thread(format!("{name}-sync"))?, reads: thread(format!("{name}-read"))? })
    }

    pub fn sync(&self, ticket: Ticket, files: Vec<Arc<dyn File>>, directories: Vec<PathBuf>) {
        submit(&self.writes, Job::Sync { ticket, files, directories });
    }

    pub fn write(&self, ticket: Ticket, path: PathBuf, content: Bytes) {
        submit(&self.writes, Job::Write { ticket, path, content });
    }

    pub fn warm(&self, slice: FileSlice, connection: ConnectionId, to: Sender<Mail>) {
        submit(&self.reads, Job::Warm { slice, connection, to });
    }
}

/// Lost where the thread has ended: the process is stopping then.
fn submit(to: &mpsc::Sender<Job>, job: Job) {
    let _ = to.send(job);
}

fn thread(name: String) -> io::Result<mpsc::Sender<Job>> {
    let (jobs, queue) = mpsc::channel::<Job>();
    thread::Builder::new().name(name).stack_size(STACK).spawn(move || queue.into_iter().for_each(work))?;
    Ok(jobs)
}

fn work(job: Job) {
    match job {
        Job::Sync { ticket, files, directories } => {
            let files = files.iter().try_for_each(|file| file.sync());
            let all = files.and_then(|()| {
                directories
                    .iter()
                    .try_for_each(|directory| ticket.file_system.sync_directory_if_exists(directory))
            });
            ticket.done(all);
        }
        Job::Write { ticket, path, content } => {
            let result = ticket.file_system.write_atomically(&path, &content);
            ticket.done(result);
        }
        Job::Warm { slice, connection, to } => {
            warm(&slice);
            to.send(Mail::Warmed(connection));
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
