//! Brokers and controllers make themselves known.

use protocol::messages::{
    BrokerRegistrationRequest, BrokerRegistrationResponse, ControllerRegistrationRequest,
    ControllerRegistrationResponse,
};
use protocol::records::metadata::register_broker_record::{BrokerEndpoint, BrokerFeature};
use protocol::records::metadata::register_controller_record::{ControllerEndpoint, ControllerFeature};
use protocol::records::metadata::*;
use protocol::{ErrorCode, Str};

use super::{Context, Controller, Outcome};
use crate::configs::SecurityProtocol;
use crate::features::{KRAFT_VERSION, METADATA_VERSION};
use crate::image::{is_reserved_directory, sorted_directories};

impl Controller {
    pub fn register_broker(
        &self,
        request: &BrokerRegistrationRequest,
        version: i16,
        context: &Context<'_>,
    ) -> Outcome<BrokerRegistrationResponse> {
        if let Err(code) = self.check_registration(request, context.now_ms) {
            let response = BrokerRegistrationResponse {
                error_code: code.code(),
                ..BrokerRegistrationResponse::default()
            };
            return Outcome::nothing(response);
        }
        let present = self.image().cluster.broker(request.broker_id);
        let amended = present.filter(|broker| broker.incarnation_id == request.incarnation_id);
        let mut records = Vec::new();
        if let (Some(old), None) = (present, amended) {
            let clean = version >= 3 && request.previous_broker_epoch == old.epoch;
            records = self.undo_incarnation(old.id, clean);
        }
        let epoch = amended.map_or(context.next_offset, |broker| broker.epoch);
        let mut record = self.registration_record(request, epoch);
        if let Some(broker) = amended {
            record.fenced = broker.fenced;
            record.in_controlled_shutdown = broker.in_controlled_shutdown;
        }
        records.push(MetadataRecord::RegisterBroker(record));
        let response =
            BrokerRegistrationResponse { broker_epoch: epoch, ..BrokerRegistrationResponse::default() };
        Outcome::loose(records, response)
    }

    fn check_registration(&self, request: &BrokerRegistrationRequest, now_ms: i64) -> Result<(), ErrorCode> {
        if *request.cluster_id != *self.config.cluster_id {
            return Err(ErrorCode::InconsistentClusterId);
        }
        if let Some(present) = self.image().cluster.broker(request.broker_id) {
            let other = present.incarnation_id != request.incarnation_id;
            if other && self.sessions.is_valid((present.id, present.epoch), now_ms) {
                return Err(ErrorCode::DuplicateBrokerRegistration);
            }
        }
        if request.is_migrating_zk_broker {
            return Err(ErrorCode::BrokerIdNotRegistered);
        }
        if self.metadata_version().supports_directories() {
            self.check_directories(request)?;
        }
        let known = |protocol: i16| SecurityProtocol::from_id(protocol).is_some();
        if !request.listeners.iter().all(|listener| known(listener.security_protocol)) {
            return Err(ErrorCode::InvalidRegistration);
        }
        self.check_features(request)
    }

    fn check_directories(&self, request: &BrokerRegistrationRequest) -> Result<(), ErrorCode> {
        let sorted = sorted_directories(&request.log_dirs);
        let repeated = sorted.windows(2).any(|pair| pair[0] == pair[1]);
        let reserved = sorted.iter().any(|directory| is_reserved_directory(*directory));
        let taken = |directory| self.image().directory_owner(directory, request.broker_id).is_some();
        if sorted.is_empty() || repeated || reserved || sorted.iter().any(|directory| taken(*directory)) {
            return Err(ErrorCode::InvalidRegistration);
        }
        Ok(())
    }

    /// A broker must be able to work with everything that is finalized; what it does not list it cannot.
    fn check_features(&self, request: &BrokerRegistrationRequest) -> Result<(), ErrorCode> {
        let finalized = |name: &str| match name {
            KRAFT_VERSION => self.config.kraft_version,
            name => self.image().feature_level(name),
        };
        for feature in &request.features {
            let level = finalized(&feature.name);
            if level < feature.min_supported_version || level > feature.max_supported_version {
                return Err(ErrorCode::UnsupportedVersion);
            }
        }
        let listed = |name: &str| request.features.iter().any(|feature| feature.name == *name);
        if !listed(METADATA_VERSION) {
            return Err(ErrorCode::InvalidRegistration);
        }
        let missing = self.image().features.iter().any(|(name, level)| *level > 0 && !listed(name));
        if missing || (self.config.kraft_version > 0 && !listed(KRAFT_VERSION)) {
            return Err(ErrorCode::UnsupportedVersion);
        }
        Ok(())
    }

    fn registration_record(&self, request: &BrokerRegistrationRequest, epoch: i64) -> RegisterBrokerRecord {
        let listeners = request.listeners.iter();
        let features = request.features.iter();
        let log_dirs = if self.metadata_version().supports_directories() {
            sorted_directories(&request.log_dirs)
        } else {
            Vec::new()
        };
        RegisterBrokerRecord {
            broker_id: request.broker_id,
            is_migrating_zk_broker: false,
            incarnation_id: request.incarnation_id,
            broker_epoch: epoch,
            end_points: listeners
                .map(|one| BrokerEndpoint {
                    name: one.name.detached(),
                    host: one.host.detached(),
                    port: one.port,
                    security_protocol: one.security_protocol,
                })
                .collect(),
            features: features
                .map(|one| BrokerFeature {
                    name: one.name.detached(),
                    min_supported_version: one.min_supported_version,
                    max_supported_version: one.max_supported_version,
                })
                .collect(),
            rack: request.rack.as_ref().map(Str::detached),
            fenced: true,
            in_controlled_shutdown: false,
            log_dirs,
            cordoned_log_dirs: None,
        }
    }

    pub fn register_controller(
        &self,
        request: &ControllerRegistrationRequest,
    ) -> Outcome<ControllerRegistrationResponse> {
        let mut response = ControllerRegistrationResponse::default();
        if !self.metadata_version().supports_controller_registration() {
            let code = ErrorCode::UnsupportedVersion;
            response.error_code = code.code();
            response.error_message = Some(Str::from(code.message()));
            return Outcome::nothing(response);
        }
        let record = RegisterControllerRecord {
            controller_id: request.controller_id,
            incarnation_id: request.incarnation_id,
            zk_migration_ready: request.zk_migration_ready,
            end_points: request
                .listeners
                .iter()
                .map(|one| ControllerEndpoint {
                    name: one.name.detached(),
                    host: one.host.detached(),
                    port: one.port,
                    security_protocol: one.security_protocol,
                })
                .collect(),
            features: request
                .features
                .iter()
                .map(|one| ControllerFeature {
                    name: one.name.detached(),
                    min_supported_version: one.min_supported_version,
                    max_supported_version: one.max_supported_version,
                })
                .collect(),
        };
        Outcome::atomic(vec![MetadataRecord::RegisterController(record)], response)
    }
}
