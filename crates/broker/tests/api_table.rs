//! `docs/APIS.md` is written from the tables of what is served. `REWRITE=1 cargo test -p broker --test api_table` writes it anew.

use std::fmt::Write;
use std::path::PathBuf;
use std::sync::Arc;

use broker::served;
use platform::{FileSystem, OsFileSystem};
use protocol::Listener;

fn table(listener: Listener) -> String {
    let mut text = String::from("| Key | API | Versions |\n|---|---|---|\n");
    for (api_key, versions) in served(listener) {
        let _ = writeln!(text, "| {} | {} | {versions} |", api_key.code(), api_key.name());
    }
    text
}

#[test]
fn the_document_lists_what_is_served() {
    let text = format!(
        "# What is served\n\nWritten from the tables that the listeners answer by: what is not here is not advertised, and closes the\n\
         connection. Produce is advertised from version 0, because older clients look for it, and refused below 3.\n\n\
         ## Listeners of brokers\n\n{}\n## Listeners of controllers\n\n{}",
        table(Listener::Broker),
        table(Listener::Controller)
    );
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/APIS.md");
    let files: Arc<dyn FileSystem> = Arc::new(OsFileSystem);
    if std::env::var_os("REWRITE").is_some() {
        files.write_atomically(&path, text.as_bytes()).unwrap();
    }
    let found = String::from_utf8(files.read(&path).unwrap_or_default()).unwrap();
    assert_eq!(found, text, "docs/APIS.md is not what is served");
}
