//! `kafka-storage`: random ids, what log directories are, and formatting them.

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use server::configuration::Given;
use server::format::{self, First, Wanted};

const PROGRAM: &str = "kafka-storage";
const COMMANDS: &str = "'info', 'format', 'version-mapping', 'feature-dependencies', 'random-uuid'";

const HELP: &str = "\
usage: kafka-storage [-h] {info,format,version-mapping,feature-dependencies,random-uuid} ...

The Kafka storage tool.

  random-uuid                       prints a random id, for a cluster
  info   -c FILE                    what the log directories of a properties file are
  format -c FILE -t CLUSTER_ID      formats them:
    -g, --ignore-formatted            passes over those that are formatted
    -r, --release-version RELEASE     the metadata.version, such as 4.3-IV0
    -f, --feature FEATURE=LEVEL       another level of a feature; may be given again
    -s, --standalone                  this controller is the only first voter
    -I, --initial-controllers LIST    the first voters: id@host:port:directory-id,…
    -N, --no-initial-controllers      no first voters: they are in the log already, or in controller.quorum.voters
  version-mapping                   the level of each feature that goes with a release:
    -r, --release-version RELEASE     4.3-IV0 unless given
  feature-dependencies              what levels of features need of others:
    -f, --feature FEATURE=LEVEL       may be given again

examples:
  kafka-storage random-uuid
  kafka-storage format -t \"$(kafka-storage random-uuid)\" -c config/server.properties --standalone
  kafka-storage info -c config/server.properties
";

/// Long name, short name, whether it takes a value.
const OPTIONS: &[(&str, &str, bool)] = &[
    ("--config", "-c", true),
    ("--cluster-id", "-t", true),
    ("--ignore-formatted", "-g", false),
    ("--release-version", "-r", true),
    ("--feature", "-f", true),
    ("--add-scram", "-S", true),
    ("--standalone", "-s", false),
    ("--initial-controllers", "-I", true),
    ("--no-initial-controllers", "-N", false),
];

pub fn run(arguments: &[OsString]) -> ExitCode {
    let words: Vec<String> = arguments.iter().map(|word| word.to_string_lossy().into_owned()).collect();
    if words.iter().any(|word| word == "-h" || word == "--help") {
        print!("{HELP}");
        return ExitCode::SUCCESS;
    }
    let Some((command, rest)) = words.split_first() else { return refuse("too few arguments") };
    let outcome = match command.as_str() {
        "random-uuid" => {
            println!("{}", format::random_id());
            return ExitCode::SUCCESS;
        }
        "info" | "format" | "version-mapping" | "feature-dependencies" => Words::parse(rest),
        other => Err(format!("invalid choice: '{other}' (choose from {COMMANDS})")),
    };
    match outcome {
        Err(message) => refuse(&message),
        Ok(words) if command == "info" => info(&words),
        Ok(words) if command == "version-mapping" => {
            looked_up(tools::say_mapping(words.one("--release-version")))
        }
        Ok(words) if command == "feature-dependencies" && !words.has("--feature") => {
            refuse("argument --feature/-f is required")
        }
        Ok(words) if command == "feature-dependencies" => {
            looked_up(tools::say_storage_dependencies(words.all("--feature")))
        }
        Ok(words) => do_format(&words),
    }
}

fn refuse(message: &str) -> ExitCode {
    eprintln!(
        "usage: {PROGRAM} [-h] {{info,format,version-mapping,feature-dependencies,random-uuid}} ...\n{PROGRAM}: error: {message}"
    );
    ExitCode::FAILURE
}

fn fail(message: &str) -> ExitCode {
    eprintln!("{message}");
    ExitCode::FAILURE
}

fn looked_up(outcome: Result<(), tools::Stop>) -> ExitCode {
    outcome.map_or_else(|stop| stop.end(String::new), |()| ExitCode::SUCCESS)
}

/// Options by their long names.
struct Words(Vec<(&'static str, String)>);

impl Words {
    fn parse(words: &[String]) -> Result<Words, String> {
        let mut found = Words(Vec::new());
        let mut rest = words.iter();
        while let Some(word) = rest.next() {
            let (name, inline) = match word.split_once('=') {
                Some((name, value)) if name.starts_with("--") => (name, Some(value.to_owned())),
                _ => (word.as_str(), None),
            };
            let option = OPTIONS.iter().find(|(long, short, _)| *long == name || *short == name);
            let Some((long, short, takes_value)) = option else {
                return Err(format!("unrecognized arguments: '{word}'"));
            };
            let value = match (takes_value, inline) {
                (false, _) => String::new(),
                (true, Some(value)) => value,
                (true, None) => {
                    let value = rest.next().cloned();
                    value.ok_or_else(|| format!("argument {long}/{short}: expected one argument"))?
                }
            };
            found.0.push((long, value));
        }
        Ok(found)
    }

    fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(given, _)| *given == name).map(|(_, value)| value.as_str())
    }

    fn one(&self, name: &str) -> Option<&str> {
        self.all(name).last()
    }

    fn has(&self, name: &str) -> bool {
        self.one(name).is_some()
    }
}

fn given(words: &Words) -> Result<Given, ExitCode> {
    let Some(path) = words.one("--config") else { return Err(refuse("argument --config/-c is required")) };
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(fail(&format!("java.nio.file.NoSuchFileException: {path}")));
        }
        Err(error) => return Err(fail(&format!("{path}: {error}"))),
    };
    Given::file(Path::new(path), &bytes).map_err(|error| fail(&error.to_string()))
}

fn info(words: &Words) -> ExitCode {
    let config = match given(words).map(|given| given.check()) {
        Ok(Ok(config)) => config,
        Ok(Err(error)) => return fail(&error.to_string()),
        Err(code) => return code,
    };
    let (lines, good) = format::info(&config);
    for line in lines {
        println!("{line}");
    }
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn do_format(words: &Words) -> ExitCode {
    let exclusive =
        [("--standalone", "-s"), ("--no-initial-controllers", "-N"), ("--initial-controllers", "-I")];
    let given_ones: Vec<_> = exclusive.iter().filter(|(name, _)| words.has(name)).collect();
    if let [(first, first_short), (second, second_short), ..] = given_ones.as_slice() {
        let text =
            format!("argument {second}/{second_short}: not allowed with argument {first}/{first_short}");
        return refuse(&text);
    }
    let given = match given(words) {
        Ok(given) => given,
        Err(code) => return code,
    };
    let Some(cluster_id) = words.one("--cluster-id") else {
        return refuse("argument --cluster-id/-t is required");
    };
    if words.has("--add-scram") {
        return fail("--add-scram: SCRAM credentials are not supported yet.");
    }
    let config = match given.check() {
        Ok(config) => config,
        Err(error) => return fail(&error.to_string()),
    };
    let first = match words.one("--initial-controllers") {
        Some(list) => First::Controllers(list.to_owned()),
        None if words.has("--standalone") => First::Standalone,
        None if words.has("--no-initial-controllers") => First::Nobody,
        None => First::Unsaid,
    };
    let wanted = Wanted {
        cluster_id: cluster_id.to_owned(),
        ignore_formatted: words.has("--ignore-formatted"),
        release: words.one("--release-version").map(String::from),
        features: words.all("--feature").map(String::from).collect(),
        first,
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64);
    match format::format(&config, &wanted, now) {
        Ok(lines) => {
            for line in lines {
                println!("{line}");
            }
            ExitCode::SUCCESS
        }
        Err(message) => fail(&message),
    }
}
