//! The process: threads, sockets, disks, configuration. All behaviour is in `broker`; this crate moves bytes.

mod frames;
mod mailbox;
pub mod properties;
