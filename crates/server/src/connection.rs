//! One socket: what has been read of its next frames, what it still has to send, and whether it may be read now.

use std::collections::VecDeque;
use std::io;
use std::net::TcpStream;
use std::os::fd::AsFd;

use broker::Chunk;
use broker::event::{ConnectionId, ListenerId};
use rustix::event::epoll::EventFlags;
use rustix::io::Errno;

use crate::frames::{FrameReader, Refused};
use crate::gathering::Gathering;
use crate::limits::Slot;
use crate::output::{Output, Progress};
use crate::parts::{Frame, Joining, Part, Sizes, Unjoinable};

/// Bytes of answers that may wait in memory before the peer's next request is read.
const OUTPUT_MAX: usize = 4 << 20;
/// A frame that misses at least this much is read straight into its own buffer.
const DIRECT_MIN: usize = 32 << 10;
const PRODUCE: i16 = protocol::ApiKey::Produce as i16;
/// How often one connection is read in a turn before others have theirs.
const READS_A_TURN: usize = 16;

pub struct Connection {
    pub id: ConnectionId,
    pub socket: TcpStream,
    pub output: Output,
    reader: FrameReader,
    gathering: Gathering,
    /// Frames read but not yet handed in.
    waiting: VecDeque<Frame>,
    /// Frames handed in and not yet answered.
    pub unanswered: VecDeque<Unanswered>,
    /// Answers to the first parts of a request whose last has none yet.
    joining: Joining,
    /// Bytes of the frames that wait and of those without an answer.
    frame_bytes: usize,
    /// What of this connection is counted in the thread's request memory.
    pub accounted: usize,
    /// When the frame that is arriving began.
    pub begun_us: u64,
    /// Not read although it could be: the node holds too many bytes of requests.
    pub starved: bool,
    pub side: Side,
    pub muted_until_us: u64,
    pub last_active_us: u64,
    /// Nothing more is handed in; closed when the output is sent.
    pub closing: bool,
    peer: Peer,
    /// A disk worker warms the next piece of the output.
    pub warming: bool,
    pub socket_full: bool,
    /// What epoll was last told.
    pub interest: EventFlags,
    /// In the list of connections to flush at the end of the turn.
    pub dirty: bool,
}

/// Who opened a connection: frames of an accepted one are requests, those of a dialed one answers.
#[derive(Debug)]
pub enum Side {
    Accepted { listener: ListenerId, _slot: Slot },
    Dialed,
}

/// What is remembered of a request until it is answered.
#[derive(Clone, Copy, Debug)]
pub struct Unanswered {
    pub api_key: i16,
    pub size: usize,
    pub since_us: u64,
    pub part: Option<Part>,
}

/// What is still to be expected of the other side. Requests that came whole are carried out in any case: whoever wants
/// no answers (acks=0) may close at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Peer {
    Talks,
    /// It sends no more, but may read the answers.
    Listens,
    /// It does neither.
    Gone,
}

/// The peer closed, sent nonsense, or the socket failed.
#[derive(Debug)]
pub enum ReadEnd {
    Closed,
    Failed(io::Error),
    Refused(Refused),
}

impl Connection {
    pub fn new(id: ConnectionId, socket: TcpStream, side: Side, now_us: u64) -> Connection {
        let reader = match side {
            Side::Accepted { .. } => FrameReader::of_requests(Sizes::USUAL),
            Side::Dialed => FrameReader::default(),
        };
        Connection {
            id,
            socket,
            output: Output::default(),
            reader,
            gathering: Gathering::default(),
            waiting: Default::default(),
            unanswered: VecDeque::new(),
            joining: Joining::default(),
            frame_bytes: 0,
            accounted: 0,
            begun_us: now_us,
            starved: false,
            side,
            muted_until_us: 0,
            last_active_us: now_us,
            closing: false,
            peer: Peer::Talks,
            warming: false,
            socket_full: false,
            interest: EventFlags::empty(),
            dirty: false,
        }
    }

    pub fn is_dialed(&self) -> bool {
        matches!(self.side, Side::Dialed)
    }

    /// The listener that it came in on.
    pub fn listener(&self) -> Option<ListenerId> {
        match self.side {
            Side::Accepted { listener, .. } => Some(listener),
            Side::Dialed => None,
        }
    }

    /// Reads what the socket has, within reason, into `waiting`.
    pub fn read(&mut self, scratch: &mut [u8], frame_max: usize) -> Result<(), ReadEnd> {
        let mut frames = Vec::new();
        let mut result = Ok(());
        for _ in 0..READS_A_TURN {
            match self.read_once(scratch, frame_max, &mut frames) {
                Ok(true) => {}
                Ok(false) => break,
                Err(end) => {
                    result = Err(end);
                    break;
                }
            }
        }
        self.frame_bytes += frames.iter().map(|frame| frame.bytes.len()).sum::<usize>();
        self.waiting.extend(frames);
        self.gathering.on_read(self.socket.as_fd(), self.reader.missing_of_frame());
        result
    }

    /// The socket gathers bytes that nobody has been told of.
    pub fn gathers(&self) -> bool {
        self.gathering.is_on()
    }

    /// Whatever has been gathered is told of.
    pub fn stop_gathering(&mut self) {
        self.gathering.stop(self.socket.as_fd());
    }

