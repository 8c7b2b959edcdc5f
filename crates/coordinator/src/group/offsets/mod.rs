//! Committed offsets of one group: the store, and the requests and time-outs that touch it.

mod commit;
mod delete;
mod expiry;
mod fetch;
mod store;

pub(crate) use commit::{commit, commit_transactional};
pub(crate) use delete::{delete, of_deleted_topics, tombstone};
pub(crate) use expiry::Sweep;
pub(crate) use fetch::{fetch, has_unstable_writes};
pub use store::CommittedOffset;
pub(crate) use store::Offsets;
