//! Golden bytes from Kafka's own classes: runs `Golden.java` over the newest jars and keeps what it prints, compressed.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

/// `jars` holds Kafka's jars and Jackson's, as for `--import`; of Kafka's the newest release is taken.
pub fn record(jars: &Path, folder: &Path) -> Result<()> {
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(jars)?.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    paths.sort();
    let release =
        |path: &PathBuf| path.to_string_lossy().rsplit_once('-').map(|(_, release)| release.to_owned());
    let is_kafka =
        |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("kafka-"));
    let newest =
        paths.iter().filter(|path| is_kafka(path)).filter_map(release).max().context("no jars of Kafka")?;
    paths.retain(|path| !is_kafka(path) || release(path).as_ref() == Some(&newest));
    let class_path = std::env::join_paths(&paths)?;
    let mut java = Command::new("java")
        .args(["-Dfile.encoding=UTF-8", "-cp"])
        .arg(class_path)
        .arg(folder.join("Golden.java"))
        .args(paths.iter().filter(|path| is_kafka(path)))
        .stdout(Stdio::piped())
        .spawn()
        .context("java is needed")?;
    let rows = java.stdout.take().context("no output")?;
    let gzip = Command::new("gzip")
        .args(["-9", "-n", "-c"])
        .stdin(rows)
        .stdout(File::create(folder.join("messages.gz"))?)
        .status()?;
    ensure!(java.wait()?.success() && gzip.success(), "no golden bytes");
    Ok(())
}
