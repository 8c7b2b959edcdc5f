//! What `kafka-storage` does with a node's log directories: formats them, or says what they are. Texts are Kafka's.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use broker::quorum::format::{self, FormatOptions, InitialVoters};
use metadata::configs::StaticConfig;
use metadata::features::{FEATURES, METADATA_VERSION, MetadataVersion, UNSTABLE_ENABLE};
use platform::{FileSystem, OsFileSystem, Random};
use protocol::records::metadata::MetadataRecord;
use raft::{Endpoint, ReplicaKey, VersionRange, Voter};
use storage::MetaProperties;
use types::{NodeId, Uuid};

use crate::directories::{own_voter, paths};
use crate::node_config::metadata_log_directory;

/// Who the first voters of the quorum are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum First {
    Unsaid,
    Standalone,
    /// `id@host:port:directory-id,…`.
    Controllers(String),
    Nobody,
}

#[derive(Clone, Debug)]
pub struct Wanted {
    pub cluster_id: String,
    pub ignore_formatted: bool,
    pub release: Option<String>,
    /// `feature=level`.
    pub features: Vec<String>,
    pub first: First,
}

/// An id for a cluster or a directory, in base64.
pub fn random_id() -> String {
    let mut random = Random::new(seed());
    format::new_id(&mut random).to_string()
}

fn seed() -> u64 {
    let mut bytes = [0; 8];
    let _ = rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty());
    u64::from_ne_bytes(bytes)
}

/// Formats what is not formatted yet; gives the lines to be said.
pub fn format(config: &StaticConfig, wanted: &Wanted, wall_ms: i64) -> Result<Vec<String>, String> {
    check_first(config, &wanted.first)?;
    let (levels, version) = asked(config, wanted)?;
    if let First::Controllers(list) = &wanted.first {
        list.split(',').try_for_each(|one| voter(one, "").map(drop))?;
    }
    let file_system = OsFileSystem;
    let mut unformatted = Vec::new();
    for path in paths(config) {
        let Some(meta) = MetaProperties::read(&file_system, &path).map_err(|error| error.to_string())? else {
            unformatted.push(path);
            continue;
        };
        if meta.cluster_id != wanted.cluster_id {
            return Err(format!(
                "Invalid cluster.id in: {}. Expected {}, but read {}",
                path.join("meta.properties").display(),
                wanted.cluster_id,
                meta.cluster_id
            ));
        }
        if !wanted.ignore_formatted {
            return Err(format!(
                "Log directory {} is already formatted. Use --ignore-formatted to ignore this directory and format the \
                 others.",
                path.display()
            ));
        }
    }
    if unformatted.is_empty() {
        return Ok(vec!["All of the log directories are already formatted.".to_owned()]);
    }
    let mut random = Random::new(seed());
    let metadata_directory = metadata_log_directory(config);
    let mut directories: BTreeMap<PathBuf, Uuid> =
        unformatted.into_iter().map(|path| (path, format::new_id(&mut random))).collect();
    let voters = voters(config, &wanted.first, &metadata_directory, &mut directories)?;
    let records = format::bootstrap(version, &levels);
    let mut lines = vec![shown(&records, version)];
    let dynamic = voters != InitialVoters::None;
    for path in directories.keys() {
        let kind = match (*path == metadata_directory, dynamic) {
            (true, true) => "dynamic metadata voter directory",
            (true, false) => "metadata directory",
            (false, _) => "data directory",
        };
        let version = version.name().unwrap_or_default();
        lines.push(format!("Formatting {kind} {} with metadata.version {version}.", path.display()));
    }
    // voters of a metadata directory that was formatted before stay as they are
    let voters = if directories.contains_key(&metadata_directory) { voters } else { InitialVoters::None };
    let options = FormatOptions {
        node_id: NodeId(config.node_id),
        cluster_id: wanted.cluster_id.clone(),
        directories: directories.into_iter().collect(),
        metadata_directory,
        voters,
        records,
        metadata_version: version,
        wall_ms,
    };
    format::format(&file_system, &options).map_err(|error| error.to_string())?;
    Ok(lines)
}

fn check_first(config: &StaticConfig, first: &First) -> Result<(), String> {
    let chosen = matches!(first, First::Standalone | First::Controllers(_));
    if chosen && !config.voters.is_empty() {
        return Err("You cannot specify controller.quorum.voters and format the node with --initial-controllers or \
                    --standalone. If you want to use dynamic quorum, please remove controller.quorum.voters and specify \
                    controller.quorum.bootstrap.servers instead."
            .to_owned());
    }
    match first {
        First::Standalone if !config.roles.controller => {
            Err("You can only use --standalone on a controller.".to_owned())
        }
        First::Unsaid if config.roles.controller && config.voters.is_empty() => Err(
            "Because controller.quorum.voters is not set on this controller, you must specify one of the \
                 following: --standalone, --initial-controllers, or --no-initial-controllers."
                .to_owned(),
        ),
        _ => Ok(()),
    }
}

