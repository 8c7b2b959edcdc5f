//! However a request is cut and however it arrives, its parts ask for what the whole asks for, and their answers are the
//! whole one's, byte for byte. What is malformed as a whole is malformed in parts.

use broker::Chunk;
use bytes::Bytes;
use protocol::messages::produce_request::{PartitionProduceData, ProduceRequest, TopicProduceData};
use protocol::messages::produce_response::{
    BatchIndexAndErrorMessage, LeaderIdAndEpoch, NodeEndpoint, PartitionProduceResponse, ProduceResponse,
    TopicProduceResponse,
};
use protocol::{ApiKey, Message, RequestHeader, ResponseHeader, Str, Writer};
use types::Uuid;

use super::{Frame, Joining, Part, Sizes};
use crate::frames::{FrameReader, Refused};

const CORRELATION_ID: i32 = 77;

/// Numbers that look random, the same in each run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 33) as usize % bound
    }
}

fn request(version: i16, numbers: &mut Numbers) -> ProduceRequest {
    let partition = |numbers: &mut Numbers, index| PartitionProduceData {
        index,
        records: match numbers.below(8) {
            0 => None,
            1 => Some(Bytes::new()),
            2 => Some(Bytes::from(vec![9; 130 + numbers.below(200)])),
            _ => Some(Bytes::from(vec![index as u8; numbers.below(20)])),
        },
    };
    let topic = |numbers: &mut Numbers, number: u8| TopicProduceData {
        name: if version <= 12 { Str::from(format!("topic-{number}")) } else { Str::default() },
        topic_id: if version >= 13 { Uuid([number + 1; 16]) } else { Uuid::default() },
        partition_data: (0..numbers.below(6) as i32).map(|index| partition(numbers, index)).collect(),
    };
    ProduceRequest {
        transactional_id: (numbers.below(4) == 0).then(|| Str::from("transaction".to_owned())),
        acks: -1,
        timeout_ms: 1500,
        topic_data: (0..numbers.below(5) as u8).map(|number| topic(numbers, number)).collect(),
    }
}

/// As it comes on a connection, its length first.
fn stream(version: i16, request: &ProduceRequest) -> Vec<u8> {
    let mut writer = Writer::frame();
    let header = RequestHeader {
        api_key: ApiKey::Produce as i16,
        api_version: version,
        correlation_id: CORRELATION_ID,
        client_id: Some(Str::from("client".to_owned())),
    };
    header.encode(&mut writer).unwrap();
    request.encode(&mut writer, version).unwrap();
    bytes_of(writer.finish_frame().unwrap())
}

fn bytes_of(chunks: Vec<Chunk>) -> Vec<u8> {
    let mut all = Vec::new();
    for chunk in chunks {
        let Chunk::Bytes(bytes) = chunk else { panic!("a file") };
        all.extend_from_slice(&bytes);
    }
    all
}

fn decode(frame: &Bytes) -> Result<(RequestHeader, ProduceRequest), protocol::DecodeError> {
    let (header, mut reader) = RequestHeader::from_frame(frame.clone())?;
    let version = header.api_version;
    Ok((header, ProduceRequest::decode(&mut reader, version)?))
}

fn cut(bytes: &[u8], piece: usize, part: usize) -> Result<Vec<Frame>, Refused> {
    let mut reader = FrameReader::of_requests(Sizes { frame_min: 0, part, margin: 0 });
    let mut frames = Vec::new();
    for piece in bytes.chunks(piece) {
        reader.push(piece, 1 << 20, &mut frames)?;
    }
    Ok(frames)
}

/// What the frames ask for together.
fn put_together(frames: &[Frame]) -> Result<(RequestHeader, ProduceRequest), protocol::DecodeError> {
    let mut whole: Option<(RequestHeader, ProduceRequest)> = None;
    for frame in frames {
        let (header, request) = decode(&frame.bytes)?;
        let Some(whole) = &mut whole else {
            whole = Some((header, request));
            continue;
        };
        assert_eq!(header, whole.0);
        let fields = |request: &ProduceRequest| ProduceRequest { topic_data: Vec::new(), ..request.clone() };
        assert_eq!(fields(&request), fields(&whole.1));
        let mut topics = request.topic_data.into_iter();
        if frame.part.unwrap().continues_topic {
            let (last, next) = (whole.1.topic_data.last_mut().unwrap(), topics.next().unwrap());
            assert_eq!((&next.name, next.topic_id), (&last.name, last.topic_id));
            last.partition_data.extend(next.partition_data);
        }
        whole.1.topic_data.extend(topics);
    }
    Ok(whole.expect("no frame"))
}

fn endpoint(node_id: i32) -> NodeEndpoint {
    NodeEndpoint { node_id, host: Str::from("host".to_owned()), port: 9092, rack: None }
}

