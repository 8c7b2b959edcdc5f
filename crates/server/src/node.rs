//! From a configuration to a running node.

use std::io::Write;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::sync::Arc;

use anyhow::{Context, Result};
use broker::event::{Effect, Event, ListenerId, ShardId};
use broker::quorum::{Quorum, QuorumOptions};
use broker::{Directories, Shard, ShardLogs, ShardOptions};
use metadata::configs::StaticConfig;
use platform::{FileSystem, OsFileSystem, Random, Time};
use storage::LogDirectory;

use crate::acceptor::{Acceptor, Homes};
use crate::clock::Clock;
use crate::configuration::{Given, Place};
use crate::directories::{self, Opened};
use crate::limits::{ConnectionLimits, RequestMemory};
use crate::node_config::{binds, node_config};
use crate::process::{self, End, Node};
use crate::reactor::{Actor, Settings};

impl Actor for Shard {
    fn step(&mut self, now: Time, event: Event, effects: &mut Vec<Effect>) {
        Shard::step(self, now, event, effects);
    }

    fn end_of_turn(&mut self, now: Time, effects: &mut Vec<Effect>) {
        Shard::end_of_turn(self, now, effects);
    }
}

impl Actor for Quorum {
    fn step(&mut self, now: Time, event: Event, effects: &mut Vec<Effect>) {
        Quorum::step(self, now, event, effects);
    }

    /// A step settles what it changed: commits come one at a time.
    fn end_of_turn(&mut self, _: Time, _: &mut Vec<Effect>) {}
}

/// Runs the node in this process until a signal ends it. Errors before it runs name what is wrong and where.
pub fn run(given: &Given) -> Result<End> {
    crate::logging::start();
    crate::logging::end_at_panic();
    let config = given.check()?;
    for warning in given.warnings() {
        warn(&warning);
    }
    let clock = Clock::start();
    let file_system: Arc<dyn FileSystem> = Arc::new(OsFileSystem);
    let mut random = Random::new(seed()?);
    raise_open_files();
    let limits = connection_limits(&config)?;
    let listeners = Listeners::bind(&config, &limits)?;
    let opened = directories::open(&config, &file_system, &mut random, clock.now())?;
    let formatted = opened.formatted;
    let config = Arc::new(config);
    let actors =
        Actors::open(&config, given, opened, &listeners.ports, &mut random, clock.now(), &file_system)?;
    let shard_count = actors.shards.len();
    let http = http(&config, given)?;
    let http_address = http.as_ref().and_then(|listener| listener.local_addr().ok());
    let node = Node {
        shards: actors.shards,
        quorum: actors.quorum,
        quorum_effects: actors.quorum_effects,
        file_system,
        clock,
        settings: settings(&config),
        controller_listeners: listeners.controllers,
        client_listeners: listeners.clients,
        node_id: config.node_id,
        listener_names: config.listeners.iter().map(|listener| listener.name.clone()).collect(),
        http,
    };
    let end = process::run(node, |addresses| {
        announce(&config, &Announcement { addresses, formatted, http_address, shards: shard_count });
    })?;
    Ok(end)
}

fn seed() -> Result<u64> {
    let mut bytes = [0u8; 8];
    rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty())?;
    Ok(u64::from_le_bytes(bytes))
}

fn settings(config: &StaticConfig) -> Settings {
    Settings {
        frame_max: config.i32("socket.request.max.bytes") as usize,
        unanswered_max: 16,
        // negative is never
        idle_us: u64::try_from(config.i64("connections.max.idle.ms"))
            .map_or(u64::MAX, |ms| ms.saturating_mul(1000)),
        held_max: (config.i32("socket.request.max.bytes") as usize).saturating_mul(2),
        request_memory: RequestMemory::new(config.i64("barnabas.request.memory.max.bytes") as usize),
    }
}

/// A connection is a file descriptor, and so is each open segment: as many as the machine lets this process have.
fn raise_open_files() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        tracing::debug!("the limit of open files stays as it is: {error}");
    }
}

fn connection_limits(config: &StaticConfig) -> Result<Arc<ConnectionLimits>> {
    let mut overrides = std::collections::BTreeMap::new();
    let name = "max.connections.per.ip.overrides";
    let text = config.str(name).unwrap_or_default();
    for entry in text.split(',').map(str::trim).filter(|entry| !entry.is_empty()) {
        let Some((host, count)) = entry.rsplit_once(':') else { continue };
        let count = count.trim().parse().with_context(|| format!("{name}: {entry}"))?;
        let host = host.trim().trim_start_matches('[').trim_end_matches(']');
        let found = (host, 0).to_socket_addrs().with_context(|| format!("{name}: {host} is not known"))?;
        overrides.extend(found.map(|address| (address.ip(), count)));
    }
    // segments and checkpoints need file descriptors too
    let files = rustix::process::getrlimit(rustix::process::Resource::Nofile).current.unwrap_or(u64::MAX);
    let left_for_connections = usize::try_from(files - files / 4).unwrap_or(usize::MAX);
    Ok(ConnectionLimits::new(
        (config.i32("max.connections") as usize).min(left_for_connections),
        config.i32("max.connections.per.ip") as usize,
        overrides,
    ))
}

struct Listeners {
    clients: Vec<Acceptor>,
    controllers: Vec<Acceptor>,
    /// One for each of `listeners`.
    ports: Vec<u16>,
}

