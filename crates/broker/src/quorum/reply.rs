//! Answers that wait for their records: to be committed, and applied by every shard.

use protocol::{ApiKey, Response};

use super::{Quorum, Turn};
use crate::event::{ActorId, Effect, Level, ShardId};
use crate::message::{Message, ProducerIdBlock, WorkId};
use crate::shard::{Call, answer};

/// Who is to be answered.
#[derive(Clone, Debug)]
pub(super) enum Caller {
    Shard {
        shard: ShardId,
        id: WorkId,
        version: i16,
    },
    /// A connection of this actor.
    Connection(Call, String),
    /// A shard that wants producer ids.
    ProducerIds(ShardId),
}

impl Caller {
    pub fn version(&self) -> i16 {
        match self {
            Caller::Shard { version, .. } => *version,
            Caller::Connection(call, _) => call.api_version,
            Caller::ProducerIds(_) => ApiKey::AllocateProducerIds.versions().max,
        }
    }

    /// Its broker has checked the request already.
    pub fn is_forwarded(&self) -> bool {
        !matches!(self, Caller::Connection(..))
    }
}

#[derive(Debug)]
pub(super) struct Waiting {
    /// Answered when this is committed and applied everywhere.
    pub offset: i64,
    pub caller: Caller,
    pub response: Response,
}

impl Quorum {
    /// Answers once `offset` is committed and known to the shards.
    pub(super) fn answer_after(&mut self, offset: i64, caller: Caller, response: Response) {
        self.waiting.push(Waiting { offset, caller, response });
    }

    pub(super) fn release(&mut self, turn: &mut Turn<'_>) {
        let reached = self.applied_by_shards().min(self.applied.0 - 1);
        let (due, waiting) =
            std::mem::take(&mut self.waiting).into_iter().partition(|one| one.offset <= reached);
        self.waiting = waiting;
        for one in due {
            let Waiting { caller, response, .. } = one;
            self.answer(caller, response, turn);
        }
    }

    pub(super) fn answer(&mut self, caller: Caller, response: Response, turn: &mut Turn<'_>) {
        match caller {
            Caller::Shard { shard, id, .. } => {
                let message = Message::ControllerReply { id, response: Box::new(response) };
                turn.effects.push(Effect::Send { to: ActorId::Shard(shard), message });
            }
            Caller::ProducerIds(shard) => {
                let block = match response {
                    Response::AllocateProducerIds(reply) if reply.error_code == 0 => Some(ProducerIdBlock {
                        first: types::ProducerId(reply.producer_id_start),
                        count: reply.producer_id_len,
                    }),
                    _ => None,
                };
                let message = Message::ProducerIds { block };
                turn.effects.push(Effect::Send { to: ActorId::Shard(shard), message });
            }
            Caller::Connection(call, _) => self.answer_call(&call, &response, turn),
        }
    }

    fn answer_call(&mut self, call: &Call, response: &Response, turn: &mut Turn<'_>) {
        self.metrics.count_error(call.api_key, response);
        let Some(connection) = self.connections.get_mut(&call.connection) else { return };
        match answer::encode(call, response) {
            Ok(chunks) => connection.reply(call.sequence, chunks),
            Err(error) => {
                connection.close(call.sequence);
                let text = format!("response of {:?} v{}: {error}", call.api_key, call.api_version);
                turn.log(Level::Error, text);
            }
        }
        self.depart(call.connection, turn);
    }

    /// Leadership is gone before these were committed: who asked has to ask the next leader.
    pub(super) fn fail_waiting(&mut self, turn: &mut Turn<'_>) {
        for one in std::mem::take(&mut self.waiting) {
            match one.caller {
                Caller::Connection(call, _) => self.close_call(&call, turn),
                // the shard's client asks again; the records may be committed by then
                caller => {
                    let version = caller.version();
                    let response = super::controllers::not_controller(&one.response, version);
                    self.answer(caller, response, turn);
                }
            }
        }
    }
}
