//! Whoever enlarges the cluster by a broker, and perhaps makes it smaller again: gives the newcomer a share of the
//! partitions, takes all of them from it, and has it unregistered when it is down. One request at a time, to any node.

use protocol::messages::{ListPartitionReassignmentsRequest, UnregisterBrokerRequest};
use protocol::{ApiKey, ErrorCode, Request, Response, Str};
use types::TopicIdPartition;

use super::Program;
use super::exchange::Exchange;
use super::reassigner::Asked;
use crate::commands::{Api, Move, Reply};
use crate::invariants::liveness::Standing;
use crate::invariants::newcomer::{Newcomer, Stage};
use crate::model::Model;
use crate::world::MachineIndex;

enum Question {
    Reassign(Asked),
    Unregister,
    List,
}

/// In violations.
const WHO: &str = "who adds a broker";

#[derive(Default)]
pub struct Expander {
    exchange: Exchange<Question>,
}

impl Expander {
    pub fn new() -> Expander {
        Expander::default()
    }

    fn ask(&mut self, api: &mut Api<'_>, request: impl Into<Request>, question: Question) {
        let request = request.into();
        let version = request.api_key().versions_before().max;
        self.exchange.ask(api, version, request, question);
    }

    fn list(&mut self, api: &mut Api<'_>) {
        let request = ListPartitionReassignmentsRequest { timeout_ms: 10_000, topics: None };
        self.ask(api, request, Question::List);
    }

    fn reassign(
        &mut self,
        api: &mut Api<'_>,
        (name, id): (Str, TopicIdPartition),
        target: Option<Vec<MachineIndex>>,
    ) {
        let asked = Asked::new(api, id, target);
        self.ask(api, asked.request(name, true), Question::Reassign(asked));
    }

    /// One more partition for the newcomer, in place of another replica or beside them.
    fn give(&mut self, api: &mut Api<'_>, machine: MachineIndex) {
        let chosen = api.choose_partition().filter(|(_, id)| !api.model.reassignments.is_asked(id));
        let Some((name, id)) = chosen else { return self.list(api) };
        let Some(reign) = api.model.reigns.get(&id) else { return self.list(api) };
        if reign.replicas.contains(&machine) || reign.is_reassigning() {
            return self.list(api);
        }
        let mut target = reign.replicas.clone();
        if api.random.one_in(2) {
            target.swap_remove(api.random.below(target.len() as u64) as usize);
        }
        let place = api.random.below(target.len() as u64 + 1) as usize;
        target.insert(place, machine);
        self.reassign(api, (name, id), Some(target));
    }

    /// One partition less for it: another machine takes its place, or nobody does.
    fn take(&mut self, api: &mut Api<'_>, machine: MachineIndex) {
        let held = api.model.newcomer.iter().flat_map(|newcomer| &newcomer.held);
        let held = held.filter(|(id, _)| !api.model.reassignments.is_asked(id));
        let held: Vec<_> = held.map(|(id, name)| (name.clone(), *id)).collect();
        let chosen = held.get(api.random.below(held.len().max(1) as u64) as usize).cloned();
        let Some((name, id)) = chosen else { return self.list(api) };
        let Some(reign) = api.model.reigns.get(&id).cloned() else { return self.list(api) };
        // a target that replaces another keeps parts of it, in Kafka's way: what is under way ends first, or goes back
        if reign.is_reassigning() {
            let is_leaving = reign.removing.contains(&machine) && !reign.adding.contains(&machine);
            return match is_leaving && !api.random.one_in(8) {
                true => self.list(api),
                false => self.reassign(api, (name, id), None),
            };
        }
        let mut target: Vec<_> = reign.replicas.iter().copied().filter(|one| *one != machine).collect();
        if target.is_empty() || api.random.one_in(2) {
            let other = api.random.below(api.model.nodes as u64) as usize;
            if !target.contains(&other) {
                target.push(other);
            }
        }
        self.reassign(api, (name, id), Some(target));
    }

    fn drain(&mut self, api: &mut Api<'_>, newcomer: (MachineIndex, bool)) {
        let (machine, holds) = newcomer;
        if !holds {
            api.newcomer(Move::Stops);
            return self.list(api);
        }
        // nobody else gets what cannot be read
        let held = api.model.newcomer.iter().flat_map(|newcomer| newcomer.held.keys());
        if held.into_iter().any(|id| api.model.is_damaged(id.topic_id)) {
            api.newcomer(Move::Stays);
            return self.list(api);
        }
        self.take(api, machine);
    }

