//! Bytes that change on the disk without anybody having written them, and writes that hit another place of their file.
//! Whatever is in a damaged log: it is never shown as good, and nobody panics over it.

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
        let live = self.model.live_topics().into_iter();
        let live: Vec<usize> = live.filter(|number| !self.model.topics[*number].lasts).collect();
        if live.is_empty() {
            return;
        }
        let number = live[self.draws.faults.below(live.len() as u64) as usize];
        let partition = self.draws.faults.below(self.model.topics[number].partitions.max(1) as u64);
        let name = format!("{}-{partition}", self.model.topics[number].name);
        let logs: Vec<_> = self.machines[machine]
            .directories
            .iter()
            .filter_map(|directory| {
                Some((
                    directory.join(&name),
                    self.files(machine).read_directory(&directory.join(&name)).ok()?,
                ))
            })
            .flat_map(|(path, entries)| entries.into_iter().map(move |entry| path.join(entry.name)))
            .filter(|path| path.extension().is_some_and(|extension| extension == "log"))
            .collect();
        if logs.is_empty() {
            return;
        }
        let path = &logs[self.draws.faults.below(logs.len() as u64) as usize];
        let Ok(content) = self.files(machine).read(path).map(Bytes::from) else { return };
        let Some((position, bytes)) = self.draw_damage(&content, fault) else { return };
        if self.files(machine).rot(path, position, &bytes).is_ok() {
            self.model.topics[number].stage = Stage::Damaged;
            self.tell(|| format!("{} is damaged at {position}, {} bytes", path.display(), bytes.len()));
            self.coverage.count("transition", "log damaged");
        }
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
