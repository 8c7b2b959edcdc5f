//! Envelope: a client's request that its broker passes on to the active controller, and the answer inside the answer.
//! The controller trusts the broker for who the client is.

use bytes::Bytes;
use protocol::data::DefaultPrincipalData;
use protocol::messages::{EnvelopeRequest, EnvelopeResponse};
use protocol::{
    ApiKey, DecodeError, EncodeError, ErrorCode, Message, Reader, Request, RequestHeader, Response,
    ResponseHeader, Str, Writer,
};

use crate::message::RequestContext;

/// Of the serialized principal.
const PRINCIPAL_VERSION: i16 = 0;

/// What is inside, as far as its answer needs it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Inner {
    pub api_key: ApiKey,
    pub api_version: i16,
    pub correlation_id: i32,
}

pub(super) fn wrap(request: &Request, context: &RequestContext) -> Result<EnvelopeRequest, EncodeError> {
    let header = RequestHeader {
        api_key: request.api_key().code(),
        api_version: context.api_version,
        correlation_id: 0,
        client_id: context.client_id.as_deref().map(Str::from),
    };
    let mut writer = Writer::new();
    header.encode(&mut writer)?;
    request.encode(context.api_version, &mut writer)?;
    let address = match context.peer.ip().to_canonical() {
        std::net::IpAddr::V4(ip) => Bytes::copy_from_slice(&ip.octets()),
        std::net::IpAddr::V6(ip) => Bytes::copy_from_slice(&ip.octets()),
    };
    Ok(EnvelopeRequest {
        request_data: writer.into_bytes()?,
        request_principal: Some(principal(&context.principal)?),
        client_host_address: address,
    })
}

/// `type:name`, as Kafka's default serialization has it.
fn principal(text: &str) -> Result<Bytes, EncodeError> {
    let (kind, name) = text.split_once(':').unwrap_or(("User", text));
    let data =
        DefaultPrincipalData { r#type: Str::from(kind), name: Str::from(name), token_authenticated: false };
    let mut writer = Writer::new();
    writer.i16(PRINCIPAL_VERSION);
    data.encode(&mut writer, PRINCIPAL_VERSION)?;
    writer.into_bytes()
}

/// The client's request; an error where it is none that may be passed on.
pub(super) fn unwrap(request: &EnvelopeRequest) -> Result<(Inner, Request), ErrorCode> {
    let read = RequestHeader::from_frame(request.request_data.clone());
    let (header, mut reader) = read.map_err(|_| ErrorCode::UnsupportedVersion)?;
    let api_key = ApiKey::try_from(header.api_key).map_err(|()| ErrorCode::UnsupportedVersion)?;
    if !api_key.is_forwarded() || !matches!(request.client_host_address.len(), 4 | 16) {
        return Err(ErrorCode::InvalidRequest);
    }
    if !api_key.versions_before().contains(header.api_version) {
        return Err(ErrorCode::UnsupportedVersion);
    }
    let decoded = Request::decode(api_key, header.api_version, &mut reader);
    let decoded = decoded.map_err(|_| ErrorCode::UnsupportedVersion)?;
    let RequestHeader { api_version, correlation_id, .. } = header;
    Ok((Inner { api_key, api_version, correlation_id }, decoded))
}

pub(super) fn wrap_answer(inner: &Inner, response: &Response) -> Response {
    if super::refusals::says_not_controller(response) {
        return refuse(ErrorCode::NotController);
    }
    let mut writer = Writer::new();
    ResponseHeader { correlation_id: inner.correlation_id }.encode(
        &mut writer,
        inner.api_key,
        inner.api_version,
    );
    let written = response.encode(inner.api_version, &mut writer).and_then(|()| writer.into_bytes());
    match written {
        Ok(bytes) => {
            Response::Envelope(EnvelopeResponse { response_data: Some(bytes), ..Default::default() })
        }
        Err(_) => refuse(ErrorCode::UnknownServerError),
    }
}

pub(super) fn refuse(error: ErrorCode) -> Response {
    Response::Envelope(EnvelopeResponse { response_data: None, error_code: error.code() })
}

pub(super) fn unwrap_answer(
    response: EnvelopeResponse,
    api_key: ApiKey,
    api_version: i16,
) -> Result<Response, DecodeError> {
    let mut reader = Reader::new(response.response_data.unwrap_or_default());
    ResponseHeader::decode(&mut reader, api_key, api_version)?;
    Response::decode(api_key, api_version, &mut reader)
}

#[cfg(test)]
mod tests {
    use protocol::messages::{DeleteTopicsRequest, DeleteTopicsResponse};

    use super::*;
    use crate::event::{ConnectionId, ListenerId};

    fn context(peer: &str) -> RequestContext {
        RequestContext {
            connection: ConnectionId(1),
            listener: ListenerId(0),
            peer: peer.parse().expect("an address"),
            client_id: Some("admin".into()),
            principal: "User:ANONYMOUS".into(),
            api_version: 6,
        }
    }

    #[test]
    fn what_was_put_in_comes_out() {
        let asked = Request::DeleteTopics(DeleteTopicsRequest { timeout_ms: 7, ..Default::default() });
        for (peer, address) in [("127.0.0.1:5", 4), ("[::1]:5", 16), ("[::ffff:10.0.0.1]:5", 4)] {
            let envelope = wrap(&asked, &context(peer)).expect("it can be said");
            assert_eq!(envelope.client_host_address.len(), address, "{peer}");
            let principal = envelope.request_principal.clone().expect("a principal");
            assert_eq!(&principal[..], b"\0\0\x05User\x0aANONYMOUS\0\0");
            let (inner, request) = unwrap(&envelope).expect("it is one");
            assert_eq!((inner.api_key, inner.api_version), (ApiKey::DeleteTopics, 6));
            assert!(matches!(request, Request::DeleteTopics(request) if request.timeout_ms == 7));
            let answer =
                Response::DeleteTopics(DeleteTopicsResponse { throttle_time_ms: 9, ..Default::default() });
            let Response::Envelope(answer) = wrap_answer(&inner, &answer) else { panic!() };
            let answer = unwrap_answer(answer, inner.api_key, inner.api_version);
            assert!(matches!(answer, Ok(Response::DeleteTopics(answer)) if answer.throttle_time_ms == 9));
        }
    }

    #[test]
    fn what_may_not_be_passed_on_is_refused() {
        let not_forwarded = wrap(&Request::Metadata(Default::default()), &context("127.0.0.1:5"));
        let mut bad_address = wrap(&Request::DeleteTopics(Default::default()), &context("127.0.0.1:5"))
            .expect("it can be said");
        bad_address.client_host_address = Bytes::from_static(&[1]);
        let garbage =
            EnvelopeRequest { request_data: Bytes::from_static(&[0, 20, 0]), ..bad_address.clone() };
        for (envelope, error) in [
            (not_forwarded.expect("it can be said"), ErrorCode::InvalidRequest),
            (bad_address, ErrorCode::InvalidRequest),
            (garbage, ErrorCode::UnsupportedVersion),
        ] {
            assert_eq!(unwrap(&envelope).err(), Some(error));
        }
    }
}
