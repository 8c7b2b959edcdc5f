//! What the node takes on: connections in all (`max.connections`) and from one address (`max.connections.per.ip` and its
//! overrides), and bytes of requests (`barnabas.request.memory.max.bytes`).

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

#[derive(Debug)]
pub struct ConnectionLimits {
    total_max: usize,
    per_ip_max: usize,
    overrides: BTreeMap<IpAddr, usize>,
    counts: Mutex<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    total: usize,
    per_ip: BTreeMap<IpAddr, usize>,
}

/// One connection's place; free again when dropped.
#[derive(Debug)]
pub struct Slot {
    limits: Arc<ConnectionLimits>,
    ip: IpAddr,
}

impl ConnectionLimits {
    pub fn new(
        total_max: usize,
        per_ip_max: usize,
        overrides: BTreeMap<IpAddr, usize>,
    ) -> Arc<ConnectionLimits> {
        Arc::new(ConnectionLimits { total_max, per_ip_max, overrides, counts: Mutex::default() })
    }

    /// None where there is no place left.
    pub fn take(self: &Arc<Self>, ip: IpAddr) -> Option<Slot> {
        let mut counts = self.counts.lock().ok()?;
        let of_ip = counts.per_ip.get(&ip).copied().unwrap_or(0);
        let per_ip_max = self.overrides.get(&ip).copied().unwrap_or(self.per_ip_max);
        if counts.total >= self.total_max || of_ip >= per_ip_max {
            return None;
        }
        counts.total += 1;
        counts.per_ip.insert(ip, of_ip + 1);
        Some(Slot { limits: Arc::clone(self), ip })
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let Ok(mut counts) = self.limits.counts.lock() else { return };
        counts.total = counts.total.saturating_sub(1);
        match counts.per_ip.get_mut(&self.ip) {
            Some(count) if *count > 1 => *count -= 1,
            _ => {
                counts.per_ip.remove(&self.ip);
            }
        }
    }
}

/// Bytes of requests that all threads hold: of those that have begun to arrive and of those without an answer. Threads
/// tell once a turn what changed, so the bound is kept to within what they read in a turn.
#[derive(Debug)]
pub struct RequestMemory {
    max: usize,
    held: AtomicUsize,
}

impl RequestMemory {
    pub fn new(max: usize) -> Arc<RequestMemory> {
        Arc::new(RequestMemory { max, held: AtomicUsize::new(0) })
    }

    /// A thread holds `now` where it held `before`.
    pub fn change(&self, before: usize, now: usize) {
        if now > before {
            self.held.fetch_add(now - before, Ordering::Relaxed);
        } else if now < before {
            self.held.fetch_sub(before - now, Ordering::Relaxed);
        }
    }

    /// No further request is to be read.
    pub fn is_full(&self) -> bool {
        self.held.load(Ordering::Relaxed) >= self.max
    }

    /// Not even those that have begun are to be read on: so much more than the bound that one frame of any size
    /// could have been completed.
    pub fn is_exceeded_by(&self, frame_max: usize) -> bool {
        self.held.load(Ordering::Relaxed) >= self.max.saturating_add(frame_max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_counted_and_come_back() {
        let (a, b): (IpAddr, IpAddr) = ("127.0.0.1".parse().unwrap(), "::1".parse().unwrap());
        let limits = ConnectionLimits::new(3, 2, BTreeMap::new());
        let first = limits.take(a).unwrap();
        let _second = limits.take(a).unwrap();
        assert!(limits.take(a).is_none(), "two from one address");
        let _third = limits.take(b).unwrap();
        assert!(limits.take(b).is_none(), "three in all");
        drop(first);
        assert!(limits.take(a).is_some());
    }

    #[test]
    fn an_override_holds_for_its_address() {
        let (a, b): (IpAddr, IpAddr) = ("10.0.0.1".parse().unwrap(), "10.0.0.2".parse().unwrap());
        let limits = ConnectionLimits::new(100, 0, BTreeMap::from([(a, 1)]));
        let _only = limits.take(a).unwrap();
        assert!(limits.take(a).is_none());
        assert!(limits.take(b).is_none());
    }

    #[test]
    fn request_memory_is_full_at_its_bound() {
        let memory = RequestMemory::new(100);
        memory.change(0, 99);
        assert!(!memory.is_full());
        memory.change(99, 100);
        assert!(memory.is_full() && !memory.is_exceeded_by(10));
        memory.change(0, 10);
        assert!(memory.is_exceeded_by(10));
        memory.change(110, 0);
        assert!(!memory.is_full());
    }
}