/// The other features' levels, and metadata.version: by a release or as a feature.
fn asked(config: &StaticConfig, wanted: &Wanted) -> Result<(Vec<(String, i16)>, MetadataVersion), String> {
    let unstable = config.bool(UNSTABLE_ENABLE);
    let mut levels = levels(&wanted.features)?;
    let given = levels.iter().find(|(name, _)| name == METADATA_VERSION).map(|(_, level)| *level);
    levels.retain(|(name, _)| name != METADATA_VERSION);
    let version = match (&wanted.release, given) {
        (Some(_), Some(_)) => {
            return Err(
                "Use --release-version instead of --feature metadata.version=X to avoid ambiguity.".into()
            );
        }
        (Some(release), None) => MetadataVersion::supported_by_name(release, unstable)?,
        (None, Some(level)) => MetadataVersion(level),
        (None, None) => MetadataVersion::LATEST_PRODUCTION,
    };
    if version > MetadataVersion::highest(unstable) {
        return Err(format!("metadata.version {} is not yet stable.", version.name().unwrap_or_default()));
    }
    Ok((levels, version))
}

fn levels(features: &[String]) -> Result<Vec<(String, i16)>, String> {
    let mut levels = Vec::new();
    for text in features {
        let Some((name, level)) = text.split_once('=') else {
            return Err(format!("Can't parse feature=level string {text}: equals sign not found."));
        };
        let level: i16 = level.trim().parse().map_err(|_| {
            format!("Can't parse feature=level string {text}: unable to parse {level} as a short.")
        })?;
        if name == METADATA_VERSION {
            let known = MetadataVersion::MINIMUM.0..=MetadataVersion::MAXIMUM.0;
            if !known.contains(&level) {
                let (least, most) = known.into_inner();
                return Err(format!(
                    "No MetadataVersion with feature level {level}. Valid feature levels are from {least} to {most}."
                ));
            }
            levels.push((name.to_owned(), level));
            continue;
        }
        let Some(feature) = FEATURES.iter().find(|feature| feature.name == name) else {
            let mut known: Vec<&str> = FEATURES.iter().map(|feature| feature.name).collect();
            known.push("kraft.version");
            known.sort_unstable();
            let known = known.join(", ");
            return Err(format!("Unsupported feature: {name}. Supported features are: {known}"));
        };
        if !(0..=feature.max).contains(&level) {
            return Err(format!("No feature:{name} with feature level {level}"));
        }
        levels.push((name.to_owned(), level));
    }
    Ok(levels)
}

fn voters(
    config: &StaticConfig,
    first: &First,
    metadata_directory: &Path,
    directories: &mut BTreeMap<PathBuf, Uuid>,
) -> Result<InitialVoters, String> {
    let own = directories.get_mut(metadata_directory);
    match first {
        First::Unsaid | First::Nobody => Ok(InitialVoters::None),
        First::Standalone => {
            let id = own.map_or(Uuid::ZERO, |id| *id);
            let voter = own_voter(config, id).map_err(|error| error.to_string())?;
            Ok(InitialVoters::Dynamic(vec![voter]))
        }
        First::Controllers(text) => {
            let listener = config.controller_listener_names.first().cloned().unwrap_or_default();
            let voters: Vec<Voter> =
                text.split(',').map(|one| voter(one, &listener)).collect::<Result<_, _>>()?;
            let mine = voters.iter().find(|voter| voter.key.id == NodeId(config.node_id));
            let mine = mine.filter(|_| config.roles.controller).ok_or_else(|| {
                format!(
                    "The controllers of --initial-controllers do not include this node, {}.",
                    config.node_id
                )
            })?;
            if let Some(own) = own {
                *own = mine.key.directory_id;
            }
            Ok(InitialVoters::Dynamic(voters))
        }
    }
}

/// `id@host:port:directory-id`.
fn voter(text: &str, listener: &str) -> Result<Voter, String> {
    let (id, rest) = text.trim().split_once('@').ok_or("No @ found in dynamic voter string.")?;
    let id: i32 = id.parse().map_err(|_| format!("Failed to parse node id in dynamic voter string: {id}"))?;
    let (rest, directory) = rest.rsplit_once(':').ok_or("No colon following hostname could be found.")?;
    let (host, port) = rest.rsplit_once(':').ok_or("No colon following port could be found.")?;
    let port = port.parse().map_err(|_| format!("Failed to parse port in dynamic voter string: {port}"))?;
    let directory_id: Uuid = directory
        .parse()
        .map_err(|_| format!("Failed to parse directory ID in dynamic voter string: {directory}"))?;
    let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    Ok(Voter {
        key: ReplicaKey { id: NodeId(id), directory_id },
        endpoints: vec![Endpoint { listener: listener.to_owned(), host, port }],
        supported: VersionRange::OURS,
    })
}

