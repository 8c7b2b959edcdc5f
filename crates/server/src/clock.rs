//! The process's clock: read once a turn, handed down as `Time`.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use platform::Time;

#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: Instant,
}

impl Clock {
    pub fn start() -> Clock {
        Clock { start: Instant::now() }
    }

    pub fn now(&self) -> Time {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Time { monotonic_us: self.start.elapsed().as_micros() as u64, wall_ms: wall.as_millis() as i64 }
    }
}
