//! Child processes that never outlive their owner: each in its own process group, waited for with a time limit, killed
//! with its children when dropped.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, Command, ExitStatus};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};

const POLL: Duration = Duration::from_millis(10);
const HOLD_LIMIT: Duration = Duration::from_secs(10);

/// A running program, the leader of its process group.
pub struct Process {
    child: Child,
    pub name: String,
}

impl Process {
    pub fn spawn(name: &str, command: &mut Command) -> Result<Process> {
        let child =
            command.process_group(0).spawn().with_context(|| format!("{name} could not be started"))?;
        Ok(Process { child, name: name.to_owned() })
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    fn pid(&self) -> Option<Pid> {
        Pid::from_raw(i32::try_from(self.child.id()).ok()?)
    }

    pub fn take_stdin(&mut self) -> Option<ChildStdin> {
        self.child.stdin.take()
    }

    /// A line to its standard input.
    pub fn tell(&mut self, line: &str) -> Result<()> {
        let input = self.child.stdin.as_mut().context("standard input is not a pipe")?;
        writeln!(input, "{line}").with_context(|| self.name.clone())
    }

    /// To the program alone.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        kill_process(self.pid().context("no process")?, signal)?;
        Ok(())
    }

    /// The lines of its standard output, as they come. The sender's end closes with the output.
    pub fn lines(&mut self) -> Result<Receiver<String>> {
        let output = self.child.stdout.take().context("standard output is not a pipe")?;
        let (sender, receiver) = mpsc::channel();
        thread::spawn(move || forward(output, &sender));
        Ok(receiver)
    }

    pub fn has_ended(&mut self) -> Result<Option<ExitStatus>> {
        Ok(self.child.try_wait()?)
    }

    pub fn wait(&mut self, limit: Duration) -> Result<ExitStatus> {
        let deadline = Instant::now() + limit;
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            if Instant::now() > deadline {
                bail!("{} did not end within {} s", self.name, limit.as_secs());
            }
            thread::sleep(POLL);
        }
    }

    /// SIGTERM to the program alone, as an operator stops it.
    pub fn terminate(&mut self, limit: Duration) -> Result<ExitStatus> {
        if self.child.try_wait()?.is_none()
            && let Some(pid) = self.pid()
        {
            kill_process(pid, Signal::TERM)?;
        }
        self.wait(limit)
    }

    /// Stops it in its tracks (SIGSTOP); a thread that waits for the disk stops when the disk has answered.
    pub fn hold(&self) -> Result<()> {
        self.signal(Signal::STOP)?;
        let deadline = Instant::now() + HOLD_LIMIT;
        while !self.is_held()? {
            if Instant::now() > deadline {
                bail!("{} does not stop", self.name);
            }
            thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    }

    /// Lets it go on.
    pub fn release(&self) -> Result<()> {
        self.signal(Signal::CONT)
    }

    fn is_held(&self) -> Result<bool> {
        for thread in fs::read_dir(format!("/proc/{}/task", self.id()))? {
            let status = fs::read_to_string(thread?.path().join("stat"))?;
            // the name, in brackets, may hold anything
            let state = status.rsplit(") ").next().and_then(|rest| rest.chars().next());
            if state != Some('T') {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// SIGKILL to the whole group, and waits for its end.
    pub fn kill(&mut self) {
        if let Some(pid) = self.pid() {
            // An error says that nothing of the group is left.
            let _ = kill_process_group(pid, Signal::KILL);
        }
        let _ = self.child.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

fn forward(output: impl Read, sender: &mpsc::Sender<String>) {
    for line in BufReader::new(output).lines() {
        let Ok(line) = line else { return };
        if sender.send(line).is_err() {
            return;
        }
    }
}
