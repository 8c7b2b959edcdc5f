//! "Did you mean": the known name nearest to one that is unknown.

/// The nearest of `known` within about a third of the name's length, or None.
pub fn did_you_mean<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let limit = (name.len() / 3).clamp(1, 8);
    known
        .into_iter()
        .map(|candidate| (distance(name, candidate), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min()
        .map(|(_, candidate)| candidate)
}

/// Edits (insert, remove, replace) between two names.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = i;
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::configs::registry::{Scope, all};

    #[test]
    fn nearest_name() {
        let names = || all(Scope::Broker).map(|row| row.name);
        for (typed, meant) in [
            ("listener", Some("listeners")),
            ("log.dir.s", Some("log.dirs")),
            ("num.partition", Some("num.partitions")),
            ("advertized.listeners", Some("advertised.listeners")),
            ("completely.different.thing", None),
        ] {
            assert_eq!(did_you_mean(typed, names()), meant, "{typed}");
        }
    }
}
