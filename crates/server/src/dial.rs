//! Connections that an actor asks for. A name is looked up on a thread of its own; the addresses that it has are tried
//! one after the other, each without waiting for it. The actor decides how long the whole may take.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs};
use std::thread;

use broker::event::{Address, ConnectionId};
use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, sockopt};

use crate::mailbox::Sender;
use crate::reactor::Mail;

/// Connections on their way.
#[derive(Debug, Default)]
pub struct Dials {
    attempts: BTreeMap<ConnectionId, Attempt>,
}

#[derive(Debug)]
struct Attempt {
    /// On its way to an address; none while the name is looked up.
    socket: Option<TcpStream>,
    left: VecDeque<SocketAddr>,
}

/// Where an attempt stands.
#[derive(Debug)]
pub enum Progress {
    Waiting,
    Connected(TcpStream),
    Failed(String),
}

impl Dials {
    /// `Mail::Resolved` follows where a name is to be looked up.
    pub fn begin(
        &mut self,
        id: ConnectionId,
        address: &Address,
        epoll: &impl std::os::fd::AsFd,
        own: &Sender<Mail>,
    ) -> Progress {
        let host = address.host.trim_start_matches('[').trim_end_matches(']');
        self.attempts.insert(id, Attempt { socket: None, left: VecDeque::new() });
        if let Ok(ip) = host.parse::<IpAddr>() {
            return self.on_resolved(id, Ok(vec![SocketAddr::new(ip, address.port)]), epoll);
        }
        let (host, port, to) = (host.to_owned(), address.port, own.clone());
        let spawned = thread::Builder::new().name("resolve".into()).spawn(move || {
            let found = (host.as_str(), port).to_socket_addrs().map(|all| all.collect());
            to.send(Mail::Resolved(id, found.map_err(|error| format!("{host}: {error}"))));
        });
        match spawned {
            Ok(_) => Progress::Waiting,
            Err(error) => self.give_up(id, error),
        }
    }

    pub fn on_resolved(
        &mut self,
        id: ConnectionId,
        found: Result<Vec<SocketAddr>, String>,
        epoll: &impl std::os::fd::AsFd,
    ) -> Progress {
        let Some(attempt) = self.attempts.get_mut(&id) else { return Progress::Waiting };
        match found {
            Ok(addresses) => attempt.left = addresses.into(),
            Err(why) => return self.give_up(id, why),
        }
        self.try_next(id, "it has no address".to_owned(), epoll)
    }

    /// The socket says something.
    pub fn on_socket(&mut self, id: ConnectionId, epoll: &impl std::os::fd::AsFd) -> Progress {
        let Some(attempt) = self.attempts.get_mut(&id) else { return Progress::Waiting };
        let Some(socket) = attempt.socket.take() else { return Progress::Waiting };
        let ended = match sockopt::socket_error(&socket) {
            Ok(Ok(())) if socket.peer_addr().is_ok() => None,
            Ok(Ok(())) => {
                attempt.socket = Some(socket);
                return Progress::Waiting;
            }
            Ok(Err(error)) | Err(error) => Some(error),
        };
        match ended {
            None => {
                self.attempts.remove(&id);
                Progress::Connected(socket)
            }
            Some(error) => self.try_next(id, io::Error::from(error).to_string(), epoll),
        }
    }

    pub fn forget(&mut self, id: ConnectionId) {
        self.attempts.remove(&id);
    }

    pub fn has(&self, id: ConnectionId) -> bool {
        self.attempts.contains_key(&id)
    }

    fn try_next(&mut self, id: ConnectionId, mut why: String, epoll: &impl std::os::fd::AsFd) -> Progress {
        let Some(attempt) = self.attempts.get_mut(&id) else { return Progress::Waiting };
        while let Some(address) = attempt.left.pop_front() {
            match connect(address, id, epoll) {
                Ok(socket) => {
                    attempt.socket = Some(socket);
                    return Progress::Waiting;
                }
                Err(error) => why = error.to_string(),
            }
        }
        self.give_up(id, why)
    }

    fn give_up(&mut self, id: ConnectionId, why: impl ToString) -> Progress {
        self.attempts.remove(&id);
        Progress::Failed(why.to_string())
    }
}

/// A socket on its way, that epoll tells of under the connection's number once it is there or has failed.
fn connect(address: SocketAddr, id: ConnectionId, epoll: &impl std::os::fd::AsFd) -> io::Result<TcpStream> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = rustix::net::socket_with(family, SocketType::STREAM, flags, None)?;
    sockopt::set_tcp_nodelay(&socket, true)?;
    match rustix::net::connect(&socket, &address) {
        Ok(()) | Err(Errno::INPROGRESS) => {}
        Err(error) => return Err(error.into()),
    }
    epoll::add(epoll, &socket, EventData::new_u64(id.0), EventFlags::OUT)?;
    Ok(TcpStream::from(socket))
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use rustix::event::epoll::CreateFlags;

    use super::*;
    use crate::mailbox::mailbox;

    /// Waits for what the thread and the socket say, until it is decided.
    fn dial(host: &str, port: u16) -> Result<SocketAddr, String> {
        let epoll = epoll::create(CreateFlags::CLOEXEC).unwrap();
        let (own, mail) = mailbox().unwrap();
        epoll::add(&epoll, mail.fd(), EventData::new_u64(0), EventFlags::IN).unwrap();
        let id = ConnectionId::dialed(0, 1);
        let mut dials = Dials::default();
        let mut progress = dials.begin(id, &Address::new(host, port), &epoll, &own);
        loop {
            match progress {
                Progress::Connected(socket) => return Ok(socket.peer_addr().unwrap()),
                Progress::Failed(why) => {
                    assert!(!dials.has(id));
                    return Err(why);
                }
                Progress::Waiting => {}
            }
            let mut events = Vec::with_capacity(4);
            epoll::wait(&epoll, rustix::buffer::spare_capacity(&mut events), None).unwrap();
            mail.silence();
            progress = match mail.take() {
                Some(Mail::Resolved(id, found)) => dials.on_resolved(id, found, &epoll),
                _ => dials.on_socket(id, &epoll),
            };
        }
    }

    #[test]
    fn all_addresses_of_a_name_are_tried() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        for host in ["127.0.0.1", "localhost"] {
            assert_eq!(dial(host, address.port()), Ok(address), "{host}");
        }
        drop(listener);
        for host in ["127.0.0.1", "localhost"] {
            assert!(dial(host, address.port()).unwrap_err().contains("refused"), "{host}");
        }
        assert!(dial("no.such.host.invalid", 1).is_err());
    }
}
