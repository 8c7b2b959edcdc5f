//! A group's generation never goes back: a member is never told an older one in one reign of a coordinator, and after the
//! death of the process, or in a later reign, none comes again that had given out its assignments. A generation that was
//! joined and never written may come again with the next coordinator, as with Kafka.

use std::collections::BTreeMap;

#[derive(Default)]
pub struct Generations {
    /// The last generation of each member, by group and the coordinator's reign.
    members: BTreeMap<(String, String, i32), i32>,
    /// The last whose assignments were handed out, and when.
    synced: BTreeMap<String, (i32, u64)>,
}

impl Generations {
    /// A member has joined in a coordinator's reign, with a request sent at this time.
    pub fn joined(
        &mut self,
        (group, member): (&str, &str),
        generation: i32,
        reign: i32,
        sent_at: u64,
    ) -> Option<String> {
        let key = (group.to_owned(), member.to_owned(), reign);
        if let Some(before) = self.members.insert(key, generation)
            && before > generation
        {
            return Some(format!("{member} of {group} went from generation {before} to {generation}"));
        }
        match self.synced.get(group) {
            Some((synced, at)) if *at < sent_at && generation < *synced => Some(format!(
                "{member} joined generation {generation} of {group}, {synced} was handed out before"
            )),
            _ => None,
        }
    }

    pub fn synced(&mut self, group: &str, generation: i32, at: u64) {
        let synced = self.synced.entry(group.to_owned()).or_insert((generation, at));
        if generation > synced.0 {
            *synced = (generation, at);
        }
    }

    /// What a joined member heard, but nobody wrote, may come again.
    pub fn restart(&mut self) {
        self.members.clear();
    }

    pub fn lose_power(&mut self) {
        self.members.clear();
        self.synced.clear();
    }
}
