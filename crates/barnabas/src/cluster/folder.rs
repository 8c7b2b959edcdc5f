//! The files of a local cluster: `node-N.properties`, `node-N/` with the data, `node-N.log` and `node-N.pid`.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

pub struct Folder(PathBuf);

/// One node, as its properties file says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    pub id: u16,
    /// For clients.
    pub port: u16,
}

impl Folder {
    pub fn new(path: PathBuf) -> Folder {
        Folder(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    pub fn properties(&self, id: u16) -> PathBuf {
        self.0.join(format!("node-{id}.properties"))
    }

    fn data(&self, id: u16) -> PathBuf {
        self.0.join(format!("node-{id}"))
    }

    pub fn log(&self, id: u16) -> PathBuf {
        self.0.join(format!("node-{id}.log"))
    }

    fn pid_file(&self, id: u16) -> PathBuf {
        self.0.join(format!("node-{id}.pid"))
    }

    /// The nodes that have been made, by id.
    pub fn nodes(&self) -> Result<Vec<Node>> {
        let mut nodes = Vec::new();
        for id in 1.. {
            let path = self.properties(id);
            let Ok(bytes) = fs::read(&path) else { break };
            let entries = server::properties::parse(&bytes)
                .map_err(|error| anyhow::anyhow!("{}: {error}", path.display()))?;
            let listeners = entries.iter().rev().find(|entry| entry.key == "listeners");
            let port = listeners.and_then(|entry| client_port(&entry.value));
            let port = port.with_context(|| format!("{}: no PLAINTEXT port in listeners", path.display()))?;
            nodes.push(Node { id, port });
        }
        Ok(nodes)
    }

    /// The nodes; an error that says what to do where there are none.
    pub fn made_nodes(&self) -> Result<Vec<Node>> {
        let nodes = self.nodes()?;
        if nodes.is_empty() {
            bail!("there is no cluster in {}; make one: barnabas cluster start --nodes 3", self.0.display());
        }
        Ok(nodes)
    }

    /// Writes the properties of so many nodes: combined ones, as Kafka's own file is.
    pub fn make(&self, count: u16, first_port: u16) -> Result<()> {
        fs::create_dir_all(&self.0).with_context(|| self.0.display().to_string())?;
        let ports = |id: u16| {
            let port = first_port.checked_add((id - 1) * 2);
            port.and_then(|port| Some((port, port.checked_add(1)?))).context("there is no port above 65535")
        };
        let mut voters = Vec::new();
        for id in 1..=count {
            voters.push(format!("{id}@localhost:{}", ports(id)?.1));
        }
        let voters = voters.join(",");
        let replicas = count.min(3);
        let folder = Folder(fs::canonicalize(&self.0)?);
        // the first node's file last: nodes are there when it is
        for id in (1..=count).rev() {
            let (client, controller) = ports(id)?;
            let text = format!(
                "# Node {id} of a cluster on one machine, written by `barnabas cluster start`; yours to change.\n\
                 process.roles=broker,controller\nnode.id={id}\n\
                 controller.quorum.voters={voters}\n\
                 listeners=PLAINTEXT://localhost:{client},CONTROLLER://localhost:{controller}\n\
                 controller.listener.names=CONTROLLER\ninter.broker.listener.name=PLAINTEXT\n\
                 log.dirs={}\n\
                 default.replication.factor={replicas}\noffsets.topic.replication.factor={replicas}\n\
                 transaction.state.log.replication.factor={replicas}\n",
                folder.data(id).display()
            );
            fs::write(self.properties(id), text)?;
        }
        Ok(())
    }

    pub fn write_pid(&self, id: u16, pid: u32) -> Result<()> {
        Ok(fs::write(self.pid_file(id), format!("{pid}\n"))?)
    }

    /// The process of a node that runs: a process of this program, so that a number used again does not count.
    pub fn running(&self, id: u16) -> Option<i32> {
        let pid: i32 = fs::read_to_string(self.pid_file(id)).ok()?.trim().parse().ok()?;
        let line = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
        let wanted = self.properties(id);
        let wanted = wanted.file_name()?.to_string_lossy().into_owned();
        String::from_utf8_lossy(&line).contains(&wanted).then_some(pid)
    }
}

fn client_port(listeners: &str) -> Option<u16> {
    let client =
        listeners.split(',').map(str::trim).find_map(|listener| listener.strip_prefix("PLAINTEXT://"))?;
    client.rsplit_once(':')?.1.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_made_is_found() {
        let path = std::env::temp_dir().join(format!("barnabas-folder-{}", std::process::id()));
        let folder = Folder::new(path.clone());
        assert!(folder.nodes().unwrap().is_empty());
        folder.make(3, 19092).unwrap();
        let ports: Vec<(u16, u16)> =
            folder.nodes().unwrap().iter().map(|node| (node.id, node.port)).collect();
        let text = fs::read_to_string(folder.properties(2)).unwrap();
        fs::remove_dir_all(path).unwrap();
        assert_eq!(ports, [(1, 19092), (2, 19094), (3, 19096)]);
        assert!(
            text.contains("controller.quorum.voters=1@localhost:19093,2@localhost:19095,3@localhost:19097\n")
        );
        assert!(text.contains("offsets.topic.replication.factor=3\n"));
    }

    #[test]
    fn ports_end_somewhere() {
        let path = std::env::temp_dir().join(format!("barnabas-ports-{}", std::process::id()));
        let refused = Folder::new(path.clone()).make(3, 65534).unwrap_err().to_string();
        fs::remove_dir_all(path).unwrap();
        assert_eq!(refused, "there is no port above 65535");
    }
}
