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

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::group::{GroupKey, GroupValue, OffsetCommitKey, OffsetCommitValue};
    use super::metadata::{FeatureLevelRecord, MetadataRecord, NoOpRecord, PartitionChangeRecord};
    use super::*;
    use crate::EncodeError;

    #[test]
    fn quorum_records_stand_in_a_frame() {
        let feature = FeatureLevelRecord { name: "metadata.version".into(), feature_level: 30 };
        let partition = PartitionChangeRecord { partition_id: 1, leader: 3, ..Default::default() };
        let rows: [(MetadataRecord, i16, &[u8]); 3] = [
            (NoOpRecord {}.into(), 0, b"\x01\x14\x00\x00"),
            (feature.into(), 0, b"\x01\x0c\x00\x11metadata.version\x00\x1e\x00"),
            (
                partition.into(),
                0,
                b"\x01\x05\x00\x00\x00\x00\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\x01\x04\x00\x00\x00\x03",
            ),
        ];
        for (record, version, bytes) in rows {
            assert_eq!(record.encode(version).unwrap(), bytes, "{}", record.name());
            assert_eq!(MetadataRecord::decode(Bytes::from_static(bytes)), Ok((record, version)));
        }
    }

    #[test]
    fn a_version_that_cannot_carry_a_value_is_refused() {
        let record = PartitionChangeRecord { directories: Some(Vec::new()), ..Default::default() };
        assert_eq!(
            MetadataRecord::from(record).encode(0),
            Err(EncodeError::UnsupportedField { field: "directories", version: 0 })
        );
    }

    #[test]
    fn frames_of_another_kind_are_refused() {
        for (bytes, error) in [
            (&b"\x02\x14\x00\x00"[..], DecodeError::UnknownFrameVersion(2)),
            (b"\x01\x63\x00\x00", DecodeError::UnknownRecordType(99)),
            (b"\x01\x14\x07\x00", DecodeError::UnsupportedVersion { name: "NoOpRecord", version: 7 }),
            (b"\x01\x80\x80\x02\x00", DecodeError::InvalidVarint),
            (b"\x01", DecodeError::Truncated),
            (b"", DecodeError::Truncated),
        ] {
            assert_eq!(MetadataRecord::decode(Bytes::from_static(bytes)), Err(error), "{bytes:?}");
        }
    }

    #[test]
    fn coordinator_records_have_type_and_version_before_them() {
        let key = OffsetCommitKey { group: "g".into(), topic: "t".into(), partition: 2 };
        let key = GroupKey::OffsetCommit(key);
        let bytes = key.encode().unwrap();
        assert_eq!(bytes, &b"\x00\x01\x00\x01g\x00\x01t\x00\x00\x00\x02"[..]);
        assert_eq!(GroupKey::decode(bytes), Ok(key.clone()));
        let value =
            OffsetCommitValue { offset: 5, metadata: "m".into(), commit_timestamp: 9, ..Default::default() };
        let value = GroupValue::OffsetCommit(value);
        let bytes = value.encode(3).unwrap();
        assert_eq!(bytes, &b"\x00\x03\0\0\0\0\0\0\0\x05\xff\xff\xff\xff\x00\x01m\0\0\0\0\0\0\0\x09"[..]);
        assert_eq!(GroupValue::decode(key.record_type(), bytes), Ok((value, 3)));
        assert_eq!(
            GroupKey::decode(Bytes::from_static(b"\x03\xe7")),
            Err(DecodeError::UnknownRecordType(999))
        );
    }
}
