//! The replicas of each partition held against each other: after a stop, all have the same bytes from the first to the last.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::cluster::Cluster;
use super::workload::TOPICS;

/// Partitions and bytes that were found equal.
pub struct Equal {
    pub partitions: usize,
    pub bytes: u64,
}

pub fn compare(cluster: &Cluster) -> Result<Equal> {
    let mut replicas: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
    for node in &cluster.nodes {
        for entry in fs::read_dir(node.data())? {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if is_partition(&name) {
                replicas.entry(name).or_default().push(path);
            }
        }
    }
    let mut equal = Equal { partitions: 0, bytes: 0 };
    for (partition, folders) in &replicas {
        if folders.len() != 3 {
            bail!("{partition} has {} replicas: {folders:?}", folders.len());
        }
        equal.bytes += compare_one(partition, folders)?;
        equal.partitions += 1;
    }
    let expected: usize = TOPICS.iter().map(|(_, partitions)| partitions).sum();
    if equal.partitions < expected {
        bail!("{} partitions on disk, {expected} were created", equal.partitions);
    }
    Ok(equal)
}

fn is_partition(name: &str) -> bool {
    let topic = name.rsplit_once('-').map(|(topic, _)| topic);
    topic
        .is_some_and(|topic| topic == "__consumer_offsets" || TOPICS.iter().any(|(known, _)| *known == topic))
}

fn compare_one(partition: &str, folders: &[PathBuf]) -> Result<u64> {
    let (first, others) = folders.split_first().context("no replica")?;
    let log = whole_log(first)?;
    for other in others {
        let theirs = whole_log(other)?;
        if log != theirs {
            let at = log.iter().zip(&theirs).position(|(one, two)| one != two);
            let at = at.unwrap_or(log.len().min(theirs.len()));
            let (here, there) = (first.display(), other.display());
            bail!(
                "{partition}: {here} ({} bytes) and {there} ({}) differ at byte {at}",
                log.len(),
                theirs.len()
            );
        }
    }
    Ok(log.len() as u64)
}

/// All segments, one after the other: replicas may roll at different places.
fn whole_log(folder: &Path) -> Result<Vec<u8>> {
    let mut segments: Vec<PathBuf> = fs::read_dir(folder)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|known| known == "log"))
        .collect();
    segments.sort();
    let mut all = Vec::new();
    for segment in segments {
        all.extend(fs::read(&segment).with_context(|| segment.display().to_string())?);
    }
    Ok(all)
}
