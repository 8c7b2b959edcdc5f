//! kafka-replica-verification against three running nodes: it comes to the end of the log, and it sees a replica that differs.

use std::fs::OpenOptions;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

const PROGRAM: &str = env!("CARGO_BIN_EXE_barnabas");
const RECORDS: i64 = 100;
/// Of a batch's checksum in its header.
const CRC_AT: u64 = 17;

/// Three nodes that end with it.
struct Nodes {
    folder: TempDir,
    port: u16,
}

impl Nodes {
    fn start() -> Nodes {
        let nodes = Nodes { folder: TempDir::new().unwrap(), port: free_ports(6) };
        nodes.cluster(&["start", "--nodes", "3", "--port", &nodes.port.to_string()]);
        nodes
    }

    fn cluster(&self, arguments: &[&str]) {
        let folder = self.folder.path().to_str().unwrap();
        run(Command::new(PROGRAM).args(["cluster", "--folder", folder]).args(arguments), "");
    }

    fn server(&self) -> String {
        format!("localhost:{}", self.port)
    }

    fn segment(&self, node: u16) -> PathBuf {
        self.folder.path().join(format!("node-{node}/t-0/00000000000000000000.log"))
    }

    /// The first line of which this is true; the tool runs until it is told to end.
    fn verification_says(&self, wanted: impl Fn(&str) -> bool) -> String {
        let mut command = Command::new(PROGRAM);
        command.args([
            "kafka-replica-verification",
            "--broker-list",
            &self.server(),
            "--topics-include",
            "t",
        ]);
        command.args(["--time", "-2", "--report-interval-ms", "0", "--max-wait-ms", "10"]);
        let mut tool = command.stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(tool.stdout.take().unwrap()).lines().map(Result::unwrap);
        let line = lines.take(1000).find(|line| wanted(line));
        tool.kill().unwrap();
        tool.wait().unwrap();
        line.expect("the line never came")
    }
}

impl Drop for Nodes {
    fn drop(&mut self) {
        let folder = self.folder.path();
        let _ = Command::new(PROGRAM).args(["cluster", "stop", "--folder"]).arg(folder).output();
    }
}

/// The first of so many, one after the other, that nobody has at this moment.
fn free_ports(count: u16) -> u16 {
    loop {
        let first = TcpListener::bind("localhost:0").unwrap().local_addr().unwrap().port();
        let free = |port: u16| TcpListener::bind(("localhost", port)).is_ok();
        if first < u16::MAX - count && (first..first + count).all(free) {
            return first;
        }
    }
}

fn run(command: &mut Command, input: &str) {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Makes one batch's checksum another one.
fn spoil(segment: &Path) {
    let file = OpenOptions::new().read(true).write(true).open(segment).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, CRC_AT).unwrap();
    file.write_all_at(&[byte[0] ^ 1], CRC_AT).unwrap();
}

#[test]
fn equal_replicas_are_read_to_their_end_and_a_different_one_is_told() {
    let nodes = Nodes::start();
    let server = nodes.server();
    let create = ["kafka-topics", "--bootstrap-server", &server, "--create", "--topic", "t"];
    run(Command::new(PROGRAM).args(create).args(["--replication-factor", "3"]), "");
    let produce = ["kafka-console-producer", "--bootstrap-server", &server, "--topic", "t"];
    let lines: String = (0..RECORDS).map(|number| format!("{number}\n")).collect();
    run(Command::new(PROGRAM).args(produce), &lines);

    let end = format!("max lag is 0 for partition t-0 at offset {RECORDS} among 1 partitions");
    nodes.verification_says(|line| line.ends_with(&end));

    nodes.cluster(&["stop", "--node", "2"]);
    spoil(&nodes.segment(2));
    nodes.cluster(&["start"]);
    let told = nodes.verification_says(|line| line.contains("unmatched checksum"));
    assert!(told.contains("partition t-0 has unmatched checksum at offset "), "{told}");
}