    /// It is down: nobody misses it any more, or somebody does.
    fn unregister(&mut self, api: &mut Api<'_>, machine: MachineIndex) {
        let Some(Newcomer { is_fenced: Some(true), held, is_eligible, .. }) = &api.model.newcomer else {
            return self.list(api);
        };
        let needs_it = |id: &TopicIdPartition| {
            let reign = api.model.reigns.get(id);
            reign.is_some_and(|reign| {
                reign.leader.is_none() || reign.in_sync.iter().all(|one| *one == machine)
            })
        };
        if held.keys().any(needs_it) {
            api.newcomer(Move::DrainsOn);
            return self.list(api);
        }
        // it may be named still, as one that could not lead
        if !held.is_empty() && (*is_eligible || !api.random.one_in(4)) {
            return self.take(api, machine);
        }
        self.ask_to_unregister(api, machine);
    }

    fn ask_to_unregister(&mut self, api: &mut Api<'_>, machine: MachineIndex) {
        if let Some(newcomer) = &mut api.model.newcomer {
            newcomer.was_unwanted = true;
        }
        let broker_id = machine as i32 + 1;
        api.tell(|| format!("unregisters broker {broker_id}"));
        self.ask(api, UnregisterBrokerRequest { broker_id }, Question::Unregister);
    }

    /// It is there, and has more and more. Now and then it is unregistered by mistake, and has to start again: where a disk
    /// loses something at that time nobody could tell, as in Kafka.
    fn enlarge(&mut self, api: &mut Api<'_>, (machine, holds): (MachineIndex, bool)) {
        if api.model.calm {
            return if holds { self.list(api) } else { self.give(api, machine) };
        }
        match api.random.below(40) {
            0 if api.model.is_strict => {
                api.coverage.count("node added", "to be unregistered while it lives");
                self.ask_to_unregister(api, machine);
            }
            0..20 => self.give(api, machine),
            _ => self.list(api),
        }
    }

    /// It is registered no more. What names it still is mended, and now and then somebody names it in vain.
    fn look_after(&mut self, api: &mut Api<'_>, (machine, holds): (MachineIndex, bool)) {
        match (holds, api.model.calm) {
            (true, _) => self.take(api, machine),
            (false, _) if api.model.newcomer.as_ref().is_some_and(|one| one.comes_back) => {
                if api.random.one_in(4) {
                    api.newcomer(Move::Comes);
                }
                self.list(api);
            }
            (false, false) if api.random.one_in(2) => self.give(api, machine),
            (false, _) => self.list(api),
        }
    }
}

impl Program for Expander {
    fn wake(&mut self, api: &mut Api<'_>) {
        if self.exchange.begins() {
            api.connect();
        }
        if self.exchange.waits() {
            return;
        }
        let Some(newcomer) = &api.model.newcomer else { return };
        let (machine, holds) = (newcomer.machine, !newcomer.held.is_empty());
        if newcomer.is_out && matches!(newcomer.stage, Stage::Here | Stage::Draining) {
            api.newcomer(Move::StartsAnew);
            return self.list(api);
        }
        match newcomer.stage {
            Stage::Here if newcomer.takes_replicas() => self.enlarge(api, (machine, holds)),
            Stage::Draining => self.drain(api, (machine, holds)),
            Stage::Down => self.unregister(api, machine),
            Stage::Gone => self.look_after(api, (machine, holds)),
            Stage::Away | Stage::Here | Stage::Stopping => self.list(api),
        }
    }

    fn on_reply(&mut self, api: &mut Api<'_>, reply: Reply) {
        let Some(question) = self.exchange.answered(api, &reply, WHO) else { return };
        match (&reply.response, question) {
            (Response::AlterPartitionReassignments(response), Question::Reassign(asked)) => {
                asked.answered(api, response);
            }
            (Response::UnregisterBroker(response), Question::Unregister) => {
                api.saw(ApiKey::UnregisterBroker, response.error_code);
                if ErrorCode::from(response.error_code) == ErrorCode::None {
                    api.coverage.count("node added", "unregistered");
                }
            }
            (Response::ListPartitionReassignments(response), Question::List) => {
                api.saw(ApiKey::ListPartitionReassignments, response.error_code);
            }
            _ => api.model.violation("an answer of another kind than who adds a broker asked for"),
        }
        let is_at_rest = api.model.newcomer.as_ref().is_none_or(Newcomer::is_at_rest);
        api.wake_in_about(if api.model.calm && is_at_rest { 800_000 } else { 100_000 });
    }

    fn on_closed(&mut self, api: &mut Api<'_>) {
        if let Some(Question::Reassign(asked)) = self.exchange.ended() {
            asked.unanswered(api);
        }
        api.wake_in_about(50_000);
    }

    fn calm(&mut self) {
        self.exchange.calm();
    }

    fn standing(&self, _: &Model) -> Standing {
        self.exchange.standing(WHO)
    }

    fn name(&self) -> &'static str {
        "expander"
    }
}
