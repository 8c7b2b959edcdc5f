//! The four codecs, as Kafka's Java client writes and reads them.
//!
//! Nothing is allocated for a length that the compressed bytes merely claim: output grows as it is produced and
//! ends in an error at the caller's maximum.

mod gzip;
mod lz4;
mod snappy;
mod xxhash;
mod zstd;
mod zstd_frame;

use std::fmt;
use std::str::FromStr;

/// How a batch's records are compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Codec {
    #[default]
    None,
    Gzip,
    Snappy,
    Lz4,
    Zstd,
}

impl Codec {
    pub const ALL: [Codec; 5] = [Codec::None, Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd];

    pub fn from_id(id: u8) -> Option<Codec> {
        Codec::ALL.get(usize::from(id)).copied()
    }

    /// The number in a batch's attributes.
    pub fn id(self) -> u8 {
        self as u8
    }

    pub fn name(self) -> &'static str {
        match self {
            Codec::None => "none",
            Codec::Gzip => "gzip",
            Codec::Snappy => "snappy",
            Codec::Lz4 => "lz4",
            Codec::Zstd => "zstd",
        }
    }

    /// Kafka's default, smallest and largest level; None for codecs without levels.
    pub fn levels(self) -> Option<Levels> {
        match self {
            Codec::None | Codec::Snappy => None,
            Codec::Gzip => Some(Levels { default: -1, min: 1, max: 9 }),
            Codec::Lz4 => Some(Levels { default: 9, min: 1, max: 17 }),
            Codec::Zstd => Some(Levels { default: 3, min: -131072, max: 22 }),
        }
    }
}

impl fmt::Display for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A name that is none of the codecs'.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Unknown compression name: {0}")]
pub struct UnknownCodec(pub String);

impl FromStr for Codec {
    type Err = UnknownCodec;

    fn from_str(name: &str) -> Result<Codec, UnknownCodec> {
        let found = Codec::ALL.into_iter().find(|codec| codec.name() == name);
        found.ok_or_else(|| UnknownCodec(name.into()))
    }
}

/// Which levels a codec takes; the default is allowed even where it lies outside the range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Levels {
    pub default: i32,
    pub min: i32,
    pub max: i32,
}

impl Levels {
    pub fn allows(self, level: i32) -> bool {
        level == self.default || (self.min..=self.max).contains(&level)
    }
}

/// A codec and its level.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Compression {
    codec: Codec,
    level: i32,
}

impl Compression {
    pub const NONE: Compression = Compression { codec: Codec::None, level: 0 };

    /// At the codec's default level.
    pub fn new(codec: Codec) -> Compression {
        Compression { codec, level: codec.levels().map_or(0, |levels| levels.default) }
    }

    /// At `level`; None where the codec does not have it.
    pub fn with_level(codec: Codec, level: i32) -> Option<Compression> {
        codec.levels().is_none_or(|levels| levels.allows(level)).then_some(Compression { codec, level })
    }

    pub fn codec(self) -> Codec {
        self.codec
    }

    pub fn level(self) -> i32 {
        self.level
    }
}

