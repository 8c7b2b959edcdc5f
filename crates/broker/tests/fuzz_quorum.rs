//! A metadata directory whose files were damaged: log, snapshots, quorum-state, bootstrap. The quorum refuses to open,
//! stops with a reason, or runs; it never panics nor takes much memory. The log is our own, or Apache Kafka's.

#[path = "../../../fuzz/fuzzing.rs"]
mod fuzzing;

use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use broker::config::{Limits, Listener, LogDirectoryConfig, NodeConfig, Settings};
use broker::event::{Effect, Event};
use broker::quorum::format::{FormatOptions, InitialVoters, bootstrap, format};
use broker::quorum::{Quorum, QuorumOptions};
use fuzzing::{STRANGE, each_seed, mutate, mutate_text, peak_of, pick, random_bytes};
use metadata::configs::StaticConfig;
use metadata::features::MetadataVersion;
use platform::memory::MemoryFileSystem;
use platform::{FileSystem, Random, Time};
use raft::{Endpoint, ReplicaKey, VersionRange, Voter};
use records::{Batch, Batches};
use types::{NodeId, Uuid};

const DIRECTORY: &str = "/data";
const LOG_DIRECTORY: &str = "/data/__cluster_metadata-0";
const FIRST_SEGMENT: &str = "/data/__cluster_metadata-0/00000000000000000000.log";
const CLUSTER: &str = "AAAAAAAAAAAAAAAAAAAAAw";
const KAFKAS: &[u8] = include_bytes!("../../metadata/testdata/kafka-metadata.log");

/// Reading buffers of the log (8 MiB) and what is in them.
const MEMORY_MAX: usize = 64 << 20;

fn directory_id() -> Uuid {
    Uuid::from_halves(0x1234_5678_9abc_4def, 0x0123_4567_89ab_cdef)
}

fn format_directory(files: &MemoryFileSystem) {
    let endpoint = Endpoint { listener: "CONTROLLER".into(), host: "localhost".into(), port: 9093 };
    let key = ReplicaKey::new(NodeId(1), directory_id());
    let voter = Voter { key, endpoints: vec![endpoint], supported: VersionRange::OURS };
    let version = MetadataVersion::LATEST_PRODUCTION;
    let options = FormatOptions {
        node_id: NodeId(1),
        cluster_id: CLUSTER.into(),
        directories: vec![(PathBuf::from(DIRECTORY), directory_id())],
        metadata_directory: PathBuf::from(DIRECTORY),
        voters: InitialVoters::Dynamic(vec![voter]),
        records: bootstrap(version, &[]),
        metadata_version: version,
        wall_ms: 1,
    };
    format(files, &options).unwrap();
}

