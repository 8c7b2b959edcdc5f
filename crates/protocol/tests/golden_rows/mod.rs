//! The rows of `testdata/golden`, and random messages that begin as one of them.

use std::io::Read;

use bytes::Bytes;
use platform::Random;

/// A message in one version as Kafka's classes write it.
#[derive(Clone, Debug)]
pub struct Golden {
    pub name: String,
    pub version: i16,
    #[allow(dead_code)] // not every test asks
    #[allow(dead_code)] // not every test asks
    pub variant: String,
    pub bytes: Bytes,
}

pub fn rows() -> Vec<Golden> {
    let packed: &[u8] = include_bytes!("../../testdata/golden/messages.gz");
    let mut text = String::new();
    flate2::read::GzDecoder::new(packed).read_to_string(&mut text).unwrap();
    text.lines().map(row).collect()
}

fn row(line: &str) -> Golden {
    let words: Vec<&str> = line.split(' ').collect();
    let hex = words[4].as_bytes().chunks(2);
    Golden {
        name: words[1].to_owned(),
        version: words[2].parse().unwrap(),
        variant: words[3].to_owned(),
        bytes: hex.map(|two| u8::from_str_radix(std::str::from_utf8(two).unwrap(), 16).unwrap()).collect(),
    }
}

/// Changes a few places: bits, whole bytes, extreme numbers, cuts and insertions.
#[allow(dead_code)] // not every test asks
pub fn mutate(bytes: &Bytes, random: &mut Random) -> Bytes {
    let mut bytes = bytes.to_vec();
    for _ in 0..=random.below(4) {
        let at = random.below(bytes.len() as u64 + 1) as usize;
        let extreme = [0x00, 0x01, 0x7f, 0x80, 0xff][random.below(5) as usize];
        match (random.below(8), bytes.get_mut(at)) {
            (0 | 1, Some(byte)) => *byte ^= 1 << random.below(8),
            (2, Some(byte)) => *byte = random.next_u64() as u8,
            (3, Some(byte)) => *byte = extreme,
            (4, Some(_)) => {
                let end = bytes.len().min(at + 4);
                bytes[at..end].fill(extreme);
            }
            (5, _) => bytes.truncate(at),
            (6, _) => bytes.insert(at, extreme),
            _ => {
                let tail = bytes.split_off(at);
                bytes.extend((0..random.below(16)).map(|_| random.next_u64() as u8));
                bytes.extend(tail);
            }
        }
    }
    Bytes::from(bytes)
}