/// Bytes that cannot be compressed or decompressed.
#[derive(Debug, thiserror::Error)]
pub enum CompressionError {
    #[error("Unknown compression type id: {0}")]
    Unknown(u8),
    #[error("more than {0} bytes when decompressed")]
    TooLarge(usize),
    #[error("{0}")]
    Corrupt(&'static str),
    #[error("{codec}: {error}")]
    Codec { codec: Codec, error: std::io::Error },
}

/// Appends `input`, compressed, to `out`.
pub fn compress(compression: Compression, input: &[u8], out: &mut Vec<u8>) -> Result<(), CompressionError> {
    let level = compression.level;
    let failed = |error| CompressionError::Codec { codec: compression.codec, error };
    match compression.codec {
        Codec::None => {
            out.extend_from_slice(input);
            Ok(())
        }
        Codec::Gzip => gzip::compress(input, level, out).map_err(failed),
        Codec::Snappy => snappy::compress(input, out),
        Codec::Lz4 => lz4::compress(input, level, out).map_err(failed),
        Codec::Zstd => zstd::compress(input, level, out).map_err(failed),
    }
}

/// All of `input` decompressed: at most `bytes_max` bytes, else `TooLarge`.
pub fn decompress(codec: Codec, input: &[u8], bytes_max: usize) -> Result<Vec<u8>, CompressionError> {
    let mut decompressor = Decompressor::new(codec, input, bytes_max)?;
    let mut out = Vec::with_capacity(input.len().saturating_mul(3).min(bytes_max).min(1 << 20));
    loop {
        decompressor.advance()?;
        match decompressor.piece() {
            [] => return Ok(out),
            piece => out.extend_from_slice(piece),
        }
    }
}

/// Decompresses piece by piece: memory is one piece and the codec's own window.
pub struct Decompressor<'a> {
    codec: Codec,
    state: State<'a>,
    /// Grows to the largest piece and is not cleared between them.
    buffer: Vec<u8>,
    filled: usize,
    bytes_max: usize,
    left: usize,
}

enum State<'a> {
    None(&'a [u8]),
    Gzip(Box<gzip::Reader<'a>>),
    Snappy(snappy::Reader<'a>),
    Lz4(lz4::Reader<'a>),
    Zstd(zstd::Reader<'a>),
}

/// What gzip and zstd are asked for at a time; Java asks for as much.
const PIECE_SIZE: usize = 16 * 1024;

impl<'a> Decompressor<'a> {
    pub fn new(codec: Codec, input: &'a [u8], bytes_max: usize) -> Result<Self, CompressionError> {
        let failed = |error| CompressionError::Codec { codec, error };
        let state = match codec {
            Codec::None => State::None(input),
            Codec::Gzip => State::Gzip(Box::new(gzip::Reader::new(input))),
            Codec::Snappy => State::Snappy(snappy::Reader::new(input)),
            Codec::Lz4 => State::Lz4(lz4::Reader::new(input)?),
            Codec::Zstd => State::Zstd(zstd::Reader::new(input).map_err(failed)?),
        };
        Ok(Decompressor { codec, state, buffer: Vec::new(), filled: 0, bytes_max, left: bytes_max })
    }

    /// The bytes of the last `advance`; empty before the first and at the end.
    pub fn piece(&self) -> &[u8] {
        self.buffer.get(..self.filled).unwrap_or_default()
    }

    /// Decompresses the next piece.
    pub fn advance(&mut self) -> Result<(), CompressionError> {
        self.filled = 0;
        let filled = self.fill()?;
        self.left = self.left.checked_sub(filled).ok_or(CompressionError::TooLarge(self.bytes_max))?;
        self.filled = filled;
        Ok(())
    }

    fn fill(&mut self) -> Result<usize, CompressionError> {
        let buffer = &mut self.buffer;
        // one byte past the maximum may be produced, so that what is too long is seen to be so
        let limit = self.left.saturating_add(1);
        let codec = self.codec;
        let failed = |error| CompressionError::Codec { codec, error };
        match &mut self.state {
            State::None(rest) => {
                let (piece, behind) = rest.split_at(rest.len().min(limit));
                *rest = behind;
                room(buffer, piece.len()).copy_from_slice(piece);
                Ok(piece.len())
            }
            State::Gzip(reader) => reader.read(room(buffer, PIECE_SIZE.min(limit))).map_err(failed),
            State::Zstd(reader) => reader.read(room(buffer, PIECE_SIZE.min(limit))).map_err(failed),
            State::Snappy(reader) => reader.next_block(buffer, self.left, self.bytes_max),
            State::Lz4(reader) => reader.next_block(buffer),
        }
    }
}

/// The first `size` bytes of `buffer`, which grows to hold them.
fn room(buffer: &mut Vec<u8>, size: usize) -> &mut [u8] {
    if buffer.len() < size {
        buffer.resize(size, 0);
    }
    buffer.get_mut(..size).unwrap_or_default()
}
