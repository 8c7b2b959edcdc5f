//! What a consumer reads as a member of a group, and its way into the group and back.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use protocol::ErrorCode;
use types::TopicPartition;

use super::{Consumer, Position, Rebalance};
use crate::Error;

/// Which topics, by name.
#[derive(Clone)]
pub struct Pattern(Arc<dyn Fn(&str) -> bool + Send + Sync>);

impl Pattern {
    pub fn new(matches: impl Fn(&str) -> bool + Send + Sync + 'static) -> Pattern {
        Pattern(Arc::new(matches))
    }

    pub fn matches(&self, topic: &str) -> bool {
        (self.0)(topic)
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pattern")
    }
}

#[derive(Clone, Debug)]
pub enum Subscription {
    None,
    Assigned,
    Topics(Vec<String>),
    Pattern(Pattern),
}

impl Subscription {
    pub fn is_group(&self) -> bool {
        matches!(self, Subscription::Topics(_) | Subscription::Pattern(_))
    }
}

impl Consumer {
    /// Joins where that is due, and takes what the group gave.
    pub(super) async fn keep_group(&mut self) -> Result<(), Error> {
        let Some(group) = self.group.clone() else { return Ok(()) };
        if let Some(failure) = group.take_failure() {
            return Err(failure);
        }
        if group.needs_join() && self.joining.is_none() {
            let lost = group.take_lost();
            let is_cooperative = self.config.is_cooperative();
            if !is_cooperative || lost {
                self.give_up_partitions(lost).await;
            }
            if let Some(task) = self.beating.take() {
                task.abort();
            }
            let topics = self.topics().await?;
            if is_cooperative {
                let of_others =
                    |partition: &TopicPartition| !topics.iter().any(|topic| **topic == *partition.topic);
                let given_up =
                    self.positions.keys().filter(|partition| of_others(partition)).cloned().collect();
                self.commit_before_joining().await;
                self.revoke(given_up);
            }
            let owned = self.positions.keys().cloned().collect();
            let joiner = Arc::clone(&group);
            self.joining = Some(tokio::spawn(async move {
                let joined = joiner.join(topics, owned).await;
                joiner.news.notify_one();
                joined
            }));
            if !self.rebalances.is_empty() {
                // that partitions are gone is told at once: the join may take long
                return Ok(());
            }
        }
        let Some(joining) = &mut self.joining else { return self.watch_topics().await };
        if self.joined && !joining.is_finished() {
            // a cooperative member reads on
            return Ok(());
        }
        let outcome = joining.await;
        self.joining = None;
        let joined = outcome.map_err(|error| Error::Disconnected(error.to_string()))??;
        if !self.config.is_cooperative() {
            // given up before
            self.positions.clear();
        }
        self.take_over(joined.partitions, group.take_lost()).await;
        self.joined = true;
        self.leading = joined.leading;
        self.watched = tokio::time::Instant::now();
        self.last_commit = tokio::time::Instant::now();
        self.beating = Some(tokio::spawn(group.beat()));
        Ok(())
    }

    /// What the group gave, after what it took.
    async fn take_over(&mut self, partitions: Vec<TopicPartition>, lost: bool) {
        if lost {
            // the membership that the old partitions came from ended while this one was asked for
            self.give_up_partitions(true).await;
        }
        let taken: Vec<TopicPartition> =
            self.positions.keys().filter(|partition| !partitions.contains(partition)).cloned().collect();
        if !taken.is_empty() {
            let mut offsets = self.positions();
            offsets.retain(|partition, _| taken.contains(partition));
            if self.config.auto_commit {
                let _ = self.commit(&offsets).await;
            }
            self.revoke(taken);
            // who gets them learns of it when all have joined again
            if let Some(group) = &self.group {
                group.ask_to_rejoin();
            }
        }
        let is_new = |partition: &TopicPartition| !self.positions.contains_key(partition);
        let added: Vec<TopicPartition> = partitions.into_iter().filter(is_new).collect();
        self.positions.extend(added.iter().map(|partition| (partition.clone(), Position::default())));
        self.rebalances.push(Rebalance::Assigned(added));
    }

