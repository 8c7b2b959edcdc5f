//! Random operations of simulated clients against one shard, with its writes held, committed or failed.
//! Held true: a token is answered once; a generation has one leader and never goes back; a member gets its own
//! assignment; what has settled is what a reader of the log would find.

mod harness;

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use coordinator::group::*;
use harness::{Driver, Entry};
use platform::Random;
use protocol::messages::*;
use protocol::records::group::GroupKey;
use protocol::{ErrorCode, Str};

const GROUPS: [&str; 2] = ["g", "h"];
const CLIENTS: usize = 6;

#[derive(Clone, Default)]
struct Client {
    member_id: Str,
    instance_id: Option<Str>,
    generation: i32,
    /// Members it was told of as leader.
    to_assign: Vec<Str>,
    is_leader: bool,
}

struct Run {
    driver: Driver,
    dice: Random,
    clients: Vec<Client>,
    /// Which client waits for which token, and the id it asked with.
    asked: BTreeMap<u64, (usize, Str)>,
    /// Clients that have joined and not synced.
    joined: Vec<usize>,
    generations: BTreeMap<usize, i32>,
    leaders: BTreeMap<(usize, i32), Str>,
    /// Groups whose last record could not be written.
    tainted: BTreeSet<Str>,
    rebalances: usize,
    assignments: usize,
}

impl Run {
    fn new(seed: u64) -> Run {
        let mut driver = Driver::new(seed);
        driver.config.initial_rebalance_delay_ms = 500;
        driver.config.max_size = 5;
        let mut clients = vec![Client::default(); CLIENTS * GROUPS.len()];
        // static members in the first group only
        for (index, client) in
            clients.iter_mut().take(CLIENTS).enumerate().filter(|(index, _)| index % 3 == 0)
        {
            client.instance_id = Some(Str::from(format!("instance{}", index % CLIENTS)));
        }
        Run {
            driver,
            dice: Random::new(seed ^ 0x5eed),
            clients,
            asked: BTreeMap::new(),
            joined: Vec::new(),
            generations: BTreeMap::new(),
            leaders: BTreeMap::new(),
            tainted: BTreeSet::new(),
            rebalances: 0,
            assignments: 0,
        }
    }

    fn group(&self, client: usize) -> Str {
        Str::from(GROUPS[client / CLIENTS])
    }

    fn send(&mut self, client: usize, version: i16, command: Command) {
        let token = self.driver.command(version, "c", command);
        self.asked.insert(token.0, (client, self.clients[client].member_id.clone()));
    }

    fn step(&mut self) {
        let client = self.dice.below(self.clients.len() as u64) as usize;
        match self.dice.below(100) {
            0..=29 => self.join(client),
            30..=64 => {
                let client = self.joined.pop().unwrap_or(client);
                self.sync(client);
            }
            65..=69 => self.heartbeat(client),
            70..=79 => self.commit(client),
            80..=82 => self.leave(client),
            83..=84 => self.clients[client].member_id = Str::default(),
            85..=92 => {
                let most = if self.dice.one_in(10) { 20_000 } else { 1_500 };
                let ms = self.dice.below(most);
                self.driver.advance(ms);
            }
            93..=95 => self.driver.hold = true,
            96..=97 => self.fail(),
            98 if self.dice.one_in(4) => self.reload(),
            _ => self.release(),
        }
        self.look_at_replies();
    }

    fn join(&mut self, client: usize) {
        let sticky = Str::from_static("sticky");
        let mut protocols = vec![(Str::from_static("range"), self.dice.below(2))];
        if self.dice.one_in(2) {
            protocols.insert(0, (sticky, 0));
        }
        let state = &self.clients[client];
        let request = JoinGroupRequest {
            group_id: self.group(client),
            session_timeout_ms: 10_000,
            rebalance_timeout_ms: 5_000,
            member_id: state.member_id.clone(),
            group_instance_id: state.instance_id.clone(),
            protocol_type: Str::from_static("consumer"),
            protocols: protocols
                .into_iter()
                .map(|(name, metadata)| join_group_request::JoinGroupRequestProtocol {
                    name,
                    metadata: Bytes::from(metadata.to_string()),
                })
                .collect(),
            reason: None,
        };
        let version = if self.dice.one_in(3) && state.instance_id.is_none() { 3 } else { 9 };
        self.send(client, version, Command::JoinGroup(request));
    }

