//! How many connections the node takes: in all (`max.connections`) and from one address (`max.connections.per.ip`).

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};

#[derive(Debug)]
pub struct ConnectionLimits {
    total_max: usize,
    per_ip_max: usize,
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
    pub fn new(total_max: usize, per_ip_max: usize) -> Arc<ConnectionLimits> {
        Arc::new(ConnectionLimits { total_max, per_ip_max, counts: Mutex::default() })
    }

    /// None where there is no place left.
    pub fn take(self: &Arc<Self>, ip: IpAddr) -> Option<Slot> {
        let mut counts = self.counts.lock().ok()?;
        let of_ip = counts.per_ip.get(&ip).copied().unwrap_or(0);
        if counts.total >= self.total_max || of_ip >= self.per_ip_max {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_counted_and_come_back() {
        let limits = ConnectionLimits::new(3, 2);
        let (a, b): (IpAddr, IpAddr) = ("127.0.0.1".parse().unwrap(), "::1".parse().unwrap());
        let first = limits.take(a).unwrap();
        let _second = limits.take(a).unwrap();
        assert!(limits.take(a).is_none(), "two from one address");
        let _third = limits.take(b).unwrap();
        assert!(limits.take(b).is_none(), "three in all");
        drop(first);
        assert!(limits.take(a).is_some());
    }
}
