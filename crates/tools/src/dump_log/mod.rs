//! kafka-dump-log: what the files of a log directory hold, line for line as Kafka's own tool shows it.

mod decoder;
mod index;
mod json;
mod log;
mod schema;
#[rustfmt::skip]
mod schemas;

use std::path::Path;
use std::process::ExitCode;

use crate::Stop;
use crate::options::{CommandLine, Opt, Parsed, flag, integer, text};
use crate::output::say;

pub const LINE: CommandLine = CommandLine {
    name: "dump-log",
    about: "This tool helps to parse a log file and dump its contents to the console, useful for debugging a seemingly \
            corrupt log segment.",
    options: OPTIONS,
    examples: &[
        "--files /var/lib/kafka/events-0/00000000000000000000.log --print-data-log",
        "--files /var/lib/kafka/events-0/00000000000000000000.index,/var/lib/kafka/events-0/00000000000000000000.timeindex",
        "--files /var/lib/kafka/__cluster_metadata-0/00000000000000000000.log --cluster-metadata-decoder",
    ],
};

const OPTIONS: &[Opt] = &[
    text(
        "files",
        "file,…",
        "Required. Files of the log directory: .log, .index, .timeindex, .txnindex, .snapshot, .checkpoint.",
    ),
    flag("print-data-log", "Prints the records too."),
    flag("deep-iteration", "Shows each record, not only each batch."),
    flag("skip-record-metadata", "Of records only what they hold; leaves control records out."),
    integer("max-message-size", "size", "The largest batch.").or("5242880"),
    integer("max-bytes", "size", "Reads no more than this of each .log file.").or("2147483647"),
    flag("index-sanity-check", "Only checks the form of an index."),
    flag("verify-index-only", "Only compares an index with its log."),
    text("value-decoder-class", "class", "Not supported: values are shown as text.").optional(),
    text("key-decoder-class", "class", "Not supported: keys are shown as text.").optional(),
    flag("offsets-decoder", "Records of __consumer_offsets."),
    flag("transaction-log-decoder", "Records of __transaction_state."),
    flag("cluster-metadata-decoder", "Records of __cluster_metadata."),
    flag("remote-log-metadata-decoder", "Records of __remote_log_metadata."),
    flag("share-group-state-decoder", "Records of __share_group_state."),
];

pub fn main(arguments: Vec<String>) -> ExitCode {
    crate::options::main(&LINE, arguments, run)
}

fn run(parsed: &Parsed) -> Result<(), Stop> {
    let files = parsed.needed("files")?;
    let classes =
        ["value-decoder-class", "key-decoder-class"].map(|option| parsed.values(option).first().copied());
    let unknown = classes.into_iter().flatten().find(|class| !class.ends_with("StringDecoder"));
    let decoder = decoder::Decoder::choose(parsed);
    for file in files.split(',') {
        say!("Dumping {file}");
        let path = Path::new(file);
        if unknown.is_some() {
            return Err(Stop::error("java.lang.RuntimeException: Failed to load decoder class"));
        }
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("log" | "checkpoint") => log::dump(path, parsed, decoder.as_ref())?,
            Some("index") => index::offsets(path, parsed)?,
            Some("timeindex") => index::times(path, parsed)?,
            Some("snapshot") => index::producers(path)?,
            Some("txnindex") => index::transactions(path)?,
            _ => eprintln!("Ignoring unknown file {file}"),
        }
    }
    Ok(())
}

/// The file's bytes, no more than `max`.
fn read(path: &Path, max: u64) -> Result<Vec<u8>, Stop> {
    use std::io::Read;
    let mut bytes = Vec::new();
    let outcome = std::fs::File::open(path).and_then(|file| file.take(max).read_to_end(&mut bytes));
    outcome.map(|_| bytes).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => {
            Stop::error(format!("java.nio.file.NoSuchFileException: {}", path.display()))
        }
        _ => Stop::error(format!("{}: {error}", path.display())),
    })
}

/// The offset in a file's name.
fn base_offset(path: &Path) -> i64 {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let digits: String = name.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().unwrap_or(0)
}
