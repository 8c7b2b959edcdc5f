//! The consumer: by assignment or as a member of a group. It works while it is polled; only heartbeats, fetches and
//! joins under way go on between polls. Every wait can be given up: what was under way goes on at the next poll.

mod assignor;
mod config;
mod fetched;
mod fetcher;
mod group;
mod offsets;
mod session;
mod sticky;
mod subscription;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use protocol::ErrorCode;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};
use types::TopicPartition;

pub use assignor::Assignor;
pub use config::{ConsumerConfig, IsolationLevel, OffsetReset, iso_duration};
pub use offsets::{Committed, EARLIEST, LATEST, ListedOffset, list as list_offsets};
pub use subscription::Pattern;

/// What reads bytes from outside.
#[cfg(test)]
pub(crate) mod fuzzed {
    pub use super::assignor::{Assignor, Claim, Member, assigned, assignment, claim, subscription};
    pub use super::fetched::Fetched;
}

use crate::{Cluster, ConsumerRecord, Error};
use fetcher::{Fetcher, Trouble};
use group::{Group, Joined};
use subscription::Subscription;

/// What happened to the consumer's partitions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rebalance {
    Assigned(Vec<TopicPartition>),
    Revoked(Vec<TopicPartition>),
    /// Revoked, and maybe another's already.
    Lost(Vec<TopicPartition>),
}

pub struct Consumer {
    cluster: Cluster,
    config: ConsumerConfig,
    subscription: Subscription,
    positions: BTreeMap<TopicPartition, Position>,
    group: Option<Arc<Group>>,
    joining: Option<JoinHandle<Result<Joined, Error>>>,
    /// Whether this member is in the group's generation, with its partitions.
    joined: bool,
    beating: Option<JoinHandle<()>>,
    fetcher: Fetcher,
    /// Records of a batch that did not fit into the last poll.
    rest: VecDeque<ConsumerRecord>,
    rebalances: Vec<Rebalance>,
    last_commit: Instant,
    committing: Option<JoinHandle<Result<(), Error>>>,
    refreshed: Instant,
    /// Of a group's leader: its topics with their partition counts, and when they were looked at.
    leading: Option<BTreeMap<String, i32>>,
    watched: Instant,
}

#[derive(Clone, Debug, Default)]
struct Position {
    /// None until it is found.
    offset: Option<i64>,
    /// Of the last record that was given.
    leader_epoch: Option<i32>,
    /// Where to begin, before and instead of what was committed.
    reset: Option<i64>,
    paused: bool,
}

/// How long to wait before looking again where nothing tells.
const PAUSE: Duration = Duration::from_millis(100);

impl Consumer {
    pub fn new(cluster: Cluster, config: ConsumerConfig) -> Consumer {
        let group = config.group_id.as_deref();
        let group = group.map(|id| Arc::new(Group::new(cluster.clone(), config.clone(), id)));
        Consumer {
            fetcher: Fetcher::new(cluster.clone()),
            cluster,
            config,
            subscription: Subscription::None,
            positions: BTreeMap::new(),
            group,
            joining: None,
            joined: false,
            beating: None,
            rest: VecDeque::new(),
            rebalances: Vec::new(),
            last_commit: Instant::now(),
            committing: None,
            refreshed: Instant::now(),
            leading: None,
            watched: Instant::now(),
        }
    }

    /// Reads these partitions, without a group's help.
    pub fn assign(&mut self, partitions: impl IntoIterator<Item = TopicPartition>) {
        self.subscription = Subscription::Assigned;
        self.positions = partitions.into_iter().map(|p| (p, Position::default())).collect();
    }

    /// Reads its share of these topics as a member of its group.
    pub fn subscribe(&mut self, topics: Vec<String>) -> Result<(), Error> {
        self.subscribe_to(Subscription::Topics(topics))
    }

    /// Reads its share of the topics that match, those that come later too.
    pub fn subscribe_pattern(&mut self, pattern: Pattern) -> Result<(), Error> {
        self.subscribe_to(Subscription::Pattern(pattern))
    }

    fn subscribe_to(&mut self, subscription: Subscription) -> Result<(), Error> {
        let Some(group) = &self.group else {
            let text = "To use the group management or offset commit APIs, you must provide a valid group.id in the consumer configuration.";
            return Err(Error::Config(text.to_owned()));
        };
        group.ask_to_rejoin();
        self.subscription = subscription;
        Ok(())
    }

