//! Calls that wait for the quorum.

use protocol::Str;
use types::TopicIdPartition;

use super::Call;
use super::in_sync::AskedAlteration;
use crate::event::DirectoryIndex;
use crate::handlers::alter_configs::RefusedResource;

/// What to do with the quorum's answer.
#[derive(Debug)]
pub(crate) enum ControllerWait {
    /// It is the client's answer.
    Forwarded(Call),
    /// So it is, but for the resources that this broker refused.
    Configs(Call, Vec<RefusedResource>),
    /// In-sync sets are to change.
    Alterations(Vec<AskedAlteration>),
    /// Replicas are in these log directories.
    Assignments(Vec<(TopicIdPartition, DirectoryIndex)>),
    /// These topics were to be created; nobody waits.
    Topics(Vec<Str>),
}
