//! A batch on its way: filled, built once, sent, sent again, done.

use bytes::Bytes;
use records::{Batch, BatchBuilder, BatchOptions, Compression, RecordHeader, TimestampType};
use tokio::time::Instant;
use types::{ProducerEpoch, ProducerId};

use super::accumulator::after;
use crate::{Error, ProducerRecord, RecordMetadata};

/// Called once, when the record's fate is known.
pub type Completion = Box<dyn FnOnce(Result<RecordMetadata, Error>) + Send>;

/// Who numbers the batches of an idempotent producer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    pub id: ProducerId,
    pub epoch: ProducerEpoch,
}

/// Numbers of one batch: it may be halved this often, in powers of two.
pub const NUMBERS: u64 = 1 << 20;

pub struct PendingBatch {
    /// Order of creation, kept over retries.
    pub number: u64,
    /// How many numbers, from its own on, belong to this batch and to those that it is split into.
    numbers: u64,
    pub created: Instant,
    pub tries: u32,
    pub not_before: Option<Instant>,
    /// The first sequence, once it has one; it keeps it.
    pub sequence: Option<i32>,
    filling: Option<BatchBuilder>,
    built: Bytes,
    count: i32,
    records: Vec<(i64, Completion)>,
    /// Reserved of the producer's memory.
    pub reserved: usize,
}

impl PendingBatch {
    pub fn new(number: u64, created: Instant, compression: Compression, capacity: usize) -> PendingBatch {
        let options = BatchOptions { compression, ..BatchOptions::default() };
        PendingBatch {
            number,
            numbers: NUMBERS,
            created,
            tries: 0,
            not_before: None,
            sequence: None,
            filling: Some(BatchBuilder::with_capacity(options, capacity)),
            built: Bytes::new(),
            count: 0,
            records: Vec::new(),
            reserved: 0,
        }
    }

    /// Whether a record fits: a batch takes its first whatever its size.
    pub fn has_room(&self, size: usize, batch_bytes: usize) -> bool {
        let fits = |filling: &BatchBuilder| filling.is_empty() || filling.size() + size <= batch_bytes;
        // the next batch's sequence counts on this one's records
        let open = self.sequence.is_none() && self.tries == 0;
        open && self.filling.as_ref().is_some_and(fits)
    }

    pub fn is_full(&self, batch_bytes: usize) -> bool {
        self.filling.as_ref().is_none_or(|filling| filling.size() >= batch_bytes)
    }

    pub fn append(&mut self, record: &ProducerRecord, timestamp: i64, size: usize, completion: Completion) {
        let headers: Vec<RecordHeader<'_>> = record
            .headers
            .iter()
            .map(|header| RecordHeader { key: header.key.as_bytes(), value: header.value.as_deref() })
            .collect();
        let appended = match &mut self.filling {
            Some(filling) => {
                filling.append(timestamp, record.key.as_deref(), record.value.as_deref(), &headers)
            }
            None => return completion(Err(Error::Unwritable("the batch is closed".to_owned()))),
        };
        match appended {
            Ok(()) => {
                self.count += 1;
                self.reserved += size;
                self.records.push((timestamp, completion));
            }
            Err(error) => completion(Err(Error::Unwritable(error.to_string()))),
        }
    }

    pub fn count(&self) -> i32 {
        self.count
    }

    /// The bytes to send; `identity` and the sequence are written into them the first time.
    pub fn bytes(&mut self, identity: Option<Identity>) -> Result<Bytes, Error> {
        if let Some(mut filling) = self.filling.take() {
            if let (Some(identity), Some(sequence)) = (identity, self.sequence) {
                filling.set_producer(identity.id, identity.epoch, sequence);
            }
            self.built = filling.build().map_err(|error| Error::Unwritable(error.to_string()))?;
        }
        Ok(self.built.clone())
    }

    /// Numbers a batch anew that was built under an epoch that is over.
    pub fn renumber(&mut self, identity: Identity, sequence: i32, compression: Compression) {
        self.sequence = Some(sequence);
        if self.filling.is_none()
            && let Some(built) = rebuilt(&self.built, identity, sequence, compression)
        {
            self.built = built;
        }
    }

    /// Two batches with half of the records each, in the place of one that is too large for the broker: the second's
    /// sequence follows the first's. None where a half is nothing, or the bytes are not to be read.
    pub fn split(&mut self, compression: Compression) -> Option<PendingBatch> {
        let (first, second) = halves(&self.built, compression)?;
        let kept = usize::try_from(self.count).ok()? / 2;
        let reserved = self.reserved / 2;
        self.numbers /= 2;
        let other = PendingBatch {
            number: self.number + self.numbers,
            numbers: self.numbers,
            created: self.created,
            tries: self.tries,
            not_before: None,
            sequence: self.sequence.map(|sequence| after(sequence, self.count / 2)),
            filling: None,
            built: second,
            count: self.count - self.count / 2,
            records: self.records.split_off(kept),
            reserved: self.reserved - reserved,
        };
        (self.built, self.count, self.reserved) = (first, self.count / 2, reserved);
        Some(other)
    }

    pub fn succeed(self, partition: i32, base_offset: i64, append_time: Option<i64>) {
        for (index, (timestamp, completion)) in self.records.into_iter().enumerate() {
            let offset = if base_offset < 0 { -1 } else { base_offset.saturating_add(index as i64) };
            let timestamp = append_time.unwrap_or(timestamp);
            completion(Ok(RecordMetadata { partition, offset, timestamp }));
        }
    }

    /// `of_record` may know better about single records.
    pub fn fail(self, of_record: impl Fn(usize) -> Error) {
        for (index, (_, completion)) in self.records.into_iter().enumerate() {
            completion(Err(of_record(index)));
        }
    }
}

