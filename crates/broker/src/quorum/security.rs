//! What any controller answers by itself, active or not: the configs in force, the credentials on record, and Kafka's
//! own refusals of a node that has no authorizer, no SASL listener and no delegation tokens.

use bytes::Bytes;
use hmac::digest::KeyInit;
use hmac::{Hmac, Mac};
use metadata::controller::{ScramKeys, ScramMechanism};
use protocol::messages as m;
use protocol::{ErrorCode, Request, Response, Str};
use sha2::{Digest, Sha256, Sha512};

use super::Quorum;
use super::reply::Caller;
use crate::handlers::{describe_configs, empty, scram};

const NO_AUTHORIZER: &str = "No Authorizer is configured.";
/// Time stamps of an answer without a token.
const NO_TIME: i64 = -1;

impl Quorum {
    /// None for what only the active controller answers.
    pub(super) fn told_by_any(&self, request: &Request, caller: &Caller) -> Option<Response> {
        let image = self.loader.head();
        Some(match request {
            Request::DescribeConfigs(request) => {
                Response::DescribeConfigs(describe_configs::describe(image, &self.node, request))
            }
            Request::DescribeUserScramCredentials(request) => {
                Response::DescribeUserScramCredentials(scram::describe(image, request))
            }
            Request::DescribeAcls(_) => empty::no_acls(),
            Request::CreateAcls(request) if !self.has_authorizer() => refused_creations(request),
            Request::DeleteAcls(request) if !self.has_authorizer() => refused_deletions(request),
            request => return without_sasl(request, caller),
        })
    }

    /// An authorizer of Kafka's brokers in the same cluster keeps its rules in this log: where one is named, they are
    /// taken down.
    fn has_authorizer(&self) -> bool {
        !self.config.str("authorizer.class.name").unwrap_or_default().is_empty()
    }
}

fn refused_creations(request: &m::CreateAclsRequest) -> Response {
    let result = |_: &_| m::create_acls_response::AclCreationResult {
        error_code: ErrorCode::SecurityDisabled.code(),
        error_message: Some(Str::from_static(NO_AUTHORIZER)),
    };
    let results = request.creations.iter().map(result).collect();
    Response::CreateAcls(m::CreateAclsResponse { results, ..Default::default() })
}

fn refused_deletions(request: &m::DeleteAclsRequest) -> Response {
    let result = |_: &_| m::delete_acls_response::DeleteAclsFilterResult {
        error_code: ErrorCode::SecurityDisabled.code(),
        error_message: Some(Str::from_static(NO_AUTHORIZER)),
        ..Default::default()
    };
    let filter_results = request.filters.iter().map(result).collect();
    Response::DeleteAcls(m::DeleteAclsResponse { filter_results, ..Default::default() })
}

/// The caller came in by plain text, or by a broker that let it in with SASL; then tokens are asked of a node that has
/// no secret key for them.
fn without_sasl(request: &Request, caller: &Caller) -> Option<Response> {
    let no_tokens = match caller {
        Caller::Enveloped(..) => ErrorCode::DelegationTokenAuthDisabled,
        _ => ErrorCode::DelegationTokenRequestNotAllowed,
    }
    .code();
    let not_now = ErrorCode::IllegalSaslState.code();
    Some(match request {
        Request::SaslHandshake(_) => {
            Response::SaslHandshake(m::SaslHandshakeResponse { error_code: not_now, ..Default::default() })
        }
        Request::SaslAuthenticate(_) => Response::SaslAuthenticate(m::SaslAuthenticateResponse {
            error_code: not_now,
            error_message: Some(Str::from_static(
                "SaslAuthenticate request received after successful authentication",
            )),
            ..Default::default()
        }),
        Request::CreateDelegationToken(_) => {
            Response::CreateDelegationToken(m::CreateDelegationTokenResponse {
                error_code: no_tokens,
                issue_timestamp_ms: NO_TIME,
                expiry_timestamp_ms: NO_TIME,
                max_timestamp_ms: NO_TIME,
                ..Default::default()
            })
        }
        Request::RenewDelegationToken(_) => Response::RenewDelegationToken(m::RenewDelegationTokenResponse {
            error_code: no_tokens,
            expiry_timestamp_ms: NO_TIME,
            ..Default::default()
        }),
        Request::ExpireDelegationToken(_) => {
            Response::ExpireDelegationToken(m::ExpireDelegationTokenResponse {
                error_code: no_tokens,
                expiry_timestamp_ms: NO_TIME,
                ..Default::default()
            })
        }
        Request::DescribeDelegationToken(_) => {
            Response::DescribeDelegationToken(m::DescribeDelegationTokenResponse {
                error_code: no_tokens,
                ..Default::default()
            })
        }
        _ => return None,
    })
}

/// What is kept of a salted password (RFC 5802).
pub(super) fn scram_keys(mechanism: ScramMechanism, salted_password: &[u8]) -> ScramKeys {
    match mechanism {
        ScramMechanism::Sha256 => keys::<Hmac<Sha256>, Sha256>(salted_password),
        ScramMechanism::Sha512 => keys::<Hmac<Sha512>, Sha512>(salted_password),
    }
}

fn keys<M: Mac + KeyInit, D: Digest>(salted_password: &[u8]) -> ScramKeys {
    let sign = |text: &[u8]| {
        let mac = <M as Mac>::new_from_slice(salted_password).expect("HMAC takes a key of any length");
        mac.chain_update(text).finalize().into_bytes()
    };
    ScramKeys {
        stored_key: Bytes::copy_from_slice(&D::digest(sign(b"Client Key"))),
        server_key: Bytes::copy_from_slice(&sign(b"Server Key")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(text: &str) -> Vec<u8> {
        (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
    }

    /// Of the password `pencil` with the salt and the 4,096 iterations of RFC 7677, as Python's hashlib has them.
    #[test]
    fn keys_of_a_salted_password() {
        for (mechanism, salted, stored, server) in [
            (
                ScramMechanism::Sha256,
                "c4a49510323ab4f952cac1fa99441939e78ea74d6be81ddf7096e87513dc615d",
                "586e5df283e6dceb5c3e791d8b8528ec191e664045ce971792e2e6b5bb13e2a6",
                "c1f3cbc1c13a9d35a14c0990eed97629ea225863e566a4314ab99f3f00e5d9d5",
            ),
            (
                ScramMechanism::Sha512,
                "f16efe1be67f1d09502ebd5ed9262fddffba5a377ab4f0b687e5ed5ba0f50686\
                 b8a4ae166476da8ab3b951d2fa9238b63998f45461bc33a464814949cec9631d",
                "e8002e6f7d3ae446119b216933644dc2a2be7869eb918b8459b5e7d7d2ec1260\
                 6aceef106825cd735170a675fd3611f684affad1dce3f43a0ee43bd590e1dbbe",
                "8d91db6230b5687874fe129bc7206e1858c3ae08e02934f57ac03b6b05a229c4\
                 59d28ff46f5c9611e6c179256490215ec1ff759cb0df285db89af0f99e613aac",
            ),
        ] {
            let keys = scram_keys(mechanism, &hex(salted));
            assert_eq!(keys.stored_key, hex(stored), "{mechanism:?}");
            assert_eq!(keys.server_key, hex(server), "{mechanism:?}");
        }
    }
}
