//! A node without its shell: actors that take events and give effects. One `Quorum` and some `Shard`s, each
//! owned by one thread; they share nothing but immutable values and exchange `Message`s.

pub mod config;
pub mod event;
pub mod message;
pub mod metrics;

use bytes::Bytes;
use platform::FileSlice;

/// A piece of a reply: bytes, or a range of a file that is sent without being read.
#[derive(Clone, Debug)]
pub enum Chunk {
    Bytes(Bytes),
    File(FileSlice),
}
