//! A large Produce request is carried out part by part as it arrives: cut between partitions into requests of their
//! own (`cutter`), whose answers are joined into the one that the whole would have had (`joining`). Pure: no socket.

mod cursor;
mod cutter;
mod joining;
#[cfg(test)]
mod tests;

use bytes::Bytes;

pub use cutter::{Cutter, Malformed, Sizes, Verdict};
pub use joining::{Joining, Unjoinable};

/// What a frame is where it is not a request of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    pub api_version: i16,
    /// Its first topic is the last one of the part before.
    pub continues_topic: bool,
    pub is_last: bool,
}

/// One frame, without its length: whole, or a part that reads like a whole one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    pub bytes: Bytes,
    pub part: Option<Part>,
}

impl Frame {
    pub fn whole(bytes: Bytes) -> Frame {
        Frame { bytes, part: None }
    }
}

/// A request counts when the last of it is there.
pub fn ends_request(part: Option<Part>) -> bool {
    part.is_none_or(|part| part.is_last)
}
