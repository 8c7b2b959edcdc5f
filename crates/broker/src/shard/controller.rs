//! Calls that wait for the quorum.

use protocol::Response;

use types::TopicIdPartition;

use super::Call;
use super::in_sync::AskedAlteration;
use crate::event::DirectoryIndex;

/// What to do with the quorum's answer.
#[derive(Debug)]
pub(crate) enum ControllerWait {
    /// It is the client's answer.
    Forwarded(Call),
    /// Topics were created for a Metadata request, whose answer is ready but for them.
    Metadata(Call, Box<Response>),
    /// In-sync sets are to change.
    Alterations(Vec<AskedAlteration>),
    /// Replicas are in these log directories.
    Assignments(Vec<(TopicIdPartition, DirectoryIndex)>),
    /// `__consumer_offsets` was created; nobody waits.
    OffsetsTopic,
}
