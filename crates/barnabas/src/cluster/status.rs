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
            let serves = if health.brokers.contains(&id) { "serves" } else { "runs, does not serve yet" };
            let leads = if health.leader == id { ", active controller" } else { "" };
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
    if health.without_leader > 0 {
        troubles.push(format!("{} partitions have no leader", health.without_leader));
    }
    if health.under_replicated > 0 {
        troubles.push(format!("{} partitions lack replicas", health.under_replicated));
    }
    let of = format!("{} partitions", health.partitions);
    match troubles.is_empty() {
        true => (format!("all is well: {nodes} brokers, {of}, all replicas in sync"), true),
        false => (format!("{} (of {of})", troubles.join("; ")), false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verdicts() {
        let well = Health {
            leader: 1,
            voters: vec![1, 2, 3],
            brokers: vec![1, 2, 3],
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
