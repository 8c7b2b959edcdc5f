//! What a machine can keep of the style: which crate may use which, a header in every file, no file too long, no
//! unfinished marks.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use crate::shell::root;

/// Which crates of the workspace each one may use. Dependencies point down only; `cargo xtask tidy` checks this table.
const LAYERS: &[(&str, &[&str])] = &[
    ("types", &[]),
    ("platform", &["types"]),
    ("records", &["types"]),
    ("protocol", &["types", "platform", "records"]),
    ("storage", &["types", "platform", "records", "protocol"]),
    ("replication", &["types", "platform", "records", "protocol"]),
    ("raft", &["types", "platform", "records", "protocol"]),
    ("metadata", &["types", "platform", "records", "protocol"]),
    ("coordinator", &["types", "platform", "records", "protocol"]),
    (
        "broker",
        &[
            "types",
            "platform",
            "records",
            "protocol",
            "storage",
            "replication",
            "raft",
            "metadata",
            "coordinator",
        ],
    ),
    ("server", &["types", "platform", "records", "protocol", "storage", "raft", "metadata", "broker"]),
    (
        "simulator",
        &["types", "platform", "records", "protocol", "storage", "raft", "metadata", "coordinator", "broker"],
    ),
    ("client", &["types", "records", "protocol"]),
    ("tools", &["types", "platform", "records", "protocol", "client", "storage", "metadata", "raft"]),
    (
        "barnabas",
        &[
            "types", "platform", "records", "protocol", "storage", "metadata", "server", "tools", "client",
            "broker",
        ],
    ),
];

const LINES_MAX: usize = 800;
const MARKS: &[&str] = &["todo!(", "unimplemented!(", "dbg!(", "FIXME", "#[ignore"];

pub fn run() -> Result<()> {
    let mut faults = Vec::new();
    let crates = root().join("crates");
    for (name, manifest) in manifests(&crates)? {
        layers(&name, &manifest, &mut faults)?;
    }
    for file in sources(&[crates, root().join("xtask")])? {
        source(&file, &mut faults)?;
    }
    if faults.is_empty() {
        println!("tidy: nothing to say");
        return Ok(());
    }
    for fault in &faults {
        eprintln!("tidy: {fault}");
    }
    bail!("{} places are not tidy", faults.len())
}

fn manifests(crates: &Path) -> Result<BTreeMap<String, String>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(crates)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if let Ok(text) = fs::read_to_string(path.join("Cargo.toml")) {
            found.insert(name, text);
        }
    }
    Ok(found)
}

fn layers(name: &str, manifest: &str, faults: &mut Vec<String>) -> Result<()> {
    let Some((_, allowed)) = LAYERS.iter().find(|(of, _)| *of == name) else {
        faults.push(format!("crates/{name} has no row in the table of layers (xtask/src/tidy.rs)"));
        return Ok(());
    };
    let allowed: BTreeSet<&str> = allowed.iter().copied().collect();
    let mut section = "";
    for line in manifest.lines() {
        if let Some(header) = line.strip_prefix('[') {
            section = header.trim_end_matches(']');
        }
        let Some((dependency, rest)) = line.split_once('=') else { continue };
        let dependency = dependency.trim();
        // tests may look further: a dev-dependency is not part of the crate
        if section == "dependencies" && rest.contains("path =") && !allowed.contains(dependency) {
            faults.push(format!("crates/{name} may not use {dependency}: dependencies point down only"));
        }
    }
    Ok(())
}

fn sources(folders: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut waiting = folders.to_vec();
    while let Some(folder) = waiting.pop() {
        for entry in fs::read_dir(&folder)? {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if path.is_dir() && !matches!(name.as_str(), "target" | "generated" | "node_modules") {
                waiting.push(path);
            } else if name.ends_with(".rs") {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

fn source(path: &Path, faults: &mut Vec<String>) -> Result<()> {
    let text = fs::read_to_string(path)?;
    let place = path.strip_prefix(root()).unwrap_or(path).display();
    if !text.starts_with("//!") {
        faults.push(format!("{place} does not begin with a //! header"));
    }
    let lines = text.lines().count();
    if lines > LINES_MAX {
        faults.push(format!("{place} has {lines} lines: more than {LINES_MAX} are more than one idea"));
    }
    if path.ends_with("tidy.rs") {
        return Ok(());
    }
    for (index, line) in text.lines().enumerate() {
        if let Some(mark) = MARKS.iter().find(|mark| line.contains(**mark)) {
            faults
                .push(format!("{place}:{} has {mark}: unfinished work has an issue, not a mark", index + 1));
        }
    }
    Ok(())
}
