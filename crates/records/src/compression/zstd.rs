//! Zstandard. Written in one shot, so that the frame states its size and needs no window larger than itself.

use std::io::{self, Read};

use zstd::stream::read::Decoder;

use super::zstd_frame::claims;

/// Windows up to 128 MiB are accepted, as Java's library does: a producer at level 22 asks for so much, whatever it sends.
const WINDOW_LOG_MAX: u32 = 27;
/// Given to whoever asks: what the levels up to 19 need.
const SMALL_WINDOW: u64 = 8 << 20;

pub fn compress(input: &[u8], level: i32, out: &mut Vec<u8>) -> io::Result<()> {
    out.extend_from_slice(&zstd::bulk::compress(input, level)?);
    Ok(())
}

pub enum Reader<'a> {
    InPieces(Decoder<'static, &'a [u8]>),
    /// Decompressed already, since less comes out than the window would have taken.
    AtOnce(io::Cursor<Vec<u8>>),
}

impl<'a> Reader<'a> {
    /// Memory for a large window, or a large content, is taken only where the blocks can fill it: a header of some
    /// bytes claims anything.
    pub fn new(input: &'a [u8]) -> io::Result<Reader<'a>> {
        let claims = claims(input);
        if let Some(claims) = claims
            && claims.window > SMALL_WINDOW
            && claims.window <= 1 << WINDOW_LOG_MAX
            && claims.content_max < claims.window
        {
            let capacity = usize::try_from(claims.content_max).unwrap_or(usize::MAX);
            return Ok(Reader::AtOnce(io::Cursor::new(zstd::bulk::decompress(input, capacity)?)));
        }
        let mut decoder = Decoder::with_buffer(input)?;
        // what is cut off cannot be told, and ends in an error whatever its window
        let is_whole = claims.is_some();
        decoder.window_log_max(if is_whole { WINDOW_LOG_MAX } else { SMALL_WINDOW.ilog2() })?;
        Ok(Reader::InPieces(decoder))
    }

    pub fn read(&mut self, piece: &mut [u8]) -> io::Result<usize> {
        match self {
            Reader::InPieces(decoder) => decoder.read(piece),
            Reader::AtOnce(content) => content.read(piece),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn decompress(input: &[u8]) -> io::Result<(Vec<u8>, bool)> {
        let mut reader = Reader::new(input)?;
        let (mut out, mut piece) = (Vec::new(), [0; 1000]);
        loop {
            match reader.read(&mut piece)? {
                0 => return Ok((out, matches!(reader, Reader::AtOnce(_)))),
                size => out.extend_from_slice(&piece[..size]),
            }
        }
    }

    #[test]
    fn a_large_window_is_taken_where_it_can_be_filled() {
        let small: Vec<u8> = (0..300_000u32).map(|n| (n.wrapping_mul(n) >> 7) as u8).collect();
        let large = vec![7; 40 << 20];
        for (input, level, at_once) in
            [(&small, 3, false), (&small, 19, false), (&small, 22, true), (&large, 20, false)]
        {
            let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), level).unwrap();
            encoder.write_all(input).unwrap();
            let frame = encoder.finish().unwrap();
            let (out, was_at_once) = decompress(&frame).unwrap();
            assert!(out == *input, "level {level}");
            assert_eq!(was_at_once, at_once, "level {level}, {} bytes", input.len());
            assert!(decompress(&frame[..frame.len() - 1]).is_err());
            let twice = frame.repeat(2);
            assert!(decompress(&twice).unwrap().0 == input.repeat(2));
        }
    }

    #[test]
    fn a_claim_that_no_block_keeps_takes_no_memory() {
        for (megabytes, at_once) in [(100u32, true), (129, false)] {
            let head = [&[0x28, 0xb5, 0x2f, 0xfd, 0xa0][..], &(megabytes << 20).to_le_bytes()].concat();
            let lie = [&head[..], &[9, 0, 0, 7]].concat();
            let refused = decompress(&lie);
            assert!(refused.is_err(), "{megabytes} MiB, {at_once}");
        }
    }
}
