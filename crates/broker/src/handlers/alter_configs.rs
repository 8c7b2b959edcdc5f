//! AlterConfigs, IncrementalAlterConfigs: the controller decides, but what is asked for brokers is tried first on the
//! broker that was asked, which alone knows its file and what it can change while it runs.

use std::collections::BTreeMap;

use metadata::configs::Properties;
use metadata::configs::dynamic::validate_broker_change;
use metadata::image::ConfigResource;
use protocol::messages::{AlterConfigsResponse, IncrementalAlterConfigsResponse};
use protocol::messages::{alter_configs_response, incremental_alter_configs_response};
use protocol::{ErrorCode, Request, Response, Str};

use super::controller;
use crate::shard::{Answer, Call, ControllerWait, Shard, Turn};

/// A resource that the controller does not hear of, and why.
#[derive(Debug)]
pub(crate) struct RefusedResource {
    resource_type: i8,
    name: Str,
    message: String,
}

pub(crate) fn handle(shard: &mut Shard, turn: &mut Turn, call: Call, mut request: Request) -> Answer {
    let mut refused = Vec::new();
    let mut keep = |resource_type: i8, name: &Str, wanted: &dyn Fn(Properties) -> Properties| {
        let message = refusal(shard, resource_type, name, wanted);
        let kept = message.is_none();
        refused.extend(message.map(|message| RefusedResource { resource_type, name: name.clone(), message }));
        kept
    };
    let (left, answer) = match &mut request {
        Request::AlterConfigs(request) => {
            request.resources.retain(|one| {
                let given = one.configs.iter().map(|config| (&config.name, config.value.as_ref()));
                let given: BTreeMap<_, _> = given.collect();
                keep(one.resource_type, &one.resource_name, &|_| {
                    given
                        .iter()
                        .filter_map(|(name, value)| Some((name.to_string(), (*value)?.to_string())))
                        .collect()
                })
            });
            (request.resources.len(), Response::AlterConfigs(AlterConfigsResponse::default()))
        }
        Request::IncrementalAlterConfigs(request) => {
            request.resources.retain(|one| {
                keep(one.resource_type, &one.resource_name, &|mut properties| {
                    for config in &one.configs {
                        let given = config.value.as_deref().unwrap_or_default();
                        change(&mut properties, &config.name, config.config_operation, given);
                    }
                    properties
                })
            });
            let response = IncrementalAlterConfigsResponse::default();
            (request.resources.len(), Response::IncrementalAlterConfigs(response))
        }
        _ => return Answer::Close,
    };
    match (refused.is_empty(), left) {
        (true, _) => controller::forward(shard, turn, call, request),
        (false, 0) => Answer::Response(with_refusals(answer, refused)),
        (false, _) => {
            controller::forward_as(shard, turn, call, request, |call| ControllerWait::Configs(call, refused))
        }
    }
}

/// Why this broker refuses the change, if it does.
fn refusal(
    shard: &Shard,
    resource_type: i8,
    name: &Str,
    wanted: &dyn Fn(Properties) -> Properties,
) -> Option<String> {
    if resource_type != ConfigResource::BROKER {
        return None;
    }
    let node = shard.node.node_id.0;
    match name.parse::<i32>() {
        _ if name.is_empty() => {}
        Ok(id) if id == node => {}
        Ok(_) => return Some(format!("Unexpected broker id, expected {node}, but received {name}")),
        // the controller's own words
        Err(_) => return None,
    }
    let image = &shard.cluster.image;
    let present = image.properties(&ConfigResource::new(resource_type, name.clone())).clone();
    let layers = image.layers(node, &shard.node.properties);
    validate_broker_change(layers, &wanted(present), !name.is_empty()).err().map(|error| error.message)
}

/// One operation of IncrementalAlterConfigs; the controller refuses those that are not known.
fn change(properties: &mut Properties, name: &str, operation: i8, given: &str) {
    let items = |text: &str| -> Vec<String> {
        text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect()
    };
    let mut list = properties.get(name).map(|text| items(text)).unwrap_or_default();
    match operation {
        0 => drop(properties.insert(name.to_owned(), given.to_owned())),
        1 => drop(properties.remove(name)),
        2 => {
            let new: Vec<String> = items(given).into_iter().filter(|item| !list.contains(item)).collect();
            list.extend(new);
            properties.insert(name.to_owned(), list.join(","));
        }
        3 => {
            let gone = items(given);
            list.retain(|item| !gone.contains(item));
            properties.insert(name.to_owned(), list.join(","));
        }
        _ => {}
    }
}

/// The controller's answer and what it did not hear of.
pub(crate) fn with_refusals(mut response: Response, refused: Vec<RefusedResource>) -> Response {
    let error_code = ErrorCode::InvalidRequest.code();
    for RefusedResource { resource_type, name: resource_name, message } in refused {
        let error_message = Some(Str::from(message));
        match &mut response {
            Response::AlterConfigs(response) => {
                response.responses.push(alter_configs_response::AlterConfigsResourceResponse {
                    error_code,
                    error_message,
                    resource_type,
                    resource_name,
                });
            }
            Response::IncrementalAlterConfigs(response) => {
                response.responses.push(incremental_alter_configs_response::AlterConfigsResourceResponse {
                    error_code,
                    error_message,
                    resource_type,
                    resource_name,
                });
            }
            _ => {}
        }
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_on_present_values() {
        for (present, operation, given, expected) in [
            (None, 0, "a", Some("a")),
            (Some("a"), 0, "b", Some("b")),
            (Some("a"), 1, "", None),
            (None, 2, "a", Some("a")),
            (Some("a"), 2, "a,b", Some("a,b")),
            (Some("a, b"), 3, "a", Some("b")),
            (Some("a"), 9, "b", Some("a")),
        ] {
            let mut properties = Properties::new();
            properties.extend(present.map(|value| ("name".to_owned(), value.to_owned())));
            change(&mut properties, "name", operation, given);
            assert_eq!(
                properties.get("name").map(String::as_str),
                expected,
                "{present:?} {operation} {given}"
            );
        }
    }
}
