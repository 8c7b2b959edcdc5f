//! The files of `testdata`: commands, `----`, what came of them. `REWRITE=1 cargo test` writes them anew.

mod harness;
#[path = "harness/text.rs"]
mod text;

use harness::Driver;
use protocol::ErrorCode;
use text::{Aliases, Words};

fn run_command(line: &str, driver: &mut Driver, aliases: &mut Aliases) -> Vec<String> {
    let mut words = line.split_whitespace();
    let name = words.next().unwrap_or("");
    let words = Words(words.collect());
    match name {
        "config" => configure(&words, driver),
        "hold" => driver.hold = true,
        "release" => {
            driver.hold = false;
            driver.commit();
        }
        "written" => driver.commit(),
        "failed" => driver.fail(ErrorCode::NotEnoughReplicas),
        "last-failed" => driver.fail_last(ErrorCode::NotEnoughReplicas),
        "advance" => driver.advance(words.0[0].parse().expect("milliseconds")),
        "reload" => driver.reload(),
        "delete-topic" => driver.delete_topic(words.0[0]),
        "marker" => driver.marker(words.number("producer", 1), !words.has("abort")),
        name => {
            let (version, command) = text::command(name, &words, aliases, &driver.topics);
            driver.command(version, words.get("client").unwrap_or("c"), command);
        }
    }
    let replies = driver.take_replies();
    let writes = std::mem::take(&mut driver.writes);
    text::learn(&replies, &writes, aliases);
    let mut lines: Vec<String> =
        replies.iter().map(|(token, response)| text::reply(*token, response, aliases)).collect();
    for write in writes {
        lines.extend(write.records.iter().map(|record| format!("  {}", text::record(record, aliases))));
    }
    lines
}

fn configure(words: &Words, driver: &mut Driver) {
    let config = &mut driver.config;
    config.max_size = words.number("max_size", config.max_size);
    config.initial_rebalance_delay_ms = words.number("delay", config.initial_rebalance_delay_ms);
    config.offset_metadata_max = words.number("metadata", config.offset_metadata_max);
    config.offsets_retention_ms = words.number("retention", config.offsets_retention_ms);
}

fn run(source: &str) -> String {
    let mut out = String::new();
    let mut driver = Driver::new(1);
    let mut aliases = Aliases::default();
    let mut in_output = false;
    for line in source.lines() {
        match line.trim() {
            "" => {
                in_output = false;
                out.push('\n');
            }
            "----" => in_output = true,
            _ if in_output => {}
            comment if comment.starts_with('#') => out.push_str(&format!("{line}\n")),
            "new" => {
                driver = Driver::new(1);
                aliases = Aliases::default();
                out.push_str("new\n");
            }
            command => {
                out.push_str(&format!("{line}\n"));
                let lines = run_command(command, &mut driver, &mut aliases);
                if !lines.is_empty() {
                    out.push_str("----\n");
                    lines.iter().for_each(|line| out.push_str(&format!("{line}\n")));
                }
            }
        }
    }
    out
}

#[test]
#[allow(clippy::disallowed_methods)]
fn scenarios() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata");
    let mut seen = 0;
    for entry in std::fs::read_dir(folder).expect("testdata") {
        let path = entry.expect("an entry").path();
        if path.extension().is_none_or(|extension| extension != "txt") {
            continue;
        }
        let source = std::fs::read_to_string(&path).expect("a scenario");
        let result = run(&source);
        if std::env::var_os("REWRITE").is_some() {
            std::fs::write(&path, &result).expect("the scenario can be written");
        } else {
            assert_eq!(source, result, "{}", path.display());
        }
        seen += 1;
    }
    assert!(seen > 0);
}
