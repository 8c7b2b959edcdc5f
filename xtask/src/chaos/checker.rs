//! What must be true of the clients' words: nothing acknowledged is lost, doubled or out of order; what was read stays readable
//! and the same; offsets have no gaps; commits never go back.

use std::collections::BTreeMap;

use anyhow::Result;

use super::history::{Name, Producers, Truth, Word, words};
use super::workload::Client;

/// Of one kind of violation, so many are told.
const TOLD_MAX: usize = 5;

#[derive(Default)]
pub struct Checker {
    producers: Producers,
    truth: Truth,
    violations: Vec<String>,
    kinds: BTreeMap<&'static str, usize>,
    pub acknowledged: u64,
    pub read: u64,
    pub commits: u64,
    pub refused_commits: u64,
}

/// The longest time in which a writer had no acknowledgement, and when that began.
pub struct Pause {
    pub ms: i64,
    pub from_ms: i64,
}

impl Checker {
    pub fn violations(&self) -> usize {
        self.kinds.values().sum()
    }

    /// Each kind with its number, then the first of each.
    pub fn report(&self) -> String {
        let kinds: Vec<String> = self.kinds.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
        format!("{}\n  {}", kinds.join(", "), self.violations.join("\n  "))
    }

    pub fn violation(&mut self, kind: &'static str, what: String) {
        let count = self.kinds.entry(kind).or_default();
        *count += 1;
        if *count <= TOLD_MAX {
            self.violations.push(format!("{kind}: {what}"));
        }
    }

    /// What the last readers found is what there is; they saw every partition from its beginning.
    pub fn learn(&mut self, last_readers: &[Client]) -> Result<()> {
        for reader in last_readers {
            let mut partitions: Vec<Vec<Name>> = Vec::new();
            let (mut producers, mut wrong) = (std::mem::take(&mut self.producers), Vec::new());
            words(&reader.words, &mut producers, |word| {
                if let Word::Read { partition, offset, name, .. } = word {
                    if partitions.len() <= partition {
                        partitions.resize(partition + 1, Vec::new());
                    }
                    if offset != partitions[partition].len() as i64 {
                        let expected = partitions[partition].len();
                        wrong.push(format!(
                            "{}-{partition}: {offset} comes where {expected} is due",
                            reader.topic
                        ));
                    }
                    partitions[partition].push(name);
                }
            })?;
            self.producers = producers;
            wrong.into_iter().for_each(|what| self.violation("gap", what));
            self.truth.insert(reader.topic.to_owned(), partitions);
        }
        self.each_once_and_in_order();
        Ok(())
    }

    fn each_once_and_in_order(&mut self) {
        let mut wrong = Vec::new();
        for (topic, partitions) in &self.truth {
            for (partition, records) in partitions.iter().enumerate() {
                let mut last: BTreeMap<u16, u64> = BTreeMap::new();
                for (offset, name) in records.iter().enumerate() {
                    if let Some(before) = last.insert(name.0, name.1)
                        && before >= name.1
                    {
                        let what = self.producers.say(*name);
                        wrong.push(format!("{topic}-{partition}@{offset}: {what} after its {before}"));
                    }
                }
            }
        }
        wrong.into_iter().for_each(|what| self.violation("doubled or reordered", what));
    }

    pub fn records(&self) -> usize {
        self.truth.values().flatten().map(Vec::len).sum()
    }

    fn at(&self, topic: &str, partition: usize, offset: i64) -> Option<Name> {
        self.truth.get(topic)?.get(partition)?.get(usize::try_from(offset).ok()?).copied()
    }

    fn hear(&mut self, client: &Client) -> Result<Vec<Word>> {
        let mut heard = Vec::new();
        words(&client.words, &mut self.producers, |word| heard.push(word))?;
        Ok(heard)
    }

    /// Every acknowledged record is where its acknowledgement said.
    pub fn writer(&mut self, writer: &Client) -> Result<Option<Pause>> {
        let mut times = Vec::new();
        for word in self.hear(writer)? {
            match word {
                Word::Acknowledged { ms, name, partition, offset } => {
                    self.acknowledged += 1;
                    times.push(ms);
                    self.acknowledged_record(writer.topic, partition, offset, name);
                }
                Word::Failed { why } => self.violation("refused record", format!("{}: {why}", writer.name)),
                _ => {}
            }
        }
        times.sort_unstable();
        let gaps = times.windows(2).map(|pair| Pause { ms: pair[1] - pair[0], from_ms: pair[0] });
        Ok(gaps.max_by_key(|pause| pause.ms))
    }

