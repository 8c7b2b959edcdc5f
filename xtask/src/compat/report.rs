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
    ("unknown topic", "error.unknown-topic"),
    ("too large", "error.too-large"),
    ("out of range", "error.out-of-range"),
    ("invalid name", "error.invalid-topic"),
    ("stale commit", "error.stale-generation"),
];

/// The document that a run writes. `runs`: what each was run with, and its rows.
pub fn document(subject: &str, clients: &[&Client], runs: &[(String, Vec<Row>)]) -> String {
    let mut text = format!(
        "# Clients\n\nWritten by `cargo xtask compat`: real clients, each in its own language, against {subject}. Every \
         client produces and reads\nback 10,000 records with each codec that it has, and every byte is compared; `group` is two \
         to eight members that join, leave and\nare killed while records flow. `compat/README.md` says what each check is. \
         A codec's name stands where a client has not all five.\n\n"
    );
    let named: Vec<&str> = runs.iter().map(|(name, _)| name.as_str()).collect();
    let _ = writeln!(
        text,
        "Run with: {}. ✓ holds in all of them, – the client cannot do it.\n",
        named.join("; ")
    );
    let headings: Vec<&str> = COLUMNS.iter().map(|(heading, _)| *heading).collect();
    let _ = writeln!(text, "| client | version | {} |", headings.join(" | "));
    let _ = writeln!(text, "|--|--|{}", "--|".repeat(COLUMNS.len()));
    for client in clients {
        let rows: Vec<&Row> =
            runs.iter().flat_map(|(_, rows)| rows).filter(|row| row.client == client.name).collect();
        let version = rows.iter().find(|row| row.check == "version").map_or("", |row| row.detail.as_str());
        let cells: Vec<String> = COLUMNS.iter().map(|(_, prefix)| cell(&rows, prefix)).collect();
        let _ = writeln!(text, "| {} | {version} | {} |", client.title, cells.join(" | "));
    }
    text
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
pub fn failures(runs: &[(String, Vec<Row>)]) -> Vec<String> {
    let failed = runs.iter().flat_map(|(run, rows)| {
        rows.iter()
            .filter(|row| row.outcome == Outcome::Fail)
            .map(move |row| format!("{run}: {}: {}: {}", row.client, row.check, row.detail))
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
}
