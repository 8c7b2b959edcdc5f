//! What Kafka refuses before its LogValidator is asked: one row each.

use records::{BatchBuilder, BatchOptions, Codec, Compression, Rules, crc32c, validate};
use types::Offset;

fn batch(options: BatchOptions) -> Vec<u8> {
    let mut builder = BatchBuilder::new(options);
    builder.append(0, None, Some(b"value"), &[]).unwrap();
    builder.build_vec().unwrap()
}

fn good() -> Vec<u8> {
    batch(BatchOptions::default())
}

fn with(at: usize, byte: u8) -> Vec<u8> {
    let mut bytes = good();
    bytes[at] = byte;
    bytes
}

fn sealed(mut bytes: Vec<u8>) -> Vec<u8> {
    let crc = crc32c(&bytes[21..]);
    bytes[17..21].copy_from_slice(&crc.to_be_bytes());
    bytes
}

fn check(bytes: &[u8], rules: Rules, expected: Result<(), (i16, &str)>) {
    let actual = validate(bytes, &rules)
        .map(|_| ())
        .map_err(|refusal| (refusal.error_code(), refusal.message(&"t-0", rules.api_version)));
    assert_eq!(actual, expected.map_err(|(code, text)| (code, text.to_string())));
}

#[test]
fn requests() {
    let rules = Rules { api_version: 9, ..Rules::default() };
    let none = "Produce requests with version 9 must have at least one record batch per partition";
    check(b"", rules, Err((87, none)));
    check(&good()[..40], rules, Err((87, none)));
    check(&good(), rules, Ok(()));
    let tail = [good(), good()[..40].to_vec()].concat();
    check(&tail, rules, Ok(()));
    let several =
        "Produce requests with version 9 are only allowed to contain exactly one record batch per partition";
    check(&[good(), good()].concat(), rules, Err((87, several)));
    let old =
        "Produce requests with version 9 are only allowed to contain record batches with magic version 2";
    check(&with(16, 0), rules, Err((87, old)));
    check(&with(16, 1), rules, Err((87, old)));
    check(&with(16, 3), rules, Err((2, "Invalid magic found in record: 3")));
    check(&with(16, 0xff), rules, Err((2, "Invalid magic found in record: -1")));
    check(
        &with(8, 0xff),
        rules,
        Err((2, "Record size -16777155 is less than the minimum record overhead (14)")),
    );
}

#[test]
fn zstd_from_version_7() {
    let zstd = batch(BatchOptions { compression: Compression::new(Codec::Zstd), ..Default::default() });
    check(&zstd, Rules { api_version: 7, ..Rules::default() }, Ok(()));
    let text = "Produce requests with version 6 are not allowed to use ZStandard compression";
    check(&zstd, Rules { api_version: 6, ..Rules::default() }, Err((76, text)));
}

#[test]
fn headers() {
    let rules = Rules::default();
    let base = batch(BatchOptions { base_offset: Offset(3), ..Default::default() });
    let text = "The baseOffset of the record batch in the append to t-0 should be 0, but it is 3";
    check(&base, rules, Err((87, text)));
    let text = "The record batch size in the append to t-0 is 73 bytes which exceeds the maximum configured value of 72).";
    check(&good(), Rules { batch_bytes_max: 72, ..rules }, Err((10, text)));
    check(&good(), Rules { batch_bytes_max: 73, ..rules }, Ok(()));
    let bytes = with(70, 0);
    let crc = u32::from_be_bytes(bytes[17..21].try_into().unwrap());
    let text = format!("Record is corrupt (stored crc = {crc}) in topic partition t-0.");
    check(&bytes, rules, Err((2, &text)));
    for codec in 5..8 {
        let text = format!("Unknown compression type id: {codec}");
        check(&sealed(with(22, codec)), rules, Err((76, &text)));
    }
}

#[test]
fn records() {
    let rules = Rules::default();
    let text = "Invalid record size: expected to read 12 bytes in record payload, but instead read 11";
    let mut longer = good();
    longer[61] = 24;
    longer.push(0);
    longer[11] += 1;
    check(&sealed(longer), rules, Err((87, text)));
    let last = good().len() - 1;
    check(&sealed(with(last, 0x01)), rules, Err((87, "Found invalid number of record headers -1")));
    let gzip = batch(BatchOptions { compression: Compression::new(Codec::Gzip), ..Default::default() });
    let mut broken = gzip.clone();
    broken[75] ^= 0xff;
    let refusal = validate(&sealed(broken), &rules).unwrap_err();
    assert_eq!(refusal.error_code(), 87);
}

#[test]
fn a_trusted_header_is_believed_only_where_it_suffices() {
    let mut broken = batch(BatchOptions { compression: Compression::new(Codec::Lz4), ..Default::default() });
    broken[62] ^= 0xff; // the frame's magic
    let broken = sealed(broken);
    let trust = Rules { trust_compressed: true, ..Rules::default() };
    assert!(validate(&broken, &Rules::default()).is_err());
    assert!(validate(&broken, &trust).is_ok());
    for rules in [
        Rules { compacted: true, ..trust },
        Rules { timestamp_before_max_ms: 1 << 50, ..trust },
        Rules { now_ms: -3_600_001, ..trust },
        Rules { codec: Some(Codec::None), ..trust },
    ] {
        assert!(validate(&broken, &rules).is_err());
    }
}
