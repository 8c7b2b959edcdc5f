//! The broker under test: Barnabas' release binary, or Apache Kafka from its jars, started with the same properties.

use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::ValueEnum;

use crate::install;
use crate::process::Process;
use crate::shell::{cargo, root};

const READY_SECONDS: u64 = 120;
/// How many ports from 23,000 on are for nodes that come back.
const STEADY_PORTS: u16 = 1000;
/// Ten thousand partitions on a slow disk take their time.
const STOP_SECONDS: u64 = 300;
const CLUSTER_ID: &str = "QmFybmFiYXMgdGVzdCBvbm";

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    Barnabas,
    Kafka,
}

impl Kind {
    pub fn name(self) -> &'static str {
        match self {
            Kind::Barnabas => "barnabas",
            Kind::Kafka => "kafka",
        }
    }
}

/// What to start, and where.
#[derive(Clone, Debug)]
pub struct Settings {
    pub kind: Kind,
    pub folder: PathBuf,
    pub port: u16,
    /// Properties that come after, and so replace, the common ones.
    pub properties: Vec<(String, String)>,
    /// Options of the Java machine when the subject is Kafka.
    pub java: Vec<String>,
    /// The processors it is kept on, as taskset writes them.
    pub processors: Option<String>,
    /// Whether Barnabas writes to its log what it does (`node_log`).
    pub tells: bool,
}

/// As Kafka's start script sets it.
pub const JAVA_AS_SHIPPED: &[&str] = &[
    "-Xmx1g",
    "-Xms1g",
    "-server",
    "-XX:+UseG1GC",
    "-XX:MaxGCPauseMillis=20",
    "-XX:InitiatingHeapOccupancyPercent=35",
    "-XX:+ExplicitGCInvokesConcurrent",
];

/// Less of everything, for tests that do not measure.
pub const JAVA_SMALL: &[&str] =
    &["-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData"];

impl Settings {
    pub fn new(kind: Kind, folder: PathBuf) -> Result<Settings> {
        let java = JAVA_SMALL.iter().map(|&option| option.to_owned()).collect();
        Ok(Settings {
            kind,
            folder,
            port: free_port()?,
            properties: Vec::new(),
            java,
            processors: None,
            tells: false,
        })
    }

    pub fn property(mut self, key: &str, value: impl ToString) -> Settings {
        self.properties.push((key.to_owned(), value.to_string()));
        self
    }

    pub fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    pub fn bootstrap(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    pub fn write_properties(&self, controller_port: u16) -> Result<PathBuf> {
        let mut text = format!(
            "process.roles=broker,controller\nnode.id=1\ncontroller.quorum.bootstrap.servers=127.0.0.1:{controller_port}\n\
             controller.listener.names=CONTROLLER\n\
             listeners=PLAINTEXT://127.0.0.1:{},CONTROLLER://127.0.0.1:{controller_port}\nlog.dirs={}\n\
             offsets.topic.replication.factor=1\ntransaction.state.log.replication.factor=1\n\
             transaction.state.log.min.isr=1\nshare.coordinator.state.topic.replication.factor=1\n\
             share.coordinator.state.topic.min.isr=1\n",
            self.port,
            self.data().display(),
        );
        for (key, value) in &self.properties {
            text.push_str(&format!("{key}={value}\n"));
        }
        let file = self.folder.join("server.properties");
        fs::write(&file, text)?;
        Ok(file)
    }

    /// Starts on what is in the data folder, formatting it first where it is empty; ready when its port answers.
    pub fn start(&self) -> Result<Subject> {
        let subject = self.launch()?;
        subject.until_ready()
    }

    /// Formats the data folder where that is a step of its own, so that a start can be timed without it.
    pub fn prepare(&self) -> Result<PathBuf> {
        fs::create_dir_all(&self.folder)?;
        let properties = self.write_properties(free_port()?)?;
        if self.kind == Kind::Kafka && !self.data().join("meta.properties").exists() {
            self.format(&properties)?;
        }
        Ok(properties)
    }

    /// Starts without waiting.
    pub fn launch(&self) -> Result<Subject> {
        let properties = self.prepare()?;
        let mut command = match self.kind {
            Kind::Barnabas => {
                let mut command = self.pinned(binary()?.to_string_lossy().as_ref());
                command.arg("server").arg(&properties);
                if self.tells {
                    command.env("BARNABAS_LOG", "info");
                }
                command
            }
            Kind::Kafka => {
                let mut command = self.kafka("kafka.Kafka")?;
                command.arg(&properties);
                command
            }
        };
        let log = fs::File::options().create(true).append(true).open(self.log())?;
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        Ok(Subject { process: Process::spawn(self.kind.name(), &mut command)?, settings: self.clone() })
    }

    pub fn log(&self) -> PathBuf {
        self.folder.join("server.log")
    }

    /// A command that ends with this tool, even when the tool is interrupted, and is kept on its processors.
    fn pinned(&self, program: &str) -> Command {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL"]);
        if let Some(processors) = &self.processors {
            command.args(["taskset", "-c", processors]);
        }
        command.arg(program);
        command
    }

    pub fn kafka(&self, class: &str) -> Result<Command> {
        let logging = root().join("compat/java/log4j2.properties");
        let mut command = self.pinned("java");
        command
            .args(&self.java)
            .arg(format!("-Dlog4j2.configurationFile={}", logging.display()))
            .arg("-cp")
            .arg(install::kafka_class_path()?)
            .arg(class);
        Ok(command)
    }

    fn format(&self, properties: &Path) -> Result<()> {
        let mut command = self.kafka("kafka.tools.StorageTool")?;
        command.args(["format", "--standalone", "-t", CLUSTER_ID, "-c"]).arg(properties);
        install::quietly(&mut command)?;
        Ok(())
    }
}

/// Builds the release binary, unless `BARNABAS_BINARY` names another or the subject is not ours.
pub fn build(kind: Kind) -> Result<()> {
    if kind == Kind::Kafka || std::env::var_os("BARNABAS_BINARY").is_some() {
        return Ok(());
    }
    cargo(&["build", "--release", "--quiet", "--package", "barnabas"])
}

/// Barnabas' release binary, or the one that `BARNABAS_BINARY` names.
pub fn binary() -> Result<PathBuf> {
    let path = match std::env::var_os("BARNABAS_BINARY") {
        Some(path) => PathBuf::from(path),
        None => root().join("target/release/barnabas"),
    };
    if !path.exists() {
        bail!("{} is missing", path.display());
    }
    Ok(path)
}

/// A port that nobody listens on now.
pub fn free_port() -> Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

/// The same below the kernel's range for outgoing connections, so that a node that was down finds its port free again.
pub fn steady_port() -> Result<u16> {
    static TAKEN: AtomicU16 = AtomicU16::new(0);
    let first = u16::try_from(std::process::id() % u32::from(STEADY_PORTS))?;
    for _ in 0..STEADY_PORTS {
        let at = TAKEN.fetch_add(1, Ordering::Relaxed) % STEADY_PORTS;
        let port = 23_000 + (first + at) % STEADY_PORTS;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return Ok(port);
        }
    }
    bail!("no port is free")
}

