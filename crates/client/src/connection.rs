//! One connection to one broker: requests go out as they come, answers come back in the same order.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use protocol::messages::{ApiVersionsRequest, ApiVersionsResponse};
use protocol::{
    ApiKey, ApiRequest, ErrorCode, Message, Reader, RequestHeader, ResponseHeader, Str, Versions, Writer,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use crate::{ClientConfig, Error};

/// Shared: several requests may be under way.
#[derive(Clone, Debug)]
pub struct Connection {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    address: String,
    client_id: Option<Str>,
    request_timeout: Duration,
    outgoing: mpsc::UnboundedSender<Outgoing>,
    closed: Arc<AtomicBool>,
    versions: ApiVersionsResponse,
}

#[derive(Debug)]
struct Outgoing {
    frame: Bytes,
    /// None where no answer comes (acks=0).
    reply: Option<oneshot::Sender<Result<Bytes, Error>>>,
}

type Waiting = Arc<Mutex<VecDeque<oneshot::Sender<Result<Bytes, Error>>>>>;

impl Connection {
    /// Connects and asks what the broker can do. To be called inside a tokio runtime, which carries the connection's tasks.
    pub async fn open(address: &str, config: &ClientConfig) -> Result<Connection, Error> {
        let connecting = TcpStream::connect(address);
        let socket = match timeout(config.connect_timeout, connecting).await {
            Ok(Ok(socket)) => socket,
            Ok(Err(error)) => return Err(Error::Disconnected(format!("{address}: {error}"))),
            Err(_) => return Err(Error::TimedOut(format!("{address}: not connected in time"))),
        };
        let _ = socket.set_nodelay(true);
        let (reading, writing) = socket.into_split();
        let (outgoing, queue) = mpsc::unbounded_channel();
        let waiting = Waiting::default();
        let closed = Arc::new(AtomicBool::new(false));
        tokio::spawn(write(writing, queue, Arc::clone(&waiting), Arc::clone(&closed), address.to_owned()));
        tokio::spawn(read(reading, waiting, Arc::clone(&closed), address.to_owned(), config.frame_bytes_max));
        let client_id = Some(Str::from(config.client_id.clone()));
        let mut inner = Inner {
            address: address.to_owned(),
            client_id,
            request_timeout: config.request_timeout,
            outgoing,
            closed,
            versions: ApiVersionsResponse::default(),
        };
        inner.versions = inner.ask_versions().await?;
        Ok(Connection { inner: Arc::new(inner) })
    }

    pub fn address(&self) -> &str {
        &self.inner.address
    }

    pub fn is_closed(&self) -> bool {
        self.inner.closed.load(Ordering::Acquire)
    }

    /// Nobody gets this connection any more from a cluster; what is under way goes on.
    pub fn retire(&self) {
        self.inner.closed.store(true, Ordering::Release);
    }

    /// What the broker said of its APIs and features.
    pub fn versions(&self) -> &ApiVersionsResponse {
        &self.inner.versions
    }

    /// The version that a request of this API is sent in.
    pub fn version(&self, api_key: ApiKey) -> Result<i16, Error> {
        let row = self.inner.versions.api_keys.iter().find(|row| row.api_key == api_key.code());
        let row = row.ok_or(Error::Unsupported(api_key))?;
        let theirs = Versions::new(row.min_version, row.max_version);
        api_key.versions().highest_common(theirs).ok_or(Error::Unsupported(api_key))
    }

    /// Sends a request in the highest version that both sides know, and waits for its answer.
    pub async fn call<R: ApiRequest>(&self, request: &R) -> Result<R::Response, Error> {
        let version = self.version(R::KEY)?;
        self.call_version(request, version).await
    }

    /// As `call`, but no higher than `max`.
    pub async fn call_at_most<R: ApiRequest>(&self, request: &R, max: i16) -> Result<R::Response, Error> {
        let version = self.version(R::KEY)?.min(max);
        self.call_version(request, version).await
    }

    pub async fn call_version<R: ApiRequest>(&self, request: &R, version: i16) -> Result<R::Response, Error> {
        self.call_within(request, version, self.inner.request_timeout).await
    }

    /// As `call_version` with a time-out of its own, for requests that the broker holds back (long fetches, joins).
    pub async fn call_within<R: ApiRequest>(
        &self,
        request: &R,
        version: i16,
        patience: Duration,
    ) -> Result<R::Response, Error> {
        self.inner.call(request, version, patience).await
    }

    /// Queues the request now, so that requests sent one after the other keep their order; the answer is awaited later.
    pub fn start<R: ApiRequest>(
        &self,
        request: &R,
        version: i16,
    ) -> Result<impl Future<Output = Result<R::Response, Error>> + Send + use<R>, Error> {
        let frame = self.inner.frame(request, version)?;
        let (reply, answer) = oneshot::channel();
        self.inner.send(Outgoing { frame, reply: Some(reply) })?;
        let patience = self.inner.request_timeout;
        let address = self.inner.address.clone();
        Ok(async move { answered::<R>(answer, version, patience, &address).await })
    }

    /// Sends a request that is not answered (Produce with acks=0).
    pub fn send_unanswered<R: ApiRequest>(&self, request: &R, version: i16) -> Result<(), Error> {
        let frame = self.inner.frame(request, version)?;
        self.inner.send(Outgoing { frame, reply: None })
    }
}

impl Inner {
    async fn ask_versions(&self) -> Result<ApiVersionsResponse, Error> {
        let request = ApiVersionsRequest {
            client_software_name: Str::from("barnabas"),
            client_software_version: Str::from(env!("CARGO_PKG_VERSION")),
            ..Default::default()
        };
        for version in [4, 0] {
            let frame = self.frame(&request, version)?;
            let (reply, answer) = oneshot::channel();
            self.send(Outgoing { frame, reply: Some(reply) })?;
            let frame = wait(answer, self.request_timeout, &self.address).await?;
            // a broker that does not know the version answers in version 0
            let code = frame.get(4..6).map(|code| i16::from_be_bytes([code[0], code[1]]));
            let unknown = code == Some(ErrorCode::UnsupportedVersion.code());
            if unknown && version > 0 {
                continue;
            }
            let response = decode::<ApiVersionsRequest>(frame, version)?;
            Error::check(response.error_code, None)?;
            return Ok(response);
        }
        Err(Error::Unsupported(ApiKey::ApiVersions))
    }

    async fn call<R: ApiRequest>(
        &self,
        request: &R,
        version: i16,
        patience: Duration,
    ) -> Result<R::Response, Error> {
        let frame = self.frame(request, version)?;
        let (reply, answer) = oneshot::channel();
        self.send(Outgoing { frame, reply: Some(reply) })?;
        answered::<R>(answer, version, patience, &self.address).await
    }

    fn frame<R: ApiRequest>(&self, request: &R, version: i16) -> Result<Bytes, Error> {
        let mut writer = Writer::new();
        let header = RequestHeader {
            api_key: R::KEY.code(),
            api_version: version,
            // answers come in order: the number is for people who look at the wire
            correlation_id: i32::from(R::KEY.code()),
            client_id: self.client_id.clone(),
        };
        header.encode(&mut writer)?;
        request.encode(&mut writer, version)?;
        Ok(writer.into_bytes()?)
    }

    fn send(&self, outgoing: Outgoing) -> Result<(), Error> {
        self.outgoing.send(outgoing).map_err(|_| disconnected(&self.address))
    }
}

async fn answered<R: ApiRequest>(
    answer: oneshot::Receiver<Result<Bytes, Error>>,
    version: i16,
    patience: Duration,
    address: &str,
) -> Result<R::Response, Error> {
    let frame = wait(answer, patience, address).await?;
    decode::<R>(frame, version)
}

async fn wait(
    answer: oneshot::Receiver<Result<Bytes, Error>>,
    patience: Duration,
    address: &str,
) -> Result<Bytes, Error> {
    match timeout(patience, answer).await {
        Ok(Ok(frame)) => frame,
        Ok(Err(_)) => Err(disconnected(address)),
        Err(_) => Err(Error::TimedOut(format!("{address}: no answer within {} ms", patience.as_millis()))),
    }
}

fn decode<R: ApiRequest>(frame: Bytes, version: i16) -> Result<R::Response, Error> {
    let mut reader = Reader::new(frame);
    ResponseHeader::decode(&mut reader, R::KEY, version)?;
    Ok(R::Response::decode(&mut reader, version)?)
}

fn disconnected(address: &str) -> Error {
    Error::Disconnected(format!("{address}: the connection is closed"))
}

async fn write(
    mut socket: OwnedWriteHalf,
    mut queue: mpsc::UnboundedReceiver<Outgoing>,
    waiting: Waiting,
    closed: Arc<AtomicBool>,
    address: String,
) {
    let mut buffer = BytesMut::new();
    while let Some(first) = queue.recv().await {
        let mut next = Some(first);
        // what is queued goes out in one write
        while let Some(Outgoing { frame, reply }) = next {
            buffer.extend_from_slice(&(frame.len() as u32).to_be_bytes());
            buffer.extend_from_slice(&frame);
            if let (Some(reply), Ok(mut waiting)) = (reply, waiting.lock()) {
                waiting.push_back(reply);
            }
            next = if buffer.len() < 1 << 20 { queue.try_recv().ok() } else { None };
        }
        if socket.write_all(&buffer).await.is_err() {
            break;
        }
        buffer.clear();
    }
    end(&waiting, &closed, &address);
}

async fn read(
    mut socket: OwnedReadHalf,
    waiting: Waiting,
    closed: Arc<AtomicBool>,
    address: String,
    frame_max: usize,
) {
    while let Ok(size) = socket.read_i32().await {
        let Ok(size) = usize::try_from(size) else { break };
        if size > frame_max {
            break;
        }
        // no more room than has arrived, and a little ahead
        let mut frame = BytesMut::with_capacity(size.min(1 << 20));
        while frame.len() < size {
            frame.reserve((size - frame.len()).min(1 << 20));
            let missing = (size - frame.len()) as u64;
            match (&mut socket).take(missing).read_buf(&mut frame).await {
                Ok(0) | Err(_) => return end(&waiting, &closed, &address),
                Ok(_) => {}
            }
        }
        let reply = waiting.lock().ok().and_then(|mut waiting| waiting.pop_front());
        match reply {
            Some(reply) => drop(reply.send(Ok(frame.freeze()))),
            None => break,
        }
    }
    end(&waiting, &closed, &address);
}

/// Whoever waits learns that nothing comes any more.
fn end(waiting: &Waiting, closed: &AtomicBool, address: &str) {
    closed.store(true, Ordering::Release);
    let Ok(mut waiting) = waiting.lock() else { return };
    for reply in waiting.drain(..) {
        let _ = reply.send(Err(disconnected(address)));
    }
}
