//! One turn of a group coordinator: its writes are appended in order, its replies sent.

use coordinator::group::{
    Caller, Command, Context, Effects, GroupShard, Response as GroupResponse, Token, Write,
};
use platform::{Planted, is_planted};
use protocol::{ErrorCode, Request, Response, Str};
use records::{BatchBuilder, BatchOptions};
use types::{TopicIdPartition, Uuid};

use super::{GroupPartition, Waiting};
use crate::message::RequestContext;
use crate::partition::Partition;
use crate::partitions::Slot;
use crate::shard::{Origin, Shard, Turn};

impl Shard {
    /// A request about groups of one partition of this shard.
    pub(crate) fn run_group_request(
        &mut self,
        turn: &mut Turn,
        origin: Origin,
        partition: &TopicIdPartition,
        context: &RequestContext,
        request: Request,
    ) {
        let with_operations =
            matches!(&request, Request::DescribeGroups(describe) if describe.include_authorized_operations);
        let Some(command) = command(request) else { return };
        let slot = self.partitions.slot(partition);
        let ready = match slot.and_then(|slot| self.groups.partitions.get(&slot)) {
            None => Err(ErrorCode::NotCoordinator),
            Some(groups) if groups.loading.is_some() => Err(ErrorCode::CoordinatorLoadInProgress),
            Some(_) => Ok(()),
        };
        let (Ok(()), Some(slot)) = (ready, slot) else {
            let error = ready.err().unwrap_or(ErrorCode::NotCoordinator);
            let refused = command.refuse(context.api_version, error);
            return self.answer_origin(turn, origin, response(refused));
        };
        self.groups.next_token += 1;
        let token = Token(self.groups.next_token);
        self.groups.waiting.insert(token, Waiting { origin, with_operations });
        let caller = Caller {
            token,
            version: context.api_version,
            client_id: Str::from(context.client_id.as_deref().unwrap_or_default()),
            client_host: Str::from(format!("/{}", context.peer.ip())),
        };
        self.drive(turn, slot, |shard, context, effects| shard.command(&caller, &command, context, effects));
    }

