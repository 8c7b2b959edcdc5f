//! The follower's side of a fetch session: what the leader knows of this follower's wishes, and how the next request
//! says what has changed.

use std::collections::BTreeMap;

use protocol::messages::FetchRequest;
use protocol::messages::fetch_request::{FetchPartition, FetchTopic, ForgottenTopic, ReplicaState};
use types::TopicIdPartition;

use super::{Fetcher, Position, ms_until};

/// Ids and epochs as in KIP-227: epoch 0 asks for a new session, and closes the one whose id it names.
#[derive(Debug, Default)]
pub(super) struct Session {
    id: i32,
    epoch: i32,
    /// What the leader was told last.
    pub sent: BTreeMap<TopicIdPartition, Position>,
}

impl Session {
    /// The next request names everything; the leader may close what it has.
    pub fn forget(&mut self) {
        self.epoch = 0;
        self.sent.clear();
    }

    /// The leader does not know it.
    pub fn lose(&mut self) {
        self.id = 0;
        self.forget();
    }

    pub fn on_answered(&mut self, id: i32) {
        if id == 0 {
            // not granted, or ended: what was sent is remembered until the answer is read
            self.id = 0;
            self.epoch = 0;
        } else {
            self.id = id;
            self.epoch = if self.epoch == i32::MAX { 1 } else { self.epoch + 1 };
        }
    }
}

impl Fetcher {
    /// None where there is nothing to fetch.
    pub(super) fn fetch_request(&mut self, now_us: u64, broker_epoch: i64) -> Option<FetchRequest> {
        let full = self.session.epoch == 0;
        let changed = std::mem::take(&mut self.changed);
        let mut topics: Vec<FetchTopic> = Vec::new();
        let mut forgotten: Vec<ForgottenTopic> = Vec::new();
        if full {
            self.session.sent.clear();
            let fetched = self.partitions.iter().filter(|(_, followed)| followed.is_fetched());
            let wished: Vec<_> = fetched.map(|(id, followed)| (*id, followed.position)).collect();
            for (id, position) in wished {
                self.session.sent.insert(id, position);
                push(&mut topics, id, self.partition(&id, &position));
            }
        } else {
            for id in changed {
                self.tell_change(id, &mut topics, &mut forgotten);
            }
        }
        if self.session.sent.is_empty() {
            // a session without partitions is none; the leader forgets it in time
            self.session.forget();
            return None;
        }
        Some(FetchRequest {
            replica_state: ReplicaState { replica_id: self.settings.node.0, replica_epoch: broker_epoch },
            max_wait_ms: self.wait_ms(now_us),
            min_bytes: self.settings.bytes_min,
            max_bytes: self.settings.response_bytes_max,
            session_id: self.session.id,
            session_epoch: self.session.epoch,
            topics,
            forgotten_topics_data: forgotten,
            ..FetchRequest::default()
        })
    }

    /// How long the leader may hold back an answer: no longer than another partition pauses.
    fn wait_ms(&self, now_us: u64) -> i32 {
        let next = self.waiting.first().map_or(i32::MAX, |(at, _)| ms_until(now_us, *at).max(1));
        self.settings.wait_ms_max.min(next)
    }

    fn tell_change(
        &mut self,
        id: TopicIdPartition,
        topics: &mut Vec<FetchTopic>,
        forgotten: &mut Vec<ForgottenTopic>,
    ) {
        match self.partitions.get(&id).filter(|followed| followed.is_fetched()) {
            Some(followed) => {
                let position = followed.position;
                if self.session.sent.insert(id, position) != Some(position) {
                    push(topics, id, self.partition(&id, &position));
                }
            }
            None => {
                if self.session.sent.remove(&id).is_some() {
                    match forgotten.last_mut().filter(|last| last.topic_id == id.topic_id) {
                        Some(last) => last.partitions.push(id.partition),
                        None => forgotten.push(ForgottenTopic {
                            topic_id: id.topic_id,
                            partitions: vec![id.partition],
                            ..ForgottenTopic::default()
                        }),
                    }
                }
            }
        }
    }

    fn partition(&self, id: &TopicIdPartition, position: &Position) -> FetchPartition {
        FetchPartition {
            partition: id.partition,
            current_leader_epoch: position.leader_epoch.0,
            fetch_offset: position.fetch_offset.0,
            last_fetched_epoch: position.last_fetched_epoch.0,
            log_start_offset: position.log_start_offset.0,
            partition_max_bytes: self.settings.partition_bytes_max,
            ..FetchPartition::default()
        }
    }
}

fn push(topics: &mut Vec<FetchTopic>, id: TopicIdPartition, partition: FetchPartition) {
    match topics.last_mut().filter(|last| last.topic_id == id.topic_id) {
        Some(last) => last.partitions.push(partition),
        None => topics.push(FetchTopic {
            topic_id: id.topic_id,
            partitions: vec![partition],
            ..FetchTopic::default()
        }),
    }
}
