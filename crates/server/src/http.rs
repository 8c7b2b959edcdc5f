//! `/metrics` for Prometheus, `/healthz` (the process answers) and `/ready` (clients are served): one request and one
//! answer a connection, each on a thread that ends with it. A library would bring more threads than answers here.

use std::io::{self, BufWriter, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use crate::metrics::Scrape;
use crate::reactor::Notice;

const STACK: usize = 192 << 10;
/// Connections served side by side: whoever comes when so many are slow waits for the first of them.
const READERS_MAX: usize = 16;
/// The longest request head that is read.
const HEAD_MAX: usize = 8 << 10;
const PATIENCE: Duration = Duration::from_secs(5);

pub fn start(listener: TcpListener, notices: mpsc::Sender<Notice>, ready: Arc<AtomicBool>) -> io::Result<()> {
    thread::Builder::new().name("http".to_owned()).stack_size(STACK).spawn(move || {
        let places = Arc::new(());
        for socket in listener.incoming().flatten() {
            let reader = Reader { socket, notices: notices.clone(), ready: Arc::clone(&ready) };
            // each reader's thread holds one place
            if Arc::strong_count(&places) > READERS_MAX {
                reader.serve();
                continue;
            }
            let place = Arc::clone(&places);
            let own_thread = thread::Builder::new().name("http-reader".to_owned()).stack_size(STACK);
            let spawned = own_thread.spawn(move || {
                reader.serve();
                drop(place);
            });
            if let Err(error) = spawned {
                tracing::debug!("http: {error}");
            }
        }
    })?;
    Ok(())
}

struct Reader {
    socket: TcpStream,
    notices: mpsc::Sender<Notice>,
    ready: Arc<AtomicBool>,
}

impl Reader {
    fn serve(self) {
        if let Err(error) = serve(self.socket, &self.notices, &self.ready) {
            tracing::debug!("http: {error}");
        }
    }
}

fn serve(socket: TcpStream, notices: &mpsc::Sender<Notice>, ready: &AtomicBool) -> io::Result<()> {
    socket.set_write_timeout(Some(PATIENCE))?;
    let line = read_head(&socket)?;
    let mut words = line.split(' ');
    let (status, kind, body) = match (words.next(), words.next()) {
        (Some("GET" | "HEAD"), Some("/metrics")) => match gather(notices) {
            Some(scrape) => return send_metrics(&socket, &line, &scrape),
            None => ("503 Service Unavailable", TEXT, "the node does not answer\n".to_owned()),
        },
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

/// The first line of the request. However slowly the rest comes, nobody else waits longer than for `PATIENCE`.
fn read_head(socket: &TcpStream) -> io::Result<String> {
    let deadline = Instant::now() + PATIENCE;
    let mut head = Vec::new();
    let mut buffer = [0u8; 1024];
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() || head.len() > HEAD_MAX {
            return Err(io::ErrorKind::TimedOut.into());
        }
        socket.set_read_timeout(Some(left))?;
        let mut reader = socket;
        match reader.read(&mut buffer)? {
            0 => break,
            count => head.extend_from_slice(&buffer[..count]),
        }
    }
    let text = String::from_utf8_lossy(&head);
    Ok(text.lines().next().unwrap_or_default().to_owned())
}

fn gather(notices: &mpsc::Sender<Notice>) -> Option<Arc<Scrape>> {
    let (reply, answer) = mpsc::channel();
    notices.send(Notice::Scrape(reply)).ok()?;
    answer.recv_timeout(PATIENCE).ok()
}

/// Written while it is sent; its end is the connection's.
fn send_metrics(socket: &TcpStream, line: &str, scrape: &Scrape) -> io::Result<()> {
    let mut out = BufWriter::with_capacity(64 << 10, socket);
    write!(out, "HTTP/1.1 200 OK\r\nContent-Type: {PROMETHEUS}\r\nConnection: close\r\n\r\n")?;
    if !line.starts_with("HEAD") {
        scrape.write(&mut out)?;
    }
    out.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(address: std::net::SocketAddr, path: &str) -> String {
        let mut socket = TcpStream::connect(address).unwrap();
        socket.write_all(format!("GET {path} HTTP/1.1\r\n\r\n").as_bytes()).unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).unwrap();
        answer
    }

    #[test]
    fn whoever_reads_slowly_holds_up_nobody() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (notices, asked) = mpsc::channel();
        start(listener, notices, Arc::default()).unwrap();
        thread::spawn(move || {
            for notice in asked {
                if let Notice::Scrape(reply) = notice {
                    reply.send(Arc::new(Scrape::default())).unwrap();
                }
            }
        });
        let silent: Vec<TcpStream> = (1..READERS_MAX).map(|_| TcpStream::connect(address).unwrap()).collect();
        for (path, expected) in [
            ("/metrics", "HTTP/1.1 200"),
            ("/healthz", "HTTP/1.1 200"),
            ("/ready", "HTTP/1.1 503"),
            ("/else", "HTTP/1.1 404"),
        ] {
            let answer = ask(address, path);
            assert!(answer.starts_with(expected), "{path}: {answer}");
        }
        for mut socket in silent {
            socket.set_nonblocking(true).unwrap();
            let read = socket.read(&mut [0]);
            assert_eq!(read.unwrap_err().kind(), io::ErrorKind::WouldBlock, "still waited for");
        }
    }
}
