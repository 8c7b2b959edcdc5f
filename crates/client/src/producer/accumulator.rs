//! Batches that wait, by partition: who may be sent next, and where a failed one comes back to.
//! Batches of a partition keep their order of creation; a batch that has a sequence keeps it until the epoch ends.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use records::Compression;
use tokio::time::Instant;
use types::ProducerEpoch;

use super::batch::{Identity, NUMBERS, PendingBatch};
use super::partitioner::Sticky;

#[derive(Default)]
pub struct Accumulator {
    pub topics: BTreeMap<Arc<str>, TopicQueues>,
    /// Batches that are neither done nor failed.
    pub incomplete: BTreeSet<u64>,
    next_number: u64,
    pub identity: Option<Identity>,
    /// A batch with a sequence was given up: nothing is sent until all is back, then a new epoch begins.
    pub bump: bool,
    pub in_flight: usize,
    /// Nobody waits for linger any more.
    pub hurry: usize,
    pub closed: bool,
}

#[derive(Default)]
pub struct TopicQueues {
    pub sticky: Sticky,
    pub queues: BTreeMap<i32, Queue>,
}

#[derive(Default)]
pub struct Queue {
    pub batches: VecDeque<PendingBatch>,
    /// Numbers of the batches under way.
    pub in_flight: BTreeSet<u64>,
    next_sequence: i32,
}

/// When batches are ready, and who may go.
#[derive(Clone, Copy)]
pub struct Rules {
    pub linger: Duration,
    pub batch_bytes: usize,
    pub idempotence: bool,
    pub compression: Compression,
}

impl Accumulator {
    /// The batch that takes a record of this size, and whether the sender has to look.
    pub fn batch(
        &mut self,
        topic: &Arc<str>,
        partition: i32,
        size: usize,
        now: Instant,
        rules: Rules,
    ) -> Option<(&mut PendingBatch, bool)> {
        let queue = self.topics.entry(Arc::clone(topic)).or_default().queues.entry(partition).or_default();
        let has_room = queue.batches.back().is_some_and(|batch| batch.has_room(size, rules.batch_bytes));
        if !has_room {
            let number = self.next_number;
            self.next_number += NUMBERS;
            self.incomplete.insert(number);
            let capacity = rules.batch_bytes.max(size).min(64 << 10);
            queue.batches.push_back(PendingBatch::new(number, now, rules.compression, capacity));
        }
        queue.batches.back_mut().map(|batch| (batch, !has_room))
    }

    /// The number that the next batch will have: all before it are older.
    pub fn next_number(&self) -> u64 {
        self.next_number
    }

    pub fn is_done_before(&self, number: u64) -> bool {
        self.incomplete.first().is_none_or(|first| *first >= number)
    }

    /// The end of a batch, good or bad.
    pub fn finish(&mut self, number: u64) {
        self.incomplete.remove(&number);
    }

    /// Batches of `age`, taken out of the queues.
    pub fn expired(&mut self, now: Instant, age: Duration) -> Vec<(Arc<str>, i32, PendingBatch)> {
        let mut expired = Vec::new();
        for (topic, queues) in &mut self.topics {
            for (partition, queue) in &mut queues.queues {
                while queue.batches.front().is_some_and(|batch| now >= batch.created + age)
                    && let Some(batch) = queue.batches.pop_front()
                {
                    self.bump |= batch.sequence.is_some();
                    self.incomplete.remove(&batch.number);
                    expired.push((Arc::clone(topic), *partition, batch));
                }
            }
        }
        expired
    }

    /// Begins a new epoch: every batch that waits is numbered from 0 anew. None left: a new id is needed.
    pub fn begin_epoch(&mut self, rules: Rules) {
        self.bump = false;
        self.identity = self.identity.and_then(|identity| {
            let epoch = identity.epoch.0.checked_add(1).map(ProducerEpoch)?;
            Some(Identity { epoch, ..identity })
        });
        for queue in self.topics.values_mut().flat_map(|topic| topic.queues.values_mut()) {
            queue.next_sequence = 0;
            for batch in &mut queue.batches {
                let (Some(identity), Some(_)) = (self.identity, batch.sequence) else { continue };
                batch.renumber(identity, queue.next_sequence, rules.compression);
                queue.next_sequence = after(queue.next_sequence, batch.count());
            }
        }
    }
}

impl Queue {
    /// Whether the first batch may be sent at `now`; else when to look again.
    pub fn ready(&self, now: Instant, hurry: bool, rules: Rules, in_flight_max: usize) -> Ready {
        let Some(first) = self.batches.front() else { return Ready::Never };
        if self.in_flight.len() >= in_flight_max {
            return Ready::Never;
        }
        if first.tries > 0 {
            // one that comes back goes alone, before all that are younger
            let alone = !rules.idempotence
                || self.in_flight.first().is_none_or(|under_way| *under_way > first.number);
            return match first.not_before {
                _ if !alone => Ready::Never,
                Some(time) if time > now => Ready::At(time),
                _ => Ready::Now,
            };
        }
        let due = first.created + rules.linger;
        if hurry || due <= now || self.batches.len() > 1 || first.is_full(rules.batch_bytes) {
            return Ready::Now;
        }
        Ready::At(due)
    }

