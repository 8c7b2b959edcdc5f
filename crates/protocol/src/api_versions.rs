//! Rules of ApiVersions that its fields do not show: what is listed, how an unknown version is answered, which
//! client names are accepted, which features old versions may see.

use crate::messages::ApiVersionsResponse;
use crate::messages::api_versions_response::{ApiVersion, FinalizedFeatureKey, SupportedFeatureKey};
use crate::{ApiKey, ErrorCode, Listener, Str, Versions};

/// From this version on a feature whose lowest level is 0 may be listed; older clients cannot read it.
const ZERO_FEATURES_FROM: i16 = 4;

/// A feature that this node supports: name and levels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SupportedFeature {
    pub name: Str,
    pub levels: Versions,
}

/// The row of an API that is served in these versions. Brokers list Produce from 0 although 0 to 2 are refused:
/// librdkafka takes the lower end for the compression that it may use (KAFKA-18659).
pub fn listed(api_key: ApiKey, served: Versions, listener: Listener) -> ApiVersion {
    let produce = api_key == ApiKey::Produce && listener == Listener::Broker;
    ApiVersion {
        api_key: api_key.code(),
        min_version: if produce { 0 } else { served.min },
        max_version: served.max,
    }
}

/// The answer to a version of ApiVersions that is not served, always written in version 0 (KIP-511): the client
/// tries again with what it finds in the one row.
pub fn unsupported_version(served: Versions) -> ApiVersionsResponse {
    ApiVersionsResponse {
        error_code: ErrorCode::UnsupportedVersion.code(),
        api_keys: vec![listed(ApiKey::ApiVersions, served, Listener::Broker)],
        ..ApiVersionsResponse::default()
    }
}

/// Name or version of a client's software: letters and digits, `-` and `.` only inside.
pub fn is_software_name(text: &str) -> bool {
    let bytes = text.as_bytes();
    let ends = bytes.first().is_some_and(u8::is_ascii_alphanumeric)
        && bytes.last().is_some_and(u8::is_ascii_alphanumeric);
    ends && bytes.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.'))
}

/// The supported features that a client of this version may see.
pub fn supported_features(features: &[SupportedFeature], version: i16) -> Vec<SupportedFeatureKey> {
    let visible = features.iter().filter(|feature| version >= ZERO_FEATURES_FROM || feature.levels.min != 0);
    visible
        .map(|feature| SupportedFeatureKey {
            name: feature.name.clone(),
            min_version: feature.levels.min,
            max_version: feature.levels.max,
        })
        .collect()
}

/// The finalized features: a level of 0 means that the feature is not, and is left out.
pub fn finalized_features<'a>(levels: impl IntoIterator<Item = (&'a Str, i16)>) -> Vec<FinalizedFeatureKey> {
    let present = levels.into_iter().filter(|(_, level)| *level != 0);
    present
        .map(|(name, level)| FinalizedFeatureKey {
            name: name.clone(),
            min_version_level: level,
            max_version_level: level,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Message;

    #[test]
    fn software_names() {
        for (text, expected) in [
            ("apache-kafka-java", true),
            ("4.3.1", true),
            ("a", true),
            ("librdkafka", true),
            ("", false),
            ("-a", false),
            ("a-", false),
            ("a.", false),
            ("a b", false),
            ("a_b", false),
            ("消息", false),
        ] {
            assert_eq!(is_software_name(text), expected, "{text:?}");
        }
    }

    #[test]
    fn an_unknown_version_is_answered_in_version_0() {
        let bytes = unsupported_version(Versions::new(0, 4)).to_bytes(0).unwrap();
        assert_eq!(bytes, &b"\x00\x23\x00\x00\x00\x01\x00\x12\x00\x00\x00\x04"[..]);
    }

    #[test]
    fn features_from_level_0_are_hidden_from_old_clients() {
        let features = [("metadata.version", 7, 30), ("group.version", 0, 1)]
            .map(|(name, min, max)| SupportedFeature { name: name.into(), levels: Versions::new(min, max) });
        let names = |version| -> Vec<String> {
            supported_features(&features, version).into_iter().map(|key| key.name.into()).collect()
        };
        assert_eq!(names(3), ["metadata.version"]);
        assert_eq!(names(4), ["metadata.version", "group.version"]);
    }

    #[test]
    fn only_finalized_levels_are_listed() {
        let levels =
            [("group.version", 1), ("share.version", 0)].map(|(name, level)| (Str::from(name), level));
        let keys = finalized_features(levels.iter().map(|(name, level)| (name, *level)));
        assert_eq!(keys.len(), 1);
        assert_eq!((keys[0].min_version_level, keys[0].max_version_level), (1, 1));
    }

    #[test]
    fn produce_is_listed_from_0_on_brokers_only() {
        let served = Versions::new(3, 13);
        assert_eq!(listed(ApiKey::Produce, served, Listener::Broker).min_version, 0);
        assert_eq!(listed(ApiKey::Produce, served, Listener::Controller).min_version, 3);
        assert_eq!(listed(ApiKey::Fetch, Versions::new(4, 18), Listener::Broker).min_version, 4);
    }
}
