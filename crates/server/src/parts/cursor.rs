//! Reads what has arrived of a request that is not whole yet: each read gives a value, or that more must come, or that
//! no more can mend it. No length is believed beyond the end of the frame. The rules are those of `protocol::Reader`.

/// More tagged fields than anybody will ever have in one place: what is not whole is read again from its beginning when
/// more has arrived, which is not to be worth anybody's while.
const TAGS_MAX: u32 = 128;

/// Why there is no value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// What is read ends here at the earliest, which has not arrived.
    Short(usize),
    Malformed,
}

/// A position in what has arrived.
#[derive(Debug)]
pub struct Cursor<'a> {
    arrived: &'a [u8],
    pub at: usize,
    /// Where the frame will end.
    end: usize,
    pub flexible: bool,
}

impl Cursor<'_> {
    pub fn new(arrived: &[u8], at: usize, end: usize, flexible: bool) -> Cursor<'_> {
        Cursor { arrived, at, end, flexible }
    }

    pub fn skip(&mut self, count: usize) -> Result<(), Stop> {
        let to = self.at.checked_add(count).filter(|to| *to <= self.end).ok_or(Stop::Malformed)?;
        if to > self.arrived.len() {
            return Err(Stop::Short(to));
        }
        self.at = to;
        Ok(())
    }

    fn fixed<const N: usize>(&mut self) -> Result<[u8; N], Stop> {
        let from = self.at;
        self.skip(N)?;
        let bytes = self.arrived.get(from..).and_then(|bytes| bytes.first_chunk::<N>());
        bytes.copied().ok_or(Stop::Malformed)
    }

    pub fn i16(&mut self) -> Result<i16, Stop> {
        self.fixed().map(i16::from_be_bytes)
    }

    fn i32(&mut self) -> Result<i32, Stop> {
        self.fixed().map(i32::from_be_bytes)
    }

    fn uvarint(&mut self) -> Result<u32, Stop> {
        let mut value = 0;
        for shift in [0, 7, 14, 21, 28] {
            let [byte] = self.fixed::<1>()?;
            if shift == 28 && byte > 0x0f {
                break;
            }
            value |= u32::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(Stop::Malformed)
    }

    /// None for null; never more than the frame has left.
    fn length(&mut self, short: bool) -> Result<Option<usize>, Stop> {
        let length = match (self.flexible, short) {
            (true, _) => i64::from(self.uvarint()?) - 1,
            (false, true) => i64::from(self.i16()?),
            (false, false) => i64::from(self.i32()?),
        };
        match usize::try_from(length) {
            Ok(length) if length <= self.end.saturating_sub(self.at) => Ok(Some(length)),
            Err(_) if length == -1 => Ok(None),
            _ => Err(Stop::Malformed),
        }
    }

    /// Of an array that may not be null.
    pub fn count(&mut self) -> Result<usize, Stop> {
        self.length(false)?.ok_or(Stop::Malformed)
    }

    /// Kafka takes no strings of more than 32,767 bytes, in either form.
    pub fn string(&mut self) -> Result<(), Stop> {
        match self.length(true)? {
            Some(length) if length <= i16::MAX as usize => self.skip(length),
            _ => Err(Stop::Malformed),
        }
    }

    pub fn nullable_string(&mut self) -> Result<(), Stop> {
        let length = self.length(true)?;
        self.skip(length.unwrap_or(0))
    }

    pub fn nullable_bytes(&mut self) -> Result<(), Stop> {
        let length = self.length(false)?;
        self.skip(length.unwrap_or(0))
    }

    pub fn tags(&mut self) -> Result<(), Stop> {
        if !self.flexible {
            return Ok(());
        }
        let count = self.uvarint()?;
        if count > TAGS_MAX {
            return Err(Stop::Malformed);
        }
        for _ in 0..count {
            self.uvarint()?;
            let size = self.uvarint()?;
            self.skip(size as usize)?;
        }
        Ok(())
    }
}
