//! A fetch that waits is answered as soon as there is something for it: nobody sleeps over an acknowledged record.

use types::TopicIdPartition;

use crate::model::Model;

/// Delays of network, disk and actors together, undisturbed.
const SLACK_US: u64 = 200_000;

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
