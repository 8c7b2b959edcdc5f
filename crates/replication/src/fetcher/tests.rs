//! A fetcher against answers made by hand.

use protocol::ErrorCode;
use protocol::messages::fetch_response::{EpochEndOffset, FetchableTopicResponse, PartitionData};
use protocol::messages::list_offsets_response::{ListOffsetsPartitionResponse, ListOffsetsTopicResponse};
use protocol::messages::{FetchResponse, ListOffsetsResponse};
use types::Uuid;

use super::*;

const SETTINGS: FetcherSettings = FetcherSettings {
    node: NodeId(2),
    partition_bytes_max: 1 << 20,
    response_bytes_max: 10 << 20,
    bytes_min: 1,
    wait_ms_max: 500,
    backoff_us: 1_000_000,
};

fn id(partition: i32) -> TopicIdPartition {
    TopicIdPartition { topic_id: Uuid([7; 16]), partition }
}

fn at(offset: i64) -> Position {
    Position {
        fetch_offset: Offset(offset),
        log_start_offset: Offset(0),
        leader_epoch: LeaderEpoch(4),
        last_fetched_epoch: LeaderEpoch(3),
    }
}

fn fetcher(partitions: i32) -> Fetcher {
    let mut fetcher = Fetcher::new(NodeId(1), SETTINGS);
    (0..partitions).for_each(|partition| fetcher.set(id(partition), &"t".into(), at(10)));
    fetcher
}

fn fetch(fetcher: &mut Fetcher, now_us: u64) -> FetchRequest {
    match fetcher.poll(now_us, 77) {
        Some(Asked::Fetch(request)) => request,
        other => panic!("{other:?}"),
    }
}

/// Session, its epoch, partitions with their offsets, forgotten ones.
fn gist(request: &FetchRequest) -> (i32, i32, Vec<(i32, i64)>, Vec<i32>) {
    let partitions = request.topics.iter().flat_map(|topic| &topic.partitions);
    let forgotten = request.forgotten_topics_data.iter().flat_map(|topic| topic.partitions.clone());
    (
        request.session_id,
        request.session_epoch,
        partitions.map(|one| (one.partition, one.fetch_offset)).collect(),
        forgotten.collect(),
    )
}

fn answer(session_id: i32, partitions: Vec<PartitionData>) -> FetchResponse {
    let responses =
        vec![FetchableTopicResponse { topic_id: Uuid([7; 16]), partitions, ..Default::default() }];
    FetchResponse { session_id, responses, ..FetchResponse::default() }
}

fn good(partition_index: i32) -> PartitionData {
    PartitionData { partition_index, high_watermark: 9, log_start_offset: 1, ..Default::default() }
}

fn bad(partition_index: i32, error: ErrorCode) -> PartitionData {
    PartitionData { partition_index, error_code: error.code(), ..Default::default() }
}

fn offsets(error: ErrorCode, offset: i64) -> ListOffsetsResponse {
    let one = ListOffsetsPartitionResponse {
        partition_index: 0,
        error_code: error.code(),
        offset,
        ..Default::default()
    };
    let topics = vec![ListOffsetsTopicResponse { name: "t".into(), partitions: vec![one] }];
    ListOffsetsResponse { topics, ..ListOffsetsResponse::default() }
}

#[test]
fn the_first_request_says_who_asks_and_for_what() {
    let mut fetcher = fetcher(1);
    let request = fetch(&mut fetcher, 0);
    assert_eq!((request.replica_state.replica_id, request.replica_state.replica_epoch), (2, 77));
    assert_eq!((request.max_wait_ms, request.min_bytes, request.max_bytes), (500, 1, 10 << 20));
    let partition = &request.topics[0].partitions[0];
    assert_eq!((partition.current_leader_epoch, partition.last_fetched_epoch), (4, 3));
    assert_eq!((partition.fetch_offset, partition.partition_max_bytes), (10, 1 << 20));
    assert_eq!(fetcher.poll(0, 77), None, "one at a time");
}

