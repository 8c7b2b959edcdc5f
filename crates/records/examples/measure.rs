//! What validation costs, in GB/s of batch bytes: `cargo run --release -p records --example measure`. The best of
//! several rounds counts, so that what else the machine does disturbs little.
//!
//! November 2026, one of two shared virtual cores with AVX-512, batches in cache: uncompressed 1 KiB records 45 to 50
//! GB/s, 100 B records 14 GB/s (8 ns a record), the checksum alone 105 to 115 GB/s. LogAppendTime adds 0.3 us a batch.
#![allow(clippy::disallowed_methods)] // a development tool that reads the clock

use std::hint::black_box;
use std::time::Instant;

use records::{BatchBuilder, BatchOptions, Codec, Compression, Rules, TimestampType, crc32c, validate};
use types::{LeaderEpoch, Offset};

const NOW: i64 = 1_700_000_000_000;
const ROUNDS: usize = 15;

fn main() {
    println!("{:<44}{:>9}{:>12}", "", "GB/s", "ns a record");
    for (size, batch_bytes) in [(1024, 1_000_000), (1024, 16_000), (100, 1_000_000), (100, 16_000)] {
        for codec in Codec::ALL {
            row(codec, size, batch_bytes);
        }
    }
}

/// Text-like: words from a small set, so that codecs have something to do.
fn value(size: usize, state: &mut u64) -> Vec<u8> {
    let mut out = Vec::with_capacity(size + 8);
    while out.len() < size {
        *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        out.extend_from_slice(format!("{:x} ", (*state >> 40) & 0xfff).as_bytes());
    }
    out.truncate(size);
    out
}

fn row(codec: Codec, size: usize, batch_bytes: usize) {
    let mut builder =
        BatchBuilder::new(BatchOptions { compression: Compression::new(codec), ..Default::default() });
    let mut state = 1;
    while builder.size() + size < batch_bytes {
        builder.append(NOW, None, Some(&value(size, &mut state)), &[]).expect("a record");
    }
    let (count, plain) = (builder.record_count() as usize, builder.size());
    let bytes = builder.build_vec().expect("a batch");
    let rules = Rules { now_ms: NOW, ..Rules::default() };
    let name = |what: &str| format!("{codec} {size} B in {} KB: {what}", batch_bytes / 1000);
    report(&name("validate"), plain, count, || {
        let validated = validate(&bytes, &rules).expect("valid");
        black_box(validated.header(Offset(5), LeaderEpoch(1)));
    });
    if codec == Codec::None {
        report(&name("checksum alone"), plain, count, || {
            black_box(crc32c(black_box(&bytes)));
        });
        let rules = Rules { timestamp_type: TimestampType::LogAppendTime, ..rules };
        report(&name("LogAppendTime"), plain, count, || {
            let validated = validate(&bytes, &rules).expect("valid");
            black_box(validated.header(Offset(5), LeaderEpoch(1)));
        });
    }
}

fn report(name: &str, bytes: usize, records: usize, mut run: impl FnMut()) {
    let repeat = (20_000_000 / bytes).max(1);
    let best = (0..ROUNDS)
        .map(|_| {
            let start = Instant::now();
            (0..repeat).for_each(|_| run());
            start.elapsed().as_secs_f64() / repeat as f64
        })
        .fold(f64::MAX, f64::min);
    println!("{name:<44}{:>9.2}{:>12.1}", bytes as f64 / best / 1e9, best * 1e9 / records as f64);
}
