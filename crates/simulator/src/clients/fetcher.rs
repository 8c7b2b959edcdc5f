//! A reader of some partitions: with a fetch session or without, waiting long or not at all, from everywhere. It holds
//! every record and every high watermark against the model.

use std::collections::BTreeMap;

use protocol::messages::fetch_request::{FetchPartition, FetchTopic, ForgottenTopic};
use protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use protocol::messages::{FetchRequest, FetchResponse, ListOffsetsRequest, ListOffsetsResponse};
use protocol::{ApiKey, ErrorCode, Response, Str};
use types::{TopicIdPartition, Uuid};

use super::Program;
use super::exchange::Exchange;
use super::reading::{self, Asked};
use crate::commands::{Api, Reply};
use crate::invariants::liveness::Standing;
use crate::model::{Model, Stage};

const PARTITIONS_MAX: usize = 8;

#[derive(Clone, Copy, Debug, Default)]
struct Position {
    /// None: to be asked for.
    offset: Option<i64>,
    /// What the session knows.
    told: Option<i64>,
    /// The highest that this connection was told.
    high_watermark: i64,
    /// Losses of power when the offset was known to be there.
    power_losses: u64,
}

enum Question {
    Fetch { asked: BTreeMap<TopicIdPartition, Asked> },
    Offsets { sentinel: i64, asked: BTreeMap<TopicIdPartition, Asked> },
}

#[derive(Default)]
pub struct Fetcher {
    uses_session: bool,
    session: i32,
    epoch: i32,
    version: i16,
    positions: BTreeMap<TopicIdPartition, Position>,
    exchange: Exchange<Question>,
    records: u64,
}

impl Fetcher {
    pub fn new() -> Fetcher {
        Fetcher::default()
    }

    /// Drops partitions of topics that are gone and takes on others.
    fn choose(&mut self, api: &mut Api<'_>) {
        let by_name = api.model.is_cluster && self.version < 13;
        let may_be_asked = |model: &Model, id: Uuid| {
            let is_there = model.is_live(id) || model.is_damaged(id);
            is_there && !(by_name && model.topic(id).is_some_and(|topic| topic.is_reused))
        };
        self.positions.retain(|id, _| may_be_asked(api.model, id.topic_id));
        let live = api.model.live_topics();
        if live.is_empty() || self.positions.len() >= PARTITIONS_MAX {
            return;
        }
        let topic = &api.model.topics[live[api.random.below(live.len() as u64) as usize]];
        // by name, who has not heard of a deletion gives what the former of that name has
        if by_name && topic.is_reused {
            return;
        }
        let partition = api.random.below(topic.partitions.max(1) as u64) as i32;
        self.positions.entry(TopicIdPartition { topic_id: topic.id, partition }).or_default();
    }

    fn asked(&self, api: &mut Api<'_>, id: TopicIdPartition, offset: i64, min_bytes: i32) -> Asked {
        Asked {
            offset,
            sent_at: api.now,
            floor: api.model.log(id).visible_end,
            high_watermark_before: self.positions.get(&id).map_or(0, |position| position.high_watermark),
            min_bytes_is_one: min_bytes == 1,
            power_losses: self.positions.get(&id).map_or(0, |position| position.power_losses),
            epoch: reading::epoch_of(api, id),
        }
    }

    fn ask_offsets(&mut self, api: &mut Api<'_>, ids: Vec<TopicIdPartition>) {
        let version = api.version(ApiKey::ListOffsets, 1, 9);
        let sentinel = match api.random.below(8) {
            0 | 1 => -1,
            2 => api.wall_ms - api.random.below(20_000) as i64,
            3 if version >= 7 => -3,
            _ => -2,
        };
        let mut topics: BTreeMap<Str, Vec<ListOffsetsPartition>> = BTreeMap::new();
        let mut asked = BTreeMap::new();
        for id in ids {
            let Some(name) = api.model.topic(id.topic_id).map(|topic| topic.name.clone()) else { continue };
            let partition = ListOffsetsPartition {
                partition_index: id.partition,
                current_leader_epoch: -1,
                timestamp: sentinel,
            };
            topics.entry(name).or_default().push(partition);
            asked.insert(id, self.asked(api, id, 0, 1));
        }
        let topics =
            topics.into_iter().map(|(name, partitions)| ListOffsetsTopic { name, partitions }).collect();
        let request = ListOffsetsRequest { replica_id: -1, topics, ..Default::default() };
        self.exchange.ask(api, version, request, Question::Offsets { sentinel, asked });
    }

