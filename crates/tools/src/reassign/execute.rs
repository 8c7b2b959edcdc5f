//! `--execute` and `--cancel`.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use client::Error;

use super::plan::{Assignment, Directories, Plan};
use super::throttles::{self, Limits};
use super::{Failed, cluster, log_dirs, name, names, plan, plural};
use crate::admin::{Admin, Place};
use crate::output::say;

/// How a plan shall be carried out.
pub struct Wishes {
    /// Beside what is under way.
    pub additional: bool,
    /// With as many replicas as there are.
    pub same_factor: bool,
    pub limits: Limits,
    pub patience: Duration,
}

pub async fn run(admin: &Admin, text: &str, wishes: &Wishes) -> Result<(), Failed> {
    let plan = Plan::executable(text).map_err(Failed::Error)?;
    let ongoing = cluster::ongoing(admin, None).await?;
    if !wishes.additional && !ongoing.is_empty() {
        return Err(Failed::Plainly(
            "Cannot execute because there is an existing partition assignment.  Use --additional to override this and \
             create a new partition assignment in addition to the existing one. The --additional flag can also be used \
             to change the throttle by resubmitting the current reassignment."
                .to_owned(),
        ));
    }
    let there = cluster::brokers(admin).await?;
    if let Some(unknown) = plan.parts.values().flatten().find(|id| !there.contains_key(id)) {
        return Err(Failed::Error(format!("Unknown broker id {unknown}")));
    }
    let current = cluster::replicas_of(admin, &plan.parts.keys().collect()).await?;
    let directories = cluster::current_directories(admin, &current).await?;
    say!(
        "Current partition replica assignment\n\n{}\n\nSave this to use as the --reassignment-json-file option during \
         rollback",
        plan::json(&current, &directories)
    );
    limit(admin, &plan, wishes.limits, &throttles::moves(&ongoing, &plan.parts, &current)).await?;
    reassign(admin, &plan.parts, wishes.same_factor).await?;
    if !plan.directories.is_empty() {
        log_dirs::start(admin, &plan.directories, wishes.patience).await?;
    }
    Ok(())
}

async fn limit(
    admin: &Admin,
    plan: &Plan,
    limits: Limits,
    moves: &BTreeMap<Place, throttles::Move>,
) -> Result<(), Failed> {
    if limits.between_brokers < 0 && limits.between_directories < 0 {
        return Ok(());
    }
    say!(
        "Warning: You must run --verify periodically, until the reassignment completes, to ensure the throttle is removed."
    );
    if limits.between_brokers >= 0 {
        throttles::limit_moves(admin, moves, limits.between_brokers).await?;
    }
    if limits.between_directories >= 0 {
        let brokers: BTreeSet<i32> = plan.directories.keys().map(|(_, broker)| *broker).collect();
        throttles::limit_directories(admin, &brokers, limits.between_directories).await?;
    }
    Ok(())
}

async fn reassign(admin: &Admin, parts: &Assignment, same_factor: bool) -> Result<(), Failed> {
    let wanted = parts.iter().map(|(place, replicas)| (place.clone(), Some(replicas.clone()))).collect();
    let refused = cluster::alter(admin, &wanted, same_factor).await?;
    if !refused.is_empty() {
        return Err(Failed::Plainly(format!("Error reassigning partition(s):\n{}", reasons(&refused))));
    }
    say!("Successfully started partition reassignment{} for {}", plural(parts.len()), names(parts.keys()));
    Ok(())
}

/// A line for each partition that was refused.
fn reasons(refused: &BTreeMap<Place, Error>) -> String {
    let lines: Vec<String> =
        refused.iter().map(|(place, error)| format!("{}: {error}", name(place))).collect();
    lines.join("\n")
}

pub async fn cancel(
    admin: &Admin,
    text: &str,
    preserve_throttles: bool,
    patience: Duration,
) -> Result<(), Failed> {
    let plan = Plan::read(text).map_err(Failed::Error)?;
    let places: BTreeSet<Place> = plan.parts.keys().cloned().collect();
    let ongoing = cluster::ongoing(admin, Some(&places)).await?;
    match ongoing.is_empty() {
        true => say!("None of the specified partition reassignments are active."),
        false => {
            let wanted = ongoing.keys().map(|place| (place.clone(), None)).collect();
            let refused = cluster::alter(admin, &wanted, false).await?;
            if !refused.is_empty() {
                return Err(Failed::Plainly(format!(
                    "Error cancelling partition reassignment{} for:\n{}",
                    plural(refused.len()),
                    reasons(&refused)
                )));
            }
            say!(
                "Successfully cancelled partition reassignment{} for: {}",
                plural(ongoing.len()),
                names(ongoing.keys())
            );
        }
    }
    let back = moving(admin, &plan.directories).await?;
    match back.is_empty() {
        // without an end of line, as Kafka's
        true => print!("None of the specified partition moves are active."),
        false => log_dirs::start(admin, &back, patience).await?,
    }
    match preserve_throttles {
        true => Ok(()),
        false => throttles::lift(admin, &plan.parts).await,
    }
}

/// Replicas that move to another directory, with the directory that they are in.
async fn moving(admin: &Admin, directories: &Directories) -> Result<Directories, Failed> {
    if directories.is_empty() {
        return Ok(Directories::new());
    }
    let found = cluster::directories(admin, &directories.keys().cloned().collect()).await?;
    let moving = found.into_iter().filter(|(_, is)| is.future.is_some());
    Ok(moving.filter_map(|(replica, is)| Some((replica, is.current?))).collect())
}
