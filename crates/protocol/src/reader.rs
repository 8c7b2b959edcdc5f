//! Reads Kafka's primitives from one frame. The first error sticks: every later read gives zero or nothing, so that
//! generated code is straight, and `Message::decode` reports it. No count or length is believed beyond the bytes left.

use bytes::Bytes;
use types::Uuid;

use crate::{DecodeError, Part, Records, Str};

/// Memory that arrays may take for each byte of the frame, and beyond that for any frame. An empty string is one byte
/// on the wire and 32 in memory; whole messages with data in them stay below 6.
const MEMORY_PER_BYTE: usize = 8;
const MEMORY_MIN: usize = 4 << 20;

/// A position in a frame. `flexible` says which form strings, arrays and tags have.
#[derive(Debug)]
pub struct Reader {
    frame: Bytes,
    at: usize,
    /// End of what may be read now: that of the frame, or of the tagged field that is being read.
    end: usize,
    flexible: bool,
    /// What arrays may still take, in bytes.
    memory: usize,
    error: Option<DecodeError>,
}

impl Reader {
    pub fn new(frame: Bytes) -> Reader {
        let end = frame.len();
        let memory = end.saturating_mul(MEMORY_PER_BYTE).saturating_add(MEMORY_MIN);
        Reader { frame, at: 0, end, flexible: false, memory, error: None }
    }

    pub fn remaining(&self) -> usize {
        self.end - self.at
    }

    pub fn position(&self) -> usize {
        self.at
    }

    /// The bytes not read yet, as a slice of the frame.
    pub fn rest(&self) -> Bytes {
        self.frame.slice(self.at..self.end)
    }

    pub fn is_flexible(&self) -> bool {
        self.flexible
    }

    pub fn set_flexible(&mut self, flexible: bool) {
        self.flexible = flexible;
    }

    /// The first error since the beginning.
    pub fn check(&self) -> Result<(), DecodeError> {
        self.error.map_or(Ok(()), Err)
    }

    /// Notes the error and leaves nothing to read.
    #[cold]
    pub fn fail(&mut self, error: DecodeError) {
        self.error.get_or_insert(error);
        self.at = self.end;
    }

    pub fn failed(&self) -> bool {
        self.error.is_some()
    }

    #[inline]
    fn fixed<const N: usize>(&mut self) -> [u8; N] {
        match self.frame.get(self.at..self.end).and_then(|left| left.first_chunk::<N>()) {
            Some(chunk) => {
                let chunk = *chunk;
                self.at += N;
                chunk
            }
            None => {
                self.fail(DecodeError::Truncated);
                [0; N]
            }
        }
    }

    /// The next `size` bytes, shared with the frame.
    #[inline]
    fn take(&mut self, size: usize) -> Bytes {
        if size == 0 {
            return Bytes::new();
        }
        if size > self.remaining() {
            self.fail(DecodeError::Truncated);
            return Bytes::new();
        }
        let from = self.at;
        self.at += size;
        self.frame.slice(from..self.at)
    }

    pub fn bool(&mut self) -> bool {
        self.fixed::<1>() != [0]
    }

    pub fn i8(&mut self) -> i8 {
        i8::from_be_bytes(self.fixed())
    }

    pub fn i16(&mut self) -> i16 {
        i16::from_be_bytes(self.fixed())
    }

    pub fn u16(&mut self) -> u16 {
        u16::from_be_bytes(self.fixed())
    }

    pub fn i32(&mut self) -> i32 {
        i32::from_be_bytes(self.fixed())
    }

    pub fn u32(&mut self) -> u32 {
        u32::from_be_bytes(self.fixed())
    }

    pub fn i64(&mut self) -> i64 {
        i64::from_be_bytes(self.fixed())
    }

    pub fn f64(&mut self) -> f64 {
        f64::from_be_bytes(self.fixed())
    }

    pub fn uuid(&mut self) -> Uuid {
        Uuid(self.fixed())
    }

