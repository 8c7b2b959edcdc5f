//! The answers of a request's parts become the one that the whole request would have had.

use broker::Chunk;
use bytes::{Bytes, BytesMut};
use protocol::messages::produce_response::{NodeEndpoint, ProduceResponse};
use protocol::{ApiKey, Message, Reader, ResponseHeader, Writer};

use super::Part;

/// What the parts so far were answered; nothing while no request is in parts, or where nobody wants answers.
#[derive(Debug, Default)]
pub struct Joining(Option<Box<(ResponseHeader, ProduceResponse)>>);

/// An answer is none to Produce, or the whole one is larger than a frame can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the answers to the parts of a request do not fit together")]
pub struct Unjoinable;

impl Joining {
    /// Takes one part's answer, as it would have been sent; gives the whole one after the last.
    pub fn add(&mut self, part: Part, answer: Vec<Chunk>) -> Result<Vec<Chunk>, Unjoinable> {
        if !answer.is_empty() {
            let (header, answer) = read(part.api_version, answer)?;
            match &mut self.0 {
                None => self.0 = Some(Box::new((header, answer))),
                Some(whole) => append(&mut whole.1, answer, part.continues_topic),
            }
        }
        if !part.is_last {
            return Ok(Vec::new());
        }
        self.0.take().map_or(Ok(Vec::new()), |whole| write(part.api_version, &whole.0, &whole.1))
    }
}

fn append(whole: &mut ProduceResponse, part: ProduceResponse, continues_topic: bool) {
    let mut topics = part.responses.into_iter();
    if continues_topic && let Some(last) = whole.responses.last_mut() {
        last.partition_responses
            .extend(topics.next().into_iter().flat_map(|topic| topic.partition_responses));
    }
    whole.responses.extend(topics);
    whole.throttle_time_ms = whole.throttle_time_ms.max(part.throttle_time_ms);
    part.node_endpoints.into_iter().for_each(|endpoint| add_endpoint(&mut whole.node_endpoints, endpoint));
}

/// In the order of their ids, as the broker names them; the later one holds where a node has moved meanwhile.
fn add_endpoint(endpoints: &mut Vec<NodeEndpoint>, endpoint: NodeEndpoint) {
    match endpoints.binary_search_by_key(&endpoint.node_id, |known| known.node_id) {
        Ok(at) => endpoints[at] = endpoint,
        Err(at) => endpoints.insert(at, endpoint),
    }
}

fn read(api_version: i16, answer: Vec<Chunk>) -> Result<(ResponseHeader, ProduceResponse), Unjoinable> {
    let mut reader = Reader::new(one_piece(answer)?);
    // its size
    reader.i32();
    let header = ResponseHeader::decode(&mut reader, ApiKey::Produce, api_version).map_err(|_| Unjoinable)?;
    let response = ProduceResponse::decode(&mut reader, api_version).map_err(|_| Unjoinable)?;
    Ok((header, response))
}

fn one_piece(chunks: Vec<Chunk>) -> Result<Bytes, Unjoinable> {
    if let [Chunk::Bytes(bytes)] = &chunks[..] {
        return Ok(bytes.clone());
    }
    let mut all = BytesMut::new();
    for chunk in chunks {
        let Chunk::Bytes(bytes) = chunk else { return Err(Unjoinable) };
        all.extend_from_slice(&bytes);
    }
    Ok(all.freeze())
}

fn write(
    api_version: i16,
    header: &ResponseHeader,
    response: &ProduceResponse,
) -> Result<Vec<Chunk>, Unjoinable> {
    let mut writer = Writer::frame();
    header.encode(&mut writer, ApiKey::Produce, api_version);
    response.encode(&mut writer, api_version).map_err(|_| Unjoinable)?;
    writer.finish_frame().map_err(|_| Unjoinable)
}
