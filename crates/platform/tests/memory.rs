//! What a crash and each fault leave behind in the memory file system.

use std::collections::BTreeSet;
use std::io::{ErrorKind, IoSlice};
use std::path::Path;
use std::sync::Arc;

use platform::memory::{Fault, FaultRates};
use platform::{File, FileSystem, MemoryFileSystem, OpenMode};

const ROOT: &str = "/";

fn with_synced_file(seed: u64, synced: &[u8]) -> (MemoryFileSystem, Arc<dyn File>) {
    let system = MemoryFileSystem::new(seed);
    let file = system.open(Path::new("/a"), OpenMode::CreateNew).unwrap();
    put(&file, 0, synced);
    file.sync().unwrap();
    system.sync_directory(Path::new(ROOT)).unwrap();
    (system, file)
}

fn put(file: &Arc<dyn File>, position: u64, bytes: &[u8]) {
    file.write_at(&mut [IoSlice::new(bytes)], position).unwrap();
}

#[test]
fn what_is_synced_survives_and_the_rest_may_go() {
    let (mut sizes, mut holes) = (BTreeSet::new(), 0);
    for seed in 0..200 {
        let (system, file) = with_synced_file(seed, b"synced");
        put(&file, 6, &[1; 700]);
        put(&file, 706, &[2; 700]);
        system.crash();
        let content = system.read(Path::new("/a")).unwrap();
        assert_eq!(&content[..6], b"synced");
        assert!(
            content[6..].iter().take(700).all(|&b| b < 2) && content[6..].iter().skip(700).all(|&b| b != 1)
        );
        holes += usize::from(content.contains(&0));
        sizes.insert(content.len());
        assert!(file.size().is_err(), "opened before the crash");
    }
    assert!(
        sizes.contains(&6) && sizes.contains(&1406) && sizes.len() > 10 && holes > 10,
        "{sizes:?} {holes}"
    );
}

#[test]
fn overwritten_and_cut_bytes_come_back() {
    let (system, file) = with_synced_file(1, b"0123456789");
    put(&file, 2, b"xx");
    file.set_size(3).unwrap();
    put(&file, 3, b"yyyyyyyyyyyyyyyyyyyyyyyy");
    file.set_size(40).unwrap();
    system.crash_keeping_nothing();
    assert_eq!(system.read(Path::new("/a")).unwrap(), b"0123456789");
}

#[test]
fn a_kill_loses_nothing_but_locks() {
    let (system, file) = with_synced_file(1, b"a");
    let lock = system.lock(Path::new("/.lock")).unwrap();
    put(&file, 1, b"b");
    system.kill();
    assert_eq!(system.read(Path::new("/a")).unwrap(), b"ab");
    let again = system.lock(Path::new("/.lock")).unwrap();
    drop(lock);
    assert_eq!(system.lock(Path::new("/.lock")).unwrap_err().kind(), ErrorKind::WouldBlock);
    drop(again);
}

#[test]
fn names_not_synced_are_kept_in_order_or_lost() {
    let mut seen = BTreeSet::new();
    for seed in 0..100 {
        let (system, _) = with_synced_file(seed, b"old");
        let new = system.open(Path::new("/b"), OpenMode::CreateNew).unwrap();
        put(&new, 0, b"new");
        new.sync().unwrap();
        system.rename(Path::new("/b"), Path::new("/a")).unwrap();
        system.open(Path::new("/c"), OpenMode::CreateNew).unwrap();
        system.remove_file(Path::new("/c")).unwrap();
        system.crash();
        let names: Vec<String> =
            system.read_directory(Path::new(ROOT)).unwrap().into_iter().map(|e| e.name).collect();
        seen.insert((names.join(""), system.read(Path::new("/a")).unwrap()));
    }
    let expected = [("a", "new"), ("a", "old"), ("ab", "old"), ("ac", "new")];
    assert_eq!(seen, expected.map(|(names, content)| (names.to_owned(), content.as_bytes().to_vec())).into());
}

#[test]
fn an_atomic_write_is_the_old_or_the_new() {
    for seed in 0..20 {
        for at in 0..8 {
            let (system, _) = with_synced_file(seed, b"old");
            system.plan_fault(at, Fault::Halt);
            let written = system.write_atomically(Path::new("/a"), b"newer").is_ok();
            system.crash();
            let content = system.read(Path::new("/a")).unwrap();
            assert!(content == b"newer" || (!written && content == b"old"), "{at} {content:?}");
        }
    }
}

#[test]
fn a_failed_sync_has_lost_the_writes_before_it() {
    let (system, file) = with_synced_file(1, b"kept");
    put(&file, 4, b"lost");
    system.plan_fault(0, Fault::Error);
    assert!(file.sync().is_err());
    put(&file, 8, b"more");
    file.sync().unwrap();
    assert_eq!(system.read(Path::new("/a")).unwrap(), b"keptlostmore");
    system.crash();
    assert_eq!(system.read(Path::new("/a")).unwrap(), b"kept\0\0\0\0more");
}

