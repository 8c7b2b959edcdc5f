//! InitProducerId: a fresh id for an idempotent producer, out of the block that the controller has given.

use std::collections::VecDeque;

use protocol::messages::init_producer_id_request::InitProducerIdRequest;
use protocol::messages::init_producer_id_response::InitProducerIdResponse;
use protocol::{ErrorCode, Response};
use types::ProducerId;

use crate::message::{Message, ProducerIdBlock};
use crate::shard::{Answer, Call, Shard, Turn};

/// Ids of this shard, and who waits for more.
#[derive(Default)]
pub(crate) struct ProducerIds {
    next: i64,
    left: i64,
    asked: bool,
    waiting: VecDeque<Call>,
}

impl ProducerIds {
    fn take(&mut self) -> Option<ProducerId> {
        if self.left == 0 {
            return None;
        }
        let id = self.next;
        self.next += 1;
        self.left -= 1;
        Some(ProducerId(id))
    }
}

pub(crate) fn handle(
    shard: &mut Shard,
    turn: &mut Turn,
    call: Call,
    request: InitProducerIdRequest,
) -> Answer {
    if request.transactional_id.as_deref() == Some("") {
        return refuse(ErrorCode::InvalidRequest);
    }
    if request.transactional_id.is_some() {
        // Transactions are not served. Of the errors that no client tries again, this one names the transactional id.
        return refuse(ErrorCode::TransactionalIdAuthorizationFailed);
    }
    if let Some(id) = shard.producer_ids.take() {
        return Answer::Response(grant(id));
    }
    shard.producer_ids.waiting.push_back(call);
    if !std::mem::replace(&mut shard.producer_ids.asked, true) {
        turn.send_quorum(Message::AllocateProducerIds);
    }
    Answer::Later
}

fn grant(id: ProducerId) -> Response {
    Response::InitProducerId(InitProducerIdResponse {
        producer_id: id.0,
        producer_epoch: 0,
        ..Default::default()
    })
}

fn refuse(error: ErrorCode) -> Answer {
    Answer::Response(Response::InitProducerId(InitProducerIdResponse {
        error_code: error.code(),
        producer_id: -1,
        producer_epoch: -1,
        ..Default::default()
    }))
}

/// The quorum has answered.
pub(crate) fn on_block(shard: &mut Shard, turn: &mut Turn, block: Option<ProducerIdBlock>) {
    shard.producer_ids.asked = false;
    if let Some(block) = block {
        shard.producer_ids.next = block.first.0;
        shard.producer_ids.left = i64::from(block.count.max(0));
    }
    let failed = block.is_none();
    while let Some(call) = shard.producer_ids.waiting.pop_front() {
        match shard.producer_ids.take() {
            Some(id) => shard.answer(turn, call, Answer::Response(grant(id))),
            None if failed => shard.answer(turn, call, refuse(ErrorCode::CoordinatorLoadInProgress)),
            None => {
                shard.producer_ids.waiting.push_front(call);
                shard.producer_ids.asked = true;
                turn.send_quorum(Message::AllocateProducerIds);
                return;
            }
        }
    }
}
