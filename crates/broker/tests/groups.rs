//! The classic group APIs through encoded frames: the whole life of a group, on one shard and on three.

mod support;

use broker::event::{ConnectionId, Event};
use bytes::Bytes;
use platform::FileSystem;
use protocol::messages::join_group_request::JoinGroupRequestProtocol;
use protocol::messages::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use protocol::messages::offset_fetch_request::OffsetFetchRequestGroup;
use protocol::messages::sync_group_request::SyncGroupRequestAssignment;
use protocol::messages::*;
use protocol::{ErrorCode, Response};
use support::Node;

fn find(node: &mut Node, connection: ConnectionId, group: &str) -> (i16, i32) {
    let request = FindCoordinatorRequest { coordinator_keys: vec![group.into()], ..Default::default() };
    let Response::FindCoordinator(response) = node.call(connection, 4, request) else { panic!() };
    (response.coordinators[0].error_code, response.coordinators[0].node_id)
}

/// Creates `__consumer_offsets` as clients do: ask, and ask again.
fn ready(shards: u16) -> (Node, ConnectionId) {
    let mut node = Node::new(shards);
    node.create_topic("t", 3, &[]);
    let connection = node.connect(0);
    assert_eq!(find(&mut node, connection, "g"), (ErrorCode::CoordinatorNotAvailable.code(), -1));
    assert_eq!(find(&mut node, connection, "g"), (0, 1));
    (node, connection)
}

fn join_request(group: &str, member: &str) -> JoinGroupRequest {
    JoinGroupRequest {
        group_id: group.into(),
        session_timeout_ms: 10_000,
        rebalance_timeout_ms: 60_000,
        member_id: member.into(),
        protocol_type: "consumer".into(),
        protocols: vec![JoinGroupRequestProtocol {
            name: "range".into(),
            metadata: Bytes::from_static(b"m"),
        }],
        ..Default::default()
    }
}

fn joined(response: Option<Response>) -> JoinGroupResponse {
    match response {
        Some(Response::JoinGroup(response)) => response,
        other => panic!("{other:?}"),
    }
}

/// A member on its own: joins twice, as clients must, and gives itself the assignment "a".
fn member(node: &mut Node, connection: ConnectionId, group: &str) -> JoinGroupResponse {
    let first = joined(Some(node.call(connection, 5, join_request(group, ""))));
    assert_eq!(first.error_code, ErrorCode::MemberIdRequired.code());
    node.send(connection, 5, join_request(group, &first.member_id));
    node.pass(1);
    let second = joined(node.take_reply(connection));
    assert_eq!(second.error_code, 0);
    let request = SyncGroupRequest {
        group_id: group.into(),
        generation_id: second.generation_id,
        member_id: second.member_id.clone(),
        assignments: vec![SyncGroupRequestAssignment {
            member_id: second.member_id.clone(),
            assignment: Bytes::from_static(b"a"),
        }],
        ..Default::default()
    };
    let Response::SyncGroup(response) = node.call(connection, 3, request) else { panic!() };
    assert_eq!((response.error_code, &response.assignment[..]), (0, &b"a"[..]));
    second
}

fn commit(
    node: &mut Node,
    connection: ConnectionId,
    group: &str,
    member: &str,
    generation: i32,
    offset: i64,
) -> i16 {
    let partition = OffsetCommitRequestPartition {
        partition_index: 2,
        committed_offset: offset,
        committed_metadata: Some("note".into()),
        ..Default::default()
    };
    let request = OffsetCommitRequest {
        group_id: group.into(),
        generation_id_or_member_epoch: generation,
        member_id: member.into(),
        topics: vec![OffsetCommitRequestTopic {
            name: "t".into(),
            partitions: vec![partition],
            ..Default::default()
        }],
        ..Default::default()
    };
    let Response::OffsetCommit(response) = node.call(connection, 8, request) else { panic!() };
    response.topics[0].partitions[0].error_code
}

/// A simple group's commit for partition 2.
fn commit_of(node: &mut Node, connection: ConnectionId, topic: &str, group: &str, offset: i64) -> i16 {
    let partition =
        OffsetCommitRequestPartition { partition_index: 2, committed_offset: offset, ..Default::default() };
    let topic =
        OffsetCommitRequestTopic { name: topic.into(), partitions: vec![partition], ..Default::default() };
    let request = OffsetCommitRequest {
        group_id: group.into(),
        generation_id_or_member_epoch: -1,
        topics: vec![topic],
        ..Default::default()
    };
    let Response::OffsetCommit(response) = node.call(connection, 8, request) else { panic!() };
    response.topics[0].partitions[0].error_code
}

