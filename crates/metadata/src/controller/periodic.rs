//! What the active controller does unasked, and when.

use std::collections::BTreeMap;

use protocol::records::metadata::{MetadataRecord, NoOpRecord};

use super::{Controller, Election, Outcome};
use crate::image::NO_LEADER;

/// Records after which a task stops and asks to be called again.
const RECORDS_PER_RUN: usize = 1000;
const RERUN_MS: i64 = 10;
const AFTER_FAILURE_MS: i64 = 5 * 60_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Task {
    /// Keeps the log moving, so that everybody sees how far behind they are.
    WriteNoOp,
    FenceStaleBroker,
    BalanceLeaders,
    UncleanElection,
}

/// When each task is due. Times are milliseconds of the driver's clock.
#[derive(Clone, Debug, Default)]
pub struct Schedule {
    deadlines: BTreeMap<Task, (i64, i64)>,
}

impl Schedule {
    pub fn next_deadline(&self) -> Option<i64> {
        self.deadlines.values().map(|(deadline, _)| *deadline).min()
    }

    /// The tasks whose time has come; each must be reported by `ran` or `failed`.
    pub fn due(&self, now_ms: i64) -> Vec<Task> {
        self.deadlines
            .iter()
            .filter(|(_, (deadline, _))| *deadline <= now_ms)
            .map(|(task, _)| *task)
            .collect()
    }

    /// By how much a task comes too late, where that is more than its interval: for so long the driver did nothing at all.
    pub fn away_ms(&self, task: Task, now_ms: i64) -> i64 {
        let Some((deadline, interval)) = self.deadlines.get(&task) else { return 0 };
        let late = now_ms.saturating_sub(*deadline);
        if late > *interval { late } else { 0 }
    }

    pub fn ran(&mut self, task: Task, now_ms: i64, more: bool) {
        if let Some((deadline, interval)) = self.deadlines.get_mut(&task) {
            *deadline = now_ms.saturating_add(if more { RERUN_MS } else { *interval });
        }
    }

    pub fn failed(&mut self, task: Task, now_ms: i64) {
        if let Some((deadline, _)) = self.deadlines.get_mut(&task) {
            *deadline = now_ms.saturating_add(AFTER_FAILURE_MS);
        }
    }
}

impl Controller {
    /// The tasks of a reign that begins now.
    pub fn schedule(&self, now_ms: i64) -> Schedule {
        let file = &self.config.file;
        let balance = file.bool("auto.leader.rebalance.enable");
        let intervals = [
            (Task::WriteNoOp, file.i64("metadata.max.idle.interval.ms")),
            (Task::FenceStaleBroker, self.fence_interval_ms()),
            (
                Task::BalanceLeaders,
                if balance {
                    file.i64("leader.imbalance.check.interval.seconds").saturating_mul(1000)
                } else {
                    0
                },
            ),
            (Task::UncleanElection, file.i64("unclean.leader.election.interval.ms")),
        ];
        let wanted = intervals.into_iter().filter(|(_, interval)| *interval > 0);
        Schedule {
            deadlines: wanted
                .map(|(task, interval)| (task, (now_ms.saturating_add(interval), interval)))
                .collect(),
        }
    }

    /// Runs one task; the reply tells whether there is more to do.
    pub fn run_task(&mut self, task: Task, now_ms: i64) -> Outcome<bool> {
        match task {
            Task::WriteNoOp => Outcome::atomic(vec![MetadataRecord::NoOp(NoOpRecord::default())], false),
            Task::FenceStaleBroker => self.fence_stale_broker(now_ms),
            Task::BalanceLeaders => self.balance_leaders(),
            Task::UncleanElection => self.elect_unclean(),
        }
    }

    fn balance_leaders(&self) -> Outcome<bool> {
        self.elect_all(Election::Preferred, |_| true)
    }

    fn elect_unclean(&self) -> Outcome<bool> {
        self.elect_all(Election::Unclean, |topic| self.unclean_election_enabled(topic))
    }

    fn elect_all(&self, election: Election, wanted: impl Fn(&str) -> bool) -> Outcome<bool> {
        let mut records = Vec::new();
        for topic in self.image().topics.iter() {
            let concerned = |leader: i32| election == Election::Preferred || leader == NO_LEADER;
            if !topic.partitions.values().any(|partition| concerned(partition.leader)) || !wanted(&topic.name)
            {
                continue;
            }
            for (index, partition) in &topic.partitions {
                if records.len() >= RECORDS_PER_RUN {
                    return Outcome::loose(records, true);
                }
                // a refusal says that there is nothing to do or nobody to do it
                records.extend(self.elect(topic, *index, partition, election).ok());
            }
        }
        Outcome::loose(records, false)
    }
}
