//! How the cluster is, in words.

use std::time::Duration;

use anyhow::Result;
use tools::health::Health;

use super::folder::{Folder, Node};
use super::nodes::servers;

/// False where something is not as it should be.
pub fn say(folder: &Folder) -> Result<bool> {
    let nodes = folder.made_nodes()?;
    let pids: Vec<Option<i32>> = nodes.iter().map(|node| folder.running(node.id)).collect();
    let up: Vec<Node> =
        nodes.iter().zip(&pids).filter(|(_, pid)| pid.is_some()).map(|(node, _)| node.clone()).collect();
    let health = if up.is_empty() {
        Err("no node runs; start them: barnabas cluster start".to_owned())
    } else {
        tools::health::health(&servers(&up), Duration::from_secs(5))
    };
    println!("{:<6}{:<18}{:<10}state", "node", "address", "process");
    for (node, pid) in nodes.iter().zip(&pids) {
        let process = pid.map_or("-".to_owned(), |pid| pid.to_string());
        let state = state(node, *pid, health.as_ref().ok());
        println!("{:<6}{:<18}{process:<10}{state}", node.id, format!("localhost:{}", node.port));
    }
    let (text, good) = verdict(&health, nodes.len(), up.len());
    println!("\n{text}");
    println!("files: {}", folder.path().display());
    Ok(good)
}

fn state(node: &Node, pid: Option<i32>, health: Option<&Health>) -> String {
    let id = i32::from(node.id);
    match (pid, health) {
        (None, _) => "stopped".to_owned(),
        (Some(_), None) => "runs, does not answer".to_owned(),
        (Some(_), Some(health)) => {
            let leads = if health.leader == id { ", active controller" } else { "" };
            let serves = match health.answering.get(&id) {
                Some(count) if health.controllers_silent => {
                    return format!("serves the {count} that it leads");
                }
                Some(_) => "serves",
                None if health.brokers.contains(&id) => "runs, does not answer",
                None => "runs, does not serve yet",
            };
            format!("{serves}{leads}")
        }
    }
}

/// One or two sentences, and whether all is well.
fn verdict(health: &Result<Health, String>, nodes: usize, running: usize) -> (String, bool) {
    let health = match health {
        Ok(health) => health,
        Err(error) => return (format!("the cluster does not answer: {error}"), false),
    };
    let of = format!("{} partitions", health.partitions);
    let lost = health.failed_directories.iter();
    let lost = lost.map(|(id, path)| format!("node {id} has lost its log directory {path}"));
    if health.controllers_silent {
        let all: Vec<String> =
            std::iter::once(without_controllers(health, nodes, running)).chain(lost).collect();
        return (all.join("; "), false);
    }
    let mut troubles = Vec::new();
    if running < nodes {
        troubles.push(format!("{running} of {nodes} nodes run"));
    }
    if health.leader < 0 {
        troubles.push("there is no active controller: nothing can be created or changed".to_owned());
    }
    if health.brokers.len() < nodes {
        troubles.push(format!("{} of {nodes} brokers serve", health.brokers.len()));
    }
    let silent = health.brokers.iter().filter(|id| !health.answering.contains_key(id));
    troubles.extend(silent.map(|id| format!("node {id} does not answer")));
    if health.without_leader > 0 {
        troubles.push(format!("{} partitions have no leader", health.without_leader));
    }
    if health.under_replicated > 0 {
        troubles.push(format!("{} partitions lack replicas", health.under_replicated));
    }
    troubles.extend(lost);
    match troubles.is_empty() {
        true => (format!("all is well: {nodes} brokers, {of}, all replicas in sync"), true),
        false => (format!("{} (of {of})", troubles.join("; ")), false),
    }
}

/// Every node is a controller too: what a majority of them lacks, and what works without it.
fn without_controllers(health: &Health, nodes: usize, running: usize) -> String {
    let led = |(id, count): (&i32, &usize)| {
        format!("node {id} leads ({count} of {} partitions)", health.partitions)
    };
    let read: Vec<String> = health.answering.iter().map(led).collect();
    let read = match read.as_slice() {
        [] => "nothing can be read".to_owned(),
        several => format!("what {} can be read", several.join(" and what ")),
    };
    let until = match (nodes / 2 + 1).saturating_sub(running) {
        0 => "they answer; the nodes' logs say why they do not".to_owned(),
        1 => "1 more starts: barnabas cluster start".to_owned(),
        more => format!("{more} more start: barnabas cluster start"),
    };
    format!(
        "no majority of the controllers answers, {running} of {nodes} nodes run\n{read}\nnothing can be created or changed \
         until {until}"
    )
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn silent() -> Health {
        Health {
            leader: -1,
            controllers_silent: true,
            brokers: vec![1, 2, 3],
            answering: [(3, 4)].into(),
            partitions: 12,
            ..Health::default()
        }
    }

    #[test]
    fn states() {
        let node = |id| Node { id, port: 9092 };
        let rows = [
            (1, None, Some(silent()), "stopped"),
            (1, Some(7), None, "runs, does not answer"),
            (1, Some(7), Some(silent()), "runs, does not answer"),
            (3, Some(7), Some(silent()), "serves the 4 that it leads"),
            (
                3,
                Some(7),
                Some(Health { leader: 3, controllers_silent: false, ..silent() }),
                "serves, active controller",
            ),
            (4, Some(7), Some(Health { controllers_silent: false, ..silent() }), "runs, does not serve yet"),
        ];
        for (id, pid, health, text) in rows {
            assert_eq!(state(&node(id), pid, health.as_ref()), text);
        }
    }

    #[test]
    fn verdicts() {
        let well = Health {
            leader: 1,
            brokers: vec![1, 2, 3],
            answering: [(1, 2), (2, 1), (3, 1)].into(),
            partitions: 4,
            ..Health::default()
        };
        let rows = [
            (Ok(well.clone()), 3, "all is well: 3 brokers, 4 partitions, all replicas in sync", true),
            (
                Ok(Health { brokers: vec![1, 2], under_replicated: 3, ..well.clone() }),
                2,
                "2 of 3 nodes run; 2 of 3 brokers serve; 3 partitions lack replicas (of 4 partitions)",
                false,
            ),
            (
                Ok(Health { failed_directories: vec![(2, "/disk".to_owned())], ..well.clone() }),
                3,
                "node 2 has lost its log directory /disk (of 4 partitions)",
                false,
            ),
            (
                Ok(silent()),
                1,
                "no majority of the controllers answers, 1 of 3 nodes run\nwhat node 3 leads (4 of 12 partitions) can be \
                 read\nnothing can be created or changed until 1 more starts: barnabas cluster start",
                false,
            ),
            (
                Ok(Health { answering: BTreeMap::new(), ..silent() }),
                3,
                "no majority of the controllers answers, 3 of 3 nodes run\nnothing can be read\nnothing can be created \
                 or changed until they answer; the nodes' logs say why they do not",
                false,
            ),
            (
                Ok(Health { leader: -1, without_leader: 1, ..well }),
                3,
                "there is no active controller: nothing can be created or changed; 1 partitions have no leader (of 4 \
                 partitions)",
                false,
            ),
            (Err("nobody".to_owned()), 3, "the cluster does not answer: nobody", false),
        ];
        for (health, running, text, good) in rows {
            assert_eq!(verdict(&health, 3, running), (text.to_owned(), good));
        }
    }
}