fn options(files: &MemoryFileSystem, seed: u64) -> QuorumOptions {
    let given: BTreeMap<String, String> = [
        ("process.roles", "controller"),
        ("node.id", "1"),
        ("controller.quorum.bootstrap.servers", "localhost:9093"),
        ("listeners", "CONTROLLER://:9093"),
        ("controller.listener.names", "CONTROLLER"),
        ("log.dirs", DIRECTORY),
        ("metadata.log.max.record.bytes.between.snapshots", "500"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into();
    let config = StaticConfig::parse(&given).unwrap();
    let node = NodeConfig {
        node_id: NodeId(1),
        cluster_id: CLUSTER.into(),
        is_broker: false,
        is_controller: true,
        rack: None,
        listeners: vec![Listener {
            name: "CONTROLLER".into(),
            security_protocol: "PLAINTEXT".into(),
            advertised_host: "localhost".into(),
            advertised_port: 9093,
            is_controller: true,
        }],
        log_directories: vec![LogDirectoryConfig { path: PathBuf::from(DIRECTORY), id: directory_id() }],
        lost_log_directories: Vec::new(),
        metadata_log_directory: PathBuf::from(DIRECTORY),
        shards: 0,
        properties: Arc::new(given),
        settings: Settings::default(),
        limits: Limits::default(),
    };
    QuorumOptions {
        node: Arc::new(node),
        config: Arc::new(config),
        file_system: Arc::new(files.clone()),
        random: Random::new(seed),
        previous_broker_epoch: -1,
    }
}

/// Opens, and lives for some seconds. Why it stopped, if it did.
fn run(files: &MemoryFileSystem, seed: u64) -> Result<(), String> {
    let mut now = Time { monotonic_us: 0, wall_ms: 1_700_000_000_000 };
    let mut effects = Vec::new();
    let mut quorum =
        Quorum::open(options(files, seed), now, &mut effects).map_err(|error| error.to_string())?;
    let mut events = VecDeque::new();
    for turn in 0..60 {
        now = Time { monotonic_us: turn * 100_000, wall_ms: now.wall_ms + 100 };
        events.push_back(if turn == 59 { Event::Shutdown } else { Event::Tick });
        while let Some(event) = events.pop_front() {
            quorum.step(now, event, &mut effects);
            for effect in effects.drain(..) {
                if let Some(event) = carry_out(files, effect)? {
                    events.push_back(event);
                }
            }
        }
    }
    Ok(())
}

fn carry_out(files: &MemoryFileSystem, effect: Effect) -> Result<Option<Event>, String> {
    match effect {
        Effect::Flush { token, files: dirty, directories, .. } => {
            dirty.iter().for_each(|file| file.sync().unwrap());
            directories.iter().for_each(|path| files.sync_directory(path).unwrap());
            Ok(Some(Event::DiskDone { token, result: Ok(()) }))
        }
        Effect::WriteFile { token, path, content, .. } => {
            files.write_atomically(&path, &content).unwrap();
            Ok(Some(Event::DiskDone { token, result: Ok(()) }))
        }
        Effect::Fatal { reason } => Err(reason),
        _ => Ok(None),
    }
}

fn files_in(system: &MemoryFileSystem, directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in system.read_directory(directory).unwrap() {
        let path = directory.join(&entry.name);
        if entry.is_directory { found.extend(files_in(system, &path)) } else { found.push(path) }
    }
    found
}

/// One batch of several changed behind its checksum.
fn sealed(bytes: &[u8], random: &mut Random) -> Vec<u8> {
    let batches: Vec<Batch<'_>> = Batches::new(bytes).flatten().collect();
    let mut out = Vec::new();
    let chosen = random.below(batches.len().max(1) as u64) as usize;
    for (index, batch) in batches.iter().enumerate() {
        if index != chosen {
            out.extend_from_slice(batch.bytes());
            continue;
        }
        let mut head = batch.bytes()[..61].to_vec();
        if random.one_in(4) {
            let at = 21 + random.below(40) as usize;
            head[at] ^= 1 << random.below(8);
        }
        let payload = mutate(batch.payload(), random);
        let mut new = [head, payload].concat();
        let length = new.len() as i32 - 12;
        new[8..12].copy_from_slice(&length.to_be_bytes());
        let crc = records::crc32c(&new[21..]);
        new[17..21].copy_from_slice(&crc.to_be_bytes());
        out.extend(new);
    }
    out
}

fn damage(system: &MemoryFileSystem, random: &mut Random) {
    for _ in 0..=random.below(3) {
        let files = files_in(system, DIRECTORY.as_ref());
        let path: &PathBuf = pick(&files, random);
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let bytes = system.read(path).unwrap();
        let is_batches = name.ends_with(".log") || name.ends_with(".checkpoint");
        let new = match random.below(8) {
            0 => {
                system.remove_file(path).unwrap();
                continue;
            }
            1 => bytes[..random.below(bytes.len() as u64 + 1) as usize].to_vec(),
            2 => [bytes, random_bytes(200, random)].concat(),
            3 => {
                // a snapshot that says what the log says, or something else
                let end = random.below(40);
                let snapshot = format!("{LOG_DIRECTORY}/{end:020}-{:010}.checkpoint", random.below(3));
                let other = system.read(pick::<PathBuf>(&files, random)).unwrap();
                system.write_atomically(snapshot.as_ref(), &sealed(&other, random)).unwrap();
                continue;
            }
            _ if is_batches => sealed(&bytes, random),
            _ if name.contains("properties") || name.contains("quorum-state") => {
                mutate_text(&String::from_utf8_lossy(&bytes).replace(',', ",\n"), STRANGE, random)
            }
            _ => mutate(&bytes, random),
        };
        system.write_atomically(path, &new).unwrap();
    }
}

#[test]
fn damaged_metadata_directories() {
    let mut ran = 0;
    each_seed(30, |random| {
        let seed = random.next_u64();
        let files = MemoryFileSystem::new(seed);
        format_directory(&files);
        run(&files, seed).expect("nothing is wrong yet");
        if random.one_in(2) {
            files.write_atomically(FIRST_SEGMENT.as_ref(), KAFKAS).unwrap();
        }
        damage(&files, random);
        let (outcome, peak) = peak_of(|| run(&files, seed));
        assert!(peak <= MEMORY_MAX, "{peak} bytes");
        ran += u64::from(outcome.is_ok());
        // whatever it has done, it can be opened again or says why not
        let _ = run(&files, seed + 1);
    });
    assert!(ran > 0, "some damage is none");
}
