//! The counters of all actors added up and named as Kafka's usual Prometheus exporters name them.

use std::fmt::Write;
use std::sync::mpsc::Sender;

use broker::metrics::Metrics;

/// One scrape at a time: those that come while it runs get the same answer.
#[derive(Default)]
pub struct Gathering {
    replies: Vec<Sender<String>>,
    missing: usize,
    sum: Metrics,
}

impl Gathering {
    /// True where the actors must be asked: no gathering was under way.
    pub fn begin(&mut self, reply: Sender<String>, actors: usize) -> bool {
        self.replies.push(reply);
        if self.missing > 0 {
            return false;
        }
        self.missing = actors;
        self.sum = Metrics::default();
        true
    }

    pub fn add(&mut self, metrics: Metrics) {
        self.sum.add(&metrics);
        self.missing = self.missing.saturating_sub(1);
        if self.missing == 0 {
            let text = text(&self.sum);
            for reply in self.replies.drain(..) {
                let _ = reply.send(text.clone());
            }
        }
    }
}

/// One line a series, each with its kind and what it tells. All are there from the start, at zero.
pub fn text(metrics: &Metrics) -> String {
    let mut out = String::with_capacity(8 << 10);
    for (name, kind, help, value) in metrics.series() {
        let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}");
    }
    process(&mut out);
    out
}

fn process(out: &mut String) {
    let page = rustix::param::page_size() as u64;
    let ticks = rustix::param::clock_ticks_per_second() as f64;
    let stat = read("/proc/self/stat");
    // fields after the name, which may hold blanks, in parentheses
    let fields: Vec<&str> =
        stat.rsplit_once(')').map_or(Vec::new(), |(_, rest)| rest.split_whitespace().collect());
    let number = |index: usize| fields.get(index).and_then(|f| f.parse::<u64>().ok()).unwrap_or(0);
    let cpu = (number(11) + number(12)) as f64 / ticks;
    let _ = writeln!(out, "# TYPE process_cpu_seconds_total counter\nprocess_cpu_seconds_total {cpu}");
    let resident = number(21) * page;
    let _ =
        writeln!(out, "# TYPE process_resident_memory_bytes gauge\nprocess_resident_memory_bytes {resident}");
}

#[allow(clippy::disallowed_methods)]
fn read(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}