    fn fetch(&mut self, api: &mut Api<'_>) {
        let full = !self.uses_session || self.session == 0;
        let longest = if api.model.is_cluster { 2 } else { 4 };
        let max_wait_ms = [0, 100, 500, 3000][api.random.below(longest) as usize];
        // not when no more comes: three long waits in a row and the run ends before the reader has read all
        let waits_for_much = api.random.one_in(6) && !api.model.producing_ended;
        let min_bytes = if waits_for_much { 5000 } else { 1 };
        let (mut topics, mut asked) = (BTreeMap::<Uuid, Vec<FetchPartition>>::new(), BTreeMap::new());
        let most = if api.random.one_in(4) { 200 } else { 1 << 20 };
        let led = |id: &&TopicIdPartition| api.model.is_led_by(id, api.machine);
        let ids: Vec<TopicIdPartition> = self.positions.keys().filter(led).copied().collect();
        if ids.is_empty() {
            return api.wake_in_about(50_000);
        }
        for id in ids {
            let Some(position) = self.positions.get(&id) else { continue };
            let Some(offset) = position.offset else { continue };
            let told = position.told;
            asked.insert(id, self.asked(api, id, offset, min_bytes));
            if full || told != Some(offset) {
                let partition = FetchPartition {
                    partition: id.partition,
                    fetch_offset: offset,
                    current_leader_epoch: -1,
                    last_fetched_epoch: -1,
                    log_start_offset: -1,
                    partition_max_bytes: most,
                    ..Default::default()
                };
                topics.entry(id.topic_id).or_default().push(partition);
                if let Some(position) = self.positions.get_mut(&id) {
                    position.told = Some(offset);
                }
            }
        }
        let version = self.version;
        let topics = topics
            .into_iter()
            .map(|(id, partitions)| {
                let (topic, topic_id) = name_or_id(api.model, id, version);
                FetchTopic { topic, topic_id, partitions }
            })
            .collect();
        let request = FetchRequest {
            replica_id: -1,
            max_wait_ms,
            min_bytes,
            max_bytes: 1 << 22,
            isolation_level: api.random.below(2) as i8,
            session_id: if self.uses_session { self.session } else { 0 },
            session_epoch: if self.uses_session { self.epoch } else { -1 },
            topics,
            forgotten_topics_data: Vec::<ForgottenTopic>::new(),
            ..Default::default()
        };
        self.exchange.ask(api, version, request, Question::Fetch { asked });
    }

    fn on_fetched(
        &mut self,
        api: &mut Api<'_>,
        response: &FetchResponse,
        asked: &BTreeMap<TopicIdPartition, Asked>,
    ) {
        api.saw(ApiKey::Fetch, response.error_code);
        if response.error_code != 0 {
            return self.forget_session();
        }
        if self.uses_session {
            self.session = response.session_id;
            self.epoch = if self.session == 0 { 0 } else { self.epoch + 1 };
            if self.session == 0 {
                self.positions.values_mut().for_each(|position| position.told = None);
            }
        }
        for topic in &response.responses {
            for data in &topic.partitions {
                let found = asked.iter().find(|(id, _)| {
                    id.partition == data.partition_index
                        && api.model.topic(id.topic_id).is_some_and(|known| match self.version {
                            13.. => known.id == topic.topic_id,
                            _ => known.name == topic.topic,
                        })
                });
                // partitions of topics deleted since stay in a session until it ends
                let Some((id, asked)) = found else { continue };
                self.on_partition(api, *id, asked, data);
            }
        }
    }

