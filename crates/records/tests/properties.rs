//! Random batches come back as they were built; random damage never panics nor runs past its bounds.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use records::{
    Batch, BatchBuilder, BatchOptions, Batches, Codec, Compression, Header, RecordHeader, Rules, control,
    validate,
};
use types::{Offset, ProducerEpoch, ProducerId};

#[derive(Clone, Debug, PartialEq)]
struct Owned {
    timestamp: i64,
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    headers: Vec<(Vec<u8>, Option<Vec<u8>>)>,
}

fn bytes() -> impl Strategy<Value = Option<Vec<u8>>> {
    option::of(prop_oneof![
        vec(any::<u8>(), 0..40),
        (any::<u8>(), 0usize..70_000).prop_map(|(b, n)| vec![b; n])
    ])
}

fn record() -> impl Strategy<Value = Owned> {
    let headers = vec((vec(any::<u8>(), 0..6), option::of(vec(any::<u8>(), 0..6))), 0..4);
    (0..i64::MAX / 2, bytes(), bytes(), headers).prop_map(|(timestamp, key, value, headers)| Owned {
        timestamp,
        key,
        value,
        headers,
    })
}

fn codec() -> impl Strategy<Value = Codec> {
    prop::sample::select(&Codec::ALL[..])
}

fn build(records: &[Owned], options: BatchOptions) -> Vec<u8> {
    let mut builder = BatchBuilder::new(options);
    for record in records {
        let headers: Vec<_> =
            record.headers.iter().map(|(key, value)| RecordHeader { key, value: value.as_deref() }).collect();
        let bound = builder.size_with(record.key.as_deref(), record.value.as_deref(), &headers);
        builder.append(record.timestamp, record.key.as_deref(), record.value.as_deref(), &headers).unwrap();
        assert!(builder.size() <= bound);
    }
    builder.build_vec().unwrap()
}

fn with_codec(codec: Codec) -> BatchOptions {
    BatchOptions { compression: Compression::new(codec), ..BatchOptions::default() }
}

fn read(batch: &Batch<'_>) -> Vec<Owned> {
    let data = batch.data(1 << 30).unwrap();
    let own = |record: records::Record<'_>| Owned {
        timestamp: record.timestamp,
        key: record.key.map(<[u8]>::to_vec),
        value: record.value.map(<[u8]>::to_vec),
        headers: record.headers.iter().map(|h| (h.key.to_vec(), h.value.map(<[u8]>::to_vec))).collect(),
    };
    batch.records(&data).map(|record| own(record.unwrap())).collect()
}

/// Touches every reader there is.
fn read_all(bytes: &[u8]) {
    const MAX: usize = 1 << 20;
    let _ = Header::parse(bytes);
    for batch in Batches::new(bytes).flatten() {
        let _ = batch.verify_crc();
        if let Ok(data) = batch.data(MAX) {
            assert!(batch.payload().len() == data.len() || data.len() <= MAX);
            for record in batch.records(&data).flatten() {
                record.headers.iter().for_each(drop);
                let _ = control::ControlRecord::decode(
                    record.key.unwrap_or_default(),
                    record.value.unwrap_or_default(),
                );
            }
        }
    }
    let rules = Rules { decompressed_bytes_max: MAX, compacted: true, ..Rules::default() };
    let _ = validate(bytes, &rules);
}

/// Makes the checksum right again, so that damage is seen behind it.
fn seal(bytes: &mut [u8]) {
    if let Some(rest) = bytes.get(21..) {
        let crc = records::crc32c(rest);
        bytes[17..21].copy_from_slice(&crc.to_be_bytes());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn built_batches_are_read_back(records in vec(record(), 1..20), codec in codec(), base in 0..i64::MAX / 2) {
        let options = BatchOptions {
            base_offset: Offset(base),
            producer_id: ProducerId(7),
            producer_epoch: ProducerEpoch(3),
            base_sequence: 11,
            ..with_codec(codec)
        };
        let bytes = build(&records, options);
        let batch = Batch::exact(&bytes).unwrap();
        prop_assert!(batch.verify_crc().is_ok());
        prop_assert_eq!(batch.last_offset(), Offset(base + records.len() as i64 - 1));
        prop_assert_eq!(batch.last_sequence(), 10 + records.len() as i32);
        prop_assert_eq!(batch.max_timestamp(), records.iter().map(|r| r.timestamp).max().unwrap());
        prop_assert_eq!(read(&batch), records);
    }

    #[test]
    fn built_batches_are_valid(records in vec(record(), 1..20), codec in codec(), now in any::<i64>()) {
        let bytes = build(&records, with_codec(codec));
        let rules = Rules {
            now_ms: now,
            timestamp_after_max_ms: i64::MAX,
            batch_bytes_max: usize::MAX,
            ..Rules::default()
        };
        let validated = validate(&bytes, &rules).unwrap();
        prop_assert!(!validated.rebuild);
        prop_assert_eq!(validated.max_timestamp, validated.batch.max_timestamp());
        let header = validated.header(Offset::ZERO, types::LeaderEpoch::NONE);
        prop_assert_eq!(&header.bytes()[..], &bytes[..61]);
    }

    #[test]
    fn damage_never_panics(
        records in vec(record(), 1..4),
        codec in codec(),
        changes in vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in option::of(any::<prop::sample::Index>()),
        sealed in any::<bool>(),
    ) {
        let mut bytes = build(&records, with_codec(codec));
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        if sealed {
            seal(&mut bytes);
        }
        read_all(&bytes);
    }

    #[test]
    fn damaged_payloads_never_panic(
        codec in codec(),
        payload in vec(any::<u8>(), 0..200),
        count in any::<i32>(),
        keep in 0usize..30,
    ) {
        let record = Owned { timestamp: 0, key: None, value: Some(vec![1; 50]), headers: vec![] };
        let mut bytes = build(&[record], with_codec(codec));
        bytes.truncate(61 + keep);
        bytes.extend_from_slice(&payload);
        let length = bytes.len() as i32 - 12;
        bytes[8..12].copy_from_slice(&length.to_be_bytes());
        bytes[57..61].copy_from_slice(&count.to_be_bytes());
        bytes[23..27].copy_from_slice(&count.wrapping_sub(1).to_be_bytes());
        seal(&mut bytes);
        read_all(&bytes);
    }

    #[test]
    fn noise_never_panics(bytes in vec(any::<u8>(), 0..300)) {
        read_all(&bytes);
    }
}
