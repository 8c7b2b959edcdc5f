//! The executable table of roles: `testdata/roles.txt`. Each row starts a node, brings it into a role, gives it one
//! message, and compares what it has become, what it made durable, and what it answered.

mod support;

use platform::{Random, Time};
use raft::*;
use support::cluster::{endpoints, key, voter};
use support::memory_log::{MemoryLog, Payload};
use types::{LeaderEpoch, NodeId, Offset};

struct Node {
    raft: Raft,
    log: MemoryLog,
    now_ms: u64,
    out: Vec<Output>,
}

fn number(text: &str) -> i32 {
    text.parse().unwrap_or_else(|_| panic!("{text} is no number"))
}

/// The word after `name`.
fn after<'a>(words: &[&'a str], name: &str) -> Option<&'a str> {
    let at = words.iter().position(|word| *word == name)?;
    words.get(at + 1).copied()
}

impl Node {
    fn start(durable: QuorumState) -> Node {
        Node::start_as(Settings::new(key(0), endpoints(0)), durable)
    }

    fn start_as(settings: Settings, durable: QuorumState) -> Node {
        let voters = VoterSet::new((0..3).map(voter));
        let records = vec![ControlRecord::KraftVersion(1), ControlRecord::Voters(voters)];
        let mut log = MemoryLog::new(Default::default()).with_bootstrap(records);
        for n in 0..10 {
            log.push(LeaderEpoch(2), Payload::Data(n));
        }
        log.flush(Offset(10));
        let quorum = log.quorum(VoterSet::default());
        let mut out = Vec::new();
        let now = Time { monotonic_us: 1000, wall_ms: 1 };
        let raft =
            Raft::start(settings, Random::new(1), quorum, Some(durable), now, &mut log, &mut out).unwrap();
        Node { raft, log, now_ms: 1, out }
    }

    fn step(&mut self, input: Input) -> Result<(), Fatal> {
        let now = Time { monotonic_us: self.now_ms * 1000, wall_ms: self.now_ms as i64 };
        self.raft.step(now, input, &mut self.log, &mut self.out)
    }

    /// The next time at which something is due.
    fn wait(&mut self) {
        let before = (self.raft.role(), self.out.len());
        while before.0 == self.raft.role() && self.now_ms < 10_000 {
            self.now_ms = self.raft.deadline().unwrap().max(self.now_ms + 1);
            self.step(Input::Tick).unwrap();
            if self.out[before.1..].iter().any(|output| matches!(output, Output::Persist { .. })) {
                break;
            }
        }
    }

    fn answer_vote(&mut self, from: i32, granted: bool) {
        let sent = self.out.iter().rev().find_map(|output| match output {
            Output::Send { to, correlation, request: Request::Vote(_) } if to.id.0 == from => {
                Some(*correlation)
            }
            _ => None,
        });
        let body = Body::Vote { granted };
        self.answer(sent.expect("a vote request"), body);
    }

    fn answer(&mut self, correlation: u64, body: Body) {
        let epoch = self.raft.epoch();
        let leader = self.raft.leader();
        let answer = Answer { top: Code::NONE, code: Code::NONE, leader, epoch, endpoint: None, body };
        self.step(Input::Answer { correlation, answer }).unwrap();
    }

    fn fetched(&mut self) {
        self.fetched_records(bytes::Bytes::new());
    }

    fn fetched_records(&mut self, records: bytes::Bytes) {
        let sent = self.out.iter().rev().find_map(|output| match output {
            Output::Send { correlation, request: Request::Fetch(_), .. } => Some(*correlation),
            _ => None,
        });
        let fetched = Fetched { records, ..Fetched::nothing(Some(Offset(0)), Offset(0)) };
        self.answer(sent.expect("a fetch"), Body::Fetch(fetched));
    }
}

fn given(text: &str) -> Node {
    let words: Vec<&str> = text.split_whitespace().collect();
    let epoch = LeaderEpoch(number(words[1]));
    let mut state = QuorumState::new(epoch);
    state.leader = after(&words, "leader").map(|id| NodeId(number(id))).filter(|_| words[0] != "leader");
    state.vote = after(&words, "vote").map(|id| key(number(id) as usize - 1));
    match words[0] {
        "candidate" | "leader" => state.vote = Some(key(0)),
        "resigned" => state.leader = Some(NodeId(1)),
        _ => {}
    }
    let mut node = Node::start(state);
    match words[0] {
        "prospective" => node.wait(),
        "leader" => node.answer_vote(2, true),
        _ if words.contains(&"fetched") => node.fetched(),
        _ => {}
    }
    node
}

