//! One partition's groups: which group a command is for, when its timers fire, what its writes change.

use std::collections::BTreeSet;

use protocol::messages::*;
use protocol::{ErrorCode, Str};
use types::{Offset, ProducerId, Uuid};

use super::admin;
use super::dispatch::{
    TOMBSTONES_MAX, classic, drop_new_group, heartbeat, join, leave, read, sync, validate, write_tombstones,
};
use super::io::{Caller, Command, Context, Effects, Response, WriteId};
use super::offsets::{self, Sweep};
use super::pending::{PendingWrite, Then};
use super::refusal;
use super::replay::{ReplayError, ReplayRecord};
use super::state::Groups;
use super::turn::{Turn, Writes};

/// Groups that one turn of a sweep looks at.
const SWEEP_GROUPS_MAX: usize = 1_000;

/// The groups whose ids fall on one partition of `__consumer_offsets`.
#[derive(Debug, Default)]
pub struct GroupShard {
    pub(super) groups: Groups,
    /// One row for each group that waits for a time.
    timers: BTreeSet<(u64, Str)>,
    writes: Writes,
    /// Fetches of stable offsets behind a transaction's write.
    fetches: Vec<(Caller, OffsetFetchRequest)>,
    sweep: Sweep,
}

impl GroupShard {
    pub fn new() -> GroupShard {
        GroupShard::default()
    }

    /// One record of the log, in order, before `on_loaded`. An unreadable one changes nothing.
    pub fn replay(&mut self, record: &ReplayRecord) -> Result<(), ReplayError> {
        self.groups.replay(record)
    }

    /// A transaction's marker in the partition, once committed; at load in its place among the records.
    pub fn on_marker(&mut self, producer: ProducerId, commit: bool) {
        self.groups.end_transaction(producer, commit);
    }

    /// The log is read: members must be heard of from now on.
    pub fn on_loaded(&mut self, context: &mut Context<'_>, effects: &mut Effects) {
        let mut turn = Turn::new(context, effects, &mut self.writes);
        let mut loaded = Vec::new();
        for (id, group) in &mut self.groups.by_id {
            let Some(classic) = &mut group.classic else { continue };
            let members: Vec<Str> = classic.members.keys().cloned().collect();
            for member in &members {
                classic.restart_session(member, &turn);
            }
            if members.len() > turn.config.max_size {
                classic.prepare_rebalance(&mut turn);
            }
            loaded.push(id.clone());
        }
        self.schedule_sweep(context);
        loaded.iter().for_each(|id| self.rearm(id));
    }

    /// Answers `caller.token` now, or later by another turn's effects.
    pub fn command(
        &mut self,
        caller: &Caller,
        command: &Command,
        context: &mut Context<'_>,
        effects: &mut Effects,
    ) {
        let mut turn = Turn::new(context, effects, &mut self.writes);
        if let Err(error) = validate(command, &turn) {
            return turn.reply(caller.token, refusal::refuse(command, caller.version, error));
        }
        let groups = &mut self.groups;
        let touched = match command {
            Command::JoinGroup(request) => {
                join(groups, caller, request, &mut turn);
                Some(&request.group_id)
            }
            Command::SyncGroup(request) => {
                sync(groups, caller.token, request, &mut turn);
                Some(&request.group_id)
            }
            Command::Heartbeat(request) => {
                heartbeat(groups, caller.token, request, &mut turn);
                Some(&request.group_id)
            }
            Command::LeaveGroup(request) => {
                leave(groups, caller, request, &mut turn);
                Some(&request.group_id)
            }
            Command::OffsetCommit(request) => {
                offsets::commit(groups.by_id.get_mut(&request.group_id), caller, request, &mut turn);
                Some(&request.group_id)
            }
            Command::TxnOffsetCommit(request) => {
                let group = groups.by_id.get(&request.group_id);
                offsets::commit_transactional(group, caller, request, &mut turn);
                None
            }
            Command::OffsetFetch(request) if offsets::has_unstable_writes(request, turn.writes) => {
                self.fetches.push((caller.clone(), request.clone()));
                None
            }
            Command::OffsetDelete(request) => {
                let group = groups.by_id.get(&request.group_id);
                offsets::delete(group, caller.token, request, &mut turn);
                None
            }
            Command::OffsetFetch(_) | Command::ListGroups(_) | Command::DescribeGroups(_) => {
                turn.reply(caller.token, read(groups, caller, command, &turn));
                None
            }
            Command::DeleteGroups(request) => {
                let (response, tombstones) = admin::delete(&groups.by_id, request);
                let then = Then::Reply(caller.token, Response::DeleteGroups(response));
                write_tombstones(tombstones, then, &mut turn);
                None
            }
        };
        if let Some(id) = touched {
            self.rearm(id);
        }
        self.schedule_sweep(context);
    }