    fn sync(&mut self, client: usize) {
        let state = &self.clients[client];
        let assignments = state.to_assign.iter().map(|id| sync_group_request::SyncGroupRequestAssignment {
            member_id: id.clone(),
            assignment: Bytes::from(format!("{id}@{}", state.generation)),
        });
        let request = SyncGroupRequest {
            group_id: self.group(client),
            generation_id: state.generation,
            member_id: state.member_id.clone(),
            group_instance_id: state.instance_id.clone(),
            assignments: assignments.collect(),
            ..Default::default()
        };
        self.send(client, 5, Command::SyncGroup(request));
    }

    fn heartbeat(&mut self, client: usize) {
        let state = &self.clients[client];
        let request = HeartbeatRequest {
            group_id: self.group(client),
            generation_id: state.generation,
            member_id: state.member_id.clone(),
            group_instance_id: state.instance_id.clone(),
        };
        self.send(client, 4, Command::Heartbeat(request));
    }

    fn commit(&mut self, client: usize) {
        let offset = self.dice.below(1000) as i64;
        let state = &self.clients[client];
        let request = OffsetCommitRequest {
            group_id: self.group(client),
            generation_id_or_member_epoch: state.generation,
            member_id: state.member_id.clone(),
            group_instance_id: state.instance_id.clone(),
            topics: vec![offset_commit_request::OffsetCommitRequestTopic {
                name: Str::from_static("foo"),
                partitions: vec![offset_commit_request::OffsetCommitRequestPartition {
                    partition_index: (offset % 3) as i32,
                    committed_offset: offset,
                    ..Default::default()
                }],
                ..Default::default()
            }],
            ..Default::default()
        };
        self.send(client, 9, Command::OffsetCommit(request));
    }

    fn leave(&mut self, client: usize) {
        let state = &self.clients[client];
        let identity = leave_group_request::MemberIdentity {
            member_id: state.member_id.clone(),
            group_instance_id: state.instance_id.clone(),
            reason: None,
        };
        let request =
            LeaveGroupRequest { group_id: self.group(client), members: vec![identity], ..Default::default() };
        self.send(client, 5, Command::LeaveGroup(request));
    }

    fn release(&mut self) {
        self.driver.hold = false;
        while !self.driver.held.is_empty() {
            for record in &self.driver.held[0].records {
                if let Ok(GroupKey::GroupMetadata(key)) = GroupKey::decode(record.key.clone()) {
                    self.tainted.remove(&key.group);
                }
            }
            self.driver.commit();
        }
    }

    fn fail(&mut self) {
        let Some(write) = self.driver.held.front() else { return };
        for record in &write.records {
            if let Ok(GroupKey::GroupMetadata(key)) = GroupKey::decode(record.key.clone()) {
                self.tainted.insert(key.group);
            }
        }
        self.driver.fail(ErrorCode::NotEnoughReplicas);
    }

    /// What was not in the log is forgotten: generations may be given again.
    fn reload(&mut self) {
        self.driver.reload();
        self.tainted.clear();
        self.look_at_replies();
        self.generations.clear();
        self.leaders.clear();
    }

    fn look_at_replies(&mut self) {
        for (token, response) in self.driver.take_replies() {
            assert_eq!(self.driver.answered[&token.0], 1, "{token:?} is answered once");
            let Some((client, member_id)) = self.asked.remove(&token.0) else { continue };
            match response {
                Response::JoinGroup(response) => self.on_joined(client, response),
                Response::SyncGroup(response) => self.on_synced(&member_id, client, response),
                _ => {}
            }
        }
    }

