//! What Zstandard frames (RFC 8878) say of themselves before anything is decompressed: the memory that they ask for, and
//! how much can come out of them at most. Headers of frames and blocks are read, their content is not.

/// No block gives more.
const BLOCK_MAX: u64 = 128 << 10;
const MAGIC: u32 = 0xfd2f_b528;
const SKIPPABLE: u32 = 0x184d_2a50;

/// Of all frames together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Claims {
    /// The largest window, or claimed content where that is the window.
    pub window: u64,
    /// Bytes that the blocks can give at most, whatever their headers claim.
    pub content_max: u64,
}

/// None where the bytes are no whole frames.
pub fn claims(input: &[u8]) -> Option<Claims> {
    let mut rest = Bytes(input);
    let mut claims = Claims::default();
    while !rest.0.is_empty() {
        let magic = rest.number(4)? as u32;
        if magic & 0xffff_fff0 == SKIPPABLE {
            let size = rest.number(4)?;
            rest.skip(size)?;
        } else if magic == MAGIC {
            let frame = frame(&mut rest)?;
            claims.window = claims.window.max(frame.window);
            claims.content_max = claims.content_max.saturating_add(frame.content_max);
        } else {
            return None;
        }
    }
    Some(claims)
}

fn frame(rest: &mut Bytes<'_>) -> Option<Claims> {
    let descriptor = rest.number(1)?;
    let (is_single_segment, has_checksum) = (descriptor & 0x20 != 0, descriptor & 0x04 != 0);
    let mut window = 0;
    if !is_single_segment {
        let byte = rest.number(1)?;
        let base = 1u64 << (10 + (byte >> 3));
        window = base + base / 8 * (byte & 7);
    }
    rest.skip([0, 1, 2, 4][usize::try_from(descriptor & 3).ok()?])?;
    let size_bytes = match descriptor >> 6 {
        0 => usize::from(is_single_segment),
        1 => 2,
        2 => 4,
        _ => 8,
    };
    let claimed = rest.number(size_bytes)?;
    if is_single_segment {
        window = claimed.saturating_add(if size_bytes == 2 { 256 } else { 0 });
    }
    let mut content_max = 0u64;
    loop {
        let block = rest.number(3)?;
        let (is_last, kind, size) = (block & 1 != 0, block >> 1 & 3, block >> 3);
        // a run's byte stands there once
        rest.skip(if kind == 1 { 1 } else { size })?;
        content_max = content_max.saturating_add(if kind == 2 { BLOCK_MAX } else { size.min(BLOCK_MAX) });
        if is_last {
            break;
        }
    }
    rest.skip(if has_checksum { 4 } else { 0 })?;
    Some(Claims { window, content_max })
}

struct Bytes<'a>(&'a [u8]);

impl Bytes<'_> {
    /// Little-endian, of at most eight bytes.
    fn number(&mut self, size: usize) -> Option<u64> {
        let (bytes, rest) = self.0.split_at_checked(size)?;
        self.0 = rest;
        Some(bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    fn skip(&mut self, size: u64) -> Option<()> {
        self.0 = self.0.get(usize::try_from(size).ok()?..)?;
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    /// As Java's producer writes: in pieces, the size not known before.
    fn streamed(input: &[u8], level: i32) -> Vec<u8> {
        let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), level).unwrap();
        encoder.write_all(input).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn what_frames_claim() {
        let input: Vec<u8> = (0..300_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        for (level, window) in [(1, 512 << 10), (3, 2 << 20), (19, 8 << 20), (22, 128 << 20)] {
            let claims = claims(&streamed(&input, level)).unwrap();
            assert_eq!(claims.window, window, "{level}");
            assert!((300_000..1 << 20).contains(&claims.content_max), "{claims:?}");
        }
        let at_once = zstd::bulk::compress(&input, 22).unwrap();
        assert_eq!(claims(&at_once).unwrap().window, 300_000);
        let twice = [at_once, vec![0x50, 0x2a, 0x4d, 0x18, 1, 0, 0, 0, 9], streamed(b"x", 3)].concat();
        assert_eq!(claims(&twice).unwrap().window, 2 << 20);
        for cut in 1..twice.len() {
            let found = claims(&twice[..twice.len() - cut]);
            assert!(found.is_none_or(|found| found.window < 2 << 20), "{cut} bytes are missing");
        }
        // one byte, said to be 100 MiB
        let lie =
            [&[0x28, 0xb5, 0x2f, 0xfd, 0xa0][..], &(100u32 << 20).to_le_bytes(), &[9, 0, 0, 7]].concat();
        assert_eq!(claims(&lie), Some(Claims { window: 100 << 20, content_max: 1 }));
    }
}
