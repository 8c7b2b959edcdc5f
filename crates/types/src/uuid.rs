//! 128-bit ids as Kafka writes them: URL-safe base64 without padding, 22 characters.

use std::fmt;
use std::str::FromStr;

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// A topic, directory, cluster or incarnation id. Zero means none; the first hundred values are reserved.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uuid(pub [u8; 16]);

impl Uuid {
    pub const ZERO: Uuid = Uuid([0; 16]);
    /// The id of `__cluster_metadata`.
    pub const METADATA_TOPIC: Uuid = Uuid([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);

    pub fn is_zero(self) -> bool {
        self == Self::ZERO
    }

    /// An id from 16 random bytes as Kafka draws them (RFC 4122 version 4), or None where the draw must be
    /// repeated because its text would begin with `-`, which tools take for an option.
    pub fn from_random(mut bytes: [u8; 16]) -> Option<Uuid> {
        bytes[6] = bytes[6] & 0x0f | 0x40;
        bytes[8] = bytes[8] & 0x3f | 0x80;
        (bytes[0] >> 2 != 62).then_some(Uuid(bytes))
    }

    /// Most and least significant halves, as Java holds them.
    pub fn halves(self) -> (i64, i64) {
        let n = u128::from_be_bytes(self.0);
        ((n >> 64) as i64, n as i64)
    }

    pub fn from_halves(most: i64, least: i64) -> Uuid {
        Uuid(((u128::from(most as u64) << 64) | u128::from(least as u64)).to_be_bytes())
    }
}

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let n = u128::from_be_bytes(self.0);
        let mut text = [0u8; 22];
        for (i, c) in text.iter_mut().enumerate() {
            // 22 characters hold 132 bits: the last one carries two bits and four zero bits
            let index = if i == 21 { (n << 4) & 63 } else { (n >> (122 - 6 * i)) & 63 };
            *c = ALPHABET[index as usize];
        }
        f.pad(std::str::from_utf8(&text).expect("ascii"))
    }
}

impl fmt::Debug for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Text that is not 22 characters of URL-safe base64.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidUuid;

impl fmt::Display for InvalidUuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a 22-character base64 id")
    }
}

impl std::error::Error for InvalidUuid {}

impl FromStr for Uuid {
    type Err = InvalidUuid;

    fn from_str(text: &str) -> Result<Self, InvalidUuid> {
        if text.len() != 22 {
            return Err(InvalidUuid);
        }
        let mut n: u128 = 0;
        for (i, c) in text.bytes().enumerate() {
            let value = ALPHABET.iter().position(|&a| a == c).ok_or(InvalidUuid)? as u128;
            n = if i == 21 { n << 2 | value >> 4 } else { n << 6 | value };
        }
        Ok(Uuid(n.to_be_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_kafkas() {
        for (uuid, text) in [
            (Uuid::ZERO, "AAAAAAAAAAAAAAAAAAAAAA"),
            (Uuid::METADATA_TOPIC, "AAAAAAAAAAAAAAAAAAAAAQ"),
            (Uuid([0xff; 16]), "_____________________w"),
            (Uuid::from_halves(0x4d6b_5533_4f45_5642, 0x4e54_6377), "TWtVM09FVkIAAAAATlRjdw"),
        ] {
            assert_eq!(uuid.to_string(), text);
            assert_eq!(text.parse(), Ok(uuid));
        }
    }

    #[test]
    fn other_text_is_refused() {
        for text in ["", "AAAA", "AAAAAAAAAAAAAAAAAAAAA=", "AAAAAAAAAAAAAAAAAAAAAAA"] {
            assert_eq!(text.parse::<Uuid>(), Err(InvalidUuid));
        }
    }

    #[test]
    fn random_ids_never_begin_with_a_dash() {
        let mut bytes = [0u8; 16];
        bytes[0] = 62 << 2;
        assert_eq!(Uuid::from_random(bytes), None);
        bytes[0] = 1;
        assert!(!Uuid::from_random(bytes).unwrap().to_string().starts_with('-'));
    }
}
