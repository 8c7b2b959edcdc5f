//! Groups of protocols that are not served here (consumer, share, streams), as a Kafka directory may hold them.
//! Their records are only known by key: enough to list them, to leave them alone, and to delete an empty one.

use std::collections::BTreeMap;

use bytes::Bytes;
use protocol::Str;

use super::io::WriteRecord;
use super::pending::Change;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Consumer,
    Share,
    Streams,
}

impl Kind {
    /// The kind of group that a record type belongs to, and whether the record stands for a member.
    pub fn of_record(record_type: i16) -> Option<(Kind, bool)> {
        match record_type {
            3..=8 | 16 => Some((Kind::Consumer, record_type == 5)),
            10..=15 => Some((Kind::Share, record_type == 10)),
            17..=23 => Some((Kind::Streams, record_type == 19)),
            _ => None,
        }
    }

    /// As ListGroups names the type.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Consumer => "consumer",
            Kind::Share => "share",
            Kind::Streams => "streams",
        }
    }

    pub fn protocol_type(self) -> &'static str {
        match self {
            Kind::Consumer => "consumer",
            Kind::Share => "share",
            Kind::Streams => "streams",
        }
    }
}

#[derive(Debug)]
pub(crate) struct Foreign {
    pub kind: Kind,
    /// Keys of the live records, and whether each is a member's.
    keys: BTreeMap<Bytes, bool>,
    members: usize,
}

impl Foreign {
    pub fn new(kind: Kind) -> Foreign {
        Foreign { kind, keys: BTreeMap::new(), members: 0 }
    }

    pub fn insert(&mut self, key: &Bytes, is_member: bool) {
        let before = self.keys.insert(Bytes::copy_from_slice(key), is_member);
        if before.is_none() && is_member {
            self.members += 1;
        }
    }

    pub fn remove(&mut self, key: &Bytes) {
        if self.keys.remove(key) == Some(true) {
            self.members -= 1;
        }
    }

    pub fn is_gone(&self) -> bool {
        self.keys.is_empty()
    }

    pub fn has_members(&self) -> bool {
        self.members > 0
    }

    /// Tombstones of everything, what belongs to members first and the group's own record last.
    pub fn tombstones(&self, group: &Str, records: &mut Vec<(WriteRecord, Change)>) {
        for key in self.keys.keys().rev() {
            let change = Change::ForeignRemoved { group: group.clone(), key: key.clone() };
            records.push((WriteRecord { key: key.clone(), value: None }, change));
        }
    }
}
