//! What one small request costs the core, files in memory included: `cargo run --release -p broker
//! --example cost`. Prints, judges nothing.

#[path = "../tests/support/mod.rs"]
mod support;

use std::time::Instant;

use broker::event::{Effect, Event};
use bytes::Bytes;
use protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use protocol::messages::*;
use protocol::{Request, RequestHeader, Writer};
use support::{Node, batch};

const REQUESTS: u32 = 200_000;

fn frame(version: i16, request: impl Into<Request>) -> Bytes {
    let request = request.into();
    let header = RequestHeader {
        api_key: request.api_key().code(),
        api_version: version,
        correlation_id: 1,
        client_id: Some("cost".into()),
    };
    let mut writer = Writer::new();
    header.encode(&mut writer).unwrap();
    request.encode(version, &mut writer).unwrap();
    writer.into_bytes().unwrap()
}

#[allow(clippy::disallowed_methods, reason = "measures")]
fn main() {
    let mut node = Node::new(1);
    let id = node.create_topic("topic", 6, &[]);
    let connection = node.connect(0);
    let value = "x".repeat(100);
    let partition_data = vec![PartitionProduceData { index: 0, records: Some(batch(&[&value])) }];
    let topic_data = vec![TopicProduceData { name: "topic".into(), topic_id: id, partition_data }];
    let produce = |acks| ProduceRequest {
        acks,
        timeout_ms: 1000,
        topic_data: topic_data.clone(),
        ..Default::default()
    };
    let fetch = |fetch_offset| FetchRequest {
        session_epoch: -1,
        max_bytes: 1 << 20,
        min_bytes: 1,
        topics: vec![FetchTopic {
            topic: "topic".into(),
            topic_id: id,
            partitions: vec![FetchPartition {
                fetch_offset,
                partition_max_bytes: 1 << 20,
                ..Default::default()
            }],
        }],
        ..Default::default()
    };
    for (name, frame) in [
        ("produce v9 acks=1", frame(9, produce(1))),
        ("produce v13 acks=all", frame(13, produce(-1))),
        ("fetch v17 of records", frame(17, fetch(0))),
        ("fetch v17 of nothing", frame(17, fetch(2 * i64::from(REQUESTS)))),
        ("heartbeat of nobody", frame(4, HeartbeatRequest { group_id: "g".into(), ..Default::default() })),
    ] {
        let mut effects = Vec::new();
        let start = Instant::now();
        for _ in 0..REQUESTS {
            node.shards[0].step(node.now, Event::Frame { connection, bytes: frame.clone() }, &mut effects);
            node.shards[0].end_of_turn(node.now, &mut effects);
            let replies = effects.iter().filter(|effect| matches!(effect, Effect::Reply { .. })).count();
            assert_eq!(replies, 1, "{name}");
            effects.clear();
        }
        println!("{name}: {:?} a request", start.elapsed() / REQUESTS);
    }
}
