//! `--json` behind a shorter form that lists or describes: what the tool would show, for programs. Fields are never taken
//! away; an answer is one JSON value on standard output, an error a line on standard error and exit code 1.

use std::process::ExitCode;

use serde_json::{Value, json};

use crate::admin::Admin;
use crate::connecting::block_on;
use crate::options::Parsed;
use crate::output::say;
use crate::{Stop, connecting, consumer_groups, groups, topics};

/// Nouns whose forms take `--json`.
pub const KNOWS: &[&str] = &["topics", "groups"];

const TOPIC: i8 = 2;
/// Partitions in one answer.
const PARTITIONS_MAX: i32 = 2000;

/// `arguments` are those of Kafka's tool.
pub fn main(tool: &str, arguments: &[String]) -> ExitCode {
    match run(tool, arguments) {
        Ok(value) => {
            say!("{value:#}");
            ExitCode::SUCCESS
        }
        Err(Stop::Error(text) | Stop::Usage(text)) => {
            eprintln!("{}", text.trim());
            ExitCode::FAILURE
        }
        Err(Stop::Code(code)) => ExitCode::from(code),
    }
}

fn run(tool: &str, arguments: &[String]) -> Result<Value, Stop> {
    let line = match tool {
        "topics" => topics::LINE,
        "groups" => groups::LINE,
        _ => consumer_groups::LINE,
    };
    let parsed = Parsed::parse(line.options, arguments)?;
    if !parsed.has("list") && !parsed.has("describe") {
        return Err(Stop::error("--json goes with list and describe"));
    }
    let cluster = connecting::cluster(&parsed)?;
    block_on(async {
        let admin = crate::admin::reach_cluster(cluster, "describeCluster").await?;
        match (tool, parsed.has("describe")) {
            ("topics", false) => list_topics(&admin, &parsed).await,
            ("topics", true) => describe_topics(&admin, &parsed).await,
            ("groups", _) => list_groups(&admin).await,
            _ => describe_groups(&admin, &parsed).await,
        }
    })
}

async fn list_topics(admin: &Admin, parsed: &Parsed) -> Result<Value, Stop> {
    topics::check(parsed)?;
    let metadata = admin.metadata(None).await?;
    let mut found = Vec::new();
    for name in topics::names(&metadata, parsed)? {
        let Some(topic) = metadata.topics.iter().find(|topic| topic.name.as_deref() == Some(name.as_str()))
        else {
            continue;
        };
        found.push(json!({
            "name": name,
            "id": topic.topic_id.to_string(),
            "internal": topic.is_internal,
            "partitions": topic.partitions.len(),
        }));
    }
    Ok(Value::Array(found))
}

async fn describe_topics(admin: &Admin, parsed: &Parsed) -> Result<Value, Stop> {
    topics::check(parsed)?;
    let metadata = admin.metadata(None).await?;
    let names = topics::existing(&metadata, parsed)?;
    let mut configs = admin.configs(TOPIC, &names, false).await?;
    let mut found = Vec::new();
    for topic in topics::topics(admin, &metadata, &names, PARTITIONS_MAX).await? {
        let own = configs.iter_mut().find(|one| one.resource_name == topic.name.as_str());
        let own = own.map(|one| std::mem::take(&mut one.configs)).unwrap_or_default();
        let set = own.iter().filter(|config| config.config_source == TOPIC_CONFIG);
        let configs: serde_json::Map<String, Value> =
            set.map(|config| (config.name.to_string(), json!(config.value.as_deref()))).collect();
        let partition = |one: &topics::Partition| {
            json!({
                "partition": one.index,
                "leader": (one.leader >= 0).then_some(one.leader),
                "replicas": one.replicas,
                "isr": one.in_sync,
                "elr": one.eligible,
                "last_known_elr": one.last_known_eligible,
            })
        };
        found.push(json!({
            "name": topic.name,
            "id": topic.id.to_string(),
            "configs": configs,
            "partitions": topic.partitions.iter().map(partition).collect::<Vec<_>>(),
        }));
    }
    Ok(Value::Array(found))
}

/// The source of a topic's own config.
const TOPIC_CONFIG: i8 = 1;

async fn list_groups(admin: &Admin) -> Result<Value, Stop> {
    let groups = consumer_groups::every(admin, &[], &[]).await?;
    let row = |group: &protocol::messages::list_groups_response::ListedGroup| {
        json!({
            "group": group.group_id.as_str(),
            "type": consumer_groups::kind(group),
            "protocol": group.protocol_type.as_str(),
            "state": group.group_state.as_str(),
        })
    };
    Ok(Value::Array(groups.iter().map(row).collect()))
}

async fn describe_groups(admin: &Admin, parsed: &Parsed) -> Result<Value, Stop> {
    let mut found = Vec::new();
    for name in consumer_groups::wanted(admin, parsed).await? {
        let group = consumer_groups::group(admin, &name).await?;
        if group.state == "Dead" {
            return Err(Stop::error(format!("Consumer group '{name}' does not exist.")));
        }
        let rows = consumer_groups::rows(admin, &name, &group).await?;
        let place = |(topic, partition): &(String, i32)| json!({ "topic": topic, "partition": partition });
        let member = |member: &consumer_groups::Member| {
            json!({
                "id": member.id,
                "instance": member.instance,
                "client": member.client,
                "host": member.host,
                "assigned": member.assigned.iter().map(place).collect::<Vec<_>>(),
            })
        };
        let offset = |row: &consumer_groups::Row| {
            json!({
                "topic": row.place.0,
                "partition": row.place.1,
                "current_offset": row.committed,
                "log_end_offset": row.end,
                "lag": row.lag(),
                "member": row.consumer.as_ref().map(|(id, ..)| id),
            })
        };
        found.push(json!({
            "group": name,
            "state": group.state,
            "assignor": group.assignor,
            "coordinator": group.coordinator.1,
            "members": group.members.iter().map(member).collect::<Vec<_>>(),
            "offsets": rows.iter().map(offset).collect::<Vec<_>>(),
        }));
    }
    Ok(Value::Array(found))
}
