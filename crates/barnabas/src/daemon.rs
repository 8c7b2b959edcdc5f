//! `-daemon`: the same command again, cut off from the terminal.

use std::ffi::OsString;
use std::fs::OpenOptions;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// Starts this program again with the arguments, its output in `LOG_DIR` (or `logs`), and returns at once.
pub fn start(arguments: &[OsString]) -> io::Result<u32> {
    let folder = std::env::var_os("LOG_DIR").map_or_else(|| PathBuf::from("logs"), PathBuf::from);
    std::fs::create_dir_all(&folder)?;
    let log = OpenOptions::new().create(true).append(true).open(folder.join("kafkaServer.out"))?;
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("server").args(arguments).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
    // SAFETY: setsid is async-signal-safe and nothing else runs between fork and exec
    unsafe {
        command.pre_exec(|| {
            rustix::process::setsid()?;
            Ok(())
        });
    }
    Ok(command.spawn()?.id())
}
