//! The high watermark is never past the log, never goes back on one connection, and covers what was acknowledged
//! before it was asked for; consumers see no record at or above it.

use types::TopicIdPartition;

use crate::model::Model;

/// What a client was told about a partition.
pub struct Told {
    pub high_watermark: i64,
    /// Where the records that came with it end.
    pub records_end: Option<i64>,
    /// What was acknowledged to anybody when the request was sent.
    pub floor: i64,
    /// The last that this connection heard.
    pub before: i64,
}

pub fn check(model: &mut Model, partition: TopicIdPartition, told: &Told, whose: &str) {
    let Told { high_watermark, records_end, floor, before } = *told;
    let bound = model.log(partition).end_bound;
    if high_watermark > bound {
        model.violation(format!(
            "{whose}: high watermark {high_watermark} of {partition}, no more than {bound} was sent"
        ));
    }
    if high_watermark < floor {
        model.violation(format!(
            "{whose}: high watermark {high_watermark} of {partition}, but {floor} was acknowledged before"
        ));
    }
    if high_watermark < before {
        model.violation(format!(
            "{whose}: high watermark of {partition} went from {before} to {high_watermark}"
        ));
    }
    if let Some(end) = records_end.filter(|end| *end > high_watermark) {
        model.violation(format!(
            "{whose}: records of {partition} up to {end}, past the high watermark {high_watermark}"
        ));
    }
}
