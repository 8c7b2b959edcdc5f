//! What consumers of committed records must know: where the first open transaction begins, and which were aborted.

use types::Offset;

use super::Log;
use crate::error::Result;
use crate::segment::{AbortedTransaction, read_aborted};

impl Log {
    /// Where the first transaction begins that is open, or whose end is not below the high watermark.
    pub fn first_unstable_offset(&self) -> Option<Offset> {
        self.producers.first_unstable_offset()
    }

    /// Records below are neither part of an open transaction nor above the high watermark.
    pub fn last_stable_offset(&self, high_watermark: Offset) -> Offset {
        self.first_unstable_offset().map_or(high_watermark, |first| first.min(high_watermark))
    }

    /// Transactions that ended below the high watermark are unstable no more. Also called after opening and cutting
    /// a log, which make all its ended transactions unstable again.
    pub fn on_high_watermark(&mut self, high_watermark: Offset) {
        self.producers.on_high_watermark(high_watermark);
    }

    /// The aborted transactions that touch `from..upper_bound`, in the order of their first offsets.
    pub fn aborted_transactions(&self, from: Offset, upper_bound: Offset) -> Result<Vec<AbortedTransaction>> {
        let mut touching = Vec::new();
        'segments: for segment in self.segments.iter().skip(self.segment_of(from)) {
            if !segment.has_aborted {
                continue;
            }
            for aborted in read_aborted(&self.place, segment.base)? {
                if aborted.last_offset >= from && aborted.first_offset < upper_bound {
                    touching.push(aborted);
                }
                // all that ended later began at or behind it
                if aborted.last_stable_offset >= upper_bound {
                    break 'segments;
                }
            }
        }
        touching.sort_by_key(|aborted| aborted.first_offset);
        Ok(touching)
    }
}
