//! Membership of a group, classic protocol: join and sync as one task, heartbeats as another.
//!
//! outside -> joining (JoinGroup, SyncGroup) -> member -> joining, where a heartbeat or a commit says so.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use protocol::messages::join_group_request::JoinGroupRequestProtocol;
use protocol::messages::leave_group_request::MemberIdentity;
use protocol::messages::sync_group_request::SyncGroupRequestAssignment;
use protocol::messages::{
    HeartbeatRequest, JoinGroupRequest, JoinGroupResponse, LeaveGroupRequest, SyncGroupRequest,
};
use protocol::{ApiKey, ErrorCode, Str};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep};
use types::TopicPartition;

use super::assignor::{self, Assignor, Claim, Member};
use super::config::ConsumerConfig;
use crate::{Cluster, Connection, CoordinatorKind, Error};

/// Who this member is at the moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    pub member_id: Str,
    /// -1 outside.
    pub generation: i32,
}

/// What a join ends with.
#[derive(Clone, Debug)]
pub struct Joined {
    pub partitions: Vec<TopicPartition>,
    /// Of the leader: the topics of all members with their partition counts.
    pub leading: Option<BTreeMap<String, i32>>,
}

/// Shared by the consumer and the group's tasks.
#[derive(Debug)]
pub struct Group {
    cluster: Cluster,
    pub id: Str,
    instance_id: Option<Str>,
    config: ConsumerConfig,
    state: Mutex<State>,
    /// Told when a heartbeat has news.
    pub news: Notify,
}

#[derive(Debug)]
struct State {
    identity: Identity,
    /// Join again before anything else.
    rejoin: bool,
    /// The partitions may be another's by now.
    lost: bool,
    failure: Option<Error>,
    last_poll: Instant,
    coordinator: Option<Connection>,
}

