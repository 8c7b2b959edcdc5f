//! Programs in several languages that write, read and commit all the time; what they say goes to files that the checker reads.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Result, bail};

use super::network::Network;
use crate::install;
use crate::process::Process;
use crate::shell::root;

/// Name and partitions of each topic.
pub const TOPICS: &[(&str, usize)] = &[("letters", 6), ("orders", 3), ("single", 1)];

/// Who writes (name, language, topic, records a second), reads (language, topic), and is in a group (language, topic).
const WRITERS: &[(&str, Language, usize, u64)] = &[
    ("java-writer", Language::Java, 0, 500),
    ("python-writer", Language::Python, 1, 400),
    ("go-writer", Language::Go, 2, 500),
    ("go-second", Language::Go, 0, 300),
];
const READERS: &[(&str, Language, usize)] = &[
    ("java-reader", Language::Java, 1),
    ("python-reader", Language::Python, 2),
    ("go-reader", Language::Go, 0),
];
const GROUPS: &[(&str, Language, usize)] = &[
    ("java-group", Language::Java, 2),
    ("python-group", Language::Python, 0),
    ("go-group", Language::Go, 1),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Language {
    Java,
    Python,
    Go,
}

/// How to call the program of each language.
pub struct Programs {
    java: String,
    python: PathBuf,
    go: PathBuf,
}

impl Programs {
    pub fn install() -> Result<Programs> {
        Ok(Programs {
            java: install::java("java", &[])?,
            python: install::python()?,
            go: install::go("compat/go", "chaos")?,
        })
    }

    fn command(&self, language: Language, network: &Network) -> Command {
        let in_tree = |path: &str| root().join("compat").join(path).display().to_string();
        match language {
            Language::Go => network.inside(0, &self.go.to_string_lossy()),
            Language::Python => {
                let mut command = network.inside(0, &self.python.to_string_lossy());
                command.arg(in_tree("python/chaos.py"));
                command
            }
            Language::Java => {
                let mut command = network.inside(0, "java");
                command
                    .args(["-Xmx384m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-XX:-UsePerfData"])
                    .arg(format!("-Dlog4j2.configurationFile={}", in_tree("java/log4j2.properties")))
                    .args(["-cp", &self.java, "Chaos"]);
                command
            }
        }
    }
}

/// A running program, and where its words are.
pub struct Client {
    pub name: String,
    pub topic: &'static str,
    pub words: PathBuf,
    process: Process,
}

/// All programs of a run.
pub struct Workload {
    pub writers: Vec<Client>,
    pub readers: Vec<Client>,
    pub groups: Vec<Client>,
}

/// Where the programs run, and whom they talk to.
pub struct Place<'a> {
    pub network: &'a Network,
    pub programs: &'a Programs,
    pub folder: &'a Path,
    pub bootstrap: &'a str,
}

impl Place<'_> {
    fn start(&self, name: &str, language: Language, topic: usize, words: &[&str]) -> Result<Client> {
        let path = self.folder.join(format!("{name}.txt"));
        let mut command = self.programs.command(language, self.network);
        command
            .arg(self.bootstrap)
            .args(words)
            .stdin(Stdio::piped())
            .stdout(File::create(&path)?)
            .stderr(File::create(self.folder.join(format!("{name}.err")))?);
        let process = Process::spawn(name, &mut command)?;
        Ok(Client { name: name.to_owned(), topic: TOPICS[topic].0, words: path, process })
    }

    pub fn workload(&self) -> Result<Workload> {
        let mut all = Workload { writers: Vec::new(), readers: Vec::new(), groups: Vec::new() };
        for (name, language, at, rate) in WRITERS {
            let (topic, partitions) = TOPICS[*at];
            let words = ["writer", name, topic, &partitions.to_string(), &rate.to_string()];
            all.writers.push(self.start(name, *language, *at, &words)?);
        }
        for (name, language, at) in READERS {
            let (topic, partitions) = TOPICS[*at];
            all.readers.push(self.start(
                name,
                *language,
                *at,
                &["reader", topic, &partitions.to_string()],
            )?);
        }
        for (name, language, at) in GROUPS {
            all.groups.push(self.start(name, *language, *at, &["group", name, TOPICS[*at].0])?);
        }
        Ok(all)
    }

    /// Reads every topic from its beginning to its end, when nobody writes any more.
    pub fn read_all(&self, limit: Duration) -> Result<Vec<Client>> {
        let mut all = Vec::new();
        for (at, (topic, partitions)) in TOPICS.iter().enumerate() {
            let words = ["reader", topic, &partitions.to_string()];
            all.push(self.start(&format!("last-reader-{topic}"), Language::Go, at, &words)?);
        }
        end(&mut all, limit)?;
        Ok(all)
    }

    /// What the groups have committed at the end, under the names of the groups.
    pub fn committed(&self, limit: Duration) -> Result<Vec<Client>> {
        let mut all = Vec::new();
        for (group, _, at) in GROUPS {
            all.push(self.start(&format!("{group}-end"), Language::Go, *at, &["committed", group])?);
        }
        end(&mut all, limit)?;
        Ok(all)
    }
}

impl Workload {
    /// An error where one has given up.
    pub fn check(&mut self) -> Result<()> {
        for client in self.writers.iter_mut().chain(&mut self.readers).chain(&mut self.groups) {
            if let Some(status) = client.process.has_ended()? {
                bail!(
                    "{} gave up: {status}, see {}",
                    client.name,
                    client.words.with_extension("err").display()
                );
            }
        }
        Ok(())
    }
}

/// Tells programs to finish, and waits for them.
pub fn end(clients: &mut [Client], limit: Duration) -> Result<()> {
    clients.iter_mut().for_each(|client| drop(client.process.take_stdin()));
    for client in clients {
        let status = client.process.wait(limit)?;
        if !status.success() {
            bail!(
                "{} ended with {status}, see {}",
                client.name,
                client.words.with_extension("err").display()
            );
        }
    }
    Ok(())
}
