//! Formatting of log directories: what `kafka-storage format` does, and a single node's first start.
//! Every directory gets `bootstrap.checkpoint`, then `meta.properties`, whose being there says that it is formatted;
//! the metadata directory of a dynamic quorum gets the checkpoint 0-0 with its voters before.

use std::io;
use std::path::{Path, PathBuf};

use metadata::controller::bootstrap_records;
use metadata::features::MetadataVersion;
use platform::{FileSystem, Random};
use protocol::Str;
use protocol::records::metadata::{FeatureLevelRecord, MetadataRecord};
use raft::{ControlRecord, SnapshotId, Voter, VoterSet};
use storage::MetaProperties;
use types::{LeaderEpoch, NodeId, Uuid};

use super::log::directory_of;
use super::snapshot::{self, BOOTSTRAP_FILE, Content};

/// What the quorum of a formatted directory begins with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InitialVoters {
    /// `controller.quorum.voters` names them, or the node is told by the log: no checkpoint, kraft.version 0.
    None,
    /// kraft.version 1 with these voters. This node's own has the directory id of its metadata directory.
    Dynamic(Vec<Voter>),
}

/// All that a format writes. Times in milliseconds since the Unix epoch.
#[derive(Clone, Debug)]
pub struct FormatOptions {
    pub node_id: NodeId,
    pub cluster_id: String,
    /// With their new ids.
    pub directories: Vec<(PathBuf, Uuid)>,
    pub metadata_directory: PathBuf,
    pub voters: InitialVoters,
    /// Of the bootstrap checkpoint; see `bootstrap`.
    pub records: Vec<MetadataRecord>,
    pub metadata_version: MetadataVersion,
    pub wall_ms: i64,
}

/// The bootstrap records of a release with some features at other levels; a level of 0 leaves a feature out.
pub fn bootstrap(version: MetadataVersion, levels: &[(String, i16)]) -> Vec<MetadataRecord> {
    let mut records = bootstrap_records(version);
    for (name, level) in levels {
        records.retain(
            |record| !matches!(record, MetadataRecord::FeatureLevel(one) if one.name == name.as_str()),
        );
        if *level > 0 {
            let name = Str::from(name.clone());
            records.push(MetadataRecord::FeatureLevel(FeatureLevelRecord { name, feature_level: *level }));
        }
    }
    records
}

/// An id for a directory or a cluster, as Kafka draws them.
pub fn new_id(random: &mut Random) -> Uuid {
    loop {
        if let Some(id) = Uuid::from_random(random.bytes16()) {
            return id;
        }
    }
}

/// Writes everything; `meta.properties` of each directory last, so that a crash leaves it unformatted.
pub fn format(file_system: &dyn FileSystem, options: &FormatOptions) -> io::Result<()> {
    for (path, _) in &options.directories {
        make_directory(file_system, path)?;
        write_snapshot(
            file_system,
            &path.join(BOOTSTRAP_FILE),
            Vec::new(),
            options.records.clone(),
            options,
        )?;
    }
    if let InitialVoters::Dynamic(voters) = &options.voters {
        let directory = directory_of(&options.metadata_directory);
        make_directory(file_system, &directory)?;
        let voters = VoterSet::new(voters.iter().cloned());
        let controls = vec![ControlRecord::KraftVersion(1), ControlRecord::Voters(voters)];
        let path = directory.join(snapshot::file_name(SnapshotId::BOOTSTRAP));
        write_snapshot(file_system, &path, controls, Vec::new(), options)?;
    }
    for (path, id) in &options.directories {
        write_meta(file_system, path, *id, options)?;
    }
    Ok(())
}

/// The directory, its name durable.
fn make_directory(file_system: &dyn FileSystem, path: &Path) -> io::Result<()> {
    file_system.create_directory_all(path)?;
    path.parent().map_or(Ok(()), |parent| file_system.sync_directory(parent))
}

fn write_snapshot(
    file_system: &dyn FileSystem,
    path: &Path,
    controls: Vec<ControlRecord>,
    records: Vec<MetadataRecord>,
    options: &FormatOptions,
) -> io::Result<()> {
    let content = Content { last_contained_log_timestamp: 0, controls, records };
    let bytes = snapshot::encode(&content, options.metadata_version, LeaderEpoch(0), options.wall_ms)
        .map_err(|error| io::Error::other(error.to_string()))?;
    file_system.write_atomically(path, &bytes)
}

fn write_meta(
    file_system: &dyn FileSystem,
    path: &Path,
    id: Uuid,
    options: &FormatOptions,
) -> io::Result<()> {
    let meta = MetaProperties {
        cluster_id: options.cluster_id.clone(),
        node_id: options.node_id,
        directory_id: Some(id),
    };
    meta.write(file_system, path).map_err(|error| io::Error::other(error.to_string()))
}
