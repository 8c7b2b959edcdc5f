//! Batches that nobody made: random bytes, damaged batches with the checksum made right again, and damaged records
//! well compressed. No reader panics or takes more memory than its caller allows, and what is accepted can be read.

#[path = "../../../fuzz/fuzzing.rs"]
mod fuzzing;

use fuzzing::{each_seed, mutate, peak_of, pick, random_bytes};
use platform::Random;
use records::compression::{compress, decompress};
use records::{
    Batch, BatchBuilder, BatchOptions, Batches, Codec, Compression, HEADER_SIZE, Header, RebuildOptions,
    RecordHeader, Rules, TimestampType, control, crc32c, rebuild, validate,
};
use types::{LeaderEpoch, Offset, ProducerEpoch, ProducerId};

/// What a batch may grow to.
const MAX: usize = 64 << 10;

/// Decompressed data, the records that are refused, a rebuilt batch, and the codec's own buffers.
fn memory_max(size: usize) -> usize {
    8 * MAX + 8 * size + (2 << 20)
}

fn options(codec: Codec, random: &mut Random) -> BatchOptions {
    BatchOptions {
        compression: Compression::new(codec),
        base_offset: Offset(random.below(1000) as i64),
        producer_id: ProducerId(random.below(3) as i64 - 1),
        producer_epoch: ProducerEpoch(0),
        base_sequence: random.below(9) as i32,
        transactional: random.one_in(4),
        ..BatchOptions::default()
    }
}

fn good(codec: Codec, random: &mut Random) -> Vec<u8> {
    let mut builder = BatchBuilder::new(options(codec, random));
    for at in 0..=random.below(6) {
        let (key, value) = (random_bytes(20, random), vec![at as u8; random.below(300) as usize]);
        let header = RecordHeader { key: b"h", value: Some(&key) };
        let key = (!random.one_in(4)).then_some(&key[..]);
        builder.append(at as i64, key, Some(&value), &[header][..random.below(2) as usize]).unwrap();
    }
    builder.build_vec().unwrap()
}

/// Length and checksum made right again, so that damage is seen behind them.
fn seal(bytes: &mut [u8]) {
    if bytes.len() < HEADER_SIZE {
        return;
    }
    let length = bytes.len() as i32 - 12;
    bytes[8..12].copy_from_slice(&length.to_be_bytes());
    let crc = crc32c(&bytes[21..]);
    bytes[17..21].copy_from_slice(&crc.to_be_bytes());
}

fn damaged(random: &mut Random) -> Vec<u8> {
    let codec = *pick(&Codec::ALL, random);
    match random.below(5) {
        0 => random_bytes(200, random),
        1 => mutate(&good(codec, random), random),
        2 => {
            let mut bytes = mutate(&good(codec, random), random);
            seal(&mut bytes);
            bytes
        }
        3 => {
            let mut bytes = good(codec, random);
            let payload = mutate(&bytes[HEADER_SIZE..], random);
            bytes.splice(HEADER_SIZE.., payload);
            seal(&mut bytes);
            bytes
        }
        _ => {
            let mut bytes = good(Codec::None, random);
            let records = mutate(&bytes[HEADER_SIZE..], random);
            let mut payload = Vec::new();
            compress(Compression::new(codec), &records, &mut payload).unwrap();
            bytes.splice(HEADER_SIZE.., payload);
            bytes[22] = bytes[22] & !7 | codec.id();
            seal(&mut bytes);
            bytes
        }
    }
}

fn rules(random: &mut Random) -> Rules {
    Rules {
        api_version: *pick(&[3, 7, 13], random),
        now_ms: random.below(100) as i64,
        timestamp_type: *pick(&[TimestampType::CreateTime, TimestampType::LogAppendTime], random),
        timestamp_before_max_ms: *pick(&[i64::MAX, 0, 10], random),
        timestamp_after_max_ms: *pick(&[i64::MAX, 0, 10], random),
        compacted: random.one_in(2),
        batch_bytes_max: *pick(&[usize::MAX, 300], random),
        codec: if random.one_in(2) { None } else { Some(*pick(&Codec::ALL, random)) },
        decompressed_bytes_max: MAX,
        trust_compressed: random.one_in(2),
    }
}

fn read(bytes: &[u8]) {
    let _ = Header::parse(bytes);
    let mut batches = Batches::new(bytes);
    for batch in batches.by_ref().flatten() {
        let _ = (batch.verify_crc(), batch.last_offset(), batch.next_offset(), batch.last_sequence());
        let Ok(data) = batch.data(MAX) else { continue };
        assert!(data.len() <= MAX.max(bytes.len()));
        for record in batch.records(&data).flatten() {
            record.headers.iter().for_each(drop);
            let _ = control::ControlRecord::decode(
                record.key.unwrap_or_default(),
                record.value.unwrap_or_default(),
            );
        }
    }
    assert!(batches.consumed() <= bytes.len());
}

/// What a broker does with produced bytes.
fn produce(bytes: &[u8], random: &mut Random) {
    let rules = rules(random);
    let validated = match validate(bytes, &rules) {
        Ok(validated) => validated,
        Err(refusal) => {
            let _ = (refusal.error_code(), refusal.message(&"t-0", rules.api_version));
            return;
        }
    };
    assert!(validated.batch.verify_crc().is_ok());
    if !validated.rebuild {
        let header = validated.header(Offset(77), LeaderEpoch(5));
        let mut stored = header.bytes().to_vec();
        stored.extend_from_slice(validated.batch.payload());
        let stored = Batch::exact(&stored).unwrap();
        assert!(stored.verify_crc().is_ok());
        assert_eq!(stored.base_offset(), Offset(77));
        return;
    }
    let options = RebuildOptions {
        compression: Compression::new(rules.codec.unwrap_or(Codec::None)),
        base_offset: Offset(77),
        leader_epoch: LeaderEpoch(5),
        log_append_time: (rules.timestamp_type == TimestampType::LogAppendTime).then_some(9),
        decompressed_bytes_max: MAX,
    };
    let rebuilt = rebuild(&validated.batch, &options).unwrap();
    let rebuilt = Batch::exact(&rebuilt).unwrap();
    assert!(rebuilt.verify_crc().is_ok());
    let data = rebuilt.data(MAX * 2).unwrap();
    assert!(rebuilt.records(&data).all(|record| record.is_ok()));
}

#[test]
fn damaged_batches() {
    each_seed(200, |random| {
        let mut bytes = damaged(random);
        if random.one_in(4) {
            bytes.extend(damaged(random));
        }
        let ((), peak) = peak_of(|| read(&bytes));
        assert!(peak <= memory_max(bytes.len()), "reading {peak} bytes");
        let ((), peak) = peak_of(|| produce(&bytes, random));
        assert!(peak <= memory_max(bytes.len()), "producing {peak} bytes");
    });
}

#[test]
fn damaged_streams_of_every_codec() {
    each_seed(100, |random| {
        let input = vec![random.next_u64() as u8; random.below(2 * MAX as u64) as usize];
        for codec in Codec::ALL {
            let mut out = Vec::new();
            compress(Compression::new(codec), &input, &mut out).unwrap();
            let bytes = mutate(&out, random);
            let (data, peak) = peak_of(|| decompress(codec, &bytes, MAX));
            assert!(data.is_err() || data.is_ok_and(|data| data.len() <= MAX));
            assert!(peak <= memory_max(bytes.len()), "{codec}: {peak} bytes");
        }
    });
}
