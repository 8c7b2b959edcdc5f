//! What the machine does at best, with nothing of a broker: bytes from a socket to files with their CRC (`sink`), one
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
    let [what, address, rest @ ..] = arguments.as_slice() else {
        bail!("usage: sink|echo|sendfile ADDRESS [FILE [FILES PIECE]]")
    };
    let listener = TcpListener::bind(address)?;
    match what.as_str() {
        "echo" => echo::serve(&listener),
        "sink" => {
            let pieces = Pieces::new(rest)?;
            each(&listener, rest.first().context("no file")?, move |connection, file| {
                sink(connection, file, pieces)
            })
        }
        "sendfile" => each(&listener, rest.first().context("no file")?, send),
        other => bail!("unknown: {other}"),
    }
}

/// How a sink spreads what it reads: so many bytes to each of so many files, in turns.
#[derive(Clone, Copy)]
struct Pieces {
    files: usize,
    bytes: usize,
}

impl Pieces {
    fn new(arguments: &[String]) -> Result<Pieces> {
        Ok(match arguments {
            [_, files, bytes] => Pieces { files: files.parse()?, bytes: bytes.parse()? },
            _ => Pieces { files: 1, bytes: BUFFER },
        })
    }
}

fn each(
    listener: &TcpListener,
    file: &str,
    serve: impl Fn(TcpStream, &str) -> Result<()> + Copy + Send + 'static,
) -> Result<()> {
    loop {
        let (connection, _) = listener.accept()?;
        let file = file.to_owned();
        thread::spawn(move || serve(connection, &file).unwrap_or_else(|error| eprintln!("{error:#}")));
    }
}

/// Reads until the client has no more, into new files.
fn sink(mut connection: TcpStream, file: &str, pieces: Pieces) -> Result<()> {
    let mut files = Vec::new();
    for index in 0..pieces.files {
        let name = format!("{file}.{index}");
        let _ = std::fs::remove_file(&name);
        files.push(File::create(name)?);
    }
    let mut buffer = vec![0; BUFFER];
    let mut checksum = 0;
    let mut turn = 0;
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
        for piece in bytes.chunks(pieces.bytes) {
            let mut digest = Digest::new(CrcAlgorithm::Crc32Iscsi);
            digest.update(piece);
            checksum ^= digest.finalize();
            let turns = files.len();
            if let Some(file) = files.get_mut(turn % turns) {
                file.write_all(piece)?;
            }
            turn += 1;
        }
    }
    println!("{checksum:x}");
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