    fn on_joined(&mut self, client: usize, response: JoinGroupResponse) {
        let group = client / CLIENTS;
        if response.error_code == ErrorCode::MemberIdRequired.code() {
            self.clients[client].member_id = response.member_id;
            return;
        }
        if response.error_code != 0 {
            if response.error_code == ErrorCode::UnknownMemberId.code() {
                self.clients[client].member_id = Str::default();
            }
            return;
        }
        let newest = self.generations.entry(group).or_insert(0);
        assert!(response.generation_id >= *newest, "a generation never goes back");
        if response.generation_id > *newest {
            self.rebalances += 1;
        }
        *newest = response.generation_id;
        let ids: BTreeSet<&Str> = response.members.iter().map(|member| &member.member_id).collect();
        assert_eq!(ids.len(), response.members.len(), "members are unique");
        let is_leader = response.leader == response.member_id;
        assert!(is_leader || response.members.is_empty(), "only a leader is told of the members");
        assert!(!is_leader || ids.contains(&response.member_id), "a leader is a member");
        if GROUPS[group] == "h" {
            // static members stay beyond the limit until their session ends, and a leader's id may change
            assert!(response.members.len() <= self.driver.config.max_size);
            let leader =
                self.leaders.entry((group, response.generation_id)).or_insert(response.leader.clone());
            assert_eq!(*leader, response.leader, "one leader in a generation");
        }
        self.joined.push(client);
        let state = &mut self.clients[client];
        state.member_id = response.member_id;
        state.generation = response.generation_id;
        state.is_leader = is_leader;
        state.to_assign = response.members.into_iter().map(|member| member.member_id).collect();
    }

    fn on_synced(&mut self, member_id: &Str, client: usize, response: SyncGroupResponse) {
        if response.error_code != 0 || response.assignment.is_empty() {
            return;
        }
        self.assignments += 1;
        let state = &self.clients[client];
        if state.instance_id.is_none() {
            let text = String::from_utf8_lossy(&response.assignment).into_owned();
            let (id, _) = text.rsplit_once('@').expect("member@generation");
            assert_eq!(*member_id, *id, "an assignment is for its member");
        }
    }

    fn picture(&mut self) -> Vec<(Str, Response)> {
        let mut picture = Vec::new();
        for name in GROUPS.map(Str::from).into_iter().filter(|name| !self.tainted.contains(name)) {
            let describe = DescribeGroupsRequest { groups: vec![name.clone()], ..Default::default() };
            self.driver.command(6, "", Command::DescribeGroups(describe));
            picture.push((name.clone(), self.driver.only_reply()));
            let group = offset_fetch_request::OffsetFetchRequestGroup {
                group_id: name.clone(),
                ..Default::default()
            };
            let fetch = OffsetFetchRequest {
                groups: vec![offset_fetch_request::OffsetFetchRequestGroup { topics: None, ..group }],
                ..Default::default()
            };
            self.driver.command(8, "", Command::OffsetFetch(fetch));
            picture.push((name, self.driver.only_reply()));
        }
        picture
    }

    /// Everything settles: all sessions end, and the log says what the shard knows.
    fn settle(&mut self) {
        self.release();
        self.look_at_replies();
        if self.dice.one_in(2) {
            self.driver.advance(400_000);
        }
        self.look_at_replies();
        let live = self.picture();
        let waiting = self.asked.len();
        self.driver.reload();
        self.look_at_replies();
        assert!(self.asked.is_empty(), "{waiting} tokens waited, {} are lost", self.asked.len());
        let tainted = self.tainted.clone();
        let read = self.picture();
        assert_eq!(tainted, self.tainted);
        for ((name, live), (_, read)) in live.into_iter().zip(read) {
            if is_settled(&live) {
                assert_eq!(live, read, "{name} is what its records say");
            }
        }
    }
}

fn is_settled(response: &Response) -> bool {
    match response {
        Response::DescribeGroups(response) => response
            .groups
            .iter()
            .all(|group| ["Stable", "Empty", "Dead"].iter().any(|s| group.group_state == *s)),
        _ => true,
    }
}

#[test]
fn random_operations() {
    let (mut rebalances, mut assignments, mut records) = (0, 0, 0);
    for seed in 0..400 {
        let mut run = Run::new(seed);
        for _ in 0..400 {
            run.step();
        }
        run.settle();
        rebalances += run.rebalances;
        assignments += run.assignments;
        records += run.driver.log.iter().filter(|entry| matches!(entry, Entry::Record(_))).count();
    }
    assert!(
        rebalances > 3_000 && assignments > 2_000 && records > 5_000,
        "{rebalances} {assignments} {records}"
    );
}
