//! A fetch that waits is answered as soon as there is something for it: nobody sleeps over an acknowledged record. And a
//! produce when its records are committed, which takes no more than a few messages between nodes.

use types::TopicIdPartition;

use crate::model::Model;

/// Delays of network, disk and actors together, undisturbed.
const SLACK_US: u64 = 200_000;

/// Less than a follower's fetch may wait for records: one that waits while there are some is too late.
const PRODUCE_SLACK_US: u64 = 400_000;

/// The answer to a produce without errors has arrived.
pub fn check_produce(model: &mut Model, sent_at: u64, now: u64) {
    let is_settled = model.settled_at > 0 && sent_at > model.settled_at;
    if is_settled && now - sent_at > PRODUCE_SLACK_US {
        model.violation(format!("a produce of {sent_at} took {} ms", (now - sent_at) / 1000));
    }
}

/// The answer to a fetch of `min_bytes=1`, sent at one time from an offset, has arrived.
pub fn check(model: &mut Model, partition: TopicIdPartition, offset: i64, sent_at: u64, now: u64) {
    let Some(log) = model.logs.get(&partition) else { return };
    let Some((base, number)) = log.batches.range(offset..).next() else { return };
    let Some(acknowledged_at) = model.sent[*number as usize].acknowledged_at else { return };
    let since = acknowledged_at.max(sent_at).max(model.disturbed_at);
    if now.saturating_sub(since) > SLACK_US {
        let text = format!(
            "a fetch of {partition} from {offset} slept {} ms over the records acknowledged at {base}",
            (now - since) / 1000
        );
        model.violation(text);
    }
}
