//! Cuts a Produce request that is arriving between two partitions. The buffer that it arrives in begins as a request
//! does: header, fields, topics. A cut patches the counts of topics and partitions there (in the width that they have),
//! ends topic and request, and begins the next buffer with header, fields and the topic that goes on.

use bytes::BytesMut;
use protocol::messages::produce_request::ProduceRequest;
use protocol::{ApiKey, Message};

use super::cursor::{Cursor, Stop};
use super::{Frame, Part};

/// What stands before the topics is longer than this only where somebody plays: such a request is taken whole.
const PREFIX_MAX: usize = 128 << 10;
/// From this version topics have ids instead of names.
const TOPIC_IDS_FROM: i16 = 13;

/// How large requests and their parts are.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    /// A frame of more than this may be cut.
    pub frame_min: usize,
    /// What is set aside for a part: as much as a processor's own cache holds beside other things.
    pub part: usize,
    /// A part is full when less than this is left of it.
    pub margin: usize,
}

impl Sizes {
    pub const USUAL: Sizes = Sizes { frame_min: 4 << 20, part: 1 << 20, margin: 64 << 10 };
}

/// The request cannot be read on. Parts that were handed in stay what they are: requests that were carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a produce request that arrived in parts cannot be read")]
pub struct Malformed;

/// Of the beginning of a frame.
#[derive(Debug)]
pub enum Verdict {
    /// Too little has arrived.
    Open,
    /// It is taken whole: another API, a version that is not known, or nonsense, which is judged when it is whole.
    Whole,
    Cut(Box<Cutter>),
}

/// How far the request has been read, and where in the buffer things stand.
#[derive(Clone, Copy, Debug, Default)]
struct Place {
    at: usize,
    /// Topics that have not begun.
    topics_left: usize,
    /// In the midst of a topic: partitions that have not begun, and of it those in this buffer.
    in_topic: bool,
    partitions_left: usize,
    partitions: usize,
    /// Topics in this buffer.
    topics: usize,
    /// The last topic in this buffer: where it begins, its name or id ends, and its count ends.
    topic_at: usize,
    count_at: usize,
    count_end: usize,
    /// Nothing of the request is left.
    ended: bool,
}

/// See the head of the file.
#[derive(Debug)]
pub struct Cutter {
    sizes: Sizes,
    api_version: i16,
    flexible: bool,
    /// What each part begins with, the count of topics last.
    prefix: Box<[u8]>,
    topics_at: usize,
    place: Place,
    /// The last place where it may be cut.
    boundary: Option<Place>,
    /// What is being read ends here at the earliest.
    needed: usize,
    /// The part that arrives begins with a topic that began before it.
    continues_topic: bool,
}

impl Cutter {
    /// `end`: the length of the whole frame.
    pub fn begin(arrived: &[u8], end: usize, sizes: Sizes) -> Verdict {
        match Cutter::read_prefix(arrived, end, sizes) {
            Ok(Some(cutter)) => Verdict::Cut(Box::new(cutter)),
            Err(Stop::Short(_)) if arrived.len() < PREFIX_MAX => Verdict::Open,
            _ => Verdict::Whole,
        }
    }

    fn read_prefix(arrived: &[u8], end: usize, sizes: Sizes) -> Result<Option<Cutter>, Stop> {
        let mut cursor = Cursor::new(arrived, 0, end, false);
        if cursor.i16()? != ApiKey::Produce as i16 {
            return Ok(None);
        }
        let api_version = cursor.i16()?;
        if !ProduceRequest::VERSIONS.contains(api_version) {
            return Ok(None);
        }
        // the correlation id; the client id has the old form in all versions
        cursor.skip(4)?;
        cursor.nullable_string()?;
        let flexible = ProduceRequest::is_flexible(api_version);
        cursor.flexible = flexible;
        cursor.tags()?;
        // the transactional id, acks and the time-out
        cursor.nullable_string()?;
        cursor.skip(2 + 4)?;
        let topics_at = cursor.at;
        let topics_left = cursor.count()?;
        let at = cursor.at;
        let Some(prefix) = arrived.get(..at).filter(|prefix| prefix.len() <= PREFIX_MAX) else {
            return Ok(None);
        };
        Ok(Some(Cutter {
            sizes,
            api_version,
            flexible,
            prefix: Box::from(prefix),
            topics_at,
            place: Place { at, topics_left, ..Place::default() },
            boundary: None,
            needed: 0,
            continues_topic: false,
        }))
    }

    /// Reads what has arrived; `end` is where the frame will end in this buffer. True where the buffer is full and can
    /// be cut.
    pub fn scan(&mut self, buffer: &mut BytesMut, end: usize) -> Result<bool, Malformed> {
        while !self.place.ended {
            match self.next(buffer, end) {
                Ok(next) => self.place = next,
                Err(Stop::Short(needed)) => {
                    self.needed = needed;
                    break;
                }
                Err(Stop::Malformed) => return Err(Malformed),
            }
            if self.place.is_boundary() {
                self.boundary = Some(self.place);
            }
        }
        let full = buffer.len().saturating_add(self.sizes.margin) >= self.sizes.part;
        let enough = self.boundary.is_some_and(|boundary| boundary.at >= self.sizes.part / 2);
        Ok(full && enough && !self.place.ended)
    }