    /// True where more may be there.
    fn read_once(
        &mut self,
        scratch: &mut [u8],
        frame_max: usize,
        frames: &mut Vec<Frame>,
    ) -> Result<bool, ReadEnd> {
        let socket = self.socket.as_fd();
        if let Some(mut direct) = self.reader.direct() {
            let spare = direct.spare();
            if spare.len() >= DIRECT_MIN {
                let (room, whole) = (spare.len(), frames.len());
                let count = match rustix::io::read(socket, spare) {
                    Ok((filled, _)) => filled.len(),
                    Err(error) => return interrupted(error),
                };
                if count == 0 {
                    return Err(ReadEnd::Closed);
                }
                // SAFETY: the read filled that many
                unsafe { direct.filled(count, frame_max, frames) }.map_err(ReadEnd::Refused)?;
                // a large frame that is whole is worked on while the processor's caches have it
                return Ok(count == room && frames.len() == whole);
            }
        }
        match rustix::io::read(socket, &mut *scratch) {
            Ok(0) => Err(ReadEnd::Closed),
            Ok(count) => {
                self.reader.push(&scratch[..count], frame_max, frames).map_err(ReadEnd::Refused)?;
                Ok(count == scratch.len())
            }
            Err(error) => interrupted(error),
        }
    }

    /// May its next bytes be read?
    pub fn wants_read(&self, unanswered_max: usize, now_us: u64) -> bool {
        !self.closing
            && self.peer == Peer::Talks
            && self.waiting.is_empty()
            && self.unanswered.len() < unanswered_max
            && (self.is_dialed() || self.output.held() < OUTPUT_MAX)
            && self.muted_until_us <= now_us
    }

    /// May its next frame be handed in?
    pub fn may_hand_in(&self, unanswered_max: usize, now_us: u64) -> bool {
        !self.closing && self.unanswered.len() < unanswered_max && self.muted_until_us <= now_us
    }

    /// Nothing more is read; what began to arrive will not be whole.
    pub fn stop_reading(&mut self) {
        self.reader = FrameReader::default();
        if self.peer == Peer::Talks {
            self.peer = Peer::Listens;
        }
    }

    /// Nor is anything written.
    pub fn give_up(&mut self) {
        self.stop_reading();
        self.peer = Peer::Gone;
        self.socket_full = false;
        self.output = Output::default();
    }

    pub fn is_talking(&self) -> bool {
        self.peer == Peer::Talks
    }

    pub fn is_gone(&self) -> bool {
        self.peer == Peer::Gone
    }

    /// Nothing is left to be done for it: all was answered, or begun where nobody reads answers.
    pub fn is_done(&self) -> bool {
        match self.peer {
            Peer::Talks => false,
            Peer::Listens if self.is_dialed() => self.waiting.is_empty(),
            Peer::Listens => self.waiting.is_empty() && self.unanswered.is_empty() && self.output.is_empty(),
            Peer::Gone => self.waiting.is_empty() && self.all_begun(),
        }
    }

    /// The broker begins a request when none before it is unanswered, save that Produce may follow Produce.
    fn all_begun(&self) -> bool {
        self.unanswered.len() <= 1 || self.unanswered.iter().all(|one| one.api_key == PRODUCE)
    }

    /// What is to be sent for a frame that was answered so: of a request in parts nothing before its last.
    pub fn join(&mut self, part: Option<Part>, answer: Vec<Chunk>) -> Result<Vec<Chunk>, Unjoinable> {
        match part {
            None => Ok(answer),
            Some(part) => self.joining.add(part, answer),
        }
    }

    /// Something to be sent; nothing where nobody reads.
    pub fn push(&mut self, chunks: Vec<Chunk>) {
        if self.peer != Peer::Gone {
            chunks.into_iter().for_each(|chunk| self.output.push(chunk));
        }
    }

    pub fn flush(&mut self) -> io::Result<Progress> {
        let progress = self.output.flush(self.socket.as_fd())?;
        self.socket_full = progress == Progress::Full;
        Ok(progress)
    }

    /// The next frame to be handed in, unanswered from now on.
    pub fn begin_next(&mut self, now_us: u64) -> Option<Frame> {
        let frame = self.waiting.pop_front()?;
        let size = frame.bytes.len();
        if self.is_dialed() {
            self.frame_bytes = self.frame_bytes.saturating_sub(size);
            return Some(frame);
        }
        let api_key = frame.bytes.first_chunk::<2>().map_or(-1, |bytes| i16::from_be_bytes(*bytes));
        self.unanswered.push_back(Unanswered { api_key, size, since_us: now_us, part: frame.part });
        Some(frame)
    }

    /// The oldest unanswered frame is answered.
    pub fn end_oldest(&mut self) -> Option<Unanswered> {
        let done = self.unanswered.pop_front()?;
        self.frame_bytes = self.frame_bytes.saturating_sub(done.size);
        Some(done)
    }

    pub fn has_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    pub fn forget_waiting(&mut self) {
        self.frame_bytes = self.unanswered.iter().map(|one| one.size).sum();
        self.waiting.clear();
    }

    /// Bytes of requests that are held or set aside here.
    pub fn held(&self) -> usize {
        self.reader.held() + self.frame_bytes
    }

    /// Bytes of requests that have arrived and are held here.
    pub fn request_bytes(&self) -> usize {
        self.reader.arrived() + self.frame_bytes
    }

    /// No frame has begun to arrive.
    pub fn is_between_frames(&self) -> bool {
        self.reader.is_empty()
    }
}

fn interrupted(error: Errno) -> Result<bool, ReadEnd> {
    match error {
        Errno::AGAIN => Ok(false),
        Errno::INTR => Ok(true),
        other => Err(ReadEnd::Failed(other.into())),
    }
}
