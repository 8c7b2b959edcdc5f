//! What readers of answers share: records of a fetch held against the model, producer ids that must be new.

use protocol::ErrorCode;
use protocol::messages::fetch_response::PartitionData;
use records::Batches;
use types::TopicIdPartition;

use crate::commands::Api;
use crate::invariants::high_watermark::{self, Told};
use crate::invariants::{contents, promptness};

/// One partition of a fetch as it was asked.
#[derive(Clone, Copy, Debug)]
pub struct Asked {
    pub offset: i64,
    pub sent_at: u64,
    /// What every consumer had to be shown when it was asked.
    pub floor: i64,
    pub high_watermark_before: i64,
    pub min_bytes_is_one: bool,
    pub power_losses: u64,
    /// The epoch in which the node that is asked leads, where nobody leads in a newer one.
    pub epoch: Option<i32>,
}

/// The epoch in which the node that a client is connected to leads, where nobody leads in a newer one.
pub fn epoch_of(api: &Api<'_>, id: TopicIdPartition) -> Option<i32> {
    let (epoch, leader) = api.model.replicas.newest(id)?;
    (Some(leader) == api.machine).then_some(epoch)
}

/// Whether an answer may be held against all that was known when it was asked for: from a node that is alone, or that
/// has led all the while in a cluster whose disks lose nothing.
pub fn is_bound(api: &Api<'_>, id: TopicIdPartition, asked: &Asked) -> bool {
    !api.model.is_cluster || api.model.is_strict && asked.epoch.is_some() && epoch_of(api, id) == asked.epoch
}

/// Holds an answer without an error against everything; gives the next offset.
pub fn check(api: &mut Api<'_>, id: TopicIdPartition, asked: &Asked, data: &PartitionData) -> i64 {
    let bytes = data.records.bytes().unwrap_or_default();
    let mut records_end = None;
    let mut next = asked.offset;
    if !bytes.is_empty() {
        let Some(seen) = contents::check(api.model, id, &bytes, "fetch") else { return next };
        if let Some((first, _)) = seen.batches.first()
            && (*first > asked.offset || seen.next <= asked.offset)
        {
            let text = format!("a fetch of {id} from {} gets {first} to {}", asked.offset, seen.next);
            api.model.violation(text);
        }
        for (base, number) in &seen.batches {
            contents::place(api.model, id, *base, *number, "fetch");
        }
        if !seen.batches.is_empty() {
            records_end = Some(seen.next);
            next = next.max(seen.next);
        }
    }
    // a new leader may hear late how far all have come
    let (floor, before) = match api.model.is_cluster {
        true => (0, 0),
        false => (asked.floor, asked.high_watermark_before),
    };
    let told = Told { high_watermark: data.high_watermark, records_end, floor, before };
    high_watermark::check(api.model, id, &told, "fetch");
    let flushed = api.model.topic(id.topic_id).is_some_and(|topic| topic.nature.flushed);
    if let Some(end) = records_end.filter(|_| flushed) {
        let log = api.model.log(id);
        log.synced_end = log.synced_end.max(end);
    }
    // a new leader with too few in sync does not hear that what another has shown is committed
    let knows = !api.model.is_cluster || data.high_watermark > asked.offset;
    if asked.min_bytes_is_one && knows && is_bound(api, id, asked) {
        promptness::check(api.model, id, asked.offset, asked.sent_at, api.now);
    }
    next
}

/// What a damaged log shows: each batch whose checksum holds is one that was sent to it. Gives the next offset.
pub fn check_damaged(api: &mut Api<'_>, id: TopicIdPartition, asked: &Asked, data: &PartitionData) -> i64 {
    let bytes = data.records.bytes().unwrap_or_default();
    let mut next = asked.offset;
    for batch in Batches::new(&bytes) {
        let Ok(batch) = batch else { break };
        if batch.verify_crc().is_err() {
            api.coverage.count("transition", "damage seen by a reader");
            break;
        }
        let found = contents::check_batch(api.model, id, &batch, "fetch of a damaged log");
        next = batch.next_offset().0.max(next);
        if found.is_none() {
            break;
        }
    }
    // past what cannot be read, as somebody would who wants the rest
    if next == asked.offset && !bytes.is_empty() { next + 1 } else { next }
}

/// A fetch was refused as out of range.
pub fn out_of_range(api: &mut Api<'_>, id: TopicIdPartition, asked: &Asked) {
    let loses = api.model.topic(id.topic_id).is_none_or(|topic| topic.nature.loses_old);
    let lost_power =
        api.model.power_losses != asked.power_losses || (api.model.is_cluster && !api.model.is_strict);
    if !loses && !lost_power {
        let end = api.model.log(id).shown_end;
        let text = format!(
            "{} of {id} is out of range, it ends at {end} and nothing was lost or deleted",
            asked.offset
        );
        api.model.violation(text);
    }
}

/// A topic that is there for sure is not unknown.
pub fn unknown_topic(api: &mut Api<'_>, id: TopicIdPartition, code: ErrorCode) {
    if api.model.is_live(id.topic_id) && !api.model.is_cluster {
        api.model.violation(format!("{id} is there, and {code} is said of it"));
    }
}

/// An id is given to one producer only.
pub fn unique_producer(api: &mut Api<'_>, id: i64) {
    if !api.model.producer_ids.insert(id) {
        api.model.violation(format!("producer id {id} is given twice"));
    }
}
