//! ListConfigResources: of which topics, brokers, groups and metrics subscriptions configs can be asked (KIP-1142).

use metadata::image::ConfigResource;
use protocol::messages::list_config_resources_request::ListConfigResourcesRequest;
use protocol::messages::list_config_resources_response::{
    ConfigResource as Listed, ListConfigResourcesResponse,
};
use protocol::{ErrorCode, Response, Str};

use crate::shard::{Answer, Call, Shard};

const ALL: [i8; 5] = [
    ConfigResource::TOPIC,
    ConfigResource::BROKER,
    ConfigResource::BROKER_LOGGER,
    ConfigResource::CLIENT_METRICS,
    ConfigResource::GROUP,
];

pub(crate) fn handle(shard: &Shard, call: &Call, request: &ListConfigResourcesRequest) -> Answer {
    // version 0 knew of metrics subscriptions only
    let types: Vec<i8> = match (call.api_version, request.resource_types.as_slice()) {
        (0, _) => vec![ConfigResource::CLIENT_METRICS],
        (_, []) => ALL.to_vec(),
        (_, types) => types.to_vec(),
    };
    let mut response = ListConfigResourcesResponse::default();
    if types.iter().any(|one| !ALL.contains(one)) {
        response.error_code = ErrorCode::UnsupportedVersion.code();
        return Answer::Response(Response::ListConfigResources(response));
    }
    for resource_type in ALL.into_iter().filter(|one| types.contains(one)) {
        let named = |resource_name: Str| Listed { resource_name, resource_type };
        response.config_resources.extend(names(shard, resource_type).into_iter().map(named));
    }
    Answer::Response(Response::ListConfigResources(response))
}

fn names(shard: &Shard, resource_type: i8) -> Vec<Str> {
    let image = &shard.cluster.image;
    match resource_type {
        ConfigResource::TOPIC => shard.cluster.topics().map(|topic| topic.name().clone()).collect(),
        ConfigResource::BROKER | ConfigResource::BROKER_LOGGER => {
            image.cluster.brokers.keys().map(|id| Str::from(id.to_string())).collect()
        }
        _ => {
            let of_type = |resource: &&ConfigResource| resource.resource_type == resource_type;
            image.configs.keys().filter(of_type).map(|resource| resource.name.clone()).collect()
        }
    }
}
