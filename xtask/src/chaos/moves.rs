//! A partition that gets other replicas while all goes on, by our own tool.

use std::fs;
use std::time::{Duration, Instant};

use anyhow::Result;
use platform::Random;

use super::cluster::Cluster;
use super::workload::TOPICS;

/// As many as every partition has when the run ends.
const REPLICAS: usize = 3;
/// The cluster may have lost its majority when it is asked.
const ASKED_FOR: Duration = Duration::from_secs(60);

/// A partition, and the nodes that are to have it, the preferred leader first.
#[derive(Clone, Debug)]
pub struct Move {
    topic: &'static str,
    partition: usize,
    replicas: Vec<usize>,
}

impl Move {
    /// To any three nodes; or to two, where `back` then has a replica to copy anew.
    pub fn draw(dice: &mut Random, nodes: usize) -> Move {
        let (topic, partitions) = TOPICS[dice.below(TOPICS.len() as u64) as usize];
        let partition = dice.below(partitions as u64) as usize;
        let count = if dice.one_in(2) { REPLICAS } else { REPLICAS - 1 };
        Move { topic, partition, replicas: some(dice, nodes, count) }
    }

    /// To three nodes again.
    pub fn back(self, dice: &mut Random, nodes: usize) -> Move {
        Move { replicas: some(dice, nodes, REPLICAS), ..self }
    }

    pub fn text(&self) -> String {
        let replicas: Vec<String> = self.replicas.iter().map(usize::to_string).collect();
        format!("{}-{} goes to {}", self.topic, self.partition, replicas.join(", "))
    }

    /// Asks once: false where the cluster cannot now.
    pub fn ask(&self, cluster: &mut Cluster) -> Result<bool> {
        let file = cluster.node(1)?.folder.join("move.json");
        let (topic, partition, replicas) = (self.topic, self.partition, &self.replicas);
        let entry = format!(r#"{{"topic":"{topic}","partition":{partition},"replicas":{replicas:?}}}"#);
        fs::write(&file, format!(r#"{{"version":1,"partitions":[{entry}]}}"#))?;
        let (bootstrap, file) = (cluster.bootstrap(), file.display().to_string());
        let words = ["kafka-reassign-partitions", "--bootstrap-server", &bootstrap];
        let more = ["--reassignment-json-file", &file, "--execute", "--additional"];
        Ok(cluster.tool(&[&words[..], &more[..]].concat()).is_ok())
    }

    /// Asks until the cluster takes it.
    pub fn insist(&self, cluster: &mut Cluster) -> Result<()> {
        let deadline = Instant::now() + ASKED_FOR;
        while !self.ask(cluster)? {
            cluster.check()?;
            if Instant::now() > deadline {
                anyhow::bail!("{}: not taken within {} s", self.text(), ASKED_FOR.as_secs());
            }
            std::thread::sleep(Duration::from_millis(300));
        }
        Ok(())
    }
}

fn some(dice: &mut Random, nodes: usize, count: usize) -> Vec<usize> {
    let mut left: Vec<usize> = (1..=nodes).collect();
    let draw = |_| left.swap_remove(dice.below(left.len() as u64) as usize);
    (0..count.min(nodes)).map(draw).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_drawn_can_be_asked_for() {
        let mut dice = Random::new(1);
        for nodes in [3, 5, 7] {
            for _ in 0..100 {
                let one = Move::draw(&mut dice, nodes);
                assert!(TOPICS.iter().any(|(topic, count)| *topic == one.topic && one.partition < *count));
                for (replicas, least) in [(one.replicas.clone(), 2), (one.back(&mut dice, nodes).replicas, 3)]
                {
                    let mut known = replicas.clone();
                    known.sort_unstable();
                    known.dedup();
                    assert!(
                        (least..=3).contains(&known.len()) && known.len() == replicas.len(),
                        "{replicas:?}"
                    );
                    assert!(known.iter().all(|node| (1..=nodes).contains(node)), "{replicas:?}");
                }
            }
        }
    }
}
