//! What stands before each request and response body.

use bytes::Bytes;

use crate::{ApiKey, DecodeError, EncodeError, Reader, Str, Writer};

/// Header v1, or v2 (the same and tagged fields) where the API's version is flexible.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequestHeader {
    pub api_key: i16,
    pub api_version: i16,
    pub correlation_id: i32,
    pub client_id: Option<Str>,
}

impl RequestHeader {
    /// The reader stands at the body afterwards. An API that is not known is an error; a version that is not known is
    /// not: the caller answers it (ApiVersions) or closes the connection, and its header has the form of the newest.
    pub fn decode(reader: &mut Reader) -> Result<RequestHeader, DecodeError> {
        reader.set_flexible(false);
        let mut header = RequestHeader {
            api_key: reader.i16(),
            api_version: reader.i16(),
            correlation_id: reader.i32(),
            client_id: None,
        };
        reader.check()?;
        let api_key =
            ApiKey::try_from(header.api_key).map_err(|()| DecodeError::UnknownApiKey(header.api_key))?;
        // Even in v2 the client id keeps the old form.
        header.client_id = reader.nullable_string(true);
        reader.set_flexible(api_key.request_header_version(header.api_version) >= 2);
        reader.skip_tags();
        reader.check().map(|()| header)
    }

    pub fn encode(&self, writer: &mut Writer) -> Result<(), EncodeError> {
        writer.set_flexible(false);
        writer.i16(self.api_key);
        writer.i16(self.api_version);
        writer.i32(self.correlation_id);
        writer.nullable_string(true, &self.client_id);
        let version = ApiKey::try_from(self.api_key)
            .map_or(1, |api_key| api_key.request_header_version(self.api_version));
        writer.set_flexible(version >= 2);
        writer.tag_count(0);
        writer.check()
    }

    pub fn from_frame(frame: Bytes) -> Result<(RequestHeader, Reader), DecodeError> {
        let mut reader = Reader::new(frame);
        RequestHeader::decode(&mut reader).map(|header| (header, reader))
    }
}

/// Header v0, or v1 (the same and tagged fields) where the API's version is flexible; always v0 for ApiVersions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ResponseHeader {
    pub correlation_id: i32,
}

impl ResponseHeader {
    pub fn decode(
        reader: &mut Reader,
        api_key: ApiKey,
        api_version: i16,
    ) -> Result<ResponseHeader, DecodeError> {
        let correlation_id = reader.i32();
        reader.set_flexible(api_key.response_header_version(api_version) >= 1);
        reader.skip_tags();
        reader.check().map(|()| ResponseHeader { correlation_id })
    }

    pub fn encode(&self, writer: &mut Writer, api_key: ApiKey, api_version: i16) {
        writer.i32(self.correlation_id);
        writer.set_flexible(api_key.response_header_version(api_version) >= 1);
        writer.tag_count(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(bytes: &'static [u8], expected: Result<(i16, Option<&str>, usize), DecodeError>) {
        let result = RequestHeader::from_frame(Bytes::from_static(bytes)).map(|(header, reader)| {
            let mut writer = Writer::new();
            header.encode(&mut writer).unwrap();
            let written = writer.into_bytes().unwrap();
            assert_eq!(written, bytes[..written.len()]);
            (header.api_version, header.client_id, reader.remaining())
        });
        assert_eq!(result, expected.map(|(version, client, rest)| (version, client.map(Str::from), rest)));
    }

    #[test]
    fn request_headers() {
        check(b"\x00\x03\x00\x01\x00\x00\x00\x07\x00\x01aX", Ok((1, Some("a"), 1)));
        check(b"\x00\x03\x00\x01\x00\x00\x00\x07\xff\xffXY", Ok((1, None, 2)));
        check(b"\x00\x03\x00\x09\x00\x00\x00\x07\x00\x01a\x00X", Ok((9, Some("a"), 1)));
        // a version of ApiVersions from the future still has header v2
        check(b"\x00\x12\x00\x63\x00\x00\x00\x07\x00\x01a\x00X", Ok((99, Some("a"), 1)));
        check(b"\x00\x04\x00\x00\x00\x00\x00\x07\x00\x00", Err(DecodeError::UnknownApiKey(4)));
        check(b"\x00\x03\x00\x01\x00\x00", Err(DecodeError::Truncated));
    }

    #[test]
    fn response_headers() {
        for (api_key, version, size) in
            [(ApiKey::Metadata, 8, 4), (ApiKey::Metadata, 9, 5), (ApiKey::ApiVersions, 4, 4)]
        {
            let mut writer = Writer::new();
            ResponseHeader { correlation_id: 7 }.encode(&mut writer, api_key, version);
            let bytes = writer.into_bytes().unwrap();
            assert_eq!(bytes.len(), size);
            let header = ResponseHeader::decode(&mut Reader::new(bytes), api_key, version);
            assert_eq!(header, Ok(ResponseHeader { correlation_id: 7 }));
        }
    }
}
