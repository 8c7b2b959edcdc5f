//! Users' SCRAM credentials: a password leaves this process only salted and hashed (RFC 5802, KIP-554).

use client::Error;
use protocol::messages::alter_user_scram_credentials_request::{
    ScramCredentialDeletion, ScramCredentialUpsertion,
};
use protocol::messages::describe_user_scram_credentials_request::UserName;
use protocol::messages::describe_user_scram_credentials_response::CredentialInfo;
use protocol::messages::{AlterUserScramCredentialsRequest, DescribeUserScramCredentialsRequest};
use protocol::{ApiKey, Str};

use super::alter::Change;
use super::entity::Entity;
use super::{refused, unsupported};
use crate::Stop;
use crate::admin::Admin;
use crate::output::say;

/// The protocol's number and the name.
const MECHANISMS: [(i8, &str); 2] = [(1, "SCRAM-SHA-256"), (2, "SCRAM-SHA-512")];
const ITERATIONS_MIN: i32 = 4096;
const SALT_BYTES: usize = 24;

fn mechanism(name: &str) -> Option<i8> {
    MECHANISMS.iter().find(|(_, known)| *known == name).map(|(number, _)| *number)
}

pub fn is_mechanism(config: &str) -> bool {
    mechanism(config).is_some()
}

/// Credentials are one user's, and changed apart from quotas.
pub fn check(entities: &[Entity], change: &Change) -> Result<(), Stop> {
    if !change.set.keys().chain(&change.delete).any(|key| is_mechanism(key)) {
        return Ok(());
    }
    if entities.iter().any(|entity| entity.name.as_deref() == Some("")) {
        return Err(Stop::error(
            "The use of --entity-default or --user-defaults is not allowed with User SCRAM Credentials using \
             --bootstrap-server.",
        ));
    }
    if super::quotas::is_meant(change) {
        return Err(Stop::error(
            "Cannot alter both quota and SCRAM credential configs simultaneously for 'users' using --bootstrap-server.",
        ));
    }
    change.set.iter().try_for_each(|(name, text)| Credential::read(name, text).map(drop))
}

#[derive(Debug, PartialEq, Eq)]
struct Credential<'a> {
    mechanism: i8,
    iterations: i32,
    password: &'a str,
}

