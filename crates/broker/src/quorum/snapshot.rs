//! Snapshot files: a header, records, a footer, offsets from 0. `<end>-<epoch>.checkpoint` in the log's directory,
//! `bootstrap.checkpoint` in the log directory. Written beside, synced, renamed.

use std::io;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use metadata::features::MetadataVersion;
use platform::FileSystem;
use protocol::records::metadata::MetadataRecord;
use raft::{ControlRecord, SnapshotId};
use types::{LeaderEpoch, Offset};

use super::batches::{self, LogRecord, Unreadable};

pub(crate) const BOOTSTRAP_FILE: &str = "bootstrap.checkpoint";
const SUFFIX: &str = ".checkpoint";
const PART: &str = ".part";
const DELETED: &str = ".deleted";
/// Records in one batch, as Kafka cuts them.
const BATCH_RECORDS: usize = 1024;

pub(crate) fn file_name(id: SnapshotId) -> String {
    format!("{:020}-{:010}{SUFFIX}", id.end_offset.0, id.epoch.0)
}

fn parse_file_name(name: &str) -> Option<SnapshotId> {
    let (end, epoch) = name.strip_suffix(SUFFIX)?.split_once('-')?;
    if end.len() != 20 || epoch.len() != 10 {
        return None;
    }
    Some(SnapshotId { end_offset: Offset(end.parse().ok()?), epoch: LeaderEpoch(epoch.parse().ok()?) })
}

/// Finished snapshots, oldest first. What a crash left half done is removed.
pub(crate) fn list(file_system: &dyn FileSystem, directory: &Path) -> io::Result<Vec<SnapshotId>> {
    let mut found = Vec::new();
    for entry in file_system.read_directory(directory)? {
        let stale = entry.name.ends_with(PART)
            || entry.name.ends_with(&format!("{SUFFIX}{DELETED}"))
            || entry.name.ends_with(&format!("{SUFFIX}.tmp"));
        if stale {
            file_system.remove_file(&directory.join(&entry.name))?;
        } else if let Some(id) = parse_file_name(&entry.name) {
            found.push(id);
        }
    }
    found.sort();
    Ok(found)
}

/// What a snapshot says: control records (header and footer left out) and data.
#[derive(Clone, Debug, Default)]
pub(crate) struct Content {
    pub last_contained_log_timestamp: i64,
    pub controls: Vec<ControlRecord>,
    pub records: Vec<MetadataRecord>,
}

pub(crate) fn decode(bytes: &[u8]) -> Result<Content, Unreadable> {
    let mut content = Content::default();
    batches::read_all(bytes, |_, record| {
        match record {
            LogRecord::Control(ControlRecord::SnapshotHeader { last_contained_log_timestamp }) => {
                content.last_contained_log_timestamp = last_contained_log_timestamp;
            }
            LogRecord::Control(ControlRecord::SnapshotFooter) => {}
            LogRecord::Control(control) => content.controls.push(control),
            LogRecord::Data(record) => content.records.push(*record),
        }
        Ok(())
    })?;
    Ok(content)
}

pub(crate) fn read(file_system: &dyn FileSystem, path: &Path) -> io::Result<Content> {
    let bytes = file_system.read(path)?;
    decode(&bytes)
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, format!("{}: {error}", path.display())))
}

/// The file's bytes.
pub(crate) fn encode(
    content: &Content,
    version: MetadataVersion,
    epoch: LeaderEpoch,
    wall_ms: i64,
) -> Result<Vec<u8>, Unreadable> {
    let header =
        ControlRecord::SnapshotHeader { last_contained_log_timestamp: content.last_contained_log_timestamp };
    let head: Vec<_> = std::iter::once(header).chain(content.controls.iter().cloned()).collect();
    let mut bytes = batches::control_batch(&head, Offset(0), epoch, wall_ms)?.to_vec();
    let mut offset = head.len() as i64;
    for records in content.records.chunks(BATCH_RECORDS) {
        let batch = batches::data_batch(records, version, Offset(offset), epoch, wall_ms)?;
        bytes.extend_from_slice(&batch);
        offset += records.len() as i64;
    }
    let foot = batches::control_batch(&[ControlRecord::SnapshotFooter], Offset(offset), epoch, wall_ms)?;
    bytes.extend_from_slice(&foot);
    Ok(bytes)
}

/// A download on its way.
#[derive(Debug)]
pub(crate) struct Download {
    pub id: SnapshotId,
    pub path: PathBuf,
}

pub(crate) fn part_path(directory: &Path, id: SnapshotId) -> PathBuf {
    directory.join(format!("{}{PART}", file_name(id)))
}

/// Some bytes of a snapshot from a position on.
pub(crate) fn read_range(
    file_system: &dyn FileSystem,
    path: &Path,
    position: u64,
    bytes_max: usize,
) -> io::Result<Bytes> {
    let file = file_system.open(path, platform::OpenMode::Read)?;
    let left = file.size()?.saturating_sub(position);
    let mut bytes = vec![0; bytes_max.min(usize::try_from(left).unwrap_or(usize::MAX))];
    let read = file.read_at(&mut bytes, position)?;
    bytes.truncate(read);
    Ok(bytes.into())
}
