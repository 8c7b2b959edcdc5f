//! Where a group's requests go: to the node that FindCoordinator names. A program has one connection at a time: it leaves
//! another node's for the coordinator's, and asks anew when that one breaks.

use protocol::ApiKey;
use protocol::messages::FindCoordinatorResponse;
use types::TopicIdPartition;

use super::reading;
use crate::commands::Api;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// At the other end of this connection.
    Here,
    /// The connection is closed, the next one goes there.
    Elsewhere,
    Nobody,
}

#[derive(Default)]
pub struct Coordinator {
    /// As it was named last, and nobody has connected since.
    named: Option<usize>,
}

impl Coordinator {
    /// To the node that was named, or to any that may know. Gives whether it was named.
    pub fn connect(&mut self, api: &mut Api<'_>) -> bool {
        let named = self.named.take();
        api.connect_to(named);
        named.is_some()
    }

    pub fn on_found(&mut self, api: &mut Api<'_>, response: &FindCoordinatorResponse) -> Found {
        let first = response.coordinators.first();
        let (code, node) =
            first.map_or((response.error_code, response.node_id), |one| (one.error_code, one.node_id));
        api.saw(ApiKey::FindCoordinator, code);
        let Some(machine) = usize::try_from(node - 1).ok().filter(|_| code == 0) else {
            return Found::Nobody;
        };
        if api.machine == Some(machine) {
            return Found::Here;
        }
        api.coverage.count("transition", "client goes to another coordinator");
        self.named = Some(machine);
        api.close();
        Found::Elsewhere
    }
}

/// The reign of the coordinator at the other end, where nobody leads the group's partition in a newer one. One that was
/// deposed and has not heard of it may answer from what it knew; who is alone reigns for ever.
pub fn reign(api: &Api<'_>, group: &str) -> Option<i32> {
    match api.model.is_cluster {
        true => reading::epoch_of(api, api.model.partition_of_group(group)?),
        false => Some(0),
    }
}

/// Whether what is written for a group now stays: in a run whose disks lose something, while no replica is unsure.
pub fn is_lasting(api: &Api<'_>, group: &str) -> bool {
    let is_sure = |id: TopicIdPartition| api.model.survival.is_sure(&id);
    !api.model.is_cluster || api.model.is_strict || api.model.partition_of_group(group).is_some_and(is_sure)
}
