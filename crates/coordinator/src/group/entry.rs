//! One group id: a classic group, or the traces of another protocol's, or nothing but offsets (a simple group).

use std::collections::BTreeMap;

use protocol::Str;
use types::ProducerId;

use super::classic::{ClassicGroup, State};
use super::foreign::Foreign;
use super::io::WriteRecord;
use super::offsets::Offsets;
use super::pending::Change;
use super::records;
use super::turn::Turn;

#[derive(Debug, Default)]
pub(crate) struct Group {
    pub classic: Option<Box<ClassicGroup>>,
    pub foreign: Option<Foreign>,
    pub offsets: Offsets,
    /// Offsets of open transactions: invisible until their marker.
    pub pending: BTreeMap<ProducerId, Offsets>,
    /// The group's entry among the shard's timers.
    pub armed: Option<u64>,
}

impl Group {
    /// Commits of a member are signs of life, as long as it is not between join and sync.
    pub fn keep_session(&mut self, member_id: &str, turn: &Turn) {
        if let Some(classic) = &mut self.classic
            && matches!(classic.state, State::Stable | State::PreparingRebalance)
        {
            classic.restart_session(member_id, turn);
        }
    }

    pub fn has_pending_offset(&self, topic: &str, partition: i32) -> bool {
        self.pending.values().any(|offsets| offsets.get(topic, partition).is_some())
    }

    pub fn has_offset(&self, topic: &str, partition: i32) -> bool {
        self.offsets.get(topic, partition).is_some() || self.has_pending_offset(topic, partition)
    }

    pub fn is_subscribed_to(&self, topic: &str) -> bool {
        match (&self.classic, &self.foreign) {
            (Some(classic), _) => classic.is_subscribed_to(topic),
            // what its members read is not known here
            (None, Some(foreign)) => foreign.has_members(),
            (None, None) => false,
        }
    }

    pub fn has_members(&self) -> bool {
        self.classic.as_ref().is_some_and(|classic| classic.state != State::Empty)
            || self.foreign.as_ref().is_some_and(Foreign::has_members)
    }

    /// No members, and nobody about to be one.
    pub fn is_idle(&self) -> bool {
        !self.has_members() && self.classic.as_ref().is_none_or(|classic| classic.pending_members.is_empty())
    }

    /// Whether nothing is left to remember.
    pub fn is_gone(&self) -> bool {
        self.classic.is_none()
            && self.foreign.as_ref().is_none_or(Foreign::is_gone)
            && self.offsets.is_empty()
            && self.pending.is_empty()
    }

    pub fn state_name(&self) -> &'static str {
        match (&self.classic, &self.foreign) {
            (Some(classic), _) => classic.state.name(),
            (None, Some(foreign)) if foreign.has_members() => State::Stable.name(),
            _ => State::Empty.name(),
        }
    }

    pub fn type_name(&self) -> &'static str {
        match (&self.classic, &self.foreign) {
            (None, Some(foreign)) => foreign.kind.name(),
            _ => "classic",
        }
    }

    pub fn protocol_type(&self) -> Str {
        match (&self.classic, &self.foreign) {
            (Some(classic), _) => classic.protocol_type.clone().unwrap_or_default(),
            (None, Some(foreign)) => Str::from_static(foreign.kind.protocol_type()),
            (None, None) => Str::default(),
        }
    }

    /// Tombstones of the group itself, not of its offsets.
    pub fn tombstones(&self, id: &Str, records: &mut Vec<(WriteRecord, Change)>) {
        if let (None, Some(foreign)) = (&self.classic, &self.foreign) {
            return foreign.tombstones(id, records);
        }
        let generation = self.classic.as_ref().map_or(0, |classic| classic.generation);
        let change = Change::GroupRemoved { group: id.clone(), generation };
        records.push((records::group_tombstone(id), change));
    }

    /// A tombstone of the group is in the log.
    pub fn on_removed(&mut self, generation: i32) {
        if self
            .classic
            .as_ref()
            .is_some_and(|classic| classic.state == State::Empty && classic.generation == generation)
        {
            self.classic = None;
        }
    }
}
