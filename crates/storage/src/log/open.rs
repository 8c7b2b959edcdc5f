//! Opening a log: what a crash left half done is finished, segments are listed, the end is found.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use platform::{FileSystem, Planted, Random, is_planted};
use types::{Offset, TopicPartition, Uuid};

use super::Log;
use crate::checkpoint::{self, LEADER_EPOCH};
use crate::config::LogConfig;
use crate::error::{At, Error, Result};
use crate::leader_epochs::LeaderEpochs;
use crate::names::{
    CLEANED, DELETED, LOG, OFFSET_INDEX, SNAPSHOT, SWAP, TIME_INDEX, TRANSACTION_INDEX, parse_segment_file,
};
use crate::partition_metadata;
use crate::producer::ProducerState;
use crate::segment::{Place, Segment};

#[derive(Clone, Debug)]
pub struct LogOptions {
    pub file_system: Arc<dyn FileSystem>,
    /// The partition's own directory.
    pub directory: PathBuf,
    pub partition: TopicPartition,
    pub config: Arc<LogConfig>,
    /// From the checkpoints of the log directory; 0 where they have none.
    pub recovery_point: Offset,
    pub start_offset: Offset,
    /// The last stop was clean: nothing is scanned.
    pub clean: bool,
    pub now_ms: i64,
    /// For segment jitter.
    pub seed: u64,
}

/// What opening a log has found and done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Opened {
    /// Bytes whose checksums were checked.
    pub scanned_bytes: u64,
    /// Bytes cut off because they were no good batches.
    pub truncated_bytes: u64,
    /// Whole segments removed behind them.
    pub removed_segments: usize,
}

/// The names in a partition's directory, by kind.
#[derive(Default)]
pub(super) struct Listing {
    pub(super) logs: BTreeSet<Offset>,
    pub(super) offset_indexes: BTreeSet<Offset>,
    pub(super) time_indexes: BTreeSet<Offset>,
    pub(super) aborted: BTreeSet<Offset>,
    pub(super) snapshots: BTreeSet<Offset>,
}

impl Log {
    /// Makes a directory with an empty log that starts at `options.start_offset`.
    pub fn create(options: LogOptions, topic_id: Option<Uuid>) -> Result<Log> {
        let directory = &options.directory;
        options.file_system.create_directory_all(directory).at(|| directory.clone())?;
        let (mut log, _) = Log::open(options)?;
        if let Some(topic_id) = topic_id.filter(|_| log.topic_id.is_none()) {
            log.set_topic_id(topic_id)?;
        }
        log.unsynced_directory = true;
        Ok(log)
    }

    pub fn open(options: LogOptions) -> Result<(Log, Opened)> {
        let place =
            Place { file_system: Arc::clone(&options.file_system), directory: options.directory.clone() };
        finish_swaps(&place)?;
        let listing = list(&place)?;
        let epochs_path = place.directory.join(LEADER_EPOCH);
        let epochs = match checkpoint::read_epochs(&*place.file_system, &epochs_path) {
            Err(Error::Unreadable { .. }) => None,
            read => Some(read?).filter(|epochs| options.clean || !epochs.is_empty()),
        };
        let damaged_epochs = epochs.is_none();
        let mut log = Log {
            topic_id: partition_metadata::read(&*place.file_system, &place.directory)?,
            place,
            partition: options.partition.clone(),
            config: Arc::clone(&options.config),
            segments: listing.logs.iter().map(|base| Segment::existing(*base, 0)).collect(),
            start_offset: options.start_offset,
            end_offset: Offset::ZERO,
            recovery_point: options.recovery_point,
            flushed_offset: options.recovery_point,
            epochs: LeaderEpochs::new(epochs.unwrap_or_default()),
            producers: ProducerState::default(),
            snapshots: listing.snapshots.iter().copied().collect(),
            last_flush_ms: options.now_ms,
            truncations: 0,
            unsynced_files: Vec::new(),
            unsynced_names: false,
            unsynced_directory: false,
            unsynced_before: !options.clean,
            deleted: Vec::new(),
            random: Random::new(options.seed),
        };
        log.measure_segments(&listing, options.now_ms)?;
        if damaged_epochs && (options.clean || log.recovery_point > log.first_segment_base()) {
            log.rebuild_epochs()?;
        }
        let opened = log.recover(&listing, &options)?;
        if is_planted(Planted::ProducersForgotten) {
            log.producers = ProducerState::default();
        }
        Ok((log, opened))
    }

