//! Nodes of one quorum, each Barnabas or Apache Kafka: formatted by their own tools, started, killed, asked.

use std::path::PathBuf;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::install;
use crate::subject::{Kind, Settings, Subject, binary, steady_port};

pub const CLUSTER_ID: &str = "QmFybmFiYXMgcXVvcnVtIQ";
const PATIENCE: Duration = Duration::from_secs(180);

/// How a node learns of the quorum's voters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Voters {
    /// `controller.quorum.voters`.
    Static,
    /// `--initial-controllers` with all nodes.
    Initial,
    /// The first node alone, the others as observers.
    First,
}

pub struct Node {
    pub id: usize,
    pub settings: Settings,
    controller_port: u16,
    running: Option<Subject>,
}

impl Node {
    pub fn kind(&self) -> Kind {
        self.settings.kind
    }

    pub fn is_running(&self) -> bool {
        self.running.is_some()
    }

    pub fn start(&mut self) -> Result<()> {
        self.running = Some(self.settings.launch()?);
        Ok(())
    }

    pub fn kill(&mut self) {
        self.running = None;
    }

    /// A controlled stop.
    pub fn stop(&mut self) -> Result<()> {
        self.running.take().map_or(Ok(()), Subject::stop)
    }

    pub fn subject(&self) -> Option<&Subject> {
        self.running.as_ref()
    }

    /// An error where it has ended by itself.
    fn check(&mut self) -> Result<()> {
        if let Some(subject) = &mut self.running
            && let Some(status) = subject.process.has_ended()?
        {
            bail!("node {} ended: {status}\n{}", self.id, subject.log_tail());
        }
        Ok(())
    }

    pub fn metadata_log(&self) -> PathBuf {
        self.settings.data().join("__cluster_metadata-0")
    }

    fn format(&self, voters: Voters, all: &str) -> Result<()> {
        let properties = self.settings.write_properties(self.controller_port)?;
        let mut command = match self.kind() {
            Kind::Kafka => self.settings.kafka("kafka.tools.StorageTool")?,
            Kind::Barnabas => {
                let mut command = Command::new(binary()?);
                command.arg("kafka-storage");
                command
            }
        };
        command.args(["format", "-t", CLUSTER_ID, "-c"]).arg(&properties);
        match (voters, self.id) {
            (Voters::Static, _) => {}
            (Voters::Initial, _) => drop(command.args(["--initial-controllers", all])),
            (Voters::First, 1) => drop(command.arg("--standalone")),
            (Voters::First, _) => drop(command.arg("--no-initial-controllers")),
        }
        install::quietly(&mut command)?;
        Ok(())
    }
}

/// See the head of the file.
pub struct Nodes(pub Vec<Node>);

impl Nodes {
    /// Combined nodes, formatted, none of them running.
    pub fn format(
        folder: &std::path::Path,
        kinds: &[Kind],
        voters: Voters,
        properties: &[(&str, &str)],
    ) -> Result<Nodes> {
        let ports: Vec<(u16, u16)> =
            kinds.iter().map(|_| Ok((steady_port()?, steady_port()?))).collect::<Result<_>>()?;
        let controllers: Vec<String> = ports.iter().map(|(_, port)| format!("127.0.0.1:{port}")).collect();
        let with_ids = (1..).zip(&controllers).map(|(id, address)| format!("{id}@{address}"));
        let with_ids: Vec<String> = with_ids.collect();
        let mut nodes = Vec::new();
        for ((id, kind), (port, controller_port)) in (1..).zip(kinds).zip(ports) {
            let listeners = format!("PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}");
            let mut settings = Settings::new(*kind, folder.join(id.to_string()))?
                .property("node.id", id)
                .property("listeners", &listeners)
                .property("advertised.listeners", &listeners)
                .property("barnabas.metrics.listener", "");
            settings.port = port;
            settings = match voters {
                Voters::Static => settings
                    .property("controller.quorum.bootstrap.servers", "")
                    .property("controller.quorum.voters", with_ids.join(",")),
                _ => settings.property("controller.quorum.bootstrap.servers", controllers.join(",")),
            };
            for (name, value) in properties {
                settings = settings.property(name, value);
            }
            std::fs::create_dir_all(&settings.folder)?;
            nodes.push(Node { id, settings, controller_port, running: None });
        }
        let directory = |id: usize| format!("AAAAAAAAAAAAAAAAAAEAA{}", ["Q", "g", "w", "A"][(id - 1) % 4]);
        let all = nodes.iter().zip(&with_ids).map(|(node, at)| format!("{at}:{}", directory(node.id)));
        let all: Vec<String> = all.collect();
        for node in &nodes {
            node.format(voters, &all.join(","))?;
        }
        Ok(Nodes(nodes))
    }

