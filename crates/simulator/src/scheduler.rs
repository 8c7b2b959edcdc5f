//! What happens next: ordered by time, ties by the seed. What must keep an order is given different times.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

use platform::Random;

struct Planned<T> {
    at: u64,
    tie: u64,
    what: T,
}

impl<T> Planned<T> {
    fn key(&self) -> (u64, u64) {
        (self.at, self.tie)
    }
}

impl<T> PartialEq for Planned<T> {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl<T> Eq for Planned<T> {}

impl<T> PartialOrd for Planned<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Ord for Planned<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key().cmp(&other.key())
    }
}

/// Times are microseconds of the simulation.
pub struct Scheduler<T> {
    planned: BinaryHeap<Reverse<Planned<T>>>,
    random: Random,
}

impl<T> Scheduler<T> {
    pub fn new(random: Random) -> Scheduler<T> {
        Scheduler { planned: BinaryHeap::new(), random }
    }

    pub fn at(&mut self, at: u64, what: T) {
        let tie = self.random.next_u64();
        self.planned.push(Reverse(Planned { at, tie, what }));
    }

    pub fn next(&mut self) -> Option<(u64, T)> {
        self.planned.pop().map(|Reverse(planned)| (planned.at, planned.what))
    }

    /// Takes out what `wanted` says, in the order of time.
    pub fn take(&mut self, wanted: impl Fn(&T) -> bool) -> Vec<T> {
        let all = std::mem::take(&mut self.planned).into_vec();
        let (mut taken, kept): (Vec<_>, Vec<_>) = all.into_iter().partition(|Reverse(one)| wanted(&one.what));
        self.planned = kept.into();
        taken.sort_by(|Reverse(a), Reverse(b)| a.cmp(b));
        taken.into_iter().map(|Reverse(planned)| planned.what).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_decides_then_the_seed() {
        let mut orders = std::collections::BTreeSet::new();
        for seed in 0..20 {
            let mut scheduler = Scheduler::new(Random::new(seed));
            for (at, name) in [(5, "late"), (1, "a"), (1, "b"), (1, "c")] {
                scheduler.at(at, name);
            }
            let order: Vec<_> = std::iter::from_fn(|| scheduler.next()).map(|(_, name)| name).collect();
            assert_eq!(order.last(), Some(&"late"));
            orders.insert(order);
        }
        assert!(orders.len() > 3, "{orders:?}");
    }

    #[test]
    fn what_is_taken_does_not_happen() {
        let mut scheduler = Scheduler::new(Random::new(1));
        (0..10u64).for_each(|n| scheduler.at(10 - n, n));
        assert_eq!(scheduler.take(|n| n % 2 == 0), [8, 6, 4, 2, 0]);
        assert_eq!(scheduler.next(), Some((1, 9)));
    }
}
