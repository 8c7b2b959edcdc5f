//! UnregisterBroker: also of one that lives; it then finds its epoch stale.

use protocol::messages::{UnregisterBrokerRequest, UnregisterBrokerResponse};
use protocol::records::metadata::{MetadataRecord, UnregisterBrokerRecord};
use protocol::{ErrorCode, Str};

use super::broker_events::Leaving;
use super::{Controller, Outcome};

impl Controller {
    pub fn unregister_broker(&self, request: &UnregisterBrokerRequest) -> Outcome<UnregisterBrokerResponse> {
        let mut response = UnregisterBrokerResponse::default();
        let Some(broker) = self.image().cluster.broker(request.broker_id) else {
            response.error_code = ErrorCode::BrokerIdNotRegistered.code();
            let message = format!("Broker ID {} is not currently registered", request.broker_id);
            response.error_message = Some(Str::from(message));
            return Outcome::nothing(response);
        };
        let mut records = self.leave_partitions(broker.id, Leaving::Fenced, true);
        records.push(MetadataRecord::UnregisterBroker(UnregisterBrokerRecord {
            broker_id: broker.id,
            broker_epoch: broker.epoch,
        }));
        Outcome::loose(records, response)
    }
}
