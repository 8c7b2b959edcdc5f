//! Consumption on behalf of a group: fetches from where it stands, and knows how far it was given records. What it
//! commits is never ahead of that.

use std::collections::BTreeMap;

use protocol::ErrorCode;
use protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use protocol::messages::{FetchRequest, FetchResponse};
use protocol::{ApiKey, Str};
use types::TopicIdPartition;

use super::offsets::Named;
use super::reading::{self, Asked};
use crate::commands::Api;

/// Where a consumer stands in each of its partitions.
#[derive(Default)]
pub struct Consuming {
    positions: BTreeMap<Named, Standpoint>,
}

#[derive(Clone, Copy)]
struct Standpoint {
    offset: i64,
    /// Losses of power when the log was known to reach so far.
    power_losses: u64,
}

/// Nobody knows whether the log reaches as far as was committed.
const UNKNOWN: u64 = u64::MAX;

/// The partitions of one fetch.
pub type Fetching = BTreeMap<TopicIdPartition, (Named, Asked)>;

impl Consuming {
    pub fn clear(&mut self) {
        self.positions.clear();
    }

    pub fn len(&self) -> usize {
        self.positions.len()
    }

    /// Goes on from a committed offset, or from the beginning where there is none.
    pub fn go_on_from(&mut self, of: Named, committed: i64) {
        self.positions.insert(of, Standpoint { offset: committed.max(0), power_losses: UNKNOWN });
    }

    pub fn positions(&self) -> Vec<(Named, i64)> {
        self.positions.iter().map(|(of, at)| (of.clone(), at.offset)).collect()
    }

    pub fn fetch(&self, api: &mut Api<'_>) -> (i16, FetchRequest, Fetching) {
        // topics by their ids
        let version = api.version(ApiKey::Fetch, 13, i16::MAX);
        let (mut topics, mut asked) = (Vec::<FetchTopic>::new(), Fetching::new());
        for ((name, partition), Standpoint { offset, power_losses }) in &self.positions {
            let Some(topic) = api.model.topics.iter().find(|topic| *topic.name == **name) else { continue };
            let id = TopicIdPartition { topic_id: topic.id, partition: *partition };
            // a program has one connection, and that goes to the coordinator
            if !api.model.is_led_by(&id, api.machine) {
                continue;
            }
            let data = FetchPartition {
                partition: *partition,
                fetch_offset: *offset,
                current_leader_epoch: -1,
                last_fetched_epoch: -1,
                log_start_offset: -1,
                partition_max_bytes: 5000,
                ..Default::default()
            };
            match topics.iter_mut().find(|other| other.topic_id == id.topic_id) {
                Some(topic) => topic.partitions.push(data),
                None => topics.push(FetchTopic {
                    topic: Str::default(),
                    topic_id: id.topic_id,
                    partitions: vec![data],
                }),
            }
            let asked_of = Asked {
                offset: *offset,
                sent_at: api.now,
                floor: api.model.log(id).visible_end,
                high_watermark_before: 0,
                min_bytes_is_one: true,
                power_losses: *power_losses,
                epoch: reading::epoch_of(api, id),
            };
            asked.insert(id, ((name.clone(), *partition), asked_of));
        }
        let request = FetchRequest {
            replica_id: -1,
            max_wait_ms: [0, 50, 400][api.random.below(3) as usize],
            min_bytes: 1,
            max_bytes: 1 << 20,
            session_epoch: -1,
            topics,
            ..Default::default()
        };
        (version, request, asked)
    }

    /// Takes what came for the group.
    pub fn on_fetched(&mut self, api: &mut Api<'_>, group: &str, response: &FetchResponse, asked: &Fetching) {
        api.saw(ApiKey::Fetch, response.error_code);
        for topic in &response.responses {
            for data in &topic.partitions {
                let id = TopicIdPartition { topic_id: topic.topic_id, partition: data.partition_index };
                api.saw(ApiKey::Fetch, data.error_code);
                let Some((of, asked)) = asked.get(&id) else { continue };
                match ErrorCode::from(data.error_code) {
                    ErrorCode::None => {
                        let next = reading::check(api, id, asked, data);
                        let place = (group.to_owned(), of.0.clone(), of.1);
                        let found = api.model.deliveries.delivered(&place, asked.offset, next);
                        api.model.violations.extend(found);
                        let power_losses = api.model.power_losses;
                        self.positions.insert(of.clone(), Standpoint { offset: next, power_losses });
                    }
                    ErrorCode::OffsetOutOfRange => {
                        reading::out_of_range(api, id, asked);
                        self.go_on_from(of.clone(), 0);
                    }
                    code @ (ErrorCode::UnknownTopicOrPartition | ErrorCode::UnknownTopicId) => {
                        reading::unknown_topic(api, id, code);
                    }
                    _ => {}
                }
            }
        }
    }
}
