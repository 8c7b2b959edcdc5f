//! `--delete` and `--delete-offsets`.

use std::sync::Mutex;

use client::{CoordinatorKind, Error};
use protocol::messages::DeleteGroupsRequest;
use protocol::{ErrorCode, Str};

use super::{named, offsets, places, problem, wanted};
use crate::Stop;
use crate::admin::{Admin, java_text};
use crate::options::Parsed;
use crate::output::say;

pub async fn groups(admin: &Admin, parsed: &Parsed) -> Result<(), Stop> {
    let (mut deleted, mut failed) = (Vec::new(), Vec::new());
    for group in wanted(admin, parsed).await? {
        match delete(admin, &group).await {
            Ok(()) => deleted.push(group),
            Err(error) => failed.push((group, error)),
        }
    }
    let quoted: Vec<String> = deleted.iter().map(|group| format!("'{group}'")).collect();
    if failed.is_empty() {
        say!("Deletion of requested consumer groups ({}) was successful.", quoted.join(", "));
        return Ok(());
    }
    problem("Deletion of some consumer groups failed:");
    for (group, error) in failed {
        say!("* Group '{group}' could not be deleted due to: {}", java_text(&error));
    }
    if !deleted.is_empty() {
        say!("\nThese consumer groups were deleted successfully: {}", quoted.join(", "));
    }
    Ok(())
}

async fn delete(admin: &Admin, group: &str) -> Result<(), Error> {
    let connection = admin.cluster.coordinator(CoordinatorKind::Group, group).await?;
    let response = connection.call(&DeleteGroupsRequest { groups_names: vec![Str::from(group)] }).await?;
    response
        .results
        .iter()
        .try_for_each(|result| Error::check(result.error_code, result.error_message.as_ref()))
}

pub async fn offsets(admin: &Admin, parsed: &Parsed) -> Result<(), Stop> {
    let group = parsed.needed("group")?;
    // topics that are not there have one row each, behind the others
    let missing = Mutex::new(Vec::new());
    let note = |topic: &str, error: Error| {
        missing.lock().map(|mut rows| rows.push((topic.to_owned(), java_text(&error)))).unwrap_or_default();
        Ok(())
    };
    let places = places(admin, parsed, note).await?;
    let (whole, mut each) = offsets::delete(admin, group, &places).await.map_err(|error| named(&error))?;
    let some_failed = each.values().any(Result::is_err);
    match &whole {
        Err(error) => match error.code() {
            Some(
                ErrorCode::InvalidGroupId
                | ErrorCode::GroupIdNotFound
                | ErrorCode::GroupAuthorizationFailed
                | ErrorCode::NonEmptyGroup,
            ) => problem(&error.to_string()),
            _ => problem(&format!("Encountered some unknown error: {error}")),
        },
        Ok(()) if some_failed => {
            problem("Encountered some partition-level error, see the follow-up details.");
        }
        Ok(()) => say!("Request succeeded for deleting offsets from group {group}."),
    }
    let mut rows = Vec::new();
    for place in places {
        let outcome = match &whole {
            Err(error) => Err(error.clone()),
            Ok(()) => each.remove(&place).unwrap_or(Ok(())),
        };
        let status = match outcome {
            Ok(()) => "Successful".to_owned(),
            Err(error) => format!("Error: {}", java_text(&error)),
        };
        rows.push((place.0, place.1.to_string(), status));
    }
    rows.sort_by(|a, b| a.0.cmp(&b.0));
    let missing = missing.into_inner().unwrap_or_default();
    rows.extend(missing.into_iter().map(|(topic, error)| (topic, "-".to_owned(), format!("Error: {error}"))));
    let width = rows.iter().map(|row| row.0.chars().count()).max().unwrap_or(0).max(15);
    say!("\n{:width$} {:10} {:15}", "TOPIC", "PARTITION", "STATUS");
    for (topic, partition, status) in rows {
        say!("{topic:width$} {partition:10} {status:15}");
    }
    Ok(())
}