impl Group {
    pub fn new(cluster: Cluster, config: ConsumerConfig, id: &str) -> Group {
        let identity = Identity { member_id: Str::default(), generation: -1 };
        let state = State {
            identity,
            rejoin: true,
            lost: false,
            failure: None,
            last_poll: Instant::now(),
            coordinator: None,
        };
        Group {
            cluster,
            id: Str::from(id),
            instance_id: config.group_instance_id.as_deref().map(Str::from),
            config,
            state: Mutex::new(state),
            news: Notify::new(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn identity(&self) -> Identity {
        self.state().identity.clone()
    }

    pub fn instance_id(&self) -> Option<Str> {
        self.instance_id.clone()
    }

    /// The coordinator, looked for when it is not known.
    pub async fn coordinator(&self) -> Result<Connection, Error> {
        let known = self.state().coordinator.clone();
        if let Some(open) = known.filter(|connection| !connection.is_closed()) {
            return Ok(open);
        }
        let found = self.cluster.coordinator(CoordinatorKind::Group, &self.id).await?;
        self.state().coordinator = Some(found.clone());
        Ok(found)
    }

    /// The next request to the coordinator goes over a connection of its own: a join that is held back there would
    /// hold back what comes behind it.
    pub fn leave_join_behind(&self) {
        if let Some(connection) = self.state().coordinator.take() {
            connection.retire();
        }
    }

    pub fn polled(&self) {
        self.state().last_poll = Instant::now();
    }

    pub fn needs_join(&self) -> bool {
        self.state().rejoin
    }

    pub fn ask_to_rejoin(&self) {
        self.state().rejoin = true;
        self.news.notify_one();
    }

    /// Whether membership was lost since the last call.
    pub fn take_lost(&self) -> bool {
        std::mem::take(&mut self.state().lost)
    }

    pub fn take_failure(&self) -> Option<Error> {
        self.state().failure.take()
    }

    /// What an error of the coordinator means for membership.
    pub fn judge(&self, code: ErrorCode) {
        let mut state = self.state();
        match code {
            ErrorCode::RebalanceInProgress => state.rejoin = true,
            ErrorCode::NotCoordinator | ErrorCode::CoordinatorNotAvailable => state.coordinator = None,
            ErrorCode::UnknownMemberId | ErrorCode::IllegalGeneration => {
                if code == ErrorCode::UnknownMemberId {
                    state.identity.member_id = Str::default();
                }
                state.identity.generation = -1;
                state.rejoin = true;
                state.lost = true;
            }
            ErrorCode::FencedInstanceId => {
                state.failure = Some(Error::Broker(code, None));
                state.lost = true;
            }
            _ => {}
        }
    }

    /// Joins until it is done or cannot be.
    pub async fn join(&self, topics: Vec<String>, owned: Vec<TopicPartition>) -> Result<Joined, Error> {
        let mut claim = Claim { topics, owned, generation: self.identity().generation };
        for tries in 0.. {
            if self.state().lost {
                claim.owned.clear();
                claim.generation = -1;
            }
            let (error, quick) = match self.try_join(&claim).await {
                Ok(joined) => {
                    let mut state = self.state();
                    state.rejoin = false;
                    state.last_poll = Instant::now();
                    return Ok(joined);
                }
                Err(error) => {
                    let code = error.code();
                    let quick = matches!(
                        code,
                        Some(
                            ErrorCode::MemberIdRequired
                                | ErrorCode::UnknownMemberId
                                | ErrorCode::IllegalGeneration
                                | ErrorCode::RebalanceInProgress
                        )
                    );
                    if let Some(code) = code {
                        self.judge(code);
                    }
                    (error, quick)
                }
            };
            if !quick && !error.is_retriable() {
                return Err(error);
            }
            if !quick {
                sleep(self.cluster.config().backoff(tries)).await;
            }
        }
        unreachable!("the loop ends by returning")
    }

    async fn try_join(&self, claim: &Claim) -> Result<Joined, Error> {
        let connection = self.coordinator().await?;
        let is_cooperative = self.config.is_cooperative();
        let metadata = assignor::subscription(claim, &self.config.client_rack, is_cooperative)?;
        let protocols = self.config.assignors.iter().map(|assignor| JoinGroupRequestProtocol {
            name: Str::from_static(assignor.name()),
            metadata: metadata.clone(),
        });
        let request = JoinGroupRequest {
            group_id: self.id.clone(),
            session_timeout_ms: millis(self.config.session_timeout),
            rebalance_timeout_ms: millis(self.config.max_poll_interval),
            member_id: self.identity().member_id,
            group_instance_id: self.instance_id.clone(),
            protocol_type: Str::from_static("consumer"),
            protocols: protocols.collect(),
            reason: None,
        };
        let version = connection.version(ApiKey::JoinGroup)?;
        // the broker holds a join back until all others have joined
        let patience = self.config.max_poll_interval + Duration::from_secs(5);
        let answer = connection.call_within(&request, version, patience).await?;
        if answer.error_code == ErrorCode::MemberIdRequired.code() {
            self.state().identity.member_id = answer.member_id.detached();
        }
        Error::check(answer.error_code, None)?;
        self.state().identity =
            Identity { member_id: answer.member_id.detached(), generation: answer.generation_id };
        let (assignments, leading) = self.lead(&answer).await?;
        let request = SyncGroupRequest {
            group_id: self.id.clone(),
            generation_id: answer.generation_id,
            member_id: answer.member_id.clone(),
            group_instance_id: self.instance_id.clone(),
            protocol_type: Some(Str::from_static("consumer")),
            protocol_name: answer.protocol_name.clone(),
            assignments,
        };
        let version = connection.version(ApiKey::SyncGroup)?;
        let answer = connection.call_within(&request, version, patience).await?;
        Error::check(answer.error_code, None)?;
        Ok(Joined { partitions: assignor::assigned(answer.assignment)?, leading })
    }

    /// The leader decides for all.
    async fn lead(
        &self,
        answer: &JoinGroupResponse,
    ) -> Result<(Vec<SyncGroupRequestAssignment>, Option<BTreeMap<String, i32>>), Error> {
        if answer.leader != answer.member_id {
            return Ok((Vec::new(), None));
        }
        let mut members = Vec::new();
        for member in &answer.members {
            let Claim { topics, owned, generation } = assignor::claim(member.metadata.clone())?;
            members.push(Member {
                id: member.member_id.clone(),
                instance_id: member.group_instance_id.clone(),
                topics,
                owned,
                generation,
            });
        }
        let topics: BTreeSet<&str> =
            members.iter().flat_map(|member| member.topics.iter().map(String::as_str)).collect();
        let topics: Vec<&str> = topics.into_iter().collect();
        let counts = self.partition_counts(&topics).await?;
        if answer.skip_assignment {
            return Ok((Vec::new(), Some(counts)));
        }
        let chosen = answer.protocol_name.as_deref().and_then(Assignor::named).unwrap_or(Assignor::Range);
        let mut assignments = Vec::new();
        for (member_id, partitions) in chosen.assign(members, &counts) {
            assignments.push(SyncGroupRequestAssignment {
                member_id,
                assignment: assignor::assignment(&partitions)?,
            });
        }
        Ok((assignments, Some(counts)))
    }

    /// Partitions of the topics that exist.
    pub async fn partition_counts(&self, topics: &[&str]) -> Result<BTreeMap<String, i32>, Error> {
        let answer = match self.config.allow_auto_create_topics {
            true => self.cluster.refresh_or_create(topics).await?,
            false => self.cluster.refresh(Some(topics)).await?,
        };
        let known = answer.topics.iter().filter(|topic| topic.error_code == 0);
        let counts = known.filter_map(|topic| {
            Some((topic.name.as_ref()?.to_string(), i32::try_from(topic.partitions.len()).ok()?))
        });
        Ok(counts.collect())
    }

    /// Beats until membership ends; the caller aborts it when it joins again or leaves.
    pub async fn beat(self: Arc<Self>) {
        loop {
            sleep(self.config.heartbeat_interval).await;
            let identity = self.identity();
            if identity.generation < 0 {
                return;
            }
            let idle = self.state().last_poll.elapsed();
            if idle > self.config.max_poll_interval {
                self.leave("consumer poll timeout has expired.").await;
                self.judge(ErrorCode::UnknownMemberId);
                self.news.notify_one();
                return;
            }
            let Ok(connection) = self.coordinator().await else { continue };
            let request = HeartbeatRequest {
                group_id: self.id.clone(),
                generation_id: identity.generation,
                member_id: identity.member_id,
                group_instance_id: self.instance_id.clone(),
            };
            let Ok(answer) = connection.call(&request).await else { continue };
            let code = ErrorCode::from(answer.error_code);
            if code.is_error() {
                self.judge(code);
                self.news.notify_one();
            }
        }
    }

    /// Leaves the group; a static member only ends: its place is kept.
    pub async fn leave(&self, reason: &str) {
        let identity = self.identity();
        if identity.member_id.is_empty() || self.instance_id.is_some() {
            return;
        }
        let Ok(connection) = self.coordinator().await else { return };
        let Ok(version) = connection.version(ApiKey::LeaveGroup) else { return };
        let member = MemberIdentity {
            member_id: identity.member_id.clone(),
            group_instance_id: None,
            reason: (version >= 5).then(|| Str::from(reason)),
        };
        let request = match version {
            3.. => {
                LeaveGroupRequest { group_id: self.id.clone(), members: vec![member], ..Default::default() }
            }
            _ => LeaveGroupRequest {
                group_id: self.id.clone(),
                member_id: identity.member_id,
                ..Default::default()
            },
        };
        let _ = connection.call_version(&request, version).await;
        self.state().identity = Identity { member_id: Str::default(), generation: -1 };
    }
}

fn millis(duration: Duration) -> i32 {
    i32::try_from(duration.as_millis()).unwrap_or(i32::MAX)
}
