//! A producer: batches for several partitions in a request, several requests under way. The idempotent one tries again
//! until it is acknowledged, over new connections and in order; the other one forgets what had no answer.

use std::collections::{BTreeMap, VecDeque};

use protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use protocol::messages::produce_response::PartitionProduceResponse;
use protocol::messages::{InitProducerIdRequest, ProduceRequest};
use protocol::{ApiKey, ErrorCode, Response};
use types::TopicIdPartition;

use super::Program;
use crate::commands::{Api, Reply};
use crate::content::{self, Sender};
use crate::invariants::liveness::Standing;
use crate::invariants::{contents, promptness};
use crate::model::{Model, Sent};

/// Batches of one partition without an answer, as Kafka's own client has.
const IN_FLIGHT_MAX: usize = 5;

struct Queued {
    number: u32,
    in_flight: bool,
    /// The connection it was sent on is given up, but not what was sent: until then the client counts on an answer, and
    /// sends what comes after it to whoever leads now.
    gone_until: Option<u64>,
    /// The node's restarts when it was made.
    restarts: u64,
}

/// What goes to one partition.
#[derive(Default)]
struct Lane {
    next_sequence: i32,
    next_place: u64,
    /// The node knows this producer here: before, it takes any sequence.
    is_known: bool,
    queue: VecDeque<Queued>,
}

impl Lane {
    /// The next batch to send. None while one that was sent later has no answer: it would be overtaken.
    fn sendable(&self) -> Option<usize> {
        let first = self.queue.iter().position(|queued| !queued.in_flight)?;
        self.queue.iter().skip(first).all(|queued| !queued.in_flight).then_some(first)
    }

    fn is_full(&self) -> bool {
        let gone = self.queue.iter().filter(|queued| queued.gone_until.is_some()).count();
        self.queue.len() - gone >= IN_FLIGHT_MAX || gone > 2 * IN_FLIGHT_MAX
    }

    /// Nothing was heard of them for too long.
    fn call_back(&mut self, now: u64) {
        for queued in &mut self.queue {
            if queued.gone_until.is_some_and(|until| until <= now) {
                (queued.gone_until, queued.in_flight) = (None, false);
            }
        }
    }
}

pub struct Producer {
    idempotent: bool,
    acks: i16,
    identity: Option<(i64, i16)>,
    connected: bool,
    asking: bool,
    lanes: BTreeMap<TopicIdPartition, Lane>,
    requests: BTreeMap<i32, Vec<(TopicIdPartition, u32)>>,
    /// Sent on this connection, and no answer is wanted.
    unheard: Vec<u32>,
    /// One of them may be refused, which ends the connection: what comes behind it is not carried out.
    may_be_refused: bool,
    power_losses: u64,
    saw_storage_error: bool,
    is_calm: bool,
    acknowledged_in_calm: u64,
}

impl Producer {
    pub fn new(idempotent: bool, acks: i16) -> Producer {
        Producer {
            idempotent,
            acks,
            identity: None,
            connected: false,
            asking: false,
            lanes: BTreeMap::new(),
            requests: BTreeMap::new(),
            unheard: Vec::new(),
            may_be_refused: false,
            power_losses: 0,
            saw_storage_error: false,
            is_calm: false,
            acknowledged_in_calm: 0,
        }
    }

    fn make_batches(&mut self, api: &mut Api<'_>) {
        let live = api.model.live_topics();
        if live.is_empty() || api.model.producing_ended {
            return;
        }
        for _ in 0..1 + api.random.below(4) {
            let topic = &api.model.topics[live[api.random.below(live.len() as u64) as usize]];
            let partition = api.random.below(topic.partitions.max(1) as u64) as i32;
            let id = TopicIdPartition { topic_id: topic.id, partition };
            let nature = topic.nature;
            let lane = self.lanes.entry(id).or_default();
            if lane.is_full() {
                continue;
            }
            let most = if api.random.one_in(10) { 100 } else { 6 };
            let count = 1 + api.random.below(most) as u32;
            let number = api.model.sent.len() as u32;
            let sender = match (self.idempotent, self.identity) {
                (true, Some((id, epoch))) => Sender { id, epoch, base_sequence: lane.next_sequence },
                _ => Sender::NOBODY,
            };
            let bytes = content::batch(number, count, sender, api.wall_ms, api.random);
            let producer = self.idempotent.then_some((sender.id as usize, lane.next_place));
            lane.next_sequence += count as i32;
            lane.next_place += 1;
            let restarts = api.model.restarts;
            lane.queue.push_back(Queued { number, in_flight: false, gone_until: None, restarts });
            api.model.sent.push(Sent {
                partition: id,
                nature,
                bytes,
                count,
                producer,
                offset: None,
                acknowledged_at: None,
            });
        }
    }

