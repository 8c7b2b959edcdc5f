//! Bytes of a socket into frames. Small frames share one copy of what a read brought; the rest of a large frame is
//! read straight into its own buffer, that of a large Produce request into one part after the other (`parts`). A length
//! is checked before anything is allocated for it, and a buffer never grows far past what has arrived.

use bytes::{Bytes, BytesMut};

use crate::parts::{Cutter, Frame, Malformed, Sizes, Verdict};

/// Why the connection is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// A frame longer than `socket.request.max.bytes`, or of negative length.
    #[error("a frame of {0} bytes is not allowed")]
    TooLarge(i32),
    #[error(transparent)]
    Malformed(#[from] Malformed),
}

const LENGTH: usize = 4;
/// How much is set aside at most for a frame before more of it has arrived: as large as the requests of a busy
/// producer, so that these are never copied into a larger buffer. Untouched, it is only an address. A peer that has
/// sent so much is believed, and the rest of its frame set aside at once: one copy, however large the frame.
const SET_ASIDE: usize = 7 << 20;

#[derive(Debug, Default)]
pub struct FrameReader {
    /// The part of a frame that has arrived, without its length once that is known.
    partial: BytesMut,
    /// The whole length of the frame in `partial`, where known; of a part as it would be if it were not cut again.
    expected: Option<usize>,
    /// Large requests are cut; answers never are.
    sizes: Option<Sizes>,
    cutting: Cutting,
}

/// Whether the frame that is arriving is handed on in parts.
#[derive(Debug, Default)]
enum Cutting {
    #[default]
    Never,
    /// It is large, and too little of it is there to tell.
    Perhaps(Sizes),
    Now(Box<Cutter>),
}

impl FrameReader {
    /// Of a connection on which requests come.
    pub fn of_requests(sizes: Sizes) -> FrameReader {
        FrameReader { sizes: Some(sizes), ..FrameReader::default() }
    }

    /// Takes what was read and appends the frames that are whole, without their length.
    pub fn push(&mut self, mut data: &[u8], limit: usize, frames: &mut Vec<Frame>) -> Result<(), Refused> {
        while !self.is_empty() {
            if data.is_empty() {
                return Ok(());
            }
            let wanted = self.missing().min(data.len());
            self.partial.extend_from_slice(&data[..wanted]);
            data = &data[wanted..];
            self.advance(limit, frames)?;
        }
        self.whole_frames(data, limit, frames)
    }

    fn whole_frames(&mut self, data: &[u8], limit: usize, frames: &mut Vec<Frame>) -> Result<(), Refused> {
        let mut end = 0;
        let mut ranges = 0;
        while let Some(length) = data[end..].first_chunk::<LENGTH>() {
            let length = checked(i32::from_be_bytes(*length), limit)?;
            if data.len() - end - LENGTH < length {
                break;
            }
            end += LENGTH + length;
            ranges += 1;
        }
        if ranges > 0 {
            // one copy and one allocation for all frames of this read
            let mut shared = Bytes::copy_from_slice(&data[..end]);
            for _ in 0..ranges {
                let length = i32::from_be_bytes([shared[0], shared[1], shared[2], shared[3]]) as usize;
                let mut frame = shared.split_to(LENGTH + length);
                frames.push(Frame::whole(frame.split_off(LENGTH)));
            }
        }
        let rest = &data[end..];
        if let Some((length, body)) = rest.split_first_chunk::<LENGTH>() {
            let length = checked(i32::from_be_bytes(*length), limit)?;
            self.begin(length, body.len());
            self.partial.extend_from_slice(body);
            self.advance(limit, frames)?;
        } else {
            self.partial.extend_from_slice(rest);
        }
        Ok(())
    }

    /// A frame of this length begins, of which so much is there.
    fn begin(&mut self, length: usize, arrived: usize) {
        self.expected = Some(length);
        let large = self.sizes.filter(|sizes| length > sizes.frame_min);
        self.cutting = large.map_or(Cutting::Never, Cutting::Perhaps);
        let set_aside = large.map_or(arrived + SET_ASIDE, |sizes| arrived.max(sizes.part));
        self.partial = BytesMut::with_capacity(length.min(set_aside));
    }

    /// Completes the length or the frame in `partial`, or parts of the frame.
    fn advance(&mut self, limit: usize, frames: &mut Vec<Frame>) -> Result<(), Refused> {
        let Some(length) = self.expected else {
            if let Some(length) = self.partial.first_chunk::<LENGTH>() {
                let length = checked(i32::from_be_bytes(*length), limit)?;
                self.begin(length, 0);
                if length == 0 {
                    self.advance(limit, frames)?;
                }
            }
            return Ok(());
        };
        if let Cutting::Perhaps(sizes) = self.cutting {
            match Cutter::begin(&self.partial, length, sizes) {
                Verdict::Open => {}
                Verdict::Whole => self.cutting = Cutting::Never,
                Verdict::Cut(cutter) => self.cutting = Cutting::Now(cutter),
            }
        }
        if matches!(self.cutting, Cutting::Now(_)) {
            self.cut(length, frames)?;
        }
        if self.expected == Some(self.partial.len()) {
            self.expected = None;
            let whole = std::mem::take(&mut self.partial);
            frames.push(match std::mem::take(&mut self.cutting) {
                Cutting::Now(cutter) => cutter.last(whole),
                _ => Frame::whole(whole.freeze()),
            });
        }
        Ok(())
    }

