//! What a run has seen: faults, requests, errors, transitions. A seed that saw too little does not count.

use std::collections::BTreeMap;

#[derive(Clone, Debug, Default)]
pub struct Coverage {
    counts: BTreeMap<(&'static str, String), u64>,
    pub acknowledged_records: u64,
    pub crashes: u64,
    /// Of partitions.
    pub leader_changes: u64,
    /// There are several nodes, of whom more is wanted.
    pub is_cluster: bool,
}

impl Coverage {
    pub fn count(&mut self, group: &'static str, name: impl Into<String>) {
        *self.counts.entry((group, name.into())).or_default() += 1;
    }

    pub fn add(&mut self, other: &Coverage) {
        for (key, count) in &other.counts {
            *self.counts.entry(key.clone()).or_default() += count;
        }
        self.acknowledged_records += other.acknowledged_records;
        self.crashes += other.crashes;
        self.leader_changes += other.leader_changes;
    }

    /// How many different names of a group were seen.
    pub fn kinds(&self, group: &str) -> usize {
        self.counts.keys().filter(|(of, _)| *of == group).count()
    }

    /// Records acknowledged, a crash, several kinds of fault; of several nodes 1,000 records, a change of leader, three
    /// kinds.
    pub fn is_enough(&self) -> bool {
        if self.is_cluster {
            return self.acknowledged_records >= 1000 && self.leader_changes > 0 && self.kinds("fault") >= 3;
        }
        self.acknowledged_records > 0 && self.crashes > 0 && self.kinds("fault") >= 2
    }

    /// One line a group.
    pub fn lines(&self) -> Vec<String> {
        let mut groups: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for ((group, name), count) in &self.counts {
            groups.entry(group).or_default().push(format!("{name} {count}"));
        }
        groups.into_iter().map(|(group, names)| format!("{group}: {}", names.join(", "))).collect()
    }
}
