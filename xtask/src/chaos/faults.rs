//! What goes wrong, drawn by the seed: each fault has a node, a beginning and an end. A hard one takes its node away from the
//! others; of these there are never more at a time than the cluster must bear.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use clap::ValueEnum;
use platform::Random;
use rustix::process::Signal;

use super::cluster::{Cluster, now_ms};
use super::disk::Saturation;
use super::moves::Move;
use super::network::{End, Way};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Kind {
    /// kill -9, and a start after a while
    Kill,
    /// SIGSTOP, and SIGCONT after a while
    Pause,
    /// No packets from or to some others, or all, perhaps one way only
    Cut,
    /// What it sends is late, and some of it lost
    Link,
    /// A full disk, of the node whose disk is small
    Disk,
    /// The wall clock jumps, and back
    Clock,
    /// Writers with fsync beside it
    Saturate,
    /// SIGTERM and start, one node after the other
    Rolling,
    /// A partition gets other replicas, and three again after a while
    Move,
}

impl Kind {
    pub const ALL: &[Kind] = &[
        Kind::Kill,
        Kind::Pause,
        Kind::Cut,
        Kind::Link,
        Kind::Disk,
        Kind::Clock,
        Kind::Saturate,
        Kind::Rolling,
        Kind::Move,
    ];

    fn is_hard(self) -> bool {
        matches!(self, Kind::Kill | Kind::Pause | Kind::Cut | Kind::Disk | Kind::Rolling)
    }

    /// It cannot make a live and reachable broker look dead.
    pub fn leaves_brokers_alone(self) -> bool {
        matches!(self, Kind::Clock | Kind::Saturate | Kind::Move)
    }
}

/// How a fault ends.
enum Undo {
    Start,
    Continue,
    Mend,
    Unshape(Vec<End>),
    FreeDisk,
    SetClock,
    Relieve(Saturation),
    MoveBack(Move),
    /// It has been done.
    Nothing,
}

struct Active {
    kind: Kind,
    node: usize,
    until: Instant,
    /// Its place in the timeline.
    at: usize,
    end: Undo,
}

/// How long, how often and what.
pub struct Weather {
    pub kinds: Vec<Kind>,
    pub until: Instant,
    pub longest: Duration,
    /// Nodes that may be away at a time.
    pub away_max: usize,
}

/// Draws faults and ends them.
pub struct Storm {
    dice: Random,
    weather: Weather,
    /// Kinds that are still to come before any comes again.
    deck: Vec<Kind>,
    active: Vec<Active>,
}

const TICK: Duration = Duration::from_millis(50);
/// A move back that the cluster cannot decide now.
const ASKED_AGAIN_AFTER: Duration = Duration::from_millis(500);

impl Storm {
    pub fn new(dice: Random, weather: Weather) -> Storm {
        Storm { dice, weather, deck: Vec::new(), active: Vec::new() }
    }

    /// Faults until the time is over; then the last of them end.
    pub fn blow(mut self, cluster: &mut Cluster, mut tick: impl FnMut() -> Result<()>) -> Result<()> {
        let mut next = Instant::now();
        while Instant::now() < self.weather.until {
            std::thread::sleep(TICK);
            tick()?;
            cluster.check()?;
            self.end_those_over(cluster, Instant::now())?;
            if Instant::now() >= next {
                self.begin_one(cluster)?;
                next = Instant::now() + self.millis(500, 4000);
            }
        }
        let late = self.weather.until + Duration::from_secs(3600);
        self.end_those_over(cluster, late)
    }

    fn millis(&mut self, least: u64, most: u64) -> Duration {
        Duration::from_millis(least + self.dice.below(most.saturating_sub(least) + 1))
    }

    /// Short ones are more frequent.
    fn length(&mut self) -> Duration {
        let most = self.weather.longest.as_millis() as u64;
        let (one, other) = (self.millis(1000, most), self.millis(1000, most));
        one.min(other)
    }