#[test]
fn a_session_names_what_has_changed() {
    let mut fetcher = fetcher(3);
    assert_eq!(gist(&fetch(&mut fetcher, 0)), (0, 0, vec![(0, 10), (1, 10), (2, 10)], vec![]));
    let delivered = fetcher.on_fetched(0, answer(5, vec![good(0), good(1), good(2)]));
    assert_eq!(delivered.len(), 3);
    fetcher.set(id(1), &"t".into(), at(12));
    assert_eq!(gist(&fetch(&mut fetcher, 0)), (5, 1, vec![(1, 12)], vec![]));
    fetcher.on_fetched(0, answer(5, vec![]));
    fetcher.remove(&id(2));
    fetcher.hold(&id(0));
    assert_eq!(fetcher.poll(0, 77), None);
    assert_eq!(gist(&fetch(&mut fetcher, 500_000)), (5, 2, vec![], vec![0, 2]));
    fetcher.on_fetched(0, answer(5, vec![]));
    fetcher.set(id(0), &"t".into(), at(20));
    assert_eq!(gist(&fetch(&mut fetcher, 0)), (5, 3, vec![(0, 20)], vec![]));
    // the leader has lost it
    let error_code = ErrorCode::FetchSessionIdNotFound.code();
    fetcher.on_fetched(0, FetchResponse { error_code, ..Default::default() });
    assert_eq!(gist(&fetch(&mut fetcher, 0)), (0, 0, vec![(0, 20), (1, 12)], vec![]));
    fetcher.on_fetched(0, answer(6, vec![]));
    fetcher.on_failed(0);
    assert_eq!(gist(&fetch(&mut fetcher, 20_000)), (6, 0, vec![(0, 20), (1, 12)], vec![]));
    // no room for a session
    fetcher.on_fetched(0, answer(0, vec![good(0)]));
    assert_eq!(gist(&fetch(&mut fetcher, 20_000)), (0, 0, vec![(0, 20), (1, 12)], vec![]));
}

#[test]
fn what_does_not_fit_the_position_any_more_is_dropped() {
    for (changed, delivered) in [
        (at(10), 1),
        (at(11), 0),
        (Position { leader_epoch: LeaderEpoch(5), ..at(10) }, 0),
        (Position { log_start_offset: Offset(3), ..at(10) }, 1),
    ] {
        let mut fetcher = fetcher(1);
        fetch(&mut fetcher, 0);
        fetcher.set(id(0), &"t".into(), changed);
        assert_eq!(fetcher.on_fetched(0, answer(5, vec![good(0)])).len(), delivered, "{changed:?}");
    }
}

#[test]
fn errors_of_a_partition_pause_it_alone() {
    let mut fetcher = fetcher(2);
    fetch(&mut fetcher, 0);
    let delivered = fetcher.on_fetched(0, answer(5, vec![good(0), bad(1, ErrorCode::UnknownLeaderEpoch)]));
    assert_eq!(delivered.len(), 1);
    assert_eq!(gist(&fetch(&mut fetcher, 0)), (5, 1, vec![], vec![1]));
    fetcher.on_fetched(0, answer(5, vec![]));
    assert_eq!(gist(&fetch(&mut fetcher, FIRST_PAUSE_US)), (5, 2, vec![(1, 10)], vec![]));
    // twice as long after another one
    fetcher.on_fetched(FIRST_PAUSE_US, answer(5, vec![bad(1, ErrorCode::NotLeaderOrFollower)]));
    assert_eq!(gist(&fetch(&mut fetcher, 2 * FIRST_PAUSE_US)), (5, 3, vec![], vec![1]));
    fetcher.on_fetched(0, answer(5, vec![]));
    assert_eq!(gist(&fetch(&mut fetcher, 3 * FIRST_PAUSE_US)), (5, 4, vec![(1, 10)], vec![]));
}

