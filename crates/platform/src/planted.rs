//! Bugs planted on purpose, for the proof that the simulator finds such: never there without the feature `planted`.

/// A known bug. Each stands as one condition in the code that would have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Planted {
    /// `flush.messages=1`, and the answer leaves before the flush.
    AckBeforeFlush = 1,
    /// Recovery counts a batch as whole without its CRC.
    TornBatchKept,
    /// Recovery takes what memory shows for what the next sync will make last.
    RecoveredUnwritten,
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
    /// acks=all is answered before the in-sync replicas have the records.
    AckBeforeInSync,
    /// A leader's high watermark is the end of its own log.
    HighWatermarkAlone,
    /// A leader that takes members out of the in-sync set does not wait for the controller's word.
    RemovedBeforeDecided,
    /// A new leader begins with no high watermark.
    HighWatermarkLost,
    /// A new leader says where the log ends before it knows what is committed.
    EndGuessed,
    /// A follower cuts its log at its high watermark when the leader changes.
    TruncatedToHighWatermark,
    /// A leader that leads no more goes on taking records.
    StaleLeaderAccepts,
    /// A produce that waits when its leader is deposed is acknowledged.
    DeposedLeaderAcknowledges,
    /// A leader does not tell a follower that its log went another way.
    DivergenceNotTold,
    /// Consumers are shown what is not committed.
    FetchPastHighWatermark,
    /// A follower asks on before what it has is on its disk, with `flush.messages=1`.
    FollowerAheadOfDisk,
    /// A follower does not note the sequences of producers.
    FollowerForgetsProducers,
    /// A fenced broker stays in the in-sync sets of partitions that others lead.
    FencedKeptInSync,
    /// When a broker is fenced, any replica is good enough to lead.
    ElectedOutsideInSync,
    /// A partition's new leader reigns in its predecessor's epoch.
    EpochReused,
    /// A voter gives its vote and does not write it down.
    VoteNotPersisted,
    /// A voter gives its vote to whoever asks, however little that one has of the log.
    VoteForShorterLog,
    /// A voter keeps what the leader of the quorum does not have.
    VoterNotTruncated,
    /// The leader of the quorum counts a majority for records of earlier epochs alone.
    EarlierEpochCommitted,
    /// A change of the voters is committed by a majority of those who voted before.
    OldVotersDecide,
    /// A group's coordinator answers a commit before it is replicated.
    CommitBeforeReplicated,
    /// A reassignment drops the old replicas before the new ones are in sync.
    OldReplicasDropped,
    /// Between log directories: what comes after the copy's flush is not copied before it takes the replica's place.
    SwappedBehind,
    /// The copy takes the replica's place when it has everything, before it is on the disk and the controller knows.
    SwappedUnsynced,
    /// Whatever comes before a producer's last batches is told to be a duplicate, whether the log has had it or not.
    DuplicateUnproven,
    /// A reassignment may name a broker that is not registered.
    UnregisteredAssigned,
    /// A broker is unfenced before it has read of its registration.
    UnfencedBehind,
}

impl Planted {
    /// Those that one node can have.
    pub const ALONE: [Planted; 11] = [
        Planted::AckBeforeFlush,
        Planted::TornBatchKept,
        Planted::RecoveredUnwritten,
        Planted::ProducersForgotten,
        Planted::HighWatermarkPastEnd,
        Planted::CommitNotAppended,
        Planted::WakeLost,
        Planted::ShownBeforeFlush,
        Planted::NamesakeInherits,
        Planted::MetadataBeforeFlush,
        Planted::DeletionForgotten,
    ];

    /// Those that several nodes can have.
    pub const AMONG_NODES: [Planted; 28] = [
        Planted::WakeLost,
        Planted::AckBeforeInSync,
        Planted::HighWatermarkAlone,
        Planted::RemovedBeforeDecided,
        Planted::HighWatermarkLost,
        Planted::EndGuessed,
        Planted::TruncatedToHighWatermark,
        Planted::StaleLeaderAccepts,
        Planted::DeposedLeaderAcknowledges,
        Planted::DivergenceNotTold,
        Planted::FetchPastHighWatermark,
        Planted::FollowerAheadOfDisk,
        Planted::FollowerForgetsProducers,
        Planted::FencedKeptInSync,
        Planted::ElectedOutsideInSync,
        Planted::EpochReused,
        Planted::VoteNotPersisted,
        Planted::VoteForShorterLog,
        Planted::VoterNotTruncated,
        Planted::EarlierEpochCommitted,
        Planted::OldVotersDecide,
        Planted::CommitBeforeReplicated,
        Planted::OldReplicasDropped,
        Planted::SwappedBehind,
        Planted::SwappedUnsynced,
        Planted::DuplicateUnproven,
        Planted::UnregisteredAssigned,
        Planted::UnfencedBehind,
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
