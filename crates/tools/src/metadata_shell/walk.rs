//! Paths and patterns in the tree: `..`, `*`, `?`, `{a,b}`, from the root or from where the shell stands.

use super::tree::Node;

/// A node that a pattern has found.
pub struct Found<'a> {
    pub node: &'a Node,
    /// From the root.
    pub path: Vec<String>,
}

impl Found<'_> {
    /// The last name; the root has none.
    pub fn name(&self) -> &str {
        self.path.last().map_or("", String::as_str)
    }
}

pub fn absolute(path: &[String]) -> String {
    format!("/{}", path.join("/"))
}

/// Where a text leads, patterns not yet taken for more than names.
fn components(here: &[String], text: &str) -> Vec<String> {
    let mut path = if text.starts_with('/') { Vec::new() } else { here.to_vec() };
    for part in text.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(path.pop()),
            name => path.push(name.to_owned()),
        }
    }
    path
}

/// All nodes that the text names, in order.
pub fn find<'a>(root: &'a Node, here: &[String], text: &str) -> Vec<Found<'a>> {
    let mut found = vec![Found { node: root, path: Vec::new() }];
    for pattern in components(here, text) {
        let mut next = Vec::new();
        for Found { node, path } in found {
            let Node::Directory(children) = node else { continue };
            for (name, child) in children.iter().filter(|(name, _)| matches(&pattern, name)) {
                let mut path = path.clone();
                path.push(name.clone());
                next.push(Found { node: child, path });
            }
        }
        found = next;
    }
    found
}

/// Whether a pattern means this name. Square brackets are letters, as in Kafka's shell.
pub fn matches(pattern: &str, name: &str) -> bool {
    if !pattern.contains(['*', '?', '{', '\\']) {
        return pattern == name;
    }
    let mut text = String::from("^(?s:");
    let mut open = false;
    let mut letters = pattern.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '*' => text.push_str(".*"),
            '?' => text.push('.'),
            '{' => {
                text.push_str("(?:");
                open = true;
            }
            '}' if open => {
                text.push(')');
                open = false;
            }
            ',' if open => text.push('|'),
            '\\' => text.push_str(&regex::escape(&letters.next().unwrap_or('\\').to_string())),
            letter => text.push_str(&regex::escape(&letter.to_string())),
        }
    }
    text.push_str(")$");
    regex::Regex::new(&text).is_ok_and(|regex| regex.is_match(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_whole_names() {
        for (pattern, name, expected) in [
            ("a", "a", true),
            ("a", "ab", false),
            ("a*", "ab", true),
            ("?b", "ab", true),
            ("{ab,c}", "c", true),
            ("{ab,c}d", "abd", true),
            ("[a]", "a", false),
            ("a.c", "abc", false),
            ("*.c", "a.c", true),
            ("{a", "a", false),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn paths_go_up_and_down() {
        let here = ["image".to_owned(), "topics".to_owned()];
        for (text, path) in [
            ("..", "/image"),
            ("../../..", "/"),
            ("/local", "/local"),
            ("byId/./x/", "/image/topics/byId/x"),
            ("", "/image/topics"),
        ] {
            assert_eq!(absolute(&components(&here, text)), path, "{text}");
        }
    }
}
