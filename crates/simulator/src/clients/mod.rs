//! The programs that talk to the node. Each has one connection at a time, knows what it has asked, and holds the
//! answers against the invariants.

mod admin;
mod consuming;
mod coordinator;
mod exchange;
mod expander;
mod fetcher;
mod member;
mod mover;
mod observer;
mod offsets;
mod producer;
mod reading;
mod reassigner;
mod solo;
mod steward;

use crate::commands::{Api, Reply};
use crate::invariants::liveness::Standing;

pub use admin::Admin;
pub use expander::Expander;
pub use fetcher::Fetcher;
pub use member::Member;
pub use mover::Mover;
pub use observer::Observer;
pub use producer::Producer;
pub use reassigner::Reassigner;
pub use solo::Solo;
pub use steward::Steward;

/// The listener for clients, and the one for controllers, whose connections the quorum has.
pub const CLIENTS: u16 = 0;
pub const CONTROLLERS: u16 = 1;

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
    /// Which of a node's listeners it talks to.
    fn listener(&self) -> u16 {
        CLIENTS
    }
    fn name(&self) -> &'static str;
}
