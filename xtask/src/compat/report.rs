//! The table of clients and checks, and the failures.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::checks::{CODECS, Outcome, Row};
use super::clients::Client;

/// The table's columns: a heading, and which checks stand behind it.
const COLUMNS: &[(&str, &str)] = &[
    ("create", "create"),
    ("produce", "produce."),
    ("read back", "read."),
    ("from offset", "offset"),
    ("from time", "time"),
    ("Java reads its records", "by-java."),
    ("reads Java's records", "of-java."),
    ("group", "group"),
    ("failover", "failover"),
    ("unknown topic", "error.unknown-topic"),
    ("too large", "error.too-large"),
    ("out of range", "error.out-of-range"),
    ("invalid name", "error.invalid-topic"),
    ("stale commit", "error.stale-generation"),
];

/// One cluster's rows, and what it was.
pub struct Run {
    pub nodes: usize,
    pub shards: usize,
    pub rows: Vec<Row>,
}

const ONE: &str = "## One node";
const THREE: &str = "## Three nodes";

/// The document that a run writes. A table that the run did not make stays as it was `before`.
pub fn document(subject: &str, clients: &[&Client], runs: &[Run], before: &str) -> String {
    let mut text = format!(
        "# Clients\n\nWritten by `cargo xtask compat`: real clients, each in its own language, against {subject}. Every \
         client produces and reads\nback 10,000 records with each codec that it has, and every byte is compared; `group` is two \
         to eight members that join, leave and\nare killed while records flow. `compat/README.md` says what each check is. \
         A codec's name stands where a client has not all five.\n"
    );
    for (heading, nodes) in [(ONE, 1), (THREE, 3)] {
        let mine: Vec<&Run> = runs.iter().filter(|run| run.nodes == nodes).collect();
        if mine.is_empty() {
            text.push_str(&section(before, heading));
        } else {
            let _ = write!(text, "\n{heading}\n\n{}", table(clients, &mine));
        }
    }
    text
}

/// A section of the page, its heading and the empty line before it included.
fn section(page: &str, heading: &str) -> String {
    let Some(start) = page.find(&format!("\n{heading}\n")) else { return String::new() };
    let own = page.get(start..).unwrap_or_default();
    let end = own.get(1..).and_then(|rest| rest.find("\n## ")).map_or(own.len(), |end| end + 1);
    own.get(..end).unwrap_or_default().to_owned()
}

fn table(clients: &[&Client], runs: &[&Run]) -> String {
    let mut text = String::new();
    let columns: Vec<&(&str, &str)> = COLUMNS
        .iter()
        .filter(|(_, prefix)| runs.iter().flat_map(|run| &run.rows).any(|row| matches(&row.check, prefix)))
        .collect();
    let shards: Vec<String> = runs.iter().map(|run| count(run.shards, "shard")).collect();
    let several = runs.iter().any(|run| run.nodes > 1);
    let each = if several {
        " each; three replicas of every topic, `min.insync.replicas=2`. `failover`: each node is \
        killed with kill -9 in turn while\nthe client produces and four members of a group consume, then a fourth broker comes, takes its share of partitions and \
        leaders, and\ngoes; nothing lost, nothing doubled but by a producer that is not idempotent (kafka-go's), nothing delivered again that was \
        committed"
    } else {
        ""
    };
    let _ = writeln!(
        text,
        "Run with: {}{each}. ✓ holds in all runs, – the client cannot do it.\n",
        shards.join("; ")
    );
    let headings: Vec<&str> = columns.iter().map(|(heading, _)| *heading).collect();
    let _ = writeln!(text, "| client | version | {} |", headings.join(" | "));
    let _ = writeln!(text, "|--|--|{}", "--|".repeat(columns.len()));
    for client in clients {
        let rows: Vec<&Row> =
            runs.iter().flat_map(|run| &run.rows).filter(|row| row.client == client.name).collect();
        let version = rows.iter().find(|row| row.check == "version").map_or("", |row| row.detail.as_str());
        let cells: Vec<String> = columns.iter().map(|(_, prefix)| cell(&rows, prefix)).collect();
        let _ = writeln!(text, "| {} | {version} | {} |", client.title, cells.join(" | "));
    }
    text
}

