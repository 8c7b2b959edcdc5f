//! A member of a group: joins, is given partitions, reads them or counts, commits, sends heartbeats, and now and then
//! stalls, leaves or dies. The leader shares out the partitions; static members come back under their instance id.

mod requests;

use std::collections::BTreeMap;

use protocol::messages::sync_group_request::SyncGroupRequestAssignment;
use protocol::messages::*;
use protocol::{ApiKey, ErrorCode, Response};

use super::Program;
use super::consuming::{Consuming, Fetching};
use super::coordinator::{self, Coordinator, Found};
use super::exchange::Exchange;
use super::offsets::{self, Named};
use crate::commands::{Api, Reply};
use crate::invariants::commits::{self, Place};
use crate::invariants::liveness::Standing;
use crate::model::Model;

const SESSION_MS: i32 = 2000;
const REBALANCE_MS: i32 = 3000;
/// `heartbeat.interval.ms` of a client with such a session: whatever else it does, the group hears of it so often. Who
/// reads, waits and reads again without it is out of the group, and everybody joins anew.
const HEARTBEAT_US: u64 = SESSION_MS as u64 * 1000 / 3;

enum Question {
    Coordinator,
    /// In this reign of the coordinator.
    Join(Option<i32>),
    Sync(Option<i32>),
    Heartbeat,
    Leave,
    Commit(Vec<(Place, i64)>),
    Offsets(Vec<Place>, Option<i32>),
    Fetch(Fetching),
}

/// What a member does with its partitions.
enum Work {
    /// It commits ever higher offsets.
    Counting(BTreeMap<Named, i64>),
    /// It reads records and commits how far it has come.
    Consuming(Consuming),
}

impl Work {
    fn clear(&mut self) {
        match self {
            Work::Counting(offsets) => offsets.clear(),
            Work::Consuming(consuming) => consuming.clear(),
        }
    }

