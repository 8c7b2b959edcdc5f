//! A fetch that waits is answered as soon as there is something for it: nobody sleeps over an acknowledged record, once
//! who leads can show it, which takes until enough replicas are in sync with him. And a produce when its records are
//! committed, which takes no more than a few messages between nodes.

use types::TopicIdPartition;

use crate::model::Model;

/// Delays of network, disk and actors together, undisturbed.
const SLACK_US: u64 = 200_000;

/// Less than a follower's fetch may wait for records: one that waits while there are some is too late.
const PRODUCE_SLACK_US: u64 = 400_000;

/// The answer to a produce without errors has arrived.
pub fn check_produce(model: &mut Model, sent_at: u64, now: u64) {
    let is_settled = model.settled_at > 0 && sent_at > model.settled_at.max(model.disturbed_at);
    if is_settled && now - sent_at > PRODUCE_SLACK_US {
        model.violation(format!("a produce of {sent_at} took {} ms", (now - sent_at) / 1000));
    }
}

/// The answer to a fetch of `min_bytes=1`, sent at one time from an offset, has arrived.
pub fn check(model: &mut Model, partition: TopicIdPartition, offset: i64, sent_at: u64, now: u64) {
    let Some(log) = model.logs.get(&partition) else { return };
    let Some((base, number)) = log.batches.range(offset..).next() else { return };
    let Some(acknowledged_at) = model.sent[*number as usize].acknowledged_at else { return };
    // a new leader has to learn what is committed, and shows nothing with fewer in sync than there have to be
    let reign_since = model.reigns_since.get(&partition).copied().unwrap_or(0);
    let since = acknowledged_at.max(sent_at).max(model.disturbed_at).max(reign_since);
    if now.saturating_sub(since) > SLACK_US {
        let text = format!(
            "a fetch of {partition} from {offset} slept {} ms over the records acknowledged at {base}",
            (now - since) / 1000
        );
        model.violation(text);
    }
}

#[cfg(test)]
mod tests {
    use types::Uuid;

    use super::*;
    use crate::model::Sent;

    /// A record acknowledged at one time, a fetch that asks at another, is answered at a third, and a reign that began
    /// at a fourth.
    fn holds(acknowledged: u64, asked: u64, answered: u64, reign: Option<u64>) -> bool {
        let id = TopicIdPartition { topic_id: Uuid([1; 16]), partition: 0 };
        let mut model = Model::default();
        model.sent.push(Sent {
            partition: id,
            nature: Default::default(),
            bytes: Default::default(),
            count: 1,
            producer: None,
            offset: Some(5),
            acknowledged_at: Some(acknowledged * 1000),
        });
        model.log(id).batches.insert(5, 0);
        model.reigns_since.extend(reign.map(|at| (id, at * 1000)));
        check(&mut model, id, 5, asked * 1000, answered * 1000);
        model.violations.is_empty()
    }

    #[test]
    fn nobody_sleeps_over_what_can_be_shown() {
        let rows = [
            (1000, 900, 1100, None, true),
            (1000, 900, 1300, None, false),
            (1000, 1200, 1300, None, true),
            (1000, 1200, 1500, None, false),
            // it could not be shown before
            (1000, 900, 1300, Some(1200), true),
            // and then it could
            (1000, 900, 1500, Some(1200), false),
            (1000, 900, 1300, Some(800), false),
        ];
        for (acknowledged, asked, answered, reign, expected) in rows {
            let row = format!("{acknowledged} {asked} {answered} {reign:?}");
            assert_eq!(holds(acknowledged, asked, answered, reign), expected, "{row}");
        }
    }
}
