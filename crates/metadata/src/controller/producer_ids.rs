//! AllocateProducerIds: blocks of a thousand, none twice.

use protocol::ErrorCode;
use protocol::messages::{AllocateProducerIdsRequest, AllocateProducerIdsResponse};
use protocol::records::metadata::{MetadataRecord, ProducerIdsRecord};

use super::{Controller, Outcome};

const BLOCK: i32 = 1000;

impl Controller {
    pub fn allocate_producer_ids(
        &self,
        request: &AllocateProducerIdsRequest,
    ) -> Outcome<AllocateProducerIdsResponse> {
        let mut response = AllocateProducerIdsResponse::default();
        if let Err(code) = self.check_broker_epoch(request.broker_id, request.broker_epoch) {
            response.error_code = code.code();
            return Outcome::nothing(response);
        }
        let start = self.image().next_producer_id;
        let Some(next) = start.checked_add(i64::from(BLOCK)) else {
            response.error_code = ErrorCode::UnknownServerError.code();
            return Outcome::nothing(response);
        };
        let record = ProducerIdsRecord {
            broker_id: request.broker_id,
            broker_epoch: request.broker_epoch,
            next_producer_id: next,
        };
        response.producer_id_start = start;
        response.producer_id_len = BLOCK;
        Outcome::atomic(vec![MetadataRecord::ProducerIds(record)], response)
    }

    /// The sender must be the broker as it is registered now.
    pub(super) fn check_broker_epoch(&self, id: i32, epoch: i64) -> Result<(), ErrorCode> {
        match self.image().cluster.broker(id) {
            Some(broker) if broker.epoch == epoch => Ok(()),
            _ => Err(ErrorCode::StaleBrokerEpoch),
        }
    }
}
