//! Records of the internal topics and of the quorum, as Kafka writes them.

pub use crate::generated::{group, metadata, raft, remote_log, share, storage, transaction};

use crate::{DecodeError, Reader, Writer};

/// The only version of the frame around records of the quorum and of remote log metadata.
const FRAME_VERSION: u32 = 1;

/// Type and version of the record that follows.
pub(crate) fn read_frame(reader: &mut Reader) -> Result<(i16, i16), DecodeError> {
    let frame = reader.uvarint();
    reader.check()?;
    if frame != FRAME_VERSION {
        return Err(DecodeError::UnknownFrameVersion(frame));
    }
    let (record_type, version) = (reader.uvarint(), reader.uvarint());
    reader.check()?;
    let number = |value: u32| i16::try_from(value).map_err(|_| DecodeError::InvalidVarint);
    Ok((number(record_type)?, number(version)?))
}

pub(crate) fn write_frame(writer: &mut Writer, record_type: i16, version: i16) {
    writer.uvarint(FRAME_VERSION);
    writer.uvarint(record_type as u32);
    writer.uvarint(version as u32);
}
