//! Offsets by time.

use std::sync::Arc;

use records::Batch;
use types::{LeaderEpoch, Offset};

use super::Log;
use crate::error::{At, ReadError, Result};
use crate::names::LOG;
use crate::segment::{Judged, Scan, Window};

/// A record's time and place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimestampAndOffset {
    pub timestamp: i64,
    pub offset: Offset,
    pub leader_epoch: LeaderEpoch,
}

/// Which record of a batch is looked for.
#[derive(Clone, Copy)]
enum Wanted {
    /// The first at or after the time.
    AtOrAfter(i64),
    /// The first that has this time, the batch's largest.
    Exactly(i64),
}

impl Log {
    /// The first record at or after the time; None where there is none. The caller compares with the high
    /// watermark or the last stable offset.
    pub fn offset_for_timestamp(
        &mut self,
        timestamp: i64,
    ) -> std::result::Result<Option<TimestampAndOffset>, ReadError> {
        for index in 0..self.segments.len() {
            let (segment, place) = self.segment(index)?;
            if segment.size == 0 || segment.largest_or_modified(place)? < timestamp {
                continue;
            }
            let base = segment.base;
            let floor = segment.time_index.floor(place, timestamp)?;
            let from = floor.map_or(base, |entry| base.plus(entry.relative_offset.into()));
            if let Some(found) = self.search(index, from, Wanted::AtOrAfter(timestamp))? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// The first record that has the largest timestamp of the log; None for an empty log.
    pub fn max_timestamp(&mut self) -> std::result::Result<Option<TimestampAndOffset>, ReadError> {
        let mut best: Option<(usize, i64, Offset)> = None;
        for index in 0..self.segments.len() {
            let (segment, place) = self.segment(index)?;
            let largest = segment.largest(place)?;
            if largest.timestamp >= 0 && best.is_none_or(|best| largest.timestamp > best.1) {
                best = Some((index, largest.timestamp, largest.offset));
            }
        }
        match best {
            Some((index, timestamp, offset)) => self.search(index, offset, Wanted::Exactly(timestamp)),
            None => Ok(None),
        }
    }

    fn search(
        &mut self,
        index: usize,
        from: Offset,
        wanted: Wanted,
    ) -> std::result::Result<Option<TimestampAndOffset>, ReadError> {
        let (start, bytes_max) = (self.start_offset, self.config.decompressed_bytes_max);
        let (segment, place) = self.segment(index)?;
        let Some(found) = segment.find(place, from.max(start))? else { return Ok(None) };
        let (base, end) = (segment.base, u64::from(segment.size));
        let path = || place.path(base, LOG);
        let file = Arc::clone(segment.file(place)?);
        let mut window = Window::headers();
        let mut position = u64::from(found.position);
        let least = match wanted {
            Wanted::AtOrAfter(timestamp) | Wanted::Exactly(timestamp) => timestamp,
        };
        loop {
            let mut scan = Scan { file: &file, window: &mut window, end, verify: false };
            let (size, max) = match scan.batch_at(position).at(path)? {
                Judged::Batch(header) => (header.size(), header.max_timestamp()),
                Judged::End => return Ok(None),
                Judged::Damaged(reason) => return Err(ReadError::Corrupt(reason)),
                Judged::Old => return Err(ReadError::Corrupt("an old record format".into())),
            };
            if max >= least {
                let bytes = scan.bytes_at(position, size).at(path)?;
                if let Some(record) = record_in(bytes, start, wanted, bytes_max)? {
                    return Ok(Some(record));
                }
            }
            position += size as u64;
        }
    }
}

fn record_in(
    bytes: &[u8],
    start: Offset,
    wanted: Wanted,
    bytes_max: usize,
) -> std::result::Result<Option<TimestampAndOffset>, ReadError> {
    let corrupt = |error: &dyn std::fmt::Display| ReadError::Corrupt(error.to_string());
    let batch = Batch::exact(bytes).map_err(|error| corrupt(&error))?;
    let data = batch.data(bytes_max).map_err(|error| corrupt(&error))?;
    for record in batch.records(&data) {
        let record = record.map_err(|error| corrupt(&error))?;
        let fits = match wanted {
            Wanted::AtOrAfter(timestamp) => record.timestamp >= timestamp,
            Wanted::Exactly(timestamp) => record.timestamp == timestamp,
        };
        if fits && record.offset >= start {
            let (timestamp, offset) = (record.timestamp, record.offset);
            return Ok(Some(TimestampAndOffset { timestamp, offset, leader_epoch: batch.leader_epoch() }));
        }
    }
    Ok(None)
}

impl Log {
    /// Milliseconds of the newest record, for tools; None for an empty log.
    pub fn largest_timestamp(&mut self) -> Result<Option<i64>> {
        let mut largest = None;
        for index in 0..self.segments.len() {
            let (segment, place) = self.segment(index)?;
            let timestamp = segment.largest(place)?.timestamp;
            largest = largest.max((timestamp >= 0).then_some(timestamp));
        }
        Ok(largest)
    }
}
