//! The rules of the leader's side, by tables.

use super::*;

const ONE: NodeId = NodeId(1);
const TWO: NodeId = NodeId(2);
const THREE: NodeId = NodeId(3);
const LAG_US: u64 = 1000;

fn assignment(leader: NodeId, epoch: i32, partition_epoch: i32, in_sync: &[NodeId]) -> Assignment {
    Assignment {
        leader,
        leader_epoch: LeaderEpoch(epoch),
        partition_epoch,
        replicas: vec![ONE, TWO, THREE],
        in_sync_replicas: in_sync.to_vec(),
    }
}

/// Node 1 leads since time 0 with a log that ends at 10 and a high watermark of 5.
fn leader(in_sync: &[NodeId], min: usize) -> ReplicaState {
    let mut state = ReplicaState::new(ONE, Offset(5), LAG_US);
    state.min_in_sync_replicas = min;
    state.brokers = Arc::new([(ONE, 11), (TWO, 12), (THREE, 13)].into_iter().collect());
    let assigned = state.assign(assignment(ONE, 3, 7, in_sync), Offset(10), 0);
    assert_eq!(assigned, Assigned::BeginsToLead);
    state
}

fn own(end: i64) -> OwnLog {
    OwnLog { end: Offset(end), counted_end: Offset(end) }
}

fn fetch(state: &mut ReplicaState, node: NodeId, offset: i64, end: i64, now_us: u64) {
    let broker_epoch = i64::from(node.0) + 10;
    let fetch =
        FollowerFetch { node, fetch_offset: Offset(offset), log_start_offset: Offset(0), broker_epoch };
    state.on_follower_fetch(&fetch, Offset(end), now_us).unwrap();
}

fn altered(partition_epoch: i32, in_sync: &[NodeId]) -> Altered {
    Altered { leader_epoch: LeaderEpoch(3), partition_epoch, in_sync_replicas: in_sync.to_vec() }
}

#[test]
fn the_slowest_replica_that_counts_decides() {
    // in sync, min, what 2 and 3 have fetched (long after the reign began), the high watermark
    for (in_sync, min, two, three, expected) in [
        (vec![ONE], 1, 0, 0, 12),
        (vec![ONE, TWO], 1, 11, 0, 11),
        (vec![ONE, TWO, THREE], 2, 11, 9, 9),
        (vec![ONE, TWO], 3, 11, 0, 5),
        (vec![ONE, TWO], 1, 3, 0, 5),
        // two is at the end, so it is about to join: not in the set yet, it is waited for no longer than it needs
        (vec![ONE], 1, 12, 0, 12),
    ] {
        let mut state = leader(&in_sync, min);
        fetch(&mut state, TWO, two, 12, 5000);
        fetch(&mut state, THREE, three, 12, 5000);
        state.advance(own(12), 5000);
        assert_eq!(state.high_watermark(), Offset(expected), "{in_sync:?} {min} {two} {three}");
    }
}

#[test]
fn a_follower_that_was_just_caught_up_is_waited_for_although_it_is_not_in_the_set() {
    for (now_us, active, expected) in [(5500, true, 12), (5500, false, 14), (7000, true, 14)] {
        let mut state = leader(&[ONE], 1);
        fetch(&mut state, TWO, 12, 12, 5000);
        if !active {
            state.brokers = Arc::new([(ONE, 11)].into_iter().collect());
        }
        state.advance(own(14), now_us);
        assert_eq!(state.high_watermark(), Offset(expected), "{now_us} {active}");
    }
}

#[test]
fn whom_the_controller_takes_out_of_the_set_is_waited_for_no_more() {
    let mut state = leader(&[ONE, TWO, THREE], 1);
    fetch(&mut state, TWO, 12, 12, 100);
    fetch(&mut state, THREE, 12, 12, 100);
    fetch(&mut state, TWO, 14, 14, 110);
    assert!(state.advance(own(14), 120));
    assert_eq!(state.high_watermark(), Offset(12));
    assert_eq!(state.assign(assignment(ONE, 3, 8, &[ONE, TWO]), Offset(14), 130), Assigned::Leads);
    assert!(state.advance(own(14), 130));
    assert_eq!(state.high_watermark(), Offset(14));
    // back at the end, it is about to join
    fetch(&mut state, THREE, 14, 14, 140);
    fetch(&mut state, TWO, 16, 16, 150);
    assert!(!state.advance(own(16), 150));
}

