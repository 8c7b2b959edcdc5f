//! Properties files that nobody meant: the parser and the checks behind it end in entries or in an error that names a
//! line, and take no more memory than a few times the file.

#[path = "../../../fuzz/fuzzing.rs"]
mod fuzzing;

use std::path::Path;

use fuzzing::{STRANGE, each_seed, mutate, mutate_text, peak_of, random_bytes};
use server::configuration::Given;
use server::properties::parse;

const FILE: &str = "# a node
process.roles=broker,controller
node.id : 1
controller.quorum.bootstrap.servers localhost:9093
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://:9092,\\
    CONTROLLER://:9093
log.dirs=/tmp/\\u006cogs
! and more
log.retention.hours=168
num.partitions=3
barnabas.shards=2
a\\ name=a\\tvalue
";

#[test]
fn damaged_files() {
    each_seed(30, |random| {
        let bytes = match random.below(6) {
            0 => random_bytes(300, random),
            1 | 2 => mutate(FILE.as_bytes(), random),
            _ => mutate_text(FILE, STRANGE, random),
        };
        let lines = bytes.iter().filter(|byte| matches!(byte, b'\n' | b'\r')).count() + 1;
        let (parsed, peak) = peak_of(|| parse(&bytes));
        assert!(peak <= 100 * bytes.len() + 4096, "{peak} bytes");
        match parsed {
            Ok(entries) => assert!(entries.iter().all(|entry| (1..=lines).contains(&entry.line))),
            Err(error) => assert!((1..=lines).contains(&error.line)),
        }
        let ((), peak) = peak_of(|| check(&bytes));
        assert!(peak <= 100 * bytes.len() + (2 << 20), "{peak} bytes");
    });
}

fn check(bytes: &[u8]) {
    let Ok(mut given) = Given::file(Path::new("/f"), bytes) else { return };
    let text = String::from_utf8_lossy(bytes).into_owned();
    for line in text.lines().take(3) {
        let _ = given.add_override(line);
        given.add_environment([(format!("KAFKA_{line}"), line.to_owned())]);
    }
    let _ = given.warnings();
    if let Err(error) = given.check() {
        assert!(!error.place.is_empty() && !error.message.is_empty());
    }
}