/// Topics and offsets of each group.
fn all_committed(
    node: &mut Node,
    connection: ConnectionId,
    groups: &[&str],
) -> Vec<(String, Vec<(String, i64)>)> {
    let group =
        |id: &&str| OffsetFetchRequestGroup { group_id: (*id).into(), topics: None, ..Default::default() };
    let request = OffsetFetchRequest { groups: groups.iter().map(group).collect(), ..Default::default() };
    let Response::OffsetFetch(response) = node.call(connection, 8, request) else { panic!() };
    let of_topic = |topic: &offset_fetch_response::OffsetFetchResponseTopics| {
        (topic.name.to_string(), topic.partitions[0].committed_offset)
    };
    let of_group = |group: &offset_fetch_response::OffsetFetchResponseGroup| {
        (group.group_id.to_string(), group.topics.iter().map(of_topic).collect())
    };
    let mut found: Vec<_> = response.groups.iter().map(of_group).collect();
    found.sort();
    found
}

/// Offset of `t-2` in each group, -1 where there is none, and the group's error.
fn committed(node: &mut Node, connection: ConnectionId, groups: &[&str]) -> Vec<(String, i16, i64)> {
    let group =
        |id: &&str| OffsetFetchRequestGroup { group_id: (*id).into(), topics: None, ..Default::default() };
    let request = OffsetFetchRequest { groups: groups.iter().map(group).collect(), ..Default::default() };
    let Response::OffsetFetch(response) = node.call(connection, 8, request) else { panic!() };
    let offset = |group: &offset_fetch_response::OffsetFetchResponseGroup| {
        group.topics.first().map_or(-1, |topic| topic.partitions[0].committed_offset)
    };
    let mut found: Vec<_> = response
        .groups
        .iter()
        .map(|group| (group.group_id.to_string(), group.error_code, offset(group)))
        .collect();
    found.sort();
    found
}

fn heartbeat(node: &mut Node, connection: ConnectionId, group: &str, joined: &JoinGroupResponse) -> i16 {
    let request = HeartbeatRequest {
        group_id: group.into(),
        generation_id: joined.generation_id,
        member_id: joined.member_id.clone(),
        ..Default::default()
    };
    let Response::Heartbeat(response) = node.call(connection, 4, request) else { panic!() };
    response.error_code
}

#[test]
fn a_group_lives_and_is_remembered() {
    for shards in [1, 3] {
        let (mut node, connection) = ready(shards);
        let groups = ["g", "h", "i"];
        let members: Vec<_> = groups.iter().map(|group| member(&mut node, connection, group)).collect();
        for (group, joined) in groups.iter().zip(&members) {
            assert_eq!(heartbeat(&mut node, connection, group, joined), 0);
            let (member, generation) = (joined.member_id.to_string(), joined.generation_id);
            assert_eq!(commit(&mut node, connection, group, &member, generation, 42), 0);
            assert_eq!(
                commit(&mut node, connection, group, &member, generation + 1, 43),
                ErrorCode::IllegalGeneration.code()
            );
        }
        let all: Vec<_> = groups.iter().map(|group| (group.to_string(), 0, 42)).collect();
        assert_eq!(committed(&mut node, connection, &groups), all);

        for shard in 0..usize::from(shards) {
            node.step(shard, Event::Shutdown);
        }
        node.run();
        node.restart(shards, false);
        let connection = node.connect(0);
        assert_eq!(committed(&mut node, connection, &groups), all, "{shards} shards, {:?}", node.log);
        assert_eq!(heartbeat(&mut node, connection, "g", &members[0]), 0, "the member is remembered");
        // nobody is heard of for longer than the session
        node.pass(10_001);
        assert_eq!(heartbeat(&mut node, connection, "h", &members[1]), ErrorCode::UnknownMemberId.code());
    }
}

#[test]
fn groups_are_listed_described_and_deleted() {
    for shards in [1, 3] {
        let (mut node, connection) = ready(shards);
        let joined = member(&mut node, connection, "full");
        assert_eq!(commit(&mut node, connection, "simple", "", -1, 7), 0);

        let Response::ListGroups(listed) = node.call(connection, 4, ListGroupsRequest::default()) else {
            panic!()
        };
        let mut states: Vec<_> = listed
            .groups
            .iter()
            .map(|group| (group.group_id.to_string(), group.group_state.to_string()))
            .collect();
        states.sort();
        assert_eq!(
            states,
            [("full".to_owned(), "Stable".to_owned()), ("simple".to_owned(), "Empty".to_owned())]
        );

        let groups = vec!["full".into(), "simple".into(), "nobody".into()];
        let request = DescribeGroupsRequest { groups, include_authorized_operations: true };
        let Response::DescribeGroups(described) = node.call(connection, 5, request) else { panic!() };
        let state = |id: &str| described.groups.iter().find(|group| group.group_id == *id).unwrap();
        assert_eq!((&*state("full").group_state, state("full").members.len()), ("Stable", 1));
        assert_ne!(state("full").authorized_operations, i32::MIN);
        assert_eq!((&*state("nobody").group_state, state("nobody").error_code), ("Dead", 0));

        let groups_names = vec!["full".into(), "simple".into(), "nobody".into()];
        let Response::DeleteGroups(deleted) = node.call(connection, 2, DeleteGroupsRequest { groups_names })
        else {
            panic!()
        };
        let mut errors: Vec<_> =
            deleted.results.iter().map(|result| (result.group_id.to_string(), result.error_code)).collect();
        errors.sort();
        assert_eq!(
            errors,
            [
                ("full".to_owned(), ErrorCode::NonEmptyGroup.code()),
                ("nobody".to_owned(), ErrorCode::GroupIdNotFound.code()),
                ("simple".to_owned(), 0)
            ]
        );
        assert_eq!(committed(&mut node, connection, &["simple"]), [("simple".to_owned(), 0, -1)]);
        assert_eq!(heartbeat(&mut node, connection, "full", &joined), 0);
    }
}

