//! The leader's answer to a fetch: what is delivered, and what each error means for its partition.

use protocol::ErrorCode;
use protocol::messages::FetchResponse;
use protocol::messages::fetch_response::PartitionData;
use types::{LeaderEpoch, Offset, TopicIdPartition};

use super::{Delivery, Fetcher, UnderWay, Wait, Wish};

impl Fetcher {
    pub fn on_fetched(&mut self, now_us: u64, response: FetchResponse) -> Vec<Delivery> {
        if self.under_way != Some(UnderWay::Fetch) {
            return Vec::new();
        }
        self.under_way = None;
        match ErrorCode::from(response.error_code) {
            ErrorCode::None => {}
            ErrorCode::FetchSessionIdNotFound => {
                self.session.lose();
                return Vec::new();
            }
            ErrorCode::InvalidFetchSessionEpoch | ErrorCode::FetchSessionTopicIdError => {
                self.session.forget();
                return Vec::new();
            }
            _ => {
                self.on_failed(now_us);
                return Vec::new();
            }
        }
        self.failures = 0;
        self.session.on_answered(response.session_id);
        let mut deliveries = Vec::new();
        for topic in response.responses {
            for data in topic.partitions {
                let id = TopicIdPartition { topic_id: topic.topic_id, partition: data.partition_index };
                deliveries.extend(self.on_partition(now_us, id, data));
            }
        }
        deliveries
    }

    fn on_partition(&mut self, now_us: u64, id: TopicIdPartition, data: PartitionData) -> Option<Delivery> {
        let followed = self.partitions.get_mut(&id)?;
        let asked = self.session.sent.get(&id)?;
        let known = followed.position;
        // the log, or the reign, is another one by now: the next request says so
        if !followed.is_fetched()
            || (asked.fetch_offset, asked.leader_epoch) != (known.fetch_offset, known.leader_epoch)
        {
            return None;
        }
        match ErrorCode::from(data.error_code) {
            ErrorCode::None => {
                followed.failures = 0;
                Some(delivery(id, data))
            }
            ErrorCode::OffsetOutOfRange => {
                if followed.failures > 0 {
                    // asked about before, to no avail
                    self.pause(&id, now_us);
                } else {
                    followed.failures = 1;
                }
                self.wish(id, Wish::LeaderEnd);
                None
            }
            ErrorCode::FencedLeaderEpoch => {
                self.wait(&id, Wait::Fenced);
                Some(Delivery::Fenced { id })
            }
            _ => {
                self.pause(&id, now_us);
                None
            }
        }
    }

    pub(super) fn wish(&mut self, id: TopicIdPartition, wish: Wish) {
        let Some(followed) = self.partitions.get_mut(&id) else { return };
        followed.wish = wish;
        match wish {
            Wish::Records => self.seeking.remove(&id),
            Wish::LeaderEnd | Wish::LeaderStart => self.seeking.insert(id),
        };
        self.changed.insert(id);
    }
}

fn delivery(id: TopicIdPartition, data: PartitionData) -> Delivery {
    let diverging = data.diverging_epoch;
    if diverging.end_offset >= 0 || diverging.epoch >= 0 {
        return Delivery::Diverged {
            id,
            leader_epoch: LeaderEpoch(diverging.epoch),
            end_offset: Offset(diverging.end_offset),
        };
    }
    Delivery::Records {
        id,
        records: data.records,
        high_watermark: Offset(data.high_watermark),
        log_start_offset: Offset(data.log_start_offset),
    }
}
