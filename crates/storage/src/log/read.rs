//! Reads: whole batches from the one that holds an offset, as a range of a file. No bytes are read.

use std::sync::Arc;

use platform::FileSlice;
use types::Offset;

use super::Log;
use crate::error::ReadError;

/// What a read gives. The last batch may be cut, as Kafka's answers may be.
#[derive(Clone, Debug)]
pub struct Read {
    /// None: there is nothing below the upper bound, or the first batch is larger than allowed.
    pub slice: Option<FileSlice>,
    /// The base offset of the first batch, which may be below the offset asked for.
    pub base_offset: Offset,
}

impl Read {
    pub fn size(&self) -> u64 {
        self.slice.as_ref().map_or(0, |slice| slice.size)
    }
}

impl Log {
    /// Batches from the one that holds `offset` on, below `upper_bound`, of one segment, at most `max_bytes`;
    /// with `at_least_one` the first batch whatever its size.
    pub fn read(
        &mut self,
        offset: Offset,
        max_bytes: u64,
        upper_bound: Offset,
        at_least_one: bool,
    ) -> Result<Read, ReadError> {
        let (start, end) = (self.start_offset, self.end_offset);
        if offset < start || offset > end {
            return Err(ReadError::OutOfRange { offset, start, end });
        }
        let upper_bound = upper_bound.min(end);
        let nothing = Read { slice: None, base_offset: offset };
        if offset >= upper_bound || (max_bytes == 0 && !at_least_one) {
            return Ok(nothing);
        }
        // offsets may be missing at the end of a segment: then the next one has the batch
        for index in self.segment_of(offset)..self.segments.len() {
            let (segment, place) = self.segment(index)?;
            let Some(found) = segment.find(place, offset)? else { continue };
            if found.base_offset >= upper_bound {
                break;
            }
            let position = u64::from(found.position);
            let left = u64::from(self.end_position(index, upper_bound)?).saturating_sub(position);
            let first = u64::from(found.size).min(left);
            let size = left.min(if at_least_one { max_bytes.max(first) } else { max_bytes });
            if size < first {
                break;
            }
            let (segment, place) = self.segment(index)?;
            let file = Arc::clone(segment.file(place)?);
            let slice = Some(FileSlice { file, position, size });
            return Ok(Read { slice, base_offset: found.base_offset });
        }
        Ok(nothing)
    }

    /// Where the first batch that is not wholly below `upper_bound` begins in the segment, or its size.
    fn end_position(&mut self, index: usize, upper_bound: Offset) -> Result<u32, ReadError> {
        let next_base = self.segments.get(index + 1).map_or(self.end_offset, |next| next.base);
        let (segment, place) = self.segment(index)?;
        if upper_bound >= next_base {
            return Ok(segment.size);
        }
        Ok(segment.find(place, upper_bound)?.map_or(segment.size, |found| found.position))
    }
}
