//! When faults have ended the node serves: everybody gets on, readers reach the end, groups settle.

/// What one client has to show at the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It has done what it wanted since the faults ended.
    Good,
    /// What it still waits for.
    Stuck(String),
}
