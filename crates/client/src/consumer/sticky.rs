//! The cooperative sticky assignment (KIP-429): everybody keeps what they have as far as that is fair. A partition that
//! moves is given to nobody first: its owner lets go of it and joins again, and then the next one gets it.
//! Invariant: of two members who read a topic, neither has two partitions of it more than it could give the other fairly.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use types::TopicPartition;

use super::assignor::{Assignments, Member};

/// `members` in the order in which ties are broken.
pub fn assign(members: &[Member], counts: &BTreeMap<String, i32>) -> Assignments {
    let mut shares = Shares::new(members, counts);
    shares.keep_owned(members);
    shares.fill();
    shares.balance();
    let mut assignments = shares.into_assignments(members);
    withhold(members, &mut assignments);
    assignments
}

struct Shares {
    /// All partitions, those with the fewest readers first; and who may have them, by place in the list of members.
    readers: Vec<(TopicPartition, Arc<[usize]>)>,
    owner: BTreeMap<TopicPartition, usize>,
    load: Vec<usize>,
}

impl Shares {
    fn new(members: &[Member], counts: &BTreeMap<String, i32>) -> Shares {
        let mut readers = Vec::new();
        for (topic, count) in counts {
            let of_topic = members.iter().enumerate().filter(|(_, member)| member.topics.contains(topic));
            let of_topic: Arc<[usize]> = of_topic.map(|(place, _)| place).collect();
            let name: Arc<str> = topic.as_str().into();
            if !of_topic.is_empty() {
                let named = |partition| TopicPartition { topic: Arc::clone(&name), partition };
                readers.extend((0..*count).map(|partition| (named(partition), Arc::clone(&of_topic))));
            }
        }
        readers.sort_by_key(|(_, readers)| readers.len());
        Shares { readers, owner: BTreeMap::new(), load: vec![0; members.len()] }
    }

    /// The claim of the latest generation holds; where two of one generation claim the same, neither does.
    fn keep_owned(&mut self, members: &[Member]) {
        let mut claims: BTreeMap<&TopicPartition, (i32, Option<usize>)> = BTreeMap::new();
        for (place, member) in members.iter().enumerate() {
            for partition in &member.owned {
                let claim = claims.entry(partition).or_insert((member.generation, Some(place)));
                if claim.0 < member.generation {
                    *claim = (member.generation, Some(place));
                } else if claim.0 == member.generation && claim.1 != Some(place) {
                    claim.1 = None;
                }
            }
        }
        for (partition, readers) in &self.readers {
            if let Some((_, Some(place))) = claims.get(partition)
                && readers.contains(place)
            {
                self.owner.insert(partition.clone(), *place);
                self.load[*place] += 1;
            }
        }
    }

    /// The reader with the least; the first of several.
    fn least(&self, readers: &[usize]) -> Option<usize> {
        readers.iter().copied().min_by_key(|place| self.load[*place])
    }

    fn fill(&mut self) {
        for (partition, readers) in &self.readers {
            if !self.owner.contains_key(partition)
                && let Some(place) = self.least(readers)
            {
                self.owner.insert(partition.clone(), place);
                self.load[place] += 1;
            }
        }
    }

    /// Moves partitions while that makes the shares more even: the sum of their squares falls with every move.
    fn balance(&mut self) {
        loop {
            let mut moved = false;
            for index in 0..self.readers.len() {
                let (partition, readers) = &self.readers[index];
                let (Some(&from), Some(to)) = (self.owner.get(partition), self.least(readers)) else {
                    continue;
                };
                if self.load[from] > self.load[to] + 1 {
                    self.owner.insert(partition.clone(), to);
                    self.load[from] -= 1;
                    self.load[to] += 1;
                    moved = true;
                }
            }
            if !moved {
                return;
            }
        }
    }

    fn into_assignments(self, members: &[Member]) -> Assignments {
        let mut assignments: Assignments =
            members.iter().map(|member| (member.id.clone(), Vec::new())).collect();
        for (partition, place) in self.owner {
            let id = members.get(place).map(|member| &member.id);
            if let Some(partitions) = id.and_then(|id| assignments.get_mut(id)) {
                partitions.push(partition);
            }
        }
        assignments
    }
}

/// Takes back what another member has not let go of yet.
fn withhold(members: &[Member], assignments: &mut Assignments) {
    let mut revoked: BTreeSet<TopicPartition> = BTreeSet::new();
    for member in members {
        let kept: BTreeSet<&TopicPartition> = assignments.get(&member.id).into_iter().flatten().collect();
        for partition in member.owned.iter().filter(|partition| !kept.contains(partition)) {
            revoked.insert(partition.clone());
        }
    }
    for member in members {
        let Some(partitions) = assignments.get_mut(&member.id) else { continue };
        let owned: BTreeSet<&TopicPartition> = member.owned.iter().collect();
        partitions.retain(|partition| owned.contains(partition) || !revoked.contains(partition));
    }
}