    /// Reads one topic's beginning, one partition, or what stands after the last of them.
    fn next(&self, buffer: &mut BytesMut, end: usize) -> Result<Place, Stop> {
        let mut place = self.place;
        let mut cursor = Cursor::new(buffer, place.at, end, self.flexible);
        if place.in_topic && place.partitions_left > 0 {
            cursor.skip(4)?;
            cursor.nullable_bytes()?;
            cursor.tags()?;
            place.partitions_left -= 1;
            place.partitions += 1;
            place.at = cursor.at;
        } else if place.in_topic {
            cursor.tags()?;
            place.in_topic = false;
            place.at = cursor.at;
            self.put_count(buffer, place.count_at, place.count_end, place.partitions);
        } else if place.topics_left > 0 {
            place.topic_at = place.at;
            if self.api_version >= TOPIC_IDS_FROM {
                cursor.skip(16)?
            } else {
                cursor.string()?
            }
            place.count_at = cursor.at;
            place.partitions_left = cursor.count()?;
            place.count_end = cursor.at;
            place.topics_left -= 1;
            place.topics += 1;
            (place.in_topic, place.partitions) = (true, 0);
            place.at = cursor.at;
        } else {
            cursor.tags()?;
            place.ended = true;
            place.at = cursor.at;
        }
        Ok(place)
    }

    /// Takes the part up to the last place where it may be cut; `buffer` is the next part's from here on.
    pub fn cut(&mut self, buffer: &mut BytesMut, missing: usize) -> Option<Frame> {
        let boundary = self.boundary.take()?;
        let topic = boundary.in_topic.then_some(boundary.topic_at..boundary.count_end);
        let topic = topic.and_then(|range| buffer.get(range)).unwrap_or_default();
        let rest = buffer.get(boundary.at..).unwrap_or_default();
        let begun = self.prefix.len() + topic.len();
        let wanted = self.needed.saturating_sub(boundary.at) + begun;
        let room = self.sizes.part.max(wanted.min(2 * self.sizes.part) + self.sizes.margin);
        let mut next = BytesMut::with_capacity(room.min(begun + rest.len() + missing));
        next.extend_from_slice(&self.prefix);
        next.extend_from_slice(topic);
        next.extend_from_slice(rest);
        let mut part = std::mem::replace(buffer, next);
        part.truncate(boundary.at);
        self.end_part(&mut part, &boundary);
        let frame = self.frame(part, false);
        self.continue_after(boundary, begun);
        Some(frame)
    }

    /// Counts, and the empty sections of tagged fields that stood behind what was cut off.
    fn end_part(&self, part: &mut BytesMut, boundary: &Place) {
        self.put_count(part, self.topics_at, self.prefix.len(), boundary.topics);
        if boundary.in_topic {
            self.put_count(part, boundary.count_at, boundary.count_end, boundary.partitions);
        }
        if self.flexible {
            part.extend_from_slice(if boundary.in_topic { &[0, 0] } else { &[0] });
        }
    }

    fn continue_after(&mut self, boundary: Place, begun: usize) {
        self.continues_topic = boundary.in_topic;
        self.needed = 0;
        let topic_at = self.prefix.len();
        self.place = Place {
            at: begun,
            topics: usize::from(boundary.in_topic),
            partitions: 0,
            topic_at,
            count_at: topic_at + boundary.count_at.saturating_sub(boundary.topic_at),
            count_end: topic_at + boundary.count_end.saturating_sub(boundary.topic_at),
            ..boundary
        };
    }

    /// The rest of the request, when all of it has arrived and was read.
    pub fn last(&self, mut part: BytesMut) -> Frame {
        self.put_count(&mut part, self.topics_at, self.prefix.len(), self.place.topics);
        self.frame(part, true)
    }

    fn frame(&self, part: BytesMut, is_last: bool) -> Frame {
        let Cutter { api_version, continues_topic, .. } = *self;
        Frame { bytes: part.freeze(), part: Some(Part { api_version, continues_topic, is_last }) }
    }

    /// What is to be set aside beyond `arrived` bytes for what is being read.
    pub fn wanted(&self, arrived: usize) -> usize {
        self.needed.saturating_sub(arrived).saturating_add(self.sizes.margin)
    }

    /// Writes a count over one that is not smaller, in as many bytes: a varint may end in zeros.
    fn put_count(&self, buffer: &mut BytesMut, from: usize, to: usize, count: usize) {
        let Some(slot) = buffer.get_mut(from..to) else { return };
        if !self.flexible {
            let count = u32::try_from(count).unwrap_or(0).to_be_bytes();
            slot.iter_mut().zip(count).for_each(|(to, from)| *to = from);
            return;
        }
        let mut left = count + 1;
        if let Some((last, others)) = slot.split_last_mut() {
            for byte in others {
                *byte = (left & 0x7f) as u8 | 0x80;
                left >>= 7;
            }
            *last = (left & 0x7f) as u8;
        }
    }
}

impl Place {
    /// Between two partitions, or behind a topic.
    fn is_boundary(&self) -> bool {
        if self.in_topic {
            self.partitions > 0 && self.partitions_left > 0
        } else {
            self.topics > 0 && !self.ended
        }
    }
}
