//! What a member asks, in all versions.

use bytes::Bytes;
use protocol::messages::join_group_request::JoinGroupRequestProtocol;
use protocol::messages::leave_group_request::MemberIdentity;
use protocol::messages::sync_group_request::SyncGroupRequestAssignment;
use protocol::messages::*;
use protocol::{ApiKey, Request, Str};

use super::{Member, Question, REBALANCE_MS, SESSION_MS, Work};
use crate::clients::coordinator;
use crate::clients::offsets;
use crate::commands::Api;
use crate::invariants::commits::Place;

impl Member {
    fn ask(&mut self, api: &mut Api<'_>, version: i16, request: impl Into<Request>, question: Question) {
        let request = request.into();
        api.tell(|| {
            format!("{:?} in {} {} asks {:?}", self.state, self.group, self.generation, request.api_key())
        });
        if !matches!(question, Question::Coordinator | Question::Offsets(..) | Question::Fetch(_)) {
            self.lived_at = api.now;
        }
        self.exchange.ask(api, version, request, question);
    }

    fn group_id(&self) -> Str {
        Str::from(self.group.clone())
    }

    fn member_id(&self) -> Str {
        Str::from(self.id.clone())
    }

    fn instance_id(&self) -> Option<Str> {
        self.instance.clone().map(Str::from)
    }

    /// Instance ids came with these versions.
    fn least(&self, with_instance: i16, without: i16) -> i16 {
        if self.instance.is_some() { with_instance } else { without }
    }

    pub(super) fn look(&mut self, api: &mut Api<'_>) {
        let version = api.version(ApiKey::FindCoordinator, 0, 6);
        let request = match version {
            4.. => FindCoordinatorRequest { coordinator_keys: vec![self.group_id()], ..Default::default() },
            _ => FindCoordinatorRequest { key: self.group_id(), ..Default::default() },
        };
        self.ask(api, version, request, Question::Coordinator);
    }

    pub(super) fn join(&mut self, api: &mut Api<'_>) {
        let version = api.version(ApiKey::JoinGroup, self.least(5, 2), 9);
        let protocol = |name: &'static str| JoinGroupRequestProtocol {
            name: Str::from_static(name),
            metadata: Bytes::from(format!("of {}", api.client)),
        };
        let request = JoinGroupRequest {
            group_id: self.group_id(),
            session_timeout_ms: SESSION_MS,
            rebalance_timeout_ms: REBALANCE_MS,
            member_id: self.member_id(),
            group_instance_id: self.instance_id(),
            protocol_type: "consumer".into(),
            protocols: vec![protocol("range"), protocol("roundrobin")],
            reason: None,
        };
        let reign = coordinator::reign(api, &self.group);
        self.ask(api, version, request, Question::Join(reign));
    }

    pub(super) fn sync(&mut self, api: &mut Api<'_>) {
        let version = api.version(ApiKey::SyncGroup, self.least(3, 0), 5);
        let is_new = version >= 5;
        let request = SyncGroupRequest {
            group_id: self.group_id(),
            generation_id: self.generation,
            member_id: self.member_id(),
            group_instance_id: self.instance_id(),
            protocol_type: is_new.then(|| "consumer".into()),
            protocol_name: is_new.then(|| Str::from(self.protocol.clone())),
            assignments: std::mem::take(&mut self.shares),
        };
        let reign = coordinator::reign(api, &self.group);
        self.ask(api, version, request, Question::Sync(reign));
    }

    pub(super) fn heartbeat(&mut self, api: &mut Api<'_>) {
        let version = api.version(ApiKey::Heartbeat, self.least(3, 0), 4);
        let request = HeartbeatRequest {
            group_id: self.group_id(),
            generation_id: self.generation,
            member_id: self.member_id(),
            group_instance_id: self.instance_id(),
        };
        self.ask(api, version, request, Question::Heartbeat);
    }

    pub(super) fn leave(&mut self, api: &mut Api<'_>) {
        let version = api.version(ApiKey::LeaveGroup, self.least(3, 0), 5);
        let mut request = LeaveGroupRequest { group_id: self.group_id(), ..Default::default() };
        match version {
            3.. => {
                request.members = vec![MemberIdentity {
                    member_id: self.member_id(),
                    group_instance_id: self.instance_id(),
                    reason: None,
                }]
            }
            _ => request.member_id = self.member_id(),
        }
        self.ask(api, version, request, Question::Leave);
    }

    pub(super) fn place(&self, topic: &str, partition: i32) -> Place {
        (self.group.clone(), topic.to_owned(), partition)
    }

    pub(super) fn commit(&mut self, api: &mut Api<'_>) {
        let version = api.version(ApiKey::OffsetCommit, self.least(7, 2), 9);
        let values = match &mut self.work {
            Work::Counting(offsets) => {
                offsets.values_mut().for_each(|offset| *offset += 1 + api.random.below(20) as i64);
                offsets.iter().map(|(of, offset)| (of.clone(), *offset)).collect()
            }
            Work::Consuming(consuming) => consuming.positions(),
        };
        let (request, made) = offsets::commit(api, &self.group, &values);
        let request = OffsetCommitRequest {
            generation_id_or_member_epoch: self.generation,
            member_id: self.member_id(),
            group_instance_id: self.instance_id(),
            ..request
        };
        self.ask(api, version, request, Question::Commit(made));
    }

    pub(super) fn fetch_offsets(&mut self, api: &mut Api<'_>) {
        let version = api.version(ApiKey::OffsetFetch, 1, 9);
        let request = offsets::fetch(&self.group, version, &self.assigned);
        let places = self.assigned.iter().map(|(topic, partition)| self.place(topic, *partition)).collect();
        let reign = coordinator::reign(api, &self.group);
        self.ask(api, version, request, Question::Offsets(places, reign));
    }

    pub(super) fn consume(&mut self, api: &mut Api<'_>) {
        let Work::Consuming(consuming) = &self.work else { return };
        let (version, request, asked) = consuming.fetch(api);
        if request.topics.is_empty() {
            return self.heartbeat(api);
        }
        self.ask(api, version, request, Question::Fetch(asked));
    }

    pub(super) fn share_out(
        &mut self,
        api: &mut Api<'_>,
        members: &[join_group_response::JoinGroupResponseMember],
    ) {
        let mut all = Vec::new();
        for topic in api.model.lasting_topics() {
            all.extend((0..topic.partitions).map(|partition| format!("{}/{partition}", topic.name)));
        }
        self.shares = members
            .iter()
            .enumerate()
            .map(|(at, member)| {
                let mine = all.iter().enumerate().filter(|(n, _)| n % members.len() == at);
                let text = mine.map(|(_, name)| name.as_str()).collect::<Vec<_>>().join(",");
                SyncGroupRequestAssignment {
                    member_id: member.member_id.clone(),
                    assignment: Bytes::from(text),
                }
            })
            .collect();
    }
}
