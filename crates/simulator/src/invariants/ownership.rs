//! A partition has one owner in a generation of a group.

use std::collections::BTreeMap;

#[derive(Default)]
pub struct Ownership {
    owners: BTreeMap<(String, i32, String, i32), String>,
}

impl Ownership {
    /// A member was given these partitions by SyncGroup.
    pub fn check(
        &mut self,
        group: &str,
        generation: i32,
        member: &str,
        partitions: &[(String, i32)],
    ) -> Option<String> {
        for (topic, partition) in partitions {
            let key = (group.to_owned(), generation, topic.clone(), *partition);
            let owner = self.owners.entry(key).or_insert_with(|| member.to_owned());
            if owner != member {
                return Some(format!(
                    "{topic}-{partition} belongs to {owner} and to {member} in generation {generation} of {group}"
                ));
            }
        }
        None
    }

    /// Generations that were never written may come again.
    pub fn lose_power(&mut self) {
        self.owners.clear();
    }
}