    /// Partitions whose offsets are known.
    fn len(&self) -> usize {
        match self {
            Work::Counting(offsets) => offsets.len(),
            Work::Consuming(consuming) => consuming.len(),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Looking,
    Joining,
    Syncing,
    Stable,
}

pub struct Member {
    group: String,
    instance: Option<String>,
    id: String,
    generation: i32,
    protocol: String,
    /// The shares that a leader hands out.
    shares: Vec<SyncGroupRequestAssignment>,
    assigned: Vec<Named>,
    work: Work,
    state: State,
    /// It has been given its partitions, and nobody has said since that the group has gone on.
    belongs: bool,
    coordinator: Coordinator,
    exchange: Exchange<Question>,
    /// The last that it has asked for which tells the group that it lives.
    lived_at: u64,
    commits_in_calm: u64,
    is_calm: bool,
}

impl Member {
    pub fn new(group: String, instance: Option<String>, consumes: bool) -> Member {
        Member {
            group,
            instance,
            id: String::new(),
            generation: -1,
            protocol: String::new(),
            shares: Vec::new(),
            assigned: Vec::new(),
            work: match consumes {
                true => Work::Consuming(Consuming::default()),
                false => Work::Counting(BTreeMap::new()),
            },
            state: State::Looking,
            belongs: false,
            coordinator: Coordinator::default(),
            exchange: Exchange::default(),
            lived_at: 0,
            commits_in_calm: 0,
            is_calm: false,
        }
    }

    /// It talks to the coordinator: as before, if that may know it still, or as one that joins.
    fn arrive(&mut self, api: &mut Api<'_>) {
        let goes_on = self.belongs && api.model.is_cluster && api.random.one_in(2);
        self.state = if goes_on { State::Stable } else { State::Joining };
        if goes_on {
            api.coverage.count("transition", "member goes on with another coordinator");
        }
    }

    fn on_joined(
        &mut self,
        api: &mut Api<'_>,
        response: &JoinGroupResponse,
        sent_at: u64,
        asked: Option<i32>,
    ) {
        self.belongs = false;
        match ErrorCode::from(response.error_code) {
            ErrorCode::None => {
                self.id = response.member_id.to_string();
                self.generation = response.generation_id;
                self.protocol = response.protocol_name.as_deref().unwrap_or_default().to_owned();
                if let Some(reign) = asked.filter(|_| asked == coordinator::reign(api, &self.group)) {
                    let who = (&*self.group, &*self.id);
                    let found = api.model.generations.joined(who, self.generation, reign, sent_at);
                    api.model.violations.extend(found);
                }
                self.shares.clear();
                if response.leader == response.member_id && !response.skip_assignment {
                    self.share_out(api, &response.members);
                }
                self.state = State::Syncing;
            }
            ErrorCode::MemberIdRequired => self.id = response.member_id.to_string(),
            code => self.start_over(code),
        }
    }

    fn on_synced(&mut self, api: &mut Api<'_>, response: &SyncGroupResponse, asked: Option<i32>) {
        if response.error_code != 0 {
            return self.start_over(ErrorCode::from(response.error_code));
        }
        let text = String::from_utf8_lossy(&response.assignment).into_owned();
        let part = |name: &str| {
            let (topic, partition) = name.split_once('/')?;
            Some((topic.to_owned(), partition.parse().ok()?))
        };
        self.assigned = text.split(',').filter_map(part).collect();
        self.work.clear();
        self.state = State::Stable;
        self.belongs = true;
        api.coverage.count("transition", "group stable");
        // who comes back under an instance id takes over what his former self had
        let owner = self.instance.as_ref().unwrap_or(&self.id);
        let is_bound = asked.is_some() && asked == coordinator::reign(api, &self.group);
        if is_bound || api.model.is_strict {
            let found = api.model.ownership.check(&self.group, self.generation, owner, &self.assigned);
            api.model.violations.extend(found);
        }
        // one that was deposed meanwhile may hand out what its successor has lost
        if coordinator::is_lasting(api, &self.group) && (is_bound || api.model.is_strict) {
            api.model.generations.synced(&self.group, self.generation, api.now);
        }
    }

    fn on_offsets(
        &mut self,
        api: &mut Api<'_>,
        response: &OffsetFetchResponse,
        (places, asked): (&[Place], Option<i32>),
        at: u64,
    ) {
        let is_bound = asked.is_some() && asked == coordinator::reign(api, &self.group);
        let found = match offsets::fetched(response) {
            Ok(found) => found,
            Err(code) => return api.saw(ApiKey::OffsetFetch, code),
        };
        for (of, offset, code) in found {
            api.saw(ApiKey::OffsetFetch, code);
            let place = self.place(&of.0, of.1);
            if code != 0 || !places.contains(&place) {
                continue;
            }
            commits::check(api.model, &place, offset, at, is_bound);
            match &mut self.work {
                Work::Counting(offsets) => {
                    let known = offsets.entry(of).or_insert(0);
                    *known = offset.max(*known);
                }
                Work::Consuming(consuming) => {
                    let found = api.model.deliveries.committed(&place, offset);
                    api.model.violations.extend(found);
                    consuming.go_on_from(of, offset);
                }
            }
        }
    }

    fn on_committed(
        &mut self,
        api: &mut Api<'_>,
        response: &OffsetCommitResponse,
        made: Vec<(Place, i64)>,
        sent_at: u64,
    ) {
        let mut worst = ErrorCode::None;
        for topic in &response.topics {
            for answer in &topic.partitions {
                api.saw(ApiKey::OffsetCommit, answer.error_code);
                let place = self.place(&topic.name, answer.partition_index);
                let Some((_, value)) = made.iter().find(|(other, _)| *other == place) else {
                    api.model.violation("an offset in a commit's answer that was not committed");
                    continue;
                };
                match ErrorCode::from(answer.error_code) {
                    ErrorCode::None => {
                        if coordinator::is_lasting(api, &self.group) {
                            api.model.commits.acknowledged(&place, *value, sent_at, api.now);
                        }
                        self.commits_in_calm += u64::from(self.is_calm);
                    }
                    code @ (ErrorCode::IllegalGeneration
                    | ErrorCode::UnknownMemberId
                    | ErrorCode::FencedInstanceId
                    | ErrorCode::RebalanceInProgress) => {
                        api.model.commits.refused(&place, *value, sent_at);
                        worst = code;
                    }
                    code => worst = code,
                }
            }
        }
        self.start_over(worst);
    }

    fn start_over(&mut self, code: ErrorCode) {
        use ErrorCode::{FencedInstanceId, IllegalGeneration, RebalanceInProgress, UnknownMemberId};
        let goes_on = [UnknownMemberId, FencedInstanceId, RebalanceInProgress, IllegalGeneration];
        self.belongs &= !goes_on.contains(&code);
        match code {
            ErrorCode::None => {}
            ErrorCode::UnknownMemberId | ErrorCode::FencedInstanceId => {
                self.id.clear();
                self.generation = -1;
                self.state = State::Joining;
            }
            ErrorCode::RebalanceInProgress | ErrorCode::IllegalGeneration => self.state = State::Joining,
            _ => self.state = State::Looking,
        }
    }

    /// Now and then a member does what members do.
    fn misbehave(&mut self, api: &mut Api<'_>) -> bool {
        if api.model.calm || !api.random.one_in(25) {
            return false;
        }
        match api.random.below(3) {
            0 => {
                api.coverage.count("transition", "member stalls");
                api.wake_in_about(3_000_000);
            }
            1 => {
                api.coverage.count("transition", "member leaves");
                self.leave(api);
            }
            _ => {
                api.coverage.count("transition", "member dies");
                api.close();
                self.exchange.ended();
                self.id.clear();
                self.generation = -1;
                self.belongs = false;
                self.state = State::Looking;
                api.wake_in_about(500_000);
            }
        }
        true
    }
}

impl Program for Member {
    fn wake(&mut self, api: &mut Api<'_>) {
        if self.exchange.begins() {
            self.state = State::Looking;
            if self.coordinator.connect(api) {
                self.arrive(api);
            }
        }
        if self.exchange.waits() {
            return;
        }
        match self.state {
            State::Looking => self.look(api),
            State::Joining => self.join(api),
            State::Syncing => self.sync(api),
            State::Stable => {
                if self.misbehave(api) {
                } else if api.now - self.lived_at > HEARTBEAT_US {
                    self.heartbeat(api);
                } else if self.work.len() < self.assigned.len() {
                    self.fetch_offsets(api);
                } else if self.work.len() > 0 && api.random.one_in(2) {
                    self.commit(api);
                } else if matches!(self.work, Work::Consuming(_))
                    && self.work.len() > 0
                    && api.random.one_in(2)
                {
                    self.consume(api);
                } else if self.work.len() > 0 && api.random.one_in(3) {
                    self.fetch_offsets(api);
                } else {
                    self.heartbeat(api);
                }
            }
        }
    }

    fn on_reply(&mut self, api: &mut Api<'_>, reply: Reply) {
        let Some(question) = self.exchange.answered(api, &reply, "a member") else { return };
        match (&reply.response, question) {
            (Response::FindCoordinator(response), Question::Coordinator) => {
                match self.coordinator.on_found(api, response) {
                    Found::Here => self.arrive(api),
                    Found::Elsewhere => {
                        self.exchange.ended();
                    }
                    Found::Nobody => {}
                }
            }
            (Response::JoinGroup(response), Question::Join(reign)) => {
                api.saw(ApiKey::JoinGroup, response.error_code);
                self.on_joined(api, response, reply.sent_at, reign);
            }
            (Response::SyncGroup(response), Question::Sync(reign)) => {
                api.saw(ApiKey::SyncGroup, response.error_code);
                self.on_synced(api, response, reign);
            }
            (Response::Heartbeat(response), Question::Heartbeat) => {
                api.saw(ApiKey::Heartbeat, response.error_code);
                self.start_over(ErrorCode::from(response.error_code));
            }
            (Response::LeaveGroup(response), Question::Leave) => {
                api.saw(ApiKey::LeaveGroup, response.error_code);
                self.start_over(ErrorCode::UnknownMemberId);
            }
            (Response::OffsetCommit(response), Question::Commit(made)) => {
                self.on_committed(api, response, made, reply.sent_at);
            }
            (Response::Fetch(response), Question::Fetch(asked)) => {
                if let Work::Consuming(consuming) = &mut self.work {
                    consuming.on_fetched(api, &self.group, response, &asked);
                }
            }
            (Response::OffsetFetch(response), Question::Offsets(places, reign)) => {
                self.on_offsets(api, response, (&places, reign), reply.sent_at);
            }
            _ => api.model.violation("an answer of another kind than a member asked for"),
        }
        let pause = if self.state == State::Stable { 80_000 } else { 15_000 };
        api.wake_in_about(pause);
    }

    fn on_closed(&mut self, api: &mut Api<'_>) {
        self.exchange.ended();
        self.state = State::Looking;
        api.wake_in_about(20_000);
    }

    fn calm(&mut self) {
        self.is_calm = true;
    }

    fn standing(&self, _: &Model) -> Standing {
        match self.state {
            State::Stable if self.assigned.is_empty() || self.commits_in_calm > 0 => Standing::Good,
            State::Stable => Standing::Stuck("no offset is committed".into()),
            state => Standing::Stuck(format!("{state:?} in {}", self.group)),
        }
    }

    fn name(&self) -> &'static str {
        "member"
    }
}
