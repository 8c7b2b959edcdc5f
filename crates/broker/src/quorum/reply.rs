//! Answers that wait for their records: to be committed, and applied by every shard.

use protocol::{ApiKey, ErrorCode, Response};

use super::envelope::Inner;
use super::{Quorum, Turn, envelope};
use crate::event::{ActorId, Effect, Level, ShardId};
use crate::message::{Message, ProducerIdBlock, RequestContext, WorkId};
use crate::shard::{Call, answer};

/// Who is to be answered.
#[derive(Clone, Debug)]
pub(super) enum Caller {
    Shard {
        shard: ShardId,
        id: WorkId,
        context: Box<RequestContext>,
    },
    /// A connection of this actor, and its listener.
    Connection(Call, String),
    /// A client of a broker, which passes its request on over a connection of this actor.
    Enveloped(Call, String, Inner),
    /// A shard that wants producer ids.
    ProducerIds(ShardId),
}

impl Caller {
    pub fn version(&self) -> i16 {
        match self {
            Caller::Shard { context, .. } => context.api_version,
            Caller::Connection(call, _) => call.api_version,
            Caller::Enveloped(_, _, inner) => inner.api_version,
            Caller::ProducerIds(_) => ApiKey::AllocateProducerIds.versions().max,
        }
    }

    /// Whether it is of this node, which sees to it that whoever controls decides.
    pub fn is_own(&self) -> bool {
        matches!(self, Caller::Shard { .. } | Caller::ProducerIds(_))
    }

    /// The listener that the request came in on.
    pub fn listener(&self) -> Option<&str> {
        match self {
            Caller::Connection(_, listener) | Caller::Enveloped(_, listener, _) => Some(listener),
            Caller::Shard { .. } | Caller::ProducerIds(_) => None,
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
            Caller::Enveloped(call, _, inner) => {
                self.answer_call(&call, &envelope::wrap_answer(&inner, &response), turn);
            }
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
            // whoever asked may ask again; the records may be committed by then
            let response = super::controllers::refused_with(&one.response, ErrorCode::NotController);
            self.answer(one.caller, response, turn);
        }
    }
}