/// The records as Kafka prints them.
fn shown(records: &[MetadataRecord], version: MetadataVersion) -> String {
    let features = records.iter().filter_map(|record| match record {
        MetadataRecord::FeatureLevel(one) => Some(format!(
            "ApiMessageAndVersion(FeatureLevelRecord(name='{}', featureLevel={}) at version 0)",
            one.name, one.feature_level
        )),
        _ => None,
    });
    let features: Vec<String> = features.collect();
    format!(
        "Bootstrap metadata: BootstrapMetadata(records=[{}], metadataVersionLevel={}, source=format command)",
        features.join(", "),
        version.0
    )
}

/// The lines of `info`, and whether all is well.
pub fn info(config: &StaticConfig) -> (Vec<String>, bool) {
    let file_system = OsFileSystem;
    let (mut directories, mut problems, mut found) = (Vec::new(), Vec::new(), None);
    for path in paths(config) {
        if !file_system.exists(&path) {
            problems.push(format!("{} does not exist", path.display()));
            continue;
        }
        directories.push(path.display().to_string());
        match MetaProperties::read(&file_system, &path) {
            Ok(Some(meta)) => found = found.or(Some(meta)),
            Ok(None) => problems.push(format!("{} is not formatted.", path.display())),
            Err(error) => problems.push(error.to_string()),
        }
    }
    let mut lines = section(&directories, "Found log directory:", "Found log directories:");
    if let Some(meta) = found {
        let directory = meta.directory_id.map_or_else(String::new, |id| format!("directory.id={id}, "));
        lines.push(format!(
            "Found metadata: {{cluster.id={}, {directory}node.id={}, version=1}}\n",
            meta.cluster_id, meta.node_id
        ));
    }
    lines.extend(section(&problems, "Found problem:", "Found problems:"));
    (lines, problems.is_empty())
}

/// A title in the singular or plural, the rows, an empty line; nothing where there are no rows.
fn section(rows: &[String], one: &str, several: &str) -> Vec<String> {
    if rows.is_empty() {
        return Vec::new();
    }
    let mut lines = vec![if rows.len() == 1 { one } else { several }.to_owned()];
    lines.extend(rows.iter().map(|row| format!("  {row}")));
    lines.push(String::new());
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn voters_are_id_address_and_directory() {
        let found = voter("3@[::1]:9093:MkU3OEVBNTcwNTJENDM2Qg", "CONTROLLER").unwrap();
        assert_eq!((found.key.id, found.endpoints[0].host.as_str()), (NodeId(3), "::1"));
        assert_eq!(voter("bad", "C").unwrap_err(), "No @ found in dynamic voter string.");
    }

    #[test]
    fn features_are_known_and_within_their_levels() {
        let one = |text: &str| levels(&[text.to_owned()]);
        assert_eq!(one("group.version=0"), Ok(vec![("group.version".to_owned(), 0)]));
        assert_eq!(one("group.version=99").unwrap_err(), "No feature:group.version with feature level 99");
        let unknown = "No MetadataVersion with feature level 32. Valid feature levels are from 7 to 31.";
        assert_eq!(one("metadata.version=32").unwrap_err(), unknown);
        assert!(one("bogus=1").unwrap_err().starts_with("Unsupported feature: bogus."));
    }
    #[test]
    fn a_release_that_is_not_stable_must_be_enabled() {
        let ask = |unstable: &str, release: Option<&str>, features: &[&str]| {
            let given = [("process.roles", "broker"), ("node.id", "1"), ("controller.listener.names", "C")];
            let more = [("controller.quorum.bootstrap.servers", "a:1"), (UNSTABLE_ENABLE, unstable)];
            let given =
                given.into_iter().chain(more).map(|(name, value)| (name.to_owned(), value.to_owned()));
            let config = StaticConfig::parse(&given.collect()).unwrap();
            let wanted = Wanted {
                cluster_id: String::new(),
                ignore_formatted: false,
                release: release.map(str::to_owned),
                features: features.iter().map(ToString::to_string).collect(),
                first: First::Unsaid,
            };
            asked(&config, &wanted).map(|(_, version)| version.0)
        };
        let not_stable = "metadata.version 4.4-IV0 is not yet stable.".to_owned();
        let twice =
            "Use --release-version instead of --feature metadata.version=X to avoid ambiguity.".to_owned();
        assert_eq!(ask("false", None, &[]), Ok(30));
        assert_eq!(ask("true", None, &[]), Ok(30));
        assert_eq!(ask("true", Some("4.4-IV0"), &[]), Ok(31));
        assert_eq!(ask("true", None, &["metadata.version=31"]), Ok(31));
        assert_eq!(ask("false", None, &["metadata.version=29"]), Ok(29));
        assert_eq!(ask("false", None, &["metadata.version=31"]), Err(not_stable));
        assert_eq!(ask("false", Some("4.2"), &["metadata.version=29"]), Err(twice));
        assert!(ask("false", Some("4.4-IV0"), &[]).is_err_and(|why| why.ends_with("4.2-IV1, 4.3-IV0")));
    }
}
