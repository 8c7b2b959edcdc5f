//! Frames to and from a peer, and the greeting (ApiVersions) that says which versions it understands.

use bytes::Bytes;
use protocol::messages::{ApiVersionsRequest, ApiVersionsResponse};
use protocol::{
    ApiKey, Chunk, EncodeError, ErrorCode, Message, Reader, Request, RequestHeader, Response, ResponseHeader,
    Str, Versions, Writer,
};

const SOFTWARE_NAME: &str = "barnabas";
/// From this version on a follower's id stands in a field of its own.
const REPLICA_STATE_FROM: i16 = 15;

/// What the peer says to the greeting.
pub(super) enum Greeting {
    Versions(Vec<(i16, Versions)>),
    /// It wants ApiVersions in this version.
    Again(i16),
}

/// A request as it is sent: size, header, body.
pub(super) fn encode(
    mut request: Request,
    version: i16,
    correlation_id: i32,
    client_id: &str,
) -> Result<Vec<Chunk>, EncodeError> {
    if let Request::Fetch(fetch) = &mut request
        && version < REPLICA_STATE_FROM
    {
        fetch.replica_id = fetch.replica_state.replica_id;
        fetch.replica_state = Default::default();
    }
    let header = RequestHeader {
        api_key: request.api_key().code(),
        api_version: version,
        correlation_id,
        client_id: Some(Str::from(client_id)),
    };
    let mut writer = Writer::frame();
    header.encode(&mut writer)?;
    request.encode(version, &mut writer)?;
    writer.finish_frame()
}

pub(super) fn decode(
    frame: Bytes,
    api_key: ApiKey,
    version: i16,
    correlation_id: i32,
) -> Result<Response, String> {
    let mut reader = Reader::new(frame);
    let header = ResponseHeader::decode(&mut reader, api_key, version).map_err(|error| error.to_string())?;
    if header.correlation_id != correlation_id {
        return Err(format!("it answers request {}, not {correlation_id}", header.correlation_id));
    }
    Response::decode(api_key, version, &mut reader).map_err(|error| format!("{api_key} v{version}: {error}"))
}

pub(super) fn greeting(
    version: i16,
    correlation_id: i32,
    client_id: &str,
) -> Result<Vec<Chunk>, EncodeError> {
    encode(Request::ApiVersions(api_versions_request()), version, correlation_id, client_id)
}

/// Asks what the peer supports, and says what software asks.
pub fn api_versions_request() -> ApiVersionsRequest {
    ApiVersionsRequest {
        client_software_name: Str::from_static(SOFTWARE_NAME),
        client_software_version: Str::from_static(env!("CARGO_PKG_VERSION")),
        ..Default::default()
    }
}

/// A version that the peer does not know is answered in version 0, with the row of the ones that it does.
pub(super) fn greeted(frame: Bytes, version: i16, correlation_id: i32) -> Result<Greeting, String> {
    let mut reader = Reader::new(frame.clone());
    let _ = reader.i32();
    let code = ErrorCode::from(reader.i16());
    reader.check().map_err(|error| error.to_string())?;
    if code == ErrorCode::UnsupportedVersion && version > 0 {
        let mut reader = Reader::new(frame);
        let _ = reader.i32();
        let answer = ApiVersionsResponse::decode(&mut reader, 0).map_err(|error| error.to_string())?;
        let known = rows(&answer);
        let common = common_version(ApiKey::ApiVersions, &known).filter(|common| *common < version);
        return Ok(Greeting::Again(common.unwrap_or(0)));
    }
    match decode(frame, ApiKey::ApiVersions, version, correlation_id)? {
        Response::ApiVersions(answer) if !code.is_error() => Ok(Greeting::Versions(rows(&answer))),
        _ => Err(format!("ApiVersions: {code}")),
    }
}

fn rows(answer: &ApiVersionsResponse) -> Vec<(i16, Versions)> {
    answer.api_keys.iter().map(|row| (row.api_key, Versions::new(row.min_version, row.max_version))).collect()
}

/// The newest version that both know; ours are those of the release that we are.
pub(super) fn common_version(api_key: ApiKey, theirs: &[(i16, Versions)]) -> Option<i16> {
    let (_, theirs) = theirs.iter().find(|(key, _)| *key == api_key.code())?;
    api_key.versions_before().highest_common(*theirs)
}
