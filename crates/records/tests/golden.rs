//! Batches made by Apache Kafka's own classes read the same here, and what its LogValidator says of produced
//! ones is said here, word for word (`golden/README.md`).

mod common;

use common::dump;
use records::control::{ControlRecord, ControlType};
use records::{
    Batches, Codec, Compression, RebuildOptions, Refusal, Rules, TimestampType, rebuild, validate,
};
use types::{LeaderEpoch, Offset};

const BATCHES: &[u8] = include_bytes!("../golden/batches.bin");
const JUDGED: &[u8] = include_bytes!("../golden/judged.bin");
const NOW: i64 = 1_700_000_000_000;

fn assert_lines(actual: &str, expected: &str) {
    for (actual, expected) in actual.lines().zip(expected.lines()) {
        assert_eq!(actual, expected);
    }
    assert_eq!(actual.lines().count(), expected.lines().count());
}

#[test]
fn kafkas_batches_are_read() {
    assert_lines(&dump(BATCHES), include_str!("../golden/batches.txt"));
}

#[test]
fn a_cut_tail_is_left_alone() {
    let ends: Vec<usize> = Batches::new(BATCHES)
        .scan(0, |end, batch| {
            *end += batch.unwrap().size();
            Some(*end)
        })
        .collect();
    assert_eq!(ends.last(), Some(&BATCHES.len()));
    for cut in [0, 1, 11, 12, 16, 17, 60, 61, 62, 200, ends[2] - 1, ends[2], ends[2] + 40] {
        let mut batches = Batches::new(&BATCHES[..cut]);
        let whole = ends.iter().filter(|end| **end <= cut).count();
        assert_eq!(batches.by_ref().map(Result::unwrap).count(), whole, "{cut}");
        assert_eq!(batches.consumed(), whole.checked_sub(1).map_or(0, |last| ends[last]), "{cut}");
    }
}

#[test]
fn control_records_go_both_ways() {
    let mut types = Vec::new();
    for batch in Batches::new(BATCHES).map(Result::unwrap).filter(|batch| batch.is_control()) {
        let data = batch.data(0).unwrap();
        for record in batch.records(&data).map(Result::unwrap) {
            let (key, value) = (record.key.unwrap(), record.value.unwrap());
            let decoded = ControlRecord::decode(key, value).unwrap().unwrap();
            assert_eq!(decoded.control_type().key(), key);
            assert_eq!(decoded.encode_value(), value, "{decoded:?}");
            types.push(decoded.control_type());
        }
    }
    use ControlType::*;
    let all = [Commit, Abort, LeaderChange, SnapshotHeader, KRaftVersion, KRaftVoters, SnapshotFooter];
    assert_eq!(types, all);
}

/// A line of `judged.txt` that begins a case: the name, then `key=value` words.
fn rules(line: &str) -> (usize, Rules) {
    let field = |name: &str| {
        let words = line.split(' ').filter_map(|word| word.split_once('='));
        words.into_iter().find(|(key, _)| *key == name).expect("a field").1
    };
    let rules = Rules {
        now_ms: NOW,
        compacted: field("compacted") == "true",
        timestamp_type: match field("type") {
            "CreateTime" => TimestampType::CreateTime,
            _ => TimestampType::LogAppendTime,
        },
        timestamp_before_max_ms: field("before").parse().unwrap(),
        timestamp_after_max_ms: field("after").parse().unwrap(),
        codec: field("target").parse::<Codec>().ok(),
        ..Rules::default()
    };
    (field("size").parse().unwrap(), rules)
}

fn refused(refusal: &Refusal) -> String {
    let mut out = format!("refused {}: {}\n", refusal.error_code(), refusal.message(&"golden-3", 13));
    for record in refusal.records() {
        out += &format!("  at {}: {}\n", record.index, record.message(&"golden-3"));
    }
    out
}

/// What is stored at offset 100 in leader epoch 5, or the refusal, as `Golden.java` writes it.
fn verdict(bytes: &[u8], rules: &Rules) -> String {
    let validated = match validate(bytes, rules) {
        Ok(validated) => validated,
        Err(refusal) => return refused(&refusal),
    };
    let stored = if validated.rebuild {
        let codec = rules.codec.or(validated.batch.codec()).unwrap();
        let options = RebuildOptions {
            compression: Compression::new(codec),
            base_offset: Offset(100),
            leader_epoch: LeaderEpoch(5),
            log_append_time: (rules.timestamp_type == TimestampType::LogAppendTime).then_some(NOW),
            decompressed_bytes_max: 1 << 20,
        };
        rebuild(&validated.batch, &options).unwrap().to_vec()
    } else {
        let header = validated.header(Offset(100), LeaderEpoch(5));
        [&header.bytes()[..], validated.batch.payload()].concat()
    };
    format!("accepted rebuilt={}\n{}", validated.rebuild, dump(&stored))
}

/// Compressors differ in what they write: sizes and checksums of rebuilt batches are not compared.
fn comparable(verdict: &str) -> String {
    let rebuilt = verdict.starts_with("accepted rebuilt=true");
    let keep = |word: &&str| !(rebuilt && (word.starts_with("size=") || word.starts_with("crc=")));
    let lines = verdict.lines().map(|line| line.split(' ').filter(keep).collect::<Vec<_>>().join(" "));
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn produced_batches_are_judged_as_by_kafka() {
    let mut rest = JUDGED;
    let mut cases = 0;
    for case in include_str!("../golden/judged.txt").split("case ").skip(1) {
        let (line, expected) = case.split_once('\n').unwrap();
        let (size, rules) = rules(line);
        let (bytes, behind) = rest.split_at(size);
        rest = behind;
        if line.contains("-renumbered ") {
            // where Kafka stores wrong offsets or fails (see `validate`)
            let verdict = verdict(bytes, &rules);
            assert!(verdict.starts_with("accepted rebuilt=true\nbatch base=100 last=101 "), "{verdict}");
            assert!(verdict.contains("record offset=100 ") && verdict.contains("record offset=101 "));
        } else {
            assert_eq!(comparable(&verdict(bytes, &rules)), comparable(expected), "{line}");
        }
        cases += 1;
    }
    assert!(rest.is_empty() && cases > 100, "{cases}");
}
