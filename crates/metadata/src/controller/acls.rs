//! CreateAcls and DeleteAcls, once somebody was allowed to ask.

use protocol::messages::create_acls_request::AclCreation;
use protocol::messages::create_acls_response::AclCreationResult;
use protocol::messages::delete_acls_request::DeleteAclsFilter;
use protocol::messages::delete_acls_response::{DeleteAclsFilterResult, DeleteAclsMatchingAcl};
use protocol::messages::{CreateAclsRequest, CreateAclsResponse, DeleteAclsRequest, DeleteAclsResponse};
use protocol::records::metadata::*;
use protocol::{ErrorCode, Str};
use types::Uuid;

use super::{ApiError, Context, Controller, Outcome};

const ANY: i8 = 1;
/// Pattern type of a filter: literal, wildcard and prefixed rules that would apply to the name.
const MATCH: i8 = 2;
const LITERAL: i8 = 3;
const PREFIXED: i8 = 4;

impl Controller {
    /// Rules that are there already are not written again.
    pub fn create_acls(
        &self,
        request: &CreateAclsRequest,
        context: &mut Context<'_>,
    ) -> Outcome<CreateAclsResponse> {
        let mut reply = CreateAclsResponse::default();
        let mut records: Vec<AccessControlEntryRecord> = Vec::new();
        for creation in &request.creations {
            let error = check_creation(creation).err();
            reply.results.push(AclCreationResult {
                error_code: error.as_ref().map_or(0, |error| error.code.code()),
                error_message: error.as_ref().and_then(ApiError::text),
            });
            if error.is_some() {
                continue;
            }
            let record = record(creation, context.new_id());
            let same = |other: &AccessControlEntryRecord| {
                AccessControlEntryRecord { id: record.id, ..other.clone() } == record
            };
            if !self.image().acls.values().any(same) && !records.iter().any(same) {
                records.push(record);
            }
        }
        let records = records.into_iter().map(MetadataRecord::AccessControlEntry).collect();
        Outcome::atomic(records, reply)
    }

    pub fn delete_acls(&self, request: &DeleteAclsRequest) -> Outcome<DeleteAclsResponse> {
        let mut reply = DeleteAclsResponse::default();
        let mut removed: Vec<Uuid> = Vec::new();
        for filter in &request.filters {
            let matching = self.image().acls.values().filter(|acl| matches(filter, acl));
            let mut result =
                DeleteAclsFilterResult { error_message: None, ..DeleteAclsFilterResult::default() };
            for acl in matching {
                if !removed.contains(&acl.id) {
                    removed.push(acl.id);
                }
                result.matching_acls.push(DeleteAclsMatchingAcl {
                    error_code: 0,
                    error_message: None,
                    resource_type: acl.resource_type,
                    resource_name: acl.resource_name.clone(),
                    pattern_type: acl.pattern_type,
                    principal: acl.principal.clone(),
                    host: acl.host.clone(),
                    operation: acl.operation,
                    permission_type: acl.permission_type,
                });
            }
            reply.filter_results.push(result);
        }
        let record = |id| MetadataRecord::RemoveAccessControlEntry(RemoveAccessControlEntryRecord { id });
        Outcome::atomic(removed.into_iter().map(record).collect(), reply)
    }
}

fn check_creation(creation: &AclCreation) -> Result<(), ApiError> {
    let refuse = |message: &str| Err(ApiError::new(ErrorCode::InvalidRequest, message));
    // 0 is unknown and 1 any, in each of these
    let word = |value: i8| if value == ANY { "ANY" } else { "UNKNOWN" };
    if creation.resource_type <= ANY {
        return refuse(&format!("Invalid resourceType {}", word(creation.resource_type)));
    }
    if creation.resource_pattern_type != LITERAL && creation.resource_pattern_type != PREFIXED {
        let pattern = creation.resource_pattern_type;
        return refuse(&format!(
            "Invalid patternType {}",
            if pattern == MATCH { "MATCH" } else { word(pattern) }
        ));
    }
    if creation.operation <= ANY {
        return refuse(&format!("Invalid operation {}", word(creation.operation)));
    }
    if creation.permission_type <= ANY {
        return refuse(&format!("Invalid permissionType {}", word(creation.permission_type)));
    }
    if creation.resource_name.is_empty() {
        return refuse("Resource name should not be empty");
    }
    if !creation.principal.contains(':') {
        return refuse(&format!(
            "Could not parse principal from `{}` (no colon is present separating the principal type from the principal \
             name)",
            creation.principal
        ));
    }
    Ok(())
}

fn record(creation: &AclCreation, id: Uuid) -> AccessControlEntryRecord {
    AccessControlEntryRecord {
        id,
        resource_type: creation.resource_type,
        resource_name: creation.resource_name.detached(),
        pattern_type: creation.resource_pattern_type,
        principal: creation.principal.detached(),
        host: creation.host.detached(),
        operation: creation.operation,
        permission_type: creation.permission_type,
    }
}

fn matches(filter: &DeleteAclsFilter, acl: &AccessControlEntryRecord) -> bool {
    let number = |wanted: i8, value: i8| wanted == ANY || wanted == value;
    let text = |wanted: &Option<Str>, value: &Str| wanted.as_ref().is_none_or(|wanted| wanted == value);
    number(filter.resource_type_filter, acl.resource_type)
        && number(filter.operation, acl.operation)
        && number(filter.permission_type, acl.permission_type)
        && text(&filter.principal_filter, &acl.principal)
        && text(&filter.host_filter, &acl.host)
        && matches_name(filter, acl)
}

fn matches_name(filter: &DeleteAclsFilter, acl: &AccessControlEntryRecord) -> bool {
    let Some(name) = &filter.resource_name_filter else {
        return filter.pattern_type_filter <= MATCH || filter.pattern_type_filter == acl.pattern_type;
    };
    match filter.pattern_type_filter {
        ANY => *name == acl.resource_name,
        MATCH if acl.pattern_type == PREFIXED => name.starts_with(acl.resource_name.as_str()),
        MATCH => *name == acl.resource_name || acl.resource_name == "*",
        pattern => pattern == acl.pattern_type && *name == acl.resource_name,
    }
}
