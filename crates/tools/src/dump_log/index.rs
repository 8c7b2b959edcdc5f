//! `.index`, `.timeindex`, `.txnindex` and `.snapshot` files.

use std::path::Path;

use records::Batch;

use super::json::Source;
use super::{base_offset, read};
use crate::Stop;
use crate::options::Parsed;
use crate::output::say;

const ALL: u64 = u64::MAX;
/// Bytes.
const OFFSET_ENTRY: usize = 8;

/// Offsets and positions; compared with the log beside the index.
pub fn offsets(path: &Path, parsed: &Parsed) -> Result<(), Stop> {
    let bytes = read(path, ALL)?;
    if bytes.len() < OFFSET_ENTRY {
        say!("{} is empty.", path.display());
        return Ok(());
    }
    if parsed.has("index-sanity-check") {
        return sane(path, bytes.len(), OFFSET_ENTRY);
    }
    let log = read(&path.with_extension("log"), ALL)?;
    let base = base_offset(path);
    let mut mismatches = Vec::new();
    let mut source = Source(&bytes);
    let mut first = true;
    while let (Some(relative), Some(position)) = (source.int32(), source.int32()) {
        let offset = base.saturating_add(i64::from(relative));
        // what was set aside and not filled
        if offset == base && !first {
            break;
        }
        first = false;
        let rest = usize::try_from(position).ok().and_then(|position| log.get(position..));
        if let Some(Ok(Some(batch))) = rest.map(Batch::first) {
            let last = batch.header().last_offset().0;
            if last != offset {
                mismatches.push((offset, last));
            }
        }
        if !parsed.has("verify-index-only") {
            say!("offset: {offset} position: {position}");
        }
    }
    if !mismatches.is_empty() {
        eprintln!("Mismatches in :{}", path.display());
    }
    for (indexed, found) in mismatches {
        eprintln!("  Index offset: {indexed}, log offset: {found}");
    }
    Ok(())
}

pub fn times(path: &Path, parsed: &Parsed) -> Result<(), Stop> {
    let bytes = read(path, ALL)?;
    if parsed.has("index-sanity-check") {
        return sane(path, bytes.len(), 12);
    }
    let base = base_offset(path);
    let mut source = Source(&bytes);
    let mut first = true;
    while let (Some(timestamp), Some(relative)) = (source.int64(), source.int32()) {
        let offset = base.saturating_add(i64::from(relative));
        if offset == base && !first {
            break;
        }
        first = false;
        if !parsed.has("verify-index-only") {
            say!("timestamp: {timestamp} offset: {offset}");
        }
    }
    Ok(())
}

fn sane(path: &Path, length: usize, entry: usize) -> Result<(), Stop> {
    if !length.is_multiple_of(entry) {
        return Err(Stop::error(format!(
            "Index file {} is corrupt, found {length} bytes which is neither positive nor a multiple of {entry}.",
            path.display()
        )));
    }
    say!("{} passed sanity check.", path.display());
    Ok(())
}

/// Aborted transactions.
pub fn transactions(path: &Path) -> Result<(), Stop> {
    let bytes = read(path, ALL)?;
    let mut source = Source(&bytes);
    while let Some(version) = source.int16() {
        let mut number = || source.int64();
        let (Some(producer), Some(first), Some(last), Some(stable)) =
            (number(), number(), number(), number())
        else {
            break;
        };
        say!(
            "version: {version} producerId: {producer} firstOffset: {first} lastOffset: {last} lastStableOffset: {stable}"
        );
    }
    Ok(())
}

/// Producers' state.
pub fn producers(path: &Path) -> Result<(), Stop> {
    let bytes = read(path, ALL)?;
    let mut source = Source(&bytes);
    // version, checksum, count
    source.take(10);
    while let Some(line) = producer(&mut source) {
        say!("{line}");
    }
    Ok(())
}

fn producer(source: &mut Source<'_>) -> Option<String> {
    let (id, epoch, last_sequence) = (source.int64()?, source.int16()?, source.int32()?);
    let (last_offset, delta, timestamp) = (source.int64()?, source.int32()?, source.int64()?);
    let (coordinator_epoch, transaction) = (source.int32()?, source.int64()?);
    let transaction = match transaction {
        ..0 => "OptionalLong.empty".to_owned(),
        offset => format!("OptionalLong[{offset}]"),
    };
    let mut line = format!(
        "producerId: {id} producerEpoch: {epoch} coordinatorEpoch: {coordinator_epoch} currentTxnFirstOffset: {transaction} \
         lastTimestamp: {timestamp} "
    );
    if last_sequence >= 0 {
        let first = last_sequence.saturating_sub(delta);
        line.push_str(&format!(
            "firstSequence: {first} lastSequence: {last_sequence} lastOffset: {last_offset} offsetDelta: {delta} timestamp: \
             {timestamp}"
        ));
    }
    Some(line)
}