    /// Topics that are no more, by name and id: no group holds offsets of them any longer.
    pub fn on_topics_deleted(
        &mut self,
        deleted: &[(Str, Uuid)],
        context: &mut Context<'_>,
        effects: &mut Effects,
    ) {
        let mut turn = Turn::new(context, effects, &mut self.writes);
        let tombstones = offsets::of_deleted_topics(&self.groups.by_id, turn.writes, deleted);
        if !tombstones.is_empty() {
            write_tombstones(tombstones, Then::Nothing, &mut turn);
        }
    }

    /// The write is committed; `base_offset` is that of its first record. Writes are committed in order.
    pub fn on_committed(
        &mut self,
        write: WriteId,
        base_offset: Offset,
        context: &mut Context<'_>,
        effects: &mut Effects,
    ) {
        let (first, PendingWrite { changes, producer, then }) =
            self.writes.pending.pop_front().expect("a write is finished once");
        assert_eq!(first, write, "writes are committed in order");
        for (index, change) in changes.into_iter().enumerate() {
            let record_offset = base_offset.plus(i64::try_from(index).unwrap_or(i64::MAX));
            self.groups.apply(change, record_offset, producer);
        }
        self.finish(then, Ok(()), context, effects);
        self.schedule_sweep(context);
    }

    /// The write is not in the log and will not be; nothing of it has changed the state. Earlier ones may still wait to be
    /// committed: they were appended before too few replicas were left.
    pub fn on_failed(
        &mut self,
        write: WriteId,
        error: ErrorCode,
        context: &mut Context<'_>,
        effects: &mut Effects,
    ) {
        let at = self.writes.pending.iter().rposition(|(id, _)| *id == write);
        let failed = at.and_then(|at| self.writes.pending.remove(at));
        let (_, PendingWrite { then, .. }) = failed.expect("a write is finished once");
        self.finish(then, Err(error), context, effects);
    }

    /// Monotonic microseconds at which `on_timer` wants to be called; the past means at once.
    pub fn next_deadline(&self) -> Option<u64> {
        let timer = self.timers.first().map(|(at, _)| *at);
        timer.into_iter().chain(self.sweep.next_at).min()
    }

    /// Does what is due, or a part of it: ask `next_deadline` again.
    pub fn on_timer(&mut self, context: &mut Context<'_>, effects: &mut Effects) {
        let now = context.now.monotonic_us;
        while self.timers.first().is_some_and(|(at, _)| *at <= now) {
            let Some((_, id)) = self.timers.pop_first() else { break };
            let mut turn = Turn::new(context, effects, &mut self.writes);
            if let Some(group) = self.groups.by_id.get_mut(&id) {
                group.armed = None;
                if let Some(classic) = &mut group.classic {
                    classic.on_timer(&mut turn);
                }
            }
            self.rearm(&id);
        }
        if self.sweep.next_at.is_some_and(|at| at <= now) {
            self.sweep(context, effects);
        }
    }

    /// The partition is led elsewhere now: every token that waits here is answered with `error`, and the shard is
    /// new. Its writes are not to be told of any more.
    pub fn abandon(&mut self, error: ErrorCode, context: &mut Context<'_>, effects: &mut Effects) {
        let pending = std::mem::take(&mut self.writes.pending);
        let mut turn = Turn::new(context, effects, &mut self.writes);
        for (_, write) in pending {
            if let Then::Reply(token, response) = write.then {
                turn.reply(token, refusal::fail(response, error));
            }
        }
        for (caller, request) in std::mem::take(&mut self.fetches) {
            let response = refusal::refuse(&Command::OffsetFetch(request), caller.version, error);
            turn.reply(caller.token, response);
        }
        for group in self.groups.by_id.values_mut() {
            if let Some(classic) = &mut group.classic {
                classic.abandon(error, &mut turn);
            }
        }
        *self = GroupShard::default();
    }

