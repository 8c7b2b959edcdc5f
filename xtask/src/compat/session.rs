//! One cluster's time with its clients.

use std::path::Path;
use std::sync::Mutex;
use std::thread;
use std::time::Instant;

use anyhow::{Context, Result, anyhow};

use super::checks::{self, Outcome, Row};
use super::clients::{Client, Program};
use super::{failover, group};
use crate::quorum_nodes::Nodes;

pub struct Session<'a> {
    bootstrap: String,
    folder: &'a Path,
    rows: Mutex<Vec<Row>>,
}

impl<'a> Session<'a> {
    pub fn new(bootstrap: String, folder: &'a Path) -> Session<'a> {
        Session { bootstrap, folder, rows: Mutex::new(Vec::new()) }
    }

    pub fn rows(self) -> Result<Vec<Row>> {
        self.rows.into_inner().map_err(|_| anyhow!("a client's thread panicked"))
    }

    /// Java first, since the others read what it wrote; then the others side by side; then Java reads theirs.
    pub fn play(&self, clients: &[&Client], programs: &[Program], jobs: usize) -> Result<()> {
        let java = programs.first().context("no Java")?;
        let pairs: Vec<(&Client, &Program)> = clients.iter().copied().zip(programs).collect();
        let (first, others) = pairs.split_first().context("no clients")?;
        self.client(first.0, first.1, java)?;
        let waiting = Mutex::new(others.iter());
        thread::scope(|scope| {
            let work = || -> Result<()> {
                loop {
                    let next = waiting.lock().map_err(|_| anyhow!("poisoned"))?.next();
                    let Some((client, program)) = next else { return Ok(()) };
                    self.client(client, program, java)?;
                }
            };
            let workers: Vec<_> = (0..jobs.max(1)).map(|_| scope.spawn(work)).collect();
            for worker in workers {
                worker.join().map_err(|_| anyhow!("a worker panicked"))??;
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
        self.rows.lock().map_err(|_| anyhow!("poisoned"))?.extend(rows);
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

    /// The nodes are killed in turn, once for every so many clients.
    pub fn failover(
        &self,
        nodes: &mut Nodes,
        clients: &[&'static Client],
        programs: &[Program],
        jobs: usize,
    ) -> Result<()> {
        let java = programs.first().context("no Java")?;
        let pairs = clients.iter().copied().zip(programs);
        let (pairs, others): (Vec<_>, Vec<_>) = pairs.partition(|(client, _)| client.outlives_brokers);
        for (client, _) in others {
            self.tell_failover(client.name, Outcome::NotApplicable, String::new())?;
        }
        for some in pairs.chunks(jobs.max(1)) {
            for (name, verdict) in failover::run(nodes, some, java, &self.bootstrap, self.folder)? {
                let (outcome, detail) = match verdict {
                    Ok(detail) => (Outcome::Ok, detail),
                    Err(error) => (Outcome::Fail, format!("{error:#}")),
                };
                println!("{name}: failover: {detail}");
                self.tell_failover(name, outcome, detail)?;
            }
        }
        Ok(())
    }

    fn tell_failover(&self, client: &str, outcome: Outcome, detail: String) -> Result<()> {
        let row = Row { client: client.to_owned(), check: "failover".to_owned(), outcome, detail };
        self.rows.lock().map_err(|_| anyhow!("poisoned"))?.push(row);
        Ok(())
    }

    /// The Java client reads, in one go, all that others say they have written.
    fn judge(&self, java: &Program) -> Result<()> {
        let mut rows = self.rows.lock().map_err(|_| anyhow!("poisoned"))?;
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
