//! Lines for the operator that a stranger could cause by the thousand: one in ten seconds, and how many were left out.

const EVERY_US: u64 = 10_000_000;

#[derive(Debug, Default)]
pub struct Quiet {
    next_us: u64,
    left_out: u64,
}

impl Quiet {
    /// How many lines were left out since the last, where one may be written now.
    pub fn may_speak(&mut self, now_us: u64) -> Option<u64> {
        if now_us < self.next_us {
            self.left_out += 1;
            return None;
        }
        self.next_us = now_us.saturating_add(EVERY_US);
        Some(std::mem::take(&mut self.left_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_in_ten_seconds() {
        let mut quiet = Quiet::default();
        assert_eq!(quiet.may_speak(5), Some(0));
        assert_eq!(quiet.may_speak(6), None);
        assert_eq!(quiet.may_speak(EVERY_US), None);
        assert_eq!(quiet.may_speak(EVERY_US + 5), Some(2));
    }
}
