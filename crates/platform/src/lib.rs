//! The only door to the operating system: time, random numbers and files.
//! `os` is the real one; `memory` is the simulator's, with crashes and faults.

mod file_system;
pub mod memory;
mod os;
mod planted;
mod random;
mod time;

pub use file_system::{DirEntry, File, FileSlice, FileSystem, Lock, OpenMode};
pub use memory::MemoryFileSystem;
pub use os::OsFileSystem;
#[cfg(feature = "planted")]
pub use planted::plant;
pub use planted::{Planted, is_planted};
pub use random::Random;
pub use time::Time;