    fn on_partition(
        &mut self,
        api: &mut Api<'_>,
        id: TopicIdPartition,
        asked: &Asked,
        data: &protocol::messages::fetch_response::PartitionData,
    ) {
        api.saw(ApiKey::Fetch, data.error_code);
        api.tell(|| {
            let code = ErrorCode::from(data.error_code);
            let bytes = data.records.bytes().unwrap_or_default().len();
            format!("fetched {id} from {}: {code}, {bytes} bytes, end {}", asked.offset, data.high_watermark)
        });
        let Some(position) = self.positions.get_mut(&id) else { return };
        if api.model.is_damaged(id.topic_id) && data.error_code == 0 {
            position.offset = Some(reading::check_damaged(api, id, asked, data));
            return;
        }
        if !api.model.is_live(id.topic_id) {
            if data.error_code != 0 {
                (position.offset, position.told) = (None, None);
            }
            return;
        }
        match ErrorCode::from(data.error_code) {
            ErrorCode::None => {
                let next = reading::check(api, id, asked, data);
                self.records += (next - asked.offset) as u64;
                position.offset = Some(next);
                position.power_losses = api.model.power_losses;
                position.high_watermark = data.high_watermark;
                let log = api.model.log(id);
                log.start = log.start.max(data.log_start_offset);
            }
            ErrorCode::OffsetOutOfRange => {
                reading::out_of_range(api, id, asked);
                position.offset = None;
                position.told = None;
            }
            code @ (ErrorCode::UnknownTopicOrPartition | ErrorCode::UnknownTopicId) => {
                position.told = None;
                reading::unknown_topic(api, id, code);
            }
            _ => position.told = None,
        }
    }

    fn on_offsets(
        &mut self,
        api: &mut Api<'_>,
        response: &ListOffsetsResponse,
        sentinel: i64,
        asked: &BTreeMap<TopicIdPartition, Asked>,
    ) {
        for topic in &response.topics {
            for answer in &topic.partitions {
                api.saw(ApiKey::ListOffsets, answer.error_code);
                let named = |id: &&TopicIdPartition| {
                    id.partition == answer.partition_index
                        && api.model.topic(id.topic_id).is_some_and(|known| known.name == topic.name)
                };
                let Some(id) = asked.keys().find(named).copied() else { continue };
                if let Some(position) = self.positions.get_mut(&id)
                    && api.model.is_damaged(id.topic_id)
                {
                    position.offset = Some(answer.offset.max(0));
                }
                if answer.error_code != 0 || !api.model.is_live(id.topic_id) {
                    continue;
                }
                let (offset, floor) = (answer.offset, asked[&id].floor);
                let bound = api.model.log(id).end_bound;
                // by name, who has not heard of a deletion tells of the former of that name
                let is_reused = api.model.topic(id.topic_id).is_some_and(|topic| topic.is_reused);
                if api.model.is_cluster && is_reused && offset > bound {
                    continue;
                }
                let floor = if reading::is_bound(api, id, &asked[&id]) { floor } else { 0 };
                if sentinel == -1 && (offset < floor || offset > bound) {
                    api.model.violation(format!(
                        "the end of {id} is said to be {offset}; {floor} was shown before, {bound} sent"
                    ));
                }
                if offset > bound {
                    api.model
                        .violation(format!("ListOffsets {sentinel} of {id} gives {offset}, past {bound}"));
                }
                if let Some(position) = self.positions.get_mut(&id)
                    && position.offset.is_none()
                {
                    position.offset = Some(offset).filter(|offset| *offset >= 0);
                    position.power_losses = api.model.power_losses;
                }
            }
        }
    }

    fn forget_session(&mut self) {
        (self.session, self.epoch) = (0, 0);
        self.positions.values_mut().for_each(|position| position.told = None);
    }
}

