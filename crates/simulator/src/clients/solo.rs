//! A consumer without a membership: reads its partitions, commits in a group of its own, goes on from what is
//! committed, and now and then deletes offsets or the whole group.

use protocol::messages::offset_delete_request::{OffsetDeleteRequestPartition, OffsetDeleteRequestTopic};
use protocol::messages::{
    DeleteGroupsRequest, FindCoordinatorRequest, OffsetCommitResponse, OffsetDeleteRequest,
    OffsetDeleteResponse, OffsetFetchResponse,
};
use protocol::{ApiKey, ErrorCode, Request, Response, Str};

use super::Program;
use super::consuming::{Consuming, Fetching};
use super::coordinator::{self, Coordinator, Found};
use super::exchange::Exchange;
use super::offsets::{self, Named};
use crate::commands::{Api, Reply};
use crate::invariants::commits::{self, NONE, Place};
use crate::invariants::liveness::Standing;
use crate::model::{Model, Topic};

enum Question {
    Coordinator,
    /// In this reign of the coordinator.
    Offsets(Option<i32>),
    Fetch(Fetching),
    Commit(Vec<(Place, i64)>),
    /// Offsets deleted, one by one or with their group.
    Delete(Vec<Place>, Option<i32>),
}

/// See the head of the file.
pub struct Solo {
    group: String,
    partitions: Vec<Named>,
    consuming: Consuming,
    coordinator: Coordinator,
    found: bool,
    exchange: Exchange<Question>,
    is_calm: bool,
    commits_in_calm: u64,
}

impl Solo {
    pub fn new(number: u64) -> Solo {
        Solo {
            group: format!("solo-{number}"),
            partitions: Vec::new(),
            consuming: Consuming::default(),
            coordinator: Coordinator::default(),
            found: false,
            exchange: Exchange::default(),
            is_calm: false,
            commits_in_calm: 0,
        }
    }

    fn ask(&mut self, api: &mut Api<'_>, version: i16, request: impl Into<Request>, question: Question) {
        self.exchange.ask(api, version, request, question);
    }

    fn places(&self) -> Vec<Place> {
        let place = |(topic, partition): &Named| (self.group.clone(), topic.clone(), *partition);
        self.partitions.iter().map(place).collect()
    }

    /// The first partition of each topic that lasts.
    fn choose(&mut self, api: &Api<'_>) {
        let first = |topic: &Topic| (topic.name.to_string(), 0);
        self.partitions = api.model.lasting_topics().map(first).collect();
    }

    fn look(&mut self, api: &mut Api<'_>) {
        let version = api.version(ApiKey::FindCoordinator, 4, 6);
        let key = Str::from(self.group.clone());
        let request = FindCoordinatorRequest { coordinator_keys: vec![key], ..Default::default() };
        self.ask(api, version, request, Question::Coordinator);
    }

    fn ask_offsets(&mut self, api: &mut Api<'_>) {
        let version = api.version(ApiKey::OffsetFetch, 1, 9);
        let request = offsets::fetch(&self.group, version, &self.partitions);
        let reign = coordinator::reign(api, &self.group);
        self.ask(api, version, request, Question::Offsets(reign));
    }

    fn consume(&mut self, api: &mut Api<'_>) {
        let (version, request, asked) = self.consuming.fetch(api);
        if request.topics.is_empty() {
            return self.commit(api);
        }
        self.ask(api, version, request, Question::Fetch(asked));
    }

    fn commit(&mut self, api: &mut Api<'_>) {
        let version = api.version(ApiKey::OffsetCommit, 2, 9);
        let (request, made) = offsets::commit(api, &self.group, &self.consuming.positions());
        self.ask(api, version, request, Question::Commit(made));
    }

    /// From here on nothing may be committed; where it stands is forgotten too.
    fn delete(&mut self, api: &mut Api<'_>, places: Vec<Place>, request: impl Into<Request>) {
        for place in &places {
            api.model.commits.sent(place, NONE, api.now);
        }
        let request = request.into();
        let version = request.api_key().versions_before().max;
        self.consuming.clear();
        let reign = coordinator::reign(api, &self.group);
        self.ask(api, version, request, Question::Delete(places, reign));
    }

    fn delete_offset(&mut self, api: &mut Api<'_>) {
        let places = self.places();
        let place = places[api.random.below(places.len() as u64) as usize].clone();
        let topic = OffsetDeleteRequestTopic {
            name: Str::from(place.1.clone()),
            partitions: vec![OffsetDeleteRequestPartition { partition_index: place.2 }],
        };
        let request = OffsetDeleteRequest { group_id: Str::from(self.group.clone()), topics: vec![topic] };
        self.delete(api, vec![place], request);
    }

    fn delete_group(&mut self, api: &mut Api<'_>) {
        let request = DeleteGroupsRequest { groups_names: vec![Str::from(self.group.clone())] };
        let places = self.places();
        self.delete(api, places, request);
    }

