//! DeleteTopics: one RemoveTopic each; partitions and configs go with it.

use std::collections::BTreeSet;

use protocol::messages::delete_topics_response::DeletableTopicResult;
use protocol::messages::{DeleteTopicsRequest, DeleteTopicsResponse};
use protocol::records::metadata::{MetadataRecord, RemoveTopicRecord};
use protocol::{ErrorCode, Str};
use types::Uuid;

use super::{ApiError, Controller, Outcome};

/// One entry of the request: by name (also from the list of old versions) or by id.
struct Wanted {
    name: Option<Str>,
    id: Uuid,
}

/// What a caller may do with a topic; both are asked of the authorizer.
pub struct TopicPermissions<'a> {
    pub describe: &'a dyn Fn(&str) -> bool,
    pub delete: &'a dyn Fn(&str) -> bool,
}

impl Controller {
    pub fn delete_topics(
        &self,
        request: &DeleteTopicsRequest,
        version: i16,
        permissions: &TopicPermissions<'_>,
    ) -> Outcome<DeleteTopicsResponse> {
        let wanted = wanted(request);
        let mut response = DeleteTopicsResponse::default();
        if !self.config.file.bool("delete.topic.enable") {
            let code = if version < 3 { ErrorCode::InvalidRequest } else { ErrorCode::TopicDeletionDisabled };
            let error = ApiError::plain(code);
            response.responses = wanted.iter().map(|one| failed(one.name.clone(), one.id, &error)).collect();
            return Outcome::nothing(response);
        }
        let mut records = Vec::new();
        let mut deleted = BTreeSet::new();
        let repeated = self.repeated(&wanted);
        for (position, one) in wanted.iter().enumerate() {
            match self.delete_topic(one, repeated.contains(&position), permissions) {
                Ok((id, name)) => {
                    deleted.insert(id);
                    records.push(MetadataRecord::RemoveTopic(RemoveTopicRecord { topic_id: id }));
                    response.responses.push(DeletableTopicResult {
                        name: Some(name),
                        topic_id: id,
                        error_message: None,
                        ..DeletableTopicResult::default()
                    });
                }
                Err(refused) => response.responses.push(refused),
            }
        }
        Outcome::atomic(records, response)
    }

    /// Positions of entries that mean a topic some other entry means too.
    fn repeated(&self, wanted: &[Wanted]) -> BTreeSet<usize> {
        let topics = &self.image().topics;
        let key = |one: &Wanted| -> (Option<Uuid>, Option<Str>) {
            match &one.name {
                Some(name) => (topics.id(name), Some(name.clone())),
                None => (Some(one.id), None),
            }
        };
        let same = |a: &(Option<Uuid>, Option<Str>), b: &(Option<Uuid>, Option<Str>)| {
            (a.0.is_some() && a.0 == b.0) || (a.1.is_some() && a.1 == b.1)
        };
        let keys: Vec<_> = wanted.iter().map(key).collect();
        let repeats = |i: &usize| keys.iter().enumerate().any(|(j, other)| j != *i && same(&keys[*i], other));
        (0..keys.len()).filter(repeats).collect()
    }

    fn delete_topic(
        &self,
        one: &Wanted,
        repeated: bool,
        permissions: &TopicPermissions<'_>,
    ) -> Result<(Uuid, Str), DeletableTopicResult> {
        let refuse = |name: Option<Str>, code: ErrorCode, message: &str| {
            Err(failed(name, one.id, &ApiError::new(code, message)))
        };
        match (&one.name, one.id.is_zero()) {
            (None, true) => {
                return refuse(None, ErrorCode::InvalidRequest, "Neither topic name nor id were specified.");
            }
            (Some(name), false) => {
                let message = "You may not specify both topic name and topic id.";
                return refuse(Some(name.clone()), ErrorCode::InvalidRequest, message);
            }
            _ => {}
        }
        let topics = &self.image().topics;
        let topic = match &one.name {
            Some(name) => topics.by_name(name),
            None => topics.by_id(one.id),
        };
        if repeated {
            let message = if one.name.is_some() { "Duplicate topic name." } else { "Duplicate topic id." };
            return refuse(one.name.clone(), ErrorCode::InvalidRequest, message);
        }
        let name = one.name.clone().or_else(|| topic.map(|topic| topic.name.clone()));
        if let Some(name) = &name {
            let visible = (permissions.describe)(name);
            if !visible || !(permissions.delete)(name) {
                // an id must not tell a name to those who may not see it
                let shown = if one.name.is_some() || visible { Some(name.clone()) } else { None };
                let code = ErrorCode::TopicAuthorizationFailed;
                return refuse(shown, code, code.message());
            }
        }
        match topic {
            Some(topic) => Ok((topic.id, topic.name.clone())),
            None => {
                let by_name = one.name.is_some();
                let code =
                    if by_name { ErrorCode::UnknownTopicOrPartition } else { ErrorCode::UnknownTopicId };
                refuse(one.name.clone(), code, code.message())
            }
        }
    }
}

fn wanted(request: &DeleteTopicsRequest) -> Vec<Wanted> {
    let names = request.topic_names.iter().map(|name| Wanted { name: Some(name.clone()), id: Uuid::ZERO });
    let states = request.topics.iter().map(|topic| Wanted { name: topic.name.clone(), id: topic.topic_id });
    names.chain(states).collect()
}

fn failed(name: Option<Str>, id: Uuid, error: &ApiError) -> DeletableTopicResult {
    DeletableTopicResult { name, topic_id: id, error_code: error.code.code(), error_message: error.text() }
}
