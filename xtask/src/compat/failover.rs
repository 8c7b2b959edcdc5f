//! Three nodes, each killed with kill -9 in turn while clients produce to them and their groups consume: so each partition
//! changes its leader, each group its coordinator and the cluster its controller, in the midst of it. Then a fourth broker
//! comes, takes its share, and goes again. Nothing may be lost,
//! nothing doubled where the producer is idempotent, and no member may get again what was committed.

use std::collections::BTreeMap;
use std::path::Path;
use std::thread;
use std::time::Instant;

use anyhow::{Context, Result, bail};

use super::clients::{Client, Program};
use super::growth::Newcomer;
use super::members::{Running, Scenario};
use super::own_producer::OwnProducer;
use crate::quorum_nodes::{Nodes, tool};

/// One client's part in it.
struct Part<'a> {
    client: &'a Client,
    scenario: Scenario<'a>,
    /// Who tells what the group has committed.
    reader: &'a Program,
    flow: Running,
    members: Vec<Running>,
    /// The longest time from a kill until records came from all partitions again.
    longest_ms: u128,
}

/// What became of one client.
pub type Verdict = (&'static str, Result<String>);

/// Runs the clients side by side through one kill of each node.
pub fn run(
    nodes: &mut Nodes,
    clients: &[(&'static Client, &Program)],
    java: &Program,
    bootstrap: &str,
    folder: &Path,
) -> Result<Vec<Verdict>> {
    let begun = side_by_side(clients.iter().copied(), |(client, program)| {
        (client.name, Part::begin(client, program, java, bootstrap, folder))
    })?;
    let mut verdicts = Vec::new();
    let mut parts = keep(begun, &mut verdicts);
    let first = clients.first().map_or("none", |(client, _)| client.name);
    let mut own = OwnProducer::new(format!("barnabas.failover.{first}"), folder)?;
    own.send(&nodes.bootstrap(None))?;
    for id in 1..=nodes.0.len() {
        let ready = side_by_side(parts, |mut part| (part.client.name, part.hold().map(|()| part)))?;
        parts = keep(ready, &mut verdicts);
        nodes.node(id)?.kill();
        let killed = Instant::now();
        let left = nodes.bootstrap(None);
        let moved = thread::scope(|scope| {
            let own = scope.spawn(|| own.send(&left));
            let moved = side_by_side(parts, |mut part| {
                let moved = part.moved(&format!("after node {id} was killed"));
                part.longest_ms = part.longest_ms.max(killed.elapsed().as_millis());
                (part.client.name, moved.map(|()| part))
            });
            own.join().map_err(|_| anyhow::anyhow!("our producer's thread panicked"))??;
            moved
        })?;
        parts = keep(moved, &mut verdicts);
        nodes.node(id)?.start()?;
        in_sync(nodes)?;
    }
    let topics = parts.iter().map(|part| part.scenario.topic.clone());
    let topics = topics.chain(["__consumer_offsets".to_owned()]).collect();
    own.check(&nodes.bootstrap(None))?;
    let newcomer = Newcomer::join(nodes, topics, folder)?;
    parts = all_moved(parts, "after a broker has taken its share", &mut verdicts)?;
    newcomer.leave(nodes, folder)?;
    parts = all_moved(parts, "after that broker was taken away", &mut verdicts)?;
    verdicts.extend(side_by_side(parts, |part| (part.client.name, part.end()))?);
    Ok(verdicts)
}

fn all_moved<'a>(parts: Vec<Part<'a>>, when: &str, verdicts: &mut Vec<Verdict>) -> Result<Vec<Part<'a>>> {
    let moved = side_by_side(parts, |mut part| (part.client.name, part.moved(when).map(|()| part)))?;
    Ok(keep(moved, verdicts))
}

/// Each item in a thread of its own.
fn side_by_side<T: Send, R: Send>(
    items: impl IntoIterator<Item = T>,
    work: impl Fn(T) -> R + Sync,
) -> Result<Vec<R>> {
    thread::scope(|scope| {
        let work = &work;
        let threads: Vec<_> = items.into_iter().map(|item| scope.spawn(move || work(item))).collect();
        let results = threads.into_iter().map(|thread| thread.join());
        results.map(|result| result.map_err(|_| anyhow::anyhow!("a client's thread panicked"))).collect()
    })
}

/// Those that go on; what failed is a verdict.
fn keep<T>(results: Vec<(&'static str, Result<T>)>, verdicts: &mut Vec<Verdict>) -> Vec<T> {
    let mut kept = Vec::new();
    for (name, result) in results {
        match result {
            Ok(part) => kept.push(part),
            Err(error) => verdicts.push((name, Err(error))),
        }
    }
    kept
}

/// Waits until every replica is in sync again.
fn in_sync(nodes: &mut Nodes) -> Result<()> {
    nodes.until("all replicas in sync", |nodes| {
        let bootstrap = nodes.bootstrap(None);
        let lagging = tool(&[
            "kafka-topics",
            "--bootstrap-server",
            &bootstrap,
            "--describe",
            "--under-replicated-partitions",
        ])?;
        Ok(lagging.trim().is_empty().then_some(()))
    })
}

impl<'a> Part<'a> {
    fn begin(
        client: &'a Client,
        program: &'a Program,
        java: &'a Program,
        bootstrap: &'a str,
        folder: &'a Path,
    ) -> Result<Part<'a>> {
        let mut scenario = Scenario::new(program, java, "failover", bootstrap, folder)?;
        let flow = scenario.flow()?;
        let mut members = vec![scenario.members(2)?];
        scenario.until_each_partition_moves(&mut members, "two members")?;
        members.push(scenario.members(2)?);
        scenario.until_one_receives(&mut members, 1)?;
        let reader = if client.reads_commits { program } else { java };
        Ok(Part { client, scenario, reader, flow, members, longest_ms: 0 })
    }

    /// From here on nothing that is committed now may come again.
    fn hold(&mut self) -> Result<()> {
        let committed = self.scenario.committed(self.reader)?;
        let committed: Vec<(usize, u64)> = committed
            .into_iter()
            .filter_map(|(at, offset)| Some((at, u64::try_from(offset).ok()?)))
            .collect();
        self.scenario.until(&mut self.members, "what was committed", |seen, _| {
            committed
                .iter()
                .all(|(at, offset)| seen.highest.get(at).is_some_and(|highest| highest + 1 >= *offset))
        })?;
        self.scenario.until_each_partition_moves(&mut self.members, "before a kill")?;
        self.scenario.seen.committed = committed.into_iter().collect();
        Ok(())
    }

    fn moved(&mut self, when: &str) -> Result<()> {
        // What was written before it may still be on its way to the members: only later records count.
        let ends = self.ends()?;
        self.scenario.until(&mut self.members, when, |seen, _| {
            ends.iter().all(|(at, end)| seen.highest.get(at).is_some_and(|highest| highest >= end))
        })
    }

    fn end(mut self) -> Result<String> {
        self.flow.end();
        let sent = self.scenario.sent(&self.flow)?;
        let total = usize::try_from(sent)?;
        self.scenario.until(&mut self.members, "all records", |seen, _| seen.numbers.len() >= total)?;
        for member in std::mem::take(&mut self.members) {
            self.scenario.leave(member)?;
        }
        self.scenario.all_committed(self.reader)?;
        if let Some((partition, offset)) = self.scenario.seen.gone_back {
            bail!("{partition}@{offset} came again although more was committed");
        }
        let doubled = self.ends()?.values().sum::<u64>().saturating_sub(sent);
        if doubled > 0 && self.client.idempotent {
            bail!("{doubled} of {sent} records are in the log twice");
        }
        let twice = if doubled > 0 {
            format!(", {doubled} twice: its producer is not idempotent")
        } else {
            String::new()
        };
        Ok(format!(
            "{sent} records, each of 3 nodes killed, at most {} ms until all flowed, a broker came and went{twice}",
            self.longest_ms
        ))
    }

    /// The end of each partition's log, by our own tool.
    fn ends(&self) -> Result<BTreeMap<usize, u64>> {
        let text = tool(&[
            "kafka-get-offsets",
            "--bootstrap-server",
            self.scenario.bootstrap,
            "--topic",
            &self.scenario.topic,
        ])?;
        let ends = text.lines().map(|line| {
            let mut fields = line.rsplit(':');
            let end = fields.next().context("no offset")?.parse()?;
            Ok((fields.next().with_context(|| line.to_owned())?.parse()?, end))
        });
        ends.collect()
    }
}
