//! A network of our own: a namespace for each node and one for the clients, joined by a bridge in another. Nothing of it is in
//! the machine's own namespace. A guardian process takes it down when this tool ends, in whatever way.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result};

use crate::install::{self, quietly};
use crate::process::Process;

/// The names of all namespaces begin so; then comes the id of the process that made them.
const PREFIX: &str = "bbchaos";
/// The real link of a namespace, and the one that is slow and lossy.
const LINK: &str = "eth0";
const SHAPED: &str = "shape0";
const TABLE: &str = "chaos";

/// See the head of the file.
pub struct Network {
    tag: String,
    nodes: usize,
    shapers: Vec<Process>,
    _guardian: Guardian,
}

/// Which way a cut goes, seen from the node that is cut off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    Both,
    In,
    Out,
}

/// The end of a cut or shaped link: a node, or the clients as 0.
pub type End = usize;

pub fn address(end: End) -> String {
    if end == 0 { "10.77.0.200".to_owned() } else { format!("10.77.0.{end}") }
}

impl Network {
    /// `shaped`: with slow and lossy links, which need TUN devices.
    pub fn build(nodes: usize, disk: &Path, shaped: bool) -> Result<Network> {
        for (program, package) in [("ip", "iproute2"), ("nft", "nftables")] {
            install::package(program, package)?;
        }
        sweep_abandoned()?;
        let tag = format!("{PREFIX}{}-", std::process::id());
        let guardian = Guardian::start(&tag, disk)?;
        let mut network = Network { tag, nodes, shapers: Vec::new(), _guardian: guardian };
        network.join()?;
        if shaped {
            network.start_shapers()?;
        }
        Ok(network)
    }

    fn join(&mut self) -> Result<()> {
        let hub = format!("{}h", self.tag);
        ip(&["netns", "add", &hub])?;
        ip(&["-n", &hub, "link", "add", "hub", "type", "bridge"])?;
        ip(&["-n", &hub, "link", "set", "hub", "up"])?;
        for end in 0..=self.nodes {
            let (name, port) = (self.namespace(end), format!("port{end}"));
            ip(&["netns", "add", &name])?;
            ip(&["-n", &hub, "link", "add", &port, "type", "veth", "peer", "name", LINK, "netns", &name])?;
            ip(&["-n", &hub, "link", "set", &port, "master", "hub", "up"])?;
            ip(&["-n", &name, "address", "add", &format!("{}/24", address(end)), "dev", LINK])?;
            ip(&["-n", &name, "link", "set", LINK, "up"])?;
            ip(&["-n", &name, "link", "set", "lo", "up"])?;
        }
        Ok(())
    }

    fn start_shapers(&mut self) -> Result<()> {
        let program = install::go("compat/go", "shaper")?;
        for node in 1..=self.nodes {
            self.shapers.push(self.shaper(node, &self.namespace(node), &program)?);
        }
        Ok(())
    }

    fn shaper(&self, node: End, name: &str, program: &Path) -> Result<Process> {
        ip(&["-n", name, "tuntap", "add", "dev", SHAPED, "mode", "tun"])?;
        ip(&["-n", name, "link", "set", SHAPED, "up"])?;
        // answers to what left by the shaped link come back by the real one
        for interface in ["all", "default", LINK, SHAPED] {
            let file = format!("/proc/sys/net/ipv4/conf/{interface}/rp_filter");
            quietly(self.inside(node, "sh").args(["-c", &format!("echo 0 > {file}")]))?;
        }
        let mut command = self.inside(node, &program.to_string_lossy());
        Process::spawn("shaper", command.args([SHAPED, LINK]).stdin(Stdio::piped()))
    }

    fn namespace(&self, end: End) -> String {
        if end == 0 { format!("{}c", self.tag) } else { format!("{}n{end}", self.tag) }
    }

