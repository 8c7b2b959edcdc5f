//! What every fuzzing test needs, included by each (`#[path]`): the seeds of a run, changes to bytes, and an allocator
//! that counts. `FUZZ_SEEDS` and `FUZZ_FIRST` (cargo xtask fuzz) make a run longer; the same seed is the same run.
#![allow(dead_code, reason = "each test takes what it needs")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use platform::Random;

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
pub fn peak_of<T>(work: impl FnOnce() -> T) -> (T, usize) {
    let before = HELD.get();
    PEAK.set(before);
    let result = work();
    (result, usize::try_from(PEAK.get() - before).unwrap_or(0))
}

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// Says which seed it was, should the test fail.
struct Running(u64);

impl Drop for Running {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("fails at FUZZ_FIRST={} FUZZ_SEEDS=1", self.0);
        }
    }
}

/// `few`: how many seeds an ordinary `cargo test` runs.
pub fn each_seed(few: u64, mut test: impl FnMut(&mut Random)) {
    let first = setting("FUZZ_FIRST", 1);
    for seed in first..first.saturating_add(setting("FUZZ_SEEDS", few)) {
        let running = Running(seed);
        test(&mut Random::new(seed));
        drop(running);
    }
}

/// One of them.
pub fn pick<'a, T>(items: &'a [T], random: &mut Random) -> &'a T {
    &items[random.below(items.len() as u64) as usize]
}

pub fn random_bytes(size_max: u64, random: &mut Random) -> Vec<u8> {
    (0..random.below(size_max + 1)).map(|_| random.next_u64() as u8).collect()
}

/// Changes a few places: bits, whole bytes, extreme numbers, cuts, insertions, and pieces put elsewhere.
pub fn mutate(bytes: &[u8], random: &mut Random) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for _ in 0..=random.below(4) {
        let at = random.below(bytes.len() as u64 + 1) as usize;
        let extreme = *pick(&[0x00, 0x01, 0x7f, 0x80, 0xff], random);
        match (random.below(10), bytes.get_mut(at)) {
            (0..=2, Some(byte)) => *byte ^= 1 << random.below(8),
            (3, Some(byte)) => *byte = random.next_u64() as u8,
            (4, Some(byte)) => *byte = extreme,
            (5, Some(_)) => {
                let end = bytes.len().min(at + 1 + random.below(8) as usize);
                bytes[at..end].fill(extreme);
            }
            (6, _) => bytes.truncate(at),
            (7, _) => bytes.insert(at, extreme),
            (8, _) => {
                let end = bytes.len().min(at + random.below(64) as usize);
                let piece = bytes[at..end].to_vec();
                let to = random.below(bytes.len() as u64 + 1) as usize;
                bytes.splice(to..to, piece);
            }
            _ => {
                let added = random_bytes(16, random);
                bytes.splice(at..at, added);
            }
        }
    }
    bytes
}

/// As `mutate`, for texts of lines: values and names from a list of strange ones too, lines doubled, swapped, lost.
pub fn mutate_text(text: &str, strange: &[&str], random: &mut Random) -> Vec<u8> {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    for _ in 0..=random.below(3) {
        let at = random.below(lines.len().max(1) as u64) as usize;
        let other = random.below(lines.len().max(1) as u64) as usize;
        let Some(line) = lines.get(at).cloned() else { break };
        match random.below(6) {
            0 => lines.insert(other, line),
            1 => lines.swap(at, other),
            2 => drop(lines.remove(at)),
            _ => {
                // a word of the line gives way
                let words: Vec<&str> = line.split_inclusive([' ', '=', ',', ':']).collect();
                let gone = random.below(words.len().max(1) as u64) as usize;
                let end =
                    words.get(gone).and_then(|word| word.chars().last()).filter(|c| " =,:".contains(*c));
                let mut new = words.iter().take(gone).copied().collect::<String>();
                new.push_str(pick::<&str>(strange, random));
                new.extend(end);
                new.extend(words.iter().skip(gone + 1).copied());
                lines[at] = new;
            }
        }
    }
    let text = lines.join("\n") + "\n";
    if random.one_in(3) { mutate(text.as_bytes(), random) } else { text.into_bytes() }
}

/// Numbers and words at the borders of what parsers expect.
pub const STRANGE: &[&str] = &[
    "",
    "0",
    "-1",
    "1",
    "-2147483648",
    "2147483647",
    "2147483648",
    "-9223372036854775808",
    "9223372036854775807",
    "9223372036854775808",
    "99999999999999999999999",
    "1e308",
    "NaN",
    "-",
    "+5",
    "true",
    "null",
    ",",
    "://",
    ":",
    "PLAINTEXT://:0",
    "[::1]:9",
    "1@",
    "1@h:99999",
    "\\",
    "\\u00",
    "é",
    "\u{0}",
    "\u{1F600}",
    "=",
    " ",
    "delete,compact",
    "AAAAAAAAAAAAAAAAAAAAAA",
    "../..",
    "a b c",
];