#[test]
fn a_member_of_the_set_had_kept_up_until_the_append_that_it_lacks() {
    let mut state = leader(&[ONE, TWO, THREE], 1);
    fetch(&mut state, TWO, 10, 10, 100);
    fetch(&mut state, THREE, 9, 10, 100);
    // nobody says anything while nobody writes
    state.on_append(Offset(10), 90_000);
    assert!(state.propose_shrinking(Offset(11), 90_000 + LAG_US));
    assert_eq!(state.alteration().unwrap().in_sync_replicas, [ONE, TWO]);
}

#[test]
fn what_is_not_flushed_does_not_count_where_it_must_be() {
    let mut state = leader(&[ONE, TWO], 1);
    fetch(&mut state, TWO, 12, 12, 10);
    assert!(state.advance(OwnLog { end: Offset(12), counted_end: Offset(8) }, 10));
    assert_eq!(state.high_watermark(), Offset(8));
}

#[test]
fn a_reign_begins_once_for_each_epoch() {
    let mut state = leader(&[ONE], 1);
    assert!(!state.has_reached_epoch_start());
    state.advance(own(10), 0);
    assert!(state.has_reached_epoch_start());
    for (given, assigned) in [
        (assignment(ONE, 3, 7, &[ONE]), Assigned::Leads),
        (assignment(ONE, 3, 6, &[ONE]), Assigned::Stale),
        (assignment(ONE, 4, 8, &[ONE]), Assigned::BeginsToLead),
        (assignment(ONE, 3, 7, &[ONE]), Assigned::Stale),
        (assignment(TWO, 5, 9, &[TWO]), Assigned::NewLeader),
        (assignment(TWO, 5, 10, &[TWO, ONE]), Assigned::Follows),
        (assignment(NodeId::NONE, 6, 11, &[TWO]), Assigned::NewLeader),
        (assignment(ONE, 7, 12, &[ONE]), Assigned::BeginsToLead),
    ] {
        assert_eq!(state.assign(given.clone(), Offset(20), 0), assigned, "{given:?}");
    }
}

/// Taken out of the replicas it has deleted its log, and is a replica again: a leader that was told of both at once does not
/// know. The epoch has risen, since a replica went.
#[test]
fn whoever_is_out_of_the_set_is_unknown_in_a_new_epoch() {
    for (epoch, in_sync, joins) in [(3, vec![ONE], true), (4, vec![ONE], false), (4, vec![ONE, THREE], false)]
    {
        let mut state = leader(&in_sync, 1);
        fetch(&mut state, TWO, 10, 10, 5);
        state.assign(assignment(ONE, epoch, 8, &in_sync), Offset(10), 6);
        assert_eq!(state.propose_expansion(TWO), joins, "{epoch} {in_sync:?}");
        fetch(&mut state, TWO, 0, 10, 7);
        assert!(!state.propose_expansion(TWO), "it has nothing");
    }
}

#[test]
fn who_does_not_lead_commits_nothing_by_itself() {
    let mut state = leader(&[ONE], 1);
    state.assign(assignment(TWO, 4, 8, &[TWO]), Offset(10), 0);
    assert!(!state.advance(own(20), 0));
    for (told, end, expected) in [(9, 10, 9), (8, 10, 9), (30, 10, 10)] {
        state.follow(Offset(told), Offset(end));
        assert_eq!(state.high_watermark(), Offset(expected), "{told}");
    }
    state.on_log_replaced(Offset(0), Offset(7));
    assert_eq!(state.high_watermark(), Offset(7));
    state.on_log_replaced(Offset(9), Offset(9));
    assert_eq!(state.high_watermark(), Offset(9));
}

#[test]
fn who_joins_the_set() {
    // offset fetched, epoch of its registration, active, joins
    for (offset, broker_epoch, active, joins) in [
        (10, 12, true, true),
        (12, 12, true, true),
        (10, -1, true, true),
        (9, 12, true, false),
        (10, 11, true, false),
        (10, 12, false, false),
    ] {
        let mut state = leader(&[ONE, THREE], 1);
        if !active {
            state.brokers = Arc::new([(ONE, 11), (THREE, 13)].into_iter().collect());
        }
        let fetch = FollowerFetch {
            node: TWO,
            fetch_offset: Offset(offset),
            log_start_offset: Offset(0),
            broker_epoch,
        };
        state.on_follower_fetch(&fetch, Offset(12), 10).unwrap();
        assert_eq!(state.propose_expansion(TWO), joins, "{offset} {broker_epoch} {active}");
        assert!(!state.propose_expansion(TWO), "once");
    }
}

