//! Every frame is answered once, in the order of the frames, or its connection is closed.

use broker::Chunk;

use crate::network::Link;

/// The node writes an answer. None: all is well and the answer belongs to the oldest frame.
pub fn check(link: &mut Link, connection: u64, chunks: &[Chunk]) -> Option<String> {
    let Some(oldest) = link.unanswered.pop_front() else {
        return Some(format!("connection {connection} gets an answer and has asked nothing"));
    };
    link.arrived = link.arrived.saturating_sub(1);
    let Some(Chunk::Bytes(head)) = chunks.first() else {
        return Some(format!("an answer on connection {connection} begins with no bytes"));
    };
    let correlation = head.get(4..8).and_then(|bytes| bytes.try_into().ok()).map(i32::from_be_bytes);
    if correlation != Some(oldest.correlation) {
        return Some(format!(
            "connection {connection}: answer {correlation:?} where {} ({:?}) is due",
            oldest.correlation, oldest.api_key
        ));
    }
    let size = head.get(..4).and_then(|bytes| bytes.try_into().ok()).map(u32::from_be_bytes);
    let bytes: u64 = chunks.iter().map(Chunk::size).sum();
    if size.map(u64::from) != Some(bytes.saturating_sub(4)) {
        return Some(format!("connection {connection}: {bytes} bytes in a frame of {size:?}"));
    }
    if oldest.is_silent {
        return Some(format!("connection {connection}: an answer to acks=0"));
    }
    None
}

/// The node says that the oldest frame wants no answer.
pub fn check_silence(link: &mut Link, connection: u64) -> Option<String> {
    link.arrived = link.arrived.saturating_sub(1);
    match link.unanswered.pop_front() {
        Some(oldest) if oldest.is_silent => None,
        other => Some(format!("connection {connection}: silence for {other:?}")),
    }
}
