//! What the machine does at best, with nothing of a broker: bytes from a socket to a file with their CRC (`sink`), one
//! small answer to each frame from one epoll loop (`echo`), a file to a socket (`sendfile`).

mod echo;

use std::fs::File;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

use anyhow::{Context, Result, bail};
use crc_fast::{CrcAlgorithm, Digest};

/// As large as a produce request of many batches.
const BUFFER: usize = 1 << 20;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [what, address, rest @ ..] = arguments.as_slice() else { bail!("usage: sink|echo|sendfile ADDRESS [FILE]") };
    let listener = TcpListener::bind(address)?;
    match what.as_str() {
        "echo" => echo::serve(&listener),
        "sink" => each(&listener, rest.first().context("no file")?, sink),
        "sendfile" => each(&listener, rest.first().context("no file")?, send),
        other => bail!("unknown: {other}"),
    }
}

fn each(listener: &TcpListener, file: &str, serve: fn(TcpStream, &str) -> Result<()>) -> Result<()> {
    loop {
        let (connection, _) = listener.accept()?;
        let file = file.to_owned();
        thread::spawn(move || serve(connection, &file).unwrap_or_else(|error| eprintln!("{error:#}")));
    }
}

/// Reads until the client has no more, into a new file.
fn sink(mut connection: TcpStream, file: &str) -> Result<()> {
    let _ = std::fs::remove_file(file);
    let mut file = File::create(file)?;
    let mut buffer = vec![0; BUFFER];
    let mut digest = Digest::new(CrcAlgorithm::Crc32Iscsi);
    loop {
        let mut filled = 0;
        while let Some(rest) = buffer.get_mut(filled..)
            && !rest.is_empty()
        {
            match connection.read(rest)? {
                0 => break,
                read => filled += read,
            }
        }
        let Some(bytes) = buffer.get(..filled) else { break };
        if bytes.is_empty() {
            break;
        }
        digest.update(bytes);
        file.write_all(bytes)?;
    }
    println!("{:x}", digest.finalize());
    Ok(())
}

/// The whole file, by sendfile.
fn send(connection: TcpStream, file: &str) -> Result<()> {
    let file = File::open(file)?;
    let size = file.metadata()?.len();
    let mut at = 0;
    while at < size {
        let want = usize::try_from(size - at)?.min(4 << 20);
        if rustix::fs::sendfile(&connection, &file, Some(&mut at), want)? == 0 {
            break;
        }
    }
    Ok(())
}