#[test]
fn who_joins_is_waited_for_at_once_and_who_leaves_until_it_is_decided() {
    let mut state = leader(&[ONE], 2);
    fetch(&mut state, TWO, 10, 10, 5000);
    assert!(!state.has_enough_to_acknowledge());
    assert!(state.propose_expansion(TWO));
    assert!(state.has_enough_to_acknowledge());
    assert!(!state.has_enough_in_sync());
    let proposal = state.take_proposal(11).unwrap();
    assert_eq!(proposal.in_sync_replicas, [(ONE, 11), (TWO, 12)]);
    assert_eq!((proposal.leader_epoch, proposal.partition_epoch), (LeaderEpoch(3), 7));
    assert_eq!(state.take_proposal(11), None);
    state.min_in_sync_replicas = 1;
    state.advance(own(20), 9000);
    assert_eq!(state.high_watermark(), Offset(10), "two has only these");
    assert_eq!(state.on_altered(proposal.number, Ok(altered(8, &[ONE, TWO]))), AfterAlteration::Settled);
    assert_eq!(state.partition_epoch, 8);

    assert!(!state.propose_shrinking(Offset(20), 5900));
    assert!(state.propose_shrinking(Offset(20), 6100));
    let proposal = state.take_proposal(11).unwrap();
    assert_eq!(proposal.in_sync_replicas, [(ONE, 11)]);
    assert!(!state.advance(own(20), 9000));
    assert_eq!(state.on_altered(proposal.number, Ok(altered(9, &[ONE]))), AfterAlteration::Settled);
    assert!(state.advance(own(20), 9000));
}

#[test]
fn answers_of_the_controller() {
    use AfterAlteration::*;
    for (answer, expected, pending) in [
        (Ok(altered(8, &[ONE, TWO])), Settled, false),
        (Ok(altered(7, &[ONE])), Settled, false),
        (Ok(altered(6, &[ONE])), Nothing, true),
        (Ok(Altered { leader_epoch: LeaderEpoch(4), ..altered(8, &[TWO]) }), Nothing, true),
        (Err(ErrorCode::IneligibleReplica), Settled, false),
        (Err(ErrorCode::InvalidUpdateVersion), Nothing, true),
        (Err(ErrorCode::FencedLeaderEpoch), Nothing, true),
        (Err(ErrorCode::NewLeaderElected), Nothing, true),
        (Err(ErrorCode::NotController), Again, true),
        (Err(ErrorCode::UnknownServerError), Again, true),
    ] {
        let mut state = leader(&[ONE], 1);
        fetch(&mut state, TWO, 10, 10, 0);
        assert!(state.propose_expansion(TWO));
        let number = state.take_proposal(11).unwrap().number;
        assert_eq!(state.on_altered(number + 1, answer.clone()), Nothing, "another one's");
        assert_eq!(state.on_altered(number, answer.clone()), expected, "{answer:?}");
        assert_eq!(state.alteration().is_some(), pending, "{answer:?}");
        assert_eq!(state.take_proposal(11).is_some(), expected == Again, "{answer:?}");
    }
}

#[test]
fn a_newer_image_ends_what_is_on_its_way_an_equal_one_does_not() {
    for (partition_epoch, pending) in [(7, true), (8, false)] {
        let mut state = leader(&[ONE], 1);
        fetch(&mut state, TWO, 10, 10, 0);
        assert!(state.propose_expansion(TWO));
        assert_eq!(state.assign(assignment(ONE, 3, partition_epoch, &[ONE]), Offset(12), 0), Assigned::Leads);
        assert_eq!(state.alteration().is_some(), pending, "{partition_epoch}");
        assert_eq!(state.followers().first().map(|two| two.log_end_offset), Some(Offset(10)), "kept");
    }
}

#[test]
fn who_is_not_assigned_is_refused() {
    let mut state = leader(&[ONE], 1);
    let fetch = FollowerFetch {
        node: NodeId(9),
        fetch_offset: Offset(0),
        log_start_offset: Offset(0),
        broker_epoch: 1,
    };
    assert_eq!(state.on_follower_fetch(&fetch, Offset(10), 0), Err(FollowerRefused::NotAReplica));
}
