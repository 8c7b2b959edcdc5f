//! What one thread's loop counts of its connections and requests: an addition or two for each, nothing allocated after
//! an API's first request. Times go to fixed buckets, two for each doubling, from which quantiles are read.

/// Half powers of two of microseconds, up to more than an hour.
const BUCKETS: usize = 64;
/// Past any version that an API has.
const VERSIONS: usize = 24;
/// Past any API key.
const APIS: usize = 128;
/// How long until a time counts half in the quantiles.
const HALF_LIFE_US: u64 = 60_000_000;

/// Requests of one API.
#[derive(Clone, Debug)]
pub struct ApiTraffic {
    /// By version.
    pub requests: [u64; VERSIONS],
    pub answered: u64,
    pub total_us: u64,
    recent: [u64; BUCKETS],
}

impl Default for ApiTraffic {
    fn default() -> ApiTraffic {
        ApiTraffic { requests: [0; VERSIONS], answered: 0, total_us: 0, recent: [0; BUCKETS] }
    }
}

impl ApiTraffic {
    pub fn add(&mut self, other: &ApiTraffic) {
        self.requests.iter_mut().zip(other.requests).for_each(|(to, from)| *to += from);
        self.answered += other.answered;
        self.total_us += other.total_us;
        self.recent.iter_mut().zip(other.recent).for_each(|(to, from)| *to += from);
    }

    pub fn count(&mut self, api_version: i16) {
        if let Some(count) =
            usize::try_from(api_version).ok().and_then(|version| self.requests.get_mut(version))
        {
            *count += 1;
        }
    }

    pub fn answered(&mut self, took_us: u64) {
        self.answered += 1;
        self.total_us = self.total_us.saturating_add(took_us);
        if let Some(bucket) = self.recent.get_mut(bucket(took_us)) {
            *bucket += 1;
        }
    }

    /// Milliseconds; 0 while there was nothing.
    pub fn quantile_ms(&self, quantile: f64) -> f64 {
        let all: u64 = self.recent.iter().sum();
        let wanted = quantile * all as f64;
        let mut before = 0.0;
        for (index, &count) in self.recent.iter().enumerate().filter(|(_, count)| **count > 0) {
            let count = count as f64;
            if before + count >= wanted {
                let (low, high) = (lower_us(index) as f64, lower_us(index + 1) as f64);
                return (low + (high - low) * ((wanted - before) / count)) / 1000.0;
            }
            before += count;
        }
        0.0
    }
}

fn bucket(us: u64) -> usize {
    let us = us.max(1);
    let doublings = us.ilog2() as usize;
    let upper_half = doublings > 0 && us >> (doublings - 1) & 1 == 1;
    (doublings * 2 + usize::from(upper_half)).min(BUCKETS - 1)
}

/// Where a bucket begins.
fn lower_us(index: usize) -> u64 {
    let whole = 1u64 << (index / 2);
    if index.is_multiple_of(2) { whole } else { whole + whole / 2 }
}

/// See the head of the file.
#[derive(Clone, Debug, Default)]
pub struct Traffic {
    /// Open now, by `ListenerId`.
    pub connections: Vec<u64>,
    pub accepted: u64,
    pub closed: u64,
    pub closed_idle: u64,
    /// Bytes of requests that this thread holds.
    pub request_bytes: u64,
    pub bytes_received: u64,
    /// Time that this thread waited; in a snapshot of the last minute or two.
    pub idle_us: u64,
    /// In a snapshot: the time in which it waited so long.
    pub alive_us: u64,
    /// When the minute before the last and the last began, and `idle_us` then.
    minutes: [(u64, u64); 2],
    apis: Vec<Option<Box<ApiTraffic>>>,
    decayed_at_us: u64,
}

impl Traffic {
    pub fn opened(&mut self, listener: usize) {
        self.accepted += 1;
        if self.connections.len() <= listener {
            self.connections.resize(listener + 1, 0);
        }
        self.connections[listener] += 1;
    }

    pub fn ended(&mut self, listener: usize) {
        self.closed += 1;
        if let Some(open) = self.connections.get_mut(listener) {
            *open = open.saturating_sub(1);
        }
    }

    /// None for a key that is no API's.
    pub fn api_mut(&mut self, api_key: i16) -> Option<&mut ApiTraffic> {
        let index = usize::try_from(api_key).ok().filter(|index| *index < APIS)?;
        if self.apis.len() <= index {
            self.apis.resize_with(index + 1, || None);
        }
        Some(self.apis.get_mut(index)?.get_or_insert_default())
    }

    pub fn api(&self, api_key: i16) -> Option<&ApiTraffic> {
        self.apis.get(usize::try_from(api_key).ok()?)?.as_deref()
    }

    /// A copy for whoever asks; old times count less from here on.
    pub fn snapshot(&mut self, now_us: u64) -> Traffic {
        let mut copy = self.clone();
        let [(began_us, idle_us), (last_us, _)] = self.minutes;
        copy.alive_us = now_us.saturating_sub(began_us);
        copy.idle_us = self.idle_us.saturating_sub(idle_us);
        if now_us.saturating_sub(last_us) >= HALF_LIFE_US {
            self.minutes = [self.minutes[1], (now_us, self.idle_us)];
        }
        if now_us.saturating_sub(self.decayed_at_us) >= HALF_LIFE_US {
            self.decayed_at_us = now_us;
            let buckets = self.apis.iter_mut().flatten().flat_map(|api| &mut api.recent);
            buckets.for_each(|count| *count /= 2);
        }
        copy
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_lies_in_its_bucket() {
        for us in (0..2000).chain([1 << 20, (1 << 20) - 1, 3 << 19, u64::MAX / 2]) {
            let index = bucket(us);
            assert!(lower_us(index) <= us.max(1), "{us}");
            assert!(index == BUCKETS - 1 || us < lower_us(index + 1) || us <= 1, "{us}");
        }
    }

    #[test]
    fn quantiles_are_near() {
        let mut api = ApiTraffic::default();
        assert_eq!(api.quantile_ms(0.99), 0.0);
        (1..=1000u64).for_each(|ms| api.answered(ms * 1000));
        for (quantile, expected) in [(0.5, 500.0), (0.95, 950.0), (0.999, 999.0)] {
            let found = api.quantile_ms(quantile);
            assert!((found - expected).abs() / expected < 0.15, "{quantile}: {found}");
        }
    }
}
