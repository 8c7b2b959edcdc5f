//! False alarms: brokers that were fenced though they lived and could be reached. Only what the controllers say while nothing
//! but clocks and disks is disturbed, and a while after anything else, is held against them.

use anyhow::Result;

use super::cluster::{Cluster, Entry};
use crate::node_log::fenced;

/// A disturbance is remembered that long after its end, beside the session.
const AFTERMATH_MS: i64 = 4000;

/// Fencings in all, and those of them that nothing excuses.
#[derive(Default)]
pub struct Fencings {
    pub all: usize,
    pub by_session: usize,
    pub false_alarms: Vec<String>,
}

pub fn count(cluster: &Cluster, session_ms: u64, ready_ms: i64, over_ms: i64) -> Result<Fencings> {
    let mut found = Fencings::default();
    for node in &cluster.nodes {
        for fenced in fenced(&node.log())? {
            let ms = fenced.at_ms;
            if ms < ready_ms || ms > over_ms {
                continue;
            }
            found.all += 1;
            found.by_session += usize::from(fenced.by_session);
            let aftermath = AFTERMATH_MS + session_ms as i64;
            if !cluster.timeline.entries.iter().any(|entry| excuses(entry, ms, aftermath)) {
                found.false_alarms.push(format!("node {}: {}", node.id, fenced.line));
            }
        }
    }
    Ok(found)
}

fn excuses(entry: &Entry, ms: i64, aftermath: i64) -> bool {
    !entry.kind.leaves_brokers_alone()
        && entry.from_ms <= ms
        && entry.to_ms.is_none_or(|to_ms| ms <= to_ms + aftermath)
}
