//! The tables, one static slice for each subject.

mod broker_cluster;
mod broker_coordinators;
mod broker_log;
mod broker_network;
mod broker_remote;
mod broker_security;
mod client_metrics;
mod extra;
mod group;
mod topic;

use super::definition::Definition;

pub(crate) static TOPIC: &[&[Definition]] = &[topic::ROWS];
pub(crate) static GROUP: &[&[Definition]] = &[group::ROWS];
pub(crate) static CLIENT_METRICS: &[&[Definition]] = &[client_metrics::ROWS];
pub(crate) static BROKER: &[&[Definition]] = &[
    broker_network::ROWS,
    broker_log::ROWS,
    broker_cluster::ROWS,
    broker_coordinators::ROWS,
    broker_security::ROWS,
    broker_remote::ROWS,
    extra::ROWS,
];
pub(crate) static DYNAMIC_ONLY: &[Definition] = extra::QUOTAS;