    /// Sizes, missing indexes, index files without a log.
    fn measure_segments(&mut self, listing: &Listing, now_ms: i64) -> Result<()> {
        let place = &self.place;
        for segment in &mut self.segments {
            let path = place.path(segment.base, LOG);
            let size = place.file_system.file_size(&path).at(|| path.clone())?;
            segment.size = u32::try_from(size).map_err(|_| Error::unreadable(&path, "larger than 4 GiB"))?;
            segment.has_aborted = listing.aborted.contains(&segment.base);
            segment.created_ms = now_ms;
        }
        let orphans = [
            (&listing.offset_indexes, OFFSET_INDEX),
            (&listing.time_indexes, TIME_INDEX),
            (&listing.aborted, TRANSACTION_INDEX),
        ];
        for (bases, suffix) in orphans {
            for base in bases.difference(&listing.logs) {
                place.remove(*base, suffix)?;
            }
        }
        if self.segments.is_empty() {
            let base = self.start_offset.max(Offset::ZERO);
            let jitter = self.jitter();
            self.segments.push_back(Segment::create(&self.place, base, now_ms, jitter)?);
            self.unsynced_names = true;
            return Ok(());
        }
        let jitter = self.jitter();
        self.active().jitter_ms = jitter;
        Ok(())
    }
}

fn list(place: &Place) -> Result<Listing> {
    let mut listing = Listing::default();
    for entry in place.file_system.read_directory(&place.directory).at(|| place.directory.clone())? {
        let kinds = [
            (LOG, &mut listing.logs),
            (OFFSET_INDEX, &mut listing.offset_indexes),
            (TIME_INDEX, &mut listing.time_indexes),
            (TRANSACTION_INDEX, &mut listing.aborted),
            (SNAPSHOT, &mut listing.snapshots),
        ];
        for (suffix, bases) in kinds {
            bases.extend(parse_segment_file(&entry.name, suffix));
        }
    }
    Ok(listing)
}

/// Deletions and replacements that a stop has interrupted: `.deleted` and `.cleaned` files go, `.swap` files take
/// the place of what they replace.
fn finish_swaps(place: &Place) -> Result<()> {
    let directory = &place.directory;
    let (mut swaps, mut lowest_cleaned) = (Vec::new(), Offset(i64::MAX));
    let mut remove = Vec::new();
    for entry in place.file_system.read_directory(directory).at(|| directory.clone())? {
        let name = entry.name;
        if name.ends_with(DELETED) && !name.ends_with(".checkpoint.deleted") {
            remove.push(name);
        } else if let Some(plain) = name.strip_suffix(CLEANED) {
            lowest_cleaned = base_of(plain).map_or(lowest_cleaned, |base| lowest_cleaned.min(base));
            remove.push(name);
        } else if let Some(plain) = name.strip_suffix(SWAP) {
            swaps.extend(base_of(plain).map(|base| (base, plain.to_owned())));
        }
    }
    // an output that was not complete: its originals are all there
    let (dropped, complete): (Vec<_>, Vec<_>) =
        swaps.into_iter().partition(|(base, _)| *base >= lowest_cleaned);
    remove.extend(dropped.into_iter().map(|(_, plain)| format!("{plain}{SWAP}")));
    for name in remove {
        let path = directory.join(name);
        place.file_system.remove_file(&path).at(|| path)?;
    }
    if complete.is_empty() {
        return Ok(());
    }
    remove_replaced(place, &complete)?;
    for (_, plain) in complete {
        let (from, to) = (directory.join(format!("{plain}{SWAP}")), directory.join(plain));
        place.file_system.rename(&from, &to).at(|| from)?;
    }
    place.file_system.sync_directory(directory).at(|| directory.clone())
}

/// The segments that complete replacements stand for.
fn remove_replaced(place: &Place, swaps: &[(Offset, String)]) -> Result<()> {
    let logs = swaps.iter().filter(|(_, plain)| plain.ends_with(LOG));
    let (mut first, mut end) = (Offset(i64::MAX), Offset(i64::MIN));
    for (base, plain) in logs {
        first = first.min(*base);
        end = end.max(super::recover::next_offset(place, *base, &format!("{plain}{SWAP}"))?);
    }
    for entry in place.file_system.read_directory(&place.directory).at(|| place.directory.clone())? {
        let replaced = [LOG, OFFSET_INDEX, TIME_INDEX, TRANSACTION_INDEX]
            .into_iter()
            .find_map(|suffix| parse_segment_file(&entry.name, suffix))
            .is_some_and(|base| base >= first && base < end);
        if replaced {
            let path = place.directory.join(&entry.name);
            place.file_system.remove_file(&path).at(|| path)?;
        }
    }
    Ok(())
}

fn base_of(plain: &str) -> Option<Offset> {
    [LOG, OFFSET_INDEX, TIME_INDEX, TRANSACTION_INDEX, SNAPSHOT]
        .into_iter()
        .find_map(|suffix| parse_segment_file(plain, suffix))
}
