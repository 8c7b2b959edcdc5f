//! Calls that wait for the quorum.

use protocol::Response;

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
    /// Topics were created for a Metadata request, whose answer is ready but for them.
    Metadata(Call, Box<Response>),
    /// In-sync sets are to change.
    Alterations(Vec<AskedAlteration>),
    /// Replicas are in these log directories.
    Assignments(Vec<(TopicIdPartition, DirectoryIndex)>),
    /// `__consumer_offsets` was created; nobody waits.
    OffsetsTopic,
}