fn answer_of_partition(version: i16, topic: &TopicProduceData, index: i32) -> PartitionProduceResponse {
    let mut answer = PartitionProduceResponse { index, base_offset: 7, ..Default::default() };
    if version >= 8 && index == 1 {
        answer.error_message = Some(Str::from("refused".to_owned()));
        answer.record_errors =
            vec![BatchIndexAndErrorMessage { batch_index: 3, batch_index_error_message: None }];
    }
    if version >= 10 && index >= 2 {
        answer.error_code = 6;
        let leader_id = 9 - index - topic.name.len() as i32 % 2;
        answer.current_leader = LeaderIdAndEpoch { leader_id, leader_epoch: 5 };
    }
    answer
}

/// What a broker might say to a request that is whole.
fn answer(frame: &Bytes) -> Vec<Chunk> {
    let (header, request) = decode(frame).unwrap();
    let version = header.api_version;
    let mut response = ProduceResponse::default();
    for topic in &request.topic_data {
        let partitions = topic.partition_data.iter();
        let answers = partitions.map(|partition| answer_of_partition(version, topic, partition.index));
        response.responses.push(TopicProduceResponse {
            name: topic.name.clone(),
            topic_id: topic.topic_id,
            partition_responses: answers.collect(),
        });
    }
    let answers = || response.responses.iter().flat_map(|topic| &topic.partition_responses);
    response.throttle_time_ms = answers().map(|answer| answer.index * 10).max().unwrap_or(0);
    let leaders: std::collections::BTreeSet<i32> =
        answers().map(|answer| answer.current_leader.leader_id).filter(|id| *id >= 0).collect();
    response.node_endpoints = leaders.into_iter().map(endpoint).collect();
    let mut writer = Writer::frame();
    ResponseHeader { correlation_id: header.correlation_id }.encode(&mut writer, ApiKey::Produce, version);
    response.encode(&mut writer, version).unwrap();
    writer.finish_frame().unwrap()
}

fn joined(frames: &[Frame]) -> Vec<u8> {
    let mut joining = Joining::default();
    let mut sent = Vec::new();
    for frame in frames {
        let answer = answer(&frame.bytes);
        let chunks = match frame.part {
            None => answer,
            Some(part) => joining.add(part, answer).unwrap(),
        };
        assert!(sent.is_empty(), "an answer before the last part");
        sent.extend(chunks);
    }
    bytes_of(sent)
}

fn check(bytes: &[u8], piece: usize, part: usize) -> usize {
    let whole = Bytes::copy_from_slice(&bytes[4..]);
    let frames = cut(bytes, piece, part).unwrap();
    assert_eq!(put_together(&frames), decode(&whole), "pieces of {piece}, parts of {part}: {frames:?}");
    let expected = bytes_of(answer(&whole));
    assert_eq!(joined(&frames), expected, "pieces of {piece}, parts of {part}: {frames:?}");
    frames.len()
}

#[test]
fn parts_of_every_size_ask_for_the_same_and_are_answered_the_same() {
    let mut numbers = Numbers(1);
    let mut parts_most = 0;
    for version in ProduceRequest::VERSIONS.min..=ProduceRequest::VERSIONS.max {
        for _ in 0..2 {
            let bytes = stream(version, &request(version, &mut numbers));
            for part in 1..bytes.len() {
                parts_most = parts_most.max(check(&bytes, 1, part));
            }
        }
    }
    assert!(parts_most > 10, "{parts_most}");
}

#[test]
fn however_it_arrives() {
    let mut numbers = Numbers(2);
    for _ in 0..2000 {
        let version = 3 + numbers.below(11) as i16;
        let bytes = stream(version, &request(version, &mut numbers));
        let (piece, part) = (1 + numbers.below(bytes.len()), 1 + numbers.below(bytes.len()));
        check(&bytes, piece, part);
    }
}

/// Tagged fields that nobody knows in every place, counts wider than they need be, bytes after the end.
#[test]
fn what_newer_clients_might_add_is_no_hindrance() {
    let tags = [1, 40, 3, 0xaa, 0xbb, 0xcc];
    let partition = |index: u8| [&[0, 0, 0, index, 4, 1, 2, 3][..], &tags].concat();
    let partitions = [&[0x84, 0x80, 0x00][..], &partition(0), &partition(1), &partition(2)].concat();
    let topic = |name: &[u8]| [&[0x82 + 0x01, 0x00][..], name, &partitions, &tags].concat();
    let fields = [0, 0, 0, 9, 0, 0, 0, CORRELATION_ID as u8, 0, 1, b'c'];
    let topics = [topic(b"ab"), topic(b"cd")].concat();
    let body = [&fields[..], &tags, &[0, 0xff, 0xff, 0, 0, 5, 220, 3], &topics, &tags, b"trailing"].concat();
    let bytes = [&(body.len() as u32).to_be_bytes()[..], &body].concat();
    let mut parts_most = 0;
    for piece in [1, 2, 7, 30, 100] {
        for part in 1..bytes.len() {
            parts_most = parts_most.max(check(&bytes, piece, part));
        }
    }
    assert_eq!(parts_most, 7, "a part for each partition and the end");
}

