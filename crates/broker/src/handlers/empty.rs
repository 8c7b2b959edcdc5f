//! What is always empty: there are no quotas and ACLs to tell of. What a directory of Kafka's may hold of them is not in
//! force here.

use protocol::messages::describe_acls_response::DescribeAclsResponse;
use protocol::messages::describe_client_quotas_response::DescribeClientQuotasResponse;
use protocol::{ErrorCode, Response, Str};

use crate::shard::Answer;

pub(crate) fn describe_client_quotas() -> Answer {
    let entries = Some(Vec::new());
    Answer::Response(Response::DescribeClientQuotas(DescribeClientQuotasResponse {
        entries,
        ..Default::default()
    }))
}

/// As Kafka answers where `authorizer.class.name` is not set.
pub(crate) fn no_acls() -> Response {
    Response::DescribeAcls(DescribeAclsResponse {
        error_code: ErrorCode::SecurityDisabled.code(),
        error_message: Some(Str::from_static("No Authorizer is configured on the broker")),
        ..Default::default()
    })
}
