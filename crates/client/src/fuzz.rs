//! What brokers and other members send, damaged: answers as a connection reads them, fetched records, subscriptions
//! and assignments. An error or something to work with, in bounded memory.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use protocol::messages::*;
use protocol::{Message, Str};
use records::{BatchBuilder, BatchOptions, Codec, Compression, RecordHeader, crc32c};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use types::TopicPartition;

use crate::consumer::fuzzed::{Assignor, Claim, Fetched, Member, assigned, assignment, claim, subscription};
use crate::fuzzing::{each_seed, mutate, peak_of, pick, random_bytes};
use crate::{ClientConfig, Connection};

fn batch(codec: Codec) -> Vec<u8> {
    let options = BatchOptions { compression: Compression::new(codec), ..Default::default() };
    let mut builder = BatchBuilder::new(options);
    for value in 0..20u8 {
        let header = RecordHeader { key: b"h", value: Some(b"x") };
        builder.append(1, Some(b"key"), Some(&[value; 50]), &[header]).unwrap();
    }
    builder.build_vec().unwrap()
}

/// Damage behind a checksum that is right.
fn damaged_batch(codec: Codec, random: &mut platform::Random) -> Vec<u8> {
    let good = batch(codec);
    if random.one_in(3) {
        return mutate(&good, random);
    }
    let mut bytes = if random.one_in(2) {
        [&good[..61], &mutate(&good[61..], random)].concat()
    } else {
        [&good[..21], &mutate(&good[21..61], random)[..], &good[61..]].concat()
    };
    if bytes.len() >= 61 {
        let length = bytes.len() as i32 - 12;
        bytes[8..12].copy_from_slice(&length.to_be_bytes());
        let crc = crc32c(&bytes[21..]);
        bytes[17..21].copy_from_slice(&crc.to_be_bytes());
    }
    bytes
}

#[test]
fn damaged_fetched_records() {
    each_seed(100, |random| {
        let bytes: Bytes =
            [damaged_batch(*pick(&Codec::ALL, random), random), damaged_batch(Codec::None, random)]
                .concat()
                .into();
        let aborted = random.one_in(2).then(|| {
            vec![fetch_response::AbortedTransaction {
                producer_id: random.next_u64() as i64 % 3,
                first_offset: 0,
            }]
        });
        let position = *pick(&[0, 5, -1, i64::MAX], random);
        let ((), peak) = peak_of(|| {
            let partition = TopicPartition { topic: "t".into(), partition: 0 };
            let mut fetched = Fetched::new(partition, position, bytes.clone(), aborted, !random.one_in(4));
            let mut at = position;
            while let Ok(Some((_, next))) = fetched.next(at) {
                assert!(next >= at);
                at = next;
            }
        });
        assert!(peak <= 200 * bytes.len() + (2 << 20), "{peak} bytes for {}", bytes.len());
    });
}

/// One record of a megabyte whose batch claims two billion.
#[test]
fn the_count_of_a_batch_makes_no_room() {
    let mut builder = BatchBuilder::new(BatchOptions::default());
    builder.append(1, None, Some(&vec![0; 1 << 20]), &[]).unwrap();
    let mut bytes = builder.build_vec().unwrap();
    bytes[57..61].copy_from_slice(&i32::MAX.to_be_bytes());
    let crc = crc32c(&bytes[21..]);
    bytes[17..21].copy_from_slice(&crc.to_be_bytes());
    let partition = TopicPartition { topic: "t".into(), partition: 0 };
    let mut fetched = Fetched::new(partition, 0, bytes.into(), None, true);
    let (_, peak) = peak_of(|| fetched.next(0).is_ok());
    assert!(peak <= 4 << 20, "{peak} bytes");
}

#[test]
fn damaged_group_protocol() {
    let topics: Vec<String> = ["a", "b", "topic"].map(str::to_owned).into();
    let partitions = [0, 1, 5].map(|partition| TopicPartition { topic: "topic".into(), partition });
    let said = Claim { topics, owned: partitions.to_vec(), generation: 3 };
    each_seed(300, |random| {
        let good = if random.one_in(2) {
            subscription(&said, "rack", random.one_in(2))
        } else {
            assignment(&partitions)
        };
        let bytes = match random.below(4) {
            0 => random_bytes(100, random),
            _ => mutate(&good.unwrap(), random),
        };
        let size = bytes.len();
        let ((), peak) = peak_of(|| {
            let _ = assigned(bytes.clone().into());
            let Ok(Claim { topics, owned, generation }) = claim(bytes.into()) else { return };
            let counts: BTreeMap<String, i32> = topics.iter().map(|topic| (topic.clone(), 7)).collect();
            let members = ["m", "n", "m"].map(|id| Member {
                id: Str::from(id),
                instance_id: None,
                topics: topics.clone(),
                owned: owned.clone(),
                generation,
            });
            for assignor in [Assignor::Range, Assignor::RoundRobin, Assignor::CooperativeSticky] {
                let _ = assignor.assign(members.to_vec(), &counts);
            }
        });
        assert!(peak <= 1000 * size + (1 << 20), "{peak} bytes for {size}");
    });
}

/// The bytes that a broker sends for one request.
fn answer(body: &[u8]) -> Vec<u8> {
    [&(body.len() as u32 + 4).to_be_bytes()[..], &3i32.to_be_bytes(), body].concat()
}

/// Answers every frame with the next of `answers`, then hangs up.
async fn broker(listener: TcpListener, answers: Vec<Vec<u8>>) {
    let Ok((mut socket, _)) = listener.accept().await else { return };
    for answer in answers {
        let Ok(size) = socket.read_u32().await else { return };
        let mut frame = vec![0; size as usize];
        if socket.read_exact(&mut frame).await.is_err() || socket.write_all(&answer).await.is_err() {
            return;
        }
    }
}

#[test]
fn damaged_answers() {
    let versions = ApiVersionsResponse {
        api_keys: [(3, 12), (18, 4)]
            .map(|(api_key, max_version)| api_versions_response::ApiVersion {
                api_key,
                min_version: 0,
                max_version,
            })
            .into(),
        ..Default::default()
    };
    let versions = answer(&versions.to_bytes(4).unwrap());
    let topic = metadata_response::MetadataResponseTopic {
        name: Some("t".into()),
        partitions: vec![metadata_response::MetadataResponsePartition::default(); 3],
        ..Default::default()
    };
    let metadata = MetadataResponse { topics: vec![topic], ..Default::default() };
    let metadata = answer(&[&[0], &metadata.to_bytes(12).unwrap()[..]].concat());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    each_seed(30, |random| {
        let damaged = |good: &[u8], random: &mut platform::Random| match random.below(3) {
            0 => mutate(good, random),
            _ => answer(&mutate(&good[8..], random)),
        };
        let first = if random.one_in(3) { damaged(&versions, random) } else { versions.clone() };
        let answers = vec![first, damaged(&metadata, random)];
        let work = async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap().to_string();
            tokio::spawn(broker(listener, answers));
            let config = ClientConfig { request_timeout: Duration::from_millis(50), ..Default::default() };
            let Ok(connection) = Connection::open(&address, &config).await else { return };
            let _ = connection.call(&MetadataRequest::default()).await;
        };
        let ((), peak) = peak_of(|| runtime.block_on(work));
        assert!(peak <= 8 << 20, "{peak} bytes");
    });
}
