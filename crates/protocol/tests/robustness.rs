//! Bytes from outside never panic a decoder, never make it take much memory, and what it accepts it can write again.
//! `FUZZ_SEEDS` and `FUZZ_FIRST` (cargo xtask fuzz) make the run longer; the same seed is the same run.

mod golden_rows;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::collections::BTreeMap;

use bytes::Bytes;
use golden_rows::{Golden, mutate, rows};
use platform::Random;
use protocol::{EncodeError, Message, Reader, RequestHeader};

/// Counts what this thread has allocated and not freed, and the most of it.
struct Counting;

thread_local! {
    static HELD: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
}

fn count(change: isize) {
    let _ = HELD.try_with(|held| {
        held.set(held.get() + change);
        let _ = PEAK.try_with(|peak| peak.set(peak.get().max(held.get())));
    });
}

// SAFETY: passes everything on to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Most bytes held at once while `work` ran, beyond those held before.
fn peak_of<T>(work: impl FnOnce() -> T) -> (T, usize) {
    let before = HELD.get();
    PEAK.set(before);
    let result = work();
    (result, usize::try_from(PEAK.get() - before).unwrap_or(0))
}

/// What decoding a frame may take: the reader's own rule, and for text that is not UTF-8 three times its bytes.
fn memory_max(frame: usize) -> usize {
    frame * (8 + 4) + (4 << 20) + (4 << 10)
}

fn check<M: Message>(bytes: &Bytes, version: i16) {
    let (message, peak) = peak_of(|| M::decode(&mut Reader::new(bytes.clone()), version));
    assert!(peak <= memory_max(bytes.len()), "{} v{version} took {peak} bytes for {bytes:?}", M::NAME);
    let Ok(message) = message else { return };
    let once = match message.to_bytes(version) {
        // text that was not UTF-8 has grown
        Err(EncodeError::TooLong(_)) => return,
        result => result.unwrap_or_else(|error| panic!("{} v{version}: {error} for {bytes:?}", M::NAME)),
    };
    let again = M::from_bytes(once.clone(), version).map(|message| message.to_bytes(version).unwrap());
    assert_eq!(again, Ok(once), "{} v{version} for {bytes:?}", M::NAME);
}

type Check = fn(&Bytes, i16);

fn checks() -> BTreeMap<&'static str, Check> {
    let mut checks: BTreeMap<&'static str, Check> = BTreeMap::new();
    macro_rules! each {
        ($message:path) => {
            checks.insert(<$message>::NAME, check::<$message>);
        };
    }
    protocol::every_message!(each);
    checks
}

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

fn seeds() -> impl Iterator<Item = u64> {
    let first = setting("FUZZ_FIRST", 1);
    first..first.saturating_add(setting("FUZZ_SEEDS", 4))
}

#[test]
fn mutated_messages() {
    let (rows, checks) = (rows(), checks());
    for seed in seeds() {
        let mut random = Random::new(seed);
        for row in &rows {
            let bytes = mutate(&row.bytes, &mut random);
            match checks.get(row.name.as_str()) {
                Some(check) => check(&bytes, row.version),
                None => header(&bytes),
            }
        }
    }
}

fn header(bytes: &Bytes) {
    let (_, peak) = peak_of(|| RequestHeader::from_frame(bytes.clone()).map(|(header, _)| header));
    assert!(peak <= memory_max(bytes.len()));
}

#[test]
fn random_bytes() {
    let (rows, checks) = (rows(), checks());
    for seed in seeds() {
        let mut random = Random::new(seed ^ 0x5eed);
        for Golden { name, version, .. } in &rows {
            let size = random.below(200);
            let bytes: Bytes = (0..size).map(|_| random.next_u64() as u8).collect();
            match checks.get(name.as_str()) {
                Some(check) => check(&bytes, *version),
                None => header(&bytes),
            }
        }
    }
}

/// A megabyte of one byte: the worst for counts, as each level of arrays claims all that is left.
#[test]
fn long_runs_of_one_byte() {
    let (rows, checks) = (rows(), checks());
    for byte in [0x00, 0x01, 0x02, 0x7f, 0xff] {
        let frame = Bytes::from(vec![byte; 1 << 20]);
        for row in rows.iter().filter(|row| row.variant == "default") {
            if let Some(check) = checks.get(row.name.as_str()) {
                check(&frame, row.version);
            }
        }
    }
}
