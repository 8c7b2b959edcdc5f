//! Commands from words, replies and records as lines; random member ids appear as A, B, C in order of coming.

use bytes::Bytes;
use coordinator::group::*;
use protocol::messages::*;
use protocol::records::group::{GroupKey, GroupValue};
use protocol::{ErrorCode, Str};

#[derive(Default)]
pub struct Aliases(Vec<(String, String)>);

impl Aliases {
    pub fn learn(&mut self, id: &str) {
        // prefix, dash, 36 characters of UUID
        if id.len() > 36 && !self.0.iter().any(|(known, _)| known == id) {
            let alias = ((b'A' + self.0.len() as u8) as char).to_string();
            self.0.push((id.to_owned(), alias));
        }
    }

    pub fn id(&self, alias: &str) -> Str {
        self.0.iter().find(|(_, known)| known == alias).map_or(Str::from(alias), |(id, _)| Str::from(id))
    }

    fn shorten(&self, line: String) -> String {
        self.0.iter().fold(line, |line, (id, alias)| line.replace(id.as_str(), alias))
    }
}

/// `name=value` words of a command.
pub struct Words<'a>(pub Vec<&'a str>);

impl Words<'_> {
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find_map(|word| word.strip_prefix(name)?.strip_prefix('='))
    }

    pub fn text(&self, name: &str) -> Str {
        Str::from(self.get(name).unwrap_or(""))
    }

    pub fn number<T: std::str::FromStr>(&self, name: &str, default: T) -> T {
        self.get(name).map_or(default, |text| text.parse().ok().expect("a number"))
    }

    pub fn has(&self, flag: &str) -> bool {
        self.0.contains(&flag)
    }

    fn list(&self, name: &str) -> Vec<&str> {
        self.get(name).unwrap_or("").split(',').filter(|word| !word.is_empty()).collect()
    }
}

fn instance(words: &Words) -> Option<Str> {
    words.get("instance").map(Str::from)
}

/// Metadata `s:a+b` is a subscription to topics a and b; anything else is itself.
fn metadata(text: &str) -> Bytes {
    let Some(topics) = text.strip_prefix("s:") else { return Bytes::copy_from_slice(text.as_bytes()) };
    let topics: Vec<&str> = topics.split('+').collect();
    let mut bytes = vec![0, 0];
    bytes.extend((topics.len() as i32).to_be_bytes());
    for topic in topics {
        bytes.extend((topic.len() as i16).to_be_bytes());
        bytes.extend(topic.as_bytes());
    }
    bytes.extend((-1i32).to_be_bytes());
    Bytes::from(bytes)
}

/// `topic:partition=…` words are written `foo/0@17`; the offset may be missing.
fn places<'a>(words: &'a Words) -> Vec<(&'a str, i32, i64)> {
    let parse = |word: &'a str| {
        let (topic, rest) = word.split_once('/').expect("topic/partition");
        let (partition, offset) = rest.split_once('@').unwrap_or((rest, "0"));
        (topic, partition.parse().expect("a partition"), offset.parse().expect("an offset"))
    };
    words.list("at").into_iter().map(parse).collect()
}

pub fn command(name: &str, words: &Words, aliases: &Aliases, topics: &dyn Topics) -> (i16, Command) {
    let group_id = words.text("group");
    let member_id = words.get("member").map(|alias| aliases.id(alias)).unwrap_or_default();
    let (default_version, command) = match name {
        "join" => (9, Command::JoinGroup(join(words, group_id, member_id))),
        "sync" => (5, Command::SyncGroup(sync(words, group_id, member_id, aliases))),
        "heartbeat" => {
            let generation_id = words.number("generation", -1);
            let group_instance_id = instance(words);
            (
                4,
                Command::Heartbeat(HeartbeatRequest {
                    group_id,
                    generation_id,
                    member_id,
                    group_instance_id,
                }),
            )
        }
        "leave" => (5, Command::LeaveGroup(leave(words, group_id, member_id, aliases))),
        "commit" => (9, Command::OffsetCommit(commit(words, group_id, member_id, topics))),
        "txn-commit" => (5, Command::TxnOffsetCommit(txn_commit(words, group_id, member_id))),
        "fetch" => (words.number("version", 8), Command::OffsetFetch(fetch(words, group_id, topics))),
        "offset-delete" => (0, Command::OffsetDelete(offset_delete(words, group_id))),
        "list" => {
            let filter = |name| words.list(name).into_iter().map(Str::from).collect();
            let request =
                ListGroupsRequest { states_filter: filter("states"), types_filter: filter("types") };
            (5, Command::ListGroups(request))
        }
        "describe" => {
            let groups = words.list("group").into_iter().map(Str::from).collect();
            (6, Command::DescribeGroups(DescribeGroupsRequest { groups, ..Default::default() }))
        }
        "delete" => {
            let groups_names = words.list("group").into_iter().map(Str::from).collect();
            (2, Command::DeleteGroups(DeleteGroupsRequest { groups_names }))
        }
        other => panic!("no command {other}"),
    };
    (words.number("version", default_version), command)
}

