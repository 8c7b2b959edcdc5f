//! The machine's raw floor: a program that does the least that the load asks for.

use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use super::run::{Bench, processors};
use crate::process::Process;
use crate::subject::{cpu_seconds, free_port};

pub struct Floor {
    process: Process,
    pub address: String,
}

impl Floor {
    /// `sink`, `echo` or `sendfile`, on one processor.
    pub fn start(bench: &Bench, what: &str) -> Result<Floor> {
        Floor::start_with(bench, what, &[])
    }

    /// A sink that writes pieces of so many bytes to each of so many files in turns, as a broker does batches.
    pub fn start_sink(bench: &Bench, files: u64, piece: u64) -> Result<Floor> {
        Floor::start_with(bench, "sink", &[files.to_string(), piece.to_string()])
    }

    fn start_with(bench: &Bench, what: &str, more: &[String]) -> Result<Floor> {
        let address = format!("127.0.0.1:{}", free_port()?);
        let mut command = Command::new("taskset");
        command
            .args(["-c", &processors(1)])
            .arg(&bench.floor)
            .args([what, &address])
            .arg(bench.floor_file()?)
            .args(more);
        command.stdin(Stdio::null()).stdout(Stdio::null());
        let process = Process::spawn("floor", &mut command)?;
        let floor = Floor { process, address };
        let deadline = Instant::now() + Duration::from_secs(10);
        // Not by connecting: the sink would take that for a client's empty stream.
        while !listens(&floor.address)? {
            if Instant::now() > deadline {
                bail!("the floor does not listen");
            }
            thread::sleep(Duration::from_millis(5));
        }
        Ok(floor)
    }

    pub fn measured<T>(&self, action: impl FnOnce() -> Result<T>) -> Result<(T, f64)> {
        let before = cpu_seconds(self.process.id())?;
        let result = action()?;
        Ok((result, cpu_seconds(self.process.id())? - before))
    }
}

/// The kernel's own list of listening sockets: state 0A and the port in hexadecimal digits.
fn listens(address: &str) -> Result<bool> {
    let Some((_, port)) = address.rsplit_once(':') else { return Ok(TcpStream::connect(address).is_ok()) };
    let wanted = format!(":{:04X} 00000000:0000 0A", port.parse::<u16>()?);
    Ok(std::fs::read_to_string("/proc/net/tcp")?.contains(&wanted))
}