    /// Unsigned, seven bits a byte, lowest first; at most five bytes and 32 bits.
    pub fn uvarint(&mut self) -> u32 {
        let mut value: u32 = 0;
        for shift in [0, 7, 14, 21, 28] {
            let [byte] = self.fixed::<1>();
            if shift == 28 && byte > 0x0f {
                break;
            }
            value |= u32::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return value;
            }
        }
        self.fail(DecodeError::InvalidVarint);
        0
    }

    /// A length or a count in this message's form; None for null. Never more than the bytes left.
    #[inline]
    fn length(&mut self, short: bool) -> Option<usize> {
        let length = match (self.flexible, short) {
            (true, _) => i64::from(self.uvarint()) - 1,
            (false, true) => i64::from(self.i16()),
            (false, false) => i64::from(self.i32()),
        };
        match usize::try_from(length) {
            _ if self.failed() => Some(0),
            Ok(length) if length <= self.remaining() => Some(length),
            Err(_) if length == -1 => None,
            _ => {
                self.fail(DecodeError::InvalidLength(length));
                Some(0)
            }
        }
    }

    fn null<T: Default>(&mut self) -> T {
        self.fail(DecodeError::Null);
        T::default()
    }

    pub fn string(&mut self) -> Str {
        match self.length(true) {
            Some(size) => Str::from_bytes(self.take(size)),
            None => self.null(),
        }
    }

    /// `nullable`: whether this version allows null.
    pub fn nullable_string(&mut self, nullable: bool) -> Option<Str> {
        match self.length(true) {
            Some(size) => Some(Str::from_bytes(self.take(size))),
            None if nullable => None,
            None => self.null(),
        }
    }

    pub fn bytes(&mut self) -> Bytes {
        match self.length(false) {
            Some(size) => self.take(size),
            None => self.null(),
        }
    }

    pub fn nullable_bytes(&mut self, nullable: bool) -> Option<Bytes> {
        match self.length(false) {
            Some(size) => Some(self.take(size)),
            None if nullable => None,
            None => self.null(),
        }
    }

    pub fn records(&mut self, nullable: bool) -> Records {
        match self.length(false) {
            Some(size) => self.take(size).into(),
            None if nullable => Records::Null,
            None => self.null(),
        }
    }

    pub fn array<T: Part>(&mut self, version: i16) -> Vec<T> {
        match self.length(false) {
            Some(count) => self.elements(count, version),
            None => self.null(),
        }
    }

    pub fn nullable_array<T: Part>(&mut self, nullable: bool, version: i16) -> Option<Vec<T>> {
        match self.length(false) {
            Some(count) => Some(self.elements(count, version)),
            None if nullable => None,
            None => self.null(),
        }
    }

    /// Every element takes at least one byte, so `count` (held against the bytes left) bounds the loop. All memory is
    /// taken at once, after it was held against what is left for this frame.
    fn elements<T: Part>(&mut self, count: usize, version: i16) -> Vec<T> {
        match count.checked_mul(size_of::<T>()).and_then(|size| self.memory.checked_sub(size)) {
            Some(left) => self.memory = left,
            None => {
                self.fail(DecodeError::TooManyElements);
                return Vec::new();
            }
        }
        let mut elements = Vec::with_capacity(count);
        for _ in 0..count {
            let element = T::read(self, version);
            if self.failed() {
                break;
            }
            elements.push(element);
        }
        elements
    }

    /// A struct that may be null: a byte tells.
    pub fn nullable_part<T: Part>(&mut self, nullable: bool, version: i16) -> Option<T> {
        match self.i8() {
            byte if byte >= 0 => Some(T::read(self, version)),
            _ if nullable => None,
            _ => self.null(),
        }
    }

    /// Gives each tagged field to `field`, with the reader bounded to it; what is left of it unread is skipped.
    pub fn tags(&mut self, mut field: impl FnMut(&mut Reader, u32)) {
        if !self.flexible {
            return;
        }
        let mut left = self.uvarint();
        while left > 0 && !self.failed() {
            left -= 1;
            let tag = self.uvarint();
            let size = self.uvarint() as usize;
            if size > self.remaining() {
                return self.fail(DecodeError::Truncated);
            }
            let (outer, inner) = (self.end, self.at + size);
            self.end = inner;
            field(self, tag);
            self.end = outer;
            self.at = if self.failed() { outer } else { inner };
        }
    }

    /// Reads over a section of tagged fields none of which is known here.
    pub fn skip_tags(&mut self) {
        self.tags(|_, _| {});
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reader(bytes: &'static [u8], flexible: bool) -> Reader {
        let mut reader = Reader::new(Bytes::from_static(bytes));
        reader.set_flexible(flexible);
        reader
    }

    #[test]
    fn unsigned_varints() {
        for (bytes, expected) in [
            (&[0x00][..], Ok(0)),
            (&[0x7f], Ok(127)),
            (&[0x80, 0x01], Ok(128)),
            (&[0xff, 0xff, 0xff, 0xff, 0x0f], Ok(u32::MAX)),
            (&[0xff, 0xff, 0xff, 0xff, 0x1f], Err(DecodeError::InvalidVarint)),
            (&[0x80, 0x80, 0x80, 0x80, 0x80, 0x00], Err(DecodeError::InvalidVarint)),
            (&[0x80], Err(DecodeError::Truncated)),
        ] {
            let mut reader = Reader::new(Bytes::from_static(bytes));
            let value = reader.uvarint();
            assert_eq!(reader.check().map(|()| value), expected, "{bytes:?}");
        }
    }

    #[test]
    fn strings_in_both_forms() {
        for (bytes, flexible, expected) in [
            (&b"\x00\x02ab"[..], false, Ok(Some("ab"))),
            (b"\xff\xff", false, Ok(None)),
            (b"\xff\xfe", false, Err(DecodeError::InvalidLength(-2))),
            (b"\x00\x03ab", false, Err(DecodeError::InvalidLength(3))),
            (b"\x03ab", true, Ok(Some("ab"))),
            (b"\x01", true, Ok(Some(""))),
            (b"\x00", true, Ok(None)),
            (b"\x04ab", true, Err(DecodeError::InvalidLength(3))),
        ] {
            let mut reader = reader(bytes, flexible);
            let text = reader.nullable_string(true);
            assert_eq!(reader.check().map(|()| text), expected.map(|text| text.map(Str::from)), "{bytes:?}");
        }
    }

    #[test]
    fn null_is_refused_where_it_may_not_be() {
        let mut reader = reader(b"\x00", true);
        assert_eq!(reader.string(), "");
        assert_eq!(reader.check(), Err(DecodeError::Null));
    }

    #[test]
    fn a_count_beyond_the_bytes_left_allocates_nothing() {
        let mut reader = reader(b"\x7f\xff\xff\xff\x00\x00", false);
        assert_eq!(reader.array::<i32>(0), Vec::<i32>::new());
        assert_eq!(reader.check(), Err(DecodeError::InvalidLength(0x7fff_ffff)));
    }

    #[test]
    fn arrays_take_no_more_memory_than_the_frame_allows() {
        let mut frame = vec![0x81, 0x80, 0x80, 0x02];
        frame.resize(4 + (4 << 20), 1);
        let mut reader = Reader::new(Bytes::from(frame));
        reader.set_flexible(true);
        assert_eq!(reader.array::<Str>(0), Vec::<Str>::new());
        assert_eq!(reader.check(), Err(DecodeError::TooManyElements));
    }

    #[test]
    fn unknown_tags_are_skipped_and_known_ones_bounded() {
        // tag 0 of four bytes of which two are read, tag 9 unknown, then one byte of the outer struct
        let mut reader = reader(b"\x02\x00\x04\x00\x07\xee\xee\x09\x01\xff\x2a", true);
        let mut known = 0;
        reader.tags(|r, tag| {
            if tag == 0 {
                known = r.i16();
            }
        });
        assert_eq!((known, reader.i8(), reader.remaining()), (7, 42, 0));
        assert_eq!(reader.check(), Ok(()));
    }

    #[test]
    fn a_tagged_field_cannot_read_past_its_size() {
        let mut reader = reader(b"\x01\x00\x01\x00\x07\x07\x07", true);
        reader.tags(|r, _| {
            r.i32();
        });
        assert_eq!(reader.check(), Err(DecodeError::Truncated));
    }
}
