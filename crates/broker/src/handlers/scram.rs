//! DescribeUserScramCredentials: whose credentials are on record, and how they were salted (KIP-554). No listener asks
//! for them yet.

use std::collections::BTreeMap;

use metadata::image::MetadataImage;
use protocol::messages::DescribeUserScramCredentialsRequest;
use protocol::messages::describe_user_scram_credentials_response::{
    CredentialInfo, DescribeUserScramCredentialsResponse, DescribeUserScramCredentialsResult,
};
use protocol::{ErrorCode, Response, Str};

use crate::shard::{Answer, Shard};

pub(crate) fn handle(shard: &Shard, request: &DescribeUserScramCredentialsRequest) -> Answer {
    Answer::Response(Response::DescribeUserScramCredentials(describe(&shard.cluster.image, request)))
}

/// Those who are asked for, each once; all where nobody is.
pub(crate) fn describe(
    image: &MetadataImage,
    request: &DescribeUserScramCredentialsRequest,
) -> DescribeUserScramCredentialsResponse {
    let mut users: BTreeMap<&Str, usize> = BTreeMap::new();
    match request.users.as_deref() {
        None | Some([]) => users.extend(image.scram.keys().map(|(user, _)| (user, 1))),
        Some(asked) => asked.iter().for_each(|user| *users.entry(&user.name).or_default() += 1),
    }
    let results = users.into_iter().map(|(user, times)| one(image, user, times)).collect();
    DescribeUserScramCredentialsResponse { results, ..Default::default() }
}

fn one(image: &MetadataImage, user: &Str, times: usize) -> DescribeUserScramCredentialsResult {
    let refused = |error: ErrorCode, message: String| DescribeUserScramCredentialsResult {
        user: user.clone(),
        error_code: error.code(),
        error_message: Some(Str::from(message)),
        ..Default::default()
    };
    if times > 1 {
        let message =
            format!("Cannot describe SCRAM credentials for the same user twice in a single request: {user}");
        return refused(ErrorCode::DuplicateResource, message);
    }
    let known = image.scram.range((user.clone(), i8::MIN)..=(user.clone(), i8::MAX));
    let credential_infos: Vec<_> = known
        .map(|(_, credential)| CredentialInfo {
            mechanism: credential.mechanism,
            iterations: credential.iterations,
        })
        .collect();
    if credential_infos.is_empty() {
        let message = format!("Attempt to describe a user credential that does not exist: {user}");
        return refused(ErrorCode::ResourceNotFound, message);
    }
    DescribeUserScramCredentialsResult { user: user.clone(), credential_infos, ..Default::default() }
}
