//! The clients: how each is installed and started, and which of them are quick enough for every run.

use std::process::Command;

use anyhow::Result;

use crate::install;
use crate::shell::root;

pub struct Client {
    pub name: &'static str,
    pub title: &'static str,
    /// In the quick run.
    pub quick: bool,
    /// Its producer cannot write a record twice.
    pub idempotent: bool,
    /// Its own program can read back what a group has committed; otherwise the Java client does.
    pub reads_commits: bool,
    /// Its consumer goes on by itself when a broker dies; otherwise it ends with an error, with Apache Kafka too.
    pub outlives_brokers: bool,
    install: fn() -> Result<Vec<String>>,
}

pub const CLIENTS: &[Client] = &[
    Client {
        name: "java",
        title: "Java kafka-clients",
        quick: true,
        idempotent: true,
        reads_commits: true,
        outlives_brokers: true,
        install: java,
    },
    Client {
        name: "confluent",
        title: "confluent-kafka (Python, librdkafka)",
        quick: true,
        idempotent: true,
        reads_commits: true,
        outlives_brokers: true,
        install: || python("confluent.py"),
    },
    Client {
        name: "kcat",
        title: "kcat (Debian)",
        quick: true,
        idempotent: true,
        reads_commits: false,
        outlives_brokers: true,
        install: kcat,
    },
    Client {
        name: "franz-go",
        title: "franz-go",
        quick: true,
        idempotent: true,
        reads_commits: true,
        outlives_brokers: true,
        install: || go("franz-go"),
    },
    Client {
        name: "kafka-python",
        title: "kafka-python",
        quick: true,
        idempotent: true,
        reads_commits: true,
        outlives_brokers: true,
        install: || python("kafka_python.py"),
    },
    Client {
        name: "kafkajs",
        title: "kafkajs",
        quick: true,
        idempotent: true,
        reads_commits: true,
        outlives_brokers: true,
        install: || javascript("kafkajs.js"),
    },
    Client {
        name: "sarama",
        title: "sarama",
        quick: false,
        idempotent: true,
        reads_commits: true,
        outlives_brokers: true,
        install: || go("sarama"),
    },
    Client {
        name: "kafka-go",
        title: "kafka-go",
        quick: false,
        idempotent: false,
        reads_commits: true,
        outlives_brokers: true,
        install: || go("kafka-go"),
    },
    Client {
        name: "aiokafka",
        title: "aiokafka",
        quick: false,
        idempotent: true,
        reads_commits: true,
        outlives_brokers: true,
        install: || python("aiokafka_program.py"),
    },
    Client {
        name: "rdkafka",
        title: "rdkafka (Rust, librdkafka)",
        quick: false,
        idempotent: true,
        reads_commits: true,
        outlives_brokers: true,
        install: rust,
    },
    Client {
        name: "platformatic",
        title: "@platformatic/kafka",
        quick: false,
        idempotent: true,
        reads_commits: true,
        outlives_brokers: false,
        install: || javascript("platformatic.mjs"),
    },
    Client {
        name: "spring",
        title: "spring-kafka",
        quick: false,
        idempotent: true,
        reads_commits: false,
        outlives_brokers: true,
        install: || java_program("spring", "Main", &["java/src/Records.java", "java/src/Failure.java"]),
    },
];

impl Client {
    /// Installs it where that is still to be done; gives the command line that starts its program.
    pub fn install(&self) -> Result<Program> {
        Ok(Program { name: self.name, words: (self.install)()?, environment: Vec::new() })
    }
}

/// A program of the contract in `compat/README.md`.
#[derive(Clone)]
pub struct Program {
    pub name: &'static str,
    words: Vec<String>,
    environment: Vec<(&'static str, String)>,
}

impl Program {
    /// With one more variable of the contract.
    pub fn with(mut self, variable: &'static str, value: impl ToString) -> Program {
        self.environment.push((variable, value.to_string()));
        self
    }

    pub fn command(&self) -> Command {
        let mut words = self.words.iter();
        let mut command = Command::new(words.next().map(String::as_str).unwrap_or_default());
        command.args(words).env("COMPAT_NAME", self.name);
        command.envs(self.environment.iter().map(|(variable, value)| (variable, value)));
        command
    }
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|&word| word.to_owned()).collect()
}

fn in_tree(path: &str) -> String {
    root().join("compat").join(path).display().to_string()
}

fn java() -> Result<Vec<String>> {
    java_program("java", "Main", &[])
}

fn java_program(folder: &str, class: &str, shared: &[&str]) -> Result<Vec<String>> {
    let class_path = install::java(folder, shared)?;
    let logging = format!("-Dlog4j2.configurationFile={}", in_tree("java/log4j2.properties"));
    Ok(words(&["java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", &logging, "-cp", &class_path, class]))
}

fn python(program: &str) -> Result<Vec<String>> {
    let interpreter = install::python()?;
    Ok(words(&[&interpreter.to_string_lossy(), &in_tree(&format!("python/{program}"))]))
}

fn kcat() -> Result<Vec<String>> {
    install::debian("kcat")?;
    Ok(words(&["python3", &in_tree("python/kcat.py")]))
}

fn go(program: &str) -> Result<Vec<String>> {
    Ok(words(&[&install::go("compat/go", program)?.to_string_lossy()]))
}

fn rust() -> Result<Vec<String>> {
    Ok(words(&[&install::rust("compat/rust", "compat-rdkafka")?.to_string_lossy()]))
}

fn javascript(program: &str) -> Result<Vec<String>> {
    let folder = install::javascript()?;
    let node = folder.join("node_modules/node/bin/node");
    Ok(words(&[&node.to_string_lossy(), &folder.join(program).to_string_lossy()]))
}
