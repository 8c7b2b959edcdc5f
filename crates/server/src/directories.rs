//! A node's log directories at its start: formatted if they may be, locked, and asked who the node is.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use broker::config::LogDirectoryConfig;
use broker::quorum::format::{self, FormatOptions, InitialVoters};
use broker::{LostDirectory, Start, open_directories, start_directories};
use metadata::configs::StaticConfig;
use metadata::features::MetadataVersion;
use platform::{FileSystem, Random, Time};
use raft::{Endpoint, ReplicaKey, VersionRange, Voter};
use storage::{LogDirectory, MetaProperties};
use types::{NodeId, Uuid};

use crate::node_config::{Identity, metadata_log_directory};

/// What works, locked, and what it says.
pub struct Opened {
    /// Of `log.dirs`, in order.
    pub starts: Vec<Start>,
    /// A `metadata.log.dir` that is none of them.
    pub metadata_only: Option<LogDirectory>,
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
    let (mut directories, mut lost) = open_all(config, file_system, &paths)?;
    let formatted = directories.iter().all(|d| d.meta().is_none());
    if formatted {
        if let Some(one) = lost.first() {
            bail!("No readable meta.properties files found: {}", one.error);
        }
        format_alone(config, file_system, &paths, random, now)?;
        // read again what was written
        drop(directories);
        (directories, lost) = open_all(config, file_system, &paths)?;
    }
    let cluster_id = cluster_id(config, &directories)?;
    for directory in &mut directories {
        give_id(directory, random)?;
    }
    let is_metadata_only = |directory: &mut LogDirectory| !is_log_dir(config, directory.path());
    let metadata_only = directories.extract_if(.., is_metadata_only).next();
    let (starts, lost_in_reading) = start_directories(directories);
    lose(config, &lost_in_reading)?;
    lost.extend(lost_in_reading);
    if starts.is_empty() && config.roles.broker {
        bail!("none of the log directories ({}) can be used", config.log_dirs.join(", "));
    }
    let identity = identity(cluster_id, &starts, lost);
    Ok(Opened { starts, metadata_only, identity, formatted })
}

fn identity(cluster_id: String, starts: &[Start], lost: Vec<LostDirectory>) -> Identity {
    let directory = |start: &Start| {
        let directory = &start.started.directory;
        LogDirectoryConfig { path: directory.path().to_owned(), id: directory.id() }
    };
    Identity {
        cluster_id,
        log_directories: starts.iter().map(directory).collect(),
        lost_log_directories: lost.into_iter().map(|one| one.path).collect(),
    }
}

fn is_log_dir(config: &StaticConfig, path: &Path) -> bool {
    config.log_dirs.iter().any(|directory| Path::new(directory) == path)
}

fn open_all(
    config: &StaticConfig,
    file_system: &Arc<dyn FileSystem>,
    paths: &[PathBuf],
) -> Result<(Vec<LogDirectory>, Vec<LostDirectory>)> {
    let (directories, lost) = open_directories(file_system, paths)?;
    lose(config, &lost)?;
    Ok((directories, lost))
}

/// Without the metadata log there is no node. Kafka's words.
fn lose(config: &StaticConfig, lost: &[LostDirectory]) -> Result<()> {
    for LostDirectory { path, error } in lost {
        if *path == metadata_log_directory(config) {
            bail!(
                "Encountered I/O error in metadata log directory {}. Cannot continue. ({error})",
                path.display()
            );
        }
        tracing::error!("log directory {} cannot be used, its replicas are offline: {error}", path.display());
    }
    Ok(())
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

    use broker::Directories;
    use platform::{MemoryFileSystem, OpenMode};

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

    fn ids(opened: &Opened) -> Vec<Uuid> {
        opened.identity.log_directories.iter().map(|directory| directory.id).collect()
    }

    /// A clean stop, and then something is wrong in `/b`.
    #[test]
    fn a_node_starts_without_a_directory_that_cannot_be_used() {
        type Damage = fn(&MemoryFileSystem);
        let rows: [(&str, Damage); 5] = [
            ("it is a file", |files| {
                files.remove_directory_all(Path::new("/b")).expect("it was there");
                files.open(Path::new("/b"), OpenMode::CreateOrOpen).expect("a file");
            }),
            ("nothing in it can be read", |files| files.break_path(Path::new("/b"))),
            ("it cannot be locked", |files| files.break_path(Path::new("/b/.lock"))),
            ("its meta.properties is not one", |files| {
                files.write_atomically(Path::new("/b/meta.properties"), b"version=9").expect("written");
            }),
            ("a replica's directory cannot be read", |files| files.break_path(Path::new("/b/t-0"))),
        ];
        for (what, damage) in rows {
            let files = MemoryFileSystem::new(1);
            let file_system: Arc<dyn FileSystem> = Arc::new(files.clone());
            let opened = start(&file_system).expect("empty ones are formatted");
            for start in &opened.starts {
                start.started.directory.write_clean_shutdown(7).expect("written");
            }
            let before = ids(&opened);
            drop(opened);
            files.create_directory_all(Path::new("/b/t-0")).expect("made");
            damage(&files);
            let opened = start(&file_system).expect(what);
            assert_eq!(ids(&opened), before[..1], "{what}");
            assert_eq!(opened.identity.lost_log_directories, [PathBuf::from("/b")], "{what}");
            assert_eq!(opened.starts.len(), 1, "{what}");
            let (started, _) = Directories::of(opened.starts, 1);
            let epoch = started.previous_broker_epoch(&opened.identity.lost_log_directories);
            assert_eq!(epoch, -1, "{what}: it cannot say how it was left");
        }
    }

    #[test]
    fn a_node_does_not_start_without_its_metadata_log_or_a_log_directory() {
        let files = MemoryFileSystem::new(1);
        let file_system: Arc<dyn FileSystem> = Arc::new(files.clone());
        files.create_directory_all(Path::new("/b")).expect("made");
        files.write_atomically(Path::new("/b/meta.properties"), b"version=9").expect("written");
        let error = start(&file_system).err().map(|error| error.to_string()).expect("it is new");
        assert!(error.starts_with("No readable meta.properties files found"), "{error}");
        files.remove_directory_all(Path::new("/b")).expect("it was there");
        assert!(start(&file_system).expect("empty ones are formatted").formatted);
        files.break_path(Path::new("/a"));
        let error =
            start(&file_system).err().map(|error| error.to_string()).expect("it has the metadata log");
        assert!(
            error.starts_with("Encountered I/O error in metadata log directory /a. Cannot continue."),
            "{error}"
        );
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
        let before = ids(&start(&file_system).expect("empty ones are formatted"));
        let mut directory = LogDirectory::open(Arc::clone(&file_system), Path::new("/b")).expect("formatted");
        let meta = directory.meta().cloned().expect("formatted");
        directory.write_meta(MetaProperties { directory_id: None, ..meta }).expect("written");
        drop(directory);
        let now = ids(&start(&file_system).expect("formatted"));
        assert_eq!((now[0], now[1] != before[1] && now[1] != Uuid::ZERO), (before[0], true));
    }
}
