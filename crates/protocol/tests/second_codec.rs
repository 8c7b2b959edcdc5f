//! An independent codec, the crate `kafka-protocol`, reads what we write and writes the same bytes: random requests and
//! responses of every API and version that it has. (Never the other way: it must not see bytes that we refuse.)

mod golden_rows;

use std::collections::BTreeSet;

use bytes::{Bytes, BytesMut};
use golden_rows::{Golden, mutate, rows};
use kafka_protocol::messages::{ApiKey as TheirKey, RequestKind, ResponseKind};
use platform::Random;
use protocol::{ApiKey, Reader, Request, Response, Writer};

/// Random values of each row beyond the row itself.
const VALUES: usize = 8;

/// Versions that it lists and refuses.
const REFUSED: [(&str, i16); 3] =
    [("InitProducerIdRequest", 6), ("OffsetCommitRequest", 10), ("OffsetFetchRequest", 10)];

/// A row of a request or response of an API that the other codec has in this version.
struct Subject {
    api_key: ApiKey,
    their_key: TheirKey,
    is_request: bool,
    row: Golden,
}

fn subject(row: Golden) -> Option<Subject> {
    let name = row.name.strip_suffix("Request").or_else(|| row.name.strip_suffix("Response"))?;
    let api_key = *ApiKey::ALL.iter().find(|key| key.name() == name)?;
    let their_key = TheirKey::try_from(api_key.code()).ok()?;
    let versions = their_key.valid_versions();
    let is_request = row.name.ends_with("Request");
    let known = versions.min <= row.version && row.version <= versions.max;
    let refused = REFUSED.contains(&(row.name.as_str(), row.version));
    (known && !refused).then_some(Subject { api_key, their_key, is_request, row })
}

impl Subject {
    /// The message in these bytes as we write it; None where there is none, or text in it has changed.
    fn ours(&self, bytes: &Bytes) -> Option<Bytes> {
        let (mut reader, mut writer) = (Reader::new(bytes.clone()), Writer::new());
        let version = self.row.version;
        if self.is_request {
            Request::decode(self.api_key, version, &mut reader).ok()?.encode(version, &mut writer).ok()?;
        } else {
            Response::decode(self.api_key, version, &mut reader).ok()?.encode(version, &mut writer).ok()?;
        }
        writer.into_bytes().ok()
    }

    fn theirs(&self, bytes: &Bytes) -> Result<Bytes, String> {
        let (mut input, mut output) = (bytes.clone(), BytesMut::new());
        let version = self.row.version;
        let result = if self.is_request {
            RequestKind::decode(self.their_key, &mut input, version)
                .and_then(|m| m.encode(&mut output, version))
        } else {
            ResponseKind::decode(self.their_key, &mut input, version)
                .and_then(|m| m.encode(&mut output, version))
        };
        result.map(|()| output.freeze()).map_err(|error| error.to_string())
    }

    fn check(&self, bytes: &Bytes) -> Result<(), String> {
        let Some(ours) = self.ours(bytes) else { return Ok(()) };
        match self.theirs(&ours) {
            Ok(theirs) if theirs == ours => Ok(()),
            other => Err(format!("{} v{}: {ours:?} is {other:?}", self.row.name, self.row.version)),
        }
    }
}

#[test]
fn another_codec_agrees() {
    let mut random = Random::new(7);
    let (mut faults, mut apis) = (Vec::new(), BTreeSet::new());
    for subject in rows().into_iter().filter_map(subject) {
        apis.insert(subject.api_key);
        let values = (0..VALUES).map(|_| mutate(&subject.row.bytes, &mut random));
        let bytes = std::iter::once(subject.row.bytes.clone()).chain(values);
        faults.extend(bytes.filter_map(|bytes| subject.check(&bytes).err()));
    }
    assert!(faults.is_empty(), "{} differ:\n{}", faults.len(), faults.join("\n"));
    assert_eq!(apis.len(), 87, "{apis:?}");
}
