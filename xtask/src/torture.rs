//! `cargo xtask torture`: a broker that is killed again and again, sent nonsense, or left without disk, and what its
//! clients must then still find.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};

use crate::install;
use crate::process::Process;
use crate::shell::root;
use crate::subject::{self, Kind, Settings};

/// What is done to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Pain {
    /// kill -9 every second or so, under an idempotent producer and a group
    Kill,
    /// A million random frames, a thousand slow and half-closed connections
    Frames,
    /// A full disk
    Disk,
}

#[derive(Args)]
pub struct Torture {
    /// Who is tortured
    #[arg(long, value_enum, default_value = "barnabas")]
    subject: Kind,
    /// Only these
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Pain>,
    /// How long it is killed again and again
    #[arg(long, default_value_t = 120)]
    seconds: u64,
    /// Longest time between a start and the next kill, in milliseconds; half of it is the shortest
    #[arg(long, default_value_t = 1500)]
    between: u64,
    /// Random frames
    #[arg(long, default_value_t = 1_000_000)]
    frames: u64,
    /// Size of the disk that becomes full, in MiB
    #[arg(long, default_value_t = 192)]
    disk: u64,
    #[arg(long, default_value_t = 1)]
    shards: usize,
}

impl Torture {
    pub fn run(&self) -> Result<()> {
        let client = install::go("bench/load", "torture")?;
        subject::build(self.subject)?;
        let mut failures = 0;
        for pain in [Pain::Kill, Pain::Frames, Pain::Disk] {
            if !self.only.is_empty() && !self.only.contains(&pain) {
                continue;
            }
            println!("==> {pain:?}");
            let outcome = match pain {
                Pain::Kill => self.kill(&client),
                Pain::Frames => self.frames(&client),
                Pain::Disk => self.disk(&client),
            };
            match outcome {
                Ok(detail) => println!("    held: {detail}"),
                Err(error) => {
                    failures += 1;
                    println!("    FAILED: {error:#}");
                }
            }
        }
        if failures > 0 {
            bail!("{failures} did not hold");
        }
        Ok(())
    }

    fn settings(&self, name: &str) -> Result<Settings> {
        let folder = root().join("target/torture").join(self.subject.name()).join(name);
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        let mut settings =
            Settings::new(self.subject, folder)?.property("group.initial.rebalance.delay.ms", 0);
        if self.subject == Kind::Barnabas {
            settings = settings.property("barnabas.shards", self.shards);
        }
        Ok(settings)
    }

    fn kill(&self, client: &PathBuf) -> Result<String> {
        let settings = self.settings("kill")?;
        let mut subject = settings.start()?;
        let mut judge = Judge::start(client, "kill", &settings, &[])?;
        let end = Instant::now() + Duration::from_secs(self.seconds);
        let (mut kills, mut dice) = (0u64, 0x2545_f491_4f6c_dd1du64);
        while Instant::now() < end {
            dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let wait = self.between / 2 + (dice >> 33) % (self.between / 2).max(1);
            thread::sleep(Duration::from_millis(wait));
            subject.process.kill();
            kills += 1;
            subject = settings.start().with_context(|| format!("after {kills} kills"))?;
            judge.still_there()?;
        }
        let detail = judge.verdict(Duration::from_secs(420))?;
        subject.stop()?;
        Ok(format!("{kills} kills; {detail}"))
    }

    fn frames(&self, client: &PathBuf) -> Result<String> {
        // Each slow connection costs the broker what its limits allow, no more.
        let settings = self.settings("frames")?;
        let subject = settings.start()?;
        // Once for what is allocated at first use, once for the figure.
        Judge::start(client, "frames", &settings, &["--frames=20000"])?.verdict(Duration::from_secs(300))?;
        let before = subject.resident_kib()?;
        let mut judge = Judge::start(client, "frames", &settings, &[&format!("--frames={}", self.frames)])?;
        let detail = judge.verdict(Duration::from_secs(3600))?;
        let after = subject.resident_kib()?;
        subject.stop()?;
        if after > before + before / 2 + (16 << 10) {
            bail!("{detail}; resident memory went from {before} to {after} KiB");
        }
        Ok(format!("{detail}; resident memory {before} KiB before, {after} after"))
    }

    fn disk(&self, client: &PathBuf) -> Result<String> {
        let mut settings = self.settings("disk")?.property("log.segment.bytes", 16 << 20);
        let disk = Disk::mount(settings.folder.join("full"), self.disk)?;
        settings.folder = disk.folder.clone();
        let ballast = disk.folder.join("ballast");
        fs::write(&ballast, vec![7; usize::try_from(self.disk << 19)?])?;
        let subject = settings.start()?;
        let option = format!("--ballast={}", ballast.display());
        let detail =
            Judge::start(client, "disk", &settings, &[&option])?.verdict(Duration::from_secs(300))?;
        subject.stop()?;
        Ok(detail)
    }
}

/// The client that provokes and judges.
struct Judge {
    process: Process,
    lines: std::sync::mpsc::Receiver<String>,
}

impl Judge {
    fn start(client: &PathBuf, what: &str, settings: &Settings, options: &[&str]) -> Result<Judge> {
        let mut command = Command::new(client);
        command.arg(what).args(["--bootstrap", &settings.bootstrap()]).args(options);
        let mut process = Process::spawn(what, command.stdin(Stdio::piped()).stdout(Stdio::piped()))?;
        let lines = process.lines()?;
        Ok(Judge { process, lines })
    }

    fn still_there(&mut self) -> Result<()> {
        match self.process.has_ended()? {
            None => Ok(()),
            Some(_) => bail!("it gave up: {}", self.lines.try_iter().collect::<Vec<_>>().join(" ")),
        }
    }

    /// Ends its input and waits for its last word.
    fn verdict(&mut self, limit: Duration) -> Result<String> {
        drop(self.process.take_stdin());
        let line = self.lines.recv_timeout(limit).context("no verdict")?;
        match line.split_once('\t') {
            Some(("OK", detail)) => Ok(detail.to_owned()),
            _ => bail!("{line}"),
        }
    }
}

/// A small file system in memory, unmounted at the end.
struct Disk {
    folder: PathBuf,
}

impl Disk {
    fn mount(folder: PathBuf, mib: u64) -> Result<Disk> {
        fs::create_dir_all(&folder)?;
        let size = format!("size={mib}m");
        install::quietly(Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(&folder))
            .context("a full disk needs the right to mount a tmpfs")?;
        Ok(Disk { folder })
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily: a broker that has just been killed may still hold a file.
        let _ = Command::new("umount").arg("-l").arg(&self.folder).status();
    }
}