fn replica(words: &[&str], name: &str) -> ReplicaKey {
    let id = number(after(words, name).unwrap());
    ReplicaKey::new(NodeId(id), key((id - 1).max(0) as usize).directory_id)
}

fn message(words: &[&str]) -> Request {
    let epoch = LeaderEpoch(number(words[1]));
    let leader = || NodeId(number(after(words, "leader").unwrap()));
    match words[0] {
        "vote" | "pre-vote" => {
            let (last_epoch, last_offset) = after(words, "log").unwrap().split_once('@').unwrap();
            let to = after(words, "to").map_or(key(0), |id| key(number(id) as usize - 1));
            Request::Vote(VoteRequest {
                candidate: replica(words, "from"),
                epoch,
                last_epoch: LeaderEpoch(number(last_epoch)),
                last_offset: Offset(number(last_offset).into()),
                pre_vote: words[0] == "pre-vote",
                voter: Some(to),
            })
        }
        "begin" => Request::BeginQuorumEpoch(BeginQuorumEpochRequest {
            leader: leader(),
            epoch,
            endpoints: endpoints(leader().0 as usize - 1),
            voter: Some(key(0)),
        }),
        "end" => Request::EndQuorumEpoch(EndQuorumEpochRequest {
            leader: leader(),
            epoch,
            endpoints: Vec::new(),
            candidates: words[5..].iter().map(|id| key(number(id) as usize - 1)).collect(),
        }),
        "fetch" => Request::Fetch(FetchRequest {
            replica: replica(words, "from"),
            epoch,
            offset: Offset(number(after(words, "at").unwrap()).into()),
            last_epoch: LeaderEpoch(number(after(words, "after").unwrap())),
            max_wait_ms: 500,
            max_bytes: 1,
            high_watermark: Offset(-1),
        }),
        other => panic!("{other} is no message"),
    }
}

fn shown(id: Option<NodeId>) -> String {
    id.map_or("-".into(), |id| id.to_string())
}

fn role(node: &Node) -> String {
    let state = node.raft.persisted();
    let name = format!("{:?}", node.raft.role()).to_lowercase();
    let own = matches!(node.raft.role(), RoleName::Leader | RoleName::Resigned | RoleName::Prospective);
    let leader = state.leader.filter(|_| !own).map_or(String::new(), |id| format!(" leader {id}"));
    let vote = state.vote.map_or(String::new(), |vote| format!(" vote {}", vote.id));
    format!("{name} {}{leader}{vote}", state.epoch)
}

fn persisted(out: &[Output]) -> String {
    let last = out.iter().rev().find_map(|output| match output {
        Output::Persist { state, .. } => Some(*state),
        _ => None,
    });
    last.map_or("-".into(), |state| {
        let vote = shown(state.vote.map(|vote| vote.id));
        format!("{} leader {} vote {vote}", state.epoch, shown(state.leader))
    })
}

fn answered(out: &[Output], is_fetch: bool, log: &MemoryLog) -> String {
    let answer = out.iter().find_map(|output| match output {
        Output::Answer { answer, .. } => Some(answer),
        _ => None,
    });
    let Some(answer) = answer else { return if is_fetch { "parked".into() } else { "-".into() } };
    let detail = match &answer.body {
        Body::Vote { granted } => if *granted { " granted" } else { " rejected" }.to_owned(),
        Body::Fetch(fetched) if answer.code == Code::NONE => match fetched.diverging {
            Some(end) => format!(" diverging {}@{}", end.epoch, end.end_offset),
            None => format!(" records {}", log.first_sent(&fetched.records)),
        },
        _ => String::new(),
    };
    format!("{:?}{detail}", answer.code)
}

