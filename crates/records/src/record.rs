//! Records of a batch, borrowed from its uncompressed bytes.
//!
//! A consumer that keeps keys and values puts the data into a `Bytes` once and calls `Bytes::slice_ref`.

use types::Offset;

use crate::RecordError;
use crate::header::{Header, TimestampType};
use crate::varint::Source;
use crate::walk::{Slice, premature};

/// One record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    pub offset: Offset,
    /// The batch's append time where it has one.
    pub timestamp: i64,
    pub key: Option<&'a [u8]>,
    pub value: Option<&'a [u8]>,
    pub headers: RecordHeaders<'a>,
}

/// A name and a value. Names may repeat; Kafka reads them as UTF-8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordHeader<'a> {
    pub key: &'a [u8],
    pub value: Option<&'a [u8]>,
}

/// The headers of a record in their order. Their structure was checked when the record was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RecordHeaders<'a> {
    encoded: &'a [u8],
    count: usize,
}

impl<'a> RecordHeaders<'a> {
    pub fn len(&self) -> usize {
        self.count
    }

    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    pub fn iter(&self) -> impl Iterator<Item = RecordHeader<'a>> + use<'a> {
        let mut source = Slice::new(self.encoded);
        (0..self.count).map_while(move |_| read_header(&mut source).ok())
    }

    /// How many, and their bytes as they are written behind that number.
    pub(crate) fn encoded(&self) -> (i32, &'a [u8]) {
        (self.count as i32, self.encoded)
    }

    fn read(source: &mut Slice<'a>) -> Result<RecordHeaders<'a>, RecordError> {
        let count = source.varint()?;
        let encoded = source.rest();
        // a header has two lengths at least
        let fits = usize::try_from(count).ok().filter(|count| *count <= encoded.len() / 2);
        let count = fits.ok_or(RecordError::HeaderCount(count.into()))?;
        for _ in 0..count {
            read_header(source)?;
        }
        let used = encoded.len() - source.rest().len();
        Ok(RecordHeaders { encoded: encoded.get(..used).unwrap_or_default(), count })
    }
}

fn read_header<'a>(source: &mut Slice<'a>) -> Result<RecordHeader<'a>, RecordError> {
    let length = source.varint()?;
    let length = usize::try_from(length).map_err(|_| RecordError::HeaderKey(length.into()))?;
    Ok(RecordHeader { key: source.take(length)?, value: read_nullable(source)? })
}

fn read_nullable<'a>(source: &mut Slice<'a>) -> Result<Option<&'a [u8]>, RecordError> {
    usize::try_from(source.varint()?).ok().map(|length| source.take(length)).transpose()
}

/// Iterates over the records of one batch; after an error there are no more.
#[derive(Clone)]
pub struct Records<'a> {
    source: Slice<'a>,
    left: i32,
    base_offset: i64,
    base_timestamp: i64,
    append_time: Option<i64>,
}

impl<'a> Records<'a> {
    pub(crate) fn new(header: Header<'_>, data: &'a [u8]) -> Records<'a> {
        let append_time =
            (header.timestamp_type() == TimestampType::LogAppendTime).then(|| header.max_timestamp());
        Records {
            source: Slice::new(data),
            left: header.record_count(),
            base_offset: header.base_offset().0,
            base_timestamp: header.base_timestamp(),
            append_time,
        }
    }

    fn read(&mut self) -> Result<Record<'a>, RecordError> {
        let size = self.source.varint().map_err(premature)?;
        let expected = i64::from(size);
        let size = usize::try_from(size).map_err(|_| RecordError::Truncated { expected })?;
        let mut body = Slice::new(self.source.take(size)?);
        body.byte()?; // attributes, unused
        let timestamp = self.base_timestamp.wrapping_add(body.varlong()?);
        let offset = self.base_offset.wrapping_add(body.varint()?.into());
        let key = read_nullable(&mut body)?;
        let value = read_nullable(&mut body)?;
        let headers = RecordHeaders::read(&mut body)?;
        if !body.rest().is_empty() {
            return Err(RecordError::Size { expected, read: expected - body.rest().len() as i64 });
        }
        let timestamp = self.append_time.unwrap_or(timestamp);
        Ok(Record { offset: Offset(offset), timestamp, key, value, headers })
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<Record<'a>, RecordError>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.left {
            count if count < 0 => {
                self.left = 0;
                self.source = Slice::new(&[]);
                return Some(Err(RecordError::Count(count)));
            }
            0 if self.source.rest().is_empty() => return None,
            0 => {
                self.source = Slice::new(&[]);
                return Some(Err(RecordError::Remaining));
            }
            _ => self.left -= 1,
        }
        let record = self.read();
        if record.is_err() {
            self.left = 0;
            self.source = Slice::new(&[]);
        }
        Some(record)
    }
}
