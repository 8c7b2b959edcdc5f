//! Configs of a client metrics subscription. A row: type, name, default, what is allowed, importance, how it may change, meaning.

use crate::configs::definition::*;

pub(crate) static ROWS: &[Definition] = &[
    int("interval.ms", Text("300000")).doc("How often matching clients push their metrics."),
    list("match", Text(""))
        .items(&[], EMPTY_ALLOWED)
        .doc("Which clients are asked, as selector=pattern pairs."),
    list("metrics", Text("")).items(&[], EMPTY_ALLOWED).doc("Prefixes of the metrics that are asked for."),
];
