//! What the controllers' listener tells by itself, and what a node without authorizer, SASL and tokens refuses there.

use std::sync::Arc;

use platform::memory::MemoryFileSystem;
use protocol::messages as m;
use protocol::{ApiKey, ErrorCode, Reader, Request, RequestHeader, Response, ResponseHeader, Writer};

use super::envelope;
use super::tests::{Node, format_directory};
use crate::answered_error::first_error;
use crate::event::{ConnectionId, Event, ListenerId};
use crate::message::RequestContext;

const CONNECTION: ConnectionId = ConnectionId(7);
const BROKER: i8 = 4;

fn started() -> Node {
    let file_system = Arc::new(MemoryFileSystem::new(1));
    format_directory(&*file_system);
    let mut node = Node::start(&file_system, 1, 1);
    let address = "127.0.0.1:1".parse().unwrap();
    node.step(Event::ConnectionOpened {
        connection: CONNECTION,
        listener: ListenerId(1),
        peer: address,
        local: address,
    });
    node
}

fn ask(node: &mut Node, api_version: i16, request: impl Into<Request>) -> Response {
    let request = request.into();
    let api_key = request.api_key();
    assert!(super::SERVED.contains(&api_key), "{api_key:?}");
    let mut writer = Writer::new();
    let header = RequestHeader { api_key: api_key.code(), api_version, correlation_id: 1, client_id: None };
    header.encode(&mut writer).unwrap();
    request.encode(api_version, &mut writer).unwrap();
    node.step(Event::Frame { connection: CONNECTION, bytes: writer.into_bytes().unwrap() });
    let frame = node.frames.pop().unwrap_or_else(|| panic!("no answer to {api_key:?}"));
    let mut reader = Reader::new(frame.slice(4..));
    ResponseHeader::decode(&mut reader, api_key, api_version).unwrap();
    Response::decode(api_key, api_version, &mut reader).unwrap()
}

fn creation() -> m::create_acls_request::AclCreation {
    m::create_acls_request::AclCreation {
        resource_type: 2,
        resource_name: "t".into(),
        resource_pattern_type: 3,
        principal: "User:a".into(),
        host: "*".into(),
        operation: 3,
        permission_type: 3,
    }
}

#[test]
fn all_that_needs_security_is_refused_as_on_a_plain_listener_of_kafka() {
    let mut node = started();
    let filters = vec![m::delete_acls_request::DeleteAclsFilter::default()];
    for (version, request, expected) in [
        (3, Request::DescribeAcls(Default::default()), ErrorCode::SecurityDisabled),
        (
            3,
            Request::CreateAcls(m::CreateAclsRequest { creations: vec![creation()] }),
            ErrorCode::SecurityDisabled,
        ),
        (3, Request::DeleteAcls(m::DeleteAclsRequest { filters }), ErrorCode::SecurityDisabled),
        (1, Request::SaslHandshake(Default::default()), ErrorCode::IllegalSaslState),
        (2, Request::SaslAuthenticate(Default::default()), ErrorCode::IllegalSaslState),
        (3, Request::CreateDelegationToken(Default::default()), ErrorCode::DelegationTokenRequestNotAllowed),
        (2, Request::RenewDelegationToken(Default::default()), ErrorCode::DelegationTokenRequestNotAllowed),
        (2, Request::ExpireDelegationToken(Default::default()), ErrorCode::DelegationTokenRequestNotAllowed),
        (
            3,
            Request::DescribeDelegationToken(Default::default()),
            ErrorCode::DelegationTokenRequestNotAllowed,
        ),
    ] {
        let response = ask(&mut node, version, request);
        assert_eq!(first_error(&response), expected, "{response:?}");
    }
    assert!(node.images.last().unwrap().0.acls.is_empty());
}

#[test]
fn a_brokers_client_is_told_that_there_are_no_tokens() {
    let mut node = started();
    let context = RequestContext {
        connection: CONNECTION,
        listener: ListenerId(0),
        peer: "127.0.0.1:5".parse().unwrap(),
        client_id: None,
        principal: "User:a".into(),
        api_version: 2,
    };
    let inner = Request::RenewDelegationToken(Default::default());
    let Response::Envelope(answer) = ask(&mut node, 0, envelope::wrap(&inner, &context).unwrap()) else {
        panic!()
    };
    let answer = envelope::unwrap_answer(answer, ApiKey::RenewDelegationToken, 2).unwrap();
    assert_eq!(first_error(&answer), ErrorCode::DelegationTokenAuthDisabled);
}

/// A user, what is wrong with that, and each mechanism with its iterations.
type Described = (String, ErrorCode, Vec<(i8, i32)>);

