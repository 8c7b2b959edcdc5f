//! A group of the classic protocol: members, votes, generations.
//!
//! Empty -> PreparingRebalance (join) -> CompletingRebalance (all joined, or time) -> Stable (leader's sync
//! committed) -> PreparingRebalance (join, leave, time-out); from any of them to Empty when nobody is left.
//! Counters hold for every member at all times, so that one join costs no look at the others.

mod heartbeat;
mod join;
mod leave;
mod member;
mod membership;
mod rebalance;
mod static_member;
mod sync;

use std::collections::{BTreeMap, BTreeSet};

use platform::Time;
use protocol::{ErrorCode, Str};

use crate::group::subscription;
pub(crate) use join::refused as join_refused;
pub(crate) use member::Member;

pub(crate) const CONSUMER: &str = "consumer";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Empty,
    PreparingRebalance,
    CompletingRebalance,
    Stable,
}

impl State {
    pub fn name(self) -> &'static str {
        match self {
            State::Empty => "Empty",
            State::PreparingRebalance => "PreparingRebalance",
            State::CompletingRebalance => "CompletingRebalance",
            State::Stable => "Stable",
        }
    }
}

/// When the join phase ends, in monotonic microseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct JoinDeadline {
    pub at: u64,
    /// First rebalance: milliseconds of the running delay, and what may still be added for late comers.
    pub initial: Option<(i32, i32)>,
}

#[derive(Debug)]
pub(crate) struct ClassicGroup {
    pub id: Str,
    pub state: State,
    pub previous_state: State,
    /// Wall clock when the state was entered; none in records before version 2.
    pub state_timestamp_ms: Option<i64>,
    pub generation: i32,
    pub protocol_type: Option<Str>,
    pub protocol: Option<Str>,
    pub leader: Option<Str>,
    pub members: BTreeMap<Str, Member>,
    /// Instance id to member id.
    pub static_members: BTreeMap<Str, Str>,
    /// Ids given out and not yet joined with, and until when.
    pub pending_members: BTreeMap<Str, u64>,
    /// Members of this generation that have not synced.
    pub pending_syncs: BTreeSet<Str>,
    /// How many members know each protocol.
    pub supported: BTreeMap<Str, usize>,
    pub waiting_joins: usize,
    pub new_member_added: bool,
    pub join_deadline: Option<JoinDeadline>,
    pub sync_deadline: Option<u64>,
    /// Topics of all members under the chosen protocol; none where they are not known.
    pub subscribed_topics: Option<BTreeSet<Str>>,
    /// Not later than the earliest deadline; the shard calls `on_timer` then.
    pub wake: Option<u64>,
}

impl ClassicGroup {
    pub fn new(id: Str, now: Time) -> ClassicGroup {
        ClassicGroup {
            id,
            state: State::Empty,
            previous_state: State::Empty,
            state_timestamp_ms: Some(now.wall_ms),
            generation: 0,
            protocol_type: None,
            protocol: None,
            leader: None,
            members: BTreeMap::new(),
            static_members: BTreeMap::new(),
            pending_members: BTreeMap::new(),
            pending_syncs: BTreeSet::new(),
            supported: BTreeMap::new(),
            waiting_joins: 0,
            new_member_added: false,
            join_deadline: None,
            sync_deadline: None,
            subscribed_topics: None,
            wake: None,
        }
    }

    pub fn transition(&mut self, state: State, now: Time) {
        let valid = match state {
            State::Empty => self.state == State::PreparingRebalance,
            State::PreparingRebalance => self.state != State::PreparingRebalance,
            State::CompletingRebalance => self.state == State::PreparingRebalance,
            State::Stable => self.state == State::CompletingRebalance,
        };
        assert!(valid, "a classic group goes from {:?} to {state:?}", self.state);
        self.previous_state = self.state;
        self.state = state;
        self.state_timestamp_ms = Some(now.wall_ms);
    }

    pub fn is_leader(&self, member_id: &str) -> bool {
        self.leader.as_ref().is_some_and(|leader| leader == member_id)
    }

    pub fn uses_consumer_protocol(&self) -> bool {
        self.protocol_type.as_ref().is_some_and(|name| name == CONSUMER)
    }

    /// Where the subscriptions cannot be read, every topic counts as subscribed.
    pub fn is_subscribed_to(&self, topic: &str) -> bool {
        match &self.subscribed_topics {
            Some(topics) => topics.contains(topic),
            None => self.uses_consumer_protocol(),
        }
    }

    pub fn compute_subscribed_topics(&mut self) {
        self.subscribed_topics = if !self.uses_consumer_protocol() {
            None
        } else if self.members.is_empty() {
            Some(BTreeSet::new())
        } else {
            self.protocol.as_ref().and_then(|protocol| {
                let metadata: Vec<_> =
                    self.members.values().map(|member| member.metadata(protocol)).collect();
                subscription::union(metadata.iter().map(|bytes| bytes.as_ref()))
            })
        };
    }

    pub fn has_all_joined(&self) -> bool {
        self.members.len() == self.waiting_joins && self.pending_members.is_empty()
    }

    /// The longest of the members' rebalance time-outs.
    pub fn rebalance_timeout_ms(&self) -> i32 {
        self.members.values().map(|member| member.rebalance_timeout_ms).max().unwrap_or(0)
    }

    /// A known member id, and for a static member the one its instance id stands for now.
    pub fn validate_member(&self, member_id: &str, instance_id: Option<&Str>) -> Result<(), ErrorCode> {
        match instance_id {
            Some(instance_id) => match self.static_members.get(instance_id) {
                None => Err(ErrorCode::UnknownMemberId),
                Some(known) if known != member_id => Err(ErrorCode::FencedInstanceId),
                Some(_) => Ok(()),
            },
            None if self.members.contains_key(member_id) => Ok(()),
            None => Err(ErrorCode::UnknownMemberId),
        }
    }

    /// Asks to be woken no later than `at`.
    pub fn arm(&mut self, at: u64) {
        self.wake = Some(self.wake.map_or(at, |wake| wake.min(at)));
    }

    /// The earliest deadline, by looking at all members: only for a timer that has fired.
    pub fn earliest_deadline(&self) -> Option<u64> {
        let sessions =
            self.members.values().filter(|member| member.can_expire()).map(|member| member.session_deadline);
        sessions
            .chain(self.pending_members.values().copied())
            .chain(self.join_deadline.map(|deadline| deadline.at))
            .chain(self.sync_deadline)
            .min()
    }
}
