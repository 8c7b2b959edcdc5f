//! AlterUserScramCredentials. The client sends the salted password, what is stored is made of it by the caller's
//! hash functions.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use protocol::messages::alter_user_scram_credentials_response::AlterUserScramCredentialsResult;
use protocol::messages::{AlterUserScramCredentialsRequest, AlterUserScramCredentialsResponse};
use protocol::records::metadata::*;
use protocol::{ErrorCode, Str};

use super::{ApiError, Controller, Outcome};

const ITERATIONS_MIN: i32 = 4096;
const ITERATIONS_MAX: i32 = 16384;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScramMechanism {
    Sha256,
    Sha512,
}

impl ScramMechanism {
    pub fn from_wire(mechanism: i8) -> Option<ScramMechanism> {
        match mechanism {
            1 => Some(ScramMechanism::Sha256),
            2 => Some(ScramMechanism::Sha512),
            _ => None,
        }
    }
}

/// Of a salted password: H(HMAC(p, "Client Key")) and HMAC(p, "Server Key").
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScramKeys {
    pub stored_key: Bytes,
    pub server_key: Bytes,
}

impl Controller {
    pub fn alter_user_scram_credentials(
        &self,
        request: &AlterUserScramCredentialsRequest,
        keys: &dyn Fn(ScramMechanism, &[u8]) -> ScramKeys,
    ) -> Outcome<AlterUserScramCredentialsResponse> {
        let mut errors: BTreeMap<Str, Option<ApiError>> = BTreeMap::new();
        let names = request.deletions.iter().map(|one| &one.name);
        let names = names.chain(request.upsertions.iter().map(|one| &one.name));
        let mut seen = BTreeSet::new();
        for name in names {
            let error = (!seen.insert(name)).then(|| {
                let message = "A user credential cannot be altered twice in the same request";
                ApiError::new(ErrorCode::DuplicateResource, message)
            });
            errors.insert(name.clone(), error);
        }
        let mut records = Vec::new();
        for one in &request.deletions {
            let Some(slot @ None) = errors.get_mut(&one.name) else { continue };
            match self.check_supported().and_then(|()| self.delete_credential(&one.name, one.mechanism)) {
                Ok(record) => records.push(record),
                Err(error) => *slot = Some(error),
            }
        }
        for one in &request.upsertions {
            let Some(slot @ None) = errors.get_mut(&one.name) else { continue };
            let checked = self.check_supported();
            match checked.and_then(|()| check_upsertion(&one.name, one.mechanism, one.iterations)) {
                Err(error) => *slot = Some(error),
                Ok(mechanism) => {
                    let made = keys(mechanism, &one.salted_password);
                    records.push(MetadataRecord::UserScramCredential(UserScramCredentialRecord {
                        name: one.name.detached(),
                        mechanism: one.mechanism,
                        salt: Bytes::copy_from_slice(&one.salt),
                        stored_key: made.stored_key,
                        server_key: made.server_key,
                        iterations: one.iterations,
                    }));
                }
            }
        }
        let result = |(user, error): (Str, Option<ApiError>)| AlterUserScramCredentialsResult {
            user,
            error_code: error.as_ref().map_or(0, |error| error.code.code()),
            error_message: error.as_ref().and_then(ApiError::text),
        };
        let results = errors.into_iter().map(result).collect();
        Outcome::atomic(records, AlterUserScramCredentialsResponse { throttle_time_ms: 0, results })
    }

    fn check_supported(&self) -> Result<(), ApiError> {
        if self.metadata_version().supports_scram() {
            return Ok(());
        }
        let message = "The current metadata.version does not support SCRAM";
        Err(ApiError::new(ErrorCode::UnsupportedVersion, message))
    }

    fn delete_credential(&self, name: &Str, mechanism: i8) -> Result<MetadataRecord, ApiError> {
        check_user(name)?;
        known(mechanism)?;
        if !self.image().scram.contains_key(&(name.clone(), mechanism)) {
            let message = "Attempt to delete a user credential that does not exist";
            return Err(ApiError::new(ErrorCode::ResourceNotFound, message));
        }
        let name = name.detached();
        Ok(MetadataRecord::RemoveUserScramCredential(RemoveUserScramCredentialRecord { name, mechanism }))
    }
}

fn check_user(name: &str) -> Result<(), ApiError> {
    if name.is_empty() {
        return Err(ApiError::new(ErrorCode::UnacceptableCredential, "Username must not be empty"));
    }
    Ok(())
}

fn known(mechanism: i8) -> Result<ScramMechanism, ApiError> {
    let refuse = || ApiError::new(ErrorCode::UnsupportedSaslMechanism, "Unknown SCRAM mechanism");
    ScramMechanism::from_wire(mechanism).ok_or_else(refuse)
}

fn check_upsertion(name: &str, mechanism: i8, iterations: i32) -> Result<ScramMechanism, ApiError> {
    check_user(name)?;
    let mechanism = known(mechanism)?;
    let refuse = |message: &str| Err(ApiError::new(ErrorCode::UnacceptableCredential, message));
    if iterations < ITERATIONS_MIN {
        return refuse("Too few iterations");
    }
    if iterations > ITERATIONS_MAX {
        return refuse("Too many iterations");
    }
    Ok(mechanism)
}
