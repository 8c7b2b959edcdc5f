//! The end of a cluster's run: when all has healed every replica is in sync, those of a partition hold the same, and
//! nothing is missing that all of them had acknowledged.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use metadata::image::MetadataImage;
use platform::FileSystem;
use types::TopicIdPartition;

use crate::audit::segments;
use crate::invariants::contents::{self, Seen};
use crate::invariants::reassignments;
use crate::node::directory_of;
use crate::world::{MachineIndex, World};

/// Who has a partition, by machines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reign {
    pub leader: Option<MachineIndex>,
    pub replicas: Vec<MachineIndex>,
    pub in_sync: Vec<MachineIndex>,
    /// Of a reassignment under way.
    pub adding: Vec<MachineIndex>,
    pub removing: Vec<MachineIndex>,
    /// In which log directory each replica is; none where the controller does not know.
    pub directories: BTreeMap<MachineIndex, Option<usize>>,
    pub partition_epoch: i32,
}

impl Reign {
    pub fn is_reassigning(&self) -> bool {
        !self.adding.is_empty() || !self.removing.is_empty()
    }
}

/// Who has each partition; nodes count from 1.
pub fn reigns(image: &MetadataImage) -> BTreeMap<TopicIdPartition, Reign> {
    let machine = |node: &i32| usize::try_from(node - 1).ok();
    let machines = |nodes: &[i32]| nodes.iter().filter_map(machine).collect();
    let mut reigns = BTreeMap::new();
    for topic in image.topics.iter() {
        for (partition, state) in &topic.partitions {
            let id = TopicIdPartition { topic_id: topic.id, partition: *partition };
            let directories = state.replicas.iter().zip(&state.directories).filter_map(|(node, id)| {
                let machine = machine(node)?;
                Some((machine, directory_of(machine, *id)))
            });
            let reign = Reign {
                directories: directories.collect(),
                leader: machine(&state.leader),
                replicas: machines(&state.replicas),
                in_sync: machines(&state.in_sync_replicas),
                adding: machines(&state.adding_replicas),
                removing: machines(&state.removing_replicas),
                partition_epoch: state.partition_epoch,
            };
            reigns.insert(id, reign);
        }
    }
    reigns
}

/// One replica's log.
struct Held {
    /// Nothing before it is there.
    first: i64,
    seen: Seen,
}

impl World {
    /// Who leads now; each change of leader is counted, each of replicas held against what may be.
    pub fn take_reigns(&mut self, image: &MetadataImage) {
        let reigns = reigns(image);
        if !image.eligible_leader_replicas_enabled() {
            self.model.survival.unprotect();
        }
        let offsets = image.topics.by_name("__consumer_offsets");
        self.model.offsets_topic = offsets.map(|topic| (topic.id, topic.partitions.len() as i32));
        let found = self.model.registrations.image(
            image,
            (&self.model.reigns, &reigns),
            self.model.images.shown(),
            self.model.newcomer.as_mut(),
        );
        self.model.violations.extend(found.err());
        self.count_newcomer(&reigns);
        for (id, reign) in &reigns {
            let mut found = reassignments::check_members(reign);
            if let Some(before) = self.model.reigns.get(id) {
                if before.leader.is_some() && reign.leader.is_some() && before.leader != reign.leader {
                    self.coverage.leader_changes += 1;
                }
                if before.is_reassigning() && !reign.is_reassigning() {
                    self.coverage.count("transition", "reassignment ends");
                }
                if before.replicas != reign.replicas {
                    self.model.survival.moved(*id, reigns.keys());
                    self.model.moves.reassigned(id, &reign.replicas);
                }
                if before.directories != reign.directories {
                    self.coverage.count("transition", "replica assigned to a directory");
                }
                found = found.and(reassignments::check_change(before, reign));
                found = found.and(self.model.pauses.reign(id, before, reign));
            }
            if self.model.reigns.get(id) != Some(reign) {
                self.model.reigns_since.insert(*id, self.now);
                self.tell(|| format!("{id}: {reign:?}"));
            }
            self.model.violations.extend(found.err().map(|text| format!("{id}: {text}")));
            self.model.survival.reign(id, reign);
        }
        self.model.reigns = reigns;
    }

