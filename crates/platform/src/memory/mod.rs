//! A file system in memory that behaves like the worst real one: what is not synced is lost in a crash, wholly
//! or in part; names not synced are lost or kept; calls fail when told to. The same seed gives the same losses.

mod crash;
mod fault;
mod file;
mod file_system;
mod tree;

pub use fault::{Fault, FaultRates};
pub use file_system::MemoryFileSystem;

pub use self::trace::{Call, Operation};

mod trace;