    /// Takes the first batch to be sent.
    pub fn take(&mut self, idempotence: bool) -> Option<PendingBatch> {
        let mut batch = self.batches.pop_front()?;
        if idempotence && batch.sequence.is_none() {
            batch.sequence = Some(self.next_sequence);
            self.next_sequence = after(self.next_sequence, batch.count());
        }
        self.in_flight.insert(batch.number);
        Some(batch)
    }

    /// Puts a batch back where it came from.
    pub fn put_back(&mut self, batch: PendingBatch) {
        let at = self.batches.partition_point(|other| other.number < batch.number);
        self.batches.insert(at, batch);
    }

    /// Whether an older batch has not been answered yet.
    pub fn has_older(&self, number: u64) -> bool {
        let waiting = self.batches.front().is_some_and(|batch| batch.number < number);
        waiting || self.in_flight.first().is_some_and(|first| *first < number)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ready {
    Now,
    At(Instant),
    /// Something else must happen first.
    Never,
}

/// Sequences go from 2147483647 on to 0.
pub fn after(sequence: i32, count: i32) -> i32 {
    ((i64::from(sequence) + i64::from(count)) & 0x7fff_ffff) as i32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ProducerRecord;
    use types::ProducerId;

    const RULES: Rules = Rules {
        linger: Duration::from_millis(5),
        batch_bytes: 100,
        idempotence: true,
        compression: Compression::NONE,
    };

    fn add(accumulator: &mut Accumulator, now: Instant, size: usize) -> bool {
        let (batch, is_new) = accumulator.batch(&"t".into(), 0, size, now, RULES).unwrap();
        batch.append(&ProducerRecord::default(), 0, size, Box::new(|_| ()));
        is_new
    }

    fn queue(accumulator: &mut Accumulator) -> &mut Queue {
        accumulator.topics.get_mut("t").unwrap().queues.get_mut(&0).unwrap()
    }

    #[test]
    fn batches_wait_for_linger_or_for_the_next() {
        let (mut accumulator, now) = (Accumulator::default(), Instant::now());
        assert!(add(&mut accumulator, now, 60));
        assert_eq!(queue(&mut accumulator).ready(now, false, RULES, 5), Ready::At(now + RULES.linger));
        assert_eq!(queue(&mut accumulator).ready(now, true, RULES, 5), Ready::Now);
        assert_eq!(queue(&mut accumulator).ready(now + RULES.linger, false, RULES, 5), Ready::Now);
        assert!(add(&mut accumulator, now, 60));
        assert_eq!(queue(&mut accumulator).ready(now, false, RULES, 5), Ready::Now);
    }

    #[test]
    fn what_comes_back_keeps_its_place_and_number() {
        let (mut accumulator, now) = (Accumulator::default(), Instant::now());
        (0..3).for_each(|_| assert!(add(&mut accumulator, now, 90)));
        let queue = queue(&mut accumulator);
        let [mut first, second] = [queue.take(true).unwrap(), queue.take(true).unwrap()];
        assert_eq!((first.sequence, second.sequence), (Some(0), Some(1)));
        assert!(queue.has_older(second.number));
        first.tries = 1;
        queue.in_flight.remove(&first.number);
        queue.put_back(first);
        assert_eq!(queue.ready(now, false, RULES, 5), Ready::Now);
        assert_eq!(queue.take(true).unwrap().sequence, Some(0));
        assert_eq!(queue.take(true).unwrap().sequence, Some(2));
    }

    #[test]
    fn expiry_of_a_numbered_batch_begins_an_epoch() {
        let (mut accumulator, now) = (Accumulator::default(), Instant::now());
        accumulator.identity = Some(Identity { id: ProducerId(1), epoch: ProducerEpoch(0) });
        (0..2).for_each(|_| assert!(add(&mut accumulator, now, 90)));
        for number in 0..2 {
            let batch = queue(&mut accumulator).take(true).unwrap();
            assert_eq!(batch.number, number);
            queue(&mut accumulator).in_flight.remove(&number);
            queue(&mut accumulator).put_back(batch);
            if number == 0 {
                assert_eq!(accumulator.expired(now + RULES.linger, RULES.linger).len(), 2);
                break;
            }
        }
        assert!(accumulator.bump);
        add(&mut accumulator, now, 90);
        accumulator.begin_epoch(RULES);
        assert_eq!(accumulator.identity.unwrap().epoch, ProducerEpoch(1));
        assert_eq!(queue(&mut accumulator).take(true).unwrap().sequence, Some(0));
    }

    #[test]
    fn sequences_wrap() {
        assert_eq!(after(i32::MAX, 1), 0);
        assert_eq!(after(i32::MAX - 1, 3), 1);
        assert_eq!(after(5, 2), 7);
    }
}
