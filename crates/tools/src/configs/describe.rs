//! `--describe`: configs with where they come from.

use client::Error;
use protocol::ErrorCode;
use protocol::messages::describe_configs_response::DescribeConfigsResourceResult;
use protocol::messages::{ListConfigResourcesRequest, MetadataResponse};

use super::entity::{Entity, Kind};
use super::{credentials, quotas, refused};
use crate::Stop;
use crate::admin::Admin;
use crate::options::Parsed;
use crate::output::say;

const SOURCES: [&str; 9] = [
    "UNKNOWN",
    "DYNAMIC_TOPIC_CONFIG",
    "DYNAMIC_BROKER_CONFIG",
    "DYNAMIC_DEFAULT_BROKER_CONFIG",
    "STATIC_BROKER_CONFIG",
    "DEFAULT_CONFIG",
    "DYNAMIC_BROKER_LOGGER_CONFIG",
    "DYNAMIC_CLIENT_METRICS_CONFIG",
    "DYNAMIC_GROUP_CONFIG",
];

pub async fn run(admin: &Admin, parsed: &Parsed, entities: &[Entity]) -> Result<(), Stop> {
    let Some(entity) = entities.first() else { return Ok(()) };
    let Some(resource_type) = entity.kind.resource_type() else {
        quotas::describe(admin, entities).await?;
        return match entities {
            [Entity { kind: Kind::Users, name }] if name.as_deref() != Some("") => {
                credentials::describe(admin, name.as_deref()).await
            }
            _ => Ok(()),
        };
    };
    let all = parsed.has("all");
    let everything;
    let names = match &entity.name {
        Some(name) => {
            let is_default = name.is_empty() && entity.kind == Kind::Brokers;
            if !is_default && !parsed.has("bootstrap-controller") {
                everything = known(admin, entity.kind).await?;
                if !everything.contains(name) {
                    let kind = entity.kind.singular();
                    say!("The {kind} '{name}' doesn't exist and doesn't have dynamic config.");
                    return Ok(());
                }
            }
            vec![name.clone()]
        }
        None => known(admin, entity.kind).await?,
    };
    for name in names {
        let is_default = name.is_empty() && entity.kind == Kind::Brokers;
        match (is_default, all) {
            (true, _) => say!("Default configs for {} in the cluster are:", entity.kind.plural()),
            (false, true) => say!("All configs for {} {name} are:", entity.kind.singular()),
            (false, false) => say!("Dynamic configs for {} {name} are:", entity.kind.singular()),
        }
        let results = admin.configs(resource_type, &[name], true).await.map_err(refused)?;
        let mut configs: Vec<_> = results.into_iter().flat_map(|result| result.configs).collect();
        configs.sort_by(|a, b| a.name.cmp(&b.name));
        for config in configs.iter().filter(|config| all || is_dynamic(entity.kind, is_default, config)) {
            say!("{}", line(config));
        }
    }
    Ok(())
}

/// Whether a config is the entity's own.
fn is_dynamic(kind: Kind, is_default: bool, config: &DescribeConfigsResourceResult) -> bool {
    let source = match kind {
        Kind::Topics => 1,
        Kind::Brokers if is_default => 3,
        Kind::Brokers => 2,
        Kind::BrokerLoggers => return true,
        Kind::ClientMetrics => 7,
        _ => 8,
    };
    config.config_source == source
}

fn line(config: &DescribeConfigsResourceResult) -> String {
    let value = |value: &Option<protocol::Str>| value.as_deref().unwrap_or("null").to_owned();
    let synonyms: Vec<String> = config
        .synonyms
        .iter()
        .map(|one| {
            let source = usize::try_from(one.source).ok().and_then(|source| SOURCES.get(source));
            format!("{}:{}={}", source.unwrap_or(&"UNKNOWN"), one.name, value(&one.value))
        })
        .collect();
    let (name, sensitive) = (&config.name, config.is_sensitive);
    format!("  {name}={} sensitive={sensitive} synonyms={{{}}}", value(&config.value), synonyms.join(", "))
}

/// Everything of a kind that is there; brokers end with their default.
async fn known(admin: &Admin, kind: Kind) -> Result<Vec<String>, Stop> {
    let mut names: Vec<String> = match kind {
        Kind::Topics => topics(&admin.metadata(None).await.map_err(refused)?),
        Kind::Brokers | Kind::BrokerLoggers => {
            let mut brokers = admin.brokers().await.map_err(refused)?;
            brokers.sort_unstable();
            brokers.iter().map(i32::to_string).collect()
        }
        Kind::Groups => {
            let groups = crate::consumer_groups::every(admin, &[], &[]).await.map_err(refused)?;
            let mut names = resources(admin, 32).await?;
            names.extend(groups.iter().map(|group| group.group_id.to_string()));
            names
        }
        _ => resources(admin, 16).await?,
    };
    if matches!(kind, Kind::Brokers | Kind::BrokerLoggers) {
        names.push(String::new());
        return Ok(names);
    }
    names.sort_unstable();
    names.dedup();
    Ok(names)
}

fn topics(metadata: &MetadataResponse) -> Vec<String> {
    metadata.topics.iter().filter_map(|topic| Some(topic.name.as_ref()?.to_string())).collect()
}

/// Names that have configs; none where the broker cannot list them.
async fn resources(admin: &Admin, resource_type: i8) -> Result<Vec<String>, Stop> {
    let request = ListConfigResourcesRequest { resource_types: vec![resource_type] };
    let response = match admin.call(&request).await {
        Ok(response) => response,
        Err(Error::Unsupported(_)) => return Ok(Vec::new()),
        Err(error) if error.code() == Some(ErrorCode::UnsupportedVersion) => return Ok(Vec::new()),
        Err(error) => return Err(refused(error)),
    };
    Error::check(response.error_code, None).map_err(refused)?;
    Ok(response.config_resources.iter().map(|one| one.resource_name.to_string()).collect())
}
