//! The brokers of a cluster and connections to them, opened when they are needed and opened again when they broke.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use protocol::ErrorCode;
use protocol::Str;
use protocol::messages::metadata_request::MetadataRequestTopic;
use protocol::messages::{
    ApiVersionsResponse, DescribeClusterRequest, FindCoordinatorRequest, MetadataRequest, MetadataResponse,
};
use tokio::time::{Instant, sleep};
use types::NodeId;

use crate::{Broker, ClientConfig, Connection, Error, Metadata, PartitionMetadata, TopicMetadata};

/// Shared by the producer, consumer and admin that use it; a clone is the same cluster.
#[derive(Clone, Debug)]
pub struct Cluster {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    config: ClientConfig,
    state: Mutex<State>,
    /// One connection attempt at a time, so that many callers do not open many.
    opening: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct State {
    metadata: Metadata,
    connections: BTreeMap<String, Connection>,
    /// Brokers that could not be reached when they were tried last.
    failures: BTreeMap<String, Failure>,
}

#[derive(Clone, Debug)]
struct Failure {
    at: Instant,
    /// Until it is tried again, callers get the same error.
    pause: Duration,
    error: Error,
}

/// `reconnect.backoff.ms`.
const RECONNECT_PAUSE: Duration = Duration::from_millis(50);
/// `reconnect.backoff.max.ms`.
const RECONNECT_PAUSE_MAX: Duration = Duration::from_secs(1);

/// `endpoint_type` of DescribeCluster.
const CONTROLLERS: i8 = 2;

/// Ends the keys of connections that are for coordinators alone.
const APART: &str = " coordinator";

/// Which coordinator `Cluster::coordinator` looks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i8)]
pub enum CoordinatorKind {
    Group = 0,
    Transaction = 1,
}

impl Cluster {
    /// Nothing is connected yet.
    pub fn new(config: ClientConfig) -> Cluster {
        Cluster {
            inner: Arc::new(Inner { config, state: Mutex::default(), opening: tokio::sync::Mutex::new(()) }),
        }
    }

    pub fn config(&self) -> &ClientConfig {
        &self.inner.config
    }

