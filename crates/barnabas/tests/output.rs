//! What the program does where nobody reads what it says.

use std::fs::OpenOptions;
use std::process::{Command, Output, Stdio};

const PROGRAM: &str = env!("CARGO_BIN_EXE_barnabas");

/// A pipe whose reader has gone.
fn nobody() -> Stdio {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    writer.into()
}

fn run(arguments: &str, out: impl Into<Stdio>, error: impl Into<Stdio>) -> (Option<i32>, String, String) {
    let mut command = Command::new(PROGRAM);
    command.args(arguments.split_whitespace()).stdin(Stdio::null()).stdout(out).stderr(error);
    let Output { status, stdout, stderr } = command.spawn().unwrap().wait_with_output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (status.code(), text(stdout), text(stderr))
}

#[test]
fn without_a_reader_it_ends_as_sigpipe_ends_others() {
    for arguments in [
        "--help",
        "--version",
        "completion bash",
        "kafka-cluster --help",
        "kafka-features --help",
        "kafka-metadata-quorum --help",
        "kafka-producer-perf-test --help",
        "kafka-storage --help",
        "kafka-storage random-uuid",
        "kafka-topics --version",
        "quorum replicas --help",
    ] {
        let quietly = (Some(141), String::new(), String::new());
        assert_eq!(run(arguments, nobody(), Stdio::piped()), quietly, "{arguments}");
    }
    // these are told on stderr
    for arguments in ["kafka-topics --help", "kafka-topics --list", "nothing-of-the-kind"] {
        assert_eq!(run(arguments, Stdio::piped(), nobody()).0, Some(141), "{arguments}");
    }
}

#[test]
fn a_full_disk_is_told() {
    for arguments in ["--help", "kafka-topics --version"] {
        let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        let (code, _, error) = run(arguments, full, Stdio::piped());
        assert_eq!(code, Some(1), "{arguments}: {error}");
        let begin = "failed printing to stdout: No space left on device";
        assert!(error.starts_with(begin) && error.lines().count() == 1, "{arguments}: {error}");
    }
}
