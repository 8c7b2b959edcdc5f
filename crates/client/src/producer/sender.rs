//! The task that sends: looks which batches are ready, puts those of one broker into one request, and judges answers.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use protocol::messages::produce_response::PartitionProduceResponse;
use protocol::messages::{InitProducerIdRequest, ProduceRequest, ProduceResponse};
use protocol::{ApiKey, ErrorCode, Str};
use tokio::time::{Instant, sleep, sleep_until};
use types::{NodeId, ProducerEpoch, ProducerId, Uuid};

use super::Inner;
use super::accumulator::Ready;
use super::batch::{Identity, PendingBatch};
use super::config::Acks;
use crate::{Connection, Error};

/// A batch on its way to a broker.
struct Sent {
    topic: Arc<str>,
    topic_id: Uuid,
    partition: i32,
    batch: PendingBatch,
}

/// What the sender knows of one broker.
#[derive(Default)]
pub struct Node {
    in_flight: usize,
    connecting: bool,
    not_before: Option<Instant>,
    failures: u32,
}

pub async fn run(inner: Arc<Inner>) {
    loop {
        let deadline = inner.turn();
        if inner.is_over() {
            return;
        }
        match deadline {
            Some(deadline) => tokio::select! {
                () = inner.wake.notified() => {}
                () = sleep_until(deadline) => {}
            },
            None => inner.wake.notified().await,
        }
    }
}

impl Inner {
    fn is_over(&self) -> bool {
        let state = self.state();
        state.closed && state.incomplete.is_empty()
    }

    /// Sends what can be sent; gives the time of the next look.
    fn turn(self: &Arc<Self>) -> Option<Instant> {
        let now = Instant::now();
        self.expire(now);
        if !self.has_identity() {
            return self.next_expiry(now);
        }
        let mut next = self.next_expiry(now);
        let mut missing = BTreeSet::new();
        let mut by_node: BTreeMap<NodeId, Vec<Sent>> = BTreeMap::new();
        let unconnected = self.collect(now, &mut next, &mut missing, &mut by_node);
        for id in unconnected {
            self.connect(id);
        }
        if !missing.is_empty() {
            self.refresh(missing.into_iter().collect());
        }
        for (id, sent) in by_node {
            match self.cluster.open_node(id) {
                Some(connection) => self.send(id, &connection, sent),
                None => {
                    self.put_back(sent);
                    self.connect(id);
                }
            }
        }
        next
    }

    /// Takes the ready batches of brokers that may get a request; gives the brokers that are to be connected to first.
    fn collect(
        &self,
        now: Instant,
        next: &mut Option<Instant>,
        missing: &mut BTreeSet<Arc<str>>,
        by_node: &mut BTreeMap<NodeId, Vec<Sent>>,
    ) -> BTreeSet<NodeId> {
        let mut unconnected = BTreeSet::new();
        let mut state = self.state();
        let mut nodes = self.nodes();
        let hurry = state.hurry > 0 || state.closed;
        let rules = self.rules();
        let mut sizes: BTreeMap<NodeId, usize> = BTreeMap::new();
        let mut taken = 0;
        for (name, topic) in &mut state.topics {
            let known = self.cluster.known_topic(name);
            for (partition, queue) in &mut topic.queues {
                match queue.ready(now, hurry, rules, self.config.max_in_flight) {
                    Ready::Never => continue,
                    Ready::At(time) => {
                        soonest(next, time);
                        continue;
                    }
                    Ready::Now => {}
                }
                let leader = known.as_ref().and_then(|topic| topic.partition(*partition)?.leader);
                let (Some(known), Some(leader)) = (&known, leader) else {
                    missing.insert(Arc::clone(name));
                    continue;
                };
                let node = nodes.entry(leader).or_default();
                if let Some(time) = node.not_before.filter(|time| *time > now) {
                    soonest(next, time);
                    continue;
                }
                if node.connecting || node.in_flight >= self.config.max_in_flight {
                    continue;
                }
                if self.cluster.open_node(leader).is_none() {
                    unconnected.insert(leader);
                    continue;
                }
                let size = sizes.entry(leader).or_default();
                let first = queue.batches.front().map_or(0, |batch| batch.reserved);
                if *size > 0 && *size + first > self.config.max_request_bytes {
                    continue;
                }
                *size += first;
                let Some(batch) = queue.take(rules.idempotence) else { continue };
                taken += 1;
                let sent = Sent { topic: Arc::clone(name), topic_id: known.id, partition: *partition, batch };
                by_node.entry(leader).or_default().push(sent);
            }
        }
        state.in_flight += taken;
        unconnected
    }