    fn send(&mut self, api: &mut Api<'_>) {
        while self.requests.len() < IN_FLIGHT_MAX {
            let led = |id: &TopicIdPartition| api.model.is_led_by(id, api.machine);
            let ready = self.lanes.iter().filter(|(id, _)| led(id));
            let ready = ready.filter_map(|(id, lane)| Some((*id, lane.sendable()?)));
            let mut chosen: Vec<(TopicIdPartition, usize)> = ready.collect();
            let most = 1 + api.random.below(4) as usize;
            chosen.truncate(most);
            if chosen.is_empty() {
                return;
            }
            let mut batches = Vec::new();
            for (id, at) in chosen {
                let Some(queued) = self.lanes.get_mut(&id).and_then(|lane| lane.queue.get_mut(at)) else {
                    continue;
                };
                queued.in_flight = true;
                batches.push((id, queued.number));
            }
            self.send_request(api, batches);
        }
    }

    fn send_request(&mut self, api: &mut Api<'_>, batches: Vec<(TopicIdPartition, u32)>) {
        let is_reused = |(id, _): &(TopicIdPartition, u32)| {
            api.model.topic(id.topic_id).is_some_and(|topic| topic.is_reused)
        };
        // zstd came with version 7, topic ids with 13
        let least = match self.idempotent {
            _ if batches.iter().any(is_reused) => 13,
            true => 7,
            false => 3,
        };
        let version = api.version(ApiKey::Produce, least, i16::MAX);
        let mut topics: Vec<TopicProduceData> = Vec::new();
        for (id, number) in &batches {
            let sent = &api.model.sent[*number as usize];
            let (records, place) = (sent.count, sent.producer);
            api.tell(|| format!("sends {id} batch {number}, {records} records, {place:?}, v{version}"));
            let sent = &api.model.sent[*number as usize];
            let data = PartitionProduceData { index: id.partition, records: Some(sent.bytes.clone()) };
            let count = i64::from(sent.count);
            api.model.log(*id).end_bound += count;
            let Some(topic) = api.model.topic(id.topic_id) else { continue };
            let (name, topic_id) = match version {
                13.. => (Default::default(), topic.id),
                _ => (topic.name.clone(), Default::default()),
            };
            match topics.iter_mut().find(|other| other.name == name && other.topic_id == topic_id) {
                Some(topic) => topic.partition_data.push(data),
                None => topics.push(TopicProduceData { name, topic_id, partition_data: vec![data] }),
            }
        }
        let acks = self.acks;
        // what no follower can copy, since it is damaged, must not hold up the rest for long
        let timeout_ms = if api.model.is_cluster { 5_000 } else { 20_000 };
        let request = ProduceRequest { transactional_id: None, acks, timeout_ms, topic_data: topics };
        let correlation = api.send(version, request);
        if acks == 0 {
            for (id, number) in batches {
                self.forget(&id, number);
                // of others the node may say that they are too large, or of a codec that the version does not have
                let sent = &api.model.sent[number as usize];
                self.may_be_refused |= version < 7 || sent.bytes.len() >= 1000;
                if api.is_connected && !sent.nature.loses_old {
                    self.unheard.push(number);
                }
            }
            return;
        }
        self.requests.insert(correlation, batches);
    }

    /// Now and then a connection ends as soon as all is sent, or its sending side alone.
    fn ends(&mut self, api: &mut Api<'_>) -> bool {
        let closes = !self.idempotent && self.acks == 0 && api.random.one_in(10);
        if closes && api.is_connected {
            if self.is_calm && !self.may_be_refused {
                let restarts = api.model.restarts;
                api.model.promised.extend(self.unheard.drain(..).map(|number| (number, restarts)));
            }
            api.close();
            self.on_closed(api);
            return true;
        }
        if self.acks != 0 && api.random.one_in(60) {
            api.close_sending();
        }
        // it has waited long enough
        let gives_up = self.idempotent && api.model.is_cluster && !self.is_calm;
        if gives_up && !self.requests.is_empty() && api.random.one_in(60) {
            api.close();
            self.on_closed(api);
            return true;
        }
        // other partitions are led elsewhere
        let led = |id: &TopicIdPartition| api.model.is_led_by(id, api.machine);
        let waits = self.lanes.iter().any(|(id, lane)| !lane.queue.is_empty() && !led(id));
        if api.model.is_cluster && waits && api.random.one_in(4) && self.requests.is_empty() {
            api.close();
            self.on_closed(api);
            return true;
        }
        false
    }

    fn forget(&mut self, id: &TopicIdPartition, number: u32) {
        if let Some(lane) = self.lanes.get_mut(id) {
            lane.queue.retain(|queued| queued.number != number);
        }
    }