    fn on_offsets(
        &mut self,
        api: &mut Api<'_>,
        response: &OffsetFetchResponse,
        asked: Option<i32>,
        asked_at: u64,
    ) {
        let is_bound = asked.is_some() && asked == coordinator::reign(api, &self.group);
        let found = match offsets::fetched(response) {
            Ok(found) => found,
            Err(code) => {
                self.found = false;
                return api.saw(ApiKey::OffsetFetch, code);
            }
        };
        for (of, offset, code) in found {
            api.saw(ApiKey::OffsetFetch, code);
            if code != 0 {
                self.found = false;
                continue;
            }
            let place = (self.group.clone(), of.0.clone(), of.1);
            commits::check(api.model, &place, offset, asked_at, is_bound);
            let found = api.model.deliveries.committed(&place, offset);
            api.model.violations.extend(found);
            self.consuming.go_on_from(of, offset);
        }
    }

    fn on_committed(
        &mut self,
        api: &mut Api<'_>,
        response: &OffsetCommitResponse,
        made: &[(Place, i64)],
        sent_at: u64,
    ) {
        for topic in &response.topics {
            for answer in &topic.partitions {
                api.saw(ApiKey::OffsetCommit, answer.error_code);
                let place = (self.group.clone(), topic.name.to_string(), answer.partition_index);
                let Some((_, value)) = made.iter().find(|(other, _)| *other == place) else { continue };
                match answer.error_code {
                    0 => {
                        if coordinator::is_lasting(api, &self.group) {
                            api.model.commits.acknowledged(&place, *value, sent_at, api.now);
                        }
                        self.commits_in_calm += u64::from(self.is_calm);
                    }
                    _ => self.found = false,
                }
            }
        }
    }

    fn on_deleted(
        &mut self,
        api: &mut Api<'_>,
        (places, asked): (&[Place], Option<i32>),
        code: i16,
        sent_at: u64,
    ) {
        let is_bound = asked.is_some() && asked == coordinator::reign(api, &self.group);
        let is_certain = code == 0 || is_bound;
        match ErrorCode::from(code) {
            // a group without a trace holds no offset either
            ErrorCode::None | ErrorCode::GroupIdNotFound => {
                api.coverage.count("transition", "offsets deleted");
                if is_certain && coordinator::is_lasting(api, &self.group) {
                    for place in places {
                        api.model.commits.acknowledged(place, NONE, sent_at, api.now);
                    }
                }
            }
            _ => self.found = false,
        }
    }
}

fn code_of(response: &OffsetDeleteResponse) -> i16 {
    let partitions = response.topics.iter().flat_map(|topic| &topic.partitions);
    partitions.map(|one| one.error_code).chain([response.error_code]).find(|code| *code != 0).unwrap_or(0)
}

impl Program for Solo {
    fn wake(&mut self, api: &mut Api<'_>) {
        if self.exchange.begins() {
            self.found = self.coordinator.connect(api);
        }
        if self.exchange.waits() {
            return;
        }
        let wanted = if api.model.is_cluster { 1 } else { 2 };
        if !self.found || self.partitions.len() < wanted {
            self.choose(api);
        }
        let deletes = !api.model.calm && api.random.one_in(30);
        match api.random.below(4) {
            _ if !self.found || self.partitions.len() < wanted => self.look(api),
            0 | 1 if deletes => self.delete_group(api),
            2 | 3 if deletes => self.delete_offset(api),
            _ if self.consuming.len() < self.partitions.len() => self.ask_offsets(api),
            0 => self.commit(api),
            1 if api.random.one_in(3) => self.ask_offsets(api),
            _ => self.consume(api),
        }
    }

    fn on_reply(&mut self, api: &mut Api<'_>, reply: Reply) {
        let Some(question) = self.exchange.answered(api, &reply, "a lone consumer") else { return };
        match (&reply.response, question) {
            (Response::FindCoordinator(response), Question::Coordinator) => {
                let found = self.coordinator.on_found(api, response);
                self.found = found == Found::Here;
                if found == Found::Elsewhere {
                    self.exchange.ended();
                }
            }
            (Response::OffsetFetch(response), Question::Offsets(reign)) => {
                self.on_offsets(api, response, reign, reply.sent_at);
            }
            (Response::Fetch(response), Question::Fetch(asked)) => {
                self.consuming.on_fetched(api, &self.group, response, &asked);
            }
            (Response::OffsetCommit(response), Question::Commit(made)) => {
                self.on_committed(api, response, &made, reply.sent_at);
            }
            (Response::OffsetDelete(response), Question::Delete(places, reign)) => {
                api.saw(ApiKey::OffsetDelete, code_of(response));
                self.on_deleted(api, (&places, reign), code_of(response), reply.sent_at);
            }
            (Response::DeleteGroups(response), Question::Delete(places, reign)) => {
                let code = response.results.first().map_or(-1, |result| result.error_code);
                api.saw(ApiKey::DeleteGroups, code);
                self.on_deleted(api, (&places, reign), code, reply.sent_at);
            }
            _ => api.model.violation("an answer of another kind than a lone consumer asked for"),
        }
        api.wake_in_about(30_000);
    }

    fn on_closed(&mut self, api: &mut Api<'_>) {
        self.exchange.ended();
        self.consuming.clear();
        api.wake_in_about(20_000);
    }

    fn calm(&mut self) {
        self.is_calm = true;
    }

    fn standing(&self, _: &Model) -> Standing {
        match self.commits_in_calm {
            _ if self.partitions.is_empty() => Standing::Good,
            0 => Standing::Stuck("no offset is committed".into()),
            _ => Standing::Good,
        }
    }

    fn name(&self) -> &'static str {
        "lone consumer"
    }
}