    async fn commit_before_joining(&mut self) {
        if self.config.auto_commit && self.joined {
            let offsets = self.positions();
            let _ = self.commit(&offsets).await;
        }
    }

    /// These partitions are no longer read.
    fn revoke(&mut self, partitions: Vec<TopicPartition>) {
        if partitions.is_empty() {
            return;
        }
        for partition in &partitions {
            self.positions.remove(partition);
            self.drop_buffered(partition);
        }
        self.rebalances.push(Rebalance::Revoked(partitions));
    }

    /// All partitions go back before the group is joined again (the eager protocol).
    async fn give_up_partitions(&mut self, lost: bool) {
        if !self.joined {
            return;
        }
        if self.config.auto_commit && !lost {
            let offsets = self.positions();
            let _ = self.commit(&offsets).await;
        }
        self.joined = false;
        let partitions: Vec<TopicPartition> = std::mem::take(&mut self.positions).into_keys().collect();
        self.fetcher.buffered.clear();
        self.rest.clear();
        self.rebalances.push(match lost {
            true => Rebalance::Lost(partitions),
            false => Rebalance::Revoked(partitions),
        });
    }

    /// The topics that are subscribed to, at the moment.
    async fn topics(&self) -> Result<Vec<String>, Error> {
        match &self.subscription {
            Subscription::Topics(topics) => {
                self.check_topics(topics).await?;
                Ok(topics.clone())
            }
            Subscription::Pattern(pattern) => {
                let answer = loop {
                    match self.cluster.refresh(None).await {
                        Err(error) if error.is_retriable() => {
                            tokio::time::sleep(self.cluster.config().retry_backoff).await;
                        }
                        outcome => break outcome?,
                    }
                };
                let visible = answer.topics.iter().filter(|topic| {
                    topic.error_code == 0 && !(topic.is_internal && self.config.exclude_internal_topics)
                });
                let names = visible.filter_map(|topic| topic.name.as_ref().map(|name| name.to_string()));
                Ok(names.filter(|name| pattern.matches(name)).collect())
            }
            _ => Ok(Vec::new()),
        }
    }

    /// Topics that cannot be, or that are not for this consumer, are an error; one that is not there yet is awaited.
    async fn check_topics(&self, topics: &[String]) -> Result<(), Error> {
        let names: Vec<&str> = topics.iter().map(String::as_str).collect();
        let asked = match self.config.allow_auto_create_topics {
            true => self.cluster.refresh_or_create(&names).await,
            false => self.cluster.refresh(Some(&names)).await,
        };
        let Ok(answer) = asked else { return Ok(()) };
        for topic in &answer.topics {
            let name = topic.name.as_deref().unwrap_or_default();
            let text = match ErrorCode::from(topic.error_code) {
                ErrorCode::InvalidTopicException => format!("Invalid topics: [{name}]"),
                ErrorCode::TopicAuthorizationFailed => format!("Not authorized to access topics: [{name}]"),
                _ => continue,
            };
            return Err(Error::Broker(ErrorCode::from(topic.error_code), Some(text)));
        }
        Ok(())
    }

    /// The leader of a group sees topics and partitions come and go, and asks everybody to join again.
    async fn watch_topics(&mut self) -> Result<(), Error> {
        let (Some(group), Some(leading)) = (self.group.clone(), &self.leading) else { return Ok(()) };
        if self.watched.elapsed() < self.cluster.config().metadata_max_age {
            return Ok(());
        }
        let mut names: Vec<String> = leading.keys().cloned().collect();
        names.extend(self.topics().await?);
        names.sort();
        names.dedup();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let counts: BTreeMap<String, i32> = match group.partition_counts(&names).await {
            Ok(counts) => counts,
            Err(error) if error.is_retriable() => return Ok(()),
            Err(error) => return Err(error),
        };
        self.watched = tokio::time::Instant::now();
        if self.leading.as_ref() != Some(&counts) {
            group.ask_to_rejoin();
        }
        Ok(())
    }
}
