//! Latencies of a run, and what is said of them.

/// Percentiles of samples.
#[derive(Clone, Debug, Default)]
pub struct Latencies {
    samples: Vec<i64>,
    sampling: u64,
    pub count: u64,
    pub bytes: u64,
    pub total: i64,
    pub max: i64,
}

/// Samples kept of a run.
const SAMPLES_MAX: u64 = 500_000;

impl Latencies {
    /// Keeps every n-th of so many that are to come.
    pub fn of(expected: u64) -> Latencies {
        let sampling = (expected / expected.clamp(1, SAMPLES_MAX)).max(1);
        Latencies { sampling, ..Latencies::default() }
    }

    pub fn record(&mut self, latency: i64, bytes: usize) {
        if self.count.is_multiple_of(self.sampling.max(1)) {
            self.samples.push(latency);
        }
        self.count += 1;
        self.bytes += bytes as u64;
        self.total += latency;
        self.max = self.max.max(latency);
    }

    pub fn average(&self) -> f64 {
        self.total as f64 / self.count as f64
    }

    pub fn percentiles<const N: usize>(&self, wanted: [f64; N]) -> [i64; N] {
        let mut sorted = self.samples.clone();
        sorted.sort_unstable();
        wanted.map(|part| {
            let index = (part * sorted.len() as f64) as usize;
            sorted.get(index.min(sorted.len().saturating_sub(1))).copied().unwrap_or(0)
        })
    }
}

/// Records and mebibytes a second.
pub fn rates(count: u64, bytes: u64, elapsed_ms: i64) -> (f64, f64) {
    let per_second = |amount: f64| 1000.0 * amount / elapsed_ms as f64;
    (per_second(count as f64), per_second(bytes as f64) / (1024.0 * 1024.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_samples() {
        let mut latencies = Latencies::of(100);
        (1..=100).for_each(|latency| latencies.record(latency, 10));
        assert_eq!(latencies.percentiles([0.5, 0.95, 0.99, 0.999]), [51, 96, 100, 100]);
        assert_eq!((latencies.average(), latencies.max, latencies.bytes), (50.5, 100, 1000));
        let mut many = Latencies::of(1_000_000);
        (0..1_000_000).for_each(|latency| many.record(latency, 1));
        assert_eq!(many.samples.len(), 500_000);
        assert_eq!(rates(1000, 1 << 20, 500), (2000.0, 2.0));
    }
}
