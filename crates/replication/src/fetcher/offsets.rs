//! Where an offset is out of the leader's range: the leader's end is asked for, and then, where that is not before the
//! own one, its start. ListOffsets names topics, and each partition once.

use std::collections::BTreeMap;

use protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use protocol::messages::{ListOffsetsRequest, ListOffsetsResponse};
use protocol::{ErrorCode, Str};
use types::{Offset, TopicIdPartition};

use super::{Delivery, Fetcher, Position, UnderWay, Wait, Wish};

const LATEST: i64 = -1;
const EARLIEST: i64 = -2;

impl Fetcher {
    /// Asks about all partitions with the same wish as the first.
    pub(super) fn seek(&mut self) -> Option<ListOffsetsRequest> {
        let ready = |id: &&TopicIdPartition| {
            self.partitions.get(id).is_some_and(|followed| followed.wait == Wait::None)
        };
        let first = self.seeking.iter().find(ready)?;
        let wish = self.partitions.get(first)?.wish;
        let timestamp = if wish == Wish::LeaderEnd { LATEST } else { EARLIEST };
        let mut asked = BTreeMap::new();
        let mut topics: BTreeMap<Str, Vec<ListOffsetsPartition>> = BTreeMap::new();
        for id in &self.seeking {
            let Some(followed) = self.partitions.get(id) else { continue };
            if followed.wait != Wait::None || followed.wish != wish {
                continue;
            }
            let current_leader_epoch = followed.position.leader_epoch.0;
            let one = ListOffsetsPartition { partition_index: id.partition, current_leader_epoch, timestamp };
            topics.entry(followed.topic.clone()).or_default().push(one);
            asked.insert((followed.topic.clone(), id.partition), (*id, followed.position));
        }
        let topics = topics.into_iter().map(|(name, partitions)| ListOffsetsTopic { name, partitions });
        let request = ListOffsetsRequest {
            replica_id: self.settings.node.0,
            topics: topics.collect(),
            ..ListOffsetsRequest::default()
        };
        self.under_way = Some(UnderWay::Offsets(wish, asked));
        Some(request)
    }

    pub fn on_offsets(&mut self, now_us: u64, response: &ListOffsetsResponse) -> Vec<Delivery> {
        let Some(UnderWay::Offsets(wish, mut asked)) = self.under_way.take() else { return Vec::new() };
        self.failures = 0;
        let mut deliveries = Vec::new();
        for topic in &response.topics {
            for answer in &topic.partitions {
                let Some((id, position)) = asked.remove(&(topic.name.clone(), answer.partition_index)) else {
                    continue;
                };
                match ErrorCode::from(answer.error_code) {
                    ErrorCode::None => {
                        deliveries.extend(self.on_offset(id, &position, wish, Offset(answer.offset)));
                    }
                    ErrorCode::FencedLeaderEpoch => {
                        self.wait(&id, Wait::Fenced);
                        deliveries.push(Delivery::Fenced { id });
                    }
                    _ => self.pause(&id, now_us),
                }
            }
        }
        for (id, _) in asked.into_values() {
            self.pause(&id, now_us);
        }
        deliveries
    }

    fn on_offset(
        &mut self,
        id: TopicIdPartition,
        position: &Position,
        wish: Wish,
        offset: Offset,
    ) -> Option<Delivery> {
        let followed = self.partitions.get(&id)?;
        if followed.position != *position || followed.wish != wish || offset.0 < 0 {
            return None;
        }
        let own_end = position.fetch_offset;
        match wish {
            Wish::LeaderEnd if offset < own_end => Some(Delivery::LeaderEndsAt { id, offset }),
            Wish::LeaderEnd => {
                self.wish(id, Wish::LeaderStart);
                None
            }
            Wish::LeaderStart if offset > own_end => Some(Delivery::LeaderStartsAt { id, offset }),
            // in range by now
            Wish::LeaderStart | Wish::Records => {
                self.wish(id, Wish::Records);
                None
            }
        }
    }
}
