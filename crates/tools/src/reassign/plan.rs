//! The JSON of an assignment: which replicas each partition shall have, and in which log directories.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{bracketed, name, names};
use crate::admin::Place;
use crate::json_input::{array, field, integer, text, twice};

/// The replicas of partitions.
pub type Assignment = BTreeMap<Place, Vec<i32>>;

/// One replica: its partition and broker.
pub type Replica = (Place, i32);

/// Where replicas are or shall be.
pub type Directories = BTreeMap<Replica, String>;

/// Any directory will do.
const ANY: &str = "any";

/// What a file says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    pub parts: Assignment,
    /// Only where one is named.
    pub directories: Directories,
    /// All rows as they stand in the file.
    rows: Vec<(Place, Vec<i32>)>,
}

impl Plan {
    /// What the file says, right or wrong.
    pub fn read(json: &str) -> Result<Plan, String> {
        let json: Value = serde_json::from_str(json).map_err(|_| "The input string is not a valid JSON")?;
        check_version(&json)?;
        let mut plan = Plan::default();
        let Some(rows) = json.get("partitions") else { return Ok(plan) };
        for row in array(rows)? {
            plan.take(row)?;
        }
        Ok(plan)
    }

    fn take(&mut self, row: &Value) -> Result<(), String> {
        let topic = field(row, "topic").and_then(text)?.to_owned();
        let place = (topic, field(row, "partition").and_then(integer)?);
        let replicas = array(field(row, "replicas")?)?;
        let replicas: Vec<i32> = replicas.iter().map(integer).collect::<Result<_, _>>()?;
        if let Some(directories) = row.get("log_dirs") {
            let directories: Vec<&str> = array(directories)?.iter().map(text).collect::<Result<_, _>>()?;
            if directories.len() != replicas.len() {
                return Err(format!(
                    "Size of replicas list {} is different from size of log dirs list [{}] for partition {}",
                    bracketed(&replicas),
                    directories.join(", "),
                    name(&place)
                ));
            }
            for (broker, directory) in replicas.iter().zip(directories).filter(|(_, one)| *one != ANY) {
                self.directories.insert((place.clone(), *broker), directory.to_owned());
            }
        }
        self.parts.insert(place.clone(), replicas.clone());
        self.rows.push((place, replicas));
        Ok(())
    }

    /// What can be carried out.
    pub fn executable(json: &str) -> Result<Plan, String> {
        let plan = Plan::read(json)?;
        if plan.rows.is_empty() {
            return Err("Partition reassignment list cannot be empty".to_owned());
        }
        if plan.rows.iter().any(|(_, replicas)| replicas.is_empty()) {
            return Err("Partition replica list cannot be empty".to_owned());
        }
        let places: Vec<Place> = plan.rows.iter().map(|(place, _)| place.clone()).collect();
        let doubled = twice(&places);
        if !doubled.is_empty() {
            let doubled = names(&doubled);
            return Err(format!("Partition reassignment contains duplicate topic partitions: {doubled}"));
        }
        let wrong = |(place, replicas): &(Place, Vec<i32>)| {
            let doubled = twice(replicas);
            let doubled = (!doubled.is_empty()).then(|| crate::admin::joined(&doubled))?;
            Some(format!("{} contains multiple entries for {doubled}", name(place)))
        };
        let wrong: Vec<String> = plan.rows.iter().filter_map(wrong).collect();
        match wrong.is_empty() {
            true => Ok(plan),
            false => Err(format!(
                "Partition replica lists may not contain duplicate entries: {}",
                wrong.join(". ")
            )),
        }
    }
}

fn check_version(json: &Value) -> Result<(), String> {
    match json.get("version").map(integer) {
        None | Some(Ok(1)) => Ok(()),
        Some(Ok(version)) => Err(format!("Not supported version field value {version}")),
        Some(Err(words)) => Err(words),
    }
}

