//! The shell's commands: what a line of words says about the tree.

use super::tree::Node;
use super::walk::{self, absolute};

/// What became of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    Said(String),
    Left,
}

/// Where the shell stands, and what was typed so far.
#[derive(Clone, Debug, Default)]
pub struct Shell {
    pub here: Vec<String>,
    pub history: Vec<String>,
}

/// How many words may follow a command.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Words {
    None,
    Optional,
    One,
    Any,
    Some,
}

struct Command {
    name: &'static str,
    about: &'static str,
    words: Words,
    /// What a word is called, and what it is.
    word: (&'static str, &'static str),
}

const fn command(
    name: &'static str,
    about: &'static str,
    words: Words,
    word: (&'static str, &'static str),
) -> Command {
    Command { name, about, words, word }
}

const COMMANDS: &[Command] = &[
    command("cat", "Shows what is in files.", Words::Some, ("targets", "The files.")),
    command("cd", "Goes to another directory.", Words::Optional, ("target", "The directory (default: /).")),
    command("exit", "Leaves the shell.", Words::None, ("", "")),
    command(
        "find",
        "Lists all that is in directories, at every depth.",
        Words::Any,
        ("paths", "Where to begin."),
    ),
    command("help", "Lists the commands.", Words::None, ("", "")),
    command(
        "history",
        "Lists what was typed.",
        Words::Optional,
        ("numEntriesToShow", "How many of the last lines."),
    ),
    command("ls", "Lists directories.", Words::Any, ("targets", "What to list.")),
    command("man", "Explains a command.", Words::One, ("cmd", "The command.")),
    command("pwd", "Shows where the shell stands.", Words::None, ("", "")),
    command("tree", "Shows what is in directories, as a tree.", Words::Some, ("targets", "What to show.")),
];

impl Command {
    fn usage(&self) -> String {
        let word = self.word.0;
        match self.words {
            Words::None => self.name.to_owned(),
            Words::Optional => format!("{} [{word}]", self.name),
            Words::One => format!("{} {word}", self.name),
            Words::Any => format!("{} [{word} [{word} ...]]", self.name),
            Words::Some => format!("{} {word} [{word} ...]", self.name),
        }
    }

    fn manual(&self) -> String {
        let mut out = format!("{}: {}\n\nusage: {}\n", self.name, self.about, self.usage());
        if self.words != Words::None {
            out.push_str(&format!("\npositional arguments:\n  {:22} {}\n", self.word.0, self.word.1));
        }
        out
    }

    /// Why these words are not for it, in argparse's words.
    fn refuse(&self, words: &[String]) -> Option<String> {
        if let Some(option) = words.iter().find(|word| word.len() > 1 && word.starts_with('-')) {
            return Some(format!("unrecognized arguments: '{option}'"));
        }
        let most = match self.words {
            Words::None => 0,
            Words::Optional | Words::One => 1,
            Words::Any | Words::Some => usize::MAX,
        };
        match words.get(most) {
            Some(extra) => Some(format!("unrecognized arguments: '{extra}'")),
            None if words.is_empty() && matches!(self.words, Words::One | Words::Some) => {
                Some("too few arguments".to_owned())
            }
            None => None,
        }
    }
}

/// Names of all commands.
pub fn names() -> impl Iterator<Item = &'static str> {
    COMMANDS.iter().map(|command| command.name)
}

fn help() -> String {
    let names: Vec<&str> = names().collect();
    let names = names.join(",");
    let mut out = format!("The metadata of a cluster as a tree of files.\n\nusage:  {{{names}}} ...\n\n");
    for command in COMMANDS {
        out.push_str(&format!("    {:20} {}\n", command.name, command.about));
    }
    out
}

/// The words of a line; quotes keep blanks, a backslash the letter behind it.
pub fn split(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote: Option<char> = None;
    let mut letters = line.chars();
    while let Some(letter) = letters.next() {
        match (letter, quote) {
            ('\\', _) => word.get_or_insert_default().extend(letters.next()),
            (letter, Some(open)) if letter == open => quote = None,
            ('"' | '\'', None) => {
                quote = Some(letter);
                word.get_or_insert_default();
            }
            (letter, None) if letter.is_whitespace() => words.extend(word.take()),
            (letter, _) => word.get_or_insert_default().push(letter),
        }
    }
    words.extend(word);
    words
}

impl Shell {
    /// One line; its text ends without a line break.
    pub fn run(&mut self, root: &Node, words: &[String]) -> Outcome {
        let Some((name, rest)) = words.split_first() else { return Outcome::Said(String::new()) };
        let Some(command) = COMMANDS.iter().find(|command| command.name == name) else {
            let all: Vec<String> = names().map(|name| format!("'{name}'")).collect();
            return Outcome::Said(format!("invalid choice: '{name}' (choose from {})", all.join(", ")));
        };
        if rest.iter().any(|word| word == "-h" || word == "--help") {
            return Outcome::Said(command.manual().trim_end().to_owned());
        }
        if let Some(why) = command.refuse(rest) {
            return Outcome::Said(why);
        }
        let said = match command.name {
            "exit" => return Outcome::Left,
            "cat" => self.cat(root, rest),
            "cd" => self.cd(root, rest.first().map_or("/", String::as_str)),
            "find" => self.find(root, rest),
            "ls" => self.ls(root, rest),
            "tree" => self.tree(root, rest),
            "history" => self.history(rest.first()),
            "man" => manual(rest.first().map_or("", String::as_str)),
            "pwd" => absolute(&self.here),
            _ => help(),
        };
        Outcome::Said(said.trim_end_matches('\n').to_owned())
    }