/// The halves of a batch, each built as the whole was.
fn halves(built: &Bytes, compression: Compression) -> Option<(Bytes, Bytes)> {
    let batch = Batch::exact(built).ok()?;
    let data = batch.data(usize::MAX).ok()?;
    let count = batch.record_count();
    let options = |skipped: i32| BatchOptions {
        compression,
        producer_id: batch.producer_id(),
        producer_epoch: batch.producer_epoch(),
        base_sequence: match batch.base_sequence() {
            -1 => -1,
            first => after(first, skipped),
        },
        ..BatchOptions::default()
    };
    let (kept, mut seen) = (count / 2, 0);
    if kept == 0 {
        return None;
    }
    let mut first = BatchBuilder::with_capacity(options(0), data.len() / 2);
    let mut second = BatchBuilder::with_capacity(options(kept), data.len() / 2);
    for record in batch.records(&data) {
        let half = if seen < kept { &mut first } else { &mut second };
        half.append_renumbered(&record.ok()?).ok()?;
        seen += 1;
    }
    Some((first.build().ok()?, second.build().ok()?))
}

fn rebuilt(built: &Bytes, identity: Identity, sequence: i32, compression: Compression) -> Option<Bytes> {
    let batch = Batch::exact(built).ok()?;
    let data = batch.data(usize::MAX).ok()?;
    let options = BatchOptions {
        compression,
        producer_id: identity.id,
        producer_epoch: identity.epoch,
        base_sequence: sequence,
        log_append_time: (batch.timestamp_type() == TimestampType::LogAppendTime)
            .then(|| batch.max_timestamp()),
        ..BatchOptions::default()
    };
    let mut builder = BatchBuilder::with_capacity(options, data.len());
    for record in batch.records(&data) {
        builder.append_record(&record.ok()?).ok()?;
    }
    builder.build().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(compression: Compression) -> PendingBatch {
        let mut batch = PendingBatch::new(0, Instant::now(), compression, 0);
        for value in ["a", "b"] {
            let record = ProducerRecord { value: Some(Bytes::from(value)), ..Default::default() };
            batch.append(&record, 5, 10, Box::new(|_| ()));
        }
        batch
    }

    #[test]
    fn a_batch_is_numbered_and_numbered_anew() {
        let identity = |epoch| Identity { id: ProducerId(9), epoch: ProducerEpoch(epoch) };
        let mut batch = batch(Compression::new(records::Codec::Lz4));
        batch.sequence = Some(7);
        let bytes = batch.bytes(Some(identity(0))).unwrap();
        let view = Batch::exact(&bytes).unwrap();
        assert_eq!((view.producer_id(), view.base_sequence(), view.record_count()), (ProducerId(9), 7, 2));
        batch.renumber(identity(1), 0, Compression::new(records::Codec::Lz4));
        let bytes = batch.bytes(Some(identity(1))).unwrap();
        let view = Batch::exact(&bytes).unwrap();
        view.verify_crc().unwrap();
        assert_eq!((view.producer_epoch(), view.base_sequence()), (ProducerEpoch(1), 0));
        assert_eq!(view.records(&view.data(100).unwrap()).count(), 2);
    }

    #[test]
    fn a_batch_is_halved_until_one_record_is_left() {
        for (sequence, expected) in [(Some(i32::MAX), [i32::MAX, 0]), (None, [-1, -1])] {
            let compression = Compression::new(records::Codec::Zstd);
            let mut first = batch(compression);
            let (sender, done) = std::sync::mpsc::channel();
            let record = ProducerRecord { value: Some(Bytes::from("c")), ..Default::default() };
            first.append(&record, 6, 11, Box::new(move |outcome| sender.send(outcome.unwrap()).unwrap()));
            first.sequence = sequence;
            let identity = sequence.map(|_| Identity { id: ProducerId(9), epoch: ProducerEpoch(1) });
            first.bytes(identity).unwrap();
            let mut second = first.split(compression).unwrap();
            assert_eq!((first.count(), second.count(), first.reserved + second.reserved), (1, 2, 31));
            assert!(first.split(compression).is_none());
            let third = second.split(compression).unwrap();
            assert!(first.number < second.number && second.number < third.number && third.number < NUMBERS);
            let bytes = [first.bytes(None).unwrap(), second.bytes(None).unwrap()];
            for (bytes, (value, sequence)) in bytes.iter().zip([("a", expected[0]), ("b", expected[1])]) {
                let view = Batch::exact(bytes).unwrap();
                view.verify_crc().unwrap();
                assert_eq!((view.base_sequence(), view.record_count()), (sequence, 1));
                assert_eq!(view.last_offset_delta(), 0);
                let data = view.data(100).unwrap();
                let record = view.records(&data).next().unwrap().unwrap();
                assert_eq!(record.value, Some(value.as_bytes()));
            }
            third.succeed(0, 40, None);
            assert_eq!(done.recv().unwrap().offset, 40);
        }
    }

    #[test]
    fn a_batch_with_a_sequence_takes_no_more() {
        let mut numbered = batch(Compression::NONE);
        assert!(numbered.has_room(10, 1 << 20));
        numbered.sequence = Some(0);
        assert!(!numbered.has_room(10, 1 << 20));
    }

    #[test]
    fn the_first_record_fits_always() {
        let empty = PendingBatch::new(0, Instant::now(), Compression::NONE, 0);
        assert!(empty.has_room(1 << 20, 100));
        let mut filled = batch(Compression::NONE);
        assert!(!filled.has_room(100, 100));
        filled.bytes(None).unwrap();
        assert!(!filled.has_room(1, 1 << 20));
        assert_eq!((filled.count(), filled.reserved), (2, 20));
    }
}
