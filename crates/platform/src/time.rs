//! Time as an argument: the core never asks a clock.

/// One instant, read once for a whole turn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Time {
    /// Microseconds since some fixed point of this process; never goes back. For time-outs.
    pub monotonic_us: u64,
    /// Milliseconds since the Unix epoch; may jump. For timestamps in records and files.
    pub wall_ms: i64,
}

impl Time {
    pub fn monotonic_ms(self) -> u64 {
        self.monotonic_us / 1000
    }
}