impl Listeners {
    fn bind(config: &StaticConfig, limits: &Arc<ConnectionLimits>) -> Result<Listeners> {
        let backlog = config.i32("socket.listen.backlog.size");
        // negative leaves it to the system. A small send buffer halves the cost of a fetch: the reader's own processor
        // then does the work of its acknowledgements. A small receive buffer makes a produce dearer by a tenth, so that
        // it is taken only when somebody asks for it.
        let size = |name: &str| usize::try_from(config.i32(name)).ok();
        let send = size("socket.send.buffer.bytes");
        let receive =
            size("socket.receive.buffer.bytes").filter(|_| config.is_given("socket.receive.buffer.bytes"));
        let mut listeners = Listeners { clients: Vec::new(), controllers: Vec::new(), ports: Vec::new() };
        for (index, bind) in binds(config).iter().enumerate() {
            let id = ListenerId(index as u16);
            let homes = if bind.is_controller { Homes::Quorum } else { Homes::Shards };
            let acceptors = Acceptor::bind(&bind.host, bind.port, backlog, id, homes, limits)
                .context("a listener cannot be opened (listeners)")?;
            acceptors.iter().try_for_each(|acceptor| acceptor.set_buffers(send, receive))?;
            let port = acceptors.first().and_then(|a| a.address().ok()).map_or(bind.port, |a| a.port());
            listeners.ports.push(port);
            match homes {
                Homes::Quorum => listeners.controllers.extend(acceptors),
                Homes::Shards => listeners.clients.extend(acceptors),
            }
        }
        Ok(listeners)
    }
}

struct Actors {
    shards: Vec<Shard>,
    quorum: Quorum,
    quorum_effects: Vec<Effect>,
    /// It holds no partitions of clients; locked as long as the node runs.
    _metadata_only: Option<LogDirectory>,
}

impl Actors {
    fn open(
        config: &Arc<StaticConfig>,
        given: &Given,
        opened: Opened,
        ports: &[u16],
        random: &mut Random,
        now: Time,
        file_system: &Arc<dyn FileSystem>,
    ) -> Result<Actors> {
        let node = Arc::new(node_config(config, given, &opened.identity, ports));
        let (directories, found) = Directories::of(opened.starts, node.shards);
        let previous_broker_epoch = directories.previous_broker_epoch(&node.lost_log_directories);
        let directories = Arc::new(directories);
        let shards = found.into_iter().enumerate().map(|(index, found)| {
            let logs = ShardLogs { directories: Arc::clone(&directories), found };
            Shard::new(ShardOptions {
                id: ShardId(index as u16),
                node: Arc::clone(&node),
                random: random.fork(),
                logs,
            })
        });
        let shards = shards.collect();
        let options = QuorumOptions {
            node,
            config: Arc::clone(config),
            file_system: Arc::clone(file_system),
            random: random.fork(),
            previous_broker_epoch,
        };
        let mut quorum_effects = Vec::new();
        let quorum = Quorum::open(options, now, &mut quorum_effects)?;
        Ok(Actors { shards, quorum, quorum_effects, _metadata_only: opened.metadata_only })
    }
}

/// On stderr, where that has a reader.
fn warn(text: &str) {
    let _ = writeln!(std::io::stderr(), "barnabas: warning: {text}");
}

/// The port of a standard node may be taken: that is worth a warning, no more.
fn http(config: &StaticConfig, given: &Given) -> Result<Option<TcpListener>> {
    let address = config.str("barnabas.metrics.listener").unwrap_or_default();
    if address.is_empty() {
        return Ok(None);
    }
    match TcpListener::bind(address) {
        Ok(listener) => Ok(Some(listener)),
        Err(error) if given.place("barnabas.metrics.listener") == Some(&Place::Standard) => {
            warn(&format!("no metrics: {address}: {error}"));
            Ok(None)
        }
        Err(error) => Err(error).with_context(|| format!("barnabas.metrics.listener={address}")),
    }
}

struct Announcement<'a> {
    addresses: &'a [SocketAddr],
    formatted: bool,
    http_address: Option<SocketAddr>,
    shards: usize,
}

fn announce(config: &StaticConfig, what: &Announcement<'_>) {
    let mut addresses: Vec<String> = what.addresses.iter().map(SocketAddr::to_string).collect();
    if addresses.is_empty() {
        addresses = config.listeners.iter().map(|one| format!("{}:{}", one.host, one.port)).collect();
    }
    let shards = if what.shards == 1 { "1 shard".to_owned() } else { format!("{} shards", what.shards) };
    let mut text = format!(
        "Barnabas {} is ready on {} (node {}, {shards})\n",
        env!("CARGO_PKG_VERSION"),
        addresses.join(", "),
        config.node_id
    );
    let new = if what.formatted { ", new" } else { "" };
    text += &format!("  data      {}{new}\n", config.log_dirs.join(", "));
    if let Some(http) = what.http_address {
        text += &format!("  metrics   http://{http}/metrics\n");
    }
    if let Some(first) = what.addresses.first() {
        text += &format!(
            "  try       bin/kafka-topics.sh --create --topic quickstart-events --bootstrap-server localhost:{}\n\
             \x20 stop      Ctrl-C\n",
            first.port()
        );
    }
    // a node serves whether or not anybody reads that
    let _ = std::io::stdout().write_all(text.as_bytes());
}
