//! A copy of a batch's header with the fields a leader rewrites. The payload behind it is never touched.

use types::{LeaderEpoch, Offset};

use crate::header::{HEADER_SIZE, Header, TimestampType, at, bit};

/// 61 bytes to write in front of the batch's original payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PatchedHeader {
    bytes: [u8; HEADER_SIZE],
}

impl PatchedHeader {
    pub fn new(header: Header<'_>) -> PatchedHeader {
        PatchedHeader { bytes: *header.bytes }
    }

    pub fn bytes(&self) -> &[u8; HEADER_SIZE] {
        &self.bytes
    }

    pub fn header(&self) -> Header<'_> {
        Header { bytes: &self.bytes }
    }

    /// Outside the checksum.
    pub fn set_base_offset(&mut self, offset: Offset) {
        self.put(at::BASE_OFFSET, offset.0.to_be_bytes());
    }

    /// Outside the checksum.
    pub fn set_leader_epoch(&mut self, epoch: LeaderEpoch) {
        self.put(at::LEADER_EPOCH, epoch.0.to_be_bytes());
    }

    /// Sets the type and the largest timestamp, and the checksum for them. The stored checksum must have been
    /// right: the new one is derived from it without reading the payload.
    pub fn set_timestamps(&mut self, kind: TimestampType, max_timestamp: i64) {
        let old = *self;
        let attributes = match kind {
            TimestampType::CreateTime => old.header().attributes() & !bit::LOG_APPEND_TIME,
            TimestampType::LogAppendTime => old.header().attributes() | bit::LOG_APPEND_TIME,
        };
        self.put(at::ATTRIBUTES, attributes.to_be_bytes());
        self.put(at::MAX_TIMESTAMP, max_timestamp.to_be_bytes());
        if *self == old {
            return;
        }
        let rest = (old.header().size() - at::PRODUCER_ID) as u64;
        let crc = crate::crc::replaced(old.header().crc(), old.changing(), self.changing(), rest);
        self.put(at::CRC, crc.to_be_bytes());
    }

    /// From the attributes to the largest timestamp.
    fn changing(&self) -> &[u8] {
        self.bytes.get(at::ATTRIBUTES..at::PRODUCER_ID).unwrap_or_default()
    }

    fn put<const N: usize>(&mut self, at: usize, value: [u8; N]) {
        if let Some(place) = self.bytes.get_mut(at..).and_then(|rest| rest.first_chunk_mut()) {
            *place = value;
        }
    }
}
