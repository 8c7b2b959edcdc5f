//! `--generate`: where the replicas of topics are, and where they could be.

use std::collections::{BTreeMap, BTreeSet};

use client::Error;
use metadata::controller::{Usable, place};
use platform::Random;
use protocol::ErrorCode;

use super::plan::{Assignment, Directories};
use super::{Failed, cluster, plan};
use crate::admin::Admin;
use crate::json_input::twice;
use crate::output::say;

pub async fn run(admin: &Admin, topics: &str, brokers: &str, by_rack: bool) -> Result<(), Failed> {
    let ids = read_brokers(brokers).map_err(Failed::Error)?;
    let topics = plan::read_topics(topics).map_err(Failed::Error)?;
    let names: BTreeSet<&str> = topics.iter().map(String::as_str).collect();
    let current = cluster::replicas(admin, &names).await?;
    if let Some(missing) = topics.iter().find(|topic| !current.keys().any(|(of, _)| of == *topic)) {
        return Err(Failed::unknown_partition(format!("Topic {missing} not found.")));
    }
    let mut usable = Vec::new();
    for (id, rack) in cluster::brokers(admin).await? {
        if ids.contains(&id) {
            usable.push(Usable { id, rack: rack.filter(|_| by_rack), fenced: false });
        }
    }
    let with_rack = usable.iter().filter(|broker| broker.rack.is_some()).count();
    if with_rack > 0 && with_rack < usable.len() {
        return Err(Failed::Error(
            "Not all brokers have rack information. Add --disable-rack-aware in command line to make replica assignment \
             without rack information."
                .to_owned(),
        ));
    }
    let directories = cluster::current_directories(admin, &current).await?;
    let mut random = Random::new(crate::dates::now_ms().unsigned_abs());
    let proposed = propose(&current, &usable, &mut random)?;
    say!("Current partition replica assignment\n{}\n", plan::json(&current, &directories));
    let proposed = plan::json(&proposed, &Directories::new());
    say!("Proposed partition reassignment configuration\n{proposed}");
    Ok(())
}

fn read_brokers(text: &str) -> Result<Vec<i32>, String> {
    let id = |text: &str| text.parse::<i32>().map_err(|_| format!("For input string: \"{text}\""));
    let ids: Vec<i32> = text.split(',').map(id).collect::<Result<_, _>>()?;
    let doubled = twice(&ids);
    match doubled.is_empty() {
        true => Ok(ids),
        false => Err(format!("Broker list contains duplicate entries: {}", super::bracketed(&doubled))),
    }
}

/// New places for all partitions, topic by topic, with as many replicas as the first of each has.
fn propose(current: &Assignment, usable: &[Usable], random: &mut Random) -> Result<Assignment, Failed> {
    let mut topics: BTreeMap<&str, Vec<(i32, usize)>> = BTreeMap::new();
    for ((topic, partition), replicas) in current {
        topics.entry(topic).or_default().push((*partition, replicas.len()));
    }
    let mut proposed = Assignment::new();
    for (topic, partitions) in topics {
        let factor = partitions.first().map_or(0, |(_, replicas)| *replicas);
        let factor = i16::try_from(factor).unwrap_or(i16::MAX);
        let placed = place(usable, partitions.len(), factor, random).map_err(|words| {
            // the controller says which partition it is about
            let why = words.split_once(" time(s): ").map_or(words.as_str(), |(_, why)| why);
            let error = Error::Broker(ErrorCode::InvalidReplicationFactor, Some(why.to_owned()));
            Failed::Error(error.to_string())
        })?;
        for ((partition, _), replicas) in partitions.into_iter().zip(placed) {
            proposed.insert((topic.to_owned(), partition), replicas);
        }
    }
    Ok(proposed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proposals_keep_the_number_of_replicas() {
        let current = Assignment::from([
            (("a".to_owned(), 0), vec![1, 2]),
            (("a".to_owned(), 1), vec![2, 3]),
            (("b".to_owned(), 0), vec![1]),
        ]);
        let broker = |id| Usable { id, rack: None, fenced: false };
        let usable = [broker(7), broker(8)];
        let Ok(proposed) = propose(&current, &usable, &mut Random::new(1)) else { panic!("not placed") };
        let lengths: Vec<usize> = proposed.values().map(Vec::len).collect();
        assert_eq!(lengths, [2, 2, 1]);
        assert!(proposed.values().flatten().all(|id| [7, 8].contains(id)), "{proposed:?}");
        let Err(Failed::Error(words)) = propose(&current, &usable[..1], &mut Random::new(1)) else {
            panic!("one broker has two replicas")
        };
        assert_eq!(
            words,
            "The target replication factor of 2 cannot be reached because only 1 broker(s) are registered or some \
             brokers have all their log directories cordoned."
        );
    }

    #[test]
    fn brokers_stand_once() {
        assert_eq!(read_brokers("1,2"), Ok(vec![1, 2]));
        assert_eq!(read_brokers("1,x"), Err("For input string: \"x\"".to_owned()));
        assert_eq!(read_brokers("1,1"), Err("Broker list contains duplicate entries: [1]".to_owned()));
    }
}
