//! Listening sockets. `localhost` is bound on 127.0.0.1 and ::1; an empty host on every address, of both families where
//! the machine has both.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, ToSocketAddrs};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

use broker::event::{ActorId, ListenerId, ShardId};
use rustix::net::{AddressFamily, SocketFlags, SocketType, sockopt};

use crate::limits::{ConnectionLimits, Slot};

/// Whose the accepted connections are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Homes {
    /// The shards', one after the other.
    Shards,
    Quorum,
}

#[derive(Debug)]
pub struct Acceptor {
    socket: TcpListener,
    listener: ListenerId,
    limits: Arc<ConnectionLimits>,
    homes: Homes,
    backlog: i32,
    next: usize,
    /// Not waited for: the last accept failed.
    pub is_left_alone: bool,
}

/// What came of an `accept`.
#[derive(Debug)]
pub enum Accepted {
    Connection(TcpStream, SocketAddr, Slot),
    Nobody,
    /// Past the limits: closed at once, as Kafka does.
    Refused(SocketAddr),
    /// The process or the machine has no room for one more.
    Failed(io::Error),
}

impl Acceptor {
    /// All sockets of one listener. With port 0 the system chooses one, the same for all addresses.
    pub fn bind(
        host: &str,
        port: u16,
        backlog: i32,
        listener: ListenerId,
        homes: Homes,
        limits: &Arc<ConnectionLimits>,
    ) -> io::Result<Vec<Acceptor>> {
        let mut acceptors = Vec::new();
        let mut port = port;
        let (addresses, all_needed) = addresses(host, port)?;
        let mut last_error = None;
        for mut address in addresses {
            address.set_port(port);
            match bind(address) {
                Ok(socket) => {
                    port = socket.local_addr()?.port();
                    let limits = Arc::clone(limits);
                    acceptors.push(Acceptor {
                        socket,
                        listener,
                        limits,
                        homes,
                        backlog,
                        next: 0,
                        is_left_alone: false,
                    });
                }
                // a machine without IPv6 still serves the other family
                Err(error) if !all_needed && missing(&error) => last_error = Some(error),
                Err(error) => return Err(io::Error::new(error.kind(), format!("{address}: {error}"))),
            }
        }
        match (acceptors.is_empty(), last_error) {
            (true, Some(error)) => Err(error),
            _ => Ok(acceptors),
        }
    }

    /// `socket.send.buffer.bytes` and `socket.receive.buffer.bytes` for the connections to come; None leaves the size
    /// to the system.
    pub fn set_buffers(&self, send: Option<usize>, receive: Option<usize>) -> io::Result<()> {
        if let Some(send) = send {
            sockopt::set_socket_send_buffer_size(&self.socket, send)?;
        }
        if let Some(receive) = receive {
            sockopt::set_socket_recv_buffer_size(&self.socket, receive)?;
        }
        Ok(())
    }

    /// From now on peers can connect.
    pub fn listen(&self) -> io::Result<()> {
        rustix::net::listen(&self.socket, self.backlog).map_err(|error| {
            let address = self.socket.local_addr().map_or_else(|_| "listener".to_owned(), |a| a.to_string());
            io::Error::new(io::Error::from(error).kind(), format!("{address}: {error}"))
        })
    }

