//! Groups as an operator looks at them: nothing is changed, nothing is copied.

use protocol::Str;

use super::entry::Group;
use super::shard::GroupShard;

/// One group and what it has committed.
#[derive(Clone, Copy, Debug)]
pub struct GroupView<'a> {
    pub id: &'a Str,
    /// As `DescribeGroups` says it.
    pub state: &'static str,
    /// Of a classic group; those of other protocols are not known here.
    pub members: usize,
    group: &'a Group,
}

impl<'a> GroupView<'a> {
    /// Topic, partition, offset of the next record to be read.
    pub fn offsets(self) -> impl Iterator<Item = (&'a Str, i32, i64)> {
        self.group.offsets.iter().map(|(topic, partition, committed)| (topic, partition, committed.offset.0))
    }
}

impl GroupShard {
    /// All groups of the shard, in the order of their ids.
    pub fn views(&self) -> impl Iterator<Item = GroupView<'_>> {
        self.groups.by_id.iter().map(|(id, group)| GroupView {
            id,
            state: group.state_name(),
            members: group.classic.as_ref().map_or(0, |classic| classic.members.len()),
            group,
        })
    }
}
