//! The process itself, from /proc: names as in Prometheus' own client libraries.

use std::io;

use super::text::Exposition;

pub fn write(out: &mut Exposition<'_>) -> io::Result<()> {
    let page = rustix::param::page_size() as u64;
    let ticks = rustix::param::clock_ticks_per_second() as f64;
    let stat = read("/proc/self/stat");
    // fields after the name, which may hold blanks, in parentheses
    let fields: Vec<&str> =
        stat.rsplit_once(')').map_or(Vec::new(), |(_, rest)| rest.split_whitespace().collect());
    let number = |index: usize| fields.get(index).and_then(|f| f.parse::<u64>().ok()).unwrap_or(0);
    let cpu = (number(11) + number(12)) as f64 / ticks;
    out.counter("process_cpu_seconds_total", "Processor time used.", cpu)?;
    out.gauge("process_resident_memory_bytes", "Memory in use.", number(21) * page)?;
    out.gauge("process_virtual_memory_bytes", "Addresses in use.", number(20))?;
    out.gauge("process_threads", "Threads.", number(17))?;
    let started = boot_time() as f64 + number(19) as f64 / ticks;
    out.gauge("process_start_time_seconds", "When the process began, since 1970.", started)?;
    out.gauge("process_open_fds", "Open file descriptors.", open_files())?;
    let most = rustix::process::getrlimit(rustix::process::Resource::Nofile).current.unwrap_or(u64::MAX);
    out.gauge("process_max_fds", "File descriptors that may be open.", most)
}

fn boot_time() -> u64 {
    let stat = read("/proc/stat");
    let line = stat.lines().find_map(|line| line.strip_prefix("btime "));
    line.and_then(|seconds| seconds.trim().parse().ok()).unwrap_or(0)
}

#[allow(clippy::disallowed_methods)]
fn open_files() -> usize {
    std::fs::read_dir("/proc/self/fd").map_or(0, |entries| entries.count().saturating_sub(1))
}

#[allow(clippy::disallowed_methods)]
fn read(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}
