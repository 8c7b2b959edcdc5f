//! `partition.metadata`: the topic id that a partition's directory belongs to.

use std::io::IoSlice;
use std::path::Path;
use std::sync::Arc;

use platform::{File, FileSystem, OpenMode};
use types::Uuid;

use crate::error::{At, Error, Result};

pub const FILE: &str = "partition.metadata";

/// None where there is no file, or one that a crash left empty or in part.
pub fn read(file_system: &dyn FileSystem, directory: &Path) -> Result<Option<Uuid>> {
    let path = directory.join(FILE);
    if !file_system.exists(&path) {
        return Ok(None);
    }
    let bytes = file_system.read(&path).at(|| path.clone())?;
    let text = String::from_utf8_lossy(&bytes);
    match parse(&text) {
        None if !is_torn(&text) => Err(Error::unreadable(&path, "malformed")),
        topic_id => Ok(topic_id),
    }
}

/// Bytes of the file that were never written: the end is missing, or zeros are in its place.
fn is_torn(text: &str) -> bool {
    let written = text.trim_end_matches('\0');
    let whole = "version: 0\ntopic_id: ";
    whole.starts_with(written) || (written.starts_with(whole) && written.len() < whole.len() + 22)
}

/// Writes the file and gives it back to be synced with the log's first flush.
pub(crate) fn write(file_system: &dyn FileSystem, directory: &Path, topic_id: Uuid) -> Result<Arc<dyn File>> {
    let path = directory.join(FILE);
    let text = format!("version: 0\ntopic_id: {topic_id}");
    let written = file_system.open(&path, OpenMode::CreateOrOpen).and_then(|file| {
        file.write_at(&mut [IoSlice::new(text.as_bytes())], 0)?;
        file.set_size(text.len() as u64)?;
        Ok(file)
    });
    written.at(|| path)
}

fn parse(text: &str) -> Option<Uuid> {
    let mut lines = text.lines();
    let version = lines.next()?.split_once(':')?;
    let topic_id = lines.next()?.split_once(':')?;
    let named = version.0.trim() == "version" && topic_id.0.trim() == "topic_id";
    (named && version.1.trim() == "0").then(|| topic_id.1.trim().parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use platform::MemoryFileSystem;

    #[test]
    fn written_and_read() {
        let (system, root) = (MemoryFileSystem::new(0), Path::new("/"));
        assert_eq!(read(&system, root).unwrap(), None);
        write(&system, root, Uuid::METADATA_TOPIC).unwrap();
        assert_eq!(
            system.read(Path::new("/partition.metadata")).unwrap(),
            b"version: 0\ntopic_id: AAAAAAAAAAAAAAAAAAAAAQ"
        );
        assert_eq!(read(&system, root).unwrap(), Some(Uuid::METADATA_TOPIC));
    }

    #[test]
    fn content() {
        for (text, expected) in [
            ("version: 0\ntopic_id: AAAAAAAAAAAAAAAAAAAAAQ\n", Some(Uuid::METADATA_TOPIC)),
            ("version: 1\ntopic_id: AAAAAAAAAAAAAAAAAAAAAQ", None),
            ("topic_id: AAAAAAAAAAAAAAAAAAAAAQ\nversion: 0", None),
            ("version: 0", None),
            ("version: 0\ntopic_id: x", None),
        ] {
            assert_eq!(parse(text), expected, "{text}");
        }
        for (text, torn) in [
            ("", true),
            ("\0\0", true),
            ("versi", true),
            ("version: 0\ntopic_id: x", true),
            ("version: 1", false),
        ] {
            assert_eq!(is_torn(text), torn, "{text}");
        }
    }
}
