//! `--verify` and `--list`: how far reassignments are.

use std::collections::BTreeSet;

use super::cluster::{self, Ongoing};
use super::plan::{Assignment, Directories, Plan};
use super::{Failed, log_dirs, name, throttles};
use crate::admin::{Admin, Place, joined};
use crate::output::say;

/// A partition of a plan.
struct State {
    place: Place,
    current: Vec<i32>,
    target: Vec<i32>,
    done: bool,
}

impl State {
    fn text(&self) -> String {
        let of = name(&self.place);
        match (self.done, self.current == self.target) {
            (false, _) => format!("Reassignment of partition {of} is still in progress."),
            (true, true) => format!("Reassignment of partition {of} is completed."),
            (true, false) => format!(
                "There is no active reassignment of partition {of}, but replica set is {} rather than {}.",
                joined(&self.current),
                joined(&self.target)
            ),
        }
    }
}

pub async fn run(admin: &Admin, text: &str, preserve_throttles: bool) -> Result<(), Failed> {
    let plan = Plan::read(text).map_err(Failed::Error)?;
    let states = states(admin, &plan.parts).await?;
    say!("Status of partition reassignment:");
    for state in &states {
        say!("{}", state.text());
    }
    let moves = moves(admin, &plan.directories).await?;
    let lines: Vec<&str> = moves.iter().map(|(line, _)| line.as_str()).collect();
    say!("{}", lines.join("\n"));
    let under_way = states.iter().any(|state| !state.done) || moves.iter().any(|(_, under_way)| *under_way);
    match under_way || preserve_throttles {
        true => Ok(()),
        false => throttles::lift(admin, &plan.parts).await,
    }
}

async fn states(admin: &Admin, parts: &Assignment) -> Result<Vec<State>, Failed> {
    let ongoing = cluster::ongoing(admin, None).await?;
    let others = parts.keys().filter(|place| !ongoing.contains_key(*place));
    let topics: BTreeSet<&str> = others.map(|(topic, _)| topic.as_str()).collect();
    let replicas = cluster::replicas(admin, &topics).await?;
    let state = |(place, target): (&Place, &Vec<i32>)| {
        let under_way = ongoing.get(place);
        let current = under_way.map(|one| &one.replicas).or(replicas.get(place));
        State {
            place: place.clone(),
            current: current.cloned().unwrap_or_default(),
            target: target.clone(),
            done: under_way.is_none(),
        }
    };
    Ok(parts.iter().map(state).collect())
}

/// A sentence for each replica that has a directory named, and whether it is under way.
async fn moves(admin: &Admin, directories: &Directories) -> Result<Vec<(String, bool)>, Failed> {
    if directories.is_empty() {
        return Ok(Vec::new());
    }
    let found = cluster::directories(admin, &directories.keys().cloned().collect()).await?;
    let state = |(replica, target): (_, &String)| {
        let is = found.get(replica).cloned().unwrap_or_default();
        log_dirs::state(replica, target, &is)
    };
    Ok(directories.iter().map(state).collect())
}

pub async fn list(admin: &Admin) -> Result<(), Failed> {
    let ongoing = cluster::ongoing(admin, None).await?;
    if ongoing.is_empty() {
        say!("No partition reassignments found.");
        return Ok(());
    }
    say!("Current partition reassignments:");
    for (place, one) in &ongoing {
        say!("{}", row(place, one));
    }
    Ok(())
}

fn row(place: &Place, one: &Ongoing) -> String {
    let part = |word: &str, ids: &[i32]| match ids {
        [] => String::new(),
        ids => format!(" {word}: {}.", joined(ids)),
    };
    let (adding, removing) = (part("adding", &one.adding), part("removing", &one.removing));
    format!("{}: replicas: {}.{adding}{removing}", name(place), joined(&one.replicas))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_and_states_have_kafkas_words() {
        let place = ("t".to_owned(), 0);
        let one = Ongoing { replicas: vec![1, 2, 3], adding: vec![3], removing: vec![1] };
        assert_eq!(row(&place, &one), "t-0: replicas: 1,2,3. adding: 3. removing: 1.");
        for (current, done, text) in [
            (vec![1, 2], true, "Reassignment of partition t-0 is completed."),
            (vec![3, 1, 2], false, "Reassignment of partition t-0 is still in progress."),
            (
                vec![2, 1],
                true,
                "There is no active reassignment of partition t-0, but replica set is 2,1 rather than 1,2.",
            ),
        ] {
            let state = State { place: place.clone(), current, target: vec![1, 2], done };
            assert_eq!(state.text(), text);
        }
    }
}
