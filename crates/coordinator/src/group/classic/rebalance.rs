//! The rebalance itself: gathering joins, the delay of a first one, and the step to the next generation.

use std::collections::BTreeMap;

use protocol::{ErrorCode, Str};

use super::{ClassicGroup, JoinDeadline, State};
use crate::group::io::Response;
use crate::group::pending::{Change, Then};
use crate::group::records;
use crate::group::turn::Turn;
use bytes::Bytes;

impl ClassicGroup {
    pub fn rebalance_or_complete_join(&mut self, turn: &mut Turn) {
        if self.state == State::PreparingRebalance {
            self.complete_join_if_all_joined(turn);
        } else {
            self.prepare_rebalance(turn);
        }
    }

    pub fn prepare_rebalance(&mut self, turn: &mut Turn) {
        if self.state == State::CompletingRebalance {
            self.fail_syncs(ErrorCode::RebalanceInProgress, turn);
        }
        self.sync_deadline = None;
        let is_first = self.state == State::Empty;
        self.transition(State::PreparingRebalance, turn.now);
        if is_first {
            // time for the others of a new group to come, so that it is not rebalanced for each of them
            let delay = turn.config.initial_rebalance_delay_ms;
            let remaining = self.rebalance_timeout_ms().saturating_sub(delay).max(0);
            self.new_member_added = false;
            self.set_join_deadline(delay, Some((delay, remaining)), turn);
        } else if self.has_all_joined() {
            self.complete_join(turn);
        } else {
            self.set_join_deadline(self.rebalance_timeout_ms(), None, turn);
        }
    }

    /// The delay of a first rebalance is waited for even when all that are known have joined.
    pub fn complete_join_if_all_joined(&mut self, turn: &mut Turn) {
        if self.state == State::PreparingRebalance
            && self.previous_state != State::Empty
            && self.has_all_joined()
        {
            self.complete_join(turn);
        }
    }

    pub fn on_join_deadline(&mut self, deadline: JoinDeadline, turn: &mut Turn) {
        match deadline.initial {
            Some((delay, remaining)) if self.new_member_added && remaining > 0 => {
                self.new_member_added = false;
                let next_delay = turn.config.initial_rebalance_delay_ms.min(remaining);
                let next_remaining = remaining.saturating_sub(delay).max(0);
                self.set_join_deadline(next_delay, Some((next_delay, next_remaining)), turn);
            }
            _ => self.complete_join(turn),
        }
    }

    fn set_join_deadline(&mut self, delay_ms: i32, initial: Option<(i32, i32)>, turn: &Turn) {
        let at = turn.after_ms(delay_ms);
        self.join_deadline = Some(JoinDeadline { at, initial });
        self.arm(at);
    }

    fn complete_join(&mut self, turn: &mut Turn) {
        self.join_deadline = None;
        self.remove_not_rejoined(turn);
        if self.members.is_empty() {
            self.become_empty(turn);
        } else if self.elect_joined_leader() {
            self.next_generation(turn);
        } else {
            // only static members are left and none of them is here: their sessions decide
            self.set_join_deadline(self.rebalance_timeout_ms(), None, turn);
        }
    }

    fn remove_not_rejoined(&mut self, turn: &mut Turn) {
        if self.waiting_joins == self.members.len() {
            return;
        }
        let gone: Vec<Str> = self
            .members
            .values()
            .filter(|member| member.waiting_join.is_none() && !member.is_static())
            .map(|member| member.id.clone())
            .collect();
        for id in gone {
            if let Some(member) = self.remove(&id) {
                self.answer_removed(member, ErrorCode::UnknownMemberId, turn);
            }
        }
    }

    /// The leader stays if it has joined; else one that has takes its place.
    fn elect_joined_leader(&mut self) -> bool {
        let has_joined = |id: &Str| self.members.get(id).is_some_and(|member| member.waiting_join.is_some());
        if self.leader.as_ref().is_some_and(has_joined) {
            return true;
        }
        let joined = self.members.values().find(|member| member.waiting_join.is_some());
        match joined.map(|member| member.id.clone()) {
            Some(id) => {
                self.leader = Some(id);
                true
            }
            None => false,
        }
    }

    fn become_empty(&mut self, turn: &mut Turn) {
        self.generation = next(self.generation);
        self.protocol = None;
        self.pending_syncs.clear();
        self.transition(State::Empty, turn.now);
        self.compute_subscribed_topics();
        let record = records::group_metadata(self, |_| Bytes::new());
        turn.write(vec![(record, Change::Nothing)], Then::Nothing);
    }

    fn next_generation(&mut self, turn: &mut Turn) {
        self.generation = next(self.generation);
        self.protocol = self.select_protocol();
        self.transition(State::CompletingRebalance, turn.now);
        self.compute_subscribed_topics();
        self.pending_syncs = self.members.keys().cloned().collect();
        let ids: Vec<Str> = self.members.keys().cloned().collect();
        for id in ids {
            if let Some(waiting) = self.take_waiting_join(&id) {
                let response = self.generation_response(&id, waiting.version, self.is_leader(&id));
                turn.reply(waiting.token, Response::JoinGroup(response));
            }
            if let Some(member) = self.members.get_mut(&id) {
                member.is_new = false;
            }
            self.restart_session(&id, turn);
        }
        let deadline = turn.after_ms(self.rebalance_timeout_ms());
        self.sync_deadline = Some(deadline);
        self.arm(deadline);
    }

    /// Gives every member its assignment, nothing where there is none, and answers the waiting syncs.
    pub fn assign(&mut self, mut assignments: BTreeMap<Str, Bytes>, turn: &mut Turn) {
        for (id, member) in &mut self.members {
            member.assignment = assignments.remove(id).unwrap_or_default();
        }
        self.transition(State::Stable, turn.now);
        self.answer_syncs(ErrorCode::None, turn);
    }

    pub fn fail_syncs(&mut self, error: ErrorCode, turn: &mut Turn) {
        for member in self.members.values_mut() {
            member.assignment = Bytes::new();
        }
        self.answer_syncs(error, turn);
    }
}

/// After the largest generation comes the first again, as overflow in Java would give a negative one.
fn next(generation: i32) -> i32 {
    generation.checked_add(1).unwrap_or(1)
}
