//! `.log` and `.checkpoint` files: batches and their records.

use std::path::Path;

use records::control::{ControlRecord, Voter};
use records::{Batch, Batches, Codec, Header, Record, TimestampType};
use serde_json::{Value, json};

use super::decoder::Decoder;
use super::{base_offset, read};
use crate::Stop;
use crate::options::Parsed;
use crate::output::say;

/// What a compressed batch may grow to.
const UNCOMPRESSED_MAX: usize = 1 << 30;

pub fn dump(path: &Path, parsed: &Parsed, decoder: Option<&Decoder>) -> Result<(), Stop> {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    if let Some((offset, rest)) = name.strip_suffix(".checkpoint").and_then(|stem| stem.split_once('-')) {
        let number = |text: &str| text.parse::<i64>().unwrap_or(0);
        say!("Snapshot end offset: {}, epoch: {}", number(offset), number(rest));
    } else {
        say!("Log starting offset: {}", base_offset(path));
    }
    let max: i64 = parsed.number("max-bytes")?.unwrap_or(i64::from(i32::MAX));
    let bytes = read(path, u64::try_from(max).unwrap_or(0))?;
    let print = parsed.has("print-data-log") || decoder.is_some();
    let deep = print || parsed.has("deep-iteration");
    let mut batches = Batches::new(&bytes);
    let mut position = 0;
    while let Some(Ok(batch)) = batches.next() {
        say!("{}", batch_line(&batch, position));
        position = batches.consumed();
        if deep {
            records(&batch, parsed.has("skip-record-metadata"), print, decoder)?;
        }
    }
    let left = bytes.len() - batches.consumed();
    if left > 0 && max == i64::from(i32::MAX) {
        say!("Found {left} invalid bytes at the end of {name}");
    }
    Ok(())
}

