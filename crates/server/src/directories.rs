//! A node's log directories at its start: formatted if they may be, locked, and asked who the node is.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use broker::quorum::format::{self, FormatOptions, InitialVoters};
use metadata::configs::StaticConfig;
use metadata::features::MetadataVersion;
use platform::{FileSystem, Random, Time};
use raft::{Endpoint, ReplicaKey, VersionRange, Voter};
use storage::{LogDirectory, MetaProperties};
use types::{NodeId, Uuid};

use crate::node_config::{Identity, metadata_log_directory};

/// Locked directories of `log.dirs`, in order, and what they say. A separate `metadata.log.dir` comes last.
pub struct Opened {
    pub directories: Vec<LogDirectory>,
    pub identity: Identity,
    /// This start formatted them.
    pub formatted: bool,
}

/// All of `log.dirs`, and `metadata.log.dir` where it is none of them.
pub fn paths(config: &StaticConfig) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = config.log_dirs.iter().map(PathBuf::from).collect();
    let metadata = metadata_log_directory(config);
    if !paths.contains(&metadata) {
        paths.push(metadata);
    }
    paths
}

pub fn open(
    config: &StaticConfig,
    file_system: &Arc<dyn FileSystem>,
    random: &mut Random,
    now: Time,
) -> Result<Opened> {
    let paths = paths(config);
    let mut directories = Vec::new();
    for path in &paths {
        directories.push(LogDirectory::open(Arc::clone(file_system), path)?);
    }
    let formatted = directories.iter().all(|d| d.meta().is_none());
    if formatted {
        format_alone(config, file_system, &paths, random, now)?;
        // read again what was written
        drop(directories);
        directories = Vec::new();
        for path in &paths {
            directories.push(LogDirectory::open(Arc::clone(file_system), path)?);
        }
    }
    let cluster_id = cluster_id(config, &directories)?;
    for directory in &mut directories {
        give_id(directory, random)?;
    }
    let directory_ids: Vec<Uuid> = directories.iter().map(LogDirectory::id).collect();
    Ok(Opened { directories, identity: Identity { cluster_id, directory_ids }, formatted })
}

/// A node whose quorum names nobody else formats its empty directories itself; any other must be formatted first, because
/// a voter that forgot its vote is no voter.
fn format_alone(
    config: &StaticConfig,
    file_system: &Arc<dyn FileSystem>,
    paths: &[PathBuf],
    random: &mut Random,
    now: Time,
) -> Result<()> {
    let empty = paths.iter().all(|path| is_empty(&**file_system, path));
    if !empty || !is_alone(config) {
        // Kafka's words
        bail!("No readable meta.properties files found.");
    }
    let version = MetadataVersion::LATEST_PRODUCTION;
    let ids: Vec<(PathBuf, Uuid)> = paths.iter().map(|path| (path.clone(), format::new_id(random))).collect();
    let metadata_directory = metadata_log_directory(config);
    let own = ids.iter().find(|(path, _)| *path == metadata_directory).map_or(Uuid::ZERO, |(_, id)| *id);
    let voters = match config.voters.is_empty() {
        true => InitialVoters::Dynamic(vec![own_voter(config, own)?]),
        false => InitialVoters::None,
    };
    let options = FormatOptions {
        node_id: NodeId(config.node_id),
        cluster_id: format::new_id(random).to_string(),
        directories: ids,
        metadata_directory,
        voters,
        records: format::bootstrap(version, &[]),
        metadata_version: version,
        wall_ms: now.wall_ms,
    };
    format::format(&**file_system, &options).context("the log directories cannot be formatted")
}

/// This node as the one voter of a new dynamic quorum.
pub fn own_voter(config: &StaticConfig, directory_id: Uuid) -> Result<Voter> {
    let listener =
        config.advertised_controller_listeners.first().context("no controller listener is configured")?;
    let host = if listener.host.is_empty() { "localhost" } else { listener.host.as_str() };
    Ok(Voter {
        key: ReplicaKey { id: NodeId(config.node_id), directory_id },
        endpoints: vec![Endpoint {
            listener: listener.name.clone(),
            host: host.to_owned(),
            port: listener.port,
        }],
        supported: VersionRange::OURS,
    })
}

/// Whether the quorum is this node and nobody else.
pub fn is_alone(config: &StaticConfig) -> bool {
    if !config.roles.controller {
        return false;
    }
    if !config.voters.is_empty() {
        return config.voters.iter().all(|voter| voter.id == config.node_id);
    }
    let own = |port: u16| config.listeners.iter().any(|l| l.port == port && is_controller(config, &l.name));
    config.bootstrap_servers.len() <= 1 && config.bootstrap_servers.iter().all(|(_, port)| own(*port))
}

