//! Where a log lies: its file system and directory. Files are opened by base offset and suffix.

use std::path::PathBuf;
use std::sync::Arc;

use platform::{File, FileSystem, OpenMode};
use types::Offset;

use crate::error::{At, Result};
use crate::names;

#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) file_system: Arc<dyn FileSystem>,
    pub(crate) directory: PathBuf,
}

impl Place {
    pub(crate) fn path(&self, base: Offset, suffix: &str) -> PathBuf {
        self.directory.join(names::segment_file(base, suffix))
    }

    pub(crate) fn open(&self, base: Offset, suffix: &str, mode: OpenMode) -> Result<Arc<dyn File>> {
        let path = self.path(base, suffix);
        self.file_system.open(&path, mode).at(|| path)
    }

    /// None where there is no such file.
    pub(crate) fn open_existing(&self, base: Offset, suffix: &str) -> Result<Option<Arc<dyn File>>> {
        let path = self.path(base, suffix);
        match self.file_system.open(&path, OpenMode::ReadWrite) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            opened => opened.map(Some).at(|| path),
        }
    }

    /// Removes the file if it is there.
    pub(crate) fn remove(&self, base: Offset, suffix: &str) -> Result<()> {
        let path = self.path(base, suffix);
        match self.file_system.remove_file(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            removed => removed.at(|| path),
        }
    }
}
