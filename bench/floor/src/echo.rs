//! One thread, one epoll set: reads frames (a length, that many bytes) and answers each with a frame of the size of an
//! answer to Produce, one write a request.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsRawFd;

use anyhow::Result;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};

const ANSWER: usize = 60;
const LISTENER: u64 = u64::MAX;

struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

pub fn serve(listener: &TcpListener) -> Result<()> {
    listener.set_nonblocking(true)?;
    let poll = epoll::create(CreateFlags::CLOEXEC)?;
    epoll::add(&poll, listener, EventData::new_u64(LISTENER), EventFlags::IN)?;
    let mut connections: BTreeMap<u64, Connection> = BTreeMap::new();
    let mut events = Vec::with_capacity(256);
    let mut scratch = vec![0; 256 << 10];
    loop {
        events.clear();
        epoll::wait(&poll, rustix::buffer::spare_capacity(&mut events), None)?;
        for event in &events {
            let token = event.data.u64();
            if token == LISTENER {
                while let Ok((stream, _)) = listener.accept() {
                    stream.set_nonblocking(true)?;
                    stream.set_nodelay(true)?;
                    let token = u64::try_from(stream.as_raw_fd())?;
                    epoll::add(&poll, &stream, EventData::new_u64(token), EventFlags::IN)?;
                    connections.insert(token, Connection { stream, buffer: Vec::new() });
                }
                continue;
            }
            let open = match connections.get_mut(&token) {
                Some(connection) => turn(connection, &mut scratch)?,
                None => continue,
            };
            if !open {
                connections.remove(&token);
            }
        }
    }
}

/// Reads what is there and answers each whole frame; false when the client has gone.
fn turn(connection: &mut Connection, scratch: &mut [u8]) -> Result<bool> {
    match connection.stream.read(scratch) {
        Ok(0) => return Ok(false),
        Ok(read) => connection.buffer.extend_from_slice(scratch.get(..read).unwrap_or_default()),
        Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(true),
        Err(_) => return Ok(false),
    }
    while let Some(head) = connection.buffer.first_chunk::<4>() {
        let size = 4 + u32::from_be_bytes(*head) as usize;
        if connection.buffer.len() < size {
            break;
        }
        connection.buffer.drain(..size);
        let mut answer = [0; ANSWER];
        answer[..4].copy_from_slice(&(ANSWER as u32 - 4).to_be_bytes());
        if connection.stream.write_all(&answer).is_err() {
            return Ok(false);
        }
    }
    Ok(true)
}