fn join(words: &Words, group_id: Str, member_id: Str) -> JoinGroupRequest {
    let protocols = words.list("protocols").into_iter().map(|protocol| {
        let (name, bytes) = protocol.split_once('=').unwrap_or((protocol, "m"));
        join_group_request::JoinGroupRequestProtocol { name: Str::from(name), metadata: metadata(bytes) }
    });
    JoinGroupRequest {
        group_id,
        session_timeout_ms: words.number("session", 10_000),
        rebalance_timeout_ms: words.number("rebalance", 30_000),
        member_id,
        group_instance_id: instance(words),
        protocol_type: Str::from(words.get("type").unwrap_or("consumer")),
        protocols: protocols.collect(),
        reason: None,
    }
}

fn sync(words: &Words, group_id: Str, member_id: Str, aliases: &Aliases) -> SyncGroupRequest {
    let assignments = words.list("assign").into_iter().map(|given| {
        let (member, assignment) = given.split_once(':').expect("member:assignment");
        sync_group_request::SyncGroupRequestAssignment {
            member_id: aliases.id(member),
            assignment: Bytes::copy_from_slice(assignment.as_bytes()),
        }
    });
    SyncGroupRequest {
        group_id,
        generation_id: words.number("generation", -1),
        member_id,
        group_instance_id: instance(words),
        protocol_type: words.get("type").map(Str::from),
        protocol_name: words.get("protocol").map(Str::from),
        assignments: assignments.collect(),
    }
}

fn leave(words: &Words, group_id: Str, member_id: Str, aliases: &Aliases) -> LeaveGroupRequest {
    let one = |word: &str| {
        let (member, instance) = word.split_once('/').map_or((word, None), |(m, i)| (m, Some(i)));
        leave_group_request::MemberIdentity {
            member_id: aliases.id(member),
            group_instance_id: instance.map(Str::from),
            reason: None,
        }
    };
    LeaveGroupRequest { group_id, member_id, members: words.list("members").into_iter().map(one).collect() }
}

fn commit(words: &Words, group_id: Str, member_id: Str, topics: &dyn Topics) -> OffsetCommitRequest {
    let topic = |(name, partition_index, committed_offset): (&str, i32, i64)| {
        offset_commit_request::OffsetCommitRequestTopic {
            name: Str::from(name),
            topic_id: topics.id(name).unwrap_or_default(),
            partitions: vec![offset_commit_request::OffsetCommitRequestPartition {
                partition_index,
                committed_offset,
                committed_metadata: words.get("metadata").map(Str::from),
                ..Default::default()
            }],
        }
    };
    OffsetCommitRequest {
        group_id,
        generation_id_or_member_epoch: words.number("generation", -1),
        member_id,
        group_instance_id: instance(words),
        retention_time_ms: words.number("retention", -1),
        topics: places(words).into_iter().map(topic).collect(),
    }
}

fn txn_commit(words: &Words, group_id: Str, member_id: Str) -> TxnOffsetCommitRequest {
    let topic = |(name, partition_index, committed_offset): (&str, i32, i64)| {
        txn_offset_commit_request::TxnOffsetCommitRequestTopic {
            name: Str::from(name),
            partitions: vec![txn_offset_commit_request::TxnOffsetCommitRequestPartition {
                partition_index,
                committed_offset,
                ..Default::default()
            }],
            ..Default::default()
        }
    };
    TxnOffsetCommitRequest {
        transactional_id: Str::from("t"),
        group_id,
        producer_id: words.number("producer", 1),
        producer_epoch: 0,
        generation_id_or_member_epoch: words.number("generation", -1),
        member_id,
        group_instance_id: instance(words),
        topics: places(words).into_iter().map(topic).collect(),
    }
}

