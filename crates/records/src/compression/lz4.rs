//! LZ4 frames as Kafka's Java client writes and reads them: independent blocks, written with 64 KiB blocks and
//! without block or content checksums. Refused are what Java refuses: linked blocks, reserved bits,
//! dictionary ids, a wrong header checksum, a wrong block checksum. The content checksum is passed over.

use std::io;

use lz4::block::{self, CompressionMode};

use super::xxhash::xxh32;
use super::{CompressionError, room};

const MAGIC: [u8; 4] = [0x04, 0x22, 0x4d, 0x18];
const VERSION: u8 = 0x40;
const INDEPENDENT: u8 = 0x20;
const BLOCK_CHECKSUM: u8 = 0x10;
const CONTENT_SIZE: u8 = 0x08;
const CONTENT_CHECKSUM: u8 = 0x04;
const RESERVED: u8 = 0x03;
/// 64 KiB.
const BLOCK_SIZE_CODE: u8 = 4;
const BLOCK_SIZE: usize = 1 << 16;
const STORED: u32 = 1 << 31;
/// Kafka's default level, for which Java takes the fast compressor and not the high one.
const FAST_LEVEL: i32 = 9;

const PREMATURE: CompressionError = CompressionError::Corrupt("lz4: Stream ended prematurely");

pub fn compress(input: &[u8], level: i32, out: &mut Vec<u8>) -> io::Result<()> {
    let mode = match level {
        FAST_LEVEL => CompressionMode::DEFAULT,
        level => CompressionMode::HIGHCOMPRESSION(level),
    };
    let descriptor = [VERSION | INDEPENDENT, BLOCK_SIZE_CODE << 4];
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&descriptor);
    out.push(header_checksum(&descriptor));
    let mut buffer = vec![0; block::compress_bound(BLOCK_SIZE.min(input.len()))?];
    for block in input.chunks(BLOCK_SIZE) {
        let size = block::compress_to_buffer(block, Some(mode), false, &mut buffer)?;
        match buffer.get(..size).filter(|compressed| compressed.len() < block.len()) {
            Some(compressed) => {
                out.extend_from_slice(&(size as u32).to_le_bytes());
                out.extend_from_slice(compressed);
            }
            None => {
                out.extend_from_slice(&(block.len() as u32 | STORED).to_le_bytes());
                out.extend_from_slice(block);
            }
        }
    }
    out.extend_from_slice(&[0; 4]);
    Ok(())
}

fn header_checksum(descriptor: &[u8]) -> u8 {
    (xxh32(descriptor) >> 8) as u8
}

pub struct Reader<'a> {
    rest: &'a [u8],
    flags: u8,
    block_size_max: usize,
    finished: bool,
}

impl<'a> Reader<'a> {
    pub fn new(input: &'a [u8]) -> Result<Reader<'a>, CompressionError> {
        let mut reader = Reader { rest: input, flags: 0, block_size_max: 0, finished: false };
        reader.read_header()?;
        Ok(reader)
    }

    fn read_header(&mut self) -> Result<(), CompressionError> {
        if self.take(4)? != MAGIC {
            return Err(CompressionError::Corrupt("lz4: Stream unsupported (invalid magic bytes)"));
        }
        let descriptor = self.rest;
        let [flags, block] = self.array()?;
        check_descriptor(flags, block).map_err(CompressionError::Corrupt)?;
        let extra = if flags & CONTENT_SIZE != 0 { 8 } else { 0 };
        self.take(extra)?;
        let descriptor = descriptor.get(..2 + extra).ok_or(PREMATURE)?;
        let [checksum] = self.array()?;
        if checksum != header_checksum(descriptor) {
            return Err(CompressionError::Corrupt("lz4: Stream frame descriptor corrupted"));
        }
        self.flags = flags;
        self.block_size_max = 1 << (2 * (block >> 4) + 8);
        Ok(())
    }

    /// The size of the next block, which is put at the start of `buffer`; 0 at the end.
    pub fn next_block(&mut self, buffer: &mut Vec<u8>) -> Result<usize, CompressionError> {
        let mut filled = 0;
        while filled == 0 && !self.finished {
            let word = u32::from_le_bytes(self.array()?);
            let size = (word & !STORED) as usize;
            if size == 0 {
                self.finished = true;
                let trailer = if self.flags & CONTENT_CHECKSUM != 0 { 4 } else { 0 };
                self.take(trailer)?;
                break;
            }
            if size > self.block_size_max {
                return Err(CompressionError::Corrupt("lz4: Block size exceeded max"));
            }
            let block = self.take(size)?;
            if self.flags & BLOCK_CHECKSUM != 0 && u32::from_le_bytes(self.array()?) != xxh32(block) {
                return Err(CompressionError::Corrupt("lz4: Block checksum mismatch"));
            }
            filled = self.expand(block, word & STORED != 0, buffer)?;
        }
        Ok(filled)
    }

    fn expand(&self, block: &[u8], stored: bool, buffer: &mut Vec<u8>) -> Result<usize, CompressionError> {
        if stored {
            room(buffer, block.len()).copy_from_slice(block);
            return Ok(block.len());
        }
        // no byte of LZ4 gives more than 255
        let size_max = self.block_size_max.min(block.len().saturating_mul(255));
        block::decompress_to_buffer(block, Some(size_max as i32), room(buffer, size_max))
            .map_err(|_| CompressionError::Corrupt("lz4: corrupt block"))
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], CompressionError> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or(PREMATURE)?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], CompressionError> {
        self.take(N)?.first_chunk().copied().ok_or(PREMATURE)
    }
}

fn check_descriptor(flags: u8, block: u8) -> Result<(), &'static str> {
    if flags & RESERVED != 0 {
        return Err("lz4: Reserved bits must be 0");
    }
    if flags & INDEPENDENT == 0 {
        return Err("lz4: Dependent block stream is unsupported");
    }
    if flags >> 6 != 1 {
        return Err("lz4: Version is unsupported");
    }
    if block & 0x8f != 0 {
        return Err("lz4: Reserved field must be 0");
    }
    if !(4..=7).contains(&(block >> 4)) {
        return Err("lz4: Block size value must be between 4 and 7");
    }
    Ok(())
}
