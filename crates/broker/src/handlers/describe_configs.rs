//! DescribeConfigs: what is in force for a topic, a broker, the cluster, a group, and where it comes from.

use metadata::configs::{ConfigSource, Entry, Synonym, describe};
use metadata::image::{ConfigResource, MetadataImage};
use protocol::messages::describe_configs_request::{DescribeConfigsRequest, DescribeConfigsResource};
use protocol::messages::describe_configs_response::{
    DescribeConfigsResourceResult, DescribeConfigsResponse, DescribeConfigsResult, DescribeConfigsSynonym,
};
use protocol::{ErrorCode, Response, Str};

use crate::cluster::is_valid_name;
use crate::config::NodeConfig;
use crate::shard::{Answer, Shard};

type Refusal = (ErrorCode, Option<String>);

pub(crate) fn handle(shard: &Shard, request: &DescribeConfigsRequest) -> Answer {
    Answer::Response(Response::DescribeConfigs(describe(&shard.cluster.image, &shard.node, request)))
}

/// What this node, broker or controller, has in force by that image.
pub(crate) fn describe(
    image: &MetadataImage,
    node: &NodeConfig,
    request: &DescribeConfigsRequest,
) -> DescribeConfigsResponse {
    let results = request.resources.iter().map(|resource| one(image, node, request, resource)).collect();
    DescribeConfigsResponse { results, ..Default::default() }
}

fn one(
    image: &MetadataImage,
    node: &NodeConfig,
    request: &DescribeConfigsRequest,
    resource: &DescribeConfigsResource,
) -> DescribeConfigsResult {
    let mut result = DescribeConfigsResult {
        resource_type: resource.resource_type,
        resource_name: resource.resource_name.clone(),
        ..Default::default()
    };
    match entries(image, node, resource.resource_type, &resource.resource_name) {
        Err((error, message)) => {
            result.error_code = error.code();
            result.error_message = Some(Str::from(message.unwrap_or_else(|| error.message().to_owned())));
        }
        Ok(entries) => {
            // no names are all names, and so is an empty list
            let keys = resource.configuration_keys.as_ref().filter(|keys| !keys.is_empty());
            let wanted = |entry: &Entry| keys.is_none_or(|keys| keys.iter().any(|key| **key == *entry.name));
            result.configs =
                entries.into_iter().filter(wanted).map(|entry| described(request, entry)).collect();
        }
    }
    result
}

fn entries(
    image: &MetadataImage,
    node: &NodeConfig,
    resource_type: i8,
    name: &Str,
) -> Result<Vec<Entry>, Refusal> {
    let loggers = &node.settings.loggers;
    let layers = image.layers(node.node_id.0, &node.properties);
    let node = node.node_id.0;
    let own = ConfigResource::new(resource_type, name.clone());
    match resource_type {
        ConfigResource::TOPIC if !is_valid_name(name) => Err((ErrorCode::InvalidTopicException, None)),
        ConfigResource::TOPIC if image.topics.by_name(name).is_none() => {
            // an empty text, as Kafka's
            Err((ErrorCode::UnknownTopicOrPartition, Some(String::new())))
        }
        ConfigResource::TOPIC => Ok(describe::topic(image.properties(&own), layers)),
        ConfigResource::BROKER if name.is_empty() => Ok(describe::cluster(layers)),
        ConfigResource::BROKER => match name.parse::<i32>() {
            Ok(id) if id == node => Ok(describe::broker(layers)),
            Ok(_) => Err(invalid(format!(
                "Unexpected broker id, expected {node} or empty string, but received {name}"
            ))),
            Err(_) => Err(invalid(format!("Broker id must be an integer, but it is: {name}"))),
        },
        ConfigResource::BROKER_LOGGER => match name.parse::<i32>() {
            Ok(id) if id == node => Ok(loggers.iter().map(logger).collect()),
            _ => Err(invalid(format!("Unexpected broker id, expected {node} but received {name}"))),
        },
        ConfigResource::CLIENT_METRICS if name.is_empty() => {
            Err(invalid("Client metrics subscription name must not be empty".to_owned()))
        }
        ConfigResource::CLIENT_METRICS => Ok(describe::client_metrics(image.properties(&own))),
        ConfigResource::GROUP if name.is_empty() => Err(invalid("Group name must not be empty".to_owned())),
        ConfigResource::GROUP => Ok(describe::group(image.properties(&own), layers)),
        _ => Err(invalid(format!("Unsupported resource type: {resource_type}"))),
    }
}

/// Levels are chosen when the process starts.
fn logger((name, level): &(String, &'static str)) -> Entry {
    Entry {
        name: name.clone(),
        value: Some((*level).to_owned()),
        source: ConfigSource::DynamicBrokerLogger,
        read_only: true,
        sensitive: false,
        synonyms: Vec::new(),
        definition: None,
    }
}

fn invalid(message: String) -> Refusal {
    (ErrorCode::InvalidRequest, Some(message))
}

fn described(request: &DescribeConfigsRequest, entry: Entry) -> DescribeConfigsResourceResult {
    let synonym = |synonym: Synonym| DescribeConfigsSynonym {
        name: Str::from(synonym.name),
        value: synonym.value.map(Str::from),
        source: synonym.source as i8,
    };
    let documentation = entry.definition.map(|definition| Str::from_static(definition.doc));
    DescribeConfigsResourceResult {
        name: Str::from(entry.name),
        value: entry.value.map(Str::from),
        read_only: entry.read_only,
        config_source: entry.source as i8,
        is_sensitive: entry.sensitive,
        synonyms: match request.include_synonyms {
            true => entry.synonyms.into_iter().map(synonym).collect(),
            false => Vec::new(),
        },
        config_type: entry.definition.map_or(0, |definition| definition.kind as i8),
        documentation: documentation.filter(|_| request.include_documentation),
    }
}
