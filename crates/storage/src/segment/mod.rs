//! One segment: a `.log` file of batches and what finds the way in it.

mod entry_file;
mod index;
mod place;
mod scan;
mod state;
mod time_index;
mod transaction_index;

pub(crate) use index::OffsetIndex;
pub(crate) use place::Place;
pub(crate) use scan::{Judged, Scan, Window, rewrite};
pub(crate) use state::Segment;
pub(crate) use time_index::TimeIndex;
pub use transaction_index::AbortedTransaction;
pub(crate) use transaction_index::{
    append as append_aborted, read as read_aborted, truncate as truncate_aborted,
};
