//! `barnabas completion bash|zsh|fish`: the script by which a shell completes our commands.

use std::ffi::OsString;
use std::process::ExitCode;

use tools::completion::{Completed, script};

const HELP: &str = "\
Prints a script that lets a shell complete the commands of barnabas and their options.

Usage: barnabas completion bash|zsh|fish

Examples:
  barnabas completion bash > ~/.local/share/bash-completion/completions/barnabas
  barnabas completion zsh > ~/.zfunc/_barnabas
  barnabas completion fish > ~/.config/fish/completions/barnabas.fish
";

pub fn run(arguments: &[OsString]) -> ExitCode {
    let words: Vec<String> = arguments.iter().map(|word| word.to_string_lossy().into_owned()).collect();
    match words.as_slice() {
        [word] if word == "-h" || word == "--help" => {
            print!("{HELP}");
            ExitCode::SUCCESS
        }
        [shell] => match script(shell, &own()) {
            Some(text) => {
                print!("{text}");
                ExitCode::SUCCESS
            }
            None => refuse(&format!("there is no completion for '{shell}': bash, zsh and fish have one")),
        },
        _ => refuse("one shell is wanted: bash, zsh or fish"),
    }
}

fn refuse(text: &str) -> ExitCode {
    eprintln!("barnabas completion: {text}");
    ExitCode::from(2)
}

/// What is no tool of Kafka.
fn own() -> [Completed; 8] {
    [
        Completed::new("server", &[], &["--daemon", "--help", "--override"]),
        Completed::new("check-config", &[], &["--help", "--override"]),
        Completed::new("server-stop", &[], &["--help", "--node-id", "--process-role"]),
        Completed::new(
            "storage",
            &["feature-dependencies", "format", "info", "random-uuid", "version-mapping"],
            &[
                "--cluster-id",
                "--config",
                "--feature",
                "--help",
                "--ignore-formatted",
                "--release-version",
                "--standalone",
            ],
        ),
        Completed::new(
            "cluster",
            &["start", "status", "stop"],
            &["--bootstrap-server", "--folder", "--json", "--node", "--nodes", "--port", "--watch"],
        ),
        Completed::new("completion", &["bash", "fish", "zsh"], &["--help"]),
        Completed::new("version", &[], &[]),
        Completed::new("help", &[], &[]),
    ]
}