fn time_name(header: &Header<'_>) -> &'static str {
    if header.timestamp_type() == TimestampType::LogAppendTime { "LogAppendTime" } else { "CreateTime" }
}

fn batch_line(batch: &Batch<'_>, position: usize) -> String {
    let header = batch.header();
    let horizon = header.delete_horizon_ms();
    let horizon = horizon.map_or_else(|| "OptionalLong.empty".to_owned(), |at| format!("OptionalLong[{at}]"));
    let codec = match header.codec() {
        Some(Codec::None) => "none",
        Some(Codec::Gzip) => "gzip",
        Some(Codec::Snappy) => "snappy",
        Some(Codec::Lz4) => "lz4",
        Some(Codec::Zstd) => "zstd",
        None => "unknown",
    };
    format!(
        "baseOffset: {} lastOffset: {} count: {} baseSequence: {} lastSequence: {} producerId: {} producerEpoch: {} \
         partitionLeaderEpoch: {} isTransactional: {} isControl: {} deleteHorizonMs: {horizon} position: {position} {}: \
         {} size: {} magic: {} compresscodec: {codec} crc: {} isvalid: {}",
        header.base_offset().0,
        header.last_offset().0,
        header.record_count(),
        header.base_sequence(),
        header.last_sequence(),
        header.producer_id().0,
        header.producer_epoch().0,
        header.leader_epoch().0,
        header.is_transactional(),
        header.is_control(),
        time_name(&header),
        header.max_timestamp(),
        header.size(),
        header.magic(),
        header.crc(),
        batch.verify_crc().is_ok(),
    )
}

fn records(
    batch: &Batch<'_>,
    skip_metadata: bool,
    print: bool,
    decoder: Option<&Decoder>,
) -> Result<(), Stop> {
    let header = batch.header();
    if skip_metadata && header.is_control() {
        return Ok(());
    }
    let data = batch.data(UNCOMPRESSED_MAX).map_err(|error| Stop::error(error.to_string()))?;
    for (index, record) in batch.records(&data).enumerate() {
        let record = record.map_err(|error| Stop::error(error.to_string()))?;
        let mut line = "|".to_owned();
        if !skip_metadata {
            line.push_str(&metadata(&header, &record, index));
        }
        if header.is_control() {
            line.push_str(&control(&record));
        } else if print {
            let text = |bytes: Option<&[u8]>| bytes.map(|bytes| String::from_utf8_lossy(bytes).into_owned());
            let (key, value) = match decoder {
                Some(decoder) => decoder.texts(&record),
                None => (text(record.key), text(record.value)),
            };
            line.push_str(&key.map_or_else(String::new, |key| format!(" key: {key}")));
            line.push_str(&value.map_or_else(String::new, |value| format!(" payload: {value}")));
        }
        say!("{line}");
    }
    Ok(())
}

fn metadata(header: &Header<'_>, record: &Record<'_>, index: usize) -> String {
    let size = |bytes: Option<&[u8]>| bytes.map_or(-1, |bytes| bytes.len() as i64);
    let sequence = match header.base_sequence() {
        base if base < 0 => base,
        // sequences go round
        base => ((i64::from(base) + index as i64) % (1 << 31)) as i32,
    };
    let keys = record.headers.iter().map(|header| String::from_utf8_lossy(header.key).into_owned());
    format!(
        " offset: {} {}: {} keySize: {} valueSize: {} sequence: {sequence} headerKeys: [{}]",
        record.offset.0,
        time_name(header),
        record.timestamp,
        size(record.key),
        size(record.value),
        keys.collect::<Vec<_>>().join(",")
    )
}

fn control(record: &Record<'_>) -> String {
    let found = ControlRecord::decode(record.key.unwrap_or_default(), record.value.unwrap_or_default());
    let version =
        record.value.and_then(|value| value.first_chunk::<2>()).map_or(0, |bytes| i16::from_be_bytes(*bytes));
    match found {
        Ok(Some(ControlRecord::Abort(marker))) => {
            format!(" endTxnMarker: ABORT coordinatorEpoch: {}", marker.coordinator_epoch)
        }
        Ok(Some(ControlRecord::Commit(marker))) => {
            format!(" endTxnMarker: COMMIT coordinatorEpoch: {}", marker.coordinator_epoch)
        }
        Ok(Some(ControlRecord::LeaderChange(change))) => {
            let ids =
                |ids: &[types::NodeId]| ids.iter().map(|id| json!({ "voterId": id.0 })).collect::<Vec<_>>();
            let (voters, granting) = (ids(&change.voters), ids(&change.granting_voters));
            let data = json!({
                "version": version,
                "leaderId": change.leader_id.0,
                "voters": voters,
                "grantingVoters": granting,
            });
            format!(" LeaderChange: {data}")
        }
        Ok(Some(ControlRecord::SnapshotHeader(header))) => {
            let time = header.last_contained_log_timestamp;
            format!(" SnapshotHeader {}", json!({ "version": version, "lastContainedLogTimestamp": time }))
        }
        Ok(Some(ControlRecord::SnapshotFooter(_))) => {
            format!(" SnapshotFooter {}", json!({ "version": version }))
        }
        Ok(Some(ControlRecord::KRaftVersion(level))) => {
            format!(" KRaftVersion {}", json!({ "version": version, "kRaftVersion": level.kraft_version }))
        }
        Ok(Some(ControlRecord::KRaftVoters(voters))) => {
            let voters: Vec<Value> = voters.voters.iter().map(voter).collect();
            format!(" KRaftVoters {}", json!({ "version": version, "voters": voters }))
        }
        Ok(None) | Err(_) => " controlType: UNKNOWN".to_owned(),
    }
}

fn voter(voter: &Voter) -> Value {
    let endpoints = voter.endpoints.iter();
    let endpoints: Vec<Value> =
        endpoints.map(|one| json!({ "name": one.name, "host": one.host, "port": one.port })).collect();
    json!({
        "voterId": voter.id.0,
        "voterDirectoryId": voter.directory_id.to_string(),
        "endpoints": endpoints,
        "kRaftVersionFeature": {
            "minSupportedVersion": voter.min_supported_version,
            "maxSupportedVersion": voter.max_supported_version,
        },
    })
}
