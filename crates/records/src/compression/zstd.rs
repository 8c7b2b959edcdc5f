//! Zstandard. Written in one shot, so that the frame states its size and needs no window larger than itself.

use std::io::{self, Read};

use zstd::stream::read::Decoder;

pub fn compress(input: &[u8], level: i32, out: &mut Vec<u8>) -> io::Result<()> {
    out.extend_from_slice(&zstd::bulk::compress(input, level)?);
    Ok(())
}

pub struct Reader<'a> {
    decoder: Decoder<'static, &'a [u8]>,
}

impl<'a> Reader<'a> {
    /// Windows up to 128 MiB, the library's default and Java's, are accepted: level 22 makes such.
    pub fn new(input: &'a [u8]) -> io::Result<Reader<'a>> {
        Ok(Reader { decoder: Decoder::with_buffer(input)? })
    }

    pub fn read(&mut self, piece: &mut [u8]) -> io::Result<usize> {
        self.decoder.read(piece)
    }
}