    fn end_those_over(&mut self, cluster: &mut Cluster, now: Instant) -> Result<()> {
        let is_over = |one: &Active| one.until <= now;
        // a move back is decided by nodes that other faults may have taken away
        let is_soon = |one: &Active| is_over(one) && one.kind != Kind::Move;
        while let Some(at) =
            self.active.iter().position(is_soon).or_else(|| self.active.iter().position(is_over))
        {
            // some of its nodes may be away for as long as others' ends are waited for
            let others_wait = self.active.iter().any(|one| one.kind.is_hard());
            let one = &mut self.active[at];
            if others_wait && let Undo::MoveBack(back) = &one.end {
                if !back.ask(cluster)? {
                    one.until = now + ASKED_AGAIN_AFTER;
                    continue;
                }
                one.end = Undo::Nothing;
            }
            let over = self.active.swap_remove(at);
            let (kind, node) = (over.kind, over.node);
            end(over, cluster).with_context(|| format!("the end of {kind:?} at node {node}"))?;
        }
        Ok(())
    }

    fn begin_one(&mut self, cluster: &mut Cluster) -> Result<()> {
        if self.deck.is_empty() {
            self.deck.clone_from(&self.weather.kinds);
        }
        let kind = self.deck[self.dice.below(self.deck.len() as u64) as usize];
        let node = match kind {
            Kind::Disk => cluster.small_disk(),
            // of the cluster as a whole
            Kind::Move => 0,
            _ => 1 + self.dice.below(cluster.nodes.len() as u64) as usize,
        };
        let away = self.active.iter().filter(|one| one.kind.is_hard()).count();
        let busy =
            |one: &Active| one.node == node && (one.kind == kind || one.kind.is_hard() && kind.is_hard());
        let room = match kind {
            Kind::Rolling => away == 0,
            _ => !kind.is_hard() || away < self.weather.away_max,
        };
        if !room || self.active.iter().any(busy) {
            return Ok(());
        }
        self.deck.retain(|other| *other != kind);
        let from_ms = now_ms();
        let begun = match kind {
            Kind::Rolling => return cluster.roll(),
            Kind::Move => match self.shift(cluster)? {
                Some(active) => Ok(active),
                None => return Ok(()),
            },
            Kind::Kill => self.kill(cluster, node),
            Kind::Pause => self.pause(cluster, node),
            Kind::Cut => self.cut(cluster, node),
            Kind::Link => self.link(cluster, node),
            Kind::Disk => self.fill(cluster, node),
            Kind::Clock => self.jump(cluster, node),
            Kind::Saturate => self.saturate(cluster, node),
        };
        let active = begun.with_context(|| format!("{kind:?} at node {node}"))?;
        // nodes may see what it does before it is noted here
        cluster.timeline.began(active.at, from_ms);
        self.active.push(active);
        Ok(())
    }

    fn active(
        &self,
        cluster: &mut Cluster,
        fault: (Kind, usize),
        length: Duration,
        text: &str,
        end: Undo,
    ) -> Active {
        let (kind, node) = fault;
        let text = format!("{text} for {:.1} s", length.as_secs_f64());
        let at = cluster.timeline.begin(kind, node, &text);
        Active { kind, node, until: Instant::now() + length, at, end }
    }

    fn kill(&mut self, cluster: &mut Cluster, node: usize) -> Result<Active> {
        let most = self.weather.longest.as_millis() as u64;
        let length = self.millis(0, most / 2);
        cluster.node(node)?.kill();
        Ok(self.active(cluster, (Kind::Kill, node), length, "killed, gone", Undo::Start))
    }

    fn pause(&mut self, cluster: &mut Cluster, node: usize) -> Result<Active> {
        let length = self.length();
        cluster.node(node)?.signal(Signal::STOP)?;
        Ok(self.active(cluster, (Kind::Pause, node), length, "stands still", Undo::Continue))
    }

    fn cut(&mut self, cluster: &mut Cluster, node: usize) -> Result<Active> {
        let length = self.length();
        let mut others = self.some_peers(cluster, node);
        // clients too, or these reach a node that the others do not
        if self.dice.one_in(3) {
            others.push(0);
        }
        let way = [Way::Both, Way::Both, Way::In, Way::Out][self.dice.below(4) as usize];
        cluster.network.cut(node, &others, way)?;
        let text = format!("cut off from {} ({way:?})", names(&others));
        Ok(self.active(cluster, (Kind::Cut, node), length, &text, Undo::Mend))
    }