#[test]
fn a_new_position_ends_a_pause() {
    let mut fetcher = fetcher(1);
    fetch(&mut fetcher, 0);
    fetcher.on_fetched(0, answer(5, vec![bad(0, ErrorCode::UnknownLeaderEpoch)]));
    fetcher.set(id(0), &"t".into(), Position { leader_epoch: LeaderEpoch(5), ..at(10) });
    let request = fetch(&mut fetcher, 0);
    assert_eq!(request.max_wait_ms, 500);
    fetcher.on_fetched(FIRST_PAUSE_US, answer(5, vec![]));
    assert_eq!(gist(&fetch(&mut fetcher, FIRST_PAUSE_US)), (5, 2, vec![], vec![]));
}

#[test]
fn a_fenced_partition_waits_for_a_newer_epoch() {
    let mut fetcher = fetcher(1);
    fetch(&mut fetcher, 0);
    let delivered = fetcher.on_fetched(0, answer(5, vec![bad(0, ErrorCode::FencedLeaderEpoch)]));
    assert_eq!(delivered, [Delivery::Fenced { id: id(0) }]);
    assert_eq!(fetcher.poll(u64::MAX, 77), None);
    fetcher.set(id(0), &"t".into(), at(11));
    assert_eq!(fetcher.poll(u64::MAX, 77), None);
    fetcher.set(id(0), &"t".into(), Position { leader_epoch: LeaderEpoch(5), ..at(11) });
    assert_eq!(gist(&fetch(&mut fetcher, 0)).2, [(0, 11)]);
}

#[test]
fn a_diverging_epoch_is_handed_on() {
    let mut fetcher = fetcher(1);
    fetch(&mut fetcher, 0);
    let diverging_epoch = EpochEndOffset { epoch: 2, end_offset: 6 };
    let data = PartitionData { diverging_epoch, ..good(0) };
    let delivered = fetcher.on_fetched(0, answer(5, vec![data]));
    let expected = Delivery::Diverged { id: id(0), leader_epoch: LeaderEpoch(2), end_offset: Offset(6) };
    assert_eq!(delivered, [expected]);
}

#[test]
fn out_of_range_asks_for_the_leaders_end_and_then_its_start() {
    // the leader's end, its start, what is delivered
    for (end, start, delivered) in [
        (8, None, Some(Delivery::LeaderEndsAt { id: id(0), offset: Offset(8) })),
        (30, Some(20), Some(Delivery::LeaderStartsAt { id: id(0), offset: Offset(20) })),
        (30, Some(10), None),
    ] {
        let mut fetcher = fetcher(1);
        fetch(&mut fetcher, 0);
        fetcher.on_fetched(0, answer(5, vec![bad(0, ErrorCode::OffsetOutOfRange)]));
        let Some(Asked::ListOffsets(request)) = fetcher.poll(0, 77) else { panic!() };
        let asked = &request.topics[0].partitions[0];
        assert_eq!((request.replica_id, asked.timestamp, asked.current_leader_epoch), (2, LATEST, 4));
        let mut got = fetcher.on_offsets(0, &offsets(ErrorCode::None, end));
        if let Some(start) = start {
            let Some(Asked::ListOffsets(request)) = fetcher.poll(0, 77) else { panic!() };
            assert_eq!(request.topics[0].partitions[0].timestamp, EARLIEST);
            got = fetcher.on_offsets(0, &offsets(ErrorCode::None, start));
        }
        assert_eq!(got.pop(), delivered);
        // in range again: no rush, where nothing was found wrong
        if delivered.is_none() {
            assert_eq!(gist(&fetch(&mut fetcher, 0)), (5, 1, vec![], vec![]), "as the session has it");
            fetcher.on_fetched(0, answer(5, vec![bad(0, ErrorCode::OffsetOutOfRange)]));
            assert_eq!((fetcher.poll(0, 77), fetcher.next_deadline_us()), (None, Some(2 * FIRST_PAUSE_US)));
        }
    }
}

const LATEST: i64 = -1;
const EARLIEST: i64 = -2;

