//! Gzip: one member written; several read one after the other, and what follows them ignored, as Java does.

use std::io::{self, Read, Write};

use flate2::Compression;
use flate2::bufread::GzDecoder;
use flate2::write::GzEncoder;

pub fn compress(input: &[u8], level: i32, out: &mut Vec<u8>) -> io::Result<()> {
    let level = u32::try_from(level).map_or(Compression::default(), Compression::new);
    let mut encoder = GzEncoder::new(out, level);
    encoder.write_all(input)?;
    encoder.finish().map(|_| ())
}

pub struct Reader<'a> {
    decoder: GzDecoder<&'a [u8]>,
}

impl<'a> Reader<'a> {
    pub fn new(input: &'a [u8]) -> Reader<'a> {
        Reader { decoder: GzDecoder::new(input) }
    }

    pub fn read(&mut self, piece: &mut [u8]) -> io::Result<usize> {
        loop {
            let count = self.decoder.read(piece)?;
            let rest: &'a [u8] = self.decoder.get_ref();
            if count > 0 || piece.is_empty() || !rest.starts_with(&[0x1f, 0x8b]) {
                return Ok(count);
            }
            self.decoder = GzDecoder::new(rest);
        }
    }
}