    pub fn assignment(&self) -> impl Iterator<Item = &TopicPartition> {
        self.positions.keys()
    }

    /// What happened to the assignment since the last call.
    pub fn take_rebalances(&mut self) -> Vec<Rebalance> {
        std::mem::take(&mut self.rebalances)
    }

    /// The next record to be given.
    pub fn position(&self, partition: &TopicPartition) -> Option<i64> {
        self.positions.get(partition)?.offset
    }

    pub fn seek(&mut self, partition: &TopicPartition, offset: i64) {
        self.move_to(partition, |position| position.offset = Some(offset));
    }

    /// Goes to the first record of this time or later, or to `LATEST` or `EARLIEST`, when it is polled.
    pub fn seek_to_time(&mut self, partition: &TopicPartition, timestamp: i64) {
        self.move_to(partition, |position| {
            position.offset = None;
            position.reset = Some(timestamp);
        });
    }

    fn move_to(&mut self, partition: &TopicPartition, change: impl FnOnce(&mut Position)) {
        if let Some(position) = self.positions.get_mut(partition) {
            change(position);
            position.leader_epoch = None;
        }
        self.drop_buffered(partition);
    }

    fn drop_buffered(&mut self, partition: &TopicPartition) {
        self.fetcher.buffered.retain(|fetched| fetched.partition != *partition);
        self.rest.retain(|record| record.partition != partition.partition || record.topic != partition.topic);
    }

    pub fn pause(&mut self, partition: &TopicPartition, paused: bool) {
        if let Some(position) = self.positions.get_mut(partition) {
            position.paused = paused;
        }
    }

    /// Records, as soon as there are some, at most `max.poll.records`. None after `wait`, and where partitions came or
    /// went: see `take_rebalances`.
    pub async fn poll(&mut self, wait: Duration) -> Result<Vec<ConsumerRecord>, Error> {
        if let Some(group) = &self.group {
            group.polled();
        }
        match timeout(wait, self.next_records()).await {
            Ok(outcome) => outcome,
            Err(_) => Ok(Vec::new()),
        }
    }

