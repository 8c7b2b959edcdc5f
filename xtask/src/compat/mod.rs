//! `cargo xtask compat`: real clients in their own languages against a broker, and the table of what they found.

mod checks;
mod clients;
mod group;
mod report;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::thread;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::shell::root;
use crate::subject::{self, Kind, Settings};
use checks::{Outcome, Row};
use clients::{CLIENTS, Client, Program};

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
    /// Numbers of shards to run with
    #[arg(long, value_delimiter = ',', default_value = "1,3")]
    shards: Vec<usize>,
    /// Clients that run at the same time
    #[arg(long, default_value_t = 3)]
    jobs: usize,
    /// The broker's port; a free one if not given
    #[arg(long)]
    port: Option<u16>,
    /// Install the clients and stop
    #[arg(long)]
    install: bool,
    /// Write docs/CLIENTS.md even after a run of some clients only
    #[arg(long)]
    write: bool,
}

impl Compat {
    pub fn run(&self) -> Result<()> {
        let clients = self.clients()?;
        let mut programs = Vec::new();
        for client in &clients {
            programs.push(client.install().with_context(|| client.title)?);
        }
        if self.install {
            return Ok(());
        }
        subject::build(self.subject)?;
        let mut runs = Vec::new();
        // Apache Kafka has no shards: one run is all.
        let shards = if self.subject == Kind::Kafka { &[1][..] } else { &self.shards };
        for &count in shards {
            let name = if count == 1 { "1 shard".to_owned() } else { format!("{count} shards") };
            let rows = self.one(&clients, &programs, count).with_context(|| name.clone())?;
            runs.push((name, rows));
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

    /// One broker, all clients.
    fn one(&self, clients: &[&Client], programs: &[Program], shards: usize) -> Result<Vec<Row>> {
        let folder = self.folder().join(shards.to_string());
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        let mut settings = Settings::new(self.subject, folder.clone())?
            .property("num.partitions", 3)
            .property("message.max.bytes", 2_097_152)
            .property("log.retention.ms", -1)
            .property("group.initial.rebalance.delay.ms", 500);
        if self.subject == Kind::Barnabas {
            settings = settings.property("barnabas.shards", shards);
        }
        if let Some(port) = self.port {
            settings.port = port;
        }
        println!(
            "==> {} with {shards} shard(s), its log in {}",
            self.subject.name(),
            settings.log().display()
        );
        let subject = settings.start()?;
        let session =
            Session { bootstrap: settings.bootstrap(), folder: &folder, rows: Mutex::new(Vec::new()) };
        session.play(clients, programs, self.jobs)?;
        subject.stop()?;
        session.rows.into_inner().map_err(|_| anyhow::anyhow!("a client's thread panicked"))
    }

    fn finish(&self, clients: &[&Client], runs: &[(String, Vec<Row>)]) -> Result<()> {
        let subject = match self.subject {
            Kind::Barnabas => "the release binary",
            Kind::Kafka => "Apache Kafka, the control",
        };
        let text = report::document(subject, clients, runs);
        println!("\n{text}");
        fs::write(self.folder().join("CLIENTS.md"), &text)?;
        let failures = report::failures(runs);
        for failure in &failures {
            println!("{failure}");
        }
        if self.subject == Kind::Barnabas && (self.all || self.write) {
            fs::create_dir_all(root().join("docs"))?;
            fs::write(root().join("docs/CLIENTS.md"), &text)?;
        }
        let checks: usize = runs.iter().map(|(_, rows)| rows.len()).sum();
        println!("{} passed, {} failed", checks - failures.len(), failures.len());
        if !failures.is_empty() {
            bail!("{} checks failed", failures.len());
        }
        Ok(())
    }
}

/// One broker's time with its clients.
struct Session<'a> {
    bootstrap: String,
    folder: &'a Path,
    rows: Mutex<Vec<Row>>,
}

impl Session<'_> {
    /// Java first, since the others read what it wrote; then the others side by side; then Java reads theirs.
    fn play(&self, clients: &[&Client], programs: &[Program], jobs: usize) -> Result<()> {
        let java = programs.first().context("no Java")?;
        let pairs: Vec<(&Client, &Program)> = clients.iter().copied().zip(programs).collect();
        let (first, others) = pairs.split_first().context("no clients")?;
        self.client(first.0, first.1, java)?;
        let waiting = Mutex::new(others.iter());
        thread::scope(|scope| {
            let work = || -> Result<()> {
                loop {
                    let next = waiting.lock().map_err(|_| anyhow::anyhow!("poisoned"))?.next();
                    let Some((client, program)) = next else { return Ok(()) };
                    self.client(client, program, java)?;
                }
            };
            let workers: Vec<_> = (0..jobs.max(1)).map(|_| scope.spawn(work)).collect();
            for worker in workers {
                worker.join().map_err(|_| anyhow::anyhow!("a worker panicked"))??;
            }
            Ok::<(), anyhow::Error>(())
        })?;
        self.judge(java)
    }

    fn client(&self, client: &Client, program: &Program, java: &Program) -> Result<()> {
        let start = Instant::now();
        let mut rows = checks::run(program, &self.bootstrap, &checks::own(), self.folder)?;
        if client.name != "java" {
            let reads = checks::run(program, &self.bootstrap, &checks::reads_of("java"), self.folder)?;
            rows.extend(
                reads.into_iter().map(|row| Row { check: kind_of_read(&row.check, "of-java"), ..row }),
            );
        }
        rows.push(self.group(client, program, java));
        let failed = rows.iter().filter(|row| row.outcome == Outcome::Fail).count();
        println!(
            "{}: {} checks, {failed} failed, {:.0} s",
            client.name,
            rows.len(),
            start.elapsed().as_secs_f64()
        );
        self.rows.lock().map_err(|_| anyhow::anyhow!("poisoned"))?.extend(rows);
        Ok(())
    }

    fn group(&self, client: &Client, program: &Program, java: &Program) -> Row {
        let (client_name, check) = (client.name.to_owned(), "group".to_owned());
        let (outcome, detail) =
            match group::run(program, java, client.reads_commits, &self.bootstrap, self.folder) {
                Ok(detail) => (Outcome::Ok, detail),
                Err(error) => (Outcome::Fail, format!("{error:#}")),
            };
        Row { client: client_name, check, outcome, detail }
    }

    /// The Java client reads, in one go, all that others say they have written.
    fn judge(&self, java: &Program) -> Result<()> {
        let mut rows = self.rows.lock().map_err(|_| anyhow::anyhow!("poisoned"))?;
        let written: Vec<(String, String)> = rows
            .iter()
            .filter(|row| row.outcome == Outcome::Ok && row.client != "java")
            .filter_map(|row| Some((row.client.clone(), row.check.strip_prefix("produce.")?.to_owned())))
            .collect();
        let reads: Vec<String> =
            written.iter().map(|(client, codec)| format!("read.{codec}@{client}")).collect();
        if reads.is_empty() {
            return Ok(());
        }
        for row in checks::run(java, &self.bootstrap, &reads, self.folder)? {
            let client = row.check.rsplit('@').next().unwrap_or_default().to_owned();
            rows.push(Row { client, check: kind_of_read(&row.check, "by-java"), ..row });
        }
        Ok(())
    }
}

/// `read.gzip@java` under another name: `of-java.gzip`.
fn kind_of_read(check: &str, kind: &str) -> String {
    let codec = check.strip_prefix("read.").and_then(|rest| rest.split('@').next()).unwrap_or(check);
    format!("{kind}.{codec}")
}
