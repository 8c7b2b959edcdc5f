//! Quotas of users, clients and addresses, and users' SCRAM credentials, as far as the broker tells.

use client::Error;
use protocol::Str;
use protocol::messages::describe_client_quotas_request::ComponentData;
use protocol::messages::describe_client_quotas_response::EntryData;
use protocol::messages::describe_user_scram_credentials_request::UserName;
use protocol::messages::{DescribeClientQuotasRequest, DescribeUserScramCredentialsRequest};

use super::entity::{Entity, Kind};
use super::refused;
use crate::Stop;
use crate::admin::Admin;
use crate::output::say;

const EXACT: i8 = 0;
const DEFAULT: i8 = 1;
const ANY: i8 = 2;

/// The protocol's name and the name that is shown.
fn names(kind: Kind) -> (&'static str, &'static str) {
    match kind {
        Kind::Users => ("user", "user-principal"),
        Kind::Clients => ("client-id", "client-id"),
        _ => ("ip", "ip"),
    }
}

pub async fn describe(admin: &Admin, entities: &[Entity]) -> Result<(), Stop> {
    let component = |entity: &Entity| ComponentData {
        entity_type: Str::from(names(entity.kind).0),
        match_type: match entity.name.as_deref() {
            None => ANY,
            Some("") => DEFAULT,
            Some(_) => EXACT,
        },
        r#match: entity.name.as_deref().filter(|name| !name.is_empty()).map(Str::from),
    };
    let request =
        DescribeClientQuotasRequest { components: entities.iter().map(component).collect(), strict: true };
    let response = admin.call(&request).await.map_err(refused)?;
    Error::check(response.error_code, response.error_message.as_ref()).map_err(refused)?;
    for entry in response.entries.unwrap_or_default() {
        say!("{}", line(&entry));
    }
    match entities {
        [Entity { kind: Kind::Users, name }] if name.as_deref() != Some("") => {
            credentials(admin, name.as_deref()).await
        }
        _ => Ok(()),
    }
}

fn line(entry: &EntryData) -> String {
    let mut parts = Vec::new();
    for kind in [Kind::Users, Kind::Clients, Kind::Ips] {
        let (of_protocol, shown) = names(kind);
        let Some(entity) = entry.entity.iter().find(|one| one.entity_type == of_protocol) else { continue };
        parts.push(match &entity.entity_name {
            Some(name) => format!("{shown} '{name}'"),
            None => format!("the default {shown}"),
        });
    }
    let mut values: Vec<String> =
        entry.values.iter().map(|one| format!("{}={:?}", one.key, one.value)).collect();
    values.sort_unstable();
    format!("Quota configs for {} are {}", parts.join(", "), values.join(", "))
}

async fn credentials(admin: &Admin, user: Option<&str>) -> Result<(), Stop> {
    let users = user.map(|user| vec![UserName { name: Str::from(user) }]);
    let response = match admin.call(&DescribeUserScramCredentialsRequest { users }).await {
        Ok(response) => response,
        Err(Error::Unsupported(_)) => return Ok(()),
        Err(error) => return Err(refused(error)),
    };
    Error::check(response.error_code, response.error_message.as_ref()).map_err(refused)?;
    // a user without credentials is an error of its own, and nothing to show
    for result in response.results.iter().filter(|result| result.error_code == 0) {
        let one = |info: &protocol::messages::describe_user_scram_credentials_response::CredentialInfo| {
            let mechanism = if info.mechanism == 1 { "SCRAM-SHA-256" } else { "SCRAM-SHA-512" };
            format!("{mechanism}=iterations={}", info.iterations)
        };
        let infos: Vec<String> = result.credential_infos.iter().map(one).collect();
        say!("SCRAM credential configs for user-principal '{}' are {}", result.user, infos.join(", "));
    }
    Ok(())
}
