//! Produces that wait: for every in-sync replica, or for the disk. Each partition keeps its waiters in the order
//! of their offsets, so that one look at the front tells whether anybody is done.

use protocol::ErrorCode;
use protocol::messages::produce_response::PartitionProduceResponse;

use super::{Origin, Shard, Turn};
use crate::handlers::produce::{Pending, fail};
use crate::message::{PartReply, Place, WorkId};
use crate::partition::Waiter;
use crate::partitions::Slot;

/// Answers that are complete but for the acknowledgement of some partitions.
pub(crate) struct ProduceWait {
    origin: Origin,
    results: Vec<(Place, PartitionProduceResponse)>,
    /// Of partitions still waited for: where they stand, and what is answered if they time out.
    open: Vec<(Place, i32)>,
}

impl Shard {
    /// Parks a part until all of `pending` is acknowledged. `results` are answered then; a partition that is not
    /// among them stands in the gather's response already.
    pub(crate) fn wait_for_acks(
        &mut self,
        turn: &mut Turn,
        origin: Origin,
        results: Vec<(Place, PartitionProduceResponse)>,
        pending: Vec<Pending>,
        timeout_ms: i32,
    ) {
        let id = self.new_work();
        let mut open = Vec::with_capacity(pending.len());
        for pending in pending {
            let Some(partition) = self.partitions.at_mut(pending.slot) else { continue };
            open.push((pending.place, partition.id.partition));
            partition
                .add_waiter(pending.need, Waiter { required: pending.required, id, place: pending.place });
        }
        let deadline = turn.after_ms(i64::from(timeout_ms.max(0)));
        self.produces.insert(id, deadline, ProduceWait { origin, results, open });
    }

    /// One partition of a waiting produce is acknowledged, or cannot be any more.
    pub(super) fn acknowledge(&mut self, turn: &mut Turn, waiter: Waiter, error: ErrorCode) {
        let Some(wait) = self.produces.get_mut(waiter.id) else { return };
        wait.close(waiter.place, error);
        if wait.open.is_empty() {
            self.finish_produce(turn, waiter.id);
        }
    }

    pub(super) fn on_produce_expired(&mut self, turn: &mut Turn, id: WorkId, mut wait: ProduceWait) {
        while let Some(&(place, _)) = wait.open.last() {
            wait.close(place, ErrorCode::RequestTimedOut);
        }
        self.produces.insert(id, crate::purgatory::NEVER, wait);
        self.finish_produce(turn, id);
    }

    fn finish_produce(&mut self, turn: &mut Turn, id: WorkId) {
        if let Some(wait) = self.produces.take(id) {
            self.reply_part(turn, wait.origin, PartReply::Produce(wait.results));
        }
    }

    /// Tells those who waited for this partition how far it has come.
    pub(super) fn settle_waiters(&mut self, turn: &mut Turn, slot: Slot) {
        while let Some((waiter, error)) =
            self.partitions.at_mut(slot).and_then(|partition| partition.next_settled())
        {
            self.acknowledge(turn, waiter, error);
        }
    }
}

impl ProduceWait {
    fn index_of(&self, place: Place) -> i32 {
        self.open.iter().find(|(open, _)| *open == place).map_or(-1, |(_, index)| *index)
    }

    fn close(&mut self, place: Place, error: ErrorCode) {
        let index = self.index_of(place);
        self.open.retain(|(open, _)| *open != place);
        if error == ErrorCode::None {
            return;
        }
        match self.results.iter_mut().find(|(at, _)| *at == place) {
            Some((_, result)) => fail(result, error),
            None => {
                let mut result = PartitionProduceResponse { index, ..Default::default() };
                fail(&mut result, error);
                self.results.push((place, result));
            }
        }
    }
}
