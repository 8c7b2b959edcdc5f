//! `--describe`: offsets and lag, members, or state of groups, in Kafka's columns.

use std::collections::{BTreeMap, BTreeSet};

use super::view::{Group, Member};
use super::{named, offsets, problem, view, wanted};
use crate::Stop;
use crate::admin::{Admin, Place};
use crate::options::Parsed;
use crate::output::say;

const LATEST: i64 = -1;

pub async fn run(admin: &Admin, parsed: &Parsed) -> Result<(), Stop> {
    let verbose = parsed.has("verbose");
    let mut groups = Vec::new();
    for name in wanted(admin, parsed).await? {
        let group = view::group(admin, &name).await.map_err(|error| named(&error))?;
        groups.push((name, group));
    }
    for (name, group) in &groups {
        let lines = if parsed.has("members") {
            Some(members(name, group, verbose))
        } else if parsed.has("state") {
            Some(state(name, group, verbose))
        } else {
            let rows = rows(admin, name, group).await?;
            (!rows.is_empty()).then(|| table(name, &rows, verbose))
        };
        if !condition(name, &group.state) {
            continue;
        }
        for line in lines.into_iter().flatten() {
            say!("{line}");
        }
    }
    Ok(())
}

/// Says what is to be known of the group's state; false where there is no group.
fn condition(name: &str, state: &str) -> bool {
    match state {
        "Dead" => problem(&format!("Consumer group '{name}' does not exist.")),
        "Empty" => eprintln!("\nConsumer group '{name}' has no active members."),
        "PreparingRebalance" | "CompletingRebalance" | "Assigning" | "Reconciling" => {
            eprintln!("\nWarning: Consumer group '{name}' is rebalancing.");
        }
        _ => {}
    }
    state != "Dead"
}

/// One partition of a group; None shows as `-`.
#[derive(Clone, Debug, Default)]
pub struct Row {
    pub place: Place,
    pub leader_epoch: Option<i32>,
    pub committed: Option<i64>,
    pub end: Option<i64>,
    pub consumer: Option<(String, String, String)>,
}

impl Row {
    pub fn lag(&self) -> Option<i64> {
        Some(self.end?.saturating_sub(self.committed?))
    }
}

/// Partitions that members have, by member; then those that only have a committed offset.
pub async fn rows(admin: &Admin, name: &str, group: &Group) -> Result<Vec<Row>, Stop> {
    let committed = offsets::committed(admin, name).await.map_err(|error| named(&error))?;
    let mut places: BTreeSet<Place> = committed.keys().cloned().collect();
    places.extend(group.members.iter().flat_map(|member| member.assigned.iter().cloned()));
    let asked: Vec<(Place, i64)> = places.into_iter().map(|place| (place, LATEST)).collect();
    let ends = crate::admin::offsets(admin, &asked).await.map_err(|error| named(&error))?;
    let row = |place: &Place, consumer: Option<(String, String, String)>| Row {
        place: place.clone(),
        leader_epoch: committed.get(place).map(|row| row.leader_epoch).filter(|epoch| *epoch >= 0),
        committed: committed.get(place).map(|row| row.offset),
        end: ends.get(place).and_then(|end| end.as_ref().ok().copied()),
        consumer,
    };
    let mut members: Vec<&Member> = group.members.iter().filter(|one| !one.assigned.is_empty()).collect();
    members.sort_by(|a, b| b.assigned.len().cmp(&a.assigned.len()).then_with(|| a.id.cmp(&b.id)));
    let mut rows = Vec::new();
    let mut assigned: BTreeSet<&Place> = BTreeSet::new();
    for member in members {
        for place in &member.assigned {
            assigned.insert(place);
            let consumer = (member.id.clone(), member.host.clone(), member.client.clone());
            rows.push(row(place, Some(consumer)));
        }
    }
    let alone = committed.keys().filter(|place| !assigned.contains(place));
    rows.extend(alone.map(|place| row(place, None)));
    Ok(rows)
}

fn or_dash<T: ToString>(value: Option<T>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.to_string())
}

/// The width of a column: at least `least`, else the longest cell's.
fn width<'a>(cells: impl Iterator<Item = &'a str>, least: usize) -> usize {
    cells.map(|cell| cell.chars().count()).max().unwrap_or(0).max(least)
}

fn table(name: &str, rows: &[Row], verbose: bool) -> Vec<String> {
    let consumer = |row: &Row| row.consumer.clone().unwrap_or_else(|| ("-".into(), "-".into(), "-".into()));
    let consumers: Vec<_> = rows.iter().map(consumer).collect();
    let group_width = name.chars().count().max(15);
    let topic_width = width(rows.iter().map(|row| row.place.0.as_str()), 15);
    let id_width = width(consumers.iter().map(|one| one.0.as_str()), 15);
    let host_width = width(consumers.iter().map(|one| one.1.as_str()), 15);
    let line = |topic: &str,
                partition: &str,
                epoch: &str,
                numbers: [&str; 3],
                consumer: [&str; 3],
                group: &str| {
        let epoch = if verbose { format!(" {epoch:15}") } else { String::new() };
        let [committed, end, lag] = numbers;
        let [id, host, client] = consumer;
        format!(
            "{group:group_width$} {topic:topic_width$} {partition:10}{epoch} {committed:15} {end:15} {lag:15} \
             {id:id_width$} {host:host_width$} {client}"
        )
    };
    let numbers = ["CURRENT-OFFSET", "LOG-END-OFFSET", "LAG"];
    let head =
        line("TOPIC", "PARTITION", "LEADER-EPOCH", numbers, ["CONSUMER-ID", "HOST", "CLIENT-ID"], "GROUP");
    let mut lines = vec![format!("\n{head}")];
    for (row, (id, host, client)) in rows.iter().zip(&consumers) {
        let (partition, epoch) = (row.place.1.to_string(), or_dash(row.leader_epoch));
        let (committed, end, lag) = (or_dash(row.committed), or_dash(row.end), or_dash(row.lag()));
        lines.push(line(
            &row.place.0,
            &partition,
            &epoch,
            [&committed, &end, &lag],
            [id, host, client],
            name,
        ));
    }
    lines
}