    /// One request with all these batches.
    fn send(self: &Arc<Self>, id: NodeId, connection: &Connection, mut sent: Vec<Sent>) {
        let identity = self.state().identity;
        let without_id = sent.iter().any(|sent| sent.topic_id.is_zero());
        let version = connection.version(ApiKey::Produce).map(|v| if without_id { v.min(12) } else { v });
        let request = self.request(&mut sent, identity);
        let (version, request) = match (version, request) {
            (Ok(version), Ok(request)) => (version, request),
            (Err(error), _) | (_, Err(error)) => return self.failed(sent, &error),
        };
        if self.config.acks == Acks::None {
            return match connection.send_unanswered(&request, version) {
                Ok(()) => sent.into_iter().for_each(|sent| self.succeed(sent, None)),
                Err(error) => self.failed(sent, &error),
            };
        }
        match connection.start(&request, version) {
            Err(error) => self.failed(sent, &error),
            Ok(answer) => {
                self.nodes().entry(id).or_default().in_flight += 1;
                let inner = Arc::clone(self);
                tokio::spawn(async move {
                    let answer = answer.await;
                    if let Some(node) = inner.nodes().get_mut(&id) {
                        node.in_flight -= 1;
                    }
                    match answer {
                        Ok(answer) => inner.answered(sent, answer),
                        Err(error) => inner.failed(sent, &error),
                    }
                    inner.wake.notify_one();
                });
            }
        }
    }

    fn request(&self, sent: &mut [Sent], identity: Option<Identity>) -> Result<ProduceRequest, Error> {
        let timeout_ms = i32::try_from(self.config.request_timeout.as_millis()).unwrap_or(i32::MAX);
        let mut request =
            ProduceRequest { acks: self.config.acks_number(), timeout_ms, ..Default::default() };
        for sent in sent {
            let records = Some(sent.batch.bytes(identity)?);
            let data = PartitionProduceData { index: sent.partition, records };
            match request.topic_data.last_mut() {
                // sorted by topic
                Some(last) if last.name == *sent.topic => last.partition_data.push(data),
                _ => request.topic_data.push(TopicProduceData {
                    name: Str::from(&*sent.topic),
                    topic_id: sent.topic_id,
                    partition_data: vec![data],
                }),
            }
        }
        Ok(request)
    }

    fn answered(&self, sent: Vec<Sent>, answer: ProduceResponse) {
        for sent in sent {
            let topic = answer.responses.iter().find(|topic| match topic.name.is_empty() {
                true => topic.topic_id == sent.topic_id,
                false => topic.name == *sent.topic,
            });
            let partition =
                topic.and_then(|topic| topic.partition_responses.iter().find(|p| p.index == sent.partition));
            match partition {
                Some(partition) => self.judge(sent, partition),
                None => self.failed(vec![sent], &Error::Malformed("a partition is missing".to_owned())),
            }
        }
    }

    fn judge(&self, sent: Sent, answer: &PartitionProduceResponse) {
        match ErrorCode::from(answer.error_code) {
            ErrorCode::None | ErrorCode::DuplicateSequenceNumber => self.succeed(sent, Some(answer)),
            ErrorCode::MessageTooLarge if sent.batch.count() > 1 => self.split(sent),
            code => {
                let text = answer.error_message.as_ref().map(|text| text.to_string());
                let wrong = |row: usize| {
                    let errors = &answer.record_errors;
                    errors.iter().find(|error| usize::try_from(error.batch_index) == Ok(row))
                };
                let error = Error::Broker(code, text);
                let of_record = |row: usize| match wrong(row) {
                    Some(wrong) => {
                        let text = wrong.batch_index_error_message.as_ref().map(|text| text.to_string());
                        Error::Broker(
                            code,
                            text.or_else(|| answer.error_message.as_ref().map(|t| t.to_string())),
                        )
                    }
                    None if answer.record_errors.is_empty() => error.clone(),
                    None => Error::Broker(code, Some(INNOCENT.to_owned())),
                };
                self.retry_or_fail(sent, &error, of_record);
            }
        }
    }

