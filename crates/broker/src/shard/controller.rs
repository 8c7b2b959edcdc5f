//! Calls that wait for the quorum.

use protocol::Response;

use super::Call;
use super::in_sync::AskedAlteration;

/// What to do with the quorum's answer.
#[derive(Debug)]
pub(crate) enum ControllerWait {
    /// It is the client's answer.
    Forwarded(Call),
    /// Topics were created for a Metadata request, whose answer is ready but for them.
    Metadata(Call, Box<Response>),
    /// In-sync sets are to change.
    Alterations(Vec<AskedAlteration>),
    /// `__consumer_offsets` was created; nobody waits.
    OffsetsTopic,
}