fn described(node: &mut Node, users: &[&str]) -> Vec<Described> {
    let name = |user: &&str| m::describe_user_scram_credentials_request::UserName { name: (*user).into() };
    let users = Some(users.iter().map(name).collect());
    let request = m::DescribeUserScramCredentialsRequest { users };
    let Response::DescribeUserScramCredentials(answer) = ask(node, 0, request) else { panic!() };
    let one = |one: m::describe_user_scram_credentials_response::DescribeUserScramCredentialsResult| {
        let kept = one.credential_infos.iter().map(|info| (info.mechanism, info.iterations)).collect();
        (one.user.to_string(), ErrorCode::from(one.error_code), kept)
    };
    answer.results.into_iter().map(one).collect()
}

#[test]
fn credentials_are_kept_described_and_deleted() {
    use m::alter_user_scram_credentials_request::{ScramCredentialDeletion, ScramCredentialUpsertion};
    let mut node = started();
    let upsertion = |user: &str, iterations| ScramCredentialUpsertion {
        name: user.into(),
        mechanism: 1,
        iterations,
        salt: bytes::Bytes::from_static(b"salt"),
        salted_password: bytes::Bytes::from_static(&[1; 32]),
    };
    let request = m::AlterUserScramCredentialsRequest {
        upsertions: vec![upsertion("alice", 4096), upsertion("bob", 1)],
        ..Default::default()
    };
    let Response::AlterUserScramCredentials(answer) = ask(&mut node, 0, request) else { panic!() };
    let errors: Vec<_> = answer.results.iter().map(|one| ErrorCode::from(one.error_code)).collect();
    assert_eq!(errors, [ErrorCode::None, ErrorCode::UnacceptableCredential]);
    let alice = ("alice".to_owned(), ErrorCode::None, vec![(1, 4096)]);
    assert_eq!(described(&mut node, &[]), std::slice::from_ref(&alice));
    assert_eq!(
        described(&mut node, &["bob", "alice", "carol", "carol"]),
        [
            alice,
            ("bob".to_owned(), ErrorCode::ResourceNotFound, vec![]),
            ("carol".to_owned(), ErrorCode::DuplicateResource, vec![]),
        ]
    );
    let kept = node.images.last().unwrap().0.scram.values().next().cloned().unwrap();
    assert_eq!((kept.stored_key.len(), kept.server_key.len()), (32, 32));
    let deletions = vec![ScramCredentialDeletion { name: "alice".into(), mechanism: 1 }];
    let request = m::AlterUserScramCredentialsRequest { deletions, ..Default::default() };
    assert_eq!(first_error(&ask(&mut node, 0, request)), ErrorCode::None);
    assert!(described(&mut node, &[]).is_empty());
}

/// Value and source of one config.
fn config(node: &mut Node, broker: &str, name: &str) -> Result<(Option<String>, i8), ErrorCode> {
    let resource = m::describe_configs_request::DescribeConfigsResource {
        resource_type: BROKER,
        resource_name: broker.into(),
        configuration_keys: Some(vec![name.into()]),
    };
    let request = m::DescribeConfigsRequest { resources: vec![resource], ..Default::default() };
    let Response::DescribeConfigs(answer) = ask(node, 4, request) else { panic!() };
    let result = &answer.results[0];
    match ErrorCode::from(result.error_code) {
        ErrorCode::None => {
            let found = result.configs.first().expect("it is there");
            Ok((found.value.as_ref().map(|value| value.to_string()), found.config_source))
        }
        error => Err(error),
    }
}

#[test]
fn configs_are_those_of_this_node_and_of_the_log() {
    const DYNAMIC_BROKER: i8 = 2;
    const DYNAMIC_DEFAULT: i8 = 3;
    const STATIC: i8 = 4;
    let mut node = started();
    assert_eq!(config(&mut node, "1", "log.dirs"), Ok((Some("/data".to_owned()), STATIC)));
    assert_eq!(config(&mut node, "2", "log.dirs"), Err(ErrorCode::InvalidRequest));
    let change = |name: &str, value: &str| m::incremental_alter_configs_request::AlterableConfig {
        name: name.into(),
        config_operation: 0,
        value: Some(value.into()),
    };
    for (broker, name, value) in
        [("", "max.connections", "1000"), ("1", "max.connections", "2000"), ("", "num.io.threads", "9")]
    {
        let resource = m::incremental_alter_configs_request::AlterConfigsResource {
            resource_type: BROKER,
            resource_name: broker.into(),
            configs: vec![change(name, value)],
        };
        let request = m::IncrementalAlterConfigsRequest { resources: vec![resource], validate_only: false };
        assert_eq!(first_error(&ask(&mut node, 1, request)), ErrorCode::None, "{broker} {name}");
    }
    for (broker, name, value, source) in [
        ("", "max.connections", "1000", DYNAMIC_DEFAULT),
        ("1", "max.connections", "2000", DYNAMIC_BROKER),
        ("1", "num.io.threads", "9", DYNAMIC_DEFAULT),
    ] {
        assert_eq!(config(&mut node, broker, name), Ok((Some(value.to_owned()), source)), "{broker} {name}");
    }
}
