//! What the controller decides: the request goes to the quorum and its answer comes back when it is committed and
//! every shard knows of it.

use protocol::{Request, Response};

use crate::message::Message;
use crate::purgatory::NEVER;
use crate::shard::{Answer, Call, ControllerWait, Shard, Turn};

pub(crate) fn forward(shard: &mut Shard, turn: &mut Turn, call: Call, request: Request) -> Answer {
    forward_as(shard, turn, call, request, ControllerWait::Forwarded)
}

/// `wait` says what to do with the answer.
pub(crate) fn forward_as(
    shard: &mut Shard,
    turn: &mut Turn,
    call: Call,
    request: Request,
    wait: impl FnOnce(Call) -> ControllerWait,
) -> Answer {
    let Some(context) = shard.context(&call) else { return Answer::Close };
    let id = shard.new_work();
    shard.controller_calls.insert(id, NEVER, wait(call));
    turn.send_quorum(Message::ControllerRequest { id, context, request: Box::new(request) });
    Answer::Later
}

/// The quorum has answered.
pub(crate) fn on_reply(shard: &mut Shard, turn: &mut Turn, wait: ControllerWait, response: Response) {
    match wait {
        ControllerWait::Forwarded(call) => shard.answer(turn, call, Answer::Response(response)),
        ControllerWait::Configs(call, refused) => {
            let response = super::alter_configs::with_refusals(response, refused);
            shard.answer(turn, call, Answer::Response(response));
        }
        ControllerWait::Alterations(asked) => shard.on_alterations(turn, asked, response),
        ControllerWait::Assignments(asked) => shard.on_assignments(turn, asked, response),
        ControllerWait::Topics(names) => super::topic_creation::on_reply(shard, turn, &names, &response),
    }
}
