//! A machine's clocks: both run at a pace of its own, and the wall clock jumps. A timer that an actor has set goes off when
//! the machine's own clock is there.

use platform::Time;

use crate::world::{Inside, MachineIndex, World};

/// The pace of the clients' clocks, in millionths.
pub const EVEN: u64 = 1_000_000;

/// Wall time at the start, in milliseconds.
pub const EPOCH_MS: i64 = 1_790_000_000_000;

/// Times without another word are microseconds of the simulation.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    /// Millionths of its microseconds to one of the simulation.
    pace: u64,
    /// Since when, and what it showed then.
    since: u64,
    shown_us: u64,
    /// How far the wall clock is from where the pace alone would have brought it.
    pub offset_ms: i64,
}

impl Clock {
    pub fn new(pace: u64) -> Clock {
        Clock { pace, since: 0, shown_us: 0, offset_ms: 0 }
    }

    fn monotonic_us(&self, now: u64) -> u64 {
        self.shown_us + (now - self.since) * self.pace / EVEN
    }

    pub fn time(&self, now: u64) -> Time {
        let monotonic_us = self.monotonic_us(now);
        Time { monotonic_us, wall_ms: EPOCH_MS + (monotonic_us / 1000) as i64 + self.offset_ms }
    }

    pub fn set_pace(&mut self, now: u64, pace: u64) {
        (self.shown_us, self.since, self.pace) = (self.monotonic_us(now), now, pace);
    }

    /// The wall clock is set right.
    pub fn set_right(&mut self, now: u64) {
        self.offset_ms = (now / 1000) as i64 - (self.monotonic_us(now) / 1000) as i64;
    }

    /// How long it takes until the clock is there.
    pub fn until(&self, now: u64, monotonic_us: u64) -> u64 {
        let left = monotonic_us.saturating_sub(self.monotonic_us(now));
        // whoever waits for ever waits for ever
        left.checked_mul(EVEN).map_or(u64::MAX, |left| left.div_ceil(self.pace))
    }
}

impl World {
    /// The pace that a machine's clocks have as long as nothing makes them faster or slower.
    pub fn give_pace(&mut self, machine: MachineIndex, pace: u64) {
        self.machines[machine].own_pace = pace;
        self.set_pace(machine, pace);
    }

    /// From now on a machine's clocks run like this.
    pub fn set_pace(&mut self, machine: MachineIndex, pace: u64) {
        let now = self.now;
        self.machines[machine].clock.set_pace(now, pace);
        let actors = self.machines[machine].node.as_ref().map_or(0, |node| node.wake_at.len());
        (0..actors).for_each(|actor| self.plan_tick(machine, actor));
    }

    /// An actor is woken when its machine's clock shows what it has asked for.
    pub fn plan_tick(&mut self, machine: MachineIndex, actor: usize) {
        let Some(node) = &self.machines[machine].node else { return };
        let at = node.wake_at[actor];
        let after = self.machines[machine].clock.until(self.now, at).max(1);
        if after < u64::MAX / 4 {
            self.plan_inside(after, machine, actor, Inside::Tick(at));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timer_goes_off_when_the_clock_is_there() {
        for pace in [250_000, 900_000, 999_999, EVEN, 1_100_001, 4_000_000] {
            let mut clock = Clock::new(pace);
            clock.set_pace(10_000_000, pace * 2);
            for wanted in [0, 20_000_001, 77_777_777, 900_000_000] {
                let after = clock.until(11_000_000, wanted);
                assert!(clock.time(11_000_000 + after).monotonic_us >= wanted, "{pace} {wanted}");
                let early = after.saturating_sub(3);
                assert!(after < 3 || clock.time(11_000_000 + early).monotonic_us < wanted, "{pace} {wanted}");
            }
            assert_eq!(clock.until(11_000_000, u64::MAX), u64::MAX);
        }
    }

    #[test]
    fn what_it_shows_does_not_jump_with_the_pace() {
        let mut clock = Clock::new(EVEN);
        clock.set_pace(5_000_000, 2 * EVEN);
        assert_eq!(clock.time(5_000_000).monotonic_us, 5_000_000);
        assert_eq!(clock.time(6_000_000).monotonic_us, 7_000_000);
        clock.set_right(6_000_000);
        assert_eq!(clock.time(6_000_000).wall_ms, EPOCH_MS + 6_000);
    }
}