    /// Hands on what is full.
    fn cut(&mut self, mut length: usize, frames: &mut Vec<Frame>) -> Result<(), Refused> {
        let Cutting::Now(cutter) = &mut self.cutting else { return Ok(()) };
        while cutter.scan(&mut self.partial, length)? {
            let missing = length.saturating_sub(self.partial.len());
            frames.extend(cutter.cut(&mut self.partial, missing));
            length = self.partial.len() + missing;
        }
        self.expected = Some(length);
        // what is read next finds room, so that a part is copied for the sake of its largest partition alone
        let arrived = self.partial.len();
        let wanted = cutter.wanted(arrived).min(length.saturating_sub(arrived));
        if self.partial.capacity() - arrived < wanted {
            self.partial.reserve(if arrived < SET_ASIDE { wanted.min(SET_ASIDE) } else { wanted });
        }
        Ok(())
    }

    /// Where the next bytes of a large frame may be read to directly: at most what the frame still misses.
    /// None while no frame has begun.
    pub fn direct(&mut self) -> Option<DirectRead<'_>> {
        let missing = self.expected?.checked_sub(self.partial.len())?;
        if missing == 0 {
            return None;
        }
        if self.partial.capacity() == self.partial.len() {
            let enough = if self.partial.len() < SET_ASIDE { missing.min(SET_ASIDE) } else { missing };
            self.partial.reserve(enough);
        }
        Some(DirectRead { reader: self, missing })
    }

    fn missing(&self) -> usize {
        self.expected.unwrap_or(LENGTH) - self.partial.len()
    }

    /// What the frame that is arriving still misses, where its length is known.
    pub fn missing_of_frame(&self) -> Option<usize> {
        self.expected?.checked_sub(self.partial.len())
    }

    pub fn is_empty(&self) -> bool {
        self.partial.is_empty() && self.expected.is_none()
    }

    /// Bytes that have arrived of a frame that is not whole yet.
    pub fn arrived(&self) -> usize {
        self.partial.len()
    }

    /// Bytes held for a frame that is not whole yet.
    pub fn held(&self) -> usize {
        self.partial.capacity()
    }
}

/// Spare room of a frame's own buffer.
pub struct DirectRead<'a> {
    reader: &'a mut FrameReader,
    missing: usize,
}

impl DirectRead<'_> {
    pub fn spare(&mut self) -> &mut [std::mem::MaybeUninit<u8>] {
        let spare = self.reader.partial.spare_capacity_mut();
        let room = spare.len().min(self.missing);
        &mut spare[..room]
    }

    /// # Safety
    /// `count` bytes of `spare` have been written.
    pub unsafe fn filled(self, count: usize, limit: usize, frames: &mut Vec<Frame>) -> Result<(), Refused> {
        let length = self.reader.partial.len() + count;
        // SAFETY: the caller wrote that many bytes of the spare room
        unsafe { self.reader.partial.set_len(length) };
        self.reader.advance(limit, frames)
    }
}

fn checked(length: i32, limit: usize) -> Result<usize, Refused> {
    match usize::try_from(length) {
        Ok(wanted) if wanted <= limit => Ok(wanted),
        _ => Err(Refused::TooLarge(length)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(frames: &[&[u8]]) -> Vec<u8> {
        frames.iter().flat_map(|f| [&(f.len() as i32).to_be_bytes(), *f].concat()).collect()
    }

    fn bodies(frames: Vec<Frame>) -> Vec<Bytes> {
        frames.into_iter().map(|frame| frame.bytes).collect()
    }

    #[test]
    fn however_the_bytes_are_cut_the_frames_are_the_same() {
        let frames: Vec<&[u8]> = vec![b"one", b"", b"three three three", b"4"];
        let bytes = stream(&frames);
        for piece in 1..=bytes.len() {
            let mut reader = FrameReader::default();
            let mut found = Vec::new();
            for chunk in bytes.chunks(piece) {
                reader.push(chunk, 100, &mut found).unwrap();
            }
            assert_eq!(bodies(found), frames, "pieces of {piece}");
            assert!(reader.is_empty());
        }
    }

    #[test]
    fn a_large_frame_is_read_into_its_own_buffer() {
        let body = vec![7u8; 3 * SET_ASIDE + 5];
        let bytes = stream(&[&body, b"next"]);
        let mut reader = FrameReader::default();
        let mut found = Vec::new();
        reader.push(&bytes[..100], usize::MAX, &mut found).unwrap();
        let mut at = 100;
        while let Some(mut direct) = reader.direct() {
            let spare = direct.spare();
            let count = spare.len().min(1000);
            for (to, from) in spare.iter_mut().zip(&bytes[at..at + count]) {
                to.write(*from);
            }
            at += count;
            // SAFETY: written just above
            unsafe { direct.filled(count, usize::MAX, &mut found).unwrap() };
        }
        reader.push(&bytes[at..], usize::MAX, &mut found).unwrap();
        assert_eq!(bodies(found), [&body[..], b"next"]);
    }

    #[test]
    fn a_length_is_not_believed() {
        for (length, limit) in [(-1, 100), (101, 100), (i32::MAX, 100 << 20), (i32::MIN, 100)] {
            let mut reader = FrameReader::default();
            assert_eq!(
                reader.push(&length.to_be_bytes(), limit, &mut Vec::new()),
                Err(Refused::TooLarge(length))
            );
            let mut slowly = FrameReader::default();
            let bytes = length.to_be_bytes();
            slowly.push(&bytes[..3], limit, &mut Vec::new()).unwrap();
            assert_eq!(slowly.push(&bytes[3..], limit, &mut Vec::new()), Err(Refused::TooLarge(length)));
        }
        let mut reader = FrameReader::default();
        reader.push(&(100i32 << 20).to_be_bytes(), 100 << 20, &mut Vec::new()).unwrap();
        assert!(reader.held() <= SET_ASIDE, "100 MiB were announced, none has come");
    }
}