fn fetch(words: &Words, group_id: Str, topics: &dyn Topics) -> OffsetFetchRequest {
    let require_stable = words.has("stable");
    let wanted = places(words);
    if words.number("version", 8) < 8 {
        let topic = |(name, partition, _): (&str, i32, i64)| offset_fetch_request::OffsetFetchRequestTopic {
            name: Str::from(name),
            partition_indexes: vec![partition],
        };
        let topics = (!words.has("all")).then(|| wanted.into_iter().map(topic).collect());
        return OffsetFetchRequest { group_id, topics, require_stable, ..Default::default() };
    }
    let topic = |(name, partition, _): (&str, i32, i64)| offset_fetch_request::OffsetFetchRequestTopics {
        name: Str::from(name),
        topic_id: topics.id(name).unwrap_or_default(),
        partition_indexes: vec![partition],
    };
    let topics = (!words.has("all")).then(|| wanted.into_iter().map(topic).collect());
    let group = offset_fetch_request::OffsetFetchRequestGroup { group_id, topics, ..Default::default() };
    OffsetFetchRequest { groups: vec![group], require_stable, ..Default::default() }
}

fn offset_delete(words: &Words, group_id: Str) -> OffsetDeleteRequest {
    let topic =
        |(name, partition_index, _): (&str, i32, i64)| offset_delete_request::OffsetDeleteRequestTopic {
            name: Str::from(name),
            partitions: vec![offset_delete_request::OffsetDeleteRequestPartition { partition_index }],
        };
    OffsetDeleteRequest { group_id, topics: places(words).into_iter().map(topic).collect() }
}

pub fn error(code: i16) -> &'static str {
    ErrorCode::from(code).name()
}

fn lossy(bytes: &[u8]) -> String {
    if bytes.starts_with(&[0, 0]) { "s".to_owned() } else { String::from_utf8_lossy(bytes).into_owned() }
}

/// Ids are named in the order of the replies that give them, then of the records.
pub fn learn(replies: &[(Token, Response)], writes: &[Write], aliases: &mut Aliases) {
    for (_, response) in replies {
        if let Response::JoinGroup(response) = response {
            aliases.learn(&response.member_id);
        }
    }
    for record in writes.iter().flat_map(|write| &write.records) {
        let value = record.value.clone().map(|value| GroupValue::decode(2, value));
        if let (Ok(GroupKey::GroupMetadata(_)), Some(Ok((GroupValue::GroupMetadata(value), _)))) =
            (GroupKey::decode(record.key.clone()), value)
        {
            value.members.iter().for_each(|member| aliases.learn(&member.member_id));
        }
    }
}

pub fn reply(token: Token, response: &Response, aliases: &Aliases) -> String {
    aliases.shorten(format!("#{} {}", token.0, response_text(response)))
}

fn response_text(response: &Response) -> String {
    match response {
        Response::JoinGroup(r) => join_text(r),
        Response::SyncGroup(r) => format!("sync {} assignment={}", error(r.error_code), lossy(&r.assignment)),
        Response::Heartbeat(r) => format!("heartbeat {}", error(r.error_code)),
        Response::LeaveGroup(r) => {
            let members = r.members.iter().map(|m| {
                let instance = m.group_instance_id.as_ref().map_or(String::new(), |i| format!("/{i}"));
                format!(" {}{instance}:{}", m.member_id, error(m.error_code))
            });
            format!("leave {}{}", error(r.error_code), members.collect::<String>())
        }
        Response::OffsetCommit(r) => {
            let parts = r.topics.iter().flat_map(|t| t.partitions.iter().map(move |p| (t, p)));
            let parts =
                parts.map(|(t, p)| format!(" {}/{}:{}", t.name, p.partition_index, error(p.error_code)));
            format!("commit{}", parts.collect::<String>())
        }
        Response::TxnOffsetCommit(r) => {
            let parts = r.topics.iter().flat_map(|t| t.partitions.iter().map(move |p| (t, p)));
            let parts =
                parts.map(|(t, p)| format!(" {}/{}:{}", t.name, p.partition_index, error(p.error_code)));
            format!("txn-commit{}", parts.collect::<String>())
        }
        Response::OffsetFetch(r) => fetch_text(r),
        Response::OffsetDelete(r) => {
            let parts = r.topics.iter().flat_map(|t| t.partitions.iter().map(move |p| (t, p)));
            let parts =
                parts.map(|(t, p)| format!(" {}/{}:{}", t.name, p.partition_index, error(p.error_code)));
            format!("offset-delete {}{}", error(r.error_code), parts.collect::<String>())
        }
        Response::ListGroups(r) => {
            let groups = r
                .groups
                .iter()
                .map(|g| format!(" {}:{}:{}:{}", g.group_id, g.protocol_type, g.group_state, g.group_type));
            format!("list{}", groups.collect::<String>())
        }
        Response::DescribeGroups(r) => {
            let groups = r.groups.iter().map(describe_text).collect::<Vec<_>>();
            format!("describe {}", groups.join(" | "))
        }
        Response::DeleteGroups(r) => {
            let results = r.results.iter().map(|g| format!(" {}:{}", g.group_id, error(g.error_code)));
            format!("delete{}", results.collect::<String>())
        }
    }
}

