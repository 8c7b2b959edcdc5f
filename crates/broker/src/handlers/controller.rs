//! What the controller decides: the request goes to the quorum and its answer comes back when it is committed and
//! every shard knows of it.

use std::str::FromStr;

use protocol::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig, CreateTopicsRequest};
use protocol::{ApiKey, ErrorCode, Request, Response, Str};

use crate::cluster;
use crate::handlers::find_coordinator::OFFSETS_TOPIC;
use crate::message::{Message, RequestContext};
use crate::purgatory::NEVER;
use crate::shard::{Answer, Call, ControllerWait, Shard, Turn};

/// How long a topic's creation for somebody who asked for something else may take.
const CREATION_TIMEOUT_MS: i32 = 30_000;

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

/// Has topics created with the defaults of the cluster, then answers Metadata.
pub(crate) fn create_then_answer(
    shard: &mut Shard,
    turn: &mut Turn,
    call: Call,
    names: &[Str],
    response: Response,
) -> Answer {
    let Some(context) = shard.context(&call) else { return Answer::Close };
    let names = names.get(..names.len().min(shard.node.limits.auto_created_topics)).unwrap_or(names);
    let needs_offsets = names.iter().any(|name| *name == OFFSETS_TOPIC);
    let topics = names.iter().filter(|name| may_be_created(name)).map(|name| CreatableTopic {
        name: name.clone(),
        // what this broker's own configuration says goes before the controller's defaults
        num_partitions: explicit(shard, "num.partitions").unwrap_or(-1),
        replication_factor: explicit(shard, "default.replication.factor").unwrap_or(-1),
        ..Default::default()
    });
    let mut topics: Vec<_> = topics.collect();
    if needs_offsets {
        topics.push(offsets_topic(shard));
    }
    if topics.is_empty() {
        return Answer::Response(response);
    }
    let id = shard.new_work();
    shard.controller_calls.insert(id, NEVER, ControllerWait::Metadata(call, Box::new(response)));
    send_creation(turn, id, context, topics);
    Answer::Later
}

/// What the broker's own file says.
fn explicit<T: FromStr>(shard: &Shard, name: &str) -> Option<T> {
    shard.node.properties.get(name)?.trim().parse().ok()
}

fn may_be_created(name: &str) -> bool {
    !cluster::is_internal(name) && name != "__cluster_metadata"
}

/// Begins the creation of `__consumer_offsets`, once at a time. Nobody waits for it: clients ask again.
pub(crate) fn create_offsets_topic(shard: &mut Shard, turn: &mut Turn, call: Call) {
    if shard.groups.creating_topic {
        return;
    }
    let Some(context) = shard.context(&call) else { return };
    shard.groups.creating_topic = true;
    let id = shard.new_work();
    shard.controller_calls.insert(id, NEVER, ControllerWait::OffsetsTopic);
    let topic = offsets_topic(shard);
    send_creation(turn, id, context, vec![topic]);
}

fn offsets_topic(shard: &Shard) -> CreatableTopic {
    let settings = &shard.node.settings;
    let config = |name: &'static str, value: String| CreatableTopicConfig {
        name: Str::from_static(name),
        value: Some(Str::from(value)),
    };
    CreatableTopic {
        name: Str::from_static(OFFSETS_TOPIC),
        num_partitions: settings.offsets_topic_num_partitions,
        replication_factor: settings.offsets_topic_replication_factor,
        configs: vec![
            config("cleanup.policy", "compact".into()),
            config("compression.type", "producer".into()),
            config("segment.bytes", settings.offsets_topic_segment_bytes.to_string()),
        ],
        ..Default::default()
    }
}

fn send_creation(
    turn: &mut Turn,
    id: crate::message::WorkId,
    context: RequestContext,
    topics: Vec<CreatableTopic>,
) {
    let request = CreateTopicsRequest { topics, timeout_ms: CREATION_TIMEOUT_MS, validate_only: false };
    let api_version = ApiKey::CreateTopics.versions_before().max;
    let context = RequestContext { api_version, ..context };
    turn.send_quorum(Message::ControllerRequest {
        id,
        context,
        request: Box::new(Request::CreateTopics(request)),
    });
}

/// The quorum has answered.
pub(crate) fn on_reply(shard: &mut Shard, turn: &mut Turn, wait: ControllerWait, response: Response) {
    let errors = |response: &Response| match response {
        Response::CreateTopics(created) => {
            created.topics.iter().map(|topic| (topic.name.clone(), topic.error_code)).collect()
        }
        _ => Vec::new(),
    };
    match wait {
        ControllerWait::Forwarded(call) => shard.answer(turn, call, Answer::Response(response)),
        ControllerWait::Configs(call, refused) => {
            let response = super::alter_configs::with_refusals(response, refused);
            shard.answer(turn, call, Answer::Response(response));
        }
        ControllerWait::Alterations(asked) => shard.on_alterations(turn, asked, response),
        ControllerWait::Assignments(asked) => shard.on_assignments(turn, asked, response),
        ControllerWait::OffsetsTopic => {
            shard.groups.creating_topic = false;
            for (name, error) in errors(&response) {
                let error = ErrorCode::from(error);
                if !matches!(error, ErrorCode::None | ErrorCode::TopicAlreadyExists) {
                    turn.log(crate::event::Level::Warning, format!("{name} is not created: {error}"));
                }
            }
        }
        ControllerWait::Metadata(call, mut waiting) => {
            if let Response::Metadata(metadata) = waiting.as_mut() {
                super::metadata::after_creation(shard, metadata, &errors(&response));
            }
            shard.answer(turn, call, Answer::Response(*waiting));
        }
    }
}
