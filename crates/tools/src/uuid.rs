//! Ids in base64 as people type them, with the errors of Kafka's own class.

use types::Uuid;

const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// 16 bytes from 22 letters, padding allowed; the last letter's spare bits are dropped, as Java does.
pub fn parse(text: &str) -> Result<Uuid, String> {
    if text.len() > 24 {
        let head: String = text.chars().take(24).collect();
        return Err(format!("Input string with prefix `{head}` is too long to be decoded as a base64 UUID"));
    }
    let mut bytes = Vec::new();
    let (mut bits, mut count) = (0u32, 0u32);
    for letter in text.trim_end_matches('=').bytes() {
        let Some(value) = LETTERS.iter().position(|of| *of == letter) else {
            return Err(format!("Illegal base64 character {letter:x}"));
        };
        bits = (bits << 6 | value as u32) & 0xffff;
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
        }
    }
    let length = bytes.len();
    let bytes: [u8; 16] = bytes.try_into().map_err(|_| {
        format!(
            "Input string `{text}` decoded as {length} bytes, which is not equal to the expected 16 bytes of a \
             base64-encoded UUID"
        )
    })?;
    let (most, least) = u128::from_be_bytes(bytes).halves();
    Ok(Uuid::from_halves(most, least))
}

trait Halves {
    fn halves(self) -> (i64, i64);
}

impl Halves for u128 {
    fn halves(self) -> (i64, i64) {
        ((self >> 64) as i64, self as i64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_read_as_kafka_reads_them() {
        assert_eq!(parse("MkU3OEVBNTcwNTJENDM2Qk").unwrap().to_string(), "MkU3OEVBNTcwNTJENDM2Qg");
        assert!(parse("AAAAAAAAAAAAAAAAAAAAAA").unwrap().is_zero());
        assert!(parse("bad").unwrap_err().starts_with("Input string `bad` decoded as 2 bytes"));
    }
}
