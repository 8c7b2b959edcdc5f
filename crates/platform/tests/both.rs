//! What both file systems must do alike.

use std::io::{ErrorKind, IoSlice};
use std::path::Path;

use platform::{FileSystem, MemoryFileSystem, OpenMode, OsFileSystem};

fn on_both(check: impl Fn(&dyn FileSystem, &Path)) {
    let memory = MemoryFileSystem::new(1);
    memory.create_directory_all(Path::new("/data")).unwrap();
    check(&memory, Path::new("/data"));
    let directory = tempfile::tempdir().unwrap();
    check(&OsFileSystem, directory.path());
}

#[test]
fn opening() {
    on_both(|system, root| {
        let path = root.join("a");
        let kind = |mode| system.open(&path, mode).map(|_| ()).map_err(|error| error.kind());
        assert_eq!(kind(OpenMode::Read), Err(ErrorKind::NotFound));
        assert_eq!(kind(OpenMode::ReadWrite), Err(ErrorKind::NotFound));
        assert_eq!(kind(OpenMode::CreateNew), Ok(()));
        assert_eq!(kind(OpenMode::CreateNew), Err(ErrorKind::AlreadyExists));
        assert_eq!(kind(OpenMode::CreateOrOpen), Ok(()));
        assert_eq!(kind(OpenMode::Read), Ok(()));
        let reader = system.open(&path, OpenMode::Read).unwrap();
        assert!(reader.write_at(&mut [IoSlice::new(b"x")], 0).is_err());
    });
}

#[test]
fn reading_and_writing() {
    on_both(|system, root| {
        let path = root.join("a");
        let file = system.open(&path, OpenMode::CreateNew).unwrap();
        file.write_at(
            &mut [IoSlice::new(b""), IoSlice::new(b"hea"), IoSlice::new(b""), IoSlice::new(b"der")],
            2,
        )
        .unwrap();
        file.write_at(&mut [], 100).unwrap();
        assert_eq!(system.read(&path).unwrap(), b"\0\0header");
        let mut buffer = [9; 4];
        for (position, expected, content) in
            [(2, 4, *b"head"), (6, 2, *b"erad"), (8, 0, *b"erad"), (99, 0, *b"erad")]
        {
            assert_eq!(file.read_at(&mut buffer, position).unwrap(), expected);
            assert_eq!(buffer, content);
        }
        file.set_size(3).unwrap();
        file.set_size(5).unwrap();
        assert_eq!(system.read(&path).unwrap(), b"\0\0h\0\0");
        assert_eq!((file.size().unwrap(), system.file_size(&path).unwrap()), (5, 5));
        file.sync().unwrap();
    });
}

#[test]
fn more_slices_than_one_call_takes() {
    on_both(|system, root| {
        let file = system.open(&root.join("a"), OpenMode::CreateNew).unwrap();
        let mut slices = vec![IoSlice::new(b"xyz"); 3000];
        file.write_at(&mut slices, 0).unwrap();
        assert_eq!(system.read(&root.join("a")).unwrap(), b"xyz".repeat(3000));
    });
}

#[test]
fn names() {
    on_both(|system, root| {
        let nested = root.join("d/e");
        system.create_directory_all(&nested).unwrap();
        system.create_directory_all(&nested).unwrap();
        let file = system.open(&nested.join("b"), OpenMode::CreateNew).unwrap();
        file.write_at(&mut [IoSlice::new(b"kept")], 0).unwrap();
        system.write_atomically(&nested.join("a"), b"1").unwrap();
        system.write_atomically(&nested.join("a"), b"2").unwrap();
        let list = |path: &Path| {
            system
                .read_directory(path)
                .unwrap()
                .into_iter()
                .map(|e| (e.name, e.is_directory))
                .collect::<Vec<_>>()
        };
        assert_eq!(list(&nested), [("a".to_owned(), false), ("b".to_owned(), false)]);
        assert_eq!(list(root), [("d".to_owned(), true)]);
        system.rename(&nested.join("b"), &nested.join("a")).unwrap();
        assert_eq!(system.read(&nested.join("a")).unwrap(), b"kept");
        system.remove_file(&nested.join("a")).unwrap();
        // an open file outlives its name
        let mut buffer = [0; 4];
        assert_eq!(file.read_at(&mut buffer, 0).unwrap(), 4);
        system.rename(&root.join("d"), &root.join("f")).unwrap();
        assert!(system.exists(&root.join("f/e")) && !system.exists(&nested));
        system.remove_directory_all(&root.join("f")).unwrap();
        assert_eq!(list(root), []);
        assert_eq!(system.remove_file(&nested).unwrap_err().kind(), ErrorKind::NotFound);
        assert_eq!(system.rename(&nested, root).unwrap_err().kind(), ErrorKind::NotFound);
    });
}

#[test]
fn locks_times_and_space() {
    on_both(|system, root| {
        let lock = system.lock(&root.join(".lock")).unwrap();
        assert_eq!(system.lock(&root.join(".lock")).unwrap_err().kind(), ErrorKind::WouldBlock);
        drop(lock);
        drop(system.lock(&root.join(".lock")).unwrap());
        let path = root.join("a");
        system.open(&path, OpenMode::CreateNew).unwrap();
        for time in [0, 1_700_000_000_123, -5000] {
            system.set_modified_ms(&path, time).unwrap();
            assert_eq!(system.modified_ms(&path).unwrap(), time);
        }
        let (total, usable) = system.space(root).unwrap();
        assert!(total > 0 && usable <= total);
    });
}

#[test]
fn syncing_everything() {
    on_both(|system, root| {
        let inner = root.join("t-0");
        system.create_directory_all(&inner).unwrap();
        let file = system.open(&inner.join("a"), OpenMode::CreateNew).unwrap();
        file.write_at(&mut [IoSlice::new(b"content")], 0).unwrap();
        system.sync_everything(root).unwrap();
        assert_eq!(system.read(&inner.join("a")).unwrap(), b"content");
        let missing = system.sync_everything(&root.join("none")).unwrap_err();
        assert_eq!(missing.kind(), ErrorKind::NotFound);
    });
}