#[test]
fn a_leader_that_is_not_reached_is_asked_less_and_less_often() {
    let mut fetcher = fetcher(1);
    let mut now = 0;
    let mut pauses = Vec::new();
    for _ in 0..9 {
        fetch(&mut fetcher, now);
        fetcher.on_failed(now);
        assert_eq!(fetcher.poll(now, 77), None);
        let next = fetcher.next_deadline_us().unwrap();
        pauses.push((next - now) / 1000);
        now = next;
    }
    assert_eq!(pauses, [10, 20, 40, 80, 160, 320, 640, 1000, 1000]);
    fetch(&mut fetcher, now);
    fetcher.on_fetched(now, answer(1, vec![]));
    fetch(&mut fetcher, now);
    fetcher.on_failed(now);
    assert_eq!(fetcher.next_deadline_us(), Some(now + 10_000));
}

#[test]
fn nothing_is_asked_where_there_is_nothing_to_ask_for() {
    let mut fetcher = fetcher(1);
    fetcher.hold(&id(0));
    assert_eq!((fetcher.poll(0, 77), fetcher.next_deadline_us()), (None, None));
    fetcher.retry_later(&id(0), 5);
    assert_eq!((fetcher.poll(5, 77), fetcher.next_deadline_us()), (None, Some(1_000_005)));
    fetcher.remove(&id(0));
    assert_eq!((fetcher.poll(2_000_000, 77), fetcher.next_deadline_us()), (None, None));
}

#[test]
fn what_its_owner_holds_is_waited_for_a_while() {
    let mut fetcher = fetcher(2);
    fetch(&mut fetcher, 0);
    fetcher.on_fetched(0, answer(5, vec![good(0)]));
    for (now, is_flushed) in [(1_000, true), (700_000, false)] {
        fetcher.hold(&id(0));
        assert_eq!((fetcher.poll(now, 77), fetcher.next_deadline_us()), (None, Some(now + 500_000)));
        assert_eq!(fetcher.poll(now + 499_999, 77), None);
        if is_flushed {
            fetcher.set(id(0), &"t".into(), at(20));
            assert_eq!(gist(&fetch(&mut fetcher, now + 2_000)), (5, 1, vec![(0, 20)], vec![]));
        } else {
            assert_eq!(gist(&fetch(&mut fetcher, now + 500_000)), (5, 2, vec![], vec![0]));
        }
        fetcher.on_fetched(now, answer(5, vec![]));
    }
    assert_eq!(fetcher.next_deadline_us(), Some(1_200_000));
    assert!(fetcher.poll(1_200_000, 77).is_some(), "the other one goes on");
}

#[test]
fn an_answer_is_held_back_no_longer_than_a_partition_pauses() {
    let mut fetcher = fetcher(2);
    fetch(&mut fetcher, 0);
    fetcher.on_fetched(0, answer(5, vec![good(0), bad(1, ErrorCode::UnknownLeaderEpoch)]));
    assert_eq!(fetch(&mut fetcher, 4_500).max_wait_ms, 6);
    fetcher.on_fetched(0, answer(5, vec![]));
    assert_eq!(fetch(&mut fetcher, FIRST_PAUSE_US).max_wait_ms, 500);
}

#[test]
fn a_fetcher_that_is_restarted_names_everything_at_once() {
    let mut fetcher = fetcher(1);
    fetch(&mut fetcher, 0);
    fetcher.on_fetched(0, answer(5, vec![]));
    fetch(&mut fetcher, 0);
    fetcher.set(id(1), &"t".into(), at(3));
    fetcher.restart();
    assert_eq!(gist(&fetch(&mut fetcher, 0)), (5, 0, vec![(0, 10), (1, 3)], vec![]));
}

#[test]
fn a_position_that_is_set_ends_the_wait_for_good() {
    let mut fetcher = fetcher(1);
    fetcher.retry_later(&id(0), 5);
    fetcher.set(id(0), &"t".into(), at(12));
    assert_eq!(gist(&fetch(&mut fetcher, 6)).2, [(0, 12)]);
    fetcher.on_failed(7);
    // past the end of the wait that is over
    assert_eq!(gist(&fetch(&mut fetcher, 3_000_000)).2, [(0, 12)]);
}
