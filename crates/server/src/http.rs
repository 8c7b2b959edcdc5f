//! `/metrics` for Prometheus, `/healthz` (the process answers) and `/ready` (clients are served): a thread of its own that
//! reads one request and writes one answer a connection. A library would bring more threads than answers here.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use crate::reactor::Notice;

const STACK: usize = 192 << 10;
/// The longest request head that is read.
const HEAD_MAX: u64 = 8 << 10;
const PATIENCE: Duration = Duration::from_secs(5);

pub fn start(listener: TcpListener, notices: mpsc::Sender<Notice>, ready: Arc<AtomicBool>) -> io::Result<()> {
    thread::Builder::new().name("http".to_owned()).stack_size(STACK).spawn(move || {
        for socket in listener.incoming().flatten() {
            if let Err(error) = serve(socket, &notices, &ready) {
                tracing::debug!("http: {error}");
            }
        }
    })?;
    Ok(())
}

fn serve(socket: TcpStream, notices: &mpsc::Sender<Notice>, ready: &AtomicBool) -> io::Result<()> {
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.set_write_timeout(Some(PATIENCE))?;
    let mut reader = BufReader::new((&socket).take(HEAD_MAX));
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let mut header = String::new();
    while reader.read_line(&mut header)? > 2 {
        header.clear();
    }
    let mut words = line.split(' ');
    let (status, kind, body) = match (words.next(), words.next()) {
        (Some("GET" | "HEAD"), Some("/metrics")) => metrics(notices),
        (Some("GET" | "HEAD"), Some("/healthz")) => ("200 OK", TEXT, "ok\n".to_owned()),
        (Some("GET" | "HEAD"), Some("/ready")) if ready.load(Ordering::Acquire) => {
            ("200 OK", TEXT, "ready\n".to_owned())
        }
        (Some("GET" | "HEAD"), Some("/ready")) => ("503 Service Unavailable", TEXT, "not ready\n".to_owned()),
        (Some("GET" | "HEAD"), _) => ("404 Not Found", TEXT, "try /metrics, /healthz or /ready\n".to_owned()),
        _ => ("405 Method Not Allowed", TEXT, "only GET\n".to_owned()),
    };
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    (&socket).write_all(head.as_bytes())?;
    if !line.starts_with("HEAD") {
        (&socket).write_all(body.as_bytes())?;
    }
    Ok(())
}

const TEXT: &str = "text/plain; charset=utf-8";
const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";

fn metrics(notices: &mpsc::Sender<Notice>) -> (&'static str, &'static str, String) {
    let (reply, answer) = mpsc::channel();
    let _ = notices.send(Notice::Scrape(reply));
    match answer.recv_timeout(PATIENCE) {
        Ok(text) => ("200 OK", PROMETHEUS, text),
        Err(_) => ("503 Service Unavailable", TEXT, "the node does not answer\n".to_owned()),
    }
}
