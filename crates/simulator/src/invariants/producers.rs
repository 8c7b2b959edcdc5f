//! An idempotent producer's batch is in the log once, and its batches are there in the order in which it sent them.

use std::collections::BTreeMap;

use types::TopicIdPartition;

use crate::model::Model;

/// A batch was found at an offset; it must not be anywhere else.
pub fn placed(model: &mut Model, partition: TopicIdPartition, base: i64, number: u32, whose: &str) {
    let sent = &mut model.sent[number as usize];
    match sent.offset {
        Some(other) if other != base && sent.producer.is_some() => {
            model.violation(format!(
                "{whose}: {partition}: batch {number} of an idempotent producer is at {other} and at {base}"
            ));
        }
        _ => sent.offset = Some(base),
    }
}

/// The whole log of a partition.
pub fn check_order(model: &mut Model, partition: TopicIdPartition, batches: &[(i64, u32)]) {
    let mut last: BTreeMap<usize, (u64, i64)> = BTreeMap::new();
    let mut found = Vec::new();
    for (base, number) in batches {
        let Some((client, place)) = model.sent[*number as usize].producer else { continue };
        if let Some((before, at)) = last.insert(client, (place, *base))
            && before >= place
        {
            found.push(format!(
                "{partition}: batch {place} of client {client} at {base} is behind its batch {before} at {at}"
            ));
        }
    }
    model.violations.extend(found);
}
