//! What every generated message can do, and what its parts can.

use bytes::Bytes;
use types::Uuid;

use crate::{ApiKey, DecodeError, EncodeError, Reader, Str, Versions, Writer};

/// A value inside a message. Errors stay in the reader or writer, for whoever began.
pub trait Part: Sized {
    fn read(reader: &mut Reader, version: i16) -> Self;
    fn write(&self, writer: &mut Writer, version: i16);
}

/// A whole message: one struct for all its versions.
pub trait Message: Part + Clone + Default + PartialEq + std::fmt::Debug {
    const NAME: &'static str;
    const VERSIONS: Versions;
    /// First version with compact lengths and tagged fields; `i16::MAX` for none.
    const FLEXIBLE_FROM: i16;

    fn is_flexible(version: i16) -> bool {
        version >= Self::FLEXIBLE_FROM
    }

    /// Reads from where the reader stands. Unknown tagged fields are dropped, bytes after the message are left.
    fn decode(reader: &mut Reader, version: i16) -> Result<Self, DecodeError> {
        if !Self::VERSIONS.contains(version) {
            return Err(DecodeError::UnsupportedVersion { name: Self::NAME, version });
        }
        reader.set_flexible(Self::is_flexible(version));
        let message = Self::read(reader, version);
        reader.check().map(|()| message)
    }

    /// Fields that the version does not know are dropped where the schema allows it, and in all responses.
    fn encode(&self, writer: &mut Writer, version: i16) -> Result<(), EncodeError> {
        if !Self::VERSIONS.contains(version) {
            return Err(EncodeError::UnsupportedVersion { name: Self::NAME, version });
        }
        writer.set_flexible(Self::is_flexible(version));
        self.write(writer, version);
        writer.check()
    }

    fn from_bytes(bytes: Bytes, version: i16) -> Result<Self, DecodeError> {
        Self::decode(&mut Reader::new(bytes), version)
    }

    fn to_bytes(&self, version: i16) -> Result<Bytes, EncodeError> {
        let mut writer = Writer::new();
        self.encode(&mut writer, version)?;
        writer.into_bytes()
    }
}

/// A request, joined with what answers it.
pub trait ApiRequest: Message {
    const KEY: ApiKey;
    type Response: Message;
}

macro_rules! primitive {
    ($($type:ty, $method:ident;)*) => {
        $(impl Part for $type {
            fn read(reader: &mut Reader, _version: i16) -> Self {
                reader.$method()
            }

            fn write(&self, writer: &mut Writer, _version: i16) {
                writer.$method(*self);
            }
        })*
    };
}

primitive! { bool, bool; i8, i8; i16, i16; u16, u16; i32, i32; u32, u32; i64, i64; f64, f64; Uuid, uuid; }

impl Part for Str {
    fn read(reader: &mut Reader, _version: i16) -> Self {
        reader.string()
    }

    fn write(&self, writer: &mut Writer, _version: i16) {
        writer.string(self);
    }
}

impl Part for Bytes {
    fn read(reader: &mut Reader, _version: i16) -> Self {
        reader.bytes()
    }

    fn write(&self, writer: &mut Writer, _version: i16) {
        writer.bytes(self);
    }
}
