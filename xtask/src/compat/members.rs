//! What the scenarios of groups share: a producer that flows, members that print what they get, and what was seen of it.

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

pub const PARTITIONS: usize = 8;
pub const STEP: Duration = Duration::from_secs(90);

/// A program that runs until its standard input ends.
pub struct Running {
    pub process: Process,
    pub lines: Receiver<String>,
    input: Option<ChildStdin>,
}

impl Running {
    pub fn start(program: &Program, arguments: &[&str], folder: &Path) -> Result<Running> {
        let errors = folder.join(format!("{}.group.stderr", program.name));
        let errors = File::options().create(true).append(true).open(errors)?;
        let mut command = program.command();
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(errors);
        let mut process = Process::spawn(program.name, &mut command)?;
        let lines = process.lines()?;
        let input = process.take_stdin();
        Ok(Running { process, lines, input })
    }

    /// Ends its standard input: the sign to stop.
    pub fn end(&mut self) {
        drop(self.input.take());
    }
}

/// What members have printed so far.
#[derive(Default)]
pub struct Seen {
    /// The flow's numbers.
    pub numbers: BTreeSet<u64>,
    /// Highest offset of each partition.
    pub highest: BTreeMap<usize, u64>,
    /// What is known to be committed: nothing before it may be delivered again.
    pub committed: BTreeMap<usize, u64>,
    /// Where that happened nevertheless.
    pub gone_back: Option<(usize, u64)>,
}

impl Seen {
    /// Takes a `got` row; gives its partition and offset.
    pub fn take(&mut self, line: &str) -> Option<(usize, u64)> {
        let mut fields = line.strip_prefix("got\t")?.split('\t');
        let (partition, offset) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
        self.numbers.insert(fields.next()?.trim().parse().ok()?);
        let highest = self.highest.entry(partition).or_insert(offset);
        *highest = offset.max(*highest);
        if self.committed.get(&partition).is_some_and(|&committed| offset < committed) {
            self.gone_back = Some((partition, offset));
        }
        Some((partition, offset))
    }
}

/// One client's topic, group, and what its members have seen.
pub struct Scenario<'a> {
    program: &'a Program,
    pub bootstrap: &'a str,
    pub topic: String,
    group: String,
    folder: &'a Path,
    pub seen: Seen,
}

impl<'a> Scenario<'a> {
    /// Makes the topic; `what` tells scenarios of one client apart.
    pub fn new(
        program: &'a Program,
        java: &Program,
        what: &str,
        bootstrap: &'a str,
        folder: &'a Path,
    ) -> Result<Scenario<'a>> {
        let (topic, group) = (format!("{}.{what}", program.name), format!("{}.{what}.members", program.name));
        create_topic(java, bootstrap, &topic, PARTITIONS)?;
        Ok(Scenario { program, bootstrap, topic, group, folder, seen: Seen::default() })
    }

    pub fn flow(&self) -> Result<Running> {
        Running::start(self.program, &[self.bootstrap, "flow", &self.topic], self.folder)
    }

    pub fn members(&self, count: usize) -> Result<Running> {
        let count = count.to_string();
        let arguments = [self.bootstrap, "member", &self.group, &self.topic, &count];
        Running::start(self.program, &arguments, self.folder)
    }

    /// Waits until records at new offsets have come from each partition to the members that are there.
    pub fn until_each_partition_moves(&mut self, members: &mut [Running], when: &str) -> Result<()> {
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

    pub fn until_one_receives(&mut self, members: &mut [Running], which: usize) -> Result<()> {
        self.until(members, "joining", |_, row| row.is_some_and(|(member, _)| member == which))
    }

    /// Takes rows of all members until `done` says so, asked once before and then of each row: who printed it, its
    /// partition and offset.
    pub fn until(
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

    pub fn leave(&mut self, mut member: Running) -> Result<()> {
        member.end();
        let status = member.process.wait(STEP)?;
        while let Ok(line) = member.lines.recv() {
            self.seen.take(&line);
        }
        if !status.success() {
            bail!("a member left with {status}");
        }
        Ok(())
    }

    pub fn sent(&self, flow: &Running) -> Result<u64> {
        loop {
            let line = flow.lines.recv_timeout(STEP).context("the flow did not end well")?;
            if let Some(count) = line.strip_prefix("sent\t") {
                return Ok(count.parse()?);
            }
        }
    }

    /// What the group has committed, asked by a program that can tell; -1 where nothing is.
    pub fn committed(&self, reader: &Program) -> Result<BTreeMap<usize, i64>> {
        let mut command = reader.command();
        command.args([self.bootstrap, "committed", &self.group, &self.topic, &PARTITIONS.to_string()]);
        let output = command.stdin(Stdio::null()).output()?;
        let text = String::from_utf8_lossy(&output.stdout);
        let mut found: BTreeMap<usize, i64> = (0..PARTITIONS).map(|partition| (partition, -1)).collect();
        for line in text.lines() {
            if let Some((partition, offset)) =
                line.strip_prefix("committed\t").and_then(|row| row.split_once('\t'))
            {
                found.insert(partition.parse()?, offset.parse()?);
            }
        }
        Ok(found)
    }

    /// After all have left, what is committed must be the end of each partition.
    pub fn all_committed(&self, reader: &Program) -> Result<()> {
        let found = self.committed(reader)?;
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
