//! Where a follower cuts its log when the leader's has gone another way (KIP-101, KIP-279, KIP-595). Always by epoch,
//! never at the high watermark: what a predecessor acknowledged may be above a follower's own.

use types::{LeaderEpoch, Offset};

/// Where an epoch, or the largest one below it, ends in the follower's own log; both -1 where none is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LocalEpochEnd {
    pub epoch: LeaderEpoch,
    pub end_offset: Offset,
}

/// The leader says that `leader_epoch` is the last epoch both may share and ends at `leader_end` there. `local` is
/// what the own log has for that epoch. Where it has an older one only, the cut is at that one's end, and the next
/// fetch tells whether more must go.
pub fn truncation_offset(
    leader_epoch: LeaderEpoch,
    leader_end: Offset,
    local: LocalEpochEnd,
    log_end_offset: Offset,
) -> Offset {
    let knows_nothing = local.epoch.0 < 0 || local.end_offset.0 < 0;
    let cut = match local.epoch == leader_epoch {
        _ if knows_nothing => leader_end,
        true => local.end_offset.min(leader_end),
        false => local.end_offset,
    };
    cut.min(log_end_offset).max(Offset::ZERO)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cuts() {
        // leader's epoch and end, own epoch and end, own log's end, cut
        for (leader, local, end, cut) in [
            ((3, 10), (3, 20), 20, 10),
            ((3, 30), (3, 20), 25, 20),
            ((3, 10), (2, 15), 20, 15),
            ((3, 10), (2, 8), 20, 8),
            ((3, 10), (-1, -1), 20, 10),
            ((3, 40), (-1, -1), 20, 20),
            ((3, 10), (3, 10), 10, 10),
        ] {
            let local = LocalEpochEnd { epoch: LeaderEpoch(local.0), end_offset: Offset(local.1) };
            let got = truncation_offset(LeaderEpoch(leader.0), Offset(leader.1), local, Offset(end));
            assert_eq!(got, Offset(cut), "{leader:?} {local:?} {end}");
        }
    }
}
