//! The process: threads, sockets, disks, configuration. All behaviour is in `broker`; this crate moves bytes.

mod acceptor;
mod clock;
pub mod configuration;
mod connection;
mod connections;
mod dial;
mod directories;
mod disk;
pub mod format;
mod frames;
mod gathering;
mod http;
mod limits;
mod logging;
mod mailbox;
mod metrics;
pub mod node;
mod node_config;
mod output;
mod parts;
mod peers;
pub mod process;
pub mod properties;
mod quiet;
mod reactor;
mod table;
