//! A replica that was told to move to another log directory of its machine is there when all has healed, unless power was
//! lost meanwhile or the replica was taken away: what is begun is on no disk for certain. It is there once. And while it
//! moves, DescribeLogDirs shows each replica in one directory, and in at most one other where it is going.

use std::collections::{BTreeMap, BTreeSet};

use protocol::messages::DescribeLogDirsResponse;
use types::TopicIdPartition;

use crate::world::MachineIndex;

#[derive(Default)]
pub struct Moves {
    /// Where it was told to go last.
    wanted: BTreeMap<(MachineIndex, TopicIdPartition), usize>,
    /// A request had no answer: it may be carried out at any time.
    unclear: BTreeSet<(MachineIndex, TopicIdPartition)>,
}

impl Moves {
    pub fn accepted(&mut self, machine: MachineIndex, id: TopicIdPartition, directory: usize) {
        self.wanted.insert((machine, id), directory);
    }

    pub fn unclear(&mut self, machine: MachineIndex, id: TopicIdPartition) {
        self.unclear.insert((machine, id));
    }

    /// What the machine had begun may be gone.
    pub fn forget(&mut self, machine: MachineIndex) {
        self.wanted.retain(|(other, _), _| *other != machine);
    }

    /// Who is no replica has nothing that could be anywhere.
    pub fn reassigned(&mut self, id: &TopicIdPartition, replicas: &[MachineIndex]) {
        self.wanted.retain(|(machine, other), _| other != id || replicas.contains(machine));
    }

    /// `places`: the directories that have it.
    pub fn check_end(
        &self,
        machine: MachineIndex,
        id: &TopicIdPartition,
        places: &[usize],
    ) -> Result<(), String> {
        let key = (machine, *id);
        match self.wanted.get(&key).filter(|_| !self.unclear.contains(&key)) {
            Some(wanted) if places != [*wanted] => {
                Err(format!("machine {machine} was to have it in directory {wanted}, it is in {places:?}"))
            }
            _ => Ok(()),
        }
    }
}

/// One answer of one machine. Gives how many replicas move.
pub fn check_described(response: &DescribeLogDirsResponse) -> Result<usize, String> {
    // topic and partition, to where it is and where it goes
    let mut places: BTreeMap<(&str, i32), [Vec<&str>; 2]> = BTreeMap::new();
    for result in &response.results {
        for topic in &result.topics {
            for partition in &topic.partitions {
                let [current, future] = places.entry((&topic.name, partition.partition_index)).or_default();
                if partition.is_future_key {
                    future.push(&result.log_dir)
                } else {
                    current.push(&result.log_dir)
                }
            }
        }
    }
    let mut moving = 0;
    for ((topic, partition), [current, future]) in &places {
        // the directory where it is may have failed
        if current.len() > 1 || future.len() > 1 || current.iter().any(|place| future.contains(place)) {
            return Err(format!("{topic}-{partition} is said to be in {current:?} and to go to {future:?}"));
        }
        moving += future.len();
    }
    Ok(moving)
}

#[cfg(test)]
mod tests {
    use protocol::messages::describe_log_dirs_response::*;
    use types::Uuid;

    use super::*;

    #[test]
    fn a_replica_ends_where_it_was_told_to() {
        let id = TopicIdPartition { topic_id: Uuid([1; 16]), partition: 0 };
        let mut moves = Moves::default();
        assert!(moves.check_end(0, &id, &[0]).is_ok());
        moves.accepted(0, id, 1);
        assert!(moves.check_end(0, &id, &[0]).is_err());
        assert!(moves.check_end(0, &id, &[0, 1]).is_err());
        assert!(moves.check_end(0, &id, &[1]).is_ok());
        assert!(moves.check_end(1, &id, &[0]).is_ok(), "of another machine");
        moves.reassigned(&id, &[0, 2]);
        assert!(moves.check_end(0, &id, &[0]).is_err());
        moves.reassigned(&id, &[1, 2]);
        assert!(moves.check_end(0, &id, &[0]).is_ok());
        moves.accepted(0, id, 1);
        moves.forget(0);
        assert!(moves.check_end(0, &id, &[0]).is_ok());
        moves.accepted(0, id, 1);
        moves.unclear(0, id);
        assert!(moves.check_end(0, &id, &[0]).is_ok());
    }

    #[test]
    fn one_place_and_one_to_go_to() {
        let directory = |path: &'static str, partitions: &[(i32, bool)]| DescribeLogDirsResult {
            log_dir: path.into(),
            topics: vec![DescribeLogDirsTopic {
                name: "t".into(),
                partitions: partitions
                    .iter()
                    .map(|(partition_index, is_future_key)| DescribeLogDirsPartition {
                        partition_index: *partition_index,
                        is_future_key: *is_future_key,
                        ..Default::default()
                    })
                    .collect(),
            }],
            ..Default::default()
        };
        type Row = (&'static [(i32, bool)], &'static [(i32, bool)], Option<usize>);
        let rows: [Row; 5] = [
            (&[(0, false)], &[(1, false)], Some(0)),
            (&[(0, false)], &[(0, true)], Some(1)),
            (&[(0, false)], &[(0, false)], None),
            (&[(0, false), (0, true)], &[], None),
            (&[(0, true)], &[(0, true)], None),
        ];
        for (a, b, moving) in rows {
            let results = vec![directory("/a", a), directory("/b", b)];
            let response = DescribeLogDirsResponse { results, ..Default::default() };
            assert_eq!(check_described(&response).ok(), moving, "{a:?} {b:?}");
        }
    }
}
