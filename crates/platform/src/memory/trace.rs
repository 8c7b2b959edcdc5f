//! What was asked of the file system, in order: the crash points of a scenario, and a thing to compare in tests.

use std::fmt;
use std::path::PathBuf;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    Open,
    Read,
    Write,
    SetSize,
    Sync,
    Create,
    Rename,
    Remove,
    SyncDirectory,
    SetModified,
}

impl Operation {
    /// Whether a crash before it and one after it can leave different things behind.
    pub fn changes(self) -> bool {
        !matches!(self, Operation::Open | Operation::Read)
    }
}

/// One call. `position` and `size` are those of reads and writes, else 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    pub operation: Operation,
    pub path: PathBuf,
    pub position: u64,
    pub size: u64,
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = format!("{:?}", self.operation).to_lowercase();
        write!(f, "{name} {}", self.path.display())?;
        match self.operation {
            Operation::Read | Operation::Write => write!(f, " {}+{}", self.position, self.size),
            Operation::SetSize => write!(f, " {}", self.size),
            _ => Ok(()),
        }
    }
}
