//! `--reset-offsets`: plans for each group without members, shows or exports the plan, carries it out with --execute.

use std::collections::BTreeMap;

use client::Error;
use protocol::ErrorCode;

use super::options::SCENARIOS;
use super::{named, offsets, places, plan, problem, view, wanted};
use crate::Stop;
use crate::admin::{Admin, Place};
use crate::options::Parsed;
use crate::output::say;

/// What a group's offsets become.
type Plan = Vec<(Place, i64)>;

pub async fn run(admin: &Admin, parsed: &Parsed) -> Result<(), Stop> {
    let mut plans: BTreeMap<String, Plan> = BTreeMap::new();
    let file = parsed.value("from-file")?.map(|path| read_file(path, parsed)).transpose()?;
    for group in wanted(admin, parsed).await? {
        let state = match view::group(admin, &group).await {
            Ok(found) => found.state,
            Err(error) if error.code() == Some(ErrorCode::GroupIdNotFound) => "Empty".to_owned(),
            Err(error) => return Err(named(&error)),
        };
        if !matches!(state.as_str(), "Empty" | "Dead") {
            problem(&format!(
                "Assignments can only be reset if the group '{group}' is inactive, but the current state is {state}."
            ));
            continue;
        }
        let plan = of_group(admin, parsed, &group, file.as_ref()).await?;
        if parsed.has("execute") {
            offsets::commit(admin, &group, &plan).await.map_err(|error| named(&error))?;
        }
        plans.insert(group, plan);
    }
    if parsed.has("export") {
        export(&plans, parsed.values("group").len() == 1)
    } else {
        show(&plans)
    }
    Ok(())
}

async fn of_group(
    admin: &Admin,
    parsed: &Parsed,
    group: &str,
    file: Option<&BTreeMap<String, Plan>>,
) -> Result<Plan, Stop> {
    if let Some(file) = file {
        let Some(wanted) = file.get(group) else { return Ok(Vec::new()) };
        return plan::within(admin, wanted.clone()).await;
    }
    if !parsed.has("all-topics") && !parsed.has("topic") {
        return Err(Stop::usage("One of the reset scopes should be defined: --all-topics, --topic."));
    }
    let committed = offsets::committed(admin, group).await.map_err(|error| named(&error))?;
    let places: Vec<Place> = if parsed.has("all-topics") {
        committed.keys().cloned().collect()
    } else {
        places(admin, parsed, |_, error: Error| Err(error.into())).await?
    };
    check_places(admin, &places).await?;
    if SCENARIOS.iter().all(|scenario| !parsed.has(scenario)) {
        let scenarios: Vec<String> = SCENARIOS.iter().map(|scenario| format!("[{scenario}]")).collect();
        let scenarios = scenarios.join(", ");
        return Err(Stop::usage(format!(
            "Option '[reset-offsets]' requires one of the following scenarios: [{scenarios}]"
        )));
    }
    plan::scenario(admin, parsed, places, &committed).await
}

/// Partitions that were named but are not there.
async fn check_places(admin: &Admin, places: &[Place]) -> Result<(), Stop> {
    let mut names: Vec<&str> = places.iter().map(|(topic, _)| topic.as_str()).collect();
    names.dedup();
    let metadata = admin.metadata(Some(&names)).await?;
    let missing = places.iter().filter(|(topic, partition)| {
        let topic = metadata.topics.iter().find(|one| one.name.as_deref() == Some(topic));
        topic.is_none_or(|topic| topic.partitions.iter().all(|one| one.partition_index != *partition))
    });
    let missing: Vec<String> = missing.map(|(topic, partition)| format!("{topic}-{partition}")).collect();
    match missing.is_empty() {
        true => Ok(()),
        false => Err(Stop::error(format!("The partitions \"{}\" do not exist", missing.join(",")))),
    }
}

/// Lines of `topic,partition,offset` for the one group, or `group,topic,partition,offset`.
fn read_file(path: &str, parsed: &Parsed) -> Result<BTreeMap<String, Plan>, Stop> {
    let text = std::fs::read_to_string(path)
        .map_err(|_| Stop::error(format!("java.io.IOException: Unable to read file {path}")))?;
    let groups = parsed.values("group");
    read_rows(&text, groups.first().copied().filter(|_| groups.len() == 1)).map_err(|line| {
        Stop::error(format!("the line '{line}' of {path} is not [group,]topic,partition,offset"))
    })
}

fn read_rows(text: &str, group: Option<&str>) -> Result<BTreeMap<String, Plan>, String> {
    let mut plans: BTreeMap<String, Plan> = BTreeMap::new();
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        let cells: Vec<&str> = line.split(',').map(|cell| cell.trim().trim_matches('"')).collect();
        let (group, topic, partition, offset) = match (cells.as_slice(), group) {
            ([topic, partition, offset], Some(group)) => (group, topic, partition, offset),
            ([group, topic, partition, offset], _) => (*group, topic, partition, offset),
            _ => return Err(line.to_owned()),
        };
        let (Ok(partition), Ok(offset)) = (partition.parse(), offset.parse()) else {
            return Err(line.to_owned());
        };
        plans.entry(group.to_owned()).or_default().push((((*topic).to_owned(), partition), offset));
    }
    Ok(plans)
}

fn show(plans: &BTreeMap<String, Plan>) {
    let group_width = plans.keys().map(|group| group.chars().count()).max().unwrap_or(0).max(15);
    let topics = plans.values().flatten().map(|((topic, _), _)| topic.chars().count());
    let topic_width = topics.max().unwrap_or(0).max(15);
    say!("\n{:group_width$} {:topic_width$} {:10} NEW-OFFSET", "GROUP", "TOPIC", "PARTITION");
    for (group, plan) in plans {
        for ((topic, partition), offset) in plan {
            say!("{group:group_width$} {topic:topic_width$} {partition:<10} {offset}");
        }
    }
}

fn export(plans: &BTreeMap<String, Plan>, one_group: bool) {
    for (group, plan) in plans {
        for ((topic, partition), offset) in plan {
            let group = if one_group { String::new() } else { format!("{group},") };
            say!("{group}{topic},{partition},{offset}");
        }
    }
    say!("");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_name_the_group_where_there_are_several() {
        let plan = |offset| vec![(("t".to_owned(), 0), offset)];
        assert_eq!(read_rows("t,0,5\n", Some("g")), Ok(BTreeMap::from([("g".to_owned(), plan(5))])));
        let two = BTreeMap::from([("g".to_owned(), plan(5)), ("h".to_owned(), plan(6))]);
        assert_eq!(read_rows("g,t,0,5\nh,\"t\",0,6\n", None), Ok(two));
        for bad in ["t;0;5", "t,0", "t,x,5"] {
            assert_eq!(read_rows(bad, Some("g")), Err(bad.to_owned()));
        }
    }
}
