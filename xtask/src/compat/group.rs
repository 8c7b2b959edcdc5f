//! A consumer group of two to eight members over flowing records: two join, two more join, four more join, two are killed,
//! four leave, and the two that stay must end with every record seen and every commit kept.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::Path;
use std::process::{ChildStdin, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::checks::create_topic;
use super::clients::Program;
use crate::process::Process;

const PARTITIONS: usize = 8;
const STEP: Duration = Duration::from_secs(90);

/// A program that runs until its standard input ends.
struct Running {
    process: Process,
    lines: Receiver<String>,
    input: Option<ChildStdin>,
}

impl Running {
    fn start(program: &Program, arguments: &[&str], folder: &Path) -> Result<Running> {
        let errors = folder.join(format!("{}.group.stderr", program.name));
        let errors = File::options().create(true).append(true).open(errors)?;
        let mut command = program.command();
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(errors);
        let mut process = Process::spawn(program.name, &mut command)?;
        let lines = process.lines()?;
        let input = process.take_stdin();
        Ok(Running { process, lines, input })
    }
}

/// What members have printed so far.
#[derive(Default)]
struct Seen {
    /// The flow's numbers.
    numbers: BTreeSet<u64>,
    /// Highest offset of each partition.
    highest: BTreeMap<usize, u64>,
}

impl Seen {
    /// Takes a `got` row; gives its partition and offset.
    fn take(&mut self, line: &str) -> Option<(usize, u64)> {
        let mut fields = line.strip_prefix("got\t")?.split('\t');
        let (partition, offset) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
        self.numbers.insert(fields.next()?.trim().parse().ok()?);
        let highest = self.highest.entry(partition).or_insert(offset);
        *highest = offset.max(*highest);
        Some((partition, offset))
    }
}

struct Scenario<'a> {
    program: &'a Program,
    bootstrap: &'a str,
    topic: String,
    group: String,
    folder: &'a Path,
    seen: Seen,
}

/// Runs the scenario; its detail says how much flowed.
pub fn run(
    program: &Program,
    java: &Program,
    reads_commits: bool,
    bootstrap: &str,
    folder: &Path,
) -> Result<String> {
    let (topic, group) = (format!("{}.group", program.name), format!("{}.members", program.name));
    create_topic(java, bootstrap, &topic, PARTITIONS)?;
    let mut scenario = Scenario { program, bootstrap, topic, group, folder, seen: Seen::default() };
    let sent = scenario.play()?;
    scenario.committed(if reads_commits { program } else { java })?;
    Ok(format!("{sent} records, 2 to 8 members, 2 killed, 4 left"))
}

impl Scenario<'_> {
    fn play(&mut self) -> Result<u64> {
        let mut flow = Running::start(self.program, &[self.bootstrap, "flow", &self.topic], self.folder)?;
        let mut stayers = vec![self.members(2)?];
        self.until_each_partition_moves(&mut stayers, "two members")?;
        let joined = self.members(2)?;
        stayers.push(joined);
        self.until_one_receives(&mut stayers, 1)?;
        stayers.push(self.members(4)?);
        self.until_one_receives(&mut stayers, 2)?;

        // Two members die without a word: the session time-out hands their partitions on.
        let mut killed = stayers.remove(1);
        killed.process.kill();
        while let Ok(line) = killed.lines.recv() {
            self.seen.take(&line);
        }
        self.until_each_partition_moves(&mut stayers, "after a kill")?;

        let leaving = stayers.pop().context("nobody left")?;
        self.leave(leaving)?;
        self.until_each_partition_moves(&mut stayers, "after leaving")?;

        drop(flow.input.take());
        let sent = self.sent(&flow)?;
        let total = usize::try_from(sent)?;
        self.until(&mut stayers, "all records", |seen, _| seen.numbers.len() >= total)?;
        for running in stayers {
            self.leave(running)?;
        }
        Ok(sent)
    }

    fn members(&self, count: usize) -> Result<Running> {
        let count = count.to_string();
        let arguments = [self.bootstrap, "member", &self.group, &self.topic, &count];
        Running::start(self.program, &arguments, self.folder)
    }

    /// Waits until records at new offsets have come from each partition to the members that are there.
    fn until_each_partition_moves(&mut self, members: &mut [Running], when: &str) -> Result<()> {
        let before = self.seen.highest.clone();
        let mut moved = BTreeSet::new();
        self.until(members, when, |_, row| {
            let Some((_, (partition, offset))) = row else { return false };
            if before.get(&partition).is_none_or(|&known| offset > known) {
                moved.insert(partition);
            }
            moved.len() == PARTITIONS
        })
    }

    fn until_one_receives(&mut self, members: &mut [Running], which: usize) -> Result<()> {
        self.until(members, "joining", |_, row| row.is_some_and(|(member, _)| member == which))
    }

    /// Takes rows of all members until `done` says so, asked once before and then of each row: who printed it, its
    /// partition and offset.
    fn until(
        &mut self,
        members: &mut [Running],
        when: &str,
        mut done: impl FnMut(&Seen, Option<(usize, (usize, u64))>) -> bool,
    ) -> Result<()> {
        let deadline = Instant::now() + STEP;
        let mut finished = done(&self.seen, None);
        while !finished {
            if Instant::now() > deadline {
                bail!(
                    "{when}: not within {} s; {} records seen so far",
                    STEP.as_secs(),
                    self.seen.numbers.len()
                );
            }
            for (which, member) in members.iter_mut().enumerate() {
                match member.lines.recv_timeout(Duration::from_millis(5)) {
                    Ok(line) => {
                        for line in std::iter::once(line).chain(member.lines.try_iter()) {
                            if let Some(place) = self.seen.take(&line) {
                                finished |= done(&self.seen, Some((which, place)));
                            }
                        }
                    }
                    Err(RecvTimeoutError::Timeout) => {}
                    Err(RecvTimeoutError::Disconnected) => bail!("{when}: a member ended by itself"),
                }
            }
        }
        Ok(())
    }

    fn leave(&mut self, mut member: Running) -> Result<()> {
        drop(member.input.take());
        let status = member.process.wait(STEP)?;
        while let Ok(line) = member.lines.recv() {
            self.seen.take(&line);
        }
        if !status.success() {
            bail!("a member left with {status}");
        }
        Ok(())
    }

    fn sent(&self, flow: &Running) -> Result<u64> {
        loop {
            let line = flow.lines.recv_timeout(STEP).context("the flow did not end well")?;
            if let Some(count) = line.strip_prefix("sent\t") {
                return Ok(count.parse()?);
            }
        }
    }

    /// After all have left, what is committed must be the end of each partition.
    fn committed(&self, reader: &Program) -> Result<()> {
        let mut command = reader.command();
        command.args([self.bootstrap, "committed", &self.group, &self.topic, &PARTITIONS.to_string()]);
        let output = command.stdin(Stdio::null()).output()?;
        let text = String::from_utf8_lossy(&output.stdout);
        let mut found = BTreeMap::new();
        for line in text.lines() {
            if let Some((partition, offset)) =
                line.strip_prefix("committed\t").and_then(|row| row.split_once('\t'))
            {
                found.insert(partition.parse::<usize>()?, offset.parse::<i64>()?);
            }
        }
        for (partition, highest) in &self.seen.highest {
            let committed = found.get(partition).copied().unwrap_or(-1);
            if committed != i64::try_from(*highest)? + 1 {
                bail!(
                    "partition {partition}: committed {committed}, the last record seen has offset {highest}"
                );
            }
        }
        Ok(())
    }
}
