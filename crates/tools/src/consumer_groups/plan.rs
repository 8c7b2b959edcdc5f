//! Where a reset moves the offsets of some partitions: each scenario's rule, kept within what the log has.

use std::collections::BTreeMap;

use client::Error;

use super::offsets::Committed;
use super::{named, time};
use crate::Stop;
use crate::admin::{Admin, Place, java_text};
use crate::options::Parsed;
use crate::output::say;

const LATEST: i64 = -1;
const EARLIEST: i64 = -2;

type Plan = Vec<(Place, i64)>;

pub async fn scenario(
    admin: &Admin,
    parsed: &Parsed,
    places: Vec<Place>,
    committed: &BTreeMap<Place, Committed>,
) -> Result<Plan, Stop> {
    if let Some(offset) = parsed.number::<i64>("to-offset")? {
        return within(admin, places.into_iter().map(|place| (place, offset)).collect()).await;
    }
    if parsed.has("to-earliest") {
        return ends(admin, &places, EARLIEST).await;
    }
    if parsed.has("to-latest") {
        return ends(admin, &places, LATEST).await;
    }
    if let Some(text) = parsed.value("to-datetime")? {
        let timestamp = time::datetime(text).map_err(Stop::error)?;
        return at_time(admin, places, timestamp).await;
    }
    if let Some(text) = parsed.value("by-duration")? {
        let duration = time::duration(text).map_err(Stop::error)?;
        return at_time(admin, places, time::now().saturating_sub(duration)).await;
    }
    if let Some(count) = parsed.number::<i64>("shift-by")? {
        return shifted(admin, places, committed, count).await;
    }
    current(admin, places, committed).await
}

async fn ends(admin: &Admin, places: &[Place], sentinel: i64) -> Result<Plan, Stop> {
    let asked: Vec<_> = places.iter().map(|place| (place.clone(), sentinel)).collect();
    let mut found = crate::admin::offsets(admin, &asked).await.map_err(|error| named(&error))?;
    let mut plan = Vec::new();
    for place in places {
        match found.remove(place) {
            Some(Ok(offset)) => plan.push((place.clone(), offset)),
            Some(Err(error)) => return Err(failed(place, sentinel, &error)),
            None => {}
        }
    }
    Ok(plan)
}

fn failed((topic, partition): &Place, sentinel: i64, error: &Error) -> Stop {
    let which = match sentinel {
        LATEST => "Error getting ending offset of topic partition",
        EARLIEST => "Error getting starting offset of topic partition",
        _ => "Error getting offset by timestamp of topic partition",
    };
    Stop::error(format!("{which}: {topic}-{partition}: {}", java_text(error)))
}

/// No further than the log's end, no further back than its start.
pub async fn within(admin: &Admin, wanted: Plan) -> Result<Plan, Stop> {
    let places: Vec<Place> = wanted.iter().map(|(place, _)| place.clone()).collect();
    let earliest: BTreeMap<Place, i64> = ends(admin, &places, EARLIEST).await?.into_iter().collect();
    let latest: BTreeMap<Place, i64> = ends(admin, &places, LATEST).await?.into_iter().collect();
    let clamp = |(place, offset): (Place, i64)| {
        let (Some(first), Some(end)) = (earliest.get(&place), latest.get(&place)) else {
            return (place, offset);
        };
        let kept = offset.max(*first).min(*end);
        if kept != offset {
            let side = if offset < *first { "lower than earliest" } else { "higher than latest" };
            let (topic, partition) = &place;
            eprintln!(
                "WARN New offset ({offset}) is {side} offset for topic partition {topic}-{partition}. Value will be \
                 set to {kept}"
            );
        }
        (place, kept)
    };
    Ok(wanted.into_iter().map(clamp).collect())
}

async fn at_time(admin: &Admin, places: Vec<Place>, timestamp: i64) -> Result<Plan, Stop> {
    let mut plan = ends(admin, &places, timestamp).await?;
    let none: Vec<Place> =
        plan.iter().filter(|(_, offset)| *offset < 0).map(|(place, _)| place.clone()).collect();
    for (topic, partition) in &none {
        say!(
            "\nWarn: Partition {partition} from topic {topic} is empty. Falling back to latest known offset."
        );
    }
    let mut latest: BTreeMap<Place, i64> = ends(admin, &none, LATEST).await?.into_iter().collect();
    for (place, offset) in &mut plan {
        if let Some(end) = latest.remove(place) {
            *offset = end;
        }
    }
    Ok(plan)
}

async fn shifted(
    admin: &Admin,
    places: Vec<Place>,
    committed: &BTreeMap<Place, Committed>,
    count: i64,
) -> Result<Plan, Stop> {
    let mut wanted = Vec::new();
    for place in places {
        let Some(now) = committed.get(&place) else {
            let (topic, partition) = &place;
            return Err(Stop::error(format!(
                "Cannot shift offset for partition {topic}-{partition} since there is no current committed offset"
            )));
        };
        let offset = now.offset.saturating_add(count);
        wanted.push((place, offset));
    }
    within(admin, wanted).await
}

/// What is committed; the end where nothing is.
async fn current(
    admin: &Admin,
    places: Vec<Place>,
    committed: &BTreeMap<Place, Committed>,
) -> Result<Plan, Stop> {
    let (with, without): (Vec<_>, Vec<_>) =
        places.into_iter().partition(|place| committed.contains_key(place));
    let kept = with.into_iter().filter_map(|place| Some((place.clone(), committed.get(&place)?.offset)));
    let mut plan: Plan = kept.collect();
    plan.extend(ends(admin, &without, LATEST).await?);
    Ok(plan)
}