fn count(number: usize, thing: &str) -> String {
    format!("{number} {thing}{}", if number == 1 { "" } else { "s" })
}

fn cell(rows: &[&Row], prefix: &str) -> String {
    let mut outcomes: BTreeMap<&str, Outcome> = BTreeMap::new();
    for row in rows.iter().filter(|row| matches(&row.check, prefix)) {
        let outcome = outcomes.entry(row.check.as_str()).or_insert(row.outcome);
        if row.outcome == Outcome::Fail {
            *outcome = Outcome::Fail;
        }
    }
    let with = |wanted: Outcome| -> Vec<&str> {
        let named = outcomes.iter().filter(|(_, outcome)| **outcome == wanted);
        let mut found: Vec<&str> =
            named.map(|(check, _)| check.strip_prefix(prefix).unwrap_or(check)).collect();
        found.sort_by_key(|codec| CODECS.iter().position(|known| known == codec));
        found
    };
    let (good, failed, cannot) = (with(Outcome::Ok), with(Outcome::Fail), with(Outcome::NotApplicable));
    match (good.len(), failed.len(), cannot.len()) {
        (_, 1.., _) if prefix.ends_with('.') => format!("✗ {}", failed.join(", ")),
        (_, 1.., _) => "✗".to_owned(),
        (1.., 0, 0) => "✓".to_owned(),
        (1.., 0, _) => good.join(", "),
        (0, 0, _) => "–".to_owned(),
    }
}

/// A prefix that ends with a point stands for all of a kind, any other for one check.
fn matches(check: &str, prefix: &str) -> bool {
    if prefix.ends_with('.') { check.starts_with(prefix) } else { check == prefix }
}

/// What failed, one line each.
pub fn failures(runs: &[Run]) -> Vec<String> {
    let failed = runs.iter().flat_map(|run| {
        let what = format!("{}, {}", count(run.nodes, "node"), count(run.shards, "shard"));
        let failed = run.rows.iter().filter(|row| row.outcome == Outcome::Fail);
        failed.map(move |row| format!("{what}: {}: {}: {}", row.client, row.check, row.detail))
    });
    failed.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(check: &str, outcome: Outcome) -> Row {
        Row { client: "c".to_owned(), check: check.to_owned(), outcome, detail: String::new() }
    }

    #[test]
    fn a_cell_says_the_worst() {
        use Outcome::{Fail, NotApplicable, Ok};
        let table: &[(&[Row], &str, &str)] = &[
            (&[row("time", Ok), row("time", Ok)], "time", "✓"),
            (&[row("time", Ok), row("time", Fail)], "time", "✗"),
            (&[row("time", NotApplicable)], "time", "–"),
            (&[], "time", "–"),
            (
                &[row("read.none", Ok), row("read.zstd", Fail), row("read.gzip", Fail)],
                "read.",
                "✗ gzip, zstd",
            ),
            (&[row("read.none", Ok), row("read.zstd", NotApplicable)], "read.", "none"),
            (&[row("timeless", Fail), row("time", Ok)], "time", "✓"),
        ];
        for (rows, prefix, expected) in table {
            let rows: Vec<&Row> = rows.iter().collect();
            assert_eq!(cell(&rows, prefix), *expected, "{rows:?}");
        }
    }

    #[test]
    fn a_section_ends_before_the_next() {
        let page = "# Clients\n\ntext\n\n## One node\n\na\n\n## Three nodes\n\nb\n";
        assert_eq!(section(page, ONE), "\n## One node\n\na\n");
        assert_eq!(section(page, THREE), "\n## Three nodes\n\nb\n");
        assert_eq!(section("# Clients\n", ONE), "");
    }
}
