//! What is always empty: there are no quotas, credentials and ACLs to tell of. What a directory of Kafka's may hold of them
//! is not in force here.

use protocol::messages::DescribeUserScramCredentialsRequest;
use protocol::messages::describe_acls_response::DescribeAclsResponse;
use protocol::messages::describe_client_quotas_response::DescribeClientQuotasResponse;
use protocol::messages::describe_user_scram_credentials_request::UserName;
use protocol::messages::describe_user_scram_credentials_response::{
    DescribeUserScramCredentialsResponse, DescribeUserScramCredentialsResult,
};
use protocol::{ErrorCode, Response, Str};

use crate::shard::Answer;

pub(crate) fn describe_client_quotas() -> Answer {
    let entries = Some(Vec::new());
    Answer::Response(Response::DescribeClientQuotas(DescribeClientQuotasResponse {
        entries,
        ..Default::default()
    }))
}

/// Users who are asked for by name have none.
pub(crate) fn describe_user_scram_credentials(request: &DescribeUserScramCredentialsRequest) -> Answer {
    let asked = request.users.iter().flatten();
    let unknown = |user: &UserName| DescribeUserScramCredentialsResult {
        user: user.name.clone(),
        error_code: ErrorCode::ResourceNotFound.code(),
        error_message: Some(Str::from(format!(
            "Attempt to describe a user credential that does not exist: {}",
            user.name
        ))),
        ..Default::default()
    };
    Answer::Response(Response::DescribeUserScramCredentials(DescribeUserScramCredentialsResponse {
        results: asked.map(unknown).collect(),
        ..Default::default()
    }))
}

/// As Kafka answers where `authorizer.class.name` is not set.
pub(crate) fn describe_acls() -> Answer {
    Answer::Response(Response::DescribeAcls(DescribeAclsResponse {
        error_code: ErrorCode::SecurityDisabled.code(),
        error_message: Some(Str::from_static("No Authorizer is configured on the broker")),
        ..Default::default()
    }))
}
