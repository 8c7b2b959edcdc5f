//! A committed offset that is read was committed by somebody, and is not older than one that was acknowledged before
//! the question: commits neither go back nor are ahead of what was committed. A coordinator that was deposed and has not
//! heard of it may tell what it knew, as Kafka's do: of its answers only the first is asked.

use std::collections::BTreeMap;

use crate::model::Model;

#[derive(Clone, Copy, Debug)]
struct Commit {
    value: i64,
    sent_at: u64,
    /// None: nobody knows whether it was taken.
    acknowledged_at: Option<u64>,
}

/// What is told where nothing is committed; a deletion is a commit of it.
pub const NONE: i64 = -1;

/// Group, topic, partition.
pub type Place = (String, String, i32);

#[derive(Default)]
pub struct Commits {
    made: BTreeMap<Place, Vec<Commit>>,
    /// Certainly overwritten: may be back only after a loss of power.
    old: BTreeMap<Place, Vec<Commit>>,
}

impl Commits {
    pub fn sent(&mut self, place: &Place, value: i64, at: u64) {
        let commit = Commit { value, sent_at: at, acknowledged_at: None };
        self.made.entry(place.clone()).or_default().push(commit);
    }

    pub fn acknowledged(&mut self, place: &Place, value: i64, sent_at: u64, at: u64) {
        let made = self.made.entry(place.clone()).or_default();
        let commit = made.iter_mut().rev().find(|one| one.value == value && one.sent_at == sent_at);
        if let Some(commit) = commit {
            commit.acknowledged_at = Some(at);
        }
        let is_old = |one: &mut Commit| one.acknowledged_at.is_some_and(|done| done < sent_at);
        self.old.entry(place.clone()).or_default().extend(made.extract_if(.., is_old));
    }

    /// The node said that it was not taken.
    pub fn refused(&mut self, place: &Place, value: i64, sent_at: u64) {
        if let Some(made) = self.made.get_mut(place) {
            made.retain(|one| one.value != value || one.sent_at != sent_at);
        }
    }

    pub fn lose_power(&mut self) {
        for (place, old) in std::mem::take(&mut self.old) {
            self.made.entry(place).or_default().extend(old);
        }
        for commit in self.made.values_mut().flatten() {
            commit.acknowledged_at = None;
        }
    }

    /// Somebody has committed it, at any time.
    fn is_known(&self, place: &Place, value: i64) -> bool {
        let has = |all: &BTreeMap<Place, Vec<Commit>>| {
            all.get(place).is_some_and(|commits| commits.iter().any(|commit| commit.value == value))
        };
        value == NONE || has(&self.made) || has(&self.old)
    }

    fn is_possible(&self, place: &Place, value: i64, asked_at: u64) -> bool {
        let of = |all: &'_ BTreeMap<Place, Vec<Commit>>| all.get(place).cloned().unwrap_or_default();
        // who asked before the newest was taken may be told what was overwritten since
        let known = [of(&self.made), of(&self.old)].concat();
        let overwritten = |commit: Option<&Commit>| {
            known.iter().any(|other| {
                let after = commit.map_or(Some(0), |commit| commit.acknowledged_at);
                let done = other.acknowledged_at.is_some_and(|done| done < asked_at);
                done && after.is_some_and(|after| other.sent_at > after)
            })
        };
        if value == NONE && !overwritten(None) {
            return true;
        }
        let mut candidates = known.iter().filter(|one| one.value == value);
        candidates.any(|commit| !overwritten(Some(commit)))
    }
}

/// OffsetFetch, sent at some time, said this. `is_bound`: it was asked of who was the newest coordinator all the while.
pub fn check(model: &mut Model, place: &Place, value: i64, asked_at: u64, is_bound: bool) {
    let holds = match is_bound {
        true => model.commits.is_possible(place, value, asked_at),
        false => model.commits.is_known(place, value),
    };
    if !holds {
        let made = model.commits.made.get(place);
        let tail: Vec<_> = made.map(|made| made.iter().rev().take(4).copied().collect()).unwrap_or_default();
        model.violation(format!("offset {value} of {place:?} asked for at {asked_at}, committed: {tail:?}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_may_be_the_last_is_possible() {
        let place: Place = ("g".into(), "t".into(), 0);
        let mut commits = Commits::default();
        assert!(commits.is_possible(&place, -1, 5));
        commits.sent(&place, 10, 10);
        assert!(commits.is_possible(&place, -1, 15));
        assert!(commits.is_possible(&place, 10, 15));
        commits.acknowledged(&place, 10, 10, 20);
        assert!(!commits.is_possible(&place, -1, 25));
        assert!(commits.is_possible(&place, -1, 15), "asked before the answer");
        assert!(!commits.is_possible(&place, 11, 25), "nobody committed it");
        commits.sent(&place, 12, 30);
        assert!(commits.is_possible(&place, 10, 35));
        assert!(commits.is_possible(&place, 12, 35));
        commits.acknowledged(&place, 12, 30, 40);
        assert!(!commits.is_possible(&place, 10, 45));
        assert!(commits.is_possible(&place, 10, 35), "asked before the newer was taken");
        commits.sent(&place, 14, 50);
        commits.acknowledged(&place, 14, 50, 60);
        commits.sent(&place, NONE, 62);
        assert!(commits.is_possible(&place, 14, 63));
        assert!(commits.is_possible(&place, NONE, 63));
        commits.acknowledged(&place, NONE, 62, 64);
        assert!(!commits.is_possible(&place, 14, 65), "deleted");
        commits.lose_power();
        for value in [10, 12, 14, -1] {
            assert!(commits.is_possible(&place, value, 70), "{value}");
        }
    }
}
