//! `meta.properties`: which cluster, node and directory this is. Java properties, as Kafka writes them.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use platform::FileSystem;
use types::{NodeId, Uuid};

use crate::error::{At, Error, Result};

pub const FILE: &str = "meta.properties";

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetaProperties {
    pub cluster_id: String,
    pub node_id: NodeId,
    /// None where a Kafka before 3.7 wrote it.
    pub directory_id: Option<Uuid>,
}

impl MetaProperties {
    /// None where there is no file: the directory is not formatted.
    pub fn read(file_system: &dyn FileSystem, directory: &Path) -> Result<Option<MetaProperties>> {
        let path = directory.join(FILE);
        let bytes = match file_system.read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            read => read.at(|| path.clone())?,
        };
        let text = String::from_utf8_lossy(&bytes);
        MetaProperties::parse(&text).map(Some).map_err(|reason| Error::unreadable(&path, reason))
    }

    pub fn write(&self, file_system: &dyn FileSystem, directory: &Path) -> Result<()> {
        let path = directory.join(FILE);
        file_system.write_atomically(&path, self.text().as_bytes()).at(|| path.clone())
    }

    fn text(&self) -> String {
        let directory = self.directory_id.map_or(String::new(), |id| format!("directory.id={id}\n"));
        let MetaProperties { cluster_id, node_id, .. } = self;
        format!("#\nnode.id={node_id}\n{directory}version=1\ncluster.id={cluster_id}\n")
    }

    fn parse(text: &str) -> std::result::Result<MetaProperties, String> {
        let properties = properties(text);
        let value = |name: &str| properties.get(name).copied().ok_or_else(|| format!("no {name}"));
        let number = |name: &str| {
            let text = value(name)?;
            text.parse::<i32>().map_err(|_| format!("{name}={text} is no number"))
        };
        let node = match number("version")? {
            0 => "broker.id",
            1 => "node.id",
            other => return Err(format!("version {other} is not known")),
        };
        let directory_id = match properties.get("directory.id") {
            Some(text) => Some(text.parse::<Uuid>().map_err(|_| format!("directory.id={text} is no id"))?),
            None => None,
        };
        let node_id = NodeId(number(node)?);
        Ok(MetaProperties { cluster_id: value("cluster.id")?.to_owned(), node_id, directory_id })
    }
}

/// The part of the properties format that these files use.
fn properties(text: &str) -> BTreeMap<&str, &str> {
    text.lines()
        .map(str::trim)
        .filter(|line| !line.starts_with(['#', '!']))
        .filter_map(|line| line.split_once(['=', ':']))
        .map(|(name, value)| (name.trim(), value.trim()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kafkas_text() {
        let id = Uuid::from_halves(1, 2);
        let full = |directory_id| MetaProperties { cluster_id: "c".into(), node_id: NodeId(3), directory_id };
        for (text, expected) in [
            (
                format!("#\n#Fri Nov 20\nnode.id=3\nversion=1\ndirectory.id={id}\ncluster.id=c\n"),
                Some(full(Some(id))),
            ),
            ("version = 1\r\nnode.id: 3\r\ncluster.id=c".into(), Some(full(None))),
            ("version=0\nbroker.id=3\ncluster.id=c\n".into(), Some(full(None))),
            ("version=2\nnode.id=3\ncluster.id=c\n".into(), None),
            ("version=1\nbroker.id=3\ncluster.id=c\n".into(), None),
            ("version=1\nnode.id=3\n".into(), None),
            ("version=1\nnode.id=3\ncluster.id=c\ndirectory.id=x\n".into(), None),
            (String::new(), None),
        ] {
            assert_eq!(MetaProperties::parse(&text).ok(), expected, "{text:?}");
        }
        for properties in [full(Some(id)), full(None)] {
            assert_eq!(MetaProperties::parse(&properties.text()), Ok(properties));
        }
    }
}
