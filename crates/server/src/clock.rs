//! The process's clock: read once a turn, handed down as `Time`. Its wall time can be set off only in a binary built with the
//! feature `test-clock`; a product has no such code.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use platform::Time;

#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: Instant,
}

impl Clock {
    pub fn start() -> Clock {
        #[cfg(feature = "test-clock")]
        jumps::watch();
        Clock { start: Instant::now() }
    }

    pub fn now(&self) -> Time {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as i64;
        #[cfg(feature = "test-clock")]
        let wall = wall + jumps::offset_ms();
        Time { monotonic_us: self.start.elapsed().as_micros() as u64, wall_ms: wall }
    }
}

/// Jumps of the wall clock: the file that `BARNABAS_TEST_CLOCK` names holds milliseconds to add.
#[cfg(feature = "test-clock")]
mod jumps {
    use std::sync::Once;
    use std::sync::atomic::{AtomicI64, Ordering};
    use std::time::Duration;

    static OFFSET_MS: AtomicI64 = AtomicI64::new(0);
    static WATCH: Once = Once::new();
    const PAUSE: Duration = Duration::from_millis(20);

    pub fn offset_ms() -> i64 {
        OFFSET_MS.load(Ordering::Relaxed)
    }

    pub fn watch() {
        let Some(file) = std::env::var_os("BARNABAS_TEST_CLOCK") else { return };
        WATCH.call_once(|| {
            let read = move || {
                let text = std::fs::read_to_string(&file).unwrap_or_default();
                OFFSET_MS.store(text.trim().parse().unwrap_or(0), Ordering::Relaxed);
            };
            read();
            std::thread::spawn(move || {
                loop {
                    std::thread::sleep(PAUSE);
                    read();
                }
            });
        });
    }
}
