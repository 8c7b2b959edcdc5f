//! What was promised is there after a crash. The death of the process loses nothing that was acknowledged or shown;
//! a loss of power only what was not synced, and with `flush.messages=1` nothing acknowledged.

use types::TopicIdPartition;

use super::contents::Seen;
use super::producers;
use crate::model::{Log, Model};

/// How the node went down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Death {
    /// The process ended; all that was written is there.
    Kill,
    PowerLoss,
    /// It stopped by itself, everything synced; then nothing may be lost even with the power.
    Stop,
}

/// Holds a log that was found after a start against what was known. `synced_end`: what the disk had for certain.
pub fn check(
    model: &mut Model,
    partition: TopicIdPartition,
    death: Death,
    synced_end: i64,
    first: i64,
    seen: &Seen,
) {
    let nature = model.topic(partition.topic_id).map(|topic| topic.nature).unwrap_or_default();
    let log = model.logs.get(&partition).cloned().unwrap_or_default();
    let end = seen.next.max(first);
    let floor = match death {
        Death::Kill | Death::Stop => log.shown_end,
        Death::PowerLoss => log.synced_end.max(synced_end),
    };
    if end < floor {
        model.violation(format!("{partition} ends at {end} after {death:?}, {floor} was promised"));
        return;
    }
    if first > 0 && !nature.loses_old {
        model.violation(format!(
            "{partition} begins at {first} after {death:?}, nothing may be deleted in it"
        ));
        return;
    }
    check_entries(model, partition, &log, floor, first, seen);
    take_over(model, partition, &log, end, seen, nature.flushed);
    producers::check_order(model, partition, &seen.batches);
}

fn check_entries(
    model: &mut Model,
    partition: TopicIdPartition,
    log: &Log,
    floor: i64,
    first: i64,
    seen: &Seen,
) {
    let found: std::collections::BTreeMap<i64, u32> = seen.batches.iter().copied().collect();
    for (base, number) in log.batches.range(first..) {
        let end = base + i64::from(model.sent[*number as usize].count);
        if end <= floor && found.get(base) != Some(number) {
            let other = found.get(base);
            let text = format!("{partition} at {base}: batch {number} was promised, {other:?} is there");
            return model.violation(text);
        }
    }
}

/// From now on the log is what was found.
fn take_over(
    model: &mut Model,
    partition: TopicIdPartition,
    log: &Log,
    end: i64,
    seen: &Seen,
    flushed: bool,
) {
    for (base, number) in log.batches.iter().filter(|(base, _)| **base >= end) {
        let sent = &mut model.sent[*number as usize];
        if sent.offset == Some(*base) {
            sent.offset = None;
        }
    }
    // what stood there before and does not any more, below the end
    let kept = |base: &i64, number: &u32| seen.batches.binary_search(&(*base, *number)).is_ok();
    let first = seen.batches.first().map_or(end, |(base, _)| *base);
    for (base, number) in log.batches.range(first..).filter(|(base, number)| !kept(base, number)) {
        let sent = &mut model.sent[*number as usize];
        if sent.offset == Some(*base) {
            sent.offset = None;
        }
    }
    // a log that was lost up to where its records were deleted may begin anew in the midst of a batch
    let lies_before =
        |base: &i64, number: &u32| base + i64::from(model.sent[*number as usize].count) <= first;
    let before = log.batches.range(..first).filter(|(base, number)| lies_before(base, number));
    let mut batches: std::collections::BTreeMap<i64, u32> =
        before.map(|(base, number)| (*base, *number)).collect();
    batches.extend(seen.batches.iter().copied());
    for (base, number) in &seen.batches {
        producers::placed(model, partition, *base, *number, "recovery");
    }
    let synced_end = log.synced_end;
    // with `flush.messages=1` the rest is shown when it is flushed anew
    let visible_end = if flushed { 0 } else { end };
    let had = log.had.clone();
    *model.log(partition) =
        Log { batches, had, shown_end: end, synced_end, visible_end, start: 0, end_bound: end };
}
