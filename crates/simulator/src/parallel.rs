//! Seeds on all cores at once. What came of them is handed on in the order of the seeds, so that a run reads the same
//! however many cores it had.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread;

thread_local! {
    static SEED: Cell<u64> = const { Cell::new(0) };
}

/// The seed that this thread is running.
pub fn seed() -> u64 {
    SEED.get()
}

pub fn cores() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// Runs seed after seed, from `first` to before `end`, and gives each outcome to `take`, in order, until it says no.
pub fn in_order<T: Send>(
    workers: usize,
    (first, end): (u64, u64),
    run: impl Fn(u64) -> T + Sync,
    mut take: impl FnMut(u64, T) -> bool,
) {
    let (next, over) = (AtomicU64::new(first), AtomicBool::new(false));
    let (sender, receiver) = mpsc::channel();
    let work = |sender: mpsc::Sender<(u64, T)>| {
        while !over.load(Ordering::Relaxed) {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            SEED.set(seed);
            if seed >= end || sender.send((seed, run(seed))).is_err() {
                return;
            }
        }
    };
    thread::scope(|scope| {
        for _ in 0..workers {
            let sender = sender.clone();
            scope.spawn(|| work(sender));
        }
        drop(sender);
        let (mut early, mut due) = (BTreeMap::new(), first);
        for (seed, outcome) in receiver {
            early.insert(seed, outcome);
            while let Some(outcome) = early.remove(&due) {
                if !take(due, outcome) {
                    over.store(true, Ordering::Relaxed);
                    return;
                }
                due += 1;
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outcomes_come_in_order_and_no_more_than_wanted() {
        for workers in [1, 3] {
            let mut seen = Vec::new();
            in_order(
                workers,
                (5, 100),
                |seed| seed * 2,
                |seed, twice| {
                    seen.push((seed, twice));
                    seed < 50
                },
            );
            let wanted: Vec<_> = (5..=50).map(|seed| (seed, seed * 2)).collect();
            assert_eq!(seen, wanted, "{workers} workers");
        }
    }

    #[test]
    fn the_end_is_the_end() {
        let mut seen = 0;
        in_order(
            2,
            (1, 8),
            |_| (),
            |_, ()| {
                seen += 1;
                true
            },
        );
        assert_eq!(seen, 7);
    }
}
