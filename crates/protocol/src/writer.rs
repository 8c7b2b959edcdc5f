//! Writes Kafka's primitives. Records are not copied: large ones and file ranges become chunks of their own.
//! The first error sticks and `Message::encode` reports it.

use bytes::{BufMut, Bytes, BytesMut};
use platform::FileSlice;
use types::Uuid;

use crate::record_set::RecordsPart;
use crate::{EncodeError, Part, Records, Str};

/// Records of at least this many bytes are passed on; smaller ones are cheaper to copy than to send apart.
const SHARED_BYTES_MIN: usize = 4096;
/// What is taken at once where many records stand between few bytes of fields, for those to share.
const BUFFER_SIZE: usize = 1024;
/// Room below which a new buffer is begun after records: enough for the fields of one partition.
const ROOM_MIN: usize = 128;

/// A piece of a frame, in the order of sending.
#[derive(Clone, Debug)]
pub enum Chunk {
    Bytes(Bytes),
    File(FileSlice),
}

impl Chunk {
    pub fn size(&self) -> u64 {
        match self {
            Chunk::Bytes(bytes) => bytes.len() as u64,
            Chunk::File(slice) => slice.size,
        }
    }
}

#[derive(Debug, Default)]
pub struct Writer {
    /// The first chunk, kept open for the size of the frame.
    head: Option<BytesMut>,
    /// The chunks after it.
    chunks: Vec<Chunk>,
    buffer: BytesMut,
    flexible: bool,
    error: Option<EncodeError>,
}

impl Writer {
    pub fn new() -> Writer {
        Writer::default()
    }

    pub fn with_capacity(bytes: usize) -> Writer {
        Writer { buffer: BytesMut::with_capacity(bytes), ..Writer::default() }
    }

    /// A writer of a whole frame, for `finish_frame`.
    pub fn frame() -> Writer {
        let mut writer = Writer::with_capacity(256);
        writer.i32(0);
        writer
    }

    pub fn is_flexible(&self) -> bool {
        self.flexible
    }

    pub fn set_flexible(&mut self, flexible: bool) {
        self.flexible = flexible;
    }

    /// The first error since the beginning.
    pub fn check(&self) -> Result<(), EncodeError> {
        self.error.map_or(Ok(()), Err)
    }

    #[cold]
    pub fn fail(&mut self, error: EncodeError) {
        self.error.get_or_insert(error);
    }

    /// Bytes written so far, those of file ranges included.
    pub fn size(&self) -> u64 {
        let head = self.head.as_ref().map_or(0, BytesMut::len) as u64;
        head + self.chunks.iter().map(Chunk::size).sum::<u64>() + self.buffer.len() as u64
    }

    /// Everything written, in order.
    pub fn finish(mut self) -> Vec<Chunk> {
        self.cut();
        let mut chunks = Vec::with_capacity(self.chunks.len() + 1);
        chunks.extend(self.head.map(|head| Chunk::Bytes(head.freeze())));
        chunks.append(&mut self.chunks);
        chunks
    }

    /// Everything written since `frame`, its size before it.
    pub fn finish_frame(mut self) -> Result<Vec<Chunk>, EncodeError> {
        self.check()?;
        let size = self.size().saturating_sub(4);
        let size = i32::try_from(size).map_err(|_| EncodeError::TooLong(size as usize))?;
        self.cut();
        if let Some(mut place) = self.head.as_mut().and_then(|head| head.get_mut(..4)) {
            place.put_i32(size);
        }
        Ok(self.finish())
    }

    /// Everything written, in one piece; an error where a file range was written.
    pub fn into_bytes(self) -> Result<Bytes, EncodeError> {
        if self.head.is_none() && self.chunks.is_empty() {
            return Ok(self.buffer.freeze());
        }
        let mut whole = Vec::with_capacity(usize::try_from(self.size()).unwrap_or_default());
        for chunk in self.finish() {
            match chunk {
                Chunk::Bytes(bytes) => whole.extend_from_slice(&bytes),
                Chunk::File(_) => return Err(EncodeError::FileSlice),
            }
        }
        Ok(Bytes::from(whole))
    }

    /// Ends the current chunk. Those of one buffer share its memory.
    fn cut(&mut self) {
        if self.buffer.is_empty() {
            return;
        }
        let piece = self.buffer.split();
        if self.head.is_none() && self.chunks.is_empty() {
            self.head = Some(piece);
        } else {
            self.chunks.push(Chunk::Bytes(piece.freeze()));
        }
    }

