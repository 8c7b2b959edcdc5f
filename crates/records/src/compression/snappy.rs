//! Snappy in xerial framing as Java writes it (blocks of 32 KiB), and raw as some other clients send it.

use super::{CompressionError, room};

const MAGIC: &[u8; 8] = b"\x82SNAPPY\0";
const HEADER_SIZE: usize = 16;
const BLOCK_SIZE: usize = 32 * 1024;
/// A copy element of three bytes gives at most 64 bytes: a block that claims more than this many bytes for each
/// of its own is a lie, and nothing is allocated for it.
const EXPANSION_MAX: usize = 22;

const CORRUPT: CompressionError = CompressionError::Corrupt("snappy: corrupt block");

pub fn compress(input: &[u8], out: &mut Vec<u8>) -> Result<(), CompressionError> {
    out.extend_from_slice(MAGIC);
    out.extend_from_slice(&1i32.to_be_bytes());
    out.extend_from_slice(&1i32.to_be_bytes());
    let mut encoder = snap::raw::Encoder::new();
    for block in input.chunks(BLOCK_SIZE) {
        let start = out.len();
        out.resize(start + 4 + snap::raw::max_compress_len(block.len()), 0);
        let place = out.get_mut(start + 4..).unwrap_or_default();
        let size = encoder.compress(block, place).map_err(|_| CORRUPT)?;
        out.truncate(start + 4 + size);
        if let Some(length) = out.get_mut(start..).and_then(|rest| rest.first_chunk_mut()) {
            *length = (size as u32).to_be_bytes();
        }
    }
    Ok(())
}

pub struct Reader<'a> {
    rest: &'a [u8],
    framed: bool,
    decoder: snap::raw::Decoder,
}

impl<'a> Reader<'a> {
    pub fn new(input: &'a [u8]) -> Reader<'a> {
        let framed = input.starts_with(MAGIC) && input.len() >= HEADER_SIZE;
        Reader { rest: input, framed, decoder: snap::raw::Decoder::new() }
    }

    /// The size of the next block, which is put at the start of `buffer`; 0 at the end.
    pub fn next_block(
        &mut self,
        buffer: &mut Vec<u8>,
        left: usize,
        bytes_max: usize,
    ) -> Result<usize, CompressionError> {
        while let Some(block) = self.next_compressed()? {
            let size = snap::raw::decompress_len(block).map_err(|_| CORRUPT)?;
            if size > left {
                return Err(CompressionError::TooLarge(bytes_max));
            }
            if size > block.len().saturating_mul(EXPANSION_MAX) {
                return Err(CORRUPT);
            }
            self.decoder.decompress(block, room(buffer, size)).map_err(|_| CORRUPT)?;
            if size > 0 {
                return Ok(size);
            }
        }
        Ok(0)
    }

    fn next_compressed(&mut self) -> Result<Option<&'a [u8]>, CompressionError> {
        if !self.framed {
            let block = std::mem::take(&mut self.rest);
            return Ok((!block.is_empty()).then_some(block));
        }
        // streams may be joined: a header can stand before every block
        while self.rest.starts_with(MAGIC) {
            self.take(HEADER_SIZE)?;
        }
        if self.rest.is_empty() {
            return Ok(None);
        }
        let length = self.take(4)?.first_chunk().copied().map(u32::from_be_bytes).ok_or(CORRUPT)?;
        self.take(length as usize).map(Some)
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], CompressionError> {
        let cut = CompressionError::Corrupt("snappy: stream ended prematurely");
        let (taken, rest) = self.rest.split_at_checked(count).ok_or(cut)?;
        self.rest = rest;
        Ok(taken)
    }
}
