//! Which replica a consumer should read from (KIP-392): one in its own rack, the leader where it is there too, else
//! the one that has come farthest.

use types::{NodeId, Offset};

/// A replica that could answer: the leader, or an in-sync follower that has the offset asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate<'a> {
    pub node: NodeId,
    pub rack: Option<&'a str>,
    pub log_end_offset: Offset,
    /// Monotonic microseconds since it was caught up.
    pub behind_us: u64,
}

/// None: the leader itself is as near as any.
pub fn nearest(leader: NodeId, client_rack: &str, candidates: &[Candidate<'_>]) -> Option<NodeId> {
    if client_rack.is_empty() {
        return None;
    }
    let in_rack = || candidates.iter().filter(|one| one.rack == Some(client_rack));
    if in_rack().any(|one| one.node == leader) {
        return None;
    }
    let rank = |one: &&Candidate<'_>| {
        (one.log_end_offset, std::cmp::Reverse(one.behind_us), std::cmp::Reverse(one.node))
    };
    in_rack().max_by_key(rank).map(|one| one.node)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rack_decides_then_progress() {
        let one = |node, rack, end, behind_us| Candidate {
            node: NodeId(node),
            rack: Some(rack),
            log_end_offset: Offset(end),
            behind_us,
        };
        let all = [one(1, "a", 10, 0), one(2, "b", 9, 5), one(3, "b", 9, 4), one(4, "c", 8, 0)];
        for (rack, expected) in [("", None), ("a", None), ("b", Some(3)), ("c", Some(4)), ("d", None)] {
            assert_eq!(nearest(NodeId(1), rack, &all), expected.map(NodeId), "{rack}");
        }
    }
}