/// The topics of a `{"topics": [{"topic": …}]}`.
pub fn read_topics(json: &str) -> Result<Vec<String>, String> {
    let json: Value = serde_json::from_str(json).map_err(|_| "The input string is not a valid JSON")?;
    check_version(&json)?;
    let Some(rows) = json.get("topics") else { return Ok(Vec::new()) };
    let topics = array(rows)?.iter().map(|row| Ok(field(row, "topic").and_then(text)?.to_owned()));
    let topics: Vec<String> = topics.collect::<Result<_, String>>()?;
    let doubled: BTreeSet<String> = twice(&topics).into_iter().collect();
    match doubled.is_empty() {
        true => Ok(topics),
        false => {
            let doubled: Vec<String> = doubled.into_iter().collect();
            Err(format!("List of topics to reassign contains duplicate entries: [{}]", doubled.join(", ")))
        }
    }
}

/// The file of an assignment, in one line, its fields in Kafka's order.
pub fn json(parts: &Assignment, directories: &Directories) -> String {
    let quoted = |text: &str| Value::from(text).to_string();
    let row = |(place, replicas): (&Place, &Vec<i32>)| {
        let directory =
            |broker: &i32| quoted(directories.get(&(place.clone(), *broker)).map_or(ANY, String::as_str));
        format!(
            "{{\"topic\":{},\"partition\":{},\"replicas\":[{}],\"log_dirs\":[{}]}}",
            quoted(&place.0),
            place.1,
            crate::admin::joined(replicas),
            replicas.iter().map(directory).collect::<Vec<_>>().join(",")
        )
    };
    let rows: Vec<String> = parts.iter().map(row).collect();
    format!("{{\"version\":1,\"partitions\":[{}]}}", rows.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(topic: &str, partition: i32) -> Place {
        (topic.to_owned(), partition)
    }

    #[test]
    fn what_is_written_is_read() {
        let parts = Assignment::from([(place("b", 0), vec![1, 2]), (place("a", 1), vec![3])]);
        let directories = Directories::from([((place("b", 0), 2), "/data".to_owned())]);
        let text = json(&parts, &directories);
        assert_eq!(
            text,
            r#"{"version":1,"partitions":[{"topic":"a","partition":1,"replicas":[3],"log_dirs":["any"]},{"topic":"b","partition":0,"replicas":[1,2],"log_dirs":["any","/data"]}]}"#
        );
        let plan = Plan::executable(&text).unwrap();
        assert_eq!((plan.parts, plan.directories), (parts, directories));
    }

    #[test]
    fn wrong_plans_are_refused_with_kafkas_words() {
        let row = |row: &str| format!(r#"{{"version":1,"partitions":[{row}]}}"#);
        for (json, words) in [
            (row(""), "Partition reassignment list cannot be empty"),
            ("{}".to_owned(), "Partition reassignment list cannot be empty"),
            ("x{".to_owned(), "The input string is not a valid JSON"),
            (r#"{"version":2}"#.to_owned(), "Not supported version field value 2"),
            (row(r#"{"topic":"t","partition":0,"replicas":[]}"#), "Partition replica list cannot be empty"),
            (
                row(r#"{"topic":"t","partition":0,"replicas":[1,1]}"#),
                "Partition replica lists may not contain duplicate entries: t-0 contains multiple entries for 1",
            ),
            (
                row(
                    r#"{"topic":"t","partition":0,"replicas":[1]},{"topic":"t","partition":0,"replicas":[1]}"#,
                ),
                "Partition reassignment contains duplicate topic partitions: t-0",
            ),
            (
                row(r#"{"topic":"t","partition":0,"replicas":[1,2],"log_dirs":["any"]}"#),
                "Size of replicas list [1, 2] is different from size of log dirs list [any] for partition t-0",
            ),
            (row(r#"{"topic":"t","partition":0}"#), "No such field exists: `replicas`"),
        ] {
            assert_eq!(Plan::executable(&json).unwrap_err(), words, "{json}");
        }
    }

    #[test]
    fn topics_stand_once() {
        assert_eq!(read_topics(r#"{"topics":[{"topic":"b"},{"topic":"a"}]}"#).unwrap(), ["b", "a"]);
        assert_eq!(read_topics("{}").unwrap(), Vec::<String>::new());
        let words = "List of topics to reassign contains duplicate entries: [a]";
        assert_eq!(read_topics(r#"{"topics":[{"topic":"a"},{"topic":"a"}]}"#).unwrap_err(), words);
    }
}