    pub fn socket(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    pub fn address(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    pub fn listener(&self) -> ListenerId {
        self.listener
    }

    pub fn accept(&mut self) -> Accepted {
        loop {
            let (socket, peer) = match self.socket.accept() {
                Ok(accepted) => accepted,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => continue,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Accepted::Nobody,
                Err(error) => return Accepted::Failed(error),
            };
            let Some(slot) = self.limits.take(peer.ip()) else { return Accepted::Refused(peer) };
            if socket.set_nonblocking(true).is_err() || socket.set_nodelay(true).is_err() {
                continue;
            }
            return Accepted::Connection(socket, peer, slot);
        }
    }

    pub fn next_home(&mut self, shards: usize) -> ActorId {
        match self.homes {
            Homes::Quorum => ActorId::Quorum,
            Homes::Shards => {
                let shard = self.next % shards.max(1);
                self.next = self.next.wrapping_add(1);
                ActorId::Shard(ShardId(shard as u16))
            }
        }
    }
}

fn missing(error: &io::Error) -> bool {
    matches!(
        rustix::io::Errno::from_io_error(error),
        Some(rustix::io::Errno::AFNOSUPPORT | rustix::io::Errno::ADDRNOTAVAIL)
    )
}

/// The addresses of a host, and whether all of them must be had.
fn addresses(host: &str, port: u16) -> io::Result<(Vec<SocketAddr>, bool)> {
    match host {
        "" => Ok((vec![(Ipv4Addr::UNSPECIFIED, port).into(), (Ipv6Addr::UNSPECIFIED, port).into()], false)),
        "localhost" => {
            Ok((vec![(Ipv4Addr::LOCALHOST, port).into(), (Ipv6Addr::LOCALHOST, port).into()], false))
        }
        _ => {
            let host = host.trim_start_matches('[').trim_end_matches(']');
            let found: Vec<SocketAddr> = (host, port).to_socket_addrs()?.collect();
            Ok((found, true))
        }
    }
}

fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(family, SocketType::STREAM, flags, None)?;
    sockopt::set_socket_reuseaddr(&socket, true)?;
    if address.is_ipv6() {
        sockopt::set_ipv6_v6only(&socket, true)?;
    }
    rustix::net::bind(&socket, &address)?;
    Ok(TcpListener::from(socket))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn localhost_has_one_port_on_both_families() {
        let limits = ConnectionLimits::new(10, 10, Default::default());
        let acceptors = Acceptor::bind("localhost", 0, 50, ListenerId(0), Homes::Shards, &limits).unwrap();
        let ports: Vec<u16> = acceptors.iter().map(|a| a.address().unwrap().port()).collect();
        assert!(ports.iter().all(|p| *p == ports[0] && *p != 0), "{ports:?}");
        assert!(acceptors[0].address().unwrap().ip().is_loopback());
    }

    #[test]
    fn connections_inherit_the_buffers() {
        let limits = ConnectionLimits::new(10, 10, Default::default());
        let mut acceptors =
            Acceptor::bind("127.0.0.1", 0, 50, ListenerId(0), Homes::Shards, &limits).unwrap();
        let acceptor = &mut acceptors[0];
        acceptor.set_buffers(Some(50_000), Some(60_000)).unwrap();
        acceptor.listen().unwrap();
        let _client = std::net::TcpStream::connect(acceptor.address().unwrap()).unwrap();
        let Accepted::Connection(socket, ..) = acceptor.accept() else { panic!("nobody came") };
        // the system counts its own needs too: twice as much
        assert_eq!(sockopt::socket_send_buffer_size(&socket).unwrap(), 100_000);
        assert_eq!(sockopt::socket_recv_buffer_size(&socket).unwrap(), 120_000);
    }

    #[test]
    fn connections_go_round_the_shards() {
        let limits = ConnectionLimits::new(10, 10, Default::default());
        let mut acceptors =
            Acceptor::bind("127.0.0.1", 0, 50, ListenerId(0), Homes::Shards, &limits).unwrap();
        let homes: Vec<ActorId> = (0..4).map(|_| acceptors[0].next_home(3)).collect();
        let shard = |n| ActorId::Shard(ShardId(n));
        assert_eq!(homes, [shard(0), shard(1), shard(2), shard(0)]);
    }

    #[test]
    fn a_taken_port_is_named() {
        let limits = ConnectionLimits::new(10, 10, Default::default());
        let held = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = held.local_addr().unwrap().port();
        let error = Acceptor::bind("127.0.0.1", port, 50, ListenerId(0), Homes::Shards, &limits).unwrap_err();
        assert!(error.to_string().contains(&format!("127.0.0.1:{port}")), "{error}");
    }
}