fn run(row: &str) -> String {
    let columns: Vec<&str> = row.split('|').map(str::trim).collect();
    let mut node = given(columns[0]);
    node.out.clear();
    let mut words: Vec<&str> = columns[1].split_whitespace().collect();
    let mut result = Ok(());
    match words[0] {
        "wait" => node.wait(),
        "gone" => {
            result = node.step(Input::Gone(NodeId(number(words[1]))));
            if let Some(ms) = after(&words, "after") {
                node.now_ms += u64::from(number(ms).unsigned_abs());
                node.step(Input::Tick).unwrap();
            }
        }
        "granted" | "rejected" => {
            let from = number(words[1]);
            node = given(columns[0]);
            let before = node.out.len();
            node.answer_vote(from, words[0] == "granted");
            node.out.drain(..before);
        }
        _ => {
            if words[0] == "end" && words.len() == 4 {
                words.push("to");
            }
            let request = message(&words);
            let listener = "CONTROLLER".to_owned();
            result = node.step(Input::Request { token: Token(1), listener, request });
        }
    }
    let (given, message) = (columns[0], columns[1]);
    if result.is_err() {
        return format!("{given} | {message} | fatal | - | -");
    }
    let answer = answered(&node.out, words[0] == "fetch", &node.log);
    format!("{given} | {message} | {} | {} | {answer}", role(&node), persisted(&node.out))
}

#[test]
fn roles_do_what_the_table_says() {
    let table = include_str!("../testdata/roles.txt");
    let rows: Vec<&str> =
        table.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty()).collect();
    let wrong: Vec<String> = rows
        .iter()
        .map(|row| (row, run(row)))
        .filter(|(row, actual)| **row != actual)
        .map(|(row, actual)| format!("expected {row}\n  actual {actual}"))
        .collect();
    assert!(wrong.is_empty(), "{} of {} rows\n{}", wrong.len(), rows.len(), wrong.join("\n"));
}

fn follower_of(leader: i32) -> QuorumState {
    QuorumState { leader: Some(NodeId(leader)), ..QuorumState::new(LeaderEpoch(3)) }
}

/// Else a broker without a controller would show its shards nothing: they see what is on the own disk.
#[test]
fn an_observer_makes_durable_what_it_fetches() {
    let settings = Settings { is_controller: false, ..Settings::new(key(8), endpoints(8)) };
    let mut node = Node::start_as(settings, follower_of(2));
    node.fetched();
    let mut leader = node.log.clone();
    for n in 0..2 {
        leader.push(LeaderEpoch(3), Payload::Data(n));
    }
    node.fetched_records(leader.read(Offset(10), 1 << 20).unwrap());
    assert_eq!(node.log.end_offset(), Offset(12));
    assert!(node.out.iter().any(|output| matches!(output, Output::Flush { .. })), "{:?}", node.out);
}

/// A leader that hangs is lost to all voters at once; standing at once, they would split the vote.
#[test]
fn voters_find_a_hung_leader_one_after_the_other() {
    for (own, leader, ms) in
        [(0, 3, 2000), (0, 2, 2000), (1, 3, 2050), (1, 1, 2000), (2, 1, 2050), (2, 2, 2050)]
    {
        let mut node = Node::start_as(Settings::new(key(own), endpoints(own)), follower_of(leader));
        node.fetched();
        for (late, role) in [(ms - 1, RoleName::Follower), (ms, RoleName::Prospective)] {
            node.now_ms = 1 + late;
            node.step(Input::Tick).unwrap();
            assert_eq!(node.raft.role(), role, "node {} of leader {leader} after {late} ms", own + 1);
        }
    }
}

/// Else a follower would stand against a leader that lives and has nothing to tell.
#[test]
fn a_fetch_waits_for_less_than_the_leader_is_given() {
    for (fetch_timeout_ms, wait) in [(2000, 500), (1000, 500), (500, 250), (1, 0)] {
        let settings = Settings { fetch_timeout_ms, ..Settings::new(key(0), endpoints(0)) };
        let node = Node::start_as(settings, follower_of(2));
        let waits: Vec<i32> = node
            .out
            .iter()
            .filter_map(|output| match output {
                Output::Send { request: Request::Fetch(fetch), .. } => Some(fetch.max_wait_ms),
                _ => None,
            })
            .collect();
        assert_eq!(waits, [wait], "{fetch_timeout_ms}");
    }
}
