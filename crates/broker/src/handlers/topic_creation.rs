//! Topics that are created because somebody asked for them by Metadata or needs a coordinator. Nobody waits for it: the answer
//! says that they are not there, and clients ask again.

use std::str::FromStr;

use protocol::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig, CreateTopicsRequest};
use protocol::{ApiKey, ErrorCode, Request, Response, Str};

use crate::cluster;
use crate::event::Level;
use crate::handlers::find_coordinator::OFFSETS_TOPIC;
use crate::message::{Message, RequestContext};
use crate::purgatory::NEVER;
use crate::shard::{Call, ControllerWait, Shard, Turn};

const TIMEOUT_MS: i32 = 30_000;

/// Has those of the topics created that may be and are not being created already, with the defaults of the cluster.
pub(crate) fn create(shard: &mut Shard, turn: &mut Turn, call: &Call, names: &[Str]) {
    let Some(context) = shard.context(call) else { return };
    let limit = shard.node.limits.auto_created_topics;
    let wanted = names.iter().filter(|name| may_be_created(name) && !shard.creating_topics.contains(*name));
    let names: Vec<Str> = wanted.take(limit).cloned().collect();
    if names.is_empty() {
        return;
    }
    let topics = names.iter().map(|name| creatable(shard, name)).collect();
    let request = CreateTopicsRequest { topics, timeout_ms: TIMEOUT_MS, validate_only: false };
    shard.creating_topics.extend(names.iter().cloned());
    let id = shard.new_work();
    shard.controller_calls.insert(id, NEVER, ControllerWait::Topics(names));
    let api_version = ApiKey::CreateTopics.versions_before().max;
    turn.send_quorum(Message::ControllerRequest {
        id,
        context: RequestContext { api_version, ..context },
        request: Box::new(Request::CreateTopics(request)),
    });
}

/// The quorum has answered. Whoever asks from now on may have them created again.
pub(crate) fn on_reply(shard: &mut Shard, turn: &mut Turn, names: &[Str], response: &Response) {
    for name in names {
        shard.creating_topics.remove(name);
    }
    let Response::CreateTopics(created) = response else { return };
    for topic in &created.topics {
        let error = ErrorCode::from(topic.error_code);
        if !matches!(error, ErrorCode::None | ErrorCode::TopicAlreadyExists) {
            turn.log(Level::Warning, format!("{} is not created: {error}", topic.name));
        }
    }
}

fn may_be_created(name: &str) -> bool {
    name == OFFSETS_TOPIC || (!cluster::is_internal(name) && name != "__cluster_metadata")
}

fn creatable(shard: &Shard, name: &Str) -> CreatableTopic {
    match name == OFFSETS_TOPIC {
        true => offsets_topic(shard),
        false => CreatableTopic {
            name: name.clone(),
            // what this broker's own configuration says goes before the controller's defaults
            num_partitions: explicit(shard, "num.partitions").unwrap_or(-1),
            replication_factor: explicit(shard, "default.replication.factor").unwrap_or(-1),
            ..Default::default()
        },
    }
}

/// What the broker's own file says.
fn explicit<T: FromStr>(shard: &Shard, name: &str) -> Option<T> {
    shard.node.properties.get(name)?.trim().parse().ok()
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