    fn cat(&self, root: &Node, targets: &[String]) -> String {
        let mut out = String::new();
        for target in targets {
            let found = walk::find(root, &self.here, target);
            if found.is_empty() {
                out.push_str(&format!("cat: {target}: No such file or directory.\n"));
            }
            for one in found {
                match one.node {
                    Node::File(text) => out.push_str(&format!("{text}\n")),
                    Node::Directory(_) => out.push_str(&format!("cat: {target}: Is a directory\n")),
                }
            }
        }
        out
    }

    /// A pattern leads to the last directory that it means.
    fn cd(&mut self, root: &Node, target: &str) -> String {
        let found = walk::find(root, &self.here, target);
        if found.is_empty() {
            return format!("cd: {target}: no such directory.");
        }
        let mut out = String::new();
        for one in found {
            match one.node {
                Node::Directory(_) => self.here = one.path,
                Node::File(_) => out.push_str(&format!("cd: {target}: not a directory.\n")),
            }
        }
        out
    }

    /// Paths are shown as they were typed, patterns too.
    fn find(&self, root: &Node, paths: &[String]) -> String {
        let here = [".".to_owned()];
        let paths = if paths.is_empty() { &here[..] } else { paths };
        let mut out = String::new();
        for path in paths {
            let found = walk::find(root, &self.here, path);
            if found.is_empty() {
                out.push_str(&format!("find: {path}: no such file or directory.\n"));
            }
            for one in found {
                deeply(path, one.node, &mut out);
            }
        }
        out
    }

    fn ls(&self, root: &Node, targets: &[String]) -> String {
        let here = [".".to_owned()];
        let targets = if targets.is_empty() { &here[..] } else { targets };
        let (mut out, mut files, mut directories) = (String::new(), String::new(), Vec::new());
        for target in targets {
            let found = walk::find(root, &self.here, target);
            if found.is_empty() {
                out.push_str(&format!("ls: {target}: no such file or directory.\n"));
            }
            for one in found {
                match one.node {
                    Node::File(_) => files.push_str(&format!("{}\n", one.name())),
                    Node::Directory(children) => directories.push((one.name().to_owned(), children)),
                }
            }
        }
        out.push_str(&files);
        let alone = directories.len() < 2 && files.is_empty();
        let mut first = files.is_empty();
        for (name, children) in directories {
            if !alone {
                let gap = if first { "" } else { "\n" };
                out.push_str(&format!("{gap}{name}:\n"));
            }
            first = false;
            children.keys().for_each(|name| out.push_str(&format!("{name}\n")));
        }
        out
    }

    fn tree(&self, root: &Node, targets: &[String]) -> String {
        let mut out = String::new();
        for target in targets {
            let found = walk::find(root, &self.here, target);
            if found.is_empty() {
                out.push_str(&format!("tree: {target}: No such file or directory.\n"));
            }
            for one in found {
                branches(one.node, 0, &mut out);
            }
        }
        out
    }

    fn history(&self, count: Option<&String>) -> String {
        let all = self.history.len();
        let count = match count.map(|text| (text, text.parse::<i32>())) {
            None => all,
            Some((_, Ok(count))) => usize::try_from(count).unwrap_or(0).min(all),
            Some((text, Err(_))) => {
                let why = format!("could not convert '{text}' to Integer (For input string: \"{text}\")");
                return format!("argument numEntriesToShow: {why}");
            }
        };
        let lines = self.history.iter().enumerate().skip(all - count);
        lines.map(|(at, line)| format!("{at:5}  {line}\n")).collect()
    }
}

fn manual(name: &str) -> String {
    match COMMANDS.iter().find(|command| command.name == name) {
        Some(command) => command.manual(),
        None => format!("man: unknown command {name}. Type help to get a list of commands."),
    }
}

fn deeply(path: &str, node: &Node, out: &mut String) {
    out.push_str(&format!("{path}\n"));
    let Node::Directory(children) = node else { return };
    for (name, child) in children {
        let slash = if path == "/" { "" } else { "/" };
        deeply(&format!("{path}{slash}{name}"), child, out);
    }
}

fn branches(node: &Node, depth: usize, out: &mut String) {
    let indent = 2 * depth;
    match node {
        Node::File(text) => out.push_str(&format!("{:indent$}{text}\n", "")),
        Node::Directory(children) => {
            for (name, child) in children {
                out.push_str(&format!("{:indent$}{name}:\n", ""));
                branches(child, depth + 1, out);
            }
        }
    }
}