fn name_or_id(model: &Model, id: Uuid, version: i16) -> (Str, Uuid) {
    let name = model.topic(id).map(|topic| topic.name.clone()).unwrap_or_default();
    if version >= 13 { (Str::default(), id) } else { (name, Uuid::ZERO) }
}

impl Program for Fetcher {
    fn wake(&mut self, api: &mut Api<'_>) {
        let mut is_new = false;
        if self.exchange.begins() {
            // where there is more to be read than it has
            let end = |id| api.model.logs.get(id).map(|log| log.shown_end);
            let behind = self.positions.iter().filter(|(id, at)| at.offset < end(id));
            let behind: Vec<TopicIdPartition> = behind.map(|(id, _)| *id).collect();
            api.connect_to_leader(&behind);
            self.uses_session = api.random.one_in(2);
            let any_reused = api.model.topics.iter().any(|topic| topic.is_reused);
            let least = if api.model.is_cluster && any_reused { 13 } else { 4 };
            self.version = api.version(ApiKey::Fetch, least, i16::MAX);
            // sessions came with version 7
            self.uses_session &= self.version >= 7;
            self.forget_session();
            self.positions.values_mut().for_each(|position| position.high_watermark = 0);
            is_new = api.model.is_cluster && api.random.one_in(2);
        }
        if self.exchange.waits() {
            return;
        }
        let before = self.positions.len();
        self.choose(api);
        if self.positions.len() < before && self.uses_session {
            self.forget_session();
        }
        if api.model.is_cluster && api.random.one_in(5) {
            // other partitions are led elsewhere
            api.close();
            return self.on_closed(api);
        }
        let lost = self
            .positions
            .iter()
            .filter(|(id, at)| at.offset.is_none() && api.model.is_led_by(id, api.machine));
        let lost: Vec<_> = lost.map(|(id, _)| *id).collect();
        if !lost.is_empty() {
            self.ask_offsets(api, lost);
        } else if (is_new || api.random.one_in(20)) && !self.positions.is_empty() {
            let all = self.positions.keys().filter(|id| api.model.is_led_by(id, api.machine)).copied();
            let all = all.collect();
            self.ask_offsets(api, all);
        } else if !self.positions.is_empty() {
            if api.random.one_in(60) && !api.model.calm {
                // reads again from somewhere else
                let at = api.random.below(self.positions.len() as u64) as usize;
                if let Some(position) = self.positions.values_mut().nth(at) {
                    position.offset = None;
                }
            }
            self.fetch(api);
        } else {
            api.wake_in_about(50_000);
        }
    }

    fn on_reply(&mut self, api: &mut Api<'_>, reply: Reply) {
        let Some(question) = self.exchange.answered(api, &reply, "a reader") else { return };
        match (&reply.response, question) {
            (Response::Fetch(response), Question::Fetch { asked }) => self.on_fetched(api, response, &asked),
            (Response::ListOffsets(response), Question::Offsets { sentinel, asked }) => {
                self.on_offsets(api, response, sentinel, &asked);
            }
            _ => api.model.violation("an answer of another kind than was asked for"),
        }
        api.wake_in_about(5_000);
    }

    fn on_closed(&mut self, api: &mut Api<'_>) {
        self.exchange.ended();
        api.wake_in_about(20_000);
    }

    fn calm(&mut self) {}

    fn standing(&self, model: &Model) -> Standing {
        for (id, position) in &self.positions {
            let live = model.topic(id.topic_id).is_some_and(|topic| topic.stage == Stage::Live);
            let end = model.logs.get(id).map_or(0, |log| log.shown_end);
            let reads = position.offset >= Some(end)
                || (!model.is_strict && model.is_cluster && position.offset.is_some());
            if live && !reads {
                return Standing::Stuck(format!("{id} ends at {end}, read to {:?}", position.offset));
            }
        }
        Standing::Good
    }

    fn name(&self) -> &'static str {
        "fetcher"
    }
}
