//! The end of a cluster's run: when all has healed every replica is in sync, those of a partition hold the same, and
//! nothing is missing that all of them had acknowledged.

use bytes::Bytes;
use platform::FileSystem;
use types::TopicIdPartition;

use crate::audit::segments;
use crate::invariants::contents::{self, Seen};
use crate::world::{MachineIndex, World};

/// Who has a partition, by machines.
#[derive(Clone, Debug, Default)]
pub struct Reign {
    pub leader: Option<MachineIndex>,
    pub replicas: Vec<MachineIndex>,
    pub in_sync: Vec<MachineIndex>,
}

/// One replica's log.
struct Held {
    /// Nothing before it is there.
    first: i64,
    seen: Seen,
}

impl World {
    /// Holds what lies on the disks of all machines against each other and against what was promised.
    pub fn compare(&mut self) {
        self.compare_metadata();
        for (id, name) in self.partitions() {
            let reign = self.model.reigns.get(&id).cloned().unwrap_or_default();
            if reign.in_sync.len() < reign.replicas.len() {
                self.model.violation(format!("{name}: of {reign:?} not all are in sync at the end"));
                continue;
            }
            let held: Vec<(MachineIndex, Held)> = reign
                .in_sync
                .iter()
                .filter_map(|machine| Some((*machine, self.held(*machine, &id, &name)?)))
                .collect();
            self.compare_replicas(&name, &reign, &held);
            if let Some((_, held)) = held.iter().find(|(machine, _)| Some(*machine) == reign.leader) {
                self.check_promised_to_last(id, &name, held);
            }
        }
    }

    fn held(&mut self, machine: MachineIndex, id: &TopicIdPartition, name: &str) -> Option<Held> {
        let Some(segments) = self.segments_of(machine, id, name) else {
            self.model.violation(format!("{name} has no log on machine {machine}"));
            return None;
        };
        let files = self.files(machine).clone();
        let all: Vec<u8> =
            segments.iter().flat_map(|segment| files.read(&segment.path).unwrap_or_default()).collect();
        let whose = format!("{name} on machine {machine}");
        let seen = contents::check(&mut self.model, *id, &Bytes::from(all), &whose)?;
        Some(Held { first: segments.first().map_or(0, |segment| segment.base), seen })
    }

    /// What was deleted from the beginning may differ.
    fn compare_replicas(&mut self, name: &str, reign: &Reign, held: &[(MachineIndex, Held)]) {
        let from = held.iter().map(|(_, held)| held.first).max().unwrap_or(0);
        let tail = |held: &Held| -> Vec<(i64, u32)> {
            held.seen.batches.iter().filter(|(base, _)| *base >= from).copied().collect()
        };
        for pair in held.windows(2) {
            let [(one, a), (other, b)] = pair else { continue };
            let (a, b) = (tail(a), tail(b));
            if a != b {
                let at = a.iter().zip(&b).position(|(x, y)| x != y).unwrap_or(a.len().min(b.len()));
                let (x, y) = (a.get(at), b.get(at));
                let text =
                    format!("{name}: machine {one} has {x:?} where machine {other} has {y:?}, {reign:?}");
                self.model.violation(text);
            }
        }
    }

    /// What all in-sync replicas had, or a consumer was shown.
    fn check_promised_to_last(&mut self, id: TopicIdPartition, name: &str, held: &Held) {
        let loses = self.model.topic(id.topic_id).is_some_and(|topic| topic.nature.loses_old);
        let from = if loses { held.first } else { 0 };
        let found = |base, number| held.seen.batches.binary_search(&(base, number)).is_ok();
        if let Some((base, number)) = self.model.survival.missing(&id, from, found) {
            let text = format!("{name}: batch {number} was to survive at {base} and is not there at the end");
            return self.model.violation(text);
        }
        let Some(log) = self.model.logs.get(&id).filter(|_| self.model.is_strict) else { return };
        let is_there = |base: &i64, number: &u32| held.seen.batches.binary_search(&(*base, *number)).is_ok();
        let lost = log.batches.range(from..).find(|(base, number)| !is_there(base, number));
        if let Some((base, number)) = lost {
            let text = format!("{name}: batch {number} was promised at {base} and is not there at the end");
            self.model.violation(text);
        }
    }

    /// The metadata logs: what is committed is in each of them the same.
    fn compare_metadata(&mut self) {
        for machine in 0..self.machines.len() {
            let directory = self.machines[machine].directories[0].join("__cluster_metadata-0");
            for segment in segments(self.files(machine), &directory).unwrap_or_default() {
                let Ok(bytes) = self.files(machine).read(&segment.path) else { continue };
                let whose = format!("the disk of machine {machine}");
                let checked = self.model.metadata_log.check(&bytes, 0, &whose);
                self.model.violations.extend(checked.err());
                let same = self.model.metadata_log.compare(&bytes, &whose);
                self.model.violations.extend(same.err());
            }
        }
        self.model.violations.extend(self.model.images.differences(self.machines.len()));
    }
}
