//! A group as the tools see it, of either protocol.

use client::{CoordinatorKind, Error};
use protocol::data::ConsumerProtocolAssignment;
use protocol::messages::consumer_group_describe_response::{Assignment, Member as ConsumerMember};
use protocol::messages::describe_groups_response::DescribedGroupMember;
use protocol::messages::{ConsumerGroupDescribeRequest, DescribeGroupsRequest};
use protocol::{ApiKey, ErrorCode, Message, Reader, Str};

use crate::admin::{Admin, Place};

#[derive(Debug, Default)]
pub struct Group {
    pub state: String,
    pub assignor: String,
    /// None in the classic protocol.
    pub epochs: Option<(i32, i32)>,
    pub members: Vec<Member>,
    /// Address and id.
    pub coordinator: (String, i32),
}

#[derive(Debug, Default)]
pub struct Member {
    pub id: String,
    pub instance: Option<String>,
    pub client: String,
    pub host: String,
    /// None in the classic protocol.
    pub epoch: Option<i32>,
    pub assigned: Vec<Place>,
    pub target: Option<Vec<Place>>,
}

/// Asks the group's coordinator, by the newer protocol first.
pub async fn group(admin: &Admin, name: &str) -> Result<Group, Error> {
    let connection = admin.cluster.coordinator(CoordinatorKind::Group, name).await?;
    let brokers = admin.metadata(Some(&[])).await?.brokers;
    let own = brokers.iter().find(|broker| {
        let (host, port) = (&broker.host, broker.port);
        connection.address() == format!("{host}:{port}") || connection.address() == format!("[{host}]:{port}")
    });
    let coordinator = (connection.address().to_owned(), own.map_or(-1, |broker| broker.node_id));
    if connection.version(ApiKey::ConsumerGroupDescribe).is_ok() {
        let request = ConsumerGroupDescribeRequest {
            group_ids: vec![Str::from(name)],
            include_authorized_operations: false,
        };
        let response = connection.call(&request).await?;
        if let Some(found) = response.groups.into_iter().next() {
            match ErrorCode::from(found.error_code) {
                ErrorCode::None => {
                    return Ok(Group {
                        state: found.group_state.to_string(),
                        assignor: found.assignor_name.to_string(),
                        epochs: Some((found.group_epoch, found.assignment_epoch)),
                        members: found.members.iter().map(consumer).collect(),
                        coordinator,
                    });
                }
                // a group of the classic protocol, or none
                ErrorCode::GroupIdNotFound | ErrorCode::UnsupportedVersion => {}
                _ => Error::check(found.error_code, found.error_message.as_ref())?,
            }
        }
    }
    let request =
        DescribeGroupsRequest { groups: vec![Str::from(name)], include_authorized_operations: false };
    let found = connection.call(&request).await?.groups.into_iter().next();
    let found = found.ok_or(Error::Broker(ErrorCode::GroupIdNotFound, None))?;
    Error::check(found.error_code, found.error_message.as_ref())?;
    Ok(Group {
        state: found.group_state.to_string(),
        assignor: found.protocol_data.to_string(),
        epochs: None,
        members: found.members.iter().map(classic).collect(),
        coordinator,
    })
}

fn consumer(member: &ConsumerMember) -> Member {
    Member {
        id: member.member_id.to_string(),
        instance: member.instance_id.as_ref().map(|id| id.to_string()),
        client: member.client_id.to_string(),
        host: member.client_host.to_string(),
        epoch: Some(member.member_epoch),
        assigned: places(&member.assignment),
        target: Some(places(&member.target_assignment)),
    }
}

fn places(assignment: &Assignment) -> Vec<Place> {
    let mut places = Vec::new();
    for topic in &assignment.topic_partitions {
        places.extend(topic.partitions.iter().map(|one| (topic.topic_name.to_string(), *one)));
    }
    places.sort_unstable();
    places
}

fn classic(member: &DescribedGroupMember) -> Member {
    Member {
        id: member.member_id.to_string(),
        instance: member.group_instance_id.as_ref().map(|id| id.to_string()),
        client: member.client_id.to_string(),
        host: member.client_host.to_string(),
        epoch: None,
        assigned: classic_places(member),
        target: None,
    }
}

/// Bytes that are no assignment of consumers (or none yet) are no partitions.
fn classic_places(member: &DescribedGroupMember) -> Vec<Place> {
    let mut reader = Reader::new(member.member_assignment.clone());
    let version = reader.i16();
    if reader.check().is_err() {
        return Vec::new();
    }
    let version = version.min(ConsumerProtocolAssignment::VERSIONS.max);
    let Ok(assignment) = ConsumerProtocolAssignment::decode(&mut reader, version) else { return Vec::new() };
    let mut places = Vec::new();
    for topic in &assignment.assigned_partitions {
        places.extend(topic.partitions.iter().map(|one| (topic.topic.to_string(), *one)));
    }
    places.sort_unstable();
    places
}
