//! Text that is a slice of the frame it came in: cloning shares the frame, nothing is copied.

use std::borrow::Borrow;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Deref;

use bytes::Bytes;

/// A UTF-8 string over `Bytes`. Keeps its whole frame alive: what is kept long is `detached` first.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Str(Bytes);

impl Str {
    pub const fn from_static(text: &'static str) -> Str {
        Str(Bytes::from_static(text.as_bytes()))
    }

    /// The text of bytes from outside. What is not UTF-8 becomes U+FFFD, as in Java, at the cost of a copy.
    pub fn from_bytes(bytes: Bytes) -> Str {
        match std::str::from_utf8(&bytes) {
            Ok(_) => Str(bytes),
            Err(_) => Str::from(String::from_utf8_lossy(&bytes).into_owned()),
        }
    }

    /// Checks the bytes again, a few nanoseconds for a name: the crate stays without `unsafe`. Order, equality and
    /// hash of two `Str` do not.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    pub fn into_bytes(self) -> Bytes {
        self.0
    }

    pub fn as_bytes_ref(&self) -> &Bytes {
        &self.0
    }

    /// A copy that holds no frame.
    pub fn detached(&self) -> Str {
        Str(Bytes::copy_from_slice(&self.0))
    }
}

impl Deref for Str {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl AsRef<str> for Str {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl Borrow<str> for Str {
    fn borrow(&self) -> &str {
        self.as_str()
    }
}

impl Hash for Str {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl From<&str> for Str {
    fn from(text: &str) -> Str {
        Str(Bytes::copy_from_slice(text.as_bytes()))
    }
}

impl From<String> for Str {
    fn from(text: String) -> Str {
        Str(Bytes::from(text))
    }
}

impl From<&String> for Str {
    fn from(text: &String) -> Str {
        Str::from(text.as_str())
    }
}

impl From<Str> for String {
    fn from(text: Str) -> String {
        text.as_str().to_owned()
    }
}

impl FromIterator<char> for Str {
    fn from_iter<I: IntoIterator<Item = char>>(characters: I) -> Str {
        Str::from(characters.into_iter().collect::<String>())
    }
}

impl PartialEq<str> for Str {
    fn eq(&self, other: &str) -> bool {
        self.as_str() == other
    }
}

impl PartialEq<&str> for Str {
    fn eq(&self, other: &&str) -> bool {
        self.as_str() == *other
    }
}

impl PartialEq<String> for Str {
    fn eq(&self, other: &String) -> bool {
        self.as_str() == other
    }
}

impl PartialEq<Str> for str {
    fn eq(&self, other: &Str) -> bool {
        self == other.as_str()
    }
}

impl PartialEq<Str> for &str {
    fn eq(&self, other: &Str) -> bool {
        *self == other.as_str()
    }
}

impl fmt::Display for Str {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.as_str(), f)
    }
}

impl fmt::Debug for Str {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outside_bytes_become_text() {
        for (bytes, text) in [
            (&b""[..], ""),
            (b"topic", "topic"),
            ("消息".as_bytes(), "消息"),
            (b"a\xffb", "a\u{fffd}b"),
            (b"\xed\xa0\x80", "\u{fffd}\u{fffd}\u{fffd}"),
        ] {
            assert_eq!(Str::from_bytes(Bytes::from_static(bytes)), text);
        }
    }

    #[test]
    fn order_is_that_of_str() {
        let mut names = ["b", "aa", "", "消", "a"].map(Str::from);
        names.sort();
        assert_eq!(names, ["", "a", "aa", "b", "消"]);
    }

    #[test]
    fn detached_text_shares_nothing() {
        let frame = Bytes::from(vec![b'x'; 64]);
        let text = Str::from_bytes(frame.slice(3..9));
        assert_eq!(text.detached(), text);
        assert_ne!(text.detached().as_bytes_ref().as_ptr(), text.as_bytes_ref().as_ptr());
    }
}