#[test]
fn what_a_failed_sync_has_lost_is_there_once_it_is_written_and_synced_again() {
    for (position, bytes, expected) in [
        (4, &b"lost"[..], &b"kePTlost"[..]),
        (2, b"PTlost", b"kePTlost"),
        (5, b"os", b"kePT\0os\0"),
        (0, b"kept", b"kept\0\0\0\0"),
        (3, b"Tl", b"kePTl\0\0\0"),
    ] {
        let (system, file) = with_synced_file(1, b"kept");
        put(&file, 2, b"PT");
        file.sync().unwrap();
        put(&file, 4, b"lost");
        system.plan_fault(0, Fault::Error);
        assert!(file.sync().is_err());
        put(&file, position, bytes);
        file.sync().unwrap();
        system.crash();
        assert_eq!(system.read(Path::new("/a")).unwrap(), expected, "{position}");
    }
}

#[test]
fn a_sync_that_fails_takes_nothing_from_what_was_synced_before() {
    let (system, file) = with_synced_file(1, b"kept");
    put(&file, 0, b"KEpt");
    system.plan_fault(0, Fault::Error);
    assert!(file.sync().is_err());
    put(&file, 2, b"PT");
    system.plan_fault(0, Fault::Error);
    assert!(file.sync().is_err());
    assert_eq!(system.read(Path::new("/a")).unwrap(), b"KEPT");
    system.crash();
    assert_eq!(system.read(Path::new("/a")).unwrap(), b"kept");
}

#[test]
fn faults_of_writes() {
    for (fault, error, kept) in [
        (Fault::Error, Some(rustix::io::Errno::IO), "nothing"),
        (Fault::Torn, Some(rustix::io::Errno::IO), "a part"),
        (Fault::Full, Some(rustix::io::Errno::NOSPC), "a part"),
        (Fault::Misdirected, None, "elsewhere"),
    ] {
        let (system, file) = with_synced_file(3, &[0; 5000]);
        system.plan_fault(1, fault);
        put(&file, 5000, &[1; 100]);
        let result = file.write_at(&mut [IoSlice::new(&[2; 100])], 5100);
        assert_eq!(result.err().and_then(|e| rustix::io::Errno::from_io_error(&e)), error);
        let content = system.read(Path::new("/a")).unwrap();
        let written = content.iter().filter(|&&byte| byte == 2).count();
        match kept {
            "nothing" => assert_eq!((written, content.len()), (0, 5100)),
            "a part" => assert!(written < 100 && content.len() == 5100 + written),
            _ => assert!(written == 100 && content.len() < 5200),
        }
    }
}

#[test]
fn a_full_volume_takes_what_fits_and_recovers() {
    let (system, file) = with_synced_file(1, &[0; 100]);
    system.set_capacity(150);
    put(&file, 100, &[1; 50]);
    let error = file.write_at(&mut [IoSlice::new(&[2; 10])], 150).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::StorageFull);
    put(&file, 0, &[3; 100]);
    assert_eq!(system.space(Path::new(ROOT)).unwrap().0, 150);
    file.set_size(0).unwrap();
    put(&file, 0, &[4; 150]);
}

#[test]
fn a_broken_path_fails_until_healed() {
    let (system, file) = with_synced_file(1, b"a");
    system.create_directory_all(Path::new("/other")).unwrap();
    system.break_path(Path::new("/a"));
    assert!(
        file.sync().is_err() && file.read_at(&mut [0], 0).is_err() && system.read(Path::new("/a")).is_err()
    );
    assert!(system.read_directory(Path::new("/other")).is_ok());
    system.heal();
    assert_eq!(system.read(Path::new("/a")).unwrap(), b"a");
}

#[test]
fn one_seed_gives_one_run() {
    let run = |seed| {
        let (system, file) = with_synced_file(seed, b"");
        system.start_trace();
        system.set_fault_rates(FaultRates {
            write_torn: 3,
            write_error: 4,
            sync_error: 5,
            ..FaultRates::default()
        });
        for i in 0..100u64 {
            let _ = file.write_at(&mut [IoSlice::new(&[i as u8; 1000])], i * 1000);
            if i % 7 == 0 {
                let _ = file.sync();
            }
        }
        system.crash();
        (system.take_trace(), system.read(Path::new("/a")).unwrap())
    };
    assert_eq!(run(5), run(5));
    assert_ne!(run(5), run(6));
    assert_eq!(run(5).0[1].to_string(), "sync /a");
}

#[test]
fn everything_below_a_directory_is_synced_at_once() {
    let system = MemoryFileSystem::new(1);
    system.create_directory_all(Path::new("/logs/t-0")).unwrap();
    system.sync_directory(Path::new(ROOT)).unwrap();
    let paths = [Path::new("/logs/point"), Path::new("/logs/t-0/0.log")];
    for path in paths {
        put(&system.open(path, OpenMode::CreateNew).unwrap(), 0, b"content");
    }
    system.sync_everything(Path::new("/logs")).unwrap();
    put(&system.open(paths[0], OpenMode::ReadWrite).unwrap(), 0, b"CONTENT");
    system.crash_keeping_nothing();
    paths.iter().for_each(|path| assert_eq!(system.read(path).unwrap(), b"content"));

    put(&system.open(paths[1], OpenMode::ReadWrite).unwrap(), 0, b"CONTENT");
    let before = system.changes();
    system.sync_everything(Path::new("/logs")).unwrap();
    for change in 0..system.changes() - before {
        system.plan_fault(change, Fault::Error);
        assert!(system.sync_everything(Path::new("/logs")).is_err(), "change {change}");
    }
}
