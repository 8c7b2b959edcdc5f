//! The programs that talk to the node. Each has one connection at a time, knows what it has asked, and holds the
//! answers against the invariants.

mod admin;
mod fetcher;
mod member;
mod producer;
mod reading;

use crate::commands::{Api, Reply};
use crate::invariants::liveness::Standing;

pub use admin::Admin;
pub use fetcher::Fetcher;
pub use member::Member;
pub use producer::Producer;

/// How many topics live as long as the run.
fn admin_lasting() -> usize {
    admin::LASTING
}

/// A client's behaviour.
pub trait Program {
    /// The time that it asked for has come.
    fn wake(&mut self, api: &mut Api<'_>);
    fn on_reply(&mut self, api: &mut Api<'_>, reply: Reply);
    /// The connection is gone, or could not be made.
    fn on_closed(&mut self, api: &mut Api<'_>);
    /// The faults have ended: what is done from here on counts for `standing`.
    fn calm(&mut self);
    fn standing(&self, model: &crate::model::Model) -> Standing;
    fn name(&self) -> &'static str;
}
