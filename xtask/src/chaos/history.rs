//! What the clients' programs said, read back: acknowledged records, records as they were read, commits.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use anyhow::{Context, Result};

/// A producer's number in this run, and the record's number there.
pub type Name = (u16, u64);

/// Producers' names as small numbers.
#[derive(Default)]
pub struct Producers(Vec<String>);

impl Producers {
    pub fn number(&mut self, name: &str) -> u16 {
        let at = self.0.iter().position(|known| known == name).unwrap_or_else(|| {
            self.0.push(name.to_owned());
            self.0.len() - 1
        });
        at as u16
    }

    pub fn say(&self, name: Name) -> String {
        let producer = self.0.get(usize::from(name.0)).map_or("?", String::as_str);
        format!("record {} of {producer}", name.1)
    }
}

/// One line of a program. The letters are those of compat/README.md.
pub enum Word {
    Acknowledged { ms: i64, name: Name, partition: usize, offset: i64 },
    Failed { why: String },
    Sought { partition: usize, offset: i64 },
    Read { ms: i64, name: Name, partition: usize, offset: i64 },
    End { partition: usize, end: i64, position: i64 },
    Wrong { partition: usize, why: String },
    Begins { asked_ms: i64, member: String, partition: usize, offset: i64 },
    Got { member: String, partition: usize, offset: i64 },
    Committed { asked_ms: i64, partition: usize, offset: i64, ms: i64 },
    Refused,
}

/// The lines of a file, in order.
pub fn words(path: &Path, producers: &mut Producers, mut each: impl FnMut(Word)) -> Result<()> {
    let file = File::open(path).with_context(|| path.display().to_string())?;
    for (at, line) in BufReader::new(file).lines().enumerate() {
        let line = line?;
        let word = word(&line, producers);
        each(word.with_context(|| format!("{}:{}: {line}", path.display(), at + 1))?);
    }
    Ok(())
}

fn word(line: &str, producers: &mut Producers) -> Result<Word> {
    let fields: Vec<&str> = line.split('\t').collect();
    let text = |at: usize| fields.get(at).copied().context("too short");
    let number = |at: usize| -> Result<i64> { Ok(text(at)?.parse()?) };
    let partition = |at: usize| -> Result<usize> { Ok(text(at)?.parse()?) };
    let ms = number(1)?;
    Ok(match text(0)? {
        "A" => Word::Acknowledged {
            ms,
            name: (producers.number(text(2)?), text(4)?.parse()?),
            partition: partition(3)?,
            offset: number(5)?,
        },
        "F" => Word::Failed { why: fields.get(2..).unwrap_or_default().join(" ") },
        "S" => Word::Sought { partition: partition(2)?, offset: number(3)? },
        "R" => Word::Read {
            ms,
            partition: partition(2)?,
            offset: number(3)?,
            name: (producers.number(text(4)?), text(5)?.parse()?),
        },
        "H" => Word::End { partition: partition(2)?, end: number(3)?, position: number(4)? },
        "X" => Word::Wrong { partition: partition(2)?, why: text(3)?.to_owned() },
        "P" => Word::Begins {
            asked_ms: ms,
            member: text(2)?.to_owned(),
            partition: partition(3)?,
            offset: number(4)?,
        },
        "G" => Word::Got { member: text(2)?.to_owned(), partition: partition(3)?, offset: number(4)? },
        "C" => Word::Committed { asked_ms: ms, partition: partition(3)?, offset: number(4)?, ms: number(5)? },
        "M" => Word::Refused,
        other => anyhow::bail!("no such word: {other}"),
    })
}

/// What each partition of a topic holds at the end, from offset 0.
pub type Truth = BTreeMap<String, Vec<Vec<Name>>>;
