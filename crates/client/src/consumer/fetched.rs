//! Fetched bytes, turned into records batch by batch when they are asked for.

use std::collections::{BTreeSet, VecDeque};

use bytes::Bytes;
use protocol::messages::fetch_response::AbortedTransaction;
use records::control::ControlType;
use records::{Batch, Record};
use types::TopicPartition;

use crate::{ConsumerRecord, Error, Header};

/// Uncompressed bytes of one batch that are taken at most.
const BATCH_BYTES_MAX: usize = 1 << 30;
/// Records that room is made for on the word of a batch's header alone.
const RECORDS_AHEAD_MAX: usize = 4096;

/// What one answer holds of one partition.
#[derive(Debug)]
pub struct Fetched {
    pub partition: TopicPartition,
    /// The offset that was asked for; the answer counts only while that is still the position.
    pub asked: i64,
    bytes: Bytes,
    /// Sorted by first offset; None where everything is read.
    aborted: Option<VecDeque<AbortedTransaction>>,
    aborted_producers: BTreeSet<i64>,
    check_crcs: bool,
}

impl Fetched {
    pub fn new(
        partition: TopicPartition,
        asked: i64,
        bytes: Bytes,
        aborted: Option<Vec<AbortedTransaction>>,
        check_crcs: bool,
    ) -> Fetched {
        let aborted = aborted.map(|mut aborted| {
            aborted.sort_by_key(|transaction| transaction.first_offset);
            VecDeque::from(aborted)
        });
        let aborted_producers = BTreeSet::new();
        Fetched { partition, asked, bytes, aborted, aborted_producers, check_crcs }
    }

    /// The records of the next batch from `position` on, and the position behind it; None at the end. A batch that is
    /// cut at the end is the next answer's first.
    pub fn next(&mut self, position: i64) -> Result<Option<(Vec<ConsumerRecord>, i64)>, Error> {
        let buffer = self.bytes.clone();
        let batch = Batch::first(&buffer).map_err(|error| self.corrupt(position, &error.to_string()))?;
        let Some(batch) = batch else { return Ok(None) };
        self.bytes = self.bytes.slice(batch.bytes().len()..);
        if self.check_crcs {
            batch.verify_crc().map_err(|error| self.corrupt(position, &error.to_string()))?;
        }
        let next = batch.next_offset().0.max(position);
        if self.is_hidden(&batch) {
            return Ok(Some((Vec::new(), next)));
        }
        let records = self.decode(&buffer, &batch, position)?;
        Ok(Some((records, next)))
    }

    /// Whether nobody is to see the batch: control records, and what an aborted transaction wrote.
    fn is_hidden(&mut self, batch: &Batch<'_>) -> bool {
        let Some(aborted) = &mut self.aborted else { return batch.is_control() };
        while aborted.front().is_some_and(|first| first.first_offset <= batch.last_offset().0)
            && let Some(transaction) = aborted.pop_front()
        {
            self.aborted_producers.insert(transaction.producer_id);
        }
        if batch.is_control() {
            if is_abort(batch) {
                self.aborted_producers.remove(&batch.producer_id().0);
            }
            return true;
        }
        batch.is_transactional() && self.aborted_producers.contains(&batch.producer_id().0)
    }

    fn decode(&self, buffer: &Bytes, batch: &Batch<'_>, position: i64) -> Result<Vec<ConsumerRecord>, Error> {
        let corrupt = |error: records::RecordError| self.corrupt(position, &error.to_string());
        // keys and values are slices: of the answer, or of what was decompressed
        let data = match batch.data(BATCH_BYTES_MAX).map_err(corrupt)? {
            std::borrow::Cow::Borrowed(slice) => buffer.slice_ref(slice),
            std::borrow::Cow::Owned(owned) => Bytes::from(owned),
        };
        let mut found =
            Vec::with_capacity(usize::try_from(batch.record_count()).unwrap_or(0).min(RECORDS_AHEAD_MAX));
        for record in batch.records(&data) {
            let record = record.map_err(corrupt)?;
            if record.offset.0 >= position {
                found.push(self.owned(&record, &data, batch));
            }
        }
        Ok(found)
    }

