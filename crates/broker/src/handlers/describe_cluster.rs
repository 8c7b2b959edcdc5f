//! DescribeCluster: the brokers that clients can reach, or why the controllers are not told here.

use protocol::messages::describe_cluster_request::DescribeClusterRequest;
use protocol::messages::describe_cluster_response::{DescribeClusterBroker, DescribeClusterResponse};
use protocol::{ErrorCode, Response, Str};

use crate::shard::{Answer, Call, Shard};

const BROKERS: i8 = 1;
const CONTROLLERS: i8 = 2;

pub(crate) fn handle(shard: &Shard, call: &Call, request: &DescribeClusterRequest) -> Answer {
    let mut response = DescribeClusterResponse {
        endpoint_type: BROKERS,
        cluster_id: Str::from(&*shard.node.cluster_id),
        controller_id: -1,
        cluster_authorized_operations: i32::MIN,
        ..Default::default()
    };
    match request.endpoint_type {
        BROKERS => {}
        CONTROLLERS => {
            response.error_code = ErrorCode::MismatchedEndpointType.code();
            response.error_message = Some(Str::from(
                "The request was sent to an endpoint of type BROKER, but we wanted an endpoint of type CONTROLLER",
            ));
            return Answer::Response(Response::DescribeCluster(response));
        }
        other => {
            response.error_code = ErrorCode::UnsupportedEndpointType.code();
            response.error_message = Some(Str::from(format!("Unsupported endpoint type {other}")));
            return Answer::Response(Response::DescribeCluster(response));
        }
    }
    let listener = shard.listener_name(call);
    let alive = shard.cluster.alive_endpoints(listener);
    response.controller_id = alive.first().map_or(-1, |endpoint| endpoint.node.0);
    let endpoints =
        if request.include_fenced_brokers { shard.cluster.all_endpoints(listener) } else { alive };
    response.brokers = endpoints
        .into_iter()
        .map(|endpoint| DescribeClusterBroker {
            broker_id: endpoint.node.0,
            host: endpoint.host,
            port: i32::from(endpoint.port),
            rack: endpoint.rack,
            is_fenced: endpoint.fenced,
        })
        .collect();
    if request.include_cluster_authorized_operations {
        response.cluster_authorized_operations = crate::authorizer::cluster_operations();
    }
    Answer::Response(Response::DescribeCluster(response))
}