    async fn next_records(&mut self) -> Result<Vec<ConsumerRecord>, Error> {
        loop {
            if self.subscription.is_group() {
                self.keep_group().await?;
            }
            if !self.rebalances.is_empty() {
                return Ok(Vec::new());
            }
            self.auto_commit();
            self.find_positions().await?;
            let troubles = self.fetcher.take_all(&self.config);
            self.handle(troubles)?;
            let records = self.take_records()?;
            // the next answer is on its way while these records are worked on
            self.fetch();
            if !records.is_empty() {
                return Ok(records);
            }
            let news = self.group.clone();
            let news = async {
                match &news {
                    Some(group) => group.news.notified().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                troubles = self.fetcher.wait(&self.config) => self.handle(troubles)?,
                () = news => {}
                () = sleep(PAUSE) => {}
            }
        }
    }

    /// Asks for what follows; unknown leaders are looked for.
    fn fetch(&mut self) {
        let ready = self.positions.iter().filter(|(_, position)| !position.paused);
        let ready = ready.filter_map(|(partition, position)| Some((partition.clone(), position.offset?)));
        // what is left of a batch comes before what follows it
        let rest = self.rest.front();
        let ready = ready.filter(|(partition, _)| {
            !rest.is_some_and(|r| r.partition == partition.partition && r.topic == partition.topic)
        });
        let missing = self.fetcher.send(ready, &self.config);
        let due = self.refreshed.elapsed() > self.cluster.config().metadata_max_age;
        if (missing.is_empty() && !due) || self.refreshed.elapsed() < PAUSE {
            return;
        }
        self.refreshed = Instant::now();
        let topics: std::collections::BTreeSet<Arc<str>> = match due {
            true => self.positions.keys().map(|partition| Arc::clone(&partition.topic)).collect(),
            false => missing,
        };
        let (cluster, create) = (self.cluster.clone(), self.config.allow_auto_create_topics);
        tokio::spawn(async move {
            let names: Vec<&str> = topics.iter().map(|topic| &**topic).collect();
            let _ = match create {
                true => cluster.refresh_or_create(&names).await,
                false => cluster.refresh(Some(&names)).await,
            };
        });
    }

    fn take_records(&mut self) -> Result<Vec<ConsumerRecord>, Error> {
        let mut out = Vec::new();
        let mut kept = VecDeque::new();
        while out.len() < self.config.max_poll_records {
            if let Some(record) = self.rest.pop_front() {
                let partition =
                    TopicPartition { topic: Arc::clone(&record.topic), partition: record.partition };
                if let Some(position) = self.positions.get_mut(&partition) {
                    position.leader_epoch = record.leader_epoch;
                    position.offset = Some(record.offset + 1);
                    out.push(record);
                }
                continue;
            }
            let Some(mut fetched) = self.fetcher.buffered.pop_front() else { break };
            let Some(position) = self.positions.get_mut(&fetched.partition) else { continue };
            if position.offset != Some(fetched.asked) {
                continue;
            }
            if position.paused {
                kept.push_back(fetched);
                continue;
            }
            let Some((records, next)) = fetched.next(fetched.asked)? else { continue };
            match records.is_empty() {
                // nothing to see, but to be passed
                true => position.offset = Some(next),
                false => self.give(records, next, &mut out),
            }
            fetched.asked = next;
            self.fetcher.buffered.push_front(fetched);
        }
        self.fetcher.buffered.extend(kept);
        Ok(out)
    }

    /// Gives as many records of a batch as there is room for; the rest comes first next time.
    fn give(&mut self, mut records: Vec<ConsumerRecord>, next: i64, out: &mut Vec<ConsumerRecord>) {
        let room = self.config.max_poll_records.saturating_sub(out.len());
        if records.len() > room {
            self.rest.extend(records.drain(room..));
        }
        let Some(last) = records.last() else { return };
        let partition = TopicPartition { topic: Arc::clone(&last.topic), partition: last.partition };
        if let Some(position) = self.positions.get_mut(&partition) {
            position.leader_epoch = last.leader_epoch;
            position.offset = Some(if self.rest.is_empty() { next } else { last.offset + 1 });
        }
        out.append(&mut records);
    }

    fn handle(&mut self, troubles: Vec<Trouble>) -> Result<(), Error> {
        for Trouble { partition, asked, code } in troubles {
            let Some(position) = self.positions.get_mut(&partition) else { continue };
            if position.offset != Some(asked) {
                continue;
            }
            match code {
                ErrorCode::OffsetOutOfRange => {
                    position.offset = None;
                    match reset_of(self.config.offset_reset) {
                        Some(reset) => position.reset = Some(reset),
                        None => {
                            let text = format!(
                                "Fetch position {asked} is out of range for partition {partition}, and no reset policy is configured"
                            );
                            return Err(Error::Broker(code, Some(text)));
                        }
                    }
                }
                ErrorCode::TopicAuthorizationFailed => {
                    let text = format!("Not authorized to access topics: [{}]", partition.topic);
                    return Err(Error::Broker(code, Some(text)));
                }
                ErrorCode::CorruptMessage => return Err(Error::Broker(code, None)),
                _ => self.cluster.forget(&partition.topic),
            }
        }
        Ok(())
    }

    /// Finds where to begin, for the partitions that have no position yet.
    async fn find_positions(&mut self) -> Result<(), Error> {
        let unknown = |reset: bool| {
            let lost =
                self.positions.iter().filter(move |(_, p)| p.offset.is_none() && p.reset.is_some() == reset);
            lost.map(|(partition, _)| partition.clone()).collect::<Vec<_>>()
        };
        let fresh = unknown(false);
        if !fresh.is_empty() {
            self.find_committed(&fresh).await?;
        }
        let wanted = self.positions.iter().filter(|(_, position)| position.offset.is_none());
        let wanted: Vec<_> = wanted.filter_map(|(p, position)| Some((p.clone(), position.reset?))).collect();
        if wanted.is_empty() {
            return Ok(());
        }
        let mut later = Vec::new();
        for (partition, listed) in list_offsets(&self.cluster, self.config.isolation_level, &wanted).await {
            let Some(position) = self.positions.get_mut(&partition) else { continue };
            match listed {
                // no record so young: what comes next
                Ok(listed) if listed.offset < 0 => later.push(partition),
                Ok(listed) => {
                    position.offset = Some(listed.offset);
                    position.reset = None;
                }
                Err(error) if error.is_retriable() => {}
                Err(error) => return Err(error),
            }
        }
        for partition in later {
            if let Some(position) = self.positions.get_mut(&partition) {
                position.reset = Some(LATEST);
            }
        }
        Ok(())
    }

    async fn find_committed(&mut self, partitions: &[TopicPartition]) -> Result<(), Error> {
        let committed = match &self.group {
            None => BTreeMap::new(),
            Some(group) => match offsets::committed(group, partitions).await {
                Ok(committed) => committed,
                Err(error) if error.is_retriable() || self.is_rejoining() => return Ok(()),
                Err(error) => return Err(error),
            },
        };
        let reset = reset_of(self.config.offset_reset);
        let mut nowhere = Vec::new();
        for partition in partitions {
            let Some(position) = self.positions.get_mut(partition) else { continue };
            match (committed.get(partition), reset) {
                (Some(committed), _) => {
                    position.offset = Some(committed.offset);
                    position.leader_epoch = committed.leader_epoch;
                }
                (None, Some(reset)) => position.reset = Some(reset),
                (None, None) => nowhere.push(partition.to_string()),
            }
        }
        match nowhere.is_empty() {
            true => Ok(()),
            false => Err(Error::Config(format!(
                "Undefined offset with no reset policy for partitions: [{}]",
                nowhere.join(", ")
            ))),
        }
    }

    fn is_rejoining(&self) -> bool {
        self.group.as_ref().is_some_and(|group| group.needs_join())
    }

    /// What would be committed now.
    pub fn positions(&self) -> BTreeMap<TopicPartition, Committed> {
        let known = self.positions.iter().filter_map(|(partition, position)| {
            let metadata = String::new();
            let committed =
                Committed { offset: position.offset?, leader_epoch: position.leader_epoch, metadata };
            Some((partition.clone(), committed))
        });
        known.collect()
    }

    /// Commits these offsets and waits; tries again where that may help.
    pub async fn commit(&mut self, offsets: &BTreeMap<TopicPartition, Committed>) -> Result<(), Error> {
        let Some(group) = self.group.clone().filter(|_| !offsets.is_empty()) else { return Ok(()) };
        if let Some(running) = &mut self.committing {
            let _ = running.await;
            self.committing = None;
        }
        let deadline = Instant::now() + self.cluster.config().request_timeout;
        for tries in 0.. {
            match offsets::commit(&group, offsets).await {
                Err(error) if error.is_retriable() && !self.is_rejoining() && Instant::now() < deadline => {}
                outcome => return outcome,
            }
            sleep(self.cluster.config().backoff(tries)).await;
        }
        Ok(())
    }

    /// What the group committed.
    pub async fn committed(
        &self,
        partitions: &[TopicPartition],
    ) -> Result<BTreeMap<TopicPartition, Committed>, Error> {
        match &self.group {
            Some(group) => offsets::committed(group, partitions).await,
            None => Ok(BTreeMap::new()),
        }
    }

    fn auto_commit(&mut self) {
        // what is committed while the group rebalances is refused
        let can = self.config.auto_commit && self.joining.is_none();
        let Some(group) = self.group.clone().filter(|_| can) else { return };
        let running = self.committing.as_ref().is_some_and(|running| !running.is_finished());
        if running || self.last_commit.elapsed() < self.config.auto_commit_interval {
            return;
        }
        self.last_commit = Instant::now();
        let offsets = self.positions();
        if !offsets.is_empty() {
            self.committing = Some(tokio::spawn(async move { offsets::commit(&group, &offsets).await }));
        }
    }

    /// Commits where that is automatic, leaves the group, ends what is under way.
    pub async fn close(mut self) {
        if self.config.auto_commit && (self.joined || !self.subscription.is_group()) {
            let offsets = self.positions();
            let _ = timeout(self.cluster.config().request_timeout, self.commit(&offsets)).await;
        }
        if let Some(task) = self.joining.take() {
            task.abort();
            if let Some(group) = &self.group {
                group.leave_join_behind();
            }
        }
        if let Some(task) = self.beating.take() {
            task.abort();
        }
        if let Some(group) = self.group.clone().filter(|_| self.subscription.is_group()) {
            let leaving = group.leave("the consumer is being closed");
            let _ = timeout(self.cluster.config().request_timeout, leaving).await;
        }
    }
}

fn reset_of(reset: OffsetReset) -> Option<i64> {
    match reset {
        OffsetReset::Earliest => Some(EARLIEST),
        OffsetReset::Latest => Some(LATEST),
        OffsetReset::By(age) => {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            i64::try_from(now.saturating_sub(age).as_millis()).ok()
        }
        OffsetReset::None => None,
    }
}