/// A broker that runs. Killed when dropped.
pub struct Subject {
    pub process: Process,
    pub settings: Settings,
}

impl Subject {
    pub fn until_ready(mut self) -> Result<Subject> {
        let address = SocketAddr::from(([127, 0, 0, 1], self.settings.port));
        let deadline = Instant::now() + Duration::from_secs(READY_SECONDS);
        loop {
            if TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_ok() {
                return Ok(self);
            }
            if let Some(status) = self.process.has_ended()? {
                bail!("{} ended: {status}\n{}", self.settings.kind.name(), self.log_tail());
            }
            if Instant::now() > deadline {
                bail!("{} does not listen\n{}", self.settings.kind.name(), self.log_tail());
            }
            thread::sleep(Duration::from_millis(5));
        }
    }

    pub fn log_tail(&self) -> String {
        let text = fs::read_to_string(self.settings.log()).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines.get(lines.len().saturating_sub(30)..).unwrap_or_default().join("\n")
    }

    /// A controlled stop.
    pub fn stop(mut self) -> Result<()> {
        let status = self.process.terminate(Duration::from_secs(STOP_SECONDS))?;
        // Java ends with 143 after SIGTERM.
        if !status.success() && status.code() != Some(143) {
            bail!("{} ended with {status}\n{}", self.settings.kind.name(), self.log_tail());
        }
        Ok(())
    }

    /// CPU seconds it has used so far, in user and kernel mode.
    pub fn cpu_seconds(&self) -> Result<f64> {
        cpu_seconds(self.process.id())
    }

    pub fn open_files(&self) -> Result<usize> {
        Ok(fs::read_dir(format!("/proc/{}/fd", self.process.id()))?.count())
    }

    /// Resident memory in KiB.
    pub fn resident_kib(&self) -> Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id()))?;
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).context("no VmRSS")?;
        Ok(line.split_whitespace().nth(1).context("no figure")?.parse()?)
    }
}

/// CPU seconds of a process: fields 14 and 15 of its stat, in hundredths.
pub fn cpu_seconds(process: u32) -> Result<f64> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat"))?;
    let after_name = stat.rsplit_once(')').context("no name")?.1;
    let fields: Vec<&str> = after_name.split_whitespace().collect();
    let ticks = |at: usize| -> Result<f64> { Ok(fields.get(at).context("too short")?.parse::<f64>()?) };
    Ok((ticks(11)? + ticks(12)?) / 100.0)
}
