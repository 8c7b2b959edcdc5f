//! So many a second, roughly.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

pub struct Throttle {
    per_second: f64,
    start: Instant,
}

impl Throttle {
    /// A negative rate is no limit.
    pub fn new(per_second: f64) -> Throttle {
        Throttle { per_second, start: Instant::now() }
    }

    /// Waits until number `done` (from 0) may be sent. Short waits are saved up: a timer is no finer than that.
    pub async fn wait(&self, done: u64) {
        if self.per_second < 0.0 {
            return;
        }
        if self.per_second == 0.0 {
            return std::future::pending().await;
        }
        let due = Duration::try_from_secs_f64(done as f64 / self.per_second).unwrap_or(Duration::MAX);
        let due = self.start.checked_add(due);
        if let Some(due) = due.filter(|due| *due > Instant::now() + Duration::from_millis(2)) {
            sleep_until(due).await;
        }
    }
}
