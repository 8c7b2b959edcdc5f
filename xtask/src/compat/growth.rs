//! A broker is added to the three while clients produce and consume, takes its share of partitions and leaders, gives it back
//! and is taken away. The clients are judged as after the kills.

use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::quorum_nodes::{Nodes, tool};

/// A broker that is there for a while.
pub struct Newcomer {
    id: usize,
    /// Whose partitions move.
    topics: Vec<String>,
}

impl Newcomer {
    /// It serves when this returns, and leads what is its share.
    pub fn join(nodes: &mut Nodes, topics: Vec<String>, folder: &Path) -> Result<Newcomer> {
        let brokers = nodes.0.len() + 1;
        let id = nodes.add_broker(&folder.join("newcomer"))?;
        nodes.until("the new broker", |nodes| {
            Ok((nodes.brokers(&nodes.bootstrap(None))? == brokers).then_some(()))
        })?;
        let newcomer = Newcomer { id, topics };
        newcomer.spread(nodes, &(1..=id).collect::<Vec<_>>(), folder)?;
        newcomer.elect_preferred(nodes)?;
        let led = newcomer.led(nodes)?;
        if led == 0 {
            bail!("the new broker {id} leads nothing");
        }
        Ok(newcomer)
    }

    /// It has nothing any more when it is stopped.
    pub fn leave(self, nodes: &mut Nodes, folder: &Path) -> Result<()> {
        self.spread(nodes, &(1..self.id).collect::<Vec<_>>(), folder)?;
        self.elect_preferred(nodes)?;
        let led = self.led(nodes)?;
        if led > 0 {
            bail!("the broker {} leads {led} partitions that were moved away", self.id);
        }
        nodes.node(self.id)?.stop()?;
        nodes.0.retain(|node| node.id != self.id);
        let (bootstrap, id) = (nodes.bootstrap(None), self.id.to_string());
        tool(&["kafka-cluster", "unregister", "--bootstrap-server", &bootstrap, "--id", &id])?;
        Ok(())
    }

    /// All partitions of the topics over these brokers, as the tool itself proposes.
    fn spread(&self, nodes: &mut Nodes, brokers: &[usize], folder: &Path) -> Result<()> {
        let list: Vec<String> = brokers.iter().map(ToString::to_string).collect();
        let names = self.topics.iter().map(|topic| serde_json::json!({ "topic": topic }));
        let wanted = serde_json::json!({ "version": 1, "topics": names.collect::<Vec<_>>() });
        let (topics_file, plan_file) = (folder.join("move-topics.json"), folder.join("move-plan.json"));
        std::fs::write(&topics_file, wanted.to_string())?;
        let (topics_file, plan_file) =
            (topics_file.to_string_lossy().into_owned(), plan_file.to_string_lossy().into_owned());
        let reassign = |nodes: &Nodes, arguments: &[&str]| {
            let bootstrap = nodes.bootstrap(None);
            tool(&[&["kafka-reassign-partitions", "--bootstrap-server", &bootstrap], arguments].concat())
        };
        let generate =
            ["--generate", "--topics-to-move-json-file", &topics_file, "--broker-list", &list.join(",")];
        let text = reassign(nodes, &generate)?;
        let plan = text.lines().rfind(|line| line.starts_with('{')).context("no plan was proposed")?;
        std::fs::write(&plan_file, plan)?;
        reassign(nodes, &["--execute", "--reassignment-json-file", &plan_file])?;
        nodes.until("the moves' end", |nodes| {
            let arguments = ["--verify", "--preserve-throttles", "--reassignment-json-file", &plan_file];
            let text = reassign(nodes, &arguments)?;
            Ok((!text.contains("still in progress")).then_some(()))
        })
    }

    fn elect_preferred(&self, nodes: &Nodes) -> Result<()> {
        let bootstrap = nodes.bootstrap(None);
        let which = ["--election-type", "preferred", "--all-topic-partitions"];
        tool(&[&["kafka-leader-election", "--bootstrap-server", &bootstrap][..], &which].concat())?;
        Ok(())
    }

    /// Partitions of the topics that it leads.
    fn led(&self, nodes: &Nodes) -> Result<usize> {
        let bootstrap = nodes.bootstrap(None);
        let text = tool(&["kafka-topics", "--bootstrap-server", &bootstrap, "--describe"])?;
        let is_meant = |line: &&str| {
            let topic = line.split("Topic: ").nth(1).and_then(|rest| rest.split_whitespace().next());
            topic.is_some_and(|topic| self.topics.iter().any(|known| known == topic))
        };
        let leads = format!("Leader: {}", self.id);
        let fields = |line: &str| line.split('\t').any(|field| field.trim() == leads);
        Ok(text.lines().filter(is_meant).filter(|line| fields(line)).count())
    }
}