    /// Records go out as a chunk of their own, between the fields before and after them.
    fn pass_on(&mut self, chunk: Chunk) {
        self.cut();
        self.chunks.push(chunk);
        // The fields of many partitions do not take memory one by one.
        if self.buffer.capacity() < ROOM_MIN {
            self.buffer = BytesMut::with_capacity(BUFFER_SIZE);
        }
    }

    pub fn raw(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    pub fn bool(&mut self, value: bool) {
        self.buffer.put_u8(u8::from(value));
    }

    pub fn i8(&mut self, value: i8) {
        self.raw(&value.to_be_bytes());
    }

    pub fn i16(&mut self, value: i16) {
        self.raw(&value.to_be_bytes());
    }

    pub fn u16(&mut self, value: u16) {
        self.raw(&value.to_be_bytes());
    }

    pub fn i32(&mut self, value: i32) {
        self.raw(&value.to_be_bytes());
    }

    pub fn u32(&mut self, value: u32) {
        self.raw(&value.to_be_bytes());
    }

    pub fn i64(&mut self, value: i64) {
        self.raw(&value.to_be_bytes());
    }

    pub fn f64(&mut self, value: f64) {
        self.raw(&value.to_be_bytes());
    }

    pub fn uuid(&mut self, value: Uuid) {
        self.raw(&value.0);
    }

    pub fn uvarint(&mut self, mut value: u32) {
        while value >= 0x80 {
            self.buffer.put_u8(value as u8 | 0x80);
            value >>= 7;
        }
        self.buffer.put_u8(value as u8);
    }

    /// A length or count in this message's form; None is null.
    fn length(&mut self, length: Option<usize>, short: bool) {
        let longest = if !self.flexible && short { i16::MAX as usize } else { i32::MAX as usize };
        let size = length.unwrap_or_default();
        if size > longest {
            return self.fail(EncodeError::TooLong(size));
        }
        match (self.flexible, short) {
            (true, _) => self.uvarint(length.map_or(0, |length| length as u32 + 1)),
            (false, true) => self.i16(length.map_or(-1, |length| length as i16)),
            (false, false) => self.i32(length.map_or(-1, |length| length as i32)),
        }
    }

    fn null(&mut self, nullable: bool, short: bool) {
        if !nullable {
            self.fail(EncodeError::Null);
        }
        self.length(None, short);
    }

    pub fn string(&mut self, text: &Str) {
        self.length(Some(text.as_bytes_ref().len()), true);
        self.raw(text.as_bytes_ref());
    }

    /// `nullable`: whether this version allows null.
    pub fn nullable_string(&mut self, nullable: bool, text: &Option<Str>) {
        match text {
            Some(text) => self.string(text),
            None => self.null(nullable, true),
        }
    }

    pub fn bytes(&mut self, bytes: &Bytes) {
        self.length(Some(bytes.len()), false);
        self.shared(bytes);
    }

    pub fn nullable_bytes(&mut self, nullable: bool, bytes: &Option<Bytes>) {
        match bytes {
            Some(bytes) => self.bytes(bytes),
            None => self.null(nullable, false),
        }
    }

    fn shared(&mut self, bytes: &Bytes) {
        if bytes.len() < SHARED_BYTES_MIN {
            self.raw(bytes);
        } else {
            self.pass_on(Chunk::Bytes(bytes.clone()));
        }
    }

    fn file(&mut self, slice: &FileSlice) {
        if slice.size > 0 {
            self.pass_on(Chunk::File(slice.clone()));
        }
    }

    pub fn records(&mut self, nullable: bool, records: &Records) {
        if matches!(records, Records::Null) {
            return self.null(nullable, false);
        }
        self.length(Some(usize::try_from(records.size()).unwrap_or(usize::MAX)), false);
        match records {
            Records::Empty | Records::Null => {}
            Records::Bytes(bytes) => self.shared(bytes),
            Records::File(slice) => self.file(slice),
            Records::Many(parts) => {
                for part in parts {
                    match part {
                        RecordsPart::Bytes(bytes) => self.shared(bytes),
                        RecordsPart::File(slice) => self.file(slice),
                    }
                }
            }
        }
    }

    pub fn array<T: Part>(&mut self, elements: &[T], version: i16) {
        self.length(Some(elements.len()), false);
        for element in elements {
            element.write(self, version);
        }
    }

    pub fn nullable_array<T: Part>(&mut self, nullable: bool, elements: &Option<Vec<T>>, version: i16) {
        match elements {
            Some(elements) => self.array(elements, version),
            None => self.null(nullable, false),
        }
    }

    pub fn nullable_part<T: Part>(&mut self, nullable: bool, part: &Option<T>, version: i16) {
        self.i8(if part.is_some() { 1 } else { -1 });
        match part {
            Some(part) => part.write(self, version),
            None if nullable => {}
            None => self.fail(EncodeError::Null),
        }
    }

    /// How many tagged fields follow; nothing in a version without tags.
    pub fn tag_count(&mut self, count: u32) {
        if self.flexible {
            self.uvarint(count);
        }
    }

    /// One tagged field. Its size goes before its bytes: one byte is left for it, moved apart in the rare case that
    /// more are needed. Tagged fields hold no records, so the buffer is not cut in between.
    pub fn tag(&mut self, tag: u32, field: impl FnOnce(&mut Writer)) {
        self.uvarint(tag);
        let at = self.buffer.len();
        self.buffer.put_u8(0);
        field(self);
        let size = self.buffer.len().saturating_sub(at + 1);
        match self.buffer.get_mut(at) {
            Some(byte) if size < 0x80 => *byte = size as u8,
            _ => self.insert_size(at, size),
        }
    }

    #[cold]
    fn insert_size(&mut self, at: usize, size: usize) {
        let tail = self.buffer.get(at + 1..).unwrap_or_default().to_vec();
        self.buffer.truncate(at);
        self.uvarint(size as u32);
        self.buffer.extend_from_slice(&tail);
    }

    /// Notes that a field has a value which this version cannot carry and which may not be dropped.
    #[cold]
    pub fn unsupported(&mut self, field: &'static str, version: i16) {
        self.fail(EncodeError::UnsupportedField { field, version });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(flexible: bool, write: impl FnOnce(&mut Writer)) -> Result<Bytes, EncodeError> {
        let mut writer = Writer::new();
        writer.set_flexible(flexible);
        write(&mut writer);
        writer.check()?;
        writer.into_bytes()
    }

    #[test]
    fn unsigned_varints() {
        for (value, bytes) in
            [(0, &[0][..]), (127, &[0x7f]), (128, &[0x80, 1]), (u32::MAX, &[255, 255, 255, 255, 15])]
        {
            assert_eq!(written(true, |w| w.uvarint(value)).unwrap(), bytes);
        }
    }

    #[test]
    fn long_strings_fit_only_flexible_versions() {
        let text = Some(Str::from("x".repeat(40_000)));
        assert_eq!(written(false, |w| w.nullable_string(true, &text)), Err(EncodeError::TooLong(40_000)));
        assert_eq!(written(true, |w| w.nullable_string(true, &text)).unwrap().len(), 40_003);
    }

    #[test]
    fn null_where_the_version_has_none() {
        assert_eq!(written(false, |w| w.nullable_array::<i32>(false, &None, 0)), Err(EncodeError::Null));
        assert_eq!(written(false, |w| w.nullable_array::<i32>(true, &None, 0)).unwrap(), &[255; 4][..]);
    }

    #[test]
    fn the_size_of_a_tagged_field_may_need_two_bytes() {
        for size in [0usize, 1, 127, 128, 300, 20_000] {
            let bytes = written(true, |w| w.tag(5, |w| w.raw(&vec![7; size]))).unwrap();
            let mut reader = crate::Reader::new(bytes);
            assert_eq!((reader.uvarint(), reader.uvarint() as usize, reader.remaining()), (5, size, size));
        }
    }

    #[test]
    fn a_frame_begins_with_its_size() {
        for records in [0, 1, SHARED_BYTES_MIN] {
            let mut writer = Writer::frame();
            writer.i16(3);
            writer.records(true, &Records::Bytes(Bytes::from(vec![1; records])));
            let chunks = writer.finish_frame().unwrap();
            let size = chunks.iter().map(Chunk::size).sum::<u64>() as u32;
            let Chunk::Bytes(first) = &chunks[0] else { panic!("a file") };
            assert_eq!(first[..4], (size - 4).to_be_bytes());
        }
    }

    #[test]
    fn large_records_are_shared_and_small_ones_copied() {
        let large = Bytes::from(vec![1; SHARED_BYTES_MIN]);
        let mut writer = Writer::new();
        writer.i16(3);
        writer.records(true, &Records::Bytes(large.clone()));
        writer.records(true, &Records::Bytes(Bytes::from_static(b"ab")));
        let chunks = writer.finish();
        assert_eq!(chunks.iter().map(Chunk::size).collect::<Vec<_>>(), [6, 4096, 6]);
        assert!(matches!(&chunks[1], Chunk::Bytes(bytes) if bytes.as_ptr() == large.as_ptr()));
    }
}