#[test]
fn what_is_malformed_as_a_whole_is_in_parts() {
    let mut numbers = Numbers(3);
    let mut refused = 0;
    for _ in 0..20_000 {
        let version = 3 + numbers.below(11) as i16;
        let mut bytes = stream(version, &request(version, &mut numbers));
        for _ in 0..=numbers.below(2) {
            let at = 4 + numbers.below(bytes.len() - 4);
            bytes[at] = [0, 1, 0x7f, 0x80, 0xff, numbers.below(256) as u8][numbers.below(6)];
        }
        if numbers.below(4) == 0 {
            let length = 4 + numbers.below(bytes.len() - 4);
            bytes.truncate(length);
            bytes[..4].copy_from_slice(&(length as u32 - 4).to_be_bytes());
        }
        let whole = decode(&Bytes::copy_from_slice(&bytes[4..]));
        let (piece, part) = (1 + numbers.below(40), 1 + numbers.below(100));
        let parts = cut(&bytes, piece, part);
        refused += u32::from(parts.is_err());
        match (&whole, &parts) {
            (Err(_), Err(Refused::Malformed(_))) => {}
            (Err(_), Ok(frames)) => assert!(put_together(frames).is_err(), "{bytes:?}"),
            (Ok(_), Ok(frames)) => assert_eq!(put_together(frames), whole, "{bytes:?}"),
            _ => panic!("{whole:?} but {parts:?}"),
        }
    }
    assert!(refused > 2000, "{refused}");
}

/// Strings longer than Kafka takes, and sections of more tagged fields than there can be: neither is read again and again.
#[test]
fn what_would_be_repeated_or_read_again_is_bounded() {
    let fields = |topics: &[u8]| {
        let header = [0, 0, 0, 9, 0, 0, 0, 1, 0xff, 0xff, 0];
        let body = [&header[..], &[0, 0, 1, 0, 0, 0, 9], topics].concat();
        [&(body.len() as u32 + 100_000).to_be_bytes()[..], &body].concat()
    };
    let long = [&[2, 0x81, 0x80, 0x02][..], &[b'n'; 40_000]].concat();
    let tagged = [&[2, 2, b'n', 2, 0, 0, 0, 0, 1, 0x81, 0x01][..], &[0; 400]].concat();
    for topics in [long, tagged] {
        assert!(decode(&Bytes::from([&fields(&topics)[4..], &[0; 100_000]].concat())).is_ok());
        assert!(matches!(cut(&fields(&topics), 100, 1 << 20), Err(Refused::Malformed(_))));
    }
}

#[test]
fn nothing_is_set_aside_for_what_is_only_announced() {
    let data = PartitionProduceData { index: 0, records: Some(Bytes::from(vec![1; 100])) };
    let topic = TopicProduceData { partition_data: vec![data], ..Default::default() };
    let mut bytes = stream(3, &ProduceRequest { topic_data: vec![topic], ..Default::default() });
    let records = bytes.len() - 104;
    bytes[..4].copy_from_slice(&(100u32 << 20).to_be_bytes());
    bytes[records..records + 4].copy_from_slice(&(90u32 << 20).to_be_bytes());
    let mut reader = FrameReader::of_requests(Sizes::USUAL);
    reader.push(&bytes, 100 << 20, &mut Vec::new()).unwrap();
    assert!(reader.held() <= 9 << 20, "{}", reader.held());
}

#[test]
fn only_large_produce_requests_are_cut() {
    let partition = |index| PartitionProduceData { index, records: Some(Bytes::from(vec![1; 200])) };
    let topic = TopicProduceData { partition_data: (0..4).map(partition).collect(), ..Default::default() };
    let request = ProduceRequest { topic_data: vec![topic], ..Default::default() };
    for (api_key, version, frame_min, expected) in
        [(0u8, 3u8, 0, 4), (0, 3, 5000, 1), (1, 3, 0, 1), (0, 2, 0, 1), (0, 14, 0, 1)]
    {
        let mut bytes = stream(3, &request);
        (bytes[5], bytes[7]) = (api_key, version);
        let mut reader = FrameReader::of_requests(Sizes { frame_min, part: 100, margin: 0 });
        let mut frames = Vec::new();
        bytes.chunks(50).for_each(|piece| reader.push(piece, 1 << 20, &mut frames).unwrap());
        assert_eq!(frames.len(), expected, "{api_key} {version} {frame_min}");
        assert_eq!(frames[0].part.is_some(), expected > 1);
    }
}

#[test]
fn silence_to_all_parts_is_silence() {
    let mut joining = Joining::default();
    for is_last in [false, false, true] {
        let part = Part { api_version: 9, continues_topic: false, is_last };
        assert_eq!(joining.add(part, Vec::new()).unwrap().len(), 0);
    }
    let part = Part { api_version: 9, continues_topic: false, is_last: true };
    assert!(joining.add(part, vec![Chunk::Bytes(Bytes::from_static(b"nonsense"))]).is_err());
}
