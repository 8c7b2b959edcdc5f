//! `--alter` (more partitions) and `--delete`.

use protocol::Str;
use protocol::messages::create_partitions_request::{CreatePartitionsAssignment, CreatePartitionsTopic};

use super::{create, existing};
use crate::Stop;
use crate::admin::Admin;
use crate::options::Parsed;

pub async fn alter(admin: &Admin, parsed: &Parsed) -> Result<(), Stop> {
    let metadata = admin.metadata(None).await?;
    let names = existing(&metadata, parsed)?;
    let count = parsed.number("partitions")?.unwrap_or(-1);
    let assignment = parsed.value("replica-assignment")?.map(create::assignment).transpose()?;
    let topic = |name: &String| {
        let found = metadata.topics.iter().find(|topic| topic.name.as_deref() == Some(name.as_str()));
        let present = found.map_or(0, |topic| topic.partitions.len());
        // the assignment counts from partition 0: those that are there already are passed over
        let added = assignment.as_ref().map(|rows| {
            let row = |ids: &Vec<i32>| CreatePartitionsAssignment { broker_ids: ids.clone() };
            rows.iter().skip(present).map(row).collect()
        });
        CreatePartitionsTopic { name: Str::from(name.as_str()), count, assignments: added }
    };
    let topics: Vec<_> = names.iter().map(topic).collect();
    if topics.is_empty() {
        return Ok(());
    }
    Ok(admin.create_partitions(topics).await?)
}

pub async fn delete(admin: &Admin, parsed: &Parsed) -> Result<(), Stop> {
    let names = existing(&admin.metadata(None).await?, parsed)?;
    if names.is_empty() {
        return Ok(());
    }
    Ok(admin.delete_topics(&names).await?)
}
