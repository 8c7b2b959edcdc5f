//! False alarms: brokers that were fenced though they lived and could be reached. Only what the controllers say while nothing
//! but clocks and disks is disturbed, and a while after anything else, is held against them.

use std::fs;

use anyhow::{Context, Result};

use super::cluster::{Cluster, Entry};

/// A disturbance is remembered that long after its end, beside the session.
const AFTERMATH_MS: i64 = 4000;

/// Fencings in all, and those of them that nothing excuses.
#[derive(Default)]
pub struct Fencings {
    pub all: usize,
    pub by_session: usize,
    pub false_alarms: Vec<String>,
}

pub fn count(cluster: &Cluster, session_ms: u64, ready_ms: i64, over_ms: i64) -> Result<Fencings> {
    let mut found = Fencings::default();
    for node in &cluster.nodes {
        let text = fs::read_to_string(node.log()).unwrap_or_default();
        for line in text.lines().filter(|line| line.contains("fenced: ")) {
            let ms = time_of(line).with_context(|| format!("{}: {line}", node.log().display()))?;
            if ms < ready_ms || ms > over_ms {
                continue;
            }
            found.all += 1;
            found.by_session += usize::from(line.contains("session"));
            let aftermath = AFTERMATH_MS + session_ms as i64;
            if !cluster.timeline.entries.iter().any(|entry| excuses(entry, ms, aftermath)) {
                found.false_alarms.push(format!("node {}: {line}", node.id));
            }
        }
    }
    Ok(found)
}

fn excuses(entry: &Entry, ms: i64, aftermath: i64) -> bool {
    !entry.kind.leaves_brokers_alone()
        && entry.from_ms <= ms
        && entry.to_ms.is_none_or(|to_ms| ms <= to_ms + aftermath)
}

/// `2026-11-21T18:19:32.123456Z  INFO ...` in milliseconds since 1970.
fn time_of(line: &str) -> Result<i64> {
    let text = line.split_whitespace().next().context("empty")?;
    let (date, time) = text.trim_end_matches('Z').split_once('T').context("no time")?;
    let date: Vec<i64> = date.split('-').map(str::parse).collect::<Result<_, _>>()?;
    let time: Vec<f64> = time.split(':').map(str::parse).collect::<Result<_, _>>()?;
    let ([year, month, day], [hours, minutes, seconds]) = (&date[..], &time[..]) else {
        anyhow::bail!("not a time")
    };
    let in_ms = ((hours * 60.0 + minutes) * 60.0 + seconds) * 1000.0;
    Ok(days(*year, *month, *day) * 86_400_000 + in_ms as i64)
}

/// Days from 1970 to a day of the calendar (years counted from March, so that leap days come last).
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    year * 365 + year / 4 - year / 100 + year / 400 + of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::{days, time_of};

    #[test]
    fn times_of_lines() {
        assert_eq!(days(1970, 1, 1), 0);
        assert_eq!(days(2000, 3, 1), 11_017);
        assert_eq!(time_of("2026-11-21T18:19:32.123456Z  INFO x").ok(), Some(1_795_285_172_123));
    }
}