#[test]
fn offsets_are_deleted_and_partitions_that_are_not_there_are_named() {
    for shards in [1, 3] {
        let (mut node, connection) = ready(shards);
        assert_eq!(commit(&mut node, connection, "simple", "", -1, 7), 0);
        let partition =
            |partition_index| offset_delete_request::OffsetDeleteRequestPartition { partition_index };
        for (group, wanted, expected) in [
            ("simple", vec![2, 9], (0, vec![(9, 3), (2, 0)])),
            ("simple", vec![9], (0, vec![(9, 3)])),
            ("nobody", vec![2, 9], (ErrorCode::GroupIdNotFound.code(), vec![])),
        ] {
            let topic = offset_delete_request::OffsetDeleteRequestTopic {
                name: "t".into(),
                partitions: wanted.into_iter().map(partition).collect(),
            };
            let request = OffsetDeleteRequest { group_id: group.into(), topics: vec![topic] };
            let Response::OffsetDelete(response) = node.call(connection, 0, request) else { panic!() };
            let partitions = response.topics.iter().flat_map(|topic| &topic.partitions);
            let told: Vec<_> = partitions.map(|one| (one.partition_index, one.error_code)).collect();
            assert_eq!((response.error_code, told), expected, "{group}");
        }
        assert_eq!(committed(&mut node, connection, &["simple"]), [("simple".to_owned(), 0, -1)]);
    }
}

#[test]
fn two_members_share_a_rebalance() {
    for shards in [1, 3] {
        let (mut node, first) = ready(shards);
        let leader = member(&mut node, first, "g");
        let second = node.connect(usize::from(shards) - 1);
        let id = joined(Some(node.call(second, 5, join_request("g", "")))).member_id;
        node.send(second, 5, join_request("g", &id));
        node.run();
        assert!(node.take_reply(second).is_none(), "waits for the leader");
        assert_eq!(heartbeat(&mut node, first, "g", &leader), ErrorCode::RebalanceInProgress.code());
        node.send(first, 5, join_request("g", &leader.member_id));
        node.pass(1);
        let (one, two) = (joined(node.take_reply(first)), joined(node.take_reply(second)));
        assert_eq!((one.members.len(), two.members.len(), one.generation_id), (2, 0, two.generation_id));
    }
}

#[test]
fn before_there_is_a_topic_nobody_coordinates() {
    let mut node = Node::new(1);
    let connection = node.connect(0);
    let joined = joined(Some(node.call(connection, 5, join_request("g", ""))));
    assert_eq!(joined.error_code, ErrorCode::NotCoordinator.code());
}

#[test]
fn a_topic_made_again_has_no_committed_offsets() {
    for shards in [1, 3] {
        let (mut node, connection) = ready(shards);
        let id = node.create_topic("u", 3, &[]);
        for group in ["one", "two", "three"] {
            assert_eq!(commit_of(&mut node, connection, "u", group, 7), 0);
            assert_eq!(commit_of(&mut node, connection, "t", group, 8), 0);
        }
        node.delete_topic(id);
        node.create_topic("u", 3, &[]);
        let expected: Vec<_> =
            ["one", "three", "two"].map(|group| (group.to_owned(), vec![("t".to_owned(), 8)])).into();
        assert_eq!(all_committed(&mut node, connection, &["one", "two", "three"]), expected);
    }
}

#[test]
fn a_damaged_batch_leaves_its_groups_without_a_coordinator() {
    // a byte of a record's value, and one of a header that a start does not look at
    for damaged_byte in [140, 16] {
        let (mut node, connection) = ready(1);
        for offset in 0..100 {
            assert_eq!(commit_of(&mut node, connection, "t", "g", offset), 0);
        }
        node.step(0, Event::Shutdown);
        node.run();
        let written = |partition: &i32| {
            let path = format!("/data/__consumer_offsets-{partition}/00000000000000000000.log");
            node.files.read(path.as_ref()).is_ok_and(|bytes| !bytes.is_empty())
        };
        let partition = (0..5).find(written).expect("the group's records");
        let path = format!("/data/__consumer_offsets-{partition}/00000000000000000000.log");
        let mut bytes = node.files.read(path.as_ref()).unwrap();
        bytes[damaged_byte] ^= 0x40;
        node.files.write_atomically(path.as_ref(), &bytes).unwrap();
        node.restart(1, false);
        let connection = node.connect(0);
        let (_, error, _) = committed(&mut node, connection, &["g"]).remove(0);
        assert_eq!(error, ErrorCode::NotCoordinator.code(), "{damaged_byte}");
        let told = node.log.iter().filter(|line| line.contains("groups are not loaded")).count();
        assert_eq!(told, 1, "{:?}", node.log);
    }
}
