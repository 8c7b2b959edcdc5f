//! Three nodes of Barnabas beside three of Apache Kafka: what replication costs, and what a client sees of a node that
//! dies, hangs, or is restarted.

mod failover;
mod many;
mod nodes;
mod produce;

use super::loads::Load;
use failover::{Fault, Patience};

pub const LOADS: &[Load] = &[
    Load {
        name: "replicated-1k",
        about: "1 KiB records, 6 partitions, 3 replicas, acks=all; CPU of all nodes, floor of three writes and two fetches",
        run: produce::produce,
    },
    Load {
        name: "replicated-end-to-end",
        about: "2,000 records a second through one partition of 3 replicas, acks=all",
        run: produce::end_to_end,
    },
    Load {
        name: "kill-1",
        about: "kill -9 of a partition's leader to the next acknowledged record, one partition",
        run: |b, p| failover::measure(b, p, 1, Fault::Kill),
    },
    Load {
        name: "kill-1000",
        about: "the same with 1,000 partitions a broker",
        run: |b, p| failover::measure(b, p, 1000, Fault::Kill),
    },
    Load {
        name: "hang",
        about: "SIGSTOP of a leader to the next acknowledged record, default session",
        run: |b, p| failover::measure(b, p, 1, Fault::Hang(Patience::Defaults)),
    },
    Load {
        name: "hang-500",
        about: "the same with broker.session.timeout.ms=500",
        run: |b, p| failover::measure(b, p, 1, Fault::Hang(Patience::Session(500))),
    },
    Load {
        name: "hang-all-500",
        about: "the same with controller.quorum.fetch.timeout.ms=500 too",
        run: |b, p| failover::measure(b, p, 1, Fault::Hang(Patience::All(500))),
    },
    Load {
        name: "many",
        about: "10,000 partitions of 3 replicas: made, loaded, and the active controller killed",
        run: many::measure,
    },
    Load {
        name: "rolling",
        about: "a rolling restart under load: the longest pause of a client",
        run: failover::rolling,
    },
];