    /// Formats and starts one more, which is a broker alone and has the properties of the first.
    pub fn add_broker(&mut self, folder: &std::path::Path) -> Result<usize> {
        if folder.exists() {
            std::fs::remove_dir_all(folder)?;
        }
        std::fs::create_dir_all(folder)?;
        let id = self.0.len() + 1;
        let (port, first) = (steady_port()?, self.0.first().context("no nodes")?);
        let listener = format!("PLAINTEXT://127.0.0.1:{port}");
        let mut settings = first.settings.clone().property("process.roles", "broker").property("node.id", id);
        settings = settings.property("listeners", &listener).property("advertised.listeners", &listener);
        (settings.port, settings.folder) = (port, folder.to_owned());
        let mut node = Node { id, settings, controller_port: first.controller_port, running: None };
        node.format(Voters::Static, "")?;
        node.start()?;
        self.0.push(node);
        Ok(id)
    }

    pub fn node(&mut self, id: usize) -> Result<&mut Node> {
        self.0.iter_mut().find(|node| node.id == id).with_context(|| format!("there is no node {id}"))
    }

    /// Some running nodes' brokers, but for `without`.
    pub fn bootstrap(&self, without: Option<usize>) -> String {
        let running = self.0.iter().filter(|node| node.is_running() && Some(node.id) != without);
        running.map(|node| node.settings.bootstrap()).collect::<Vec<_>>().join(",")
    }

    /// Asks again until it is so, while all nodes live.
    pub fn until<T>(&mut self, what: &str, mut ask: impl FnMut(&Nodes) -> Result<Option<T>>) -> Result<T> {
        let deadline = Instant::now() + PATIENCE;
        let mut last = None;
        while Instant::now() < deadline {
            self.0.iter_mut().try_for_each(Node::check)?;
            match ask(self) {
                Ok(Some(found)) => return Ok(found),
                Ok(None) => last = None,
                Err(error) => last = Some(error),
            }
            thread::sleep(Duration::from_millis(200));
        }
        let why = last.map_or(String::new(), |error| format!(": {error:#}"));
        let logs: Vec<String> = self.0.iter().map(|node| node.settings.log().display().to_string()).collect();
        bail!("{what} did not come to be; see {}{why}", logs.join(", "))
    }

    /// What the quorum says of itself through one of its brokers, by our own tool.
    pub fn describe(&self, without: Option<usize>) -> Result<Vec<Replica>> {
        let text = tool(&[
            "kafka-metadata-quorum",
            "--bootstrap-server",
            &self.bootstrap(without),
            "describe",
            "--replication",
        ])?;
        text.lines().skip(1).map(Replica::parse).collect()
    }

    /// How many brokers serve.
    pub fn brokers(&self, bootstrap: &str) -> Result<usize> {
        let text = tool(&["kafka-broker-api-versions", "--bootstrap-server", bootstrap])?;
        Ok(text.lines().filter(|line| line.contains(" -> (")).count())
    }

    /// The same by Kafka's tool.
    pub fn describe_by_kafka(&self) -> Result<Vec<Replica>> {
        let bootstrap = self.bootstrap(None);
        let text = self.kafka_tool(
            "org.apache.kafka.tools.MetadataQuorumCommand",
            &["--bootstrap-server", &bootstrap, "describe", "--replication"],
        )?;
        text.lines().skip(1).map(Replica::parse).collect()
    }

    pub fn kafka_tool(&self, class: &str, arguments: &[&str]) -> Result<String> {
        let any = self.0.first().context("no nodes")?;
        install::quietly(any.settings.kafka(class)?.args(arguments))
    }

    pub fn leader(&mut self, without: Option<usize>) -> Result<usize> {
        self.until("a leader", |nodes| {
            let replicas = nodes.describe(without)?;
            Ok(replicas
                .iter()
                .find(|one| one.status == "Leader" && Some(one.id) != without)
                .map(|one| one.id))
        })
    }
}

/// A line of `describe --replication`.
#[derive(Debug)]
pub struct Replica {
    pub id: usize,
    pub end_offset: i64,
    pub lag: i64,
    pub status: String,
}

impl Replica {
    fn parse(line: &str) -> Result<Replica> {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [id, _, end_offset, lag, _, _, status] = fields[..] else { bail!("not a replica: {line}") };
        Ok(Replica {
            id: id.parse()?,
            end_offset: end_offset.parse()?,
            lag: lag.parse()?,
            status: status.to_owned(),
        })
    }
}

/// One of our own tools.
pub fn tool(arguments: &[&str]) -> Result<String> {
    let mut command = Command::new("timeout");
    command.arg("60").arg(binary()?).args(arguments);
    install::quietly(&mut command)
}
