//! `cargo xtask sim`: seeds of the simulator, optimised. A failure names its seed and the command that shows it again.

use anyhow::Result;
use clap::Args;

use crate::shell::cargo;

#[derive(Args, Default)]
pub struct Sim {
    /// How many seeds
    #[arg(long, conflicts_with = "seconds")]
    pub seeds: Option<u64>,
    /// Goes on for this long instead
    #[arg(long)]
    pub seconds: Option<u64>,
    /// The first seed; a failure names its own
    #[arg(long)]
    pub first: Option<u64>,
    /// Nodes of the cluster; one unless given, several are 3 to 9
    #[arg(long)]
    pub nodes: Option<u64>,
    /// Shards of a node, instead of what each seed draws
    #[arg(long)]
    pub shards: Option<u16>,
    /// Goes on after a seed that fails
    #[arg(long)]
    pub keep_going: bool,
    /// Prints what happened
    #[arg(long)]
    pub tell: bool,
    /// With the calls of the file system on paths with this in them
    #[arg(long, requires = "tell")]
    pub path: Option<String>,
    /// Shows that each bug planted on purpose is found by the ordinary seeds
    #[arg(long)]
    pub planted: bool,
    /// Shows it of this one alone; a name that is none lists them
    #[arg(long)]
    pub plant: Option<String>,
}

impl Sim {
    pub fn run(self) -> Result<()> {
        let mut arguments: Vec<String> =
            ["run", "--quiet", "--release", "-p", "simulator"].map(str::to_owned).into();
        if self.planted || self.plant.is_some() {
            arguments.extend(["--features", "planted"].map(str::to_owned));
        }
        arguments.push("--".into());
        let numbers = [
            ("--seeds", self.seeds),
            ("--seconds", self.seconds),
            ("--first", self.first),
            ("--nodes", self.nodes),
            ("--shards", self.shards.map(u64::from)),
        ];
        for (name, number) in numbers {
            arguments.extend(number.map(|number| format!("{name}={number}")));
        }
        arguments.extend(self.path.map(|path| format!("--path={path}")));
        arguments.extend(self.plant.map(|name| format!("--plant={name}")));
        for (name, is_given) in
            [("--tell", self.tell), ("--keep-going", self.keep_going), ("--planted", self.planted)]
        {
            arguments.extend(is_given.then(|| name.to_owned()));
        }
        cargo(&arguments.iter().map(String::as_str).collect::<Vec<_>>())
    }
}