    fn finish(
        &mut self,
        then: Then,
        result: Result<(), ErrorCode>,
        context: &mut Context<'_>,
        effects: &mut Effects,
    ) {
        let mut turn = Turn::new(context, effects, &mut self.writes);
        let touched = match then {
            Then::Nothing => None,
            Then::Reply(token, response) => {
                let response = match result {
                    Ok(()) => response,
                    Err(error) => refusal::fail(response, error),
                };
                turn.reply(token, response);
                None
            }
            Then::Assign { group, generation, assignments } => {
                if let Some(classic) = classic(&mut self.groups, &group) {
                    classic.on_assignment_written(generation, assignments, result, &mut turn);
                }
                Some(group)
            }
            Then::NewGroup { group } => {
                if let Err(error) = result {
                    drop_new_group(&mut self.groups, &group, error, &mut turn);
                }
                Some(group)
            }
            Then::StaticMember(replacement) => {
                let id = replacement.group.clone();
                match (classic(&mut self.groups, &id), result) {
                    (Some(classic), Ok(())) => classic.on_static_member_written(*replacement, &mut turn),
                    (Some(classic), Err(error)) => {
                        classic.on_static_member_failed(*replacement, error, &mut turn);
                    }
                    (None, _) => {}
                }
                Some(id)
            }
        };
        if let Some(id) = touched {
            self.rearm(&id);
        }
        self.answer_fetches(context, effects);
    }

    fn answer_fetches(&mut self, context: &mut Context<'_>, effects: &mut Effects) {
        if self.fetches.is_empty() {
            return;
        }
        let turn = &mut Turn::new(context, effects, &mut self.writes);
        for (caller, request) in std::mem::take(&mut self.fetches) {
            if offsets::has_unstable_writes(&request, turn.writes) {
                self.fetches.push((caller, request));
            } else {
                let response = read(&self.groups, &caller, &Command::OffsetFetch(request), turn);
                turn.reply(caller.token, response);
            }
        }
    }

    /// Keeps the group's row among the timers at its `wake`. Nothing to do for most commands.
    fn rearm(&mut self, id: &Str) {
        let Some((id, wake, armed)) = self.groups.by_id.get_key_value(id).map(|(id, group)| {
            (id.clone(), group.classic.as_ref().and_then(|classic| classic.wake), group.armed)
        }) else {
            return;
        };
        if wake == armed {
            return;
        }
        if let Some(at) = armed {
            self.timers.remove(&(at, id.clone()));
        }
        if let Some(group) = self.groups.by_id.get_mut(&id) {
            group.armed = wake;
        }
        if let Some(at) = wake {
            self.timers.insert((at, id));
        }
    }

    /// A shard without groups keeps no timer.
    fn schedule_sweep(&mut self, context: &Context<'_>) {
        if self.groups.by_id.is_empty() {
            self.sweep = Sweep::default();
        } else if self.sweep.next_at.is_none() {
            self.sweep.next_at = Some(sweep_after(context));
        }
    }

    fn sweep(&mut self, context: &mut Context<'_>, effects: &mut Effects) {
        let next_sweep = sweep_after(context);
        let mut turn = Turn::new(context, effects, &mut self.writes);
        let after = match self.sweep.after.take() {
            Some(id) => std::ops::Bound::Excluded(id),
            None => std::ops::Bound::Unbounded,
        };
        let mut tombstones = Vec::new();
        let mut last = None;
        let mut seen = 0;
        for (id, group) in self.groups.by_id.range::<Str, _>((after, std::ops::Bound::Unbounded)) {
            tombstones.extend(group.expire(id, &turn));
            seen += 1;
            if seen >= SWEEP_GROUPS_MAX || tombstones.len() >= TOMBSTONES_MAX {
                last = Some(id.clone());
                break;
            }
        }
        // while it goes on the next part is due at once
        self.sweep.next_at = Some(if last.is_some() { turn.now.monotonic_us } else { next_sweep });
        self.sweep.after = last;
        if !tombstones.is_empty() {
            write_tombstones(tombstones, Then::Nothing, &mut turn);
        }
    }
}

fn sweep_after(context: &Context<'_>) -> u64 {
    let interval = u64::try_from(context.config.offsets_retention_check_interval_ms).unwrap_or(0).max(1);
    context.now.monotonic_us.saturating_add(interval.saturating_mul(1000))
}
