//! Bytes made by Kafka's own classes (`testdata/golden`): every message in every version is decoded and encoded to
//! the same bytes, and our defaults give the bytes of Kafka's defaults.

mod golden_rows;

use std::collections::BTreeMap;

use bytes::Bytes;
use golden_rows::{Golden, rows};
use protocol::{Message, Reader, RequestHeader, ResponseHeader, Writer};

fn check<M: Message>(row: &Golden) -> Result<(), String> {
    let mut reader = Reader::new(row.bytes.clone());
    let message = M::decode(&mut reader, row.version).map_err(|error| error.to_string())?;
    if reader.remaining() > 0 {
        return Err(format!("{} bytes left over", reader.remaining()));
    }
    let again = message.to_bytes(row.version).map_err(|error| error.to_string())?;
    if again != row.bytes {
        return Err(format!("encoded differently: {again:?} for {:?}", row.bytes));
    }
    if row.variant == "default" {
        let ours = M::default().to_bytes(row.version).map_err(|error| error.to_string())?;
        if ours != row.bytes {
            return Err(format!("another default: {ours:?} for {:?}", row.bytes));
        }
    }
    Ok(())
}

type Check = fn(&Golden) -> Result<(), String>;

fn checks() -> BTreeMap<&'static str, Check> {
    let mut checks: BTreeMap<&'static str, Check> = BTreeMap::new();
    macro_rules! each {
        ($message:path) => {
            assert!(checks.insert(<$message>::NAME, check::<$message>).is_none());
        };
    }
    protocol::every_message!(each);
    checks
}

#[test]
fn every_message_has_kafkas_bytes() {
    let checks = checks();
    let (mut faults, mut seen) = (Vec::new(), BTreeMap::new());
    for row in rows().iter().filter(|row| !row.name.ends_with("Header")) {
        *seen.entry(row.name.clone()).or_insert(0) += 1;
        match checks.get(row.name.as_str()) {
            Some(check) => faults.extend(
                check(row).err().map(|e| format!("{} {} {}: {e}", row.name, row.version, row.variant)),
            ),
            None => faults.push(format!("{} is not known", row.name)),
        }
    }
    assert!(faults.is_empty(), "{} rows:\n{}", faults.len(), faults.join("\n"));
    for name in checks.keys() {
        assert!(seen.contains_key(*name), "no golden bytes for {name}");
    }
}

#[test]
fn headers_have_kafkas_bytes() {
    let mut seen = 0;
    for row in rows().iter().filter(|row| row.name.ends_with("Header")) {
        seen += 1;
        let mut reader = Reader::new(row.bytes.clone());
        let mut writer = Writer::new();
        if row.name == "ResponseHeader" {
            let (api_key, version) = (protocol::ApiKey::Metadata, if row.version == 1 { 9 } else { 8 });
            let header = ResponseHeader::decode(&mut reader, api_key, version).unwrap();
            header.encode(&mut writer, api_key, version);
            assert_eq!(writer.into_bytes().unwrap(), row.bytes);
        } else {
            // Kafka's row has an API key of its own choice: ours must be one whose version has this header.
            let (api_key, version): (i16, i16) = if row.version == 2 { (3, 9) } else { (3, 8) };
            let mut bytes = row.bytes.to_vec();
            bytes[..4].copy_from_slice(&[api_key.to_be_bytes(), version.to_be_bytes()].concat());
            let (header, reader) = RequestHeader::from_frame(Bytes::from(bytes.clone())).unwrap();
            assert_eq!(reader.remaining(), 0);
            header.encode(&mut writer).unwrap();
            assert_eq!(writer.into_bytes().unwrap(), bytes);
        }
    }
    assert_eq!(seen, 16);
}