    /// A batch that is too large for the broker goes as two, in its place.
    fn split(&self, mut sent: Sent) {
        let Some(mut other) = sent.batch.split(self.rules().compression) else {
            let error = Error::Broker(ErrorCode::MessageTooLarge, None);
            return self.retry_or_fail(sent, &error, |_| error.clone());
        };
        self.back(&sent.topic, sent.partition, &sent.batch);
        for batch in [&mut sent.batch, &mut other] {
            // those that are younger wait for both
            batch.tries += 1;
        }
        self.state().incomplete.insert(other.number);
        let (topic, topic_id, partition) = (Arc::clone(&sent.topic), sent.topic_id, sent.partition);
        self.requeue(sent);
        self.requeue(Sent { topic, topic_id, partition, batch: other });
    }

    fn succeed(&self, sent: Sent, answer: Option<&PartitionProduceResponse>) {
        let Sent { topic, partition, batch, .. } = sent;
        self.back(&topic, partition, &batch);
        self.memory.add_permits(batch.reserved);
        let number = batch.number;
        let append_time = answer.map(|a| a.log_append_time_ms).filter(|time| *time >= 0);
        batch.succeed(partition, answer.map_or(-1, |a| a.base_offset), append_time);
        self.finish(number);
    }

    fn failed(&self, sent: Vec<Sent>, error: &Error) {
        for sent in sent {
            self.retry_or_fail(sent, error, |_| error.clone());
        }
    }

    fn retry_or_fail(&self, mut sent: Sent, error: &Error, of_record: impl Fn(usize) -> Error) {
        let now = Instant::now();
        self.back(&sent.topic, sent.partition, &sent.batch);
        if error.is_retriable() {
            // who leads is asked again; the topic may be gone, too
            self.cluster.forget(&sent.topic);
        }
        let again = {
            let mut state = self.state();
            let older = state
                .topics
                .get(&*sent.topic)
                .and_then(|topic| topic.queues.get(&sent.partition))
                .is_some_and(|queue| queue.has_older(sent.batch.number));
            let code = error.code();
            let renewed = sent.batch.sequence.is_some()
                && matches!(code, Some(ErrorCode::InvalidProducerEpoch | ErrorCode::UnknownProducerId));
            let overtaken = code == Some(ErrorCode::OutOfOrderSequenceNumber) && older;
            let again = (error.is_retriable() || renewed || overtaken)
                && sent.batch.tries < self.config.retries
                && now < sent.batch.created + self.config.delivery_timeout;
            state.bump |= renewed || (!again && sent.batch.sequence.is_some());
            again
        };
        if !again {
            self.memory.add_permits(sent.batch.reserved);
            let number = sent.batch.number;
            sent.batch.fail(of_record);
            return self.finish(number);
        }
        sent.batch.not_before = Some(now + self.cluster.config().backoff(sent.batch.tries));
        sent.batch.tries += 1;
        self.requeue(sent);
    }

    /// The batch is under way no more.
    fn back(&self, topic: &str, partition: i32, batch: &PendingBatch) {
        let mut state = self.state();
        state.in_flight = state.in_flight.saturating_sub(1);
        if let Some(queue) = state.topics.get_mut(topic).and_then(|topic| topic.queues.get_mut(&partition)) {
            queue.in_flight.remove(&batch.number);
        }
    }

    /// Batches that were not sent after all.
    fn put_back(&self, sent: Vec<Sent>) {
        for sent in sent {
            self.back(&sent.topic, sent.partition, &sent.batch);
            self.requeue(sent);
        }
    }

    fn requeue(&self, sent: Sent) {
        let mut state = self.state();
        let topic = state.topics.entry(sent.topic).or_default();
        topic.queues.entry(sent.partition).or_default().put_back(sent.batch);
    }

    fn finish(&self, number: u64) {
        self.state().finish(number);
        self.idle.notify_waiters();
    }

    fn expire(&self, now: Instant) {
        let age = self.config.delivery_timeout;
        let expired = self.state().expired(now, age);
        for (topic, partition, batch) in expired {
            self.memory.add_permits(batch.reserved);
            let text = format!(
                "Expiring {} record(s) for {topic}-{partition}:{} ms has passed since batch creation",
                batch.count(),
                (now - batch.created).as_millis()
            );
            batch.fail(|_| Error::TimedOut(text.clone()));
            self.idle.notify_waiters();
        }
    }

