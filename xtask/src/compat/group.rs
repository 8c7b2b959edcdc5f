//! A consumer group of two to eight members over flowing records: two join, two more join, four more join, two are killed,
//! four leave, and the two that stay must end with every record seen and every commit kept.

use std::path::Path;

use anyhow::{Context, Result};

use super::clients::Program;
use super::members::Scenario;

/// Runs the scenario; its detail says how much flowed.
pub fn run(
    program: &Program,
    java: &Program,
    reads_commits: bool,
    bootstrap: &str,
    folder: &Path,
) -> Result<String> {
    let mut scenario = Scenario::new(program, java, "group", bootstrap, folder)?;
    let sent = play(&mut scenario)?;
    scenario.all_committed(if reads_commits { program } else { java })?;
    Ok(format!("{sent} records, 2 to 8 members, 2 killed, 4 left"))
}

fn play(scenario: &mut Scenario) -> Result<u64> {
    let mut flow = scenario.flow()?;
    let mut stayers = vec![scenario.members(2)?];
    scenario.until_each_partition_moves(&mut stayers, "two members")?;
    let joined = scenario.members(2)?;
    stayers.push(joined);
    scenario.until_one_receives(&mut stayers, 1)?;
    stayers.push(scenario.members(4)?);
    scenario.until_one_receives(&mut stayers, 2)?;

    // Two members die without a word: the session time-out hands their partitions on.
    let mut killed = stayers.remove(1);
    killed.process.kill();
    while let Ok(line) = killed.lines.recv() {
        scenario.seen.take(&line);
    }
    scenario.until_each_partition_moves(&mut stayers, "after a kill")?;

    let leaving = stayers.pop().context("nobody left")?;
    scenario.leave(leaving)?;
    scenario.until_each_partition_moves(&mut stayers, "after leaving")?;

    flow.end();
    let sent = scenario.sent(&flow)?;
    let total = usize::try_from(sent)?;
    scenario.until(&mut stayers, "all records", |seen, _| seen.numbers.len() >= total)?;
    for running in stayers {
        scenario.leave(running)?;
    }
    Ok(sent)
}