fn join_text(r: &JoinGroupResponse) -> String {
    if r.error_code != 0 {
        return format!("join {} member={}", error(r.error_code), r.member_id);
    }
    let members = r.members.iter().map(|m| {
        let instance = m.group_instance_id.as_ref().map_or(String::new(), |i| format!("/{i}"));
        format!("{}{instance}", m.member_id)
    });
    let members = members.collect::<Vec<_>>().join(",");
    let skip = if r.skip_assignment { " skip" } else { "" };
    let protocol = r.protocol_name.clone().unwrap_or_default();
    let (generation, leader, member) = (r.generation_id, &r.leader, &r.member_id);
    format!(
        "join NONE generation={generation} protocol={protocol} leader={leader} member={member} [{members}]{skip}"
    )
}

fn fetch_text(r: &OffsetFetchResponse) -> String {
    let one = |name: &Str, partition: i32, offset: i64, metadata: &Option<Str>, code: i16| {
        let metadata =
            metadata.as_ref().filter(|m| !m.is_empty()).map_or(String::new(), |m| format!("({m})"));
        format!(" {name}/{partition}@{offset}{metadata}:{}", error(code))
    };
    let old = r
        .topics
        .iter()
        .flat_map(|t| t.partitions.iter().map(move |p| (t, p)))
        .map(|(t, p)| one(&t.name, p.partition_index, p.committed_offset, &p.metadata, p.error_code));
    let new = r.groups.iter().flat_map(|g| &g.topics).flat_map(|t| t.partitions.iter().map(move |p| (t, p)));
    let new =
        new.map(|(t, p)| one(&t.name, p.partition_index, p.committed_offset, &p.metadata, p.error_code));
    format!("fetch{}", old.chain(new).collect::<String>())
}

fn describe_text(g: &describe_groups_response::DescribedGroup) -> String {
    let members = g.members.iter().map(|m| format!("{}={}", m.member_id, lossy(&m.member_assignment)));
    let members = members.collect::<Vec<_>>().join(",");
    let message = g.error_message.as_ref().map_or(String::new(), |m| format!(" ({m})"));
    let (id, state, kind, protocol) = (&g.group_id, &g.group_state, &g.protocol_type, &g.protocol_data);
    format!("{id} {}{message} {state} type={kind} protocol={protocol} [{members}]", error(g.error_code))
}

pub fn record(record: &WriteRecord, aliases: &Aliases) -> String {
    let key = GroupKey::decode(record.key.clone()).expect("a key");
    let value = record.value.clone().map(|v| GroupValue::decode(key.record_type(), v).expect("a value"));
    let text = match (&key, &value) {
        (GroupKey::OffsetCommit(k), None) => format!("tombstone {} {}/{}", k.group, k.topic, k.partition),
        (GroupKey::OffsetCommit(k), Some((GroupValue::OffsetCommit(v), version))) => {
            format!("offset v{version} {} {}/{}@{}", k.group, k.topic, k.partition, v.offset)
        }
        (GroupKey::GroupMetadata(k), None) => format!("tombstone {}", k.group),
        (GroupKey::GroupMetadata(k), Some((GroupValue::GroupMetadata(v), version))) => {
            let members = v.members.iter().map(|m| format!("{}={}", m.member_id, lossy(&m.assignment)));
            let members = members.collect::<Vec<_>>().join(",");
            let protocol = v.protocol.clone().unwrap_or_default();
            format!(
                "group v{version} {} generation={} protocol={protocol} [{members}]",
                k.group, v.generation
            )
        }
        other => format!("{other:?}"),
    };
    aliases.shorten(text)
}
