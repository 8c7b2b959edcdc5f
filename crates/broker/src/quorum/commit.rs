//! Committed records become the image; the image goes to the shards.

use std::sync::Arc;

use metadata::features::{MetadataVersion, UNSTABLE_ENABLE};
use metadata::image::MetadataImage;
use raft::RaftLog;
use types::Offset;

use super::batches::{self, LogRecord};
use super::{Quorum, Turn};
use crate::event::{ActorId, Effect, ShardId};
use crate::message::Message;

/// Read at once from the log.
const READ_BYTES: usize = 1 << 20;

impl Quorum {
    /// Committed, and on the own disk: what shards have acted on must be known still after a loss of power. A log of a topic
    /// that the first image does not have is taken for one of no topic.
    fn applicable(&self) -> Offset {
        self.high_watermark.min(self.raft.flushed())
    }

    /// Applies whole batches up to the high watermark, or to one that deletes topics: that is published alone, so that
    /// no image has both a topic's end and its namesake's beginning.
    pub(super) fn apply_committed(&mut self, turn: &mut Turn<'_>) {
        while self.applied < self.applicable() && !self.is_failed && !self.has_unpublished_deletion() {
            if let Err(reason) = self.apply_some() {
                return self.fail(reason, turn);
            }
            if self.applied >= self.applicable()
                && let Err(reason) = self.check_metadata_version(self.loader.head())
            {
                return self.fail(reason, turn);
            }
        }
        self.consider_snapshot(turn);
    }

    /// An error where the cluster is at a level that this node does not work with. One that it was at before is none
    /// of this node's business; Kafka minds that too.
    pub(super) fn check_metadata_version(&self, image: &MetadataImage) -> Result<(), String> {
        let highest = MetadataVersion::highest(self.config.bool(UNSTABLE_ENABLE));
        match image.finalized_metadata_version() {
            Some(version) if version > highest => Err(format!(
                "the cluster has metadata.version {}, this node only supports versions {}-{} unless {UNSTABLE_ENABLE} is set",
                version.0,
                MetadataVersion::MINIMUM.0,
                highest.0
            )),
            _ => Ok(()),
        }
    }

    fn has_unpublished_deletion(&self) -> bool {
        self.published.is_some() && self.loader.deletes_topics()
    }

    fn apply_some(&mut self) -> Result<(), String> {
        let bytes = self.log.read(self.applied, READ_BYTES).map_err(|error| error.to_string())?;
        let (before, end) = (self.applied, self.applicable());
        for batch in records::Batches::new(&bytes) {
            let batch = batch.map_err(|error| error.to_string())?;
            if batch.next_offset() > end {
                break;
            }
            let mut refused = None;
            let loader = &mut self.loader;
            let read = batches::read_batch(&batch, &mut |offset, record| {
                if let LogRecord::Data(record) = record
                    && let Err(error) = loader.apply(&record, offset.0)
                {
                    refused.get_or_insert(format!("metadata record {} at {offset}: {error}", record.name()));
                }
                Ok(())
            });
            read.map_err(|error| error.to_string())?;
            if let Some(reason) = refused {
                return Err(reason);
            }
            self.applied = batch.next_offset();
            self.snapshots.note(batch.size() as u64, batch.max_timestamp());
            if self.has_unpublished_deletion() {
                break;
            }
        }
        if self.applied == before {
            return Err(format!("no batch at offset {before} of the metadata log"));
        }
        Ok(())
    }

    /// Tells the shards what is new. An answer that waits has its offset published even if nothing changed.
    pub(super) fn publish(&mut self, turn: &mut Turn<'_>) {
        let last = self.applied.0 - 1;
        // nothing is shown before this start's first committed record: the log may hold more that is
        if self.high_watermark.0 == 0 || self.published.is_some_and(|published| published >= last) {
            return;
        }
        // the first is from when all that is committed here is applied, this life's registration with it: what replicas the
        // node had in its last life, under that one's epoch, it may not have any more
        if self.published.is_none() && (self.applied < self.high_watermark || !self.is_broker_registered()) {
            return;
        }
        // a new topic may belong to other shards than its old namesake, whose directories must be out of its way
        if self.deletion_published.is_some_and(|offset| self.applied_by_shards() < offset) {
            return;
        }
        let (image, delta) = self.loader.publish();
        let kraft_version = self.raft.quorum().kraft_version();
        let awaited = self.waiting.iter().any(|waiting| waiting.offset <= last)
            || self.own.awaits().is_some_and(|offset| offset <= last)
            || kraft_version != self.published_kraft_version;
        if self.published.is_some() && delta.is_empty() && !awaited {
            self.quiet_through = last;
            return;
        }
        if self.published.is_none() && image.finalized_metadata_version().is_none() {
            return;
        }
        if !delta.topics_deleted.is_empty() {
            self.deletion_published = Some(last);
        }
        let changes = self.published.map(|_| Arc::new(delta));
        self.published = Some(last);
        self.published_kraft_version = kraft_version;
        let image = Arc::new(image);
        for shard in 0..self.shards.len() {
            let (image, changes) = (Arc::clone(&image), changes.clone());
            let message = Message::Image { image, changes, offset: last, kraft_version };
            let to = ActorId::Shard(ShardId(u16::try_from(shard).unwrap_or(0)));
            turn.effects.push(Effect::Send { to, message });
        }
    }

    /// What a heartbeat tells: the shards have applied everything up to here that concerns them.
    pub(super) fn known_to_shards(&self) -> i64 {
        let applied = self.applied_by_shards();
        match self.published {
            Some(published) if applied >= published => applied.max(self.quiet_through),
            _ => applied,
        }
    }

    /// The offset that every shard has applied.
    pub(super) fn applied_by_shards(&self) -> i64 {
        self.shards.iter().copied().min().unwrap_or(i64::MAX)
    }
}
