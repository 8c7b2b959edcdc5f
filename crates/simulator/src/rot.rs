//! Bytes that change on the disk without anybody having written them, and writes that hit another place of their file,
//! or another file.
//! Whatever is in a damaged log: it is never shown as good, and nobody panics over it.

use std::path::PathBuf;

use bytes::Bytes;
use platform::FileSystem;
use records::{Batch, Batches};

use crate::faults::Fault;
use crate::model::Stage;
use crate::world::{MachineIndex, World};

/// Where a batch's length stands, and from where on its checksum covers it: a change of what stands before and between
/// (offset, epoch, magic) is seen by nobody.
const LENGTH: std::ops::Range<u64> = 8..12;
const CHECKED: u64 = 17;

impl World {
    /// Damages a log of a topic that nobody counts on.
    pub fn damage(&mut self, machine: MachineIndex, fault: Fault) {
        let Some((topic, path)) = self.log_to_damage(machine) else { return };
        if fault == Fault::Misdirect && self.draws.more.one_in(2) {
            return self.misdirect_between(machine, (topic, path));
        }
        let Ok(content) = self.files(machine).read(&path).map(Bytes::from) else { return };
        let Some((position, bytes)) = self.draw_damage(&content, fault) else { return };
        if self.overwrite(machine, &(topic, path), position, &bytes) {
            self.coverage.count("transition", "log damaged");
        }
    }

    /// What was written to one log lies in another: in the midst of a batch there, and not where it was to be.
    fn misdirect_between(&mut self, machine: MachineIndex, hit: (usize, PathBuf)) {
        let Some(meant) = self.log_to_damage(machine).filter(|meant| meant.1 != hit.1) else { return };
        let of = |path: &PathBuf| self.files(machine).read(path).map(Bytes::from).unwrap_or_default();
        let (lost, other) = (of(&meant.1), of(&hit.1));
        let (Some((from, written)), Some((start, batch))) = (self.draw_batch(&lost), self.draw_batch(&other))
        else {
            return;
        };
        // up to that batch's end: of the next one nobody sees a change of what its checksum does not cover
        let size = batch.len() as u64;
        let within = CHECKED + self.draws.more.below(size - CHECKED);
        let stray = written.slice(..written.len().min((size - within) as usize));
        if batch.slice(within as usize..).starts_with(&stray) {
            return;
        }
        self.overwrite(machine, &hit, start + within, &stray);
        self.overwrite(machine, &meant, from, &vec![0; written.len()]);
        self.coverage.count("transition", "write lands in another log");
    }

    /// Bytes on the disk change; the topic promises nothing any more.
    fn overwrite(
        &mut self,
        machine: MachineIndex,
        (topic, path): &(usize, PathBuf),
        at: u64,
        bytes: &[u8],
    ) -> bool {
        let is_done = self.files(machine).rot(path, at, bytes).is_ok();
        if is_done {
            self.model.topics[*topic].stage = Stage::Damaged;
            self.tell(|| format!("{} is damaged at {at}, {} bytes", path.display(), bytes.len()));
        }
        is_done
    }

    /// A batch of a log and where it begins.
    fn draw_batch(&mut self, content: &Bytes) -> Option<(u64, Bytes)> {
        let batches: Vec<Batch<'_>> = Batches::new(content).flatten().collect();
        let at = self.draws.more.below(batches.len() as u64) as usize;
        let start: usize = batches.iter().take(at).map(|batch| batch.bytes().len()).sum();
        let size = batches.get(at)?.bytes().len();
        Some((start as u64, content.slice(start..start + size)))
    }

    /// A segment of a log, and its topic's place in the model.
    fn log_to_damage(&mut self, machine: MachineIndex) -> Option<(usize, PathBuf)> {
        let live = self.model.live_topics().into_iter();
        let live: Vec<usize> = live.filter(|number| !self.model.topics[*number].lasts).collect();
        let number = *live.get(self.draws.faults.below(live.len().max(1) as u64) as usize)?;
        let partition = self.draws.faults.below(self.model.topics[number].partitions.max(1) as u64);
        let name = format!("{}-{partition}", self.model.topics[number].name);
        let entries = |directory: &PathBuf| {
            Some((directory.join(&name), self.files(machine).read_directory(&directory.join(&name)).ok()?))
        };
        let found = self.machines[machine].directories.iter().filter_map(entries);
        let logs: Vec<PathBuf> = found
            .flat_map(|(path, entries)| entries.into_iter().map(move |entry| path.join(entry.name)))
            .filter(|path| path.extension().is_some_and(|extension| extension == "log"))
            .collect();
        let path = logs.get(self.draws.faults.below(logs.len().max(1) as u64) as usize)?;
        Some((number, path.clone()))
    }

    fn draw_damage(&mut self, content: &Bytes, fault: Fault) -> Option<(u64, Vec<u8>)> {
        let batches: Vec<Batch<'_>> = Batches::new(content).flatten().collect();
        let random = &mut self.draws.faults;
        let at = random.below(batches.len() as u64) as usize;
        let batch = batches.get(at)?.bytes();
        let start: u64 = batches.iter().take(at).map(|batch| batch.bytes().len() as u64).sum();
        if fault == Fault::Misdirect {
            // a batch overwrites what lies at another's place
            let other = batches.get(random.below(batches.len() as u64) as usize)?;
            return (other.bytes() != batch).then(|| (start, other.bytes().to_vec()));
        }
        let size = batch.len() as u64;
        let within = match random.below(6) {
            0 => LENGTH.start + random.below(LENGTH.end - LENGTH.start),
            _ => CHECKED + random.below(size - CHECKED),
        };
        let flipped = batch.get(within as usize)? ^ 1 << random.below(8);
        Some((start + within, vec![flipped]))
    }
}
