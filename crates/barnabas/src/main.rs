//! The one binary. What it does is chosen by the name that it is called by (`kafka-topics`, `kafka-topics.sh`), or by its
//! first argument (`barnabas topics`, `barnabas kafka-topics`, `barnabas server`).

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

mod cluster;
mod completion;
mod daemon;
mod names;
mod node;
mod stop;
mod storage;
mod zookeeper;

#[cfg(not(debug_assertions))]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// The buffers of large requests are used again, as small ones are, instead of being given back and touched anew for each
/// request; what has not been used for two seconds is given back by a thread that otherwise sleeps.
#[cfg(not(debug_assertions))]
#[unsafe(export_name = "_rjem_malloc_conf")]
static ALLOCATOR_SETTINGS: AllocatorSettings = AllocatorSettings(
    c"oversize_threshold:0,background_thread:true,max_background_threads:1,dirty_decay_ms:2000,muzzy_decay_ms:0"
        .as_ptr(),
);

/// jemalloc reads a `const char *`.
#[cfg(not(debug_assertions))]
#[repr(transparent)]
struct AllocatorSettings(*const std::ffi::c_char);

// SAFETY: it points at a constant
#[cfg(not(debug_assertions))]
unsafe impl Sync for AllocatorSettings {}

fn main() -> ExitCode {
    let mut arguments: Vec<OsString> = std::env::args_os().collect();
    let called = arguments.first().map(|name| Path::new(name).to_owned()).unwrap_or_default();
    let called = called.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let called = called.strip_suffix(".sh").unwrap_or(&called);
    let name = if names::is_tool(called) {
        called.to_owned()
    } else {
        arguments.remove(0);
        match arguments.first() {
            // plain `cargo run --release` starts a node
            None => {
                arguments = vec!["barnabas server".into()];
                "server".to_owned()
            }
            Some(first) => first.to_string_lossy().into_owned(),
        }
    };
    run(&name, arguments)
}

/// `arguments` begin with the name that usage texts show.
fn run(name: &str, mut arguments: Vec<OsString>) -> ExitCode {
    let short = name.strip_prefix("kafka-").unwrap_or(name);
    if !matches!(short, "server" | "server-start") {
        tools::end_without_reader();
    }
    match short {
        "server" | "server-start" => {
            arguments[0] = if short == "server" { "barnabas server" } else { "kafka-server-start.sh" }.into();
            node::start(arguments)
        }
        "check-config" => node::check_config(arguments),
        "server-stop" => stop::run(arguments),
        "storage" => storage::run(arguments.get(1..).unwrap_or_default()),
        "completion" => completion::run(arguments.get(1..).unwrap_or_default()),
        "cluster" if name == "cluster" && cluster::is_meant(arguments.get(1..).unwrap_or_default()) => {
            cluster::run(arguments.get(1..).unwrap_or_default())
        }
        "zookeeper-server-start" | "zookeeper-server-stop" => zookeeper::run(),
        "-V" | "--version" | "version" => {
            println!("barnabas {}", env!("CARGO_PKG_VERSION"));
            ExitCode::SUCCESS
        }
        "-h" | "--help" | "help" => {
            print!("{}", names::HELP);
            ExitCode::SUCCESS
        }
        // its own name is no argument of a tool
        _ => tools::run(short, arguments.split_off(1)).unwrap_or_else(|| {
            eprintln!("barnabas: there is no command '{name}'. What there is: barnabas --help");
            ExitCode::from(2)
        }),
    }
}
