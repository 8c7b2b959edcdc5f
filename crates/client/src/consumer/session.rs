//! One broker's fetch session (KIP-227): the broker remembers the partitions, requests say only what changed.

use std::collections::BTreeMap;

use protocol::Str;
use protocol::messages::FetchRequest;
use protocol::messages::fetch_request::{FetchPartition, FetchTopic, ForgottenTopic};
use types::{TopicPartition, Uuid};

/// What is wanted of one partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    pub topic_id: Uuid,
    pub offset: i64,
    /// Of the leader, as known; -1 where it is not.
    pub leader_epoch: i32,
    pub bytes_max: i32,
}

/// (0, 0) asks for a session; (id, n) is the n-th request in one.
#[derive(Debug, Default)]
pub struct Session {
    id: i32,
    epoch: i32,
    partitions: BTreeMap<TopicPartition, Wanted>,
}

impl Session {
    /// Puts into the request what the broker does not know yet.
    pub fn fill(&mut self, request: &mut FetchRequest, wanted: BTreeMap<TopicPartition, Wanted>) {
        request.session_id = self.id;
        request.session_epoch = self.epoch;
        let full = self.epoch == 0;
        let same_id = |p: &TopicPartition, w: &Wanted| {
            self.partitions.get(p).is_some_and(|known| known.topic_id == w.topic_id)
        };
        if !full {
            for (partition, known) in &self.partitions {
                if !wanted.get(partition).is_some_and(|wanted| same_id(partition, wanted)) {
                    forget(request, partition, known);
                }
            }
        }
        for (partition, wanted) in &wanted {
            if full || self.partitions.get(partition) != Some(wanted) {
                add(request, partition, wanted);
            }
        }
        self.partitions = wanted;
    }

    /// The session after a good answer.
    pub fn answered(&mut self, id: i32) {
        if id == 0 {
            return self.reset();
        }
        self.epoch = if id == self.id && self.epoch > 0 { next_epoch(self.epoch) } else { 1 };
        self.id = id;
    }

    /// The next request asks for a new session.
    pub fn reset(&mut self) {
        *self = Session::default();
    }

    /// The name of a topic that the answer gives by id.
    pub fn topic(&self, id: Uuid) -> Option<&TopicPartition> {
        self.partitions.iter().find(|(_, wanted)| wanted.topic_id == id).map(|(partition, _)| partition)
    }
}

fn next_epoch(epoch: i32) -> i32 {
    epoch.checked_add(1).unwrap_or(1)
}

/// Partitions come sorted: those of a topic follow each other.
fn add(request: &mut FetchRequest, partition: &TopicPartition, wanted: &Wanted) {
    let of_partition = FetchPartition {
        partition: partition.partition,
        current_leader_epoch: wanted.leader_epoch,
        fetch_offset: wanted.offset,
        last_fetched_epoch: -1,
        log_start_offset: -1,
        partition_max_bytes: wanted.bytes_max,
        ..Default::default()
    };
    match request.topics.last_mut() {
        Some(last) if last.topic == *partition.topic => last.partitions.push(of_partition),
        _ => request.topics.push(FetchTopic {
            topic: Str::from(&*partition.topic),
            topic_id: wanted.topic_id,
            partitions: vec![of_partition],
        }),
    }
}

fn forget(request: &mut FetchRequest, partition: &TopicPartition, known: &Wanted) {
    match request.forgotten_topics_data.last_mut() {
        Some(last) if last.topic == *partition.topic => last.partitions.push(partition.partition),
        _ => request.forgotten_topics_data.push(ForgottenTopic {
            topic: Str::from(&*partition.topic),
            topic_id: known.topic_id,
            partitions: vec![partition.partition],
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(rows: &[(i32, i64)]) -> BTreeMap<TopicPartition, Wanted> {
        let row = |(partition, offset): &(i32, i64)| {
            let wanted = Wanted { topic_id: Uuid::ZERO, offset: *offset, leader_epoch: 0, bytes_max: 9 };
            (TopicPartition { topic: "t".into(), partition: *partition }, wanted)
        };
        rows.iter().map(row).collect()
    }

    fn fill(session: &mut Session, rows: &[(i32, i64)]) -> (i32, i32, Vec<(i32, i64)>, Vec<i32>) {
        let mut request = FetchRequest::default();
        session.fill(&mut request, wanted(rows));
        let named = request.topics.iter().flat_map(|topic| &topic.partitions);
        let named = named.map(|p| (p.partition, p.fetch_offset)).collect();
        let forgotten = request.forgotten_topics_data.iter().flat_map(|topic| topic.partitions.clone());
        (request.session_id, request.session_epoch, named, forgotten.collect())
    }

    #[test]
    fn only_changes_are_said_in_a_session() {
        let mut session = Session::default();
        assert_eq!(fill(&mut session, &[(0, 1), (1, 1)]), (0, 0, vec![(0, 1), (1, 1)], vec![]));
        session.answered(7);
        assert_eq!(fill(&mut session, &[(0, 5), (1, 1)]), (7, 1, vec![(0, 5)], vec![]));
        session.answered(7);
        assert_eq!(fill(&mut session, &[(1, 1), (2, 3)]), (7, 2, vec![(2, 3)], vec![0]));
        session.reset();
        assert_eq!(fill(&mut session, &[(1, 1)]), (0, 0, vec![(1, 1)], vec![]));
        session.answered(0);
        assert_eq!(fill(&mut session, &[(1, 1)]), (0, 0, vec![(1, 1)], vec![]));
        assert_eq!(next_epoch(i32::MAX), 1);
    }
}
