//! One number for all that happened. Two runs of one seed must give the same.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trace(u64);

impl Trace {
    pub fn new() -> Trace {
        Trace(0xcbf2_9ce4_8422_2325)
    }

    pub fn note(&mut self, value: u64) {
        let mixed = (self.0 ^ value).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 = mixed ^ (mixed >> 29);
    }

    pub fn bytes(&mut self, bytes: &[u8]) {
        self.note(bytes.len() as u64);
        self.note(u64::from(records::crc32c(bytes)));
    }

    pub fn hash(self) -> u64 {
        self.0
    }
}
