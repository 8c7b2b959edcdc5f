//! ApiVersions: what is served, in which versions, and which features hold.

use metadata::features::{
    ELIGIBLE_LEADER_REPLICAS_VERSION, KRAFT_VERSION, METADATA_VERSION, supported_features,
};
use protocol::messages::api_versions_request::ApiVersionsRequest;
use protocol::messages::api_versions_response::{
    ApiVersion, ApiVersionsResponse, FinalizedFeatureKey, SupportedFeatureKey,
};
use protocol::{ApiKey, ErrorCode, Response, Str};

use crate::dispatch::{SERVED, served_versions};
use crate::shard::{Answer, Call, Shard};

/// Features all of whose APIs are served (KIP-584). Of those that a directory's log holds finalized, only these are
/// shown: a client would use APIs that are not here.
const FEATURES: [&str; 3] = [ELIGIBLE_LEADER_REPLICAS_VERSION, KRAFT_VERSION, METADATA_VERSION];

pub(crate) fn handle(shard: &Shard, call: &Call, request: &ApiVersionsRequest) -> Answer {
    let named = is_client_software(&request.client_software_name)
        && is_client_software(&request.client_software_version);
    if call.api_version >= 3 && !named {
        let error_code = ErrorCode::InvalidRequest.code();
        return Answer::Response(Response::ApiVersions(ApiVersionsResponse {
            error_code,
            ..Default::default()
        }));
    }
    let finalized = shard.cluster.finalized_features();
    let response = ApiVersionsResponse {
        api_keys: SERVED.iter().map(|&api_key| advertised(api_key)).collect(),
        supported_features: supported_features(shard.node.settings.unstable_feature_versions_enable)
            .into_iter()
            .filter(|(name, ..)| FEATURES.contains(name))
            // before version 4 a range that begins at 0 could not be told from an absent one (KAFKA-17011)
            .filter(|(_, min, _)| *min > 0 || call.api_version >= 4)
            .map(|(name, min_version, max_version)| SupportedFeatureKey {
                name: Str::from_static(name),
                min_version,
                max_version,
            })
            .collect(),
        finalized_features_epoch: shard.cluster.offset(),
        finalized_features: FEATURES
            .iter()
            .filter_map(|&name| Some((name, finalized(name)?)))
            .map(|(name, level)| FinalizedFeatureKey {
                name: Str::from_static(name),
                max_version_level: level,
                min_version_level: level,
            })
            .collect(),
        ..Default::default()
    };
    Answer::Response(Response::ApiVersions(response))
}

/// To a version that is not known: the form of version 0 and the range that is (KIP-511).
pub(crate) fn unsupported() -> Answer {
    Answer::Response(Response::ApiVersions(ApiVersionsResponse {
        error_code: ErrorCode::UnsupportedVersion.code(),
        api_keys: vec![advertised(ApiKey::ApiVersions)],
        ..Default::default()
    }))
}

fn advertised(api_key: ApiKey) -> ApiVersion {
    let versions = served_versions(api_key);
    // librdkafka turns compression off unless versions 0 to 2 seem to be there (KAFKA-18659)
    let min_version = if api_key == ApiKey::Produce { 0 } else { versions.min };
    ApiVersion { api_key: api_key.code(), min_version, max_version: versions.max }
}

/// `[a-zA-Z0-9](?:[a-zA-Z0-9\-.]*[a-zA-Z0-9])?`
fn is_client_software(text: &str) -> bool {
    let ends = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    ends(text.chars().next())
        && ends(text.chars().next_back())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_client_software() {
        for (text, expected) in [
            ("apache-kafka-java", true),
            ("4.3.1", true),
            ("a", true),
            ("", false),
            ("-a", false),
            ("a.", false),
            ("a b", false),
            ("é", false),
        ] {
            assert_eq!(is_client_software(text), expected, "{text}");
        }
    }
}
