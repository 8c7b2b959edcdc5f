//! Kafka's checkpoint files: a version, a count, then one line for each entry. Replaced as a whole.

use std::io::IoSlice;
use std::path::Path;
use std::sync::Arc;

use platform::{File, FileSystem, OpenMode};
use types::{LeaderEpoch, Offset, TopicPartition};

use crate::error::{At, Error, Result};

pub const RECOVERY_POINT: &str = "recovery-point-offset-checkpoint";
pub const LOG_START_OFFSET: &str = "log-start-offset-checkpoint";
pub const HIGH_WATERMARK: &str = "replication-offset-checkpoint";
pub const LEADER_EPOCH: &str = "leader-epoch-checkpoint";

/// One line of an offset checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionOffset {
    pub partition: TopicPartition,
    pub offset: Offset,
}

/// The entries of an offset checkpoint; none where there is no file.
pub fn read_offsets(file_system: &dyn FileSystem, path: &Path) -> Result<Vec<PartitionOffset>> {
    read(file_system, path, parse_offset)
}

pub fn write_offsets(file_system: &dyn FileSystem, path: &Path, entries: &[PartitionOffset]) -> Result<()> {
    let lines = entries
        .iter()
        .map(|entry| format!("{} {} {}\n", entry.partition.topic, entry.partition.partition, entry.offset));
    let text = text(entries.len(), lines);
    file_system.write_atomically(path, text.as_bytes()).at(|| path.to_owned())
}

/// The epochs of a leader-epoch checkpoint, each with its first offset; none where there is no file.
pub fn read_epochs(file_system: &dyn FileSystem, path: &Path) -> Result<Vec<(LeaderEpoch, Offset)>> {
    if !file_system.exists(path) {
        return Ok(Vec::new());
    }
    let bytes = file_system.read(path).at(|| path.to_owned())?;
    // it is renamed into place before it is synced: a crash may have cut its last number
    if bytes.last().is_some_and(|last| *last != b'\n') {
        return Err(Error::unreadable(path, "cut off"));
    }
    parse(&bytes, parse_epoch).map_err(|reason| Error::unreadable(path, reason))
}

/// Replaces the file; it and its directory are still to be synced.
pub(crate) fn replace_epochs(
    file_system: &dyn FileSystem,
    path: &Path,
    epochs: &[(LeaderEpoch, Offset)],
) -> Result<Arc<dyn File>> {
    let text = text(epochs.len(), epochs.iter().map(|(epoch, start)| format!("{epoch} {start}\n")));
    let beside = path.with_extension("tmp");
    let written = file_system.open(&beside, OpenMode::CreateOrOpen).and_then(|file| {
        file.set_size(0)?;
        file.write_at(&mut [IoSlice::new(text.as_bytes())], 0)?;
        file_system.rename(&beside, path)?;
        Ok(file)
    });
    written.at(|| path.to_owned())
}

fn read<T>(file_system: &dyn FileSystem, path: &Path, entry: impl Fn(&str) -> Option<T>) -> Result<Vec<T>> {
    if !file_system.exists(path) {
        return Ok(Vec::new());
    }
    let bytes = file_system.read(path).at(|| path.to_owned())?;
    parse(&bytes, entry).map_err(|reason| Error::unreadable(path, reason))
}

fn parse<T>(bytes: &[u8], entry: impl Fn(&str) -> Option<T>) -> std::result::Result<Vec<T>, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "not text".to_owned())?;
    if text.is_empty() {
        return Ok(Vec::new());
    }
    let mut lines = text.lines();
    let version = lines.next().unwrap_or_default();
    if version.trim() != "0" {
        return Err(format!("version {version:?} of a checkpoint is not known"));
    }
    let count = lines.next().and_then(|line| line.trim().parse::<usize>().ok()).ok_or("no count")?;
    let entries: Vec<T> = lines
        .map(|line| entry(line).ok_or_else(|| format!("malformed line {line:?}")))
        .collect::<std::result::Result<_, _>>()?;
    match entries.len() == count {
        true => Ok(entries),
        false => Err(format!("{} lines where {count} are announced", entries.len())),
    }
}

fn parse_offset(line: &str) -> Option<PartitionOffset> {
    let mut words = line.split_whitespace();
    let (topic, partition, offset) =
        (words.next()?, words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    let partition = TopicPartition { topic: Arc::from(topic), partition };
    words.next().is_none().then_some(PartitionOffset { partition, offset: Offset(offset) })
}

fn parse_epoch(line: &str) -> Option<(LeaderEpoch, Offset)> {
    let mut words = line.split_whitespace();
    let (epoch, start) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    words.next().is_none().then_some((LeaderEpoch(epoch), Offset(start)))
}

fn text(count: usize, lines: impl Iterator<Item = String>) -> String {
    let mut text = format!("0\n{count}\n");
    lines.for_each(|line| text.push_str(&line));
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use platform::MemoryFileSystem;

    fn offset(topic: &str, partition: i32, offset: i64) -> PartitionOffset {
        let partition = TopicPartition { topic: Arc::from(topic), partition };
        PartitionOffset { partition, offset: Offset(offset) }
    }

    #[test]
    fn offsets() {
        for (text, expected) in [
            ("", Some(vec![])),
            ("0\n0\n", Some(vec![])),
            (
                "0\n2\na-b 0 5\nc 11 9223372036854775807\n",
                Some(vec![offset("a-b", 0, 5), offset("c", 11, i64::MAX)]),
            ),
            ("0\n1\na  0   5", Some(vec![offset("a", 0, 5)])),
            ("1\n0\n", None),
            ("0\n", None),
            ("0\nx\n", None),
            ("0\n2\na 0 5\n", None),
            ("0\n1\na 0\n", None),
            ("0\n1\na 0 5 6\n", None),
            ("0\n1\na 0 x\n", None),
            ("0\n99999999999999999999\n", None),
        ] {
            assert_eq!(parse(text.as_bytes(), parse_offset).ok(), expected, "{text:?}");
        }
    }

    #[test]
    fn what_is_written_is_kafkas_and_read_again() {
        let system = MemoryFileSystem::new(0);
        let path = Path::new("/checkpoint");
        assert_eq!(read_offsets(&system, path).unwrap(), []);
        let entries = [offset("a", 1, 2), offset("b", 0, 0)];
        write_offsets(&system, path, &entries).unwrap();
        assert_eq!(system.read(path).unwrap(), b"0\n2\na 1 2\nb 0 0\n");
        assert_eq!(read_offsets(&system, path).unwrap(), entries);
        let epochs = [(LeaderEpoch(3), Offset(0)), (LeaderEpoch(5), Offset(77))];
        replace_epochs(&system, path, &epochs).unwrap();
        assert_eq!(system.read(path).unwrap(), b"0\n2\n3 0\n5 77\n");
        assert_eq!(read_epochs(&system, path).unwrap(), epochs);
    }
}
