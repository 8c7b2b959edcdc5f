//! What is in a buffer of batches, in the words of `golden/Golden.java`.

use std::fmt::Write;

use records::{Batch, Batches, TimestampType, crc32c};

pub fn dump(bytes: &[u8]) -> String {
    let mut out = String::new();
    let mut batches = Batches::new(bytes);
    for batch in &mut batches {
        let batch = batch.expect("a batch");
        dump_batch(&batch, &mut out);
        let data = batch.data(1 << 24).expect("data");
        for record in batch.records(&data) {
            let record = record.expect("a record");
            let (key, value) = (hex(record.key), hex(record.value));
            write!(
                out,
                "  record offset={} time={} key={key} value={value}",
                record.offset, record.timestamp
            )
            .unwrap();
            for header in record.headers.iter() {
                write!(out, " {}={}", String::from_utf8_lossy(header.key), hex(header.value)).unwrap();
            }
            out.push('\n');
        }
    }
    assert_eq!(batches.consumed(), bytes.len());
    out
}

fn dump_batch(batch: &Batch<'_>, out: &mut String) {
    let kind = match batch.timestamp_type() {
        TimestampType::CreateTime => "CreateTime",
        TimestampType::LogAppendTime => "LogAppendTime",
    };
    writeln!(
        out,
        "batch base={} last={} next={} size={} epoch={} crc={:08x} valid={} codec={} type={kind} txn={} \
         control={} first={} max={} horizon={} pid={} pepoch={} seq={} lastseq={} count={}",
        batch.base_offset(),
        batch.last_offset(),
        batch.next_offset(),
        batch.size(),
        batch.leader_epoch(),
        batch.crc(),
        batch.verify_crc().is_ok(),
        batch.codec().expect("a codec"),
        batch.is_transactional(),
        batch.is_control(),
        batch.base_timestamp(),
        batch.max_timestamp(),
        batch.delete_horizon_ms().map_or("none".into(), |ms| ms.to_string()),
        batch.producer_id(),
        batch.producer_epoch(),
        batch.base_sequence(),
        batch.last_sequence(),
        batch.record_count(),
    )
    .unwrap();
}

fn hex(bytes: Option<&[u8]>) -> String {
    match bytes {
        None => "null".into(),
        Some(bytes) if bytes.len() <= 24 => {
            let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            format!("[{digits}]")
        }
        Some(bytes) => format!("[{} bytes {:08x}]", bytes.len(), crc32c(bytes)),
    }
}
