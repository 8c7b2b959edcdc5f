//! `cargo xtask compat`: real clients in their own languages against a broker, and the table of what they found.

mod alike;
mod checks;
mod clients;
mod cluster;
mod failover;
mod group;
mod growth;
mod members;
mod own_producer;
mod report;
mod session;

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::shell::root;
use crate::subject::{self, Kind};
use checks::Row;
use clients::{CLIENTS, Client, Program};
use cluster::Cluster;
use report::Run;
use session::Session;

#[derive(Args)]
pub struct Compat {
    /// What the clients talk to: Apache Kafka is the control
    #[arg(long, value_enum, default_value = "barnabas")]
    subject: Kind,
    /// Every client, not only the quick ones
    #[arg(long)]
    all: bool,
    /// Only these clients (and Java, which judges the others)
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// One node, three of which each is killed while clients are busy, or both; without it 1, with --all 1,3
    #[arg(long, value_delimiter = ',', value_parser = clap::builder::PossibleValuesParser::new(["1", "3"]))]
    nodes: Vec<String>,
    /// Numbers of shards to run with; without it 1,3 for one node and 2 for three
    #[arg(long, value_delimiter = ',')]
    shards: Vec<usize>,
    /// Records a topic
    #[arg(long)]
    records: Option<usize>,
    /// Clients that run at the same time
    #[arg(long, default_value_t = 3)]
    jobs: usize,
    /// The single broker's port; a free one if not given
    #[arg(long)]
    port: Option<u16>,
    /// Three nodes of Apache Kafka and three of ours are given the same requests: what do they answer differently?
    #[arg(long)]
    alike: bool,
    /// Install the clients and stop
    #[arg(long)]
    install: bool,
    /// Write docs/CLIENTS.md even after a run of some clients only
    #[arg(long)]
    write: bool,
}

impl Compat {
    pub fn run(&self) -> Result<()> {
        if self.alike {
            return alike::run(&root().join("target/compat/alike"));
        }
        let clients = self.clients()?;
        let mut programs = Vec::new();
        for client in &clients {
            let mut program = client.install().with_context(|| client.title)?;
            if let Some(records) = self.records {
                program = program.with("COMPAT_RECORDS", records);
            }
            programs.push(program);
        }
        if self.install {
            return Ok(());
        }
        subject::build(self.subject)?;
        let mut runs = Vec::new();
        for nodes in self.nodes() {
            for shards in self.shards(nodes) {
                let rows = self.one(&clients, &programs, nodes, shards);
                let rows = rows.with_context(|| format!("{nodes} node(s), {shards} shard(s)"))?;
                runs.push(Run { nodes, shards, rows });
            }
        }
        self.finish(&clients, &runs)
    }

    fn clients(&self) -> Result<Vec<&'static Client>> {
        for name in &self.only {
            if !CLIENTS.iter().any(|client| client.name == name) {
                let known: Vec<&str> = CLIENTS.iter().map(|client| client.name).collect();
                bail!("no client {name}; there are {}", known.join(", "));
            }
        }
        let wanted = |client: &&Client| match self.only.as_slice() {
            [] => self.all || client.quick,
            names => client.name == "java" || names.iter().any(|name| name == client.name),
        };
        Ok(CLIENTS.iter().filter(wanted).collect())
    }

    fn folder(&self) -> PathBuf {
        root().join("target/compat").join(self.subject.name())
    }

    fn nodes(&self) -> Vec<usize> {
        match self.nodes.as_slice() {
            [] if self.all => vec![1, 3],
            [] => vec![1],
            chosen => chosen.iter().map(|nodes| if nodes == "3" { 3 } else { 1 }).collect(),
        }
    }

    fn shards(&self, nodes: usize) -> Vec<usize> {
        match (self.shards.as_slice(), nodes) {
            // Apache Kafka has no shards: one run is all.
            _ if self.subject == Kind::Kafka => vec![1],
            ([], 1) => vec![1, 3],
            ([], _) => vec![2],
            (chosen, _) => chosen.to_vec(),
        }
    }

    /// One cluster, all clients.
    fn one(
        &self,
        clients: &[&'static Client],
        programs: &[Program],
        nodes: usize,
        shards: usize,
    ) -> Result<Vec<Row>> {
        let folder = self.folder().join(format!("{nodes}-{shards}"));
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        println!(
            "==> {} with {nodes} node(s) of {shards} shard(s), logs in {}",
            self.subject.name(),
            folder.display()
        );
        let programs: Vec<Program> =
            programs.iter().map(|program| program.clone().with("COMPAT_REPLICATION", nodes)).collect();
        let mut cluster = Cluster::start(self.subject, &folder, nodes, shards, self.port)?;
        let session = Session::new(cluster.bootstrap(), &folder);
        session.play(clients, &programs, self.jobs)?;
        if let Cluster::Several(nodes) = &mut cluster {
            session.failover(nodes, clients, &programs, self.jobs)?;
        }
        cluster.stop()?;
        session.rows()
    }

    fn finish(&self, clients: &[&Client], runs: &[Run]) -> Result<()> {
        let subject = match self.subject {
            Kind::Barnabas => "the release binary",
            Kind::Kafka => "Apache Kafka, the control",
        };
        let page = root().join("docs/CLIENTS.md");
        let before = fs::read_to_string(&page).unwrap_or_default();
        let text = report::document(subject, clients, runs, &before);
        println!("\n{text}");
        fs::write(self.folder().join("CLIENTS.md"), &text)?;
        let failures = report::failures(runs);
        for failure in &failures {
            println!("{failure}");
        }
        if self.subject == Kind::Barnabas && (self.all || self.write) {
            fs::write(&page, &text)?;
        }
        let checks: usize = runs.iter().map(|run| run.rows.len()).sum();
        println!("{} passed, {} failed", checks - failures.len(), failures.len());
        if !failures.is_empty() {
            bail!("{} checks failed", failures.len());
        }
        Ok(())
    }
}
