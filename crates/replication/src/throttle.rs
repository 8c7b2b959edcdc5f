//! A rate that replication is held to: bytes of the last windows over the time that they took (KIP-73). What goes over
//! it is noticed afterwards: one more answer may, and then nothing until the rate is below again.

use std::collections::VecDeque;

/// No limit.
pub const UNLIMITED: u64 = i64::MAX as u64;

/// See the head of the file. Times are monotonic microseconds.
#[derive(Clone, Debug)]
pub struct Throttle {
    bytes_per_s: u64,
    window_us: u64,
    windows_max: u64,
    /// When each began, and its bytes.
    windows: VecDeque<(u64, u64)>,
}

impl Throttle {
    /// `windows` of `window_s` seconds are looked at.
    pub fn new(windows: u64, window_s: u64) -> Throttle {
        Throttle {
            bytes_per_s: UNLIMITED,
            window_us: window_s.max(1).saturating_mul(1_000_000),
            windows_max: windows.max(1),
            windows: VecDeque::new(),
        }
    }

    pub fn set_rate(&mut self, bytes_per_s: u64) {
        self.bytes_per_s = bytes_per_s;
    }

    pub fn is_limited(&self) -> bool {
        self.bytes_per_s < UNLIMITED
    }

    /// Windows that are over count no more; but what went over the rate is waited out first.
    fn drop_old(&mut self, now_us: u64) {
        let age_max = self.window_us.saturating_mul(self.windows_max);
        while self.over_until(now_us).is_none()
            && self.windows.front().is_some_and(|(began, _)| began.saturating_add(age_max) <= now_us)
        {
            self.windows.pop_front();
        }
    }

    fn over_until(&self, now_us: u64) -> Option<u64> {
        let &(first, _) = self.windows.front()?;
        let sum: u128 = self.windows.iter().map(|(_, bytes)| u128::from(*bytes)).sum();
        let elapsed = now_us.saturating_sub(first).max(self.window_us);
        if sum * 1_000_000 <= u128::from(self.bytes_per_s) * u128::from(elapsed) {
            return None;
        }
        let needed = (sum * 1_000_000).checked_div(u128::from(self.bytes_per_s));
        let needed = needed.and_then(|us| u64::try_from(us).ok()).unwrap_or(u64::MAX);
        Some(first.saturating_add(needed).max(now_us.saturating_add(1000)))
    }

    pub fn record(&mut self, now_us: u64, bytes: u64) {
        if !self.is_limited() || bytes == 0 {
            return;
        }
        self.drop_old(now_us);
        match self.windows.back_mut() {
            Some((began, sum)) if now_us < began.saturating_add(self.window_us) => {
                *sum = sum.saturating_add(bytes);
            }
            _ => self.windows.push_back((now_us, bytes)),
        }
    }

    /// None where the rate is kept; else when it will be again if nothing is added.
    pub fn exceeded_until(&mut self, now_us: u64) -> Option<u64> {
        if !self.is_limited() {
            return None;
        }
        self.drop_old(now_us);
        self.over_until(now_us)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000;

    #[test]
    fn a_sender_that_waits_as_told_keeps_the_rate() {
        for (rate, answer) in [(10_000, 4000), (1_000_000, 10_000), (1000, 30_000)] {
            let mut throttle = Throttle::new(11, 1);
            throttle.set_rate(rate);
            let (mut now, mut sent) = (5 * SECOND, 0);
            let begin = now;
            while now < begin + 300 * SECOND {
                match throttle.exceeded_until(now) {
                    Some(until) => {
                        assert!(until > now);
                        now = until;
                    }
                    None => {
                        throttle.record(now, answer);
                        sent += answer;
                        now += 1000;
                    }
                }
            }
            let wanted = rate * 300;
            assert!(sent <= wanted + wanted / 20 + answer, "{rate}: {sent}");
            assert!(sent >= wanted - wanted / 20, "{rate}: {sent}");
        }
    }

    #[test]
    fn limits_come_and_go() {
        let mut throttle = Throttle::new(11, 1);
        throttle.record(0, u64::MAX);
        assert_eq!(throttle.exceeded_until(0), None, "without a limit");
        throttle.set_rate(100);
        throttle.record(0, 100);
        assert_eq!(throttle.exceeded_until(10), None, "as much as a whole window may have");
        throttle.record(10, 100);
        assert_eq!(throttle.exceeded_until(10), Some(2 * SECOND));
        assert_eq!(throttle.exceeded_until(2 * SECOND), None);
        throttle.set_rate(0);
        assert_eq!(throttle.exceeded_until(2 * SECOND), Some(u64::MAX));
        throttle.set_rate(UNLIMITED);
        assert_eq!(throttle.exceeded_until(10), None);
    }
}
