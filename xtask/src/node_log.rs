//! What nodes say in their logs, and when.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

/// A line of a node's log.
#[derive(Clone, Debug)]
pub struct Fenced {
    pub at_ms: i64,
    pub broker: usize,
    /// Its session ended, rather than its connections.
    pub by_session: bool,
    pub line: String,
}

/// All of a log; none where there is no log.
pub fn fenced(log: &Path) -> Result<Vec<Fenced>> {
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines = text.lines().filter(|line| line.contains("fenced: "));
    lines.map(|line| parse(line).with_context(|| format!("{}: {line}", log.display()))).collect()
}

fn parse(line: &str) -> Result<Fenced> {
    let (_, said) = line.split_once("broker ").context("no broker")?;
    Ok(Fenced {
        at_ms: time_of(line)?,
        broker: said.split_whitespace().next().context("no number")?.parse()?,
        by_session: line.contains("session"),
        line: line.to_owned(),
    })
}

/// The lines of a moment, both ends in milliseconds since 1970.
pub fn between(log: &Path, from_ms: i64, to_ms: i64) -> Vec<String> {
    let text = fs::read_to_string(log).unwrap_or_default();
    let is_then = |line: &&str| time_of(line).is_ok_and(|ms| (from_ms..=to_ms).contains(&ms));
    text.lines().filter(is_then).map(str::to_owned).collect()
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
    use super::{days, parse, time_of};

    #[test]
    fn times_of_lines() {
        assert_eq!(days(1970, 1, 1), 0);
        assert_eq!(days(2000, 3, 1), 11_017);
        assert_eq!(time_of("2026-11-21T18:19:32.123456Z  INFO x").ok(), Some(1_795_285_172_123));
    }

    #[test]
    fn lines_of_either_kind() {
        let line =
            |said: &str| format!("2026-11-21T18:19:32.123456Z  INFO server::log: quorum: broker {said}");
        for (said, broker, by_session) in
            [("2 is fenced: silent for its session", 2, true), ("13 is gone and fenced: refused", 13, false)]
        {
            let found = parse(&line(said)).expect("a line");
            assert_eq!((found.broker, found.by_session), (broker, by_session));
        }
        assert!(parse(&line("x is fenced: ")).is_err());
    }
}