    fn on_produced(&mut self, api: &mut Api<'_>, reply: &Reply) {
        let Response::Produce(response) = &reply.response else { return };
        let errors = response.responses.iter().flat_map(|topic| &topic.partition_responses);
        if api.model.is_cluster && errors.into_iter().all(|answer| answer.error_code == 0) {
            promptness::check_produce(api.model, reply.sent_at, api.now);
        }
        let mut batches = self.requests.remove(&reply.correlation).unwrap_or_default();
        for topic in &response.responses {
            for answer in &topic.partition_responses {
                let found = batches.iter().position(|(id, _)| {
                    let known = api.model.topic(id.topic_id);
                    let same = known.is_some_and(|known| match reply.version {
                        13.. => known.id == topic.topic_id,
                        _ => known.name == topic.name,
                    });
                    same && id.partition == answer.index
                });
                match found {
                    Some(at) => {
                        let (id, number) = batches.swap_remove(at);
                        self.on_answer(api, id, number, answer, reply.sent_at);
                    }
                    None => api.model.violation("a partition in a Produce answer that was not asked for"),
                }
            }
        }
        if !batches.is_empty() {
            api.model.violation(format!("no answer for {batches:?} in a Produce answer"));
        }
    }

    fn on_answer(
        &mut self,
        api: &mut Api<'_>,
        id: TopicIdPartition,
        number: u32,
        answer: &PartitionProduceResponse,
        sent_at: u64,
    ) {
        api.saw(ApiKey::Produce, answer.error_code);
        let (code, base) = (ErrorCode::from(answer.error_code), answer.base_offset);
        api.tell(|| format!("hears of {id} batch {number}: {code} at {base}"));
        self.saw_storage_error |= answer.error_code == ErrorCode::KafkaStorageError.code();
        if answer.error_code == 0 {
            self.forget(&id, number);
            if let Some(lane) = self.lanes.get_mut(&id) {
                lane.is_known = true;
            }
            return self.acknowledged(api, id, (answer.base_offset, number), sent_at);
        }
        // a batch of an identity given up since
        let Some(lane) = self.lanes.get_mut(&id) else { return };
        let Some(at) = lane.queue.iter().position(|queued| queued.number == number) else { return };
        if !self.idempotent || !api.model.is_live(id.topic_id) {
            lane.queue.remove(at);
            return;
        }
        match ErrorCode::from(answer.error_code) {
            ErrorCode::OutOfOrderSequenceNumber if at > 0 => lane.queue[at].in_flight = false,
            // it is in the log, nobody knows where
            ErrorCode::DuplicateSequenceNumber => {
                lane.queue.remove(at);
                self.had(api, id, number, sent_at);
            }
            ErrorCode::OutOfOrderSequenceNumber => {
                let sent = &api.model.sent[number as usize];
                let (loses, place) = (sent.nature.loses_old, sent.producer.map_or(0, |(_, place)| place));
                // a batch that found no room may be overtaken by a smaller one, also where that answer was lost
                // and what a log remembers of a producer over a restart is his last batch, as in Kafka
                let was_restarted =
                    api.model.restarts != lane.queue[at].restarts && lane.next_place > place + 1;
                // and a change of leader loses what one replica alone has acknowledged
                let forgets = loses || was_restarted || !lane.is_known;
                let excused = forgets || self.saw_storage_error || api.model.is_cluster;
                if api.model.power_losses == self.power_losses && !excused {
                    let text = format!("{id}: the sequence of batch {number} is refused, nothing was lost");
                    api.model.violation(text);
                }
                self.give_up_identity();
            }
            // a clock has jumped, or segments have become smaller than the batch
            ErrorCode::InvalidTimestamp | ErrorCode::RecordListTooLarge => self.give_up_identity(),
            code if code.is_retriable() || code == ErrorCode::UnknownTopicId => {
                lane.queue[at].in_flight = false
            }
            code => {
                let text = format!("{id}: batch {number} is refused: {code} {:?}", answer.error_message);
                api.model.violation(text);
            }
        }
    }

    fn acknowledged(
        &mut self,
        api: &mut Api<'_>,
        id: TopicIdPartition,
        (base, number): (i64, u32),
        sent_at: u64,
    ) {
        if !api.model.is_live(id.topic_id) {
            return;
        }
        let sent = &mut api.model.sent[number as usize];
        if !api.model.is_cluster || self.acks == -1 {
            sent.acknowledged_at.get_or_insert(api.now);
        }
        let (count, flushed) = (i64::from(sent.count), sent.nature.flushed);
        api.coverage.acknowledged_records += count as u64;
        if !api.model.is_cluster || self.acks == -1 {
            contents::place(api.model, id, base, number, "acknowledgement");
        }
        if let Some(promise) = self.promise(api.model, number) {
            api.model.survival.acknowledged(id, (base, number), promise, sent_at);
        }
        if flushed {
            let log = api.model.log(id);
            log.synced_end = log.synced_end.max(base + count);
        }
        self.acknowledged_in_calm += u64::from(self.is_calm);
    }