    fn link(&mut self, cluster: &mut Cluster, node: usize) -> Result<Active> {
        let length = self.length();
        let others = self.some_peers(cluster, node);
        let quality = (self.dice.below(100), self.dice.below(50), self.dice.below(80));
        cluster.network.shape(node, &others, quality)?;
        let (delay, jitter, loss) = quality;
        let to = names(&others);
        let text = format!("sends to {to} late by {delay} to {} ms, {loss} in 1000 lost", delay + jitter);
        Ok(self.active(cluster, (Kind::Link, node), length, &text, Undo::Unshape(others)))
    }

    /// All other nodes, or one of them.
    fn some_peers(&mut self, cluster: &Cluster, node: usize) -> Vec<End> {
        let mut others: Vec<End> = (1..=cluster.nodes.len()).filter(|other| *other != node).collect();
        if self.dice.one_in(3) {
            let one = others[self.dice.below(others.len() as u64) as usize];
            others = vec![one];
        }
        others
    }

    fn fill(&mut self, cluster: &mut Cluster, node: usize) -> Result<Active> {
        let length = self.millis(1000, 5000);
        // to the last byte, or so that some writes still fit
        let left = if self.dice.one_in(2) { 0 } else { self.dice.below(65_536) };
        cluster.disk.fill(left)?;
        Ok(self.active(cluster, (Kind::Disk, node), length, "disk full", Undo::FreeDisk))
    }

    fn jump(&mut self, cluster: &mut Cluster, node: usize) -> Result<Active> {
        let length = self.length();
        let most = [500, 10_000, 3_600_000][self.dice.below(3) as usize];
        let offset = self.dice.below(2 * most + 1) as i64 - most as i64;
        cluster.node(node)?.set_clock(offset)?;
        let text = format!("clock off by {offset} ms");
        Ok(self.active(cluster, (Kind::Clock, node), length, &text, Undo::SetClock))
    }

    /// None where the cluster cannot decide it now.
    fn shift(&mut self, cluster: &mut Cluster) -> Result<Option<Active>> {
        let nodes = cluster.nodes.len();
        let there = Move::draw(&mut self.dice, nodes);
        let length = self.length();
        if !there.ask(cluster)? {
            return Ok(None);
        }
        let text = there.text();
        let end = Undo::MoveBack(there.back(&mut self.dice, nodes));
        Ok(Some(self.active(cluster, (Kind::Move, 0), length, &text, end)))
    }

    fn saturate(&mut self, cluster: &mut Cluster, node: usize) -> Result<Active> {
        let length = self.length();
        let saturation = Saturation::start(&cluster.node(node)?.folder)?;
        Ok(self.active(cluster, (Kind::Saturate, node), length, "disk saturated", Undo::Relieve(saturation)))
    }
}

fn names(ends: &[End]) -> String {
    let name = |end: &End| if *end == 0 { "clients".to_owned() } else { end.to_string() };
    ends.iter().map(name).collect::<Vec<_>>().join(", ")
}

fn end(over: Active, cluster: &mut Cluster) -> Result<()> {
    let node = over.node;
    match over.end {
        Undo::Start => cluster.start(node)?,
        Undo::Continue => cluster.node(node)?.signal(Signal::CONT)?,
        Undo::Mend => cluster.network.mend(node)?,
        Undo::Unshape(others) => cluster.network.unshape(node, &others)?,
        Undo::SetClock => cluster.node(node)?.set_clock(0)?,
        Undo::Relieve(saturation) => saturation.stop(),
        // it goes on by itself
        Undo::FreeDisk => cluster.disk.free()?,
        Undo::MoveBack(back) => back.insist(cluster)?,
        Undo::Nothing => {}
    }
    cluster.timeline.end(over.at);
    Ok(())
}
