//! Bugs planted on purpose, for the proof that the simulator finds such: never there without the feature `planted`.

/// A known bug. Each stands as one condition in the code that would have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Planted {
    /// `flush.messages=1`, and the answer leaves before the flush.
    AckBeforeFlush = 1,
    /// Recovery counts a batch as whole without its CRC.
    TornBatchKept,
    /// Producers are not known any more after a restart.
    ProducersForgotten,
    /// A fetch is told a high watermark one past the log's end.
    HighWatermarkPastEnd,
    /// An offset commit is answered as soon as it is decided, its records never written.
    CommitNotAppended,
    /// A waiting fetch is not told of what happens on another shard.
    WakeLost,
    /// `flush.messages=1`, and consumers are shown what is not flushed.
    ShownBeforeFlush,
    /// A deleted topic's directory stays where the next of its name looks for its own.
    NamesakeInherits,
    /// Metadata counts as committed before it is on the disk.
    MetadataBeforeFlush,
    /// An offset that was deleted is there again after a restart.
    DeletionForgotten,
}

impl Planted {
    pub const ALL: [Planted; 10] = [
        Planted::AckBeforeFlush,
        Planted::TornBatchKept,
        Planted::ProducersForgotten,
        Planted::HighWatermarkPastEnd,
        Planted::CommitNotAppended,
        Planted::WakeLost,
        Planted::ShownBeforeFlush,
        Planted::NamesakeInherits,
        Planted::MetadataBeforeFlush,
        Planted::DeletionForgotten,
    ];
}

#[cfg(feature = "planted")]
thread_local! {
    static CHOSEN: std::cell::Cell<u8> = const { std::cell::Cell::new(0) };
}

/// From now on this bug is there in what this thread does, and no other.
#[cfg(feature = "planted")]
pub fn plant(bug: Option<Planted>) {
    CHOSEN.set(bug.map_or(0, |bug| bug as u8));
}

#[cfg(feature = "planted")]
pub fn is_planted(bug: Planted) -> bool {
    CHOSEN.get() == bug as u8
}

#[cfg(not(feature = "planted"))]
#[inline(always)]
pub const fn is_planted(_: Planted) -> bool {
    false
}