    /// Holds what lies on the disks of all machines against each other and against what was promised.
    pub fn compare(&mut self) {
        self.compare_metadata();
        self.check_futures();
        let found = self.model.newcomer.as_ref().map(|newcomer| newcomer.check_end(&self.model.reigns));
        self.model.violations.extend(found.and_then(Result::err));
        for (id, name) in self.partitions() {
            let reign = self.model.reigns.get(&id).cloned().unwrap_or_default();
            if let Err(text) = self.model.reassignments.check_end(&id, &reign) {
                self.model.violation(format!("{name}: {text}"));
            }
            self.check_strangers(id, &name, &reign);
            self.check_directories(id, &name, &reign);
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

    /// Each replica is there once on its machine, in the directory that the metadata names and where it was moved.
    fn check_directories(&mut self, id: TopicIdPartition, name: &str, reign: &Reign) {
        for &machine in &reign.replicas {
            let places = self.directories_with(machine, &id, name);
            let recorded = reign.directories.get(&machine).copied().flatten();
            let is_elsewhere = self.model.records_directories && recorded != places.first().copied();
            if places.len() != 1 || is_elsewhere {
                let text = format!(
                    "{name} is in directories {places:?} of machine {machine}, {recorded:?} is on record"
                );
                self.model.violation(text);
            }
            if let Err(text) = self.model.moves.check_end(machine, &id, &places) {
                self.model.violation(format!("{name}: {text}"));
            }
        }
    }

    /// Every move has ended.
    fn check_futures(&mut self) {
        for machine in self.present() {
            for directory in self.machines[machine].directories.clone() {
                let entries = self.files(machine).read_directory(&directory).unwrap_or_default();
                if let Some(future) = entries.iter().find(|entry| entry.name.ends_with("-future")) {
                    let text = format!("machine {machine} has {}/{}", directory.display(), future.name);
                    self.model.violation(format!("{text} at the end"));
                }
            }
        }
    }

    /// Who is no replica any more has deleted what it had.
    fn check_strangers(&mut self, id: TopicIdPartition, name: &str, reign: &Reign) {
        for machine in self.present().into_iter().filter(|machine| !reign.replicas.contains(machine)) {
            if self.segments_of(machine, &id, name).is_some() {
                self.model.violation(format!("machine {machine} has a log of {name}, {reign:?}"));
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
        let log = self.model.logs.get(&id);
        let numbers: BTreeSet<u32> = held.seen.batches.iter().map(|(_, number)| *number).collect();
        let had = log.filter(|_| !loses && self.model.is_strict).map(|log| &log.had);
        let gone = had.and_then(|had| had.difference(&numbers).next().copied());
        let risky = || self.model.survival.had_missing(&id, &numbers).filter(|_| !loses);
        if let Some(number) = gone.or_else(risky) {
            let text =
                format!("{name}: batch {number} was told to be a duplicate and is not there at the end");
            return self.model.violation(text);
        }
        let Some(log) = log.filter(|_| self.model.is_strict) else { return };
        let is_there = |base: &i64, number: &u32| held.seen.batches.binary_search(&(*base, *number)).is_ok();
        let lost = log.batches.range(from..).find(|(base, number)| !is_there(base, number));
        if let Some((base, number)) = lost {
            let text = format!("{name}: batch {number} was promised at {base} and is not there at the end");
            self.model.violation(text);
        }
    }

    /// The metadata logs: what is committed is in each of them the same. Who is off for good may have read what a leader did
    /// not bring to a majority.
    fn compare_metadata(&mut self) {
        for machine in self.present() {
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
        let different = self.model.images.differences(self.present().into_iter());
        self.model.violations.extend(different);
    }
}