    /// Calls a coordinator and does what it asks, until it asks for nothing more.
    pub(super) fn drive(
        &mut self,
        turn: &mut Turn,
        slot: Slot,
        call: impl FnOnce(&mut GroupShard, &mut Context<'_>, &mut Effects),
    ) {
        let mut effects = Effects::default();
        self.with_coordinator(turn, slot, |coordinator, context| call(coordinator, context, &mut effects));
        loop {
            let Effects { writes, replies } = std::mem::take(&mut effects);
            for (token, reply) in replies {
                self.reply_from_group(turn, token, reply);
            }
            if writes.is_empty() {
                return;
            }
            for write in writes {
                self.append_group_write(turn, slot, write, &mut effects);
            }
            self.commit_group_writes(turn, slot, &mut effects);
        }
    }

    pub(super) fn with_coordinator(
        &mut self,
        turn: &Turn,
        slot: Slot,
        call: impl FnOnce(&mut GroupShard, &mut Context<'_>),
    ) {
        self.groups.touched = true;
        if let Some(groups) = self.groups.partitions.get_mut(&slot) {
            let mut context = Context {
                now: turn.now,
                config: &self.groups.config,
                random: &mut self.random,
                topics: &self.cluster,
            };
            call(&mut groups.coordinator, &mut context);
        }
    }

    fn append_group_write(&mut self, turn: &mut Turn, slot: Slot, write: Write, effects: &mut Effects) {
        let id = write.id;
        if is_planted(Planted::CommitNotAppended)
            && let Some(end) = self.partitions.at(slot).map(|partition| partition.log.log_end_offset())
            && let Some(groups) = self.groups.partitions.get_mut(&slot)
        {
            return groups.writes.push_back((end, end, id));
        }
        let appended = batch_of(&write).and_then(|batch| self.append_from_coordinator(turn, slot, &batch));
        match appended {
            Ok(appended) => {
                if let Some(groups) = self.groups.partitions.get_mut(&slot) {
                    groups.writes.push_back((appended.end_offset, appended.base_offset, id));
                }
            }
            Err(error) => self.with_coordinator(turn, slot, |coordinator, context| {
                coordinator.on_failed(id, error, context, effects);
            }),
        }
    }

    /// Tells the coordinator of its writes that the high watermark has passed.
    fn commit_group_writes(&mut self, turn: &Turn, slot: Slot, effects: &mut Effects) {
        let committed = |partition: &Partition| match is_planted(Planted::CommitBeforeReplicated) {
            true => partition.log.log_end_offset(),
            false => partition.replica.high_watermark(),
        };
        let Some(committed) = self.partitions.at(slot).map(committed) else { return };
        while let Some(GroupPartition { writes, .. }) = self.groups.partitions.get_mut(&slot)
            && let Some(&(end, base, id)) = writes.front()
            && end <= committed
        {
            writes.pop_front();
            self.with_coordinator(turn, slot, |coordinator, context| {
                coordinator.on_committed(id, base, context, effects);
            });
        }
    }

    /// The high watermark of a partition may have moved.
    pub(crate) fn settle_group_writes(&mut self, turn: &mut Turn, slot: Slot) {
        self.finish_loading(turn, slot);
        if self.groups.partitions.get(&slot).is_some_and(|groups| !groups.writes.is_empty()) {
            let mut effects = Effects::default();
            self.commit_group_writes(turn, slot, &mut effects);
            self.drive(turn, slot, |_, _, out| *out = effects);
        }
    }

    pub(crate) fn run_group_timers(&mut self, turn: &mut Turn) {
        self.load_groups(turn);
        let now = turn.now.monotonic_us;
        let due = |groups: &GroupPartition| {
            groups.loading.is_none() && groups.coordinator.next_deadline().is_some_and(|at| at <= now)
        };
        let slots: Vec<Slot> =
            self.groups.partitions.iter().filter(|(_, groups)| due(groups)).map(|(slot, _)| *slot).collect();
        for slot in slots {
            self.drive(turn, slot, |coordinator, context, effects| coordinator.on_timer(context, effects));
        }
    }

    /// Also while a log is read: its coordinator is told when that is done.
    pub(crate) fn forget_offsets(&mut self, turn: &mut Turn, deleted: &[(Str, Uuid)]) {
        if deleted.is_empty() {
            return;
        }
        let mut loaded = Vec::new();
        for (slot, groups) in &mut self.groups.partitions {
            match groups.loading {
                Some(_) => groups.deleted_while_loading.extend_from_slice(deleted),
                None => loaded.push(*slot),
            }
        }
        for slot in loaded {
            self.drive(turn, slot, |coordinator, context, effects| {
                coordinator.on_topics_deleted(deleted, context, effects);
            });
        }
    }

    /// The partition is not led here any more.
    pub(crate) fn abandon_groups(&mut self, turn: &mut Turn, slot: Slot) {
        if !self.groups.partitions.contains_key(&slot) {
            return;
        }
        self.drive(turn, slot, |coordinator, context, effects| {
            coordinator.abandon(ErrorCode::NotCoordinator, context, effects);
        });
        self.groups.partitions.remove(&slot);
        self.groups.touched = true;
    }

    fn reply_from_group(&mut self, turn: &mut Turn, token: Token, reply: GroupResponse) {
        let Some(Waiting { origin, with_operations }) = self.groups.waiting.remove(&token) else { return };
        let mut reply = response(reply);
        if let (true, Response::DescribeGroups(described)) = (with_operations, &mut reply) {
            for group in described.groups.iter_mut().filter(|group| group.error_code == 0) {
                group.authorized_operations = crate::authorizer::group_operations();
            }
        }
        self.answer_origin(turn, origin, reply);
    }
}

fn batch_of(write: &Write) -> Result<bytes::Bytes, ErrorCode> {
    let (producer_id, producer_epoch) =
        write.producer.unwrap_or((types::ProducerId::NONE, types::ProducerEpoch::NONE));
    let options = BatchOptions {
        producer_id,
        producer_epoch,
        transactional: write.producer.is_some(),
        ..Default::default()
    };
    let mut batch = BatchBuilder::new(options);
    for record in &write.records {
        batch
            .append(write.timestamp_ms, Some(&record.key), record.value.as_deref(), &[])
            .map_err(|_| ErrorCode::RecordListTooLarge)?;
    }
    batch.build().map_err(|_| ErrorCode::RecordListTooLarge)
}

fn command(request: Request) -> Option<Command> {
    Some(match request {
        Request::JoinGroup(request) => Command::JoinGroup(request),
        Request::SyncGroup(request) => Command::SyncGroup(request),
        Request::Heartbeat(request) => Command::Heartbeat(request),
        Request::LeaveGroup(request) => Command::LeaveGroup(request),
        Request::OffsetCommit(request) => Command::OffsetCommit(request),
        Request::OffsetFetch(request) => Command::OffsetFetch(request),
        Request::OffsetDelete(request) => Command::OffsetDelete(request),
        Request::ListGroups(request) => Command::ListGroups(request),
        Request::DescribeGroups(request) => Command::DescribeGroups(request),
        Request::DeleteGroups(request) => Command::DeleteGroups(request),
        _ => return None,
    })
}

/// What a client is told when nobody coordinates the group.
pub(crate) fn refuse(request: Request, api_version: i16, error: ErrorCode) -> Option<Response> {
    command(request).map(|command| response(command.refuse(api_version, error)))
}

fn response(reply: GroupResponse) -> Response {
    match reply {
        GroupResponse::JoinGroup(reply) => Response::JoinGroup(reply),
        GroupResponse::SyncGroup(reply) => Response::SyncGroup(reply),
        GroupResponse::Heartbeat(reply) => Response::Heartbeat(reply),
        GroupResponse::LeaveGroup(reply) => Response::LeaveGroup(reply),
        GroupResponse::OffsetCommit(reply) => Response::OffsetCommit(reply),
        GroupResponse::TxnOffsetCommit(reply) => Response::TxnOffsetCommit(reply),
        GroupResponse::OffsetFetch(reply) => Response::OffsetFetch(reply),
        GroupResponse::OffsetDelete(reply) => Response::OffsetDelete(reply),
        GroupResponse::ListGroups(reply) => Response::ListGroups(reply),
        GroupResponse::DescribeGroups(reply) => Response::DescribeGroups(reply),
        GroupResponse::DeleteGroups(reply) => Response::DeleteGroups(reply),
    }
}