    fn acknowledged_record(&mut self, topic: &str, partition: usize, offset: i64, name: Name) {
        let found = self.at(topic, partition, offset);
        if found == Some(name) {
            return;
        }
        // a client that was told of a duplicate may not know the offset
        let all = self.truth.get(topic).and_then(|partitions| partitions.get(partition));
        let elsewhere = all.and_then(|records| records.iter().position(|one| *one == name));
        if offset < 0 && elsewhere.is_some() {
            return;
        }
        let what = self.producers.say(name);
        let instead = match (elsewhere, found) {
            (Some(at), _) => format!("it is at {at}"),
            (None, Some(other)) => format!("there is {}", self.producers.say(other)),
            (None, None) => "nothing is there".to_owned(),
        };
        let kind = if elsewhere.is_some() { "moved" } else { "lost" };
        self.violation(kind, format!("{topic}-{partition}@{offset}: {what}: {instead}"));
    }

    /// What a reader saw is still there, and came without gaps.
    pub fn reader(&mut self, reader: &Client) -> Result<()> {
        let topic = reader.topic;
        let mut due: BTreeMap<usize, i64> = BTreeMap::new();
        for word in self.hear(reader)? {
            match word {
                Word::Sought { partition, offset } => {
                    due.insert(partition, offset);
                }
                Word::Read { partition, offset, name, ms } => {
                    self.read += 1;
                    self.due(&reader.name, (partition, offset), due.insert(partition, offset + 1));
                    if self.at(topic, partition, offset) != Some(name) {
                        let what = self.producers.say(name);
                        let place = format!("{topic}-{partition}@{offset}");
                        self.violation("read and gone", format!("{place}: {what}, read at {ms}"));
                    }
                }
                Word::End { partition, end, position } if end < position => {
                    let place = format!("{}: {topic}-{partition}", reader.name);
                    self.violation("end that went back", format!("{place}: {end}, read up to {position}"));
                }
                Word::Wrong { partition, why } => {
                    self.violation("refused read", format!("{}: partition {partition}: {why}", reader.name));
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn due(&mut self, who: &str, found: (usize, i64), due: Option<i64>) {
        if due != Some(found.1) {
            let (partition, offset) = found;
            self.violation("gap", format!("{who}: partition {partition}: {offset}, due was {due:?}"));
        }
    }

    /// No member of a group begins, and none commits, before what was committed when it asked.
    pub fn group(&mut self, group: &Client, end: &Client) -> Result<()> {
        let mut words = self.hear(group)?;
        words.extend(self.hear(end)?);
        let mut due: BTreeMap<(String, usize), i64> = BTreeMap::new();
        // by partition: acknowledged at, offset; and asked at, offset, what
        let mut committed: BTreeMap<usize, Vec<(i64, i64)>> = BTreeMap::new();
        let mut claims: BTreeMap<usize, Vec<(i64, i64, &str)>> = BTreeMap::new();
        for word in words {
            match word {
                Word::Begins { asked_ms, member, partition, offset } => {
                    claims.entry(partition).or_default().push((asked_ms, offset, "begins"));
                    due.insert((member, partition), offset);
                }
                Word::Got { member, partition, offset } => {
                    let before = due.insert((member, partition), offset + 1);
                    self.due(&group.name, (partition, offset), before);
                }
                Word::Committed { asked_ms, partition, offset, ms } => {
                    self.commits += 1;
                    committed.entry(partition).or_default().push((ms, offset));
                    claims.entry(partition).or_default().push((asked_ms, offset, "commits"));
                }
                Word::Wrong { partition, why } => {
                    self.violation("refused read", format!("{}: partition {partition}: {why}", group.name));
                }
                Word::Refused => self.refused_commits += 1,
                _ => {}
            }
        }
        if committed.is_empty() {
            self.violation("idle group", format!("{} committed nothing", group.name));
        }
        for (partition, mut claims) in claims {
            let mut commits = committed.remove(&partition).unwrap_or_default();
            commits.sort_unstable();
            claims.sort_unstable();
            self.never_back(&group.name, partition, &commits, &claims);
        }
        Ok(())
    }

    fn never_back(
        &mut self,
        group: &str,
        partition: usize,
        commits: &[(i64, i64)],
        claims: &[(i64, i64, &str)],
    ) {
        let (mut commits, mut least) = (commits.iter().peekable(), -1);
        for (asked_ms, offset, what) in claims {
            while let Some((_, before)) = commits.next_if(|(ms, _)| ms < asked_ms) {
                least = least.max(*before);
            }
            if *offset < least {
                let text = format!(
                    "{group}: partition {partition}: {what} at {offset}, {least} was committed (asked at {asked_ms})"
                );
                self.violation("commit that went back", text);
            }
        }
    }
}