/// `t:0,1;u:2`.
fn assignment(places: &[Place]) -> String {
    let mut topics: BTreeMap<&str, Vec<i32>> = BTreeMap::new();
    for (topic, partition) in places {
        topics.entry(topic).or_default().push(*partition);
    }
    if topics.is_empty() {
        return "-".to_owned();
    }
    let topic =
        |(name, partitions): (&str, Vec<i32>)| format!("{name}:{}", crate::admin::joined(&partitions));
    topics.into_iter().map(topic).collect::<Vec<_>>().join(";")
}

fn members(name: &str, group: &Group, verbose: bool) -> Vec<String> {
    let members = &group.members;
    let group_width = name.chars().count().max(15);
    let id_width = width(members.iter().map(|one| one.id.as_str()), 15);
    let with_instance = members.iter().any(|one| one.instance.is_some());
    let instance_width = width(members.iter().filter_map(|one| one.instance.as_deref()), 17);
    let host_width = width(members.iter().map(|one| one.host.as_str()), 15);
    let client_width = width(members.iter().map(|one| one.client.as_str()), 15);
    let line = |group: &str, id: &str, instance: &str, host: &str, client: &str, rest: [&str; 5]| {
        let instance = if with_instance { format!(" {instance:instance_width$}") } else { String::new() };
        let [count, epoch, assigned, target_epoch, target] = rest;
        let more = format!("{epoch:15} {assigned:20} {target_epoch:15} {target:20}");
        let more = if verbose { more } else { String::new() };
        format!(
            "{group:group_width$} {id:id_width$}{instance} {host:host_width$} {client:client_width$} {count:15} {more}"
        )
    };
    let rest = ["#PARTITIONS", "CURRENT-EPOCH", "CURRENT-ASSIGNMENT", "TARGET-EPOCH", "TARGET-ASSIGNMENT"];
    let head = line("GROUP", "CONSUMER-ID", "GROUP-INSTANCE-ID", "HOST", "CLIENT-ID", rest);
    let mut lines = vec![format!("\n{head}")];
    for one in members {
        let (count, epoch, assigned) =
            (one.assigned.len().to_string(), or_dash(one.epoch), assignment(&one.assigned));
        let target_epoch = or_dash(group.epochs.map(|(_, target)| target));
        let target = one.target.as_ref().map_or_else(|| "-".to_owned(), |target| assignment(target));
        let instance = one.instance.as_deref().unwrap_or("");
        let rest = [&count, &epoch, &assigned, &target_epoch, &target].map(String::as_str);
        lines.push(line(name, &one.id, instance, &one.host, &one.client, rest));
    }
    lines
}

fn state(name: &str, group: &Group, verbose: bool) -> Vec<String> {
    let coordinator = format!("{}  ({})", group.coordinator.0, group.coordinator.1);
    let group_width = name.chars().count().max(15);
    let coordinator_width = coordinator.chars().count().max(25);
    let line = |group: &str,
                coordinator: &str,
                assignor: &str,
                state: &str,
                epochs: [&str; 2],
                count: &str| {
        let [epoch, target] = epochs;
        let epochs = if verbose { format!("{epoch:15} {target:25} ") } else { String::new() };
        format!(
            "{group:group_width$} {coordinator:coordinator_width$} {assignor:20} {state:20} {epochs}{count}"
        )
    };
    let epochs = ["GROUP-EPOCH", "TARGET-ASSIGNMENT-EPOCH"];
    let head = line("GROUP", "COORDINATOR (ID)", "ASSIGNMENT-STRATEGY", "STATE", epochs, "#MEMBERS");
    let assignor = if group.assignor.is_empty() { "-" } else { &group.assignor };
    let (epoch, target) =
        (or_dash(group.epochs.map(|both| both.0)), or_dash(group.epochs.map(|both| both.1)));
    let count = group.members.len().to_string();
    let row = line(name, &coordinator, assignor, &group.state, [&epoch, &target], &count);
    vec![format!("\n{head}"), row]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_are_in_kafkas_columns() {
        let place = |partition| ("alpha".to_owned(), partition);
        let rows = [
            Row { place: place(0), committed: Some(3), end: Some(5), ..Row::default() },
            Row { place: place(1), leader_epoch: Some(0), ..Row::default() },
        ];
        let expected = [
            "\nGROUP           TOPIC           PARTITION  LEADER-EPOCH    CURRENT-OFFSET  LOG-END-OFFSET  LAG             \
             CONSUMER-ID     HOST            CLIENT-ID",
            "g1              alpha           0          -               3               5               2               \
             -               -               -",
            "g1              alpha           1          0               -               -               -               \
             -               -               -",
        ];
        assert_eq!(table("g1", &rows, true), expected);
    }

    #[test]
    fn assignments_are_by_topic() {
        let places = [("t", 0), ("t", 1), ("u", 2)].map(|(topic, one)| (topic.to_owned(), one));
        assert_eq!(assignment(&places), "t:0,1;u:2");
        assert_eq!(assignment(&[]), "-");
    }
}