    /// What is known now, without asking.
    pub fn metadata(&self) -> Metadata {
        self.state().metadata.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.inner.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A connection to any broker: one that is open, else a known broker, else a bootstrap server. Of controllers the
    /// active one.
    pub async fn any(&self) -> Result<Connection, Error> {
        if self.inner.config.of_controllers {
            return self.active_controller().await;
        }
        self.nearest().await
    }

    /// A connection that is open, else to a known node, else to a bootstrap server.
    async fn nearest(&self) -> Result<Connection, Error> {
        let known = {
            let state = self.state();
            let shared = state.connections.iter().filter(|(key, _)| !key.ends_with(APART));
            if let Some((_, open)) = shared.into_iter().find(|(_, c)| !c.is_closed()) {
                return Ok(open.clone());
            }
            state.metadata.brokers.values().map(|b| b.address()).collect::<Vec<_>>()
        };
        let mut last = Error::Config("no bootstrap server is given".to_owned());
        for address in self.inner.config.bootstrap_servers.iter().chain(&known) {
            match self.connect(address).await {
                Ok(connection) => return Ok(connection),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// Asks a controller which of them is active (KIP-919), anew each time: it may have changed. Waits while there is
    /// none, up to the request time-out.
    async fn active_controller(&self) -> Result<Connection, Error> {
        let deadline = Instant::now() + self.inner.config.request_timeout;
        for tries in 0.. {
            let request = DescribeClusterRequest { endpoint_type: CONTROLLERS, ..Default::default() };
            let response = self.nearest().await?.call(&request).await?;
            Error::check(response.error_code, response.error_message.as_ref())?;
            self.state().metadata.merge_controllers(&response);
            let active = NodeId(response.controller_id);
            let address = self.state().metadata.brokers.get(&active).map(|node| node.address());
            if let Some(address) = address {
                return self.connect(&address).await;
            }
            if Instant::now() >= deadline {
                break;
            }
            sleep(self.inner.config.backoff(tries)).await;
        }
        Err(Error::TimedOut("no controller is active".to_owned()))
    }

    /// A connection to this broker.
    pub async fn node(&self, id: NodeId) -> Result<Connection, Error> {
        let address = self.state().metadata.brokers.get(&id).map(|b| b.address());
        let address = match address {
            Some(address) => address,
            None => {
                match self.inner.config.of_controllers {
                    true => drop(self.active_controller().await?),
                    false => drop(self.refresh(Some(&[])).await?),
                }
                let state = self.state();
                let known = state.metadata.brokers.get(&id).map(|b| b.address());
                known
                    .ok_or_else(|| Error::Disconnected(format!("broker {id} is not known to the cluster")))?
            }
        };
        self.connect(&address).await
    }

    /// The topic as known, where it has no error.
    pub fn known_topic(&self, name: &str) -> Option<Arc<TopicMetadata>> {
        self.state().metadata.topics.get(name).filter(|topic| topic.error == ErrorCode::None).cloned()
    }

    /// The connection to this broker if one is open.
    pub fn open_node(&self, id: NodeId) -> Option<Connection> {
        let state = self.state();
        let address = state.metadata.brokers.get(&id)?.address();
        state.connections.get(&address).filter(|c| !c.is_closed()).cloned()
    }

    pub async fn connect(&self, address: &str) -> Result<Connection, Error> {
        self.connect_as(address.to_owned(), address).await
    }

    /// The shared connection of this key.
    async fn connect_as(&self, key: String, address: &str) -> Result<Connection, Error> {
        if let Some(open) = self.open_connection(&key) {
            return Ok(open);
        }
        let _turn = self.inner.opening.lock().await;
        if let Some(open) = self.open_connection(&key) {
            return Ok(open);
        }
        let tried = self.state().failures.get(&key).cloned();
        if let Some(tried) = tried.as_ref().filter(|tried| tried.at.elapsed() < tried.pause) {
            return Err(tried.error.clone());
        }
        let opened = Connection::open(address, &self.inner.config).await;
        match &opened {
            Ok(_) => drop(self.state().failures.remove(&key)),
            Err(error) => {
                let pause = tried.map_or(RECONNECT_PAUSE, |tried| (tried.pause * 2).min(RECONNECT_PAUSE_MAX));
                let failure = Failure { at: Instant::now(), pause, error: error.clone() };
                self.state().failures.insert(key.clone(), failure);
            }
        }
        let connection = opened.inspect_err(|error| {
            if matches!(error, Error::Disconnected(_) | Error::TimedOut(_)) {
                let text = "could not be established. Node may not be available.";
                (self.inner.config.warn)(&format!("Connection to node at {address} {text}"));
            }
        })?;
        self.state().connections.insert(key, connection.clone());
        Ok(connection)
    }

    fn open_connection(&self, address: &str) -> Option<Connection> {
        self.state().connections.get(address).filter(|c| !c.is_closed()).cloned()
    }

    /// What the broker that answers first can do.
    pub async fn versions(&self) -> Result<ApiVersionsResponse, Error> {
        Ok(self.any().await?.versions().clone())
    }

    /// Asks about these topics (None: all; none: only the brokers) without creating any.
    pub async fn refresh(&self, topics: Option<&[&str]>) -> Result<MetadataResponse, Error> {
        self.ask(topics, false).await
    }

    /// Asks about these topics; the broker may create those that do not exist.
    pub async fn refresh_or_create(&self, topics: &[&str]) -> Result<MetadataResponse, Error> {
        self.ask(Some(topics), true).await
    }

    async fn ask(
        &self,
        topics: Option<&[&str]>,
        allow_auto_topic_creation: bool,
    ) -> Result<MetadataResponse, Error> {
        let topics = topics.map(|names| {
            let topic =
                |name: &&str| MetadataRequestTopic { name: Some(Str::from(*name)), ..Default::default() };
            names.iter().map(topic).collect()
        });
        let request = MetadataRequest { topics, allow_auto_topic_creation, ..Default::default() };
        let response = self.any().await?.call(&request).await?;
        Error::check(response.error_code, None)?;
        self.state().metadata.merge(&response);
        for topic in response.topics.iter().filter(|topic| topic.error_code != 0) {
            let name = topic.name.as_deref().unwrap_or_default();
            let code = ErrorCode::from(topic.error_code);
            (self.inner.config.warn)(&format!("The cluster says of topic {name}: {code}"));
        }
        Ok(response)
    }

    /// The topic with all its partitions, as known, else asked for. An error of the topic is an error here.
    pub async fn topic(&self, name: &str) -> Result<Arc<TopicMetadata>, Error> {
        let known = self.state().metadata.topics.get(name).cloned();
        if let Some(topic) = known
            && topic.error == ErrorCode::None
        {
            return Ok(topic);
        }
        let response = self.refresh(Some(&[name])).await?;
        let of_topic = response.topics.iter().find(|t| t.name.as_deref() == Some(name));
        Error::check(of_topic.map_or(ErrorCode::UnknownTopicOrPartition.code(), |t| t.error_code), None)?;
        let known = self.state().metadata.topics.get(name).cloned();
        known.ok_or(Error::Broker(ErrorCode::UnknownTopicOrPartition, None))
    }

    /// The broker that leads the partition; asks again, with pauses, while there is none, up to the request time-out.
    pub async fn leader(&self, topic: &str, partition: i32) -> Result<NodeId, Error> {
        let deadline = Instant::now() + self.inner.config.request_timeout;
        for tries in 0.. {
            let error = match self.topic(topic).await {
                Ok(found) => match found.partition(partition) {
                    Some(PartitionMetadata { leader: Some(leader), .. }) => return Ok(*leader),
                    Some(p) if p.error != ErrorCode::None => Error::Broker(p.error, None),
                    Some(_) => Error::Broker(ErrorCode::LeaderNotAvailable, None),
                    None => Error::Broker(ErrorCode::UnknownTopicOrPartition, None),
                },
                Err(error) => error,
            };
            if !error.is_retriable() || Instant::now() >= deadline {
                return Err(error);
            }
            sleep(self.inner.config.backoff(tries)).await;
            self.forget(topic);
        }
        unreachable!("the loop ends by returning")
    }

    /// The topic is asked for again when it is needed next: its leader was wrong.
    pub fn forget(&self, topic: &str) {
        self.state().metadata.topics.remove(topic);
    }

    /// The group's or transactional id's coordinator; asks again, with pauses, while there is none.
    pub async fn coordinator(&self, kind: CoordinatorKind, key: &str) -> Result<Connection, Error> {
        let deadline = Instant::now() + self.inner.config.request_timeout;
        for tries in 0.. {
            match self.find_coordinator(kind, key).await {
                Ok(connection) => return Ok(connection),
                Err(error) if error.is_retriable() && Instant::now() < deadline => {}
                Err(error) => return Err(error),
            }
            sleep(self.inner.config.backoff(tries)).await;
        }
        unreachable!("the loop ends by returning")
    }

    async fn find_coordinator(&self, kind: CoordinatorKind, key: &str) -> Result<Connection, Error> {
        let request = FindCoordinatorRequest {
            key: Str::from(key),
            key_type: kind as i8,
            coordinator_keys: vec![Str::from(key)],
        };
        let connection = self.any().await?;
        let version = connection.version(protocol::ApiKey::FindCoordinator)?;
        let request = match version {
            4.. => FindCoordinatorRequest { key: Str::default(), ..request },
            _ => FindCoordinatorRequest { coordinator_keys: Vec::new(), ..request },
        };
        let response = connection.call_version(&request, version).await?;
        let (host, port) = match response.coordinators.first() {
            Some(found) => {
                Error::check(found.error_code, found.error_message.as_ref())?;
                (found.host.to_string(), found.port)
            }
            None => {
                Error::check(response.error_code, response.error_message.as_ref())?;
                (response.host.to_string(), response.port)
            }
        };
        let id = NodeId::NONE;
        let address = Broker { id, host, port, rack: None }.address();
        // a broker answers in order: heartbeats must not wait behind a long fetch
        self.connect_as(format!("{address}{APART}"), &address).await
    }
}
