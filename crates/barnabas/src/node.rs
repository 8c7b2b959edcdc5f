//! `barnabas server` and `barnabas check-config`.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use server::configuration::Given;
use server::process::End;

/// Starts a node in the foreground. Ctrl-C or SIGTERM ends it in good order.
#[derive(Parser)]
#[command(after_help = "Examples:
  barnabas server
  barnabas server config/server.properties
  barnabas server config/server.properties --override log.dirs=/data --override num.partitions=3

Environment: KAFKA_LOG_DIRS is log.dirs, BARNABAS_SHARDS is barnabas.shards, and so on; BARNABAS_LOG=info shows more.")]
struct Start {
    /// A properties file as Kafka has it; without one, a node on its own on 127.0.0.1:9092
    file: Option<PathBuf>,
    /// A value that holds over the file's; may be given again
    #[arg(long = "override", value_name = "KEY=VALUE")]
    overrides: Vec<String>,
    /// In the background, its output in $LOG_DIR/kafkaServer.out
    #[arg(long)]
    daemon: bool,
}

/// Reads a properties file and says what is wrong or unknown in it. Exit code 1 where a node would not start.
#[derive(Parser)]
#[command(after_help = "Examples:
  barnabas check-config config/server.properties
  barnabas check-config config/server.properties --override num.partitions=3")]
struct Check {
    file: PathBuf,
    #[arg(long = "override", value_name = "KEY=VALUE")]
    overrides: Vec<String>,
}

pub fn start(arguments: Vec<OsString>) -> ExitCode {
    // Kafka's script takes -daemon with one dash
    let arguments =
        arguments.into_iter().map(|word| if word == "-daemon" { "--daemon".into() } else { word });
    let Start { file, overrides, daemon } = Start::parse_from(arguments);
    if daemon {
        let again: Vec<OsString> = file
            .iter()
            .map(|file| file.clone().into_os_string())
            .chain(overrides.iter().flat_map(|text| ["--override".into(), OsString::from(text)]))
            .collect();
        return match crate::daemon::start(&again) {
            Ok(_) => ExitCode::SUCCESS,
            Err(error) => fail(&error.to_string()),
        };
    }
    let given = match given(file.as_ref(), &overrides) {
        Ok(given) => given,
        Err(message) => return fail(&message),
    };
    match server::node::run(&given) {
        Ok(End::Stopped) => ExitCode::SUCCESS,
        Ok(End::Failed(reason)) => fail(&reason),
        Err(error) => fail(&format!("{error:#}")),
    }
}

pub fn check_config(arguments: Vec<OsString>) -> ExitCode {
    let Check { file, overrides } = Check::parse_from(arguments);
    let given = match given(Some(&file), &overrides) {
        Ok(given) => given,
        Err(message) => return fail(&message),
    };
    for warning in given.warnings() {
        println!("warning: {warning}");
    }
    match given.check() {
        Ok(_) => {
            println!("{}: a node can start with it", file.display());
            ExitCode::SUCCESS
        }
        Err(error) => fail(&error.to_string()),
    }
}

fn given(file: Option<&PathBuf>, overrides: &[String]) -> Result<Given, String> {
    let mut given = match file {
        Some(path) => {
            let bytes = std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
            Given::file(path, &bytes).map_err(|error| error.to_string())?
        }
        None => Given::standard(&data_folder()),
    };
    given.add_environment(std::env::vars());
    for text in overrides {
        given.add_override(text).map_err(|error| error.to_string())?;
    }
    Ok(given)
}

/// `$XDG_DATA_HOME/barnabas`, else `~/.local/share/barnabas`, else `barnabas-data` here.
fn data_folder() -> PathBuf {
    let home = std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".local/share"));
    let data = std::env::var_os("XDG_DATA_HOME").map(PathBuf::from).or(home);
    data.map_or_else(|| PathBuf::from("barnabas-data"), |data| data.join("barnabas"))
}

fn fail(message: &str) -> ExitCode {
    eprintln!("barnabas: {message}");
    ExitCode::FAILURE
}