impl<'a> Credential<'a> {
    /// `iterations=8192,password=…`; the first may be left out.
    fn read(name: &str, text: &'a str) -> Result<Credential<'a>, Stop> {
        let invalid = || {
            // the mechanism by its name in Java
            Stop::error(format!("Invalid credential property {}={text}", name.replace('-', "_")))
        };
        let (iterations, rest) = match text.strip_prefix("iterations=") {
            None => (ITERATIONS_MIN, text),
            Some(rest) => {
                let (number, rest) = rest.split_once(',').ok_or_else(invalid)?;
                (number.parse().map_err(|_| invalid())?, rest)
            }
        };
        let password = rest.strip_prefix("password=").ok_or_else(invalid)?;
        if iterations < ITERATIONS_MIN {
            return Err(Stop::error(format!(
                "Iterations {iterations} is less than the minimum {ITERATIONS_MIN} required for {name}"
            )));
        }
        Ok(Credential { mechanism: mechanism(name).ok_or_else(invalid)?, iterations, password })
    }

    fn salted(&self, salt: &[u8]) -> Vec<u8> {
        let (password, iterations) = (self.password.as_bytes(), self.iterations.unsigned_abs());
        match self.mechanism {
            1 => pbkdf2::pbkdf2_hmac_array::<sha2::Sha256, 32>(password, salt, iterations).to_vec(),
            _ => pbkdf2::pbkdf2_hmac_array::<sha2::Sha512, 64>(password, salt, iterations).to_vec(),
        }
    }
}

pub async fn alter(admin: &Admin, user: &str, change: &Change) -> Result<(), Stop> {
    let mut request = AlterUserScramCredentialsRequest::default();
    for (name, text) in &change.set {
        let credential = Credential::read(name, text)?;
        let mut salt = [0u8; SALT_BYTES];
        rustix::rand::getrandom(&mut salt, rustix::rand::GetRandomFlags::empty())
            .map_err(|error| Stop::error(error.to_string()))?;
        request.upsertions.push(ScramCredentialUpsertion {
            name: Str::from(user),
            mechanism: credential.mechanism,
            iterations: credential.iterations,
            salt: salt.to_vec().into(),
            salted_password: credential.salted(&salt).into(),
        });
    }
    for name in &change.delete {
        let mechanism = mechanism(name).unwrap_or_default();
        request.deletions.push(ScramCredentialDeletion { name: Str::from(user), mechanism });
    }
    let response =
        admin.call(&request).await.map_err(|error| unsupported(error, ApiKey::AlterUserScramCredentials))?;
    for result in response.results {
        Error::check(result.error_code, result.error_message.as_ref()).map_err(refused)?;
    }
    Ok(())
}

pub async fn describe(admin: &Admin, user: Option<&str>) -> Result<(), Stop> {
    let users = user.map(|user| vec![UserName { name: Str::from(user) }]);
    let response = match admin.call(&DescribeUserScramCredentialsRequest { users }).await {
        Ok(response) => response,
        Err(Error::Unsupported(_)) => return Ok(()),
        Err(error) => return Err(refused(error)),
    };
    Error::check(response.error_code, response.error_message.as_ref()).map_err(refused)?;
    // a user without credentials is an error of its own, and nothing to show
    for result in response.results.iter().filter(|result| result.error_code == 0) {
        let infos: Vec<String> = result.credential_infos.iter().map(shown).collect();
        say!("SCRAM credential configs for user-principal '{}' are {}", result.user, infos.join(", "));
    }
    Ok(())
}

fn shown(info: &CredentialInfo) -> String {
    let known = MECHANISMS.iter().find(|(number, _)| *number == info.mechanism);
    format!("{}=iterations={}", known.map_or("UNKNOWN", |(_, name)| name), info.iterations)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_read_as_kafka_reads_them() {
        let read =
            |name, text| Credential::read(name, text).map(|one| (one.iterations, one.password.to_owned()));
        let error = |text: &str| Err(Stop::error(text));
        for (name, text, expected) in [
            ("SCRAM-SHA-256", "iterations=8192,password=a,b=c", Ok((8192, "a,b=c".to_owned()))),
            ("SCRAM-SHA-512", "password=pw", Ok((4096, "pw".to_owned()))),
            ("SCRAM-SHA-256", "x", error("Invalid credential property SCRAM_SHA_256=x")),
            (
                "SCRAM-SHA-256",
                "iterations=x,password=x",
                error("Invalid credential property SCRAM_SHA_256=iterations=x,password=x"),
            ),
            (
                "SCRAM-SHA-256",
                "iterations=4,password=pw",
                error("Iterations 4 is less than the minimum 4096 required for SCRAM-SHA-256"),
            ),
        ] {
            assert_eq!(read(name, text), expected, "{text}");
        }
    }

    #[test]
    fn a_salted_password_is_the_rfcs() {
        // RFC 7677's example
        let credential = Credential { mechanism: 1, iterations: 4096, password: "pencil" };
        let salt =
            [0x5b, 0x6d, 0x99, 0x68, 0x9d, 0x12, 0x35, 0x8e, 0xec, 0xa0, 0x4b, 0x14, 0x12, 0x36, 0xfa, 0x81];
        let salted = credential.salted(&salt);
        let hex: String = salted.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, "c4a49510323ab4f952cac1fa99441939e78ea74d6be81ddf7096e87513dc615d");
        assert_eq!(Credential { mechanism: 2, ..credential }.salted(&salt).len(), 64);
    }
}