    fn next_expiry(&self, now: Instant) -> Option<Instant> {
        let state = self.state();
        let queues = state.topics.values().flat_map(|topic| topic.queues.values());
        let created = queues.filter_map(|queue| queue.batches.front().map(|batch| batch.created)).min();
        created.map(|created| (created + self.config.delivery_timeout).max(now))
    }

    /// Whether batches can be numbered; asks for a producer id and begins epochs where that is needed.
    fn has_identity(self: &Arc<Self>) -> bool {
        if !self.config.idempotence {
            return true;
        }
        let mut state = self.state();
        if state.bump {
            if state.in_flight > 0 {
                return false;
            }
            state.begin_epoch(self.rules());
        }
        if state.identity.is_some() || state.incomplete.is_empty() {
            return state.identity.is_some();
        }
        if !self.asking.swap(true, Ordering::AcqRel) {
            let inner = Arc::clone(self);
            tokio::spawn(async move {
                inner.ask_identity().await;
                inner.asking.store(false, Ordering::Release);
                inner.wake.notify_one();
            });
        }
        false
    }

    async fn ask_identity(&self) {
        let request = InitProducerIdRequest {
            transactional_id: None,
            transaction_timeout_ms: i32::MAX,
            producer_id: ProducerId::NONE.0,
            producer_epoch: ProducerEpoch::NONE.0,
            ..Default::default()
        };
        let asked = async {
            let answer = self.cluster.any().await?.call(&request).await?;
            Error::check(answer.error_code, None)?;
            Ok::<_, Error>(Identity {
                id: ProducerId(answer.producer_id),
                epoch: ProducerEpoch(answer.producer_epoch),
            })
        };
        match asked.await {
            Ok(identity) => self.state().identity = Some(identity),
            Err(error) if error.is_retriable() => sleep(self.cluster.config().retry_backoff).await,
            Err(error) => self.give_up(&error),
        }
    }

    /// Everything that waits fails: there is no producer id to be had.
    fn give_up(&self, error: &Error) {
        let batches = self.state().expired(Instant::now(), std::time::Duration::ZERO);
        for (_, _, batch) in batches {
            self.memory.add_permits(batch.reserved);
            batch.fail(|_| error.clone());
        }
        self.idle.notify_waiters();
    }

    fn connect(self: &Arc<Self>, id: NodeId) {
        self.nodes().entry(id).or_default().connecting = true;
        let inner = Arc::clone(self);
        tokio::spawn(async move {
            let outcome = inner.cluster.node(id).await;
            {
                let mut nodes = inner.nodes();
                let node = nodes.entry(id).or_default();
                node.connecting = false;
                node.not_before = match outcome {
                    Ok(_) => None,
                    Err(_) => Some(Instant::now() + inner.cluster.config().backoff(node.failures)),
                };
                node.failures = if outcome.is_ok() { 0 } else { node.failures.saturating_add(1) };
            }
            if outcome.is_err() {
                inner.forget_led_by(id);
            }
            inner.wake.notify_one();
        });
    }

    /// The broker may have moved, or somebody else leads by now: what is sent there is asked for again.
    fn forget_led_by(&self, id: NodeId) {
        let names: Vec<Arc<str>> = self.state().topics.keys().cloned().collect();
        for name in names {
            let known = self.cluster.known_topic(&name);
            if known.is_some_and(|topic| topic.partitions.iter().any(|one| one.leader == Some(id))) {
                self.cluster.forget(&name);
            }
        }
    }

    /// Asks who leads, once at a time and not too often.
    fn refresh(self: &Arc<Self>, topics: Vec<Arc<str>>) {
        if self.refreshing.swap(true, Ordering::AcqRel) {
            return;
        }
        let inner = Arc::clone(self);
        tokio::spawn(async move {
            let names: Vec<&str> = topics.iter().map(|topic| &**topic).collect();
            let asked = inner.cluster.refresh_or_create(&names).await;
            let known = names.iter().all(|name| inner.cluster.known_topic(name).is_some());
            if asked.is_err() || !known {
                sleep(inner.cluster.config().retry_backoff).await;
            }
            inner.refreshing.store(false, Ordering::Release);
            inner.wake.notify_one();
        });
    }
}

/// What Kafka's client says of records that were refused because of others in their batch.
const INNOCENT: &str =
    "Failed to append record because it was part of a batch which had one more more invalid records";

fn soonest(next: &mut Option<Instant>, time: Instant) {
    *next = Some(next.map_or(time, |known| known.min(time)));
}