    /// The log has had it, nobody says where.
    fn had(&mut self, api: &mut Api<'_>, id: TopicIdPartition, number: u32, sent_at: u64) {
        if let Some(promise) = self.promise(api.model, number) {
            api.model.survival.had(id, number, promise, sent_at);
            api.model.log(id).had.insert(number);
        }
        self.acknowledged_in_calm += u64::from(self.is_calm);
    }

    /// What an answer promises of a batch beyond its leader's life, where it promises anything: whether it is on disks, and
    /// how many replicas have to be in sync.
    fn promise(&self, model: &Model, number: u32) -> Option<(bool, usize)> {
        let nature = model.sent[number as usize].nature;
        (model.is_cluster && self.acks == -1).then_some((nature.flushed, nature.min_in_sync))
    }

    /// Whatever is under way is left to itself.
    fn give_up_identity(&mut self) {
        self.identity = None;
        self.lanes.clear();
    }
}

impl Program for Producer {
    fn wake(&mut self, api: &mut Api<'_>) {
        self.lanes.retain(|id, _| api.model.is_live(id.topic_id));
        self.lanes.values_mut().for_each(|lane| lane.call_back(api.now));
        if !self.connected {
            self.connected = true;
            let waiting = self.lanes.iter().filter(|(_, lane)| !lane.queue.is_empty());
            let mut waiting: Vec<TopicIdPartition> = waiting.map(|(id, _)| *id).collect();
            // one may lead all that there is, and nobody else is of use
            if waiting.is_empty() && self.is_calm {
                waiting.extend(self.lanes.keys());
            }
            api.connect_to_leader(&waiting);
        }
        if self.idempotent && self.identity.is_none() {
            if !self.asking {
                self.asking = true;
                let version = api.version(ApiKey::InitProducerId, 0, 5);
                let request = InitProducerIdRequest {
                    transactional_id: None,
                    producer_id: -1,
                    producer_epoch: -1,
                    transaction_timeout_ms: 1000,
                    ..Default::default()
                };
                api.send(version, request);
            }
            return api.wake_in_about(100_000);
        }
        self.make_batches(api);
        self.send(api);
        if self.ends(api) {
            return;
        }
        let pause = if api.random.one_in(8) { 200_000 } else { 15_000 };
        api.wake_in_about(pause);
    }

    fn on_reply(&mut self, api: &mut Api<'_>, reply: Reply) {
        match &reply.response {
            Response::Produce(_) => {
                self.on_produced(api, &reply);
                if self.identity.is_some() || !self.idempotent {
                    self.send(api);
                }
            }
            Response::InitProducerId(granted) => {
                self.asking = false;
                api.saw(ApiKey::InitProducerId, granted.error_code);
                if granted.error_code == 0 {
                    self.identity = Some((granted.producer_id, granted.producer_epoch));
                    self.power_losses = api.model.power_losses;
                    self.saw_storage_error = false;
                    self.lanes.clear();
                    super::reading::unique_producer(api, granted.producer_id);
                }
            }
            _ => api.model.violation("an answer that a producer did not ask for"),
        }
    }

    fn on_closed(&mut self, api: &mut Api<'_>) {
        self.connected = false;
        self.asking = false;
        self.unheard.clear();
        self.may_be_refused = false;
        self.requests.clear();
        let goes_on = api.model.is_cluster && !self.is_calm && api.random.one_in(3);
        let until = api.now + 100_000 + api.random.below(3_000_000);
        for lane in self.lanes.values_mut() {
            match self.idempotent {
                true if goes_on => {
                    let under_way = lane.queue.iter_mut().filter(|queued| queued.in_flight);
                    under_way.for_each(|queued| queued.gone_until = queued.gone_until.or(Some(until)));
                }
                true => lane.queue.iter_mut().for_each(|queued| {
                    (queued.gone_until, queued.in_flight) = (None, false);
                }),
                false => lane.queue.clear(),
            }
        }
        api.wake_in_about(20_000);
    }

    fn calm(&mut self) {
        self.is_calm = true;
    }

    fn standing(&self, model: &Model) -> Standing {
        if self.acks != 0 && self.acknowledged_in_calm == 0 {
            return Standing::Stuck("no batch is acknowledged".into());
        }
        let waiting =
            self.lanes.iter().find(|(id, lane)| !lane.queue.is_empty() && model.is_live(id.topic_id));
        match waiting {
            Some((id, lane)) if self.acks != 0 => {
                Standing::Stuck(format!("{} batches for {id} have no answer", lane.queue.len()))
            }
            _ => Standing::Good,
        }
    }

    fn name(&self) -> &'static str {
        "producer"
    }
}