#[cfg(test)]
mod tests {
    use protocol::Str;

    use super::*;
    use crate::consumer::assignor::Assignor;

    fn partitions(text: &str) -> Vec<TopicPartition> {
        let one = |word: &str| {
            let (topic, partition) = word.rsplit_once('-').unwrap();
            TopicPartition { topic: topic.into(), partition: partition.parse().unwrap() }
        };
        text.split_whitespace().map(one).collect()
    }

    fn member(id: &str, topics: &[&str], owned: &str, generation: i32) -> Member {
        Member {
            id: Str::from(id),
            instance_id: None,
            topics: topics.iter().map(|topic| (*topic).to_owned()).collect(),
            owned: partitions(owned),
            generation,
        }
    }

    fn shown(members: Vec<Member>, counts: &[(&str, i32)]) -> Vec<String> {
        let counts = counts.iter().map(|(topic, count)| ((*topic).to_owned(), *count)).collect();
        let shown = |(id, partitions): (Str, Vec<TopicPartition>)| {
            let partitions: Vec<String> = partitions.iter().map(|p| p.to_string()).collect();
            format!("{id}: {}", partitions.join(" ")).trim_end().to_owned()
        };
        Assignor::CooperativeSticky.assign(members, &counts).into_iter().map(shown).collect()
    }

    #[test]
    fn partitions_stay_where_they_are_and_move_by_way_of_nobody() {
        let t = &["t"][..];
        for (why, members, expected) in [
            ("a first one gets all", vec![member("a", t, "", -1)], vec!["a: t-0 t-1 t-2 t-3"]),
            (
                "what moves is let go of first",
                vec![member("a", t, "t-0 t-1 t-2 t-3", 1), member("b", t, "", -1)],
                vec!["a: t-2 t-3", "b:"],
            ),
            (
                "and given then",
                vec![member("a", t, "t-2 t-3", 2), member("b", t, "", 2)],
                vec!["a: t-2 t-3", "b: t-0 t-1"],
            ),
            (
                "one who left is replaced",
                vec![member("a", t, "t-2 t-3", 3), member("c", t, "", -1)],
                vec!["a: t-2 t-3", "c: t-0 t-1"],
            ),
            (
                "the claim of an older generation is void",
                vec![member("a", t, "t-0 t-1", 5), member("b", t, "t-1 t-2", 4)],
                vec!["a: t-0 t-1", "b: t-2 t-3"],
            ),
            (
                "of two equal claims neither holds",
                vec![member("a", t, "t-0 t-1", 5), member("b", t, "t-1 t-2", 5)],
                vec!["a: t-0 t-1", "b: t-2 t-3"],
            ),
            (
                "a topic that is read no more goes",
                vec![member("a", &["u"], "t-0 t-1 t-2 t-3", 1), member("b", t, "", 1)],
                vec!["a: u-0", "b:"],
            ),
        ] {
            assert_eq!(shown(members, &[("t", 4), ("u", 1)]), expected, "{why}");
        }
    }

    #[test]
    fn all_is_given_evenly_after_two_rounds_whatever_was_owned() {
        let mut state = 7u64;
        let mut random = |below: u64| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 33) % below
        };
        for round in 0..200 {
            let (count, readers) = (random(12) as i32 + 1, random(5) as usize + 1);
            let mut members: Vec<Member> =
                (0..readers).map(|id| member(&format!("m{id}"), &["t"], "", random(3) as i32)).collect();
            for partition in 0..count {
                let owner = random(readers as u64 + 1) as usize;
                if let Some(member) = members.get_mut(owner) {
                    member.owned.extend(partitions(&format!("t-{partition}")));
                }
            }
            let counts = BTreeMap::from([("t".to_owned(), count)]);
            let first = Assignor::CooperativeSticky.assign(members.clone(), &counts);
            let owners =
                |partition: &TopicPartition| members.iter().find(|one| one.owned.contains(partition));
            for (id, given) in &first {
                let moved = given.iter().find(|one| owners(one).is_some_and(|owner| owner.id != *id));
                assert_eq!(moved, None, "round {round}: given before its owner let go");
            }
            for member in &mut members {
                (member.owned, member.generation) = (first[&member.id].clone(), 9);
            }
            let second = Assignor::CooperativeSticky.assign(members.clone(), &counts);
            let sizes: Vec<usize> = second.values().map(Vec::len).collect();
            assert_eq!(sizes.iter().sum::<usize>(), count as usize, "round {round}");
            assert!(
                sizes.iter().max().unwrap() - sizes.iter().min().unwrap() <= 1,
                "round {round}: {sizes:?}"
            );
            for member in &members {
                let kept = member.owned.iter().all(|one| second[&member.id].contains(one));
                assert!(kept, "round {round}: what was left is kept");
            }
        }
    }
}
