//! `.kafka_cleanshutdown`: the last stop was clean and nothing needs recovery. Removed before logs are opened.

use std::path::Path;

use platform::{FileSystem, OpenMode};

use crate::error::{At, Result};

pub const FILE: &str = ".kafka_cleanshutdown";

/// What a clean stop left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CleanShutdown {
    /// The broker epoch that stopped (KIP-966); -1 where it is not known.
    pub broker_epoch: i64,
}

/// Reads and removes the file; None where the last stop was not clean.
pub fn take(file_system: &dyn FileSystem, directory: &Path) -> Result<Option<CleanShutdown>> {
    let path = directory.join(FILE);
    if !file_system.exists(&path) {
        return Ok(None);
    }
    let bytes = file_system.read(&path).at(|| path.clone())?;
    file_system.remove_file(&path).at(|| path.clone())?;
    // gone for good before anything is written, or a crash would look like a clean stop
    file_system.sync_directory(directory).at(|| directory.to_owned())?;
    Ok(Some(CleanShutdown { broker_epoch: parse(&String::from_utf8_lossy(&bytes)).unwrap_or(-1) }))
}

/// Written last, when everything else of the directory is synced.
pub fn write(file_system: &dyn FileSystem, directory: &Path, broker_epoch: i64) -> Result<()> {
    let path = directory.join(FILE);
    let text = format!("{{\"version\":0,\"brokerEpoch\":{broker_epoch}}}");
    let written = file_system.open(&path, OpenMode::CreateOrOpen).and_then(|file| {
        file.set_size(0)?;
        file.write_at(&mut [std::io::IoSlice::new(text.as_bytes())], 0)?;
        file.sync()?;
        file_system.sync_directory(directory)
    });
    written.at(|| path)
}

/// The broker epoch; content of another kind means only that it is not known, as for Kafka.
fn parse(text: &str) -> Option<i64> {
    let (_, rest) = text.split_once("\"brokerEpoch\"")?;
    let rest = rest.trim_start().strip_prefix(':')?.trim_start();
    let end = rest.find(|c: char| c != '-' && !c.is_ascii_digit()).unwrap_or(rest.len());
    rest.get(..end)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use platform::MemoryFileSystem;

    #[test]
    fn taken_once() {
        let (system, root) = (MemoryFileSystem::new(0), Path::new("/"));
        assert_eq!(take(&system, root).unwrap(), None);
        write(&system, root, 42).unwrap();
        system.crash_keeping_nothing();
        assert_eq!(take(&system, root).unwrap(), Some(CleanShutdown { broker_epoch: 42 }));
        system.crash_keeping_nothing();
        assert_eq!(take(&system, root).unwrap(), None);
    }

    #[test]
    fn content() {
        for (text, expected) in [
            ("{\"version\":0,\"brokerEpoch\":17}", Some(17)),
            ("{ \"brokerEpoch\" : -1 , \"version\" : 0 }", Some(-1)),
            ("", None),
            ("{\"brokerEpoch\":\"x\"}", None),
        ] {
            assert_eq!(parse(text), expected, "{text}");
        }
    }
}
