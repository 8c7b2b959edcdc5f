//! From a response to bytes on their way.

use bytes::{BufMut, Bytes, BytesMut};
use protocol::{Chunk, EncodeError, Response, ResponseHeader, Writer};

use super::{Call, Origin, Shard, Turn};
use crate::event::Level;

/// What a handler has to say to the connection. On the stack only, and not for long.
#[allow(clippy::large_enum_variant, reason = "a box would cost an allocation for each request")]
pub(crate) enum Answer {
    Response(Response),
    /// acks=0.
    Silence,
    Close,
    /// The work goes on; it will be answered by `Shard::answer`.
    Later,
}

impl From<Response> for Answer {
    fn from(response: Response) -> Answer {
        Answer::Response(response)
    }
}

impl Shard {
    /// Settles a call. The bytes leave when those before it have left.
    pub(crate) fn answer(&mut self, turn: &mut Turn, call: Call, answer: Answer) {
        if let Answer::Response(response) = &answer {
            self.count_error(&call, response);
        }
        let Some(connection) = self.connections.get_mut(&call.connection) else { return };
        match answer {
            Answer::Later => return,
            Answer::Silence => connection.silence(call.sequence),
            Answer::Close => connection.close(call.sequence),
            Answer::Response(response) => match encode(&call, &response) {
                Ok(chunks) => connection.reply(call.sequence, chunks),
                Err(error) => {
                    connection.close(call.sequence);
                    let text = format!("response of {:?} v{}: {error}", call.api_key, call.api_version);
                    turn.log(Level::Error, text);
                }
            },
        }
        self.ready.push(call.connection);
    }

    /// Hands a response to whoever wants it. `There` gets it as a message.
    pub(crate) fn answer_origin(&mut self, turn: &mut Turn, origin: Origin, response: Response) {
        use crate::message::{Message, PartReply};
        let reply = |response| PartReply::Response(Box::new(response));
        match origin {
            Origin::Gather(id) => self.on_part_reply(turn, id, reply(response)),
            Origin::There(shard, id) => turn.send(shard, Message::PartReply { id, reply: reply(response) }),
        }
    }
}

/// The whole frame, its size first.
pub(crate) fn encode(call: &Call, response: &Response) -> Result<Vec<Chunk>, EncodeError> {
    let mut writer = Writer::with_capacity(256);
    writer.i32(0);
    ResponseHeader { correlation_id: call.correlation_id }.encode(
        &mut writer,
        call.api_key,
        call.api_version,
    );
    response.encode(call.api_version, &mut writer)?;
    let size =
        u32::try_from(writer.size().saturating_sub(4)).map_err(|_| EncodeError::TooLong(usize::MAX))?;
    let mut chunks = writer.finish();
    if let Some(Chunk::Bytes(first)) = chunks.first_mut() {
        *first = with_size(std::mem::take(first), size);
    }
    Ok(chunks)
}

/// Writes the size over the first four bytes. Nobody shares them yet, so nothing is copied.
fn with_size(bytes: Bytes, size: u32) -> Bytes {
    let mut bytes = bytes.try_into_mut().unwrap_or_else(|shared| BytesMut::from(&shared[..]));
    if let Some(mut head) = bytes.get_mut(..4) {
        head.put_u32(size);
    }
    bytes.freeze()
}
