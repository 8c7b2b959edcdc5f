//! What other clients' compressors send: accepted where Java accepts it, refused where Java refuses.

use std::io::Write;

use lz4::{BlockMode, BlockSize, ContentChecksum, EncoderBuilder};
use records::Codec;
use records::compression::{CompressionError, compress, decompress};

fn input() -> Vec<u8> {
    (0..400_000u32).map(|i| ((i / 11) ^ (i >> 10)) as u8).collect()
}

fn read(codec: Codec, bytes: &[u8]) -> Result<Vec<u8>, CompressionError> {
    decompress(codec, bytes, 1 << 20)
}

fn lz4_frame(builder: &mut EncoderBuilder) -> Vec<u8> {
    let mut encoder = builder.build(Vec::new()).unwrap();
    encoder.write_all(&input()).unwrap();
    let (bytes, result) = encoder.finish();
    result.unwrap();
    bytes
}

#[test]
fn lz4_frames_of_liblz4() {
    let sizes = [BlockSize::Max64KB, BlockSize::Max256KB, BlockSize::Max1MB, BlockSize::Max4MB];
    for size in sizes {
        for checksum in [ContentChecksum::ChecksumEnabled, ContentChecksum::NoChecksum] {
            let mut builder = EncoderBuilder::new();
            builder.block_mode(BlockMode::Independent).block_size(size.clone()).checksum(checksum);
            assert_eq!(read(Codec::Lz4, &lz4_frame(&mut builder)).unwrap(), input());
            builder.content_size(input().len() as u64);
            assert_eq!(read(Codec::Lz4, &lz4_frame(&mut builder)).unwrap(), input());
        }
    }
}

#[test]
fn lz4_frames_that_java_refuses() {
    let linked = lz4_frame(EncoderBuilder::new().block_mode(BlockMode::Linked));
    let good = lz4_frame(EncoderBuilder::new().block_mode(BlockMode::Independent));
    let changed = |at: usize, mask: u8| {
        let mut bytes = good.clone();
        bytes[at] ^= mask;
        bytes
    };
    for (bytes, text) in [
        (linked, "Dependent block stream is unsupported"),
        (changed(0, 1), "invalid magic bytes"),
        (changed(4, 0x01), "Reserved bits must be 0"),
        (changed(4, 0x02), "Reserved bits must be 0"),
        (changed(4, 0x80), "Version is unsupported"),
        (changed(5, 0x01), "Reserved field must be 0"),
        (changed(5, 0x80), "Reserved field must be 0"),
        (changed(5, 0x70), "Block size value must be between 4 and 7"),
        (changed(6, 0x01), "frame descriptor corrupted"),
        (good[..5].to_vec(), "ended prematurely"),
        (good[..40].to_vec(), "ended prematurely"),
        (good[..good.len() - 5].to_vec(), "ended prematurely"),
        (Vec::new(), "ended prematurely"),
    ] {
        let error = read(Codec::Lz4, &bytes).unwrap_err().to_string();
        assert!(error.contains(text), "{error} instead of {text}");
    }
}

#[test]
fn lz4_frames_are_written_as_java_writes_them() {
    let mut out = Vec::new();
    compress(records::Compression::new(Codec::Lz4), &input(), &mut out).unwrap();
    // version 1, independent blocks, no checksums; 64 KiB blocks
    assert_eq!(out[..7], [0x04, 0x22, 0x4d, 0x18, 0x60, 0x40, 0x82]);
    assert_eq!(out[out.len() - 4..], [0; 4]);
}

#[test]
fn snappy_raw_framed_and_joined() {
    let raw = snap::raw::Encoder::new().compress_vec(&input()).unwrap();
    assert_eq!(read(Codec::Snappy, &raw).unwrap(), input());
    let mut framed = Vec::new();
    compress(records::Compression::new(Codec::Snappy), &input(), &mut framed).unwrap();
    assert_eq!(framed[..16], *b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01");
    let joined = [&framed[..], &framed[..]].concat();
    assert_eq!(read(Codec::Snappy, &joined).unwrap(), [input(), input()].concat());
    // a block that claims four billion bytes
    for bytes in
        [&b"\xff\xff\xff\xff\x0f\x00"[..], b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01\0\0\0\x09", &framed[..30]]
    {
        assert!(read(Codec::Snappy, bytes).is_err());
    }
}

#[test]
fn gzip_members_and_what_follows_them() {
    let mut member = Vec::new();
    compress(records::Compression::new(Codec::Gzip), &input(), &mut member).unwrap();
    let joined = [&member[..], &member[..]].concat();
    assert_eq!(read(Codec::Gzip, &joined).unwrap(), [input(), input()].concat());
    let trailed = [&member[..], b"\0\0\0\0"].concat();
    assert_eq!(read(Codec::Gzip, &trailed).unwrap(), input());
    assert!(read(Codec::Gzip, &member[..member.len() / 2]).is_err());
    assert!(read(Codec::Gzip, b"").is_err());
}

#[test]
fn zstd_frames() {
    let streamed = zstd::stream::encode_all(&input()[..], 3).unwrap();
    assert_eq!(read(Codec::Zstd, &streamed).unwrap(), input());
    let joined = [&streamed[..], &streamed[..]].concat();
    assert_eq!(read(Codec::Zstd, &joined).unwrap(), [input(), input()].concat());
    assert!(read(Codec::Zstd, &streamed[..streamed.len() / 2]).is_err());
    assert!(read(Codec::Zstd, b"not zstd").is_err());
}
