//! What is read is what was sent, byte for byte, at the offset that was acknowledged; offsets have neither gap nor
//! overlap.

use records::{Batch, Batches};
use types::TopicIdPartition;

use super::producers;
use crate::content;
use crate::model::Model;

/// What a look at some batches gave.
pub struct Seen {
    /// First offset and number of each batch.
    pub batches: Vec<(i64, u32)>,
    pub next: i64,
}

/// Holds batches that were read against what was sent. None: a violation was noted.
pub fn check(model: &mut Model, partition: TopicIdPartition, bytes: &[u8], whose: &str) -> Option<Seen> {
    let mut seen = Seen { batches: Vec::new(), next: -1 };
    for batch in Batches::new(bytes) {
        let batch = match batch {
            Ok(batch) => batch,
            Err(error) => {
                model.violation(format!("{whose}: {partition} holds no batch after {}: {error}", seen.next));
                return None;
            }
        };
        let base = batch.base_offset().0;
        if seen.next >= 0 && base != seen.next {
            model.violation(format!("{whose}: {partition} goes on at {base} instead of {}", seen.next));
            return None;
        }
        let number = check_batch(model, partition, &batch, whose)?;
        seen.batches.push((base, number));
        seen.next = batch.next_offset().0;
    }
    Some(seen)
}

pub fn check_batch(
    model: &mut Model,
    partition: TopicIdPartition,
    batch: &Batch<'_>,
    whose: &str,
) -> Option<u32> {
    let base = batch.base_offset().0;
    let known = model.logs.get(&partition).and_then(|log| log.batches.get(&base)).copied();
    let plain = |number: &u32| {
        let sent = &model.sent[*number as usize];
        content::difference(&sent.bytes, batch, sent.nature.recompressed, sent.nature.append_time).is_none()
    };
    if let Some(number) = known.filter(plain) {
        return Some(number);
    }
    let Some(number) = content::number_of(batch).filter(|number| (*number as usize) < model.sent.len())
    else {
        model.violation(format!("{whose}: {partition} at {base} holds what nobody has sent"));
        return None;
    };
    let sent = &model.sent[number as usize];
    let difference = match sent.partition == partition {
        true => content::difference(&sent.bytes, batch, sent.nature.recompressed, sent.nature.append_time),
        false => Some(format!("it was sent to {}", sent.partition)),
    };
    if let Some(difference) = difference {
        model.violation(format!("{whose}: {partition} at {base}, batch {number}: {difference}"));
        return None;
    }
    Some(number)
}

/// A batch is at this offset: somebody was told so, or has seen it.
pub fn place(model: &mut Model, partition: TopicIdPartition, base: i64, number: u32, whose: &str) {
    if model.is_cluster && !model.is_strict {
        // a log may go back to before, when disks have lost what they had
        return;
    }
    let count = i64::from(model.sent[number as usize].count);
    if base < 0 {
        return model.violation(format!("{whose}: {partition}: batch {number} is said to be at {base}"));
    }
    let log = model.logs.entry(partition).or_default();
    let (end, sent) = (base + count, &model.sent);
    let before = log.batches.range(..end).next_back().map(|(at, other)| (*at, *other));
    if let Some((at, other)) = before
        && (at, other) != (base, number)
        && at + i64::from(sent[other as usize].count) > base
    {
        let text = format!("{whose}: {partition} at {base} has batch {number}, but batch {other} is at {at}");
        return model.violation(text);
    }
    log.batches.insert(base, number);
    log.shown_end = log.shown_end.max(end);
    log.visible_end = log.visible_end.max(end);
    if end > log.end_bound {
        let bound = log.end_bound;
        model.violation(format!("{whose}: {partition} reaches {end}, but no more than {bound} was sent"));
    }
    producers::placed(model, partition, base, number, whose);
}

#[cfg(test)]
mod tests {
    use platform::Random;
    use types::{TopicIdPartition, Uuid};

    use super::*;
    use crate::content::{Sender, batch};
    use crate::model::Sent;

    fn model(id: TopicIdPartition) -> Model {
        let mut model = Model::default();
        for number in 0..2 {
            let bytes = batch(number, 3, Sender::NOBODY, 1, &mut Random::new(1));
            model.sent.push(Sent {
                partition: id,
                nature: Default::default(),
                bytes,
                count: 3,
                producer: Some((0, u64::from(number))),
                offset: None,
                acknowledged_at: None,
            });
        }
        model.log(id).end_bound = 100;
        model
    }

    #[test]
    fn places_neither_overlap_nor_repeat() {
        let id = TopicIdPartition { topic_id: Uuid([1; 16]), partition: 0 };
        for (places, holds) in [
            (vec![(0, 0), (3, 1), (0, 0)], true),
            (vec![(0, 0), (2, 1)], false),
            (vec![(0, 0), (0, 1)], false),
            (vec![(0, 0), (3, 0)], false),
            (vec![(99, 0)], false),
            (vec![(-1, 0)], false),
        ] {
            let mut model = model(id);
            places.iter().for_each(|(base, number)| place(&mut model, id, *base, *number, "test"));
            assert_eq!(model.violations.is_empty(), holds, "{places:?} {:?}", model.violations);
        }
    }

    #[test]
    fn a_changed_byte_is_seen() {
        let id = TopicIdPartition { topic_id: Uuid([1; 16]), partition: 0 };
        let mut model = model(id);
        let bytes = model.sent[0].bytes.to_vec();
        assert!(check(&mut model, id, &bytes, "test").is_some());
        let mut changed = bytes.clone();
        *changed.last_mut().unwrap() ^= 1;
        assert!(check(&mut model, id, &changed, "test").is_none());
    }
}
