//! A look at the logs as they lie in the files, past the node: after each start, before any client may change them, and
//! at the end of a run.

use std::path::PathBuf;

use bytes::Bytes;
use platform::FileSystem;
use platform::memory::MemoryFileSystem;
use records::Batches;
use types::TopicIdPartition;

use crate::invariants::contents;
use crate::invariants::durability::{self, Death};
use crate::model::Stage;
use crate::world::{MachineIndex, World};

pub struct Segment {
    pub base: i64,
    pub path: PathBuf,
}

pub fn segments(files: &MemoryFileSystem, directory: &std::path::Path) -> Option<Vec<Segment>> {
    let entries = files.read_directory(directory).ok()?;
    let segment = |entry: platform::DirEntry| {
        let base = entry.name.strip_suffix(".log")?.parse().ok()?;
        Some(Segment { base, path: directory.join(&entry.name) })
    };
    Some(entries.into_iter().filter_map(segment).collect())
}

impl World {
    pub fn partitions(&self) -> Vec<(TopicIdPartition, String)> {
        let live = self.model.topics.iter().filter(|topic| topic.stage == Stage::Live);
        let all = live.flat_map(|topic| {
            (0..topic.partitions).map(|partition| {
                (TopicIdPartition { topic_id: topic.id, partition }, format!("{}-{partition}", topic.name))
            })
        });
        all.collect()
    }

    /// Of the directory that says whose it is: one that was made before a crash may have lost that.
    pub fn segments_of(
        &self,
        machine: MachineIndex,
        id: &TopicIdPartition,
        name: &str,
    ) -> Option<Vec<Segment>> {
        let place = *self.directories_with(machine, id, name).first()?;
        segments(self.files(machine), &self.machines[machine].directories[place].join(name))
    }

    /// The log directories that have such a log, by their places.
    pub fn directories_with(&self, machine: MachineIndex, id: &TopicIdPartition, name: &str) -> Vec<usize> {
        let has_it = |path: &PathBuf| {
            let text =
                self.files(machine).read(&path.join(name).join("partition.metadata")).unwrap_or_default();
            String::from_utf8_lossy(&text).contains(&id.topic_id.to_string())
        };
        let all = self.machines[machine].directories.iter().enumerate();
        all.filter(|(_, path)| has_it(path)).map(|(place, _)| place).collect()
    }

    /// Without its partition.metadata nobody knows a directory again: what is in it is not kept before that is.
    fn says_whose_it_is(&self, machine: MachineIndex, name: &str) -> bool {
        let mut paths = self.machines[machine].directories.iter().map(|path| path.join(name));
        paths.any(|path| self.files(machine).durable_size(&path.join("partition.metadata")) > Some(0))
    }

    /// Up to where each log survives any loss of power from here on.
    pub fn note_durable(&mut self, machine: MachineIndex) {
        for (id, name) in self.partitions() {
            let mut end = None;
            if !self.says_whose_it_is(machine, &name) {
                continue;
            }
            for segment in self.segments_of(machine, &id, &name).unwrap_or_default() {
                let size = self.files(machine).durable_size(&segment.path);
                let Ok(bytes) = self.files(machine).read(&segment.path) else { break };
                let Some(size) = size else { break };
                let whole = bytes.get(..size as usize).unwrap_or(&bytes);
                let last = Batches::new(whole).flatten().last().map(|batch| batch.next_offset().0);
                end = last.or(end).or(Some(segment.base));
                if size < bytes.len() as u64 {
                    break;
                }
            }
            let known = self.machines[machine].durable.entry(id).or_default();
            *known = end.unwrap_or(0).max(*known);
        }
    }

    /// Holds every live log against what was promised.
    pub fn audit(&mut self, machine: MachineIndex, death: Death) {
        self.files(machine).heal();
        for (id, name) in self.partitions() {
            let Some(segments) = self.segments_of(machine, &id, &name) else {
                self.model.violation(format!("{name} has no log after {death:?}"));
                continue;
            };
            let mut all = Vec::new();
            let first = segments.first().map_or(0, |segment| segment.base);
            for segment in &segments {
                match self.files(machine).read(&segment.path) {
                    Ok(bytes) => all.extend(bytes),
                    Err(error) => self.model.violation(format!("{name}: {error}")),
                }
            }
            let bytes = Bytes::from(all);
            let Some(mut seen) = contents::check(&mut self.model, id, &bytes, &name) else { continue };
            let walked: usize = Batches::new(&bytes).flatten().map(|batch| batch.bytes().len()).sum();
            if walked < bytes.len() {
                self.model.violation(format!("{name}: {} bytes behind the last batch", bytes.len() - walked));
            }
            // segments that hold nothing tell by their names where the log ends
            let last = segments.last().map_or(0, |segment| segment.base);
            seen.next = seen.next.max(last);
            let synced_end = self.machines[machine].durable.get(&id).copied().unwrap_or(0);
            let found = self.model.violations.len();
            durability::check(&mut self.model, id, death, synced_end, first, &seen);
            if let Some(text) = self.model.violations.get_mut(found) {
                let bases: Vec<_> = segments.iter().map(|segment| segment.base).collect();
                text.push_str(&format!(" ({name}, segments {bases:?})"));
            }
            self.trace.note(seen.next as u64);
        }
        self.machines[machine].durable.clear();
    }
}
