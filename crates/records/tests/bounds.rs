//! Small inputs that ask for much: every codec ends in an error at the caller's maximum.

use records::compression::{CompressionError, compress, decompress};
use records::{BatchBuilder, BatchOptions, Codec, Compression, RecordError, Refusal, Rules, validate};

const MIB: usize = 1 << 20;

fn bomb(codec: Codec) -> Vec<u8> {
    let mut builder =
        BatchBuilder::new(BatchOptions { compression: Compression::new(codec), ..Default::default() });
    builder.append(0, None, Some(&vec![0; 64 * MIB]), &[]).unwrap();
    builder.build_vec().unwrap()
}

#[test]
fn bombs_end_in_an_error() {
    for codec in [Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd] {
        let bytes = bomb(codec);
        let batch = records::Batch::exact(&bytes).unwrap();
        let error = batch.data(MIB).unwrap_err();
        assert!(
            matches!(error, RecordError::Compression(CompressionError::TooLarge(MIB))),
            "{codec}: {error}"
        );
        let rules = Rules { decompressed_bytes_max: MIB, batch_bytes_max: usize::MAX, ..Rules::default() };
        let refusal = validate(&bytes, &rules).unwrap_err();
        assert!(matches!(refusal, Refusal::TooLarge { .. }), "{codec}: {refusal}");
        assert_eq!(refusal.error_code(), 10);
        let rules = Rules { decompressed_bytes_max: 65 * MIB, ..rules };
        assert!(validate(&bytes, &rules).is_ok(), "{codec}");
    }
}

#[test]
fn the_maximum_itself_is_allowed() {
    for codec in Codec::ALL {
        for size in [0, 1, 16 * 1024, 32 * 1024, 64 * 1024, 100_000] {
            let input: Vec<u8> = (0..size).map(|i| (i / 7) as u8).collect();
            let mut out = Vec::new();
            compress(Compression::new(codec), &input, &mut out).unwrap();
            assert_eq!(decompress(codec, &out, size).unwrap(), input, "{codec} {size}");
            if size > 0 && codec != Codec::None {
                let error = decompress(codec, &out, size - 1).unwrap_err();
                assert!(matches!(error, CompressionError::TooLarge(_)), "{codec} {size} {error}");
            }
        }
    }
}

#[test]
fn every_level_is_read_back() {
    let input: Vec<u8> = (0..200_000u32).flat_map(|i| (i / 3).to_le_bytes()).collect();
    let zstd = [-131072, -7, -1, 0, 1, 3, 9, 19];
    let levels = (1..=9).map(|level| (Codec::Gzip, level));
    let levels = levels.chain([(Codec::Gzip, -1)]).chain((1..=17).map(|level| (Codec::Lz4, level)));
    for (codec, level) in levels.chain(zstd.map(|level| (Codec::Zstd, level))) {
        let compression = Compression::with_level(codec, level).unwrap();
        let mut out = Vec::new();
        compress(compression, &input, &mut out).unwrap();
        assert_eq!(decompress(codec, &out, input.len()).unwrap(), input, "{codec} {level}");
    }
    for (codec, level) in [(Codec::Gzip, 0), (Codec::Gzip, 10), (Codec::Lz4, 18), (Codec::Zstd, 23)] {
        assert_eq!(Compression::with_level(codec, level), None);
    }
}