    /// A program in the namespace of a node, or of the clients.
    pub fn inside(&self, end: End, program: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.namespace(end), program]);
        command
    }

    /// Cuts the node off from the others.
    pub fn cut(&self, node: End, others: &[End], way: Way) -> Result<()> {
        let them: Vec<String> = others.iter().map(|end| address(*end)).collect();
        let them = them.join(", ");
        let mut rules = format!("table ip {TABLE} {{\n");
        if way != Way::Out {
            rules +=
                &format!("chain in {{ type filter hook input priority 0; ip saddr {{ {them} }} drop; }}\n");
        }
        if way != Way::In {
            rules +=
                &format!("chain out {{ type filter hook output priority 0; ip daddr {{ {them} }} drop; }}\n");
        }
        rules += "}\n";
        quietly(self.inside(node, "nft").arg(rules))?;
        Ok(())
    }

    pub fn mend(&self, node: End) -> Result<()> {
        quietly(self.inside(node, "nft").args(["delete", "table", "ip", TABLE]))?;
        Ok(())
    }

    /// What the node sends to the others is late by `delay_ms` and up to `jitter_ms` more, and so many in a thousand are lost.
    pub fn shape(&mut self, node: End, others: &[End], quality: (u64, u64, u64)) -> Result<()> {
        let (delay_ms, jitter_ms, loss) = quality;
        for other in others {
            let to = address(*other);
            self.tell_shaper(node, &format!("{to} {delay_ms} {jitter_ms} {loss}"))?;
            let name = self.namespace(node);
            ip(&["-n", &name, "route", "replace", &to, "dev", SHAPED, "src", &address(node)])?;
        }
        Ok(())
    }

    pub fn unshape(&mut self, node: End, others: &[End]) -> Result<()> {
        for other in others {
            ip(&["-n", &self.namespace(node), "route", "del", &address(*other), "dev", SHAPED])?;
        }
        Ok(())
    }

    fn tell_shaper(&mut self, node: End, line: &str) -> Result<()> {
        let shaper = self.shapers.get_mut(node - 1).context("no such node")?;
        shaper.tell(line)
    }
}

/// Another process, whose standard input is held open: the end of it is the sign to take everything down.
struct Guardian(Child);

impl Guardian {
    fn start(tag: &str, disk: &Path) -> Result<Guardian> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["chaos", "--sweep", tag, "--sweep-disk"]).arg(disk);
        // a group of its own: what interrupts this tool does not reach it
        Ok(Guardian(command.stdin(Stdio::piped()).process_group(0).spawn()?))
    }
}

impl Drop for Guardian {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

fn ip(arguments: &[&str]) -> Result<()> {
    quietly(Command::new("ip").args(arguments))?;
    Ok(())
}

/// What the guardian does: waits for the end of its input, then removes what bears the tag.
pub fn guard(tag: &str, disk: &Path) -> Result<()> {
    std::io::copy(&mut std::io::stdin(), &mut std::io::sink())?;
    sweep(tag)?;
    // lazily: a node that has just been killed may still hold a file
    let _ = Command::new("umount").args(["-q", "-l"]).arg(disk).stderr(Stdio::null()).status();
    Ok(())
}

/// Ends the processes in the namespaces of that tag, and deletes these.
fn sweep(tag: &str) -> Result<()> {
    for name in namespaces()? {
        if !name.starts_with(tag) {
            continue;
        }
        let processes = quietly(Command::new("ip").args(["netns", "pids", &name]))?;
        for process in processes.split_whitespace() {
            // it may have ended meanwhile
            let _ = Command::new("kill").args(["-9", process]).stderr(Stdio::null()).status();
        }
        ip(&["netns", "del", &name])?;
    }
    Ok(())
}

/// Those whose guardian was killed too.
fn sweep_abandoned() -> Result<()> {
    for name in namespaces()? {
        let Some(rest) = name.strip_prefix(PREFIX) else { continue };
        let owner: String = rest.chars().take_while(char::is_ascii_digit).collect();
        if !owner.is_empty() && !fs::exists(format!("/proc/{owner}"))? {
            sweep(&format!("{PREFIX}{owner}-"))?;
        }
    }
    Ok(())
}

fn namespaces() -> Result<Vec<String>> {
    let text = quietly(Command::new("ip").args(["netns", "list"]))?;
    Ok(text.lines().filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect())
}