fn is_controller(config: &StaticConfig, listener: &str) -> bool {
    config.controller_listener_names.iter().any(|name| name == listener)
}

fn is_empty(file_system: &dyn FileSystem, path: &Path) -> bool {
    let entries = file_system.read_directory(path).unwrap_or_default();
    entries.iter().all(|entry| matches!(entry.name.as_str(), ".lock" | "lost+found"))
}

/// The one that all directories agree on. Kafka's words where they do not.
fn cluster_id(config: &StaticConfig, directories: &[LogDirectory]) -> Result<String> {
    let mut found: Option<(&Path, &str)> = None;
    for directory in directories {
        let Some(meta) = directory.meta() else { continue };
        let (path, node_id) = (directory.path(), meta.node_id);
        if node_id != NodeId(config.node_id) {
            bail!(
                "Stored node id {node_id} doesn't match previous node id {} in {}. If you moved your data, make sure \
                 your configured node id matches. If you intend to create a new node, you should remove all data in \
                 your data directories.",
                config.node_id,
                path.join("meta.properties").display()
            );
        }
        match found {
            Some((other, cluster_id)) if cluster_id != meta.cluster_id => bail!(
                "Invalid cluster.id in: {}. Expected {cluster_id} as in {}, but read {}",
                path.join("meta.properties").display(),
                other.display(),
                meta.cluster_id
            ),
            _ => found = Some((path, &meta.cluster_id)),
        }
    }
    found.map(|(_, cluster_id)| cluster_id.to_owned()).context("No readable meta.properties files found.")
}

/// A directory that was formatted by an older Kafka is given an id. One that is not formatted may be a disk that is not
/// mounted, whose replicas, or metadata and votes, would be forgotten: the operator has to say that it is new. Kafka's
/// words.
fn give_id(directory: &mut LogDirectory, random: &mut Random) -> Result<()> {
    let Some(known) = directory.meta().cloned() else {
        bail!(
            "No `meta.properties` found in {} (have you run `kafka-storage.sh` to format the directory?)",
            directory.path().display()
        );
    };
    if known.directory_id.is_some() {
        return Ok(());
    }
    Ok(directory.write_meta(MetaProperties { directory_id: Some(format::new_id(random)), ..known })?)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use platform::MemoryFileSystem;

    use super::*;
    use crate::configuration::Given;

    fn config() -> StaticConfig {
        let mut values: BTreeMap<String, String> = Given::standard(Path::new("/a,/b")).values();
        values.remove("barnabas.metrics.listener");
        StaticConfig::parse(&values).expect("a good configuration")
    }

    fn start(file_system: &Arc<dyn FileSystem>) -> Result<Opened> {
        let now = Time { monotonic_us: 1, wall_ms: 1 };
        open(&config(), file_system, &mut Random::new(1), now)
    }

    /// Its disk may not be mounted.
    #[test]
    fn a_node_does_not_start_with_a_directory_that_is_not_formatted() {
        for lost in ["/a", "/b"] {
            let file_system: Arc<dyn FileSystem> = Arc::new(MemoryFileSystem::new(1));
            assert!(start(&file_system).expect("empty ones are formatted").formatted);
            assert!(!start(&file_system).expect("formatted").formatted);
            file_system.remove_directory_all(Path::new(lost)).expect("it was there");
            let error = start(&file_system).err().map(|error| error.to_string());
            let expected = format!(
                "No `meta.properties` found in {lost} (have you run `kafka-storage.sh` to format the directory?)"
            );
            assert_eq!(error, Some(expected));
        }
    }

    #[test]
    fn a_directory_of_an_older_kafka_is_given_an_id() {
        let file_system: Arc<dyn FileSystem> = Arc::new(MemoryFileSystem::new(1));
        let ids = start(&file_system).expect("empty ones are formatted").identity.directory_ids;
        let mut directory = LogDirectory::open(Arc::clone(&file_system), Path::new("/b")).expect("formatted");
        let meta = directory.meta().cloned().expect("formatted");
        directory.write_meta(MetaProperties { directory_id: None, ..meta }).expect("written");
        drop(directory);
        let now = start(&file_system).expect("formatted").identity.directory_ids;
        assert_eq!((now[0], now[1] != ids[1] && now[1] != Uuid::ZERO), (ids[0], true));
    }
}
