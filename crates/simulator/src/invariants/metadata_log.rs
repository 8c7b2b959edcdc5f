//! What is committed in the metadata log is never lost or changed, whoever leads, and an epoch has one leader.

use std::collections::BTreeMap;

use records::control::ControlRecord;
use records::{Batch, Batches};

const BYTES_MAX: usize = 16 << 20;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Entry {
    next: i64,
    crc: u32,
}

#[derive(Default)]
pub struct MetadataLog {
    /// By first offset.
    committed: BTreeMap<i64, Entry>,
    leaders: BTreeMap<i32, i32>,
    /// Where each epoch's leader has begun.
    starts: BTreeMap<i32, i64>,
    /// The end of what any leader has said to be committed.
    told: i64,
}

/// What was read of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Read {
    pub next: i64,
    pub epoch: i32,
}

impl MetadataLog {
    /// Holds batches that were read, with the end of what is committed for certain, against all that was read before.
    /// Gives the last batch's end and epoch.
    pub fn check(&mut self, bytes: &[u8], committed: i64, whose: &str) -> Result<Option<Read>, String> {
        let mut last = None;
        for batch in Batches::new(bytes) {
            let batch = batch.map_err(|error| format!("{whose}: no batch: {error}"))?;
            let (base, next) = (batch.base_offset().0, batch.next_offset().0);
            let epoch = batch.leader_epoch().0;
            if last.is_some_and(|before: Read| before.next != base || before.epoch > epoch) {
                return Err(format!("{whose}: {last:?} is followed by offset {base}, epoch {epoch}"));
            }
            batch.verify_crc().map_err(|error| format!("{whose}: {base}: {error}"))?;
            last = Some(Read { next, epoch });
            self.check_leader(&batch, epoch, whose)?;
            if next <= committed {
                self.check_committed(base, Entry { next, crc: batch.crc() }, whose)?;
            }
        }
        Ok(last)
    }

    /// A leader says what is committed: of earlier epochs nothing before a record of its own is.
    pub fn told(&mut self, epoch: i32, committed: i64, whose: &str) -> Result<(), String> {
        let before = self.told;
        self.told = committed.max(before);
        match self.starts.get(&epoch) {
            Some(start) if committed > before && committed <= *start => Err(format!(
                "{whose} leads in epoch {epoch} from {start} on and says that {committed} is committed; {before} was"
            )),
            _ => Ok(()),
        }
    }

    fn check_committed(&mut self, base: i64, entry: Entry, whose: &str) -> Result<(), String> {
        let overlapping = self.committed.range(..entry.next).next_back().map(|(at, known)| (*at, *known));
        match overlapping {
            Some((at, known)) if known.next > base && (at, known) != (base, entry) => {
                Err(format!("{whose}: committed at {base} is {entry:?}; it was {known:?} at {at}"))
            }
            _ => {
                self.committed.insert(base, entry);
                Ok(())
            }
        }
    }

    /// A log that has healed: where it reaches what is known to be committed it is that.
    pub fn compare(&self, bytes: &[u8], whose: &str) -> Result<(), String> {
        for batch in Batches::new(bytes).flatten() {
            let (base, entry) =
                (batch.base_offset().0, Entry { next: batch.next_offset().0, crc: batch.crc() });
            if let Some(known) = self.committed.get(&base).filter(|known| **known != entry) {
                return Err(format!("{whose}: at {base} is {entry:?}, {known:?} was committed"));
            }
        }
        Ok(())
    }

    /// Somebody leads in an epoch.
    pub fn claim(&mut self, epoch: i32, leader: i32, whose: &str) -> Result<(), String> {
        match *self.leaders.entry(epoch).or_insert(leader) {
            known if known != leader => Err(format!("{whose}: {known} and {leader} lead in epoch {epoch}")),
            _ => Ok(()),
        }
    }

    fn check_leader(&mut self, batch: &Batch<'_>, epoch: i32, whose: &str) -> Result<(), String> {
        if !batch.is_control() {
            return Ok(());
        }
        let Ok(data) = batch.data(BYTES_MAX) else { return Ok(()) };
        for record in batch.records(&data).flatten() {
            let decoded =
                ControlRecord::decode(record.key.unwrap_or_default(), record.value.unwrap_or_default());
            if let Ok(Some(ControlRecord::LeaderChange(change))) = decoded {
                self.claim(epoch, change.leader_id.0, whose)?;
                self.starts.entry(epoch).or_insert(batch.base_offset().0);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use records::control::{LeaderChange, control_batch};
    use records::{BatchBuilder, BatchOptions};
    use types::{LeaderEpoch, NodeId, Offset};

    use super::*;

    fn options(base: i64, epoch: i32) -> BatchOptions {
        BatchOptions { base_offset: Offset(base), leader_epoch: LeaderEpoch(epoch), ..Default::default() }
    }

    fn change(base: i64, epoch: i32, leader: i32) -> Vec<u8> {
        let change = LeaderChange { leader_id: NodeId(leader), voters: vec![], granting_voters: vec![] };
        control_batch(options(base, epoch), 1, &[ControlRecord::LeaderChange(change)]).unwrap().to_vec()
    }

    fn data(base: i64, epoch: i32, value: &[u8]) -> Vec<u8> {
        let mut builder = BatchBuilder::new(options(base, epoch));
        builder.append(1, None, Some(value), &[]).unwrap();
        builder.build().unwrap().to_vec()
    }

    #[test]
    fn nothing_committed_changes_and_an_epoch_has_one_leader() {
        let first = [change(0, 1, 1), data(1, 1, b"a"), data(2, 1, b"b")].concat();
        for (then, committed, holds) in [
            (data(2, 1, b"b"), 3, true),
            // the last was not committed
            ([change(2, 2, 3), data(3, 2, b"x")].concat(), 4, true),
            (data(1, 1, b"c"), 2, false),
            (change(1, 2, 2), 2, false),
            (change(5, 1, 2), 0, false),
            ([data(3, 2, b"x"), data(4, 1, b"y")].concat(), 0, false),
            ([data(3, 2, b"x"), data(5, 2, b"y")].concat(), 0, false),
        ] {
            let mut log = MetadataLog::default();
            assert_eq!(log.check(&first, 2, "test"), Ok(Some(Read { next: 3, epoch: 1 })));
            assert_eq!(log.check(&then, committed, "test").is_ok(), holds, "{then:?}");
        }
    }
}
