//! The log directories of a node as its shards use them, and what was found in them at the start.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use metadata::image::{ConfigResource, MetadataImage};
use platform::FileSystem;
use storage::{DirectoryKind, LogDirectory, OpenError, PartitionDirectory, StartPoints};
use types::{TopicIdPartition, Uuid};

use crate::config::NodeConfig;
use crate::event::{DirectoryIndex, ShardId};
use crate::routing::shard_of;

/// One entry of `log.dirs`, and what its last stop left.
#[derive(Debug)]
pub struct StartedDirectory {
    pub directory: LogDirectory,
    pub points: StartPoints,
    /// The last stop was clean: logs are not scanned.
    pub clean: bool,
    /// The broker epoch of that stop (KIP-966); -1 where it is not known.
    pub previous_broker_epoch: i64,
}

/// All log directories that could be used at the start, in the order of `NodeConfig::log_directories`. Shared by the
/// actors, never changed.
#[derive(Debug, Default)]
pub struct Directories(pub Vec<StartedDirectory>);

/// One that cannot be used at the start: its replicas are offline, the others serve.
#[derive(Debug)]
pub struct LostDirectory {
    pub path: PathBuf,
    pub error: storage::Error,
}

/// What the start found in one of them.
#[derive(Debug)]
pub struct Start {
    pub started: StartedDirectory,
    found: Vec<PartitionDirectory>,
}

/// A partition's directory that was found at the start and belongs to one shard.
#[derive(Clone, Debug)]
pub struct FoundLog {
    /// Without a topic's id where a crash has lost the file that says it, before a flush of any record.
    pub id: TopicIdPartition,
    pub directory: DirectoryIndex,
    pub found: PartitionDirectory,
}

/// Opens and locks them. One that another process has is an error; what else is wrong with one is that one's loss.
pub fn open_directories(
    file_system: &Arc<dyn FileSystem>,
    paths: &[PathBuf],
) -> Result<(Vec<LogDirectory>, Vec<LostDirectory>), OpenError> {
    let (mut opened, mut lost) = (Vec::new(), Vec::new());
    for path in paths {
        match LogDirectory::open(Arc::clone(file_system), path) {
            Ok(directory) => opened.push(directory),
            Err(OpenError::Storage(error)) => lost.push(LostDirectory { path: path.clone(), error }),
            Err(error) => return Err(error),
        }
    }
    Ok((opened, lost))
}

/// Reads what is in them.
pub fn start_directories(directories: Vec<LogDirectory>) -> (Vec<Start>, Vec<LostDirectory>) {
    let (mut starts, mut lost) = (Vec::new(), Vec::new());
    for directory in directories {
        let path = directory.path().to_owned();
        match Start::of(directory) {
            Ok(start) => starts.push(start),
            Err(error) => lost.push(LostDirectory { path, error }),
        }
    }
    (starts, lost)
}

impl Start {
    /// Reads checkpoints and names. The clean-shutdown file is gone afterwards: a crash from here on is one. Directories
    /// that were to be deleted are removed.
    fn of(directory: LogDirectory) -> storage::Result<Start> {
        let points = directory.start_points()?;
        let stop = directory.take_clean_shutdown()?;
        let previous_broker_epoch = stop.as_ref().map_or(-1, |stop| stop.broker_epoch);
        let mut all = Vec::new();
        for found in directory.partitions()? {
            if is_wanted(&directory, &found)? {
                all.push(found);
            }
        }
        let started = StartedDirectory { points, clean: stop.is_some(), previous_broker_epoch, directory };
        Ok(Start { started, found: all })
    }
}

fn is_wanted(directory: &LogDirectory, found: &PartitionDirectory) -> storage::Result<bool> {
    // a crash has come before the copy could say whose it is
    let is_nothing = found.kind == DirectoryKind::Future && found.topic_id.is_none();
    if found.kind == DirectoryKind::Delete || is_nothing {
        directory.remove_directory(&found.path)?;
    }
    Ok(match found.kind {
        // without records: whoever is given the name takes it over
        DirectoryKind::Current => found.topic_id.is_some() || directory.has_records(&found.path)?,
        // of a move that goes on
        DirectoryKind::Future => !is_nothing,
        DirectoryKind::Delete | DirectoryKind::Stray => false,
    })
}

impl Directories {
    /// Those that all work, and what each shard has to open.
    pub fn start(
        directories: Vec<LogDirectory>,
        shards: u16,
    ) -> storage::Result<(Directories, Vec<Vec<FoundLog>>)> {
        let starts = directories.into_iter().map(Start::of).collect::<storage::Result<_>>()?;
        Ok(Directories::of(starts, shards))
    }

    /// These, and what each shard has to open.
    pub fn of(starts: Vec<Start>, shards: u16) -> (Directories, Vec<Vec<FoundLog>>) {
        let mut by_shard: Vec<Vec<FoundLog>> = (0..shards.max(1)).map(|_| Vec::new()).collect();
        let mut all = Vec::with_capacity(starts.len());
        for (index, Start { started, found }) in starts.into_iter().enumerate() {
            all.push(started);
            for found in found {
                let topic_id = found.topic_id.unwrap_or(Uuid::ZERO);
                let id = TopicIdPartition { topic_id, partition: found.partition.partition };
                let ShardId(shard) = shard_of(&id, shards);
                if let Some(logs) = by_shard.get_mut(usize::from(shard)) {
                    logs.push(FoundLog { id, directory: DirectoryIndex(index as u16), found });
                }
            }
        }
        (Directories(all), by_shard)
    }

    /// That of the last stop, where all say the same; else, and where one was `lost` and cannot say it, -1: the stop is
    /// not known to have been clean (KIP-966).
    pub fn previous_broker_epoch(&self, lost: &[PathBuf]) -> i64 {
        let mut epochs = self.0.iter().map(|started| started.previous_broker_epoch);
        let first = epochs.next().filter(|_| lost.is_empty()).unwrap_or(-1);
        if epochs.all(|epoch| epoch == first) { first } else { -1 }
    }

    pub(crate) fn get(&self, index: DirectoryIndex) -> Option<&StartedDirectory> {
        self.0.get(usize::from(index.0))
    }

    pub(crate) fn index_of(&self, id: Uuid) -> Option<DirectoryIndex> {
        self.0
            .iter()
            .position(|started| started.directory.id() == id)
            .map(|index| DirectoryIndex(index as u16))
    }

    pub(crate) fn indexes(&self) -> impl Iterator<Item = DirectoryIndex> + use<> {
        (0..self.0.len() as u16).map(DirectoryIndex)
    }
}

/// The log directories of a broker that are to get no new replicas (KIP-1066): of its configuration, or its file.
pub(crate) fn cordoned(image: &MetadataImage, node: &NodeConfig) -> Vec<Uuid> {
    const NAME: &str = "cordoned.log.dirs";
    let set = image.properties(&ConfigResource::broker(node.node_id.0)).get(NAME);
    let value = set.or_else(|| node.properties.get(NAME)).map_or("", |value| value.trim());
    let named =
        |path: &Path| value.split(',').any(|item| item.trim() == "*" || Path::new(item.trim()) == path);
    let all = node.log_directories.iter();
    let mut ids: Vec<Uuid> = all.filter(|one| named(&one.path)).map(|one| one.id).collect();
    ids.sort();
    ids
}

/// `Directories` and one shard's part of what was found.
#[derive(Debug, Default)]
pub struct ShardLogs {
    pub directories: Arc<Directories>,
    pub found: Vec<FoundLog>,
}
