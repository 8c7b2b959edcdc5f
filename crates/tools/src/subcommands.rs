//! Tools whose command lines name what to do with a word (`kafka-cluster cluster-id …`), wherever it stands.

use std::process::ExitCode;

use client::{ClientConfig, Cluster};

use crate::argparse::{self, ArgumentLine, Arguments};
use crate::{Stop, connecting};

/// One word, its arguments, and what it does.
pub struct Subcommand {
    pub name: &'static str,
    pub line: &'static ArgumentLine,
    pub run: fn(&Arguments) -> Result<(), Stop>,
}

pub fn main(program: &str, commands: &[Subcommand], mut arguments: Vec<String>) -> ExitCode {
    let names: Vec<&str> = commands.iter().map(|command| command.name).collect();
    let found = arguments.iter().position(|argument| names.contains(&argument.as_str()));
    let Some(at) = found else {
        let usage = format!("usage: {program} [-h] {{{}}} ...", names.join(","));
        if arguments.iter().any(|argument| argument == "-h" || argument == "--help") {
            println!("{}", help(&usage, commands));
            return ExitCode::SUCCESS;
        }
        // an argument that is no name and no name's value
        let stray = arguments.iter().enumerate().find(|(index, argument)| {
            let behind_name = index.checked_sub(1).and_then(|before| arguments.get(before));
            !argument.starts_with('-') && behind_name.is_none_or(|before| !before.starts_with('-'))
        });
        let reason = match stray {
            Some((_, word)) => {
                let quoted: Vec<String> = names.iter().map(|name| format!("'{name}'")).collect();
                format!("invalid choice: '{word}' (choose from {})", quoted.join(", "))
            }
            None => "too few arguments".to_owned(),
        };
        return argparse::complain(program, &usage, &reason);
    };
    let name = arguments.remove(at);
    let Some(command) = commands.iter().find(|command| command.name == name) else {
        return ExitCode::FAILURE;
    };
    argparse::parse_and_run(command.line, &arguments, command.run)
}

/// All words, what each does, and good calls.
fn help(usage: &str, commands: &[Subcommand]) -> String {
    let width = commands.iter().map(|command| command.name.len()).max().unwrap_or(0);
    let mut out = format!("{usage}\n\n");
    for command in commands {
        out.push_str(&format!("  {:width$}  {}\n", command.name, command.line.about));
    }
    out.push_str("\nEach has a --help of its own.\n\nexamples:");
    for command in commands {
        for example in command.line.examples {
            out.push_str(&format!("\n  {} {example}", command.line.program));
        }
    }
    out
}

pub const SERVER: argparse::Argument =
    argparse::value("--bootstrap-server", "host:port", "The brokers to connect to.");
pub const CONTROLLER: argparse::Argument = argparse::value(
    "--bootstrap-controller",
    "host:port",
    "The controllers to connect to, in place of brokers.",
);
pub const CONFIG: argparse::Argument =
    argparse::value("--command-config", "file", "Properties of the client.");

/// The cluster that --bootstrap-server or --bootstrap-controller name.
pub fn cluster(arguments: &Arguments) -> Result<Cluster, Stop> {
    arguments.exclusive(&["--bootstrap-server", "--bootstrap-controller"], true)?;
    let mut properties = match arguments.value("--command-config").or(arguments.value("--config")) {
        Some(path) => connecting::properties_file(path)?,
        None => Default::default(),
    };
    for (argument, key) in
        [("--bootstrap-server", "bootstrap.servers"), ("--bootstrap-controller", "bootstrap.controllers")]
    {
        if let Some(servers) = arguments.value(argument) {
            properties.insert(key.to_owned(), servers.to_owned());
        }
    }
    Ok(Cluster::new(ClientConfig::from_properties(&properties)?))
}
