//! `--create`, and the replica assignments that `--alter` takes too.

use protocol::messages::create_topics_request::{
    CreatableReplicaAssignment, CreatableTopic, CreatableTopicConfig,
};
use protocol::{ErrorCode, Str};

use crate::Stop;
use crate::admin::Admin;
use crate::options::Parsed;
use crate::output::say;

pub async fn run(admin: &Admin, parsed: &Parsed) -> Result<(), Stop> {
    let topic = wanted(parsed)?;
    let name = topic.name.clone();
    if name.contains(['.', '_']) {
        say!(
            "WARNING: Due to limitations in metric names, topics with a period ('.') or underscore ('_') could collide. \
             To avoid issues it is best to use either, but not both."
        );
    }
    for (_, outcome) in admin.create_topics(vec![topic]).await? {
        match outcome {
            Err(error)
                if error.code() == Some(ErrorCode::TopicAlreadyExists) && parsed.has("if-not-exists") =>
            {
                return Ok(());
            }
            outcome => outcome?,
        }
    }
    say!("Created topic {name}.");
    Ok(())
}

fn wanted(parsed: &Parsed) -> Result<CreatableTopic, Stop> {
    let partitions = parsed.number::<i32>("partitions")?;
    if partitions.is_some_and(|count| count < 1) {
        return Err(Stop::error("The partitions must be greater than 0"));
    }
    let replicas = parsed.number::<i32>("replication-factor")?.map(i16::try_from).transpose();
    let Ok(replicas @ (None | Some(1..))) = replicas else {
        return Err(Stop::error("The replication factor must be between 1 and 32767 inclusive"));
    };
    let assignments = parsed.value("replica-assignment")?.map(assignment).transpose()?;
    let assigned = assignments.is_some();
    let row = |(index, broker_ids)| CreatableReplicaAssignment { partition_index: index, broker_ids };
    Ok(CreatableTopic {
        name: Str::from(parsed.needed("topic")?),
        num_partitions: if assigned { -1 } else { partitions.unwrap_or(-1) },
        replication_factor: if assigned { -1 } else { replicas.unwrap_or(-1) },
        assignments: (0..).zip(assignments.unwrap_or_default()).map(row).collect(),
        configs: parsed.values("config").into_iter().map(config).collect::<Result<_, _>>()?,
    })
}

fn config(text: &str) -> Result<CreatableTopicConfig, Stop> {
    let Some((name, value)) = text.split_once('=').filter(|(_, value)| !value.contains('=')) else {
        let text = "requirement failed: Invalid topic config: all configs to be added must be in the format \"key=val\".";
        return Err(Stop::error(text));
    };
    Ok(CreatableTopicConfig { name: Str::from(name.trim()), value: Some(Str::from(value.trim())) })
}

/// `1:2,2:3`: the brokers of each partition.
pub fn assignment(text: &str) -> Result<Vec<Vec<i32>>, Stop> {
    let mut partitions: Vec<Vec<i32>> = Vec::new();
    for list in text.split(',') {
        let broker = |id: &str| {
            id.trim().parse::<i32>().map_err(|_| Stop::error(format!("For input string: \"{}\"", id.trim())))
        };
        let brokers: Vec<i32> = list.split(':').map(broker).collect::<Result<_, _>>()?;
        let mut twice: Vec<i32> = Vec::new();
        for (place, id) in brokers.iter().enumerate() {
            if brokers.iter().take(place).any(|before| before == id) && !twice.contains(id) {
                twice.push(*id);
            }
        }
        if !twice.is_empty() {
            let twice = crate::admin::joined(&twice);
            let text = format!("Partition replica lists may not contain duplicate entries: {twice}");
            return Err(Stop::error(text));
        }
        if partitions.first().is_some_and(|first| first.len() != brokers.len()) {
            let text =
                format!("Partition {} has different replication factor: {brokers:?}", partitions.len());
            return Err(Stop::error(text));
        }
        partitions.push(brokers);
    }
    Ok(partitions)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn assignments_are_lists_of_equal_length() {
        for (text, expected) in [
            ("1:2,2:3", Ok(vec![vec![1, 2], vec![2, 3]])),
            ("1:1", Err("Partition replica lists may not contain duplicate entries: 1")),
            ("1,1:2", Err("Partition 1 has different replication factor: [1, 2]")),
            ("1,a", Err("For input string: \"a\"")),
        ] {
            assert_eq!(assignment(text), expected.map_err(Stop::error), "{text}");
        }
    }
}
