//! Large groups and many commits stay cheap: looked at as counts, and as time when run by hand with `--nocapture`.

mod harness;

use bytes::Bytes;
use coordinator::group::*;
use harness::Driver;
use protocol::Str;
use protocol::messages::*;

fn join(member_id: Str) -> Command {
    Command::JoinGroup(JoinGroupRequest {
        group_id: Str::from_static("g"),
        session_timeout_ms: 45_000,
        rebalance_timeout_ms: 300_000,
        member_id,
        protocol_type: Str::from_static("consumer"),
        protocols: ["range", "cooperative-sticky"]
            .map(|name| join_group_request::JoinGroupRequestProtocol {
                name: Str::from_static(name),
                metadata: Bytes::from_static(&[0; 64]),
            })
            .to_vec(),
        ..Default::default()
    })
}

#[test]
fn a_thousand_members() {
    let mut driver = Driver::new(1);
    for _ in 0..1_000 {
        driver.command(9, "client", join(Str::default()));
    }
    let ids: Vec<Str> = driver
        .take_replies()
        .into_iter()
        .map(|(_, response)| match response {
            Response::JoinGroup(response) => response.member_id,
            other => panic!("{other:?}"),
        })
        .collect();
    for id in &ids {
        driver.command(9, "client", join(id.clone()));
    }
    driver.advance(6_000);
    assert_eq!(driver.take_replies().len(), 1_000);
    for id in ids.iter().rev() {
        let request = SyncGroupRequest {
            group_id: Str::from_static("g"),
            generation_id: 1,
            member_id: id.clone(),
            ..Default::default()
        };
        driver.command(5, "client", Command::SyncGroup(request));
    }
    assert_eq!(driver.take_replies().len(), 1_000);
    assert_eq!(driver.log.len(), 2, "one record for the new group, one for its generation");
    for _ in 0..10 {
        driver.advance(3_000);
        for id in &ids {
            let request = HeartbeatRequest {
                group_id: Str::from_static("g"),
                generation_id: 1,
                member_id: id.clone(),
                ..Default::default()
            };
            driver.command(4, "client", Command::Heartbeat(request));
        }
    }
    let replies = driver.take_replies();
    assert!(replies.iter().all(|(_, r)| matches!(r, Response::Heartbeat(r) if r.error_code == 0)));
    assert_eq!(replies.len(), 10_000);
}

#[test]
fn many_commits() {
    let mut driver = Driver::new(1);
    let count = 20_000;
    for offset in 0..count {
        let request = OffsetCommitRequest {
            group_id: Str::from(format!("group{}", offset % 1_000)),
            topics: vec![offset_commit_request::OffsetCommitRequestTopic {
                name: Str::from_static("foo"),
                partitions: vec![offset_commit_request::OffsetCommitRequestPartition {
                    partition_index: (offset % 7) as i32,
                    committed_offset: offset,
                    ..Default::default()
                }],
                ..Default::default()
            }],
            ..Default::default()
        };
        driver.command(9, "client", Command::OffsetCommit(request));
    }
    assert_eq!(driver.take_replies().len(), count as usize);
    assert_eq!(driver.log.len(), count as usize);
}
