//! A topic whose creation was acknowledged is there, a deleted one never comes back under its id, and a partition
//! once made stays.

use std::collections::BTreeMap;

use protocol::messages::MetadataResponse;
use types::Uuid;

use crate::model::{Model, Stage};

/// What held when a request was sent: only what was settled by then can be held against its answer.
#[derive(Clone, Debug, Default)]
pub struct Settled {
    live: BTreeMap<Uuid, i32>,
    deleted: Vec<Uuid>,
}

pub fn settled(model: &Model) -> Settled {
    let of = |stage: Stage| model.topics.iter().filter(move |topic| topic.stage == stage);
    Settled {
        live: of(Stage::Live).map(|topic| (topic.id, topic.partitions)).collect(),
        deleted: of(Stage::Deleted).map(|topic| topic.id).collect(),
    }
}

/// The answer to a request for all topics.
pub fn check(model: &mut Model, settled: &Settled, response: &MetadataResponse) {
    let shown: BTreeMap<Uuid, (usize, i16)> = response
        .topics
        .iter()
        .map(|topic| (topic.topic_id, (topic.partitions.len(), topic.error_code)))
        .collect();
    // a node of several may not have heard of it yet
    if !model.images.is_alone && !model.producing_ended {
        return;
    }
    for (id, partitions) in &settled.live {
        // it may have been deleted since
        if !model.is_live(*id) {
            continue;
        }
        match shown.get(id) {
            Some((count, 0)) if *count >= *partitions as usize => {}
            other => {
                let name = model.topic(*id).map(|topic| topic.name.clone()).unwrap_or_default();
                model.violation(format!(
                    "topic {name} with {partitions} partitions was acknowledged, Metadata says {other:?}"
                ));
            }
        }
    }
    for id in settled.deleted.iter().filter(|id| shown.contains_key(*id)) {
        let name = model.topic(*id).map(|topic| topic.name.clone()).unwrap_or_default();
        model.violation(format!("the deleted topic {name} ({id}) is back"));
    }
}
