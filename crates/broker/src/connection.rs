//! One client's connection: frames that wait for their turn and calls that wait for their answer.
//! Invariant: answers leave in the order of the frames; a call starts only when none before it is unanswered,
//! save that Produce may follow unanswered Produce.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;

use crate::Chunk;
use crate::event::ListenerId;
use crate::message::WorkId;

/// Names one call of one connection.
pub type Sequence = u64;

/// What became of a call.
#[derive(Debug)]
enum Outcome {
    Waiting,
    Reply(Vec<Chunk>),
    /// acks=0: the client expects nothing.
    Silence,
    /// The connection ends here; calls after this one are forgotten.
    Close,
}

/// What the shell is to do next for a connection, oldest call first.
#[derive(Debug)]
pub enum Departure {
    Reply(Vec<Chunk>),
    Silence,
    Close,
}

/// See the head of the file.
#[derive(Debug)]
pub struct Connection {
    pub listener: ListenerId,
    pub peer: SocketAddr,
    pub principal: Arc<str>,
    /// The last client id seen, kept to share it between calls.
    pub client_id: Option<Arc<str>>,
    /// Its fetch that waits or waited: it has one at a time.
    pub fetch: Option<WorkId>,
    frames: VecDeque<Bytes>,
    calls: VecDeque<(bool, Outcome)>,
    first: Sequence,
    closing: bool,
}

impl Connection {
    pub fn new(listener: ListenerId, peer: SocketAddr, principal: Arc<str>) -> Connection {
        Connection {
            listener,
            peer,
            principal,
            client_id: None,
            fetch: None,
            frames: VecDeque::new(),
            calls: VecDeque::new(),
            first: 0,
            closing: false,
        }
    }

    /// Frames and calls that have no answer yet.
    pub fn unanswered(&self) -> usize {
        self.frames.len() + self.calls.len()
    }

    pub fn push_frame(&mut self, frame: Bytes) {
        if !self.closing {
            self.frames.push_back(frame);
        }
    }

    /// The next frame that may start now.
    pub fn next_frame(&mut self) -> Option<Bytes> {
        let produces_only = self.calls.front().is_none_or(|(is_produce, _)| *is_produce);
        let may_start = match self.frames.front() {
            Some(frame) => self.calls.is_empty() || produces_only && is_produce(frame),
            None => false,
        };
        if may_start && !self.closing { self.frames.pop_front() } else { None }
    }

    /// Begins the call of the frame that `next_frame` gave.
    pub fn start(&mut self, is_produce: bool) -> Sequence {
        self.calls.push_back((is_produce, Outcome::Waiting));
        self.first + self.calls.len() as u64 - 1
    }

    pub fn reply(&mut self, sequence: Sequence, chunks: Vec<Chunk>) {
        self.settle(sequence, Outcome::Reply(chunks));
    }

    pub fn silence(&mut self, sequence: Sequence) {
        self.settle(sequence, Outcome::Silence);
    }

    pub fn close(&mut self, sequence: Sequence) {
        self.settle(sequence, Outcome::Close);
    }

    fn settle(&mut self, sequence: Sequence, outcome: Outcome) {
        let index = sequence.checked_sub(self.first).and_then(|index| usize::try_from(index).ok());
        if let Some((_, slot)) = index.and_then(|index| self.calls.get_mut(index)) {
            *slot = outcome;
        }
    }

    /// The oldest call's outcome, if it has one.
    pub fn depart(&mut self) -> Option<Departure> {
        if matches!(self.calls.front()?, (_, Outcome::Waiting)) {
            return None;
        }
        let (_, outcome) = self.calls.pop_front()?;
        self.first += 1;
        match outcome {
            Outcome::Reply(chunks) => Some(Departure::Reply(chunks)),
            Outcome::Silence => Some(Departure::Silence),
            Outcome::Waiting => None,
            Outcome::Close => {
                self.closing = true;
                self.frames.clear();
                self.calls.clear();
                Some(Departure::Close)
            }
        }
    }
}

/// The request's API key is its first two bytes; Produce is 0.
fn is_produce(frame: &Bytes) -> bool {
    frame.starts_with(&[0, 0])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connection() -> Connection {
        Connection::new(ListenerId(0), "127.0.0.1:1".parse().unwrap(), "User:ANONYMOUS".into())
    }

    fn produce() -> Bytes {
        Bytes::from_static(&[0, 0, 0, 9])
    }

    fn fetch() -> Bytes {
        Bytes::from_static(&[0, 1, 0, 12])
    }

    fn reply(text: &'static str) -> Vec<Chunk> {
        vec![Chunk::Bytes(Bytes::from_static(text.as_bytes()))]
    }

    fn departed(connection: &mut Connection) -> Vec<String> {
        let mut seen = Vec::new();
        while let Some(departure) = connection.depart() {
            seen.push(match departure {
                Departure::Reply(chunks) => format!("{chunks:?}").split('"').nth(1).unwrap_or("").to_owned(),
                Departure::Silence => "silence".into(),
                Departure::Close => "close".into(),
            });
        }
        seen
    }

    #[test]
    fn produce_may_follow_unanswered_produce_alone() {
        for (frames, started) in [
            (vec![produce(), produce(), produce()], 3),
            (vec![produce(), fetch(), produce()], 1),
            (vec![fetch(), produce()], 1),
            (vec![fetch(), fetch()], 1),
        ] {
            let mut connection = connection();
            frames.iter().for_each(|frame| connection.push_frame(frame.clone()));
            let mut count = 0;
            while let Some(frame) = connection.next_frame() {
                connection.start(is_produce(&frame));
                count += 1;
            }
            assert_eq!(count, started, "{frames:?}");
        }
    }

    #[test]
    fn answers_leave_in_the_order_of_the_frames() {
        let mut connection = connection();
        let calls: Vec<_> = (0..3).map(|_| connection.start(true)).collect();
        connection.reply(calls[2], reply("three"));
        connection.silence(calls[1]);
        assert_eq!(departed(&mut connection), Vec::<String>::new());
        connection.reply(calls[0], reply("one"));
        assert_eq!(departed(&mut connection), ["one", "silence", "three"]);
        let next = connection.start(false);
        connection.reply(next, reply("four"));
        assert_eq!(departed(&mut connection), ["four"]);
    }

    #[test]
    fn nothing_follows_a_close() {
        let mut connection = connection();
        let (first, second) = (connection.start(true), connection.start(true));
        connection.push_frame(produce());
        connection.reply(second, reply("never"));
        connection.close(first);
        assert_eq!(departed(&mut connection), ["close"]);
        connection.push_frame(produce());
        assert_eq!(connection.next_frame(), None);
    }
}
