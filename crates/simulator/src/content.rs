//! The records that producers send. Every record's value begins with its number, the rest follows from that number,
//! so that whatever is read can be told and held against what was sent.

use bytes::Bytes;
use platform::Random;
use records::{Batch, BatchBuilder, BatchOptions, Codec, Compression, HEADER_SIZE, RecordHeader};
use types::{ProducerEpoch, ProducerId};

/// What one decompressed batch may have at most.
const BYTES_MAX: usize = 16 << 20;

/// Who sends a batch, and its place among his.
#[derive(Clone, Copy, Debug)]
pub struct Sender {
    pub id: i64,
    pub epoch: i16,
    pub base_sequence: i32,
}

impl Sender {
    pub const NOBODY: Sender = Sender { id: -1, epoch: -1, base_sequence: -1 };
}

/// A batch whose records have the numbers `number << 16 | index`.
pub fn batch(number: u32, count: u32, sender: Sender, timestamp_ms: i64, random: &mut Random) -> Bytes {
    let compression = match random.below(16) {
        0 => Compression::new(Codec::Gzip),
        1 => Compression::new(Codec::Snappy),
        2 | 3 => Compression::new(Codec::Lz4),
        4 => Compression::new(Codec::Zstd),
        _ => Compression::NONE,
    };
    let mut builder = BatchBuilder::new(BatchOptions {
        compression,
        producer_id: ProducerId(sender.id),
        producer_epoch: ProducerEpoch(sender.epoch),
        base_sequence: sender.base_sequence,
        ..Default::default()
    });
    let longest = if random.one_in(40) { 3000 } else { 120 };
    for index in 0..count {
        let id = u64::from(number) << 16 | u64::from(index);
        let mut value = id.to_be_bytes().to_vec();
        let size = random.below(longest) as usize;
        value.extend((0..size).map(|at| (id as usize).wrapping_mul(31).wrapping_add(at * at) as u8));
        let key = (!random.one_in(8)).then(|| id.to_le_bytes());
        let header = [RecordHeader { key: b"n", value: Some(&value[..8]) }];
        let headers: &[_] = if random.one_in(4) { &header } else { &[] };
        let key = key.as_ref().map(|key| &key[..]);
        let appended = builder.append(timestamp_ms + i64::from(index % 7), key, Some(&value), headers);
        appended.expect("records of a few KiB fit a batch");
    }
    builder.build().expect("a batch with records")
}

/// The number of the batch that sent these records.
pub fn number_of(batch: &Batch<'_>) -> Option<u32> {
    let data = batch.data(BYTES_MAX).ok()?;
    let first = batch.records(&data).next()?.ok()?;
    let id = u64::from_be_bytes(first.value?.get(..8)?.try_into().ok()?);
    u32::try_from(id >> 16).ok()
}

/// Whether what was read is what was sent. `recompressed`: the broker may have written the batch anew.
pub fn difference(sent: &Bytes, read: &Batch<'_>, recompressed: bool, append_time: bool) -> Option<String> {
    let Ok(sent) = Batch::exact(sent) else { return Some("what was sent is no batch".into()) };
    let header = |batch: &Batch<'_>| {
        let times = (!append_time).then(|| (batch.base_timestamp(), batch.max_timestamp()));
        let codec = (!recompressed).then(|| batch.codec_id());
        (
            batch.record_count(),
            batch.producer_id(),
            batch.producer_epoch(),
            batch.base_sequence(),
            batch.is_control(),
            times,
            codec,
        )
    };
    if header(&sent) != header(read) {
        return Some(format!("header {:?} was sent, {:?} read", header(&sent), header(read)));
    }
    if read.verify_crc().is_err() {
        return Some("CRC".into());
    }
    if !recompressed {
        let same = sent.bytes().get(HEADER_SIZE..) == read.bytes().get(HEADER_SIZE..);
        return (!same).then(|| "payload".into());
    }
    let (Ok(ours), Ok(theirs)) = (sent.data(BYTES_MAX), read.data(BYTES_MAX)) else {
        return Some("cannot be decompressed".into());
    };
    for (one, other) in sent.records(&ours).zip(read.records(&theirs)) {
        let (Ok(one), Ok(other)) = (one, other) else { return Some("a record cannot be read".into()) };
        let headers = one.headers.iter().eq(other.headers.iter());
        if one.key != other.key || one.value != other.value || !headers {
            return Some(format!("record {}", one.offset));
        }
    }
    None
}