    fn owned(&self, record: &Record<'_>, data: &Bytes, batch: &Batch<'_>) -> ConsumerRecord {
        let header = |header: records::RecordHeader<'_>| Header {
            key: String::from_utf8_lossy(header.key).into_owned(),
            value: header.value.map(|value| data.slice_ref(value)),
        };
        let epoch = batch.leader_epoch().0;
        ConsumerRecord {
            topic: std::sync::Arc::clone(&self.partition.topic),
            partition: self.partition.partition,
            offset: record.offset.0,
            timestamp: record.timestamp,
            timestamp_type: batch.timestamp_type(),
            leader_epoch: (epoch >= 0).then_some(epoch),
            key: record.key.map(|key| data.slice_ref(key)),
            value: record.value.map(|value| data.slice_ref(value)),
            headers: record.headers.iter().map(header).collect(),
        }
    }

    fn corrupt(&self, position: i64, why: &str) -> Error {
        Error::Malformed(format!(
            "Received exception when fetching the next record from {}. If needed, please seek past the record to continue consumption. (offset {position}: {why})",
            self.partition
        ))
    }
}

fn is_abort(batch: &Batch<'_>) -> bool {
    let Ok(data) = batch.data(1 << 16) else { return false };
    let first = batch.records(&data).next();
    let key = first.and_then(|record| record.ok()?.key);
    key.and_then(|key| ControlType::from_key(key).ok()) == Some(ControlType::Abort)
}

#[cfg(test)]
mod tests {
    use super::*;
    use records::{BatchBuilder, BatchOptions, Codec, Compression};
    use types::{Offset, ProducerEpoch, ProducerId};

    fn batch(base: i64, producer: i64, control: Option<ControlType>, values: &[&str]) -> Vec<u8> {
        let compression = if control.is_some() { Compression::NONE } else { Compression::new(Codec::Lz4) };
        let mut builder = BatchBuilder::new(BatchOptions {
            compression,
            base_offset: Offset(base),
            producer_id: ProducerId(producer),
            producer_epoch: ProducerEpoch(0),
            base_sequence: 0,
            transactional: producer >= 0,
            control: control.is_some(),
            ..Default::default()
        });
        let key = control.map(ControlType::key);
        for value in values {
            builder.append(1, key.as_ref().map(|key| &key[..]), Some(value.as_bytes()), &[]).unwrap();
        }
        builder.build_vec().unwrap()
    }

    fn read(bytes: Vec<u8>, aborted: Option<Vec<AbortedTransaction>>, from: i64) -> (Vec<String>, i64) {
        let partition = TopicPartition { topic: "t".into(), partition: 0 };
        let mut fetched = Fetched::new(partition, from, Bytes::from(bytes), aborted, true);
        let (mut position, mut values) = (from, Vec::new());
        while let Some((records, next)) = fetched.next(position).unwrap() {
            let text = |r: ConsumerRecord| String::from_utf8(r.value.unwrap().to_vec()).unwrap();
            values.extend(records.into_iter().map(text));
            position = next;
        }
        (values, position)
    }

    #[test]
    fn records_before_the_position_are_left_out() {
        let bytes = batch(10, -1, None, &["a", "b", "c"]);
        assert_eq!(read(bytes, None, 11), (vec!["b".into(), "c".into()], 13));
    }

    #[test]
    fn a_cut_batch_waits() {
        let mut bytes = batch(0, -1, None, &["a"]);
        let whole = batch(1, -1, None, &["b"]);
        bytes.extend_from_slice(&whole[..whole.len() - 1]);
        assert_eq!(read(bytes, None, 0), (vec!["a".into()], 1));
    }

    #[test]
    fn aborted_records_are_not_seen() {
        let log = || {
            let mut log = batch(0, 1, None, &["aborted"]);
            log.extend(batch(1, 2, None, &["committed"]));
            log.extend(batch(2, 1, Some(ControlType::Abort), &[""]));
            log.extend(batch(3, 1, None, &["later"]));
            log.extend(batch(4, 1, Some(ControlType::Commit), &[""]));
            log
        };
        let aborted = vec![AbortedTransaction { producer_id: 1, first_offset: 0 }];
        assert_eq!(read(log(), Some(aborted), 0), (vec!["committed".into(), "later".into()], 5));
        let all = vec!["aborted".to_owned(), "committed".into(), "later".into()];
        assert_eq!(read(log(), None, 0), (all, 5));
    }

    #[test]
    fn a_wrong_checksum_is_an_error() {
        let mut bytes = batch(0, -1, None, &["a"]);
        *bytes.last_mut().unwrap() ^= 1;
        let partition = TopicPartition { topic: "t".into(), partition: 0 };
        let mut fetched = Fetched::new(partition, 0, Bytes::from(bytes), None, true);
        assert!(fetched.next(0).is_err());
    }
}
