//! The machine model-checked: every order in which messages of a few nodes arrive, are late or are lost, time-outs run
//! out, processes end and start again, records are appended and voters change, within bounds. The nodes are the
//! crate's own `Raft`; only the network, the log, the clock and the disk are the model's. `cargo xtask model` goes
//! further than the tests do.

mod laws;
mod log;
mod network;
mod node;
mod settings;
mod tests;
mod world;

use std::sync::Arc;

use bytes::Bytes;
use stateright::{Model, Property};
use types::{NodeId, Offset};

use self::network::{CLIENT, Message};
use self::node::now;
use self::settings::{Bounds, has, key, voter};
use self::world::World;
use crate::connections::Connection;
use crate::machine::Input;
use crate::message::{AddVoterRequest, RemoveVoterRequest, Request};
use crate::role::Role;

/// Bugs put in to see that the model finds them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Plant {
    /// The file is written without the vote for another.
    VoteForgotten,
    /// A majority for a record of an earlier epoch commits it.
    EarlierEpochCommits,
    /// The disk says that it has what it has not.
    FlushLies,
    /// The change before is forgotten while it is open.
    ChangesAtOnce,
}

struct Quorums {
    bounds: Bounds,
    first: fn(&Bounds) -> World,
}

#[derive(Clone, Debug, PartialEq)]
enum Action {
    Deliver(Arc<Message>),
    /// A request that nobody waits for is lost.
    Lose(Arc<Message>),
    /// The timer of the role runs out.
    Elapse(u8),
    GiveUp(u8, NodeId),
    BeginEpoch(u8),
    FetchesWaitedInVain(u8),
    Gone(u8),
    Flush(u8),
    Append(u8),
    Reboot {
        node: u8,
        keeps_unflushed: bool,
    },
    Snapshot(u8),
    AddVoter {
        leader: u8,
        node: u8,
    },
    RemoveVoter {
        leader: u8,
        node: u8,
    },
}

impl Model for Quorums {
    type State = World;
    type Action = Action;

    fn init_states(&self) -> Vec<World> {
        vec![(self.first)(&self.bounds)]
    }

    fn actions(&self, world: &World, actions: &mut Vec<Action>) {
        if world.broken != Default::default() && self.bounds.plant.is_none() {
            return;
        }
        for message in &world.network {
            actions.push(Action::Deliver(message.clone()));
            if message.is_stale() {
                actions.push(Action::Lose(message.clone()));
            }
        }
        for node in 0..self.bounds.nodes {
            self.actions_of(world, node, actions);
            if world.leads(node) {
                self.actions_of_leader(world, node, actions);
            }
        }
    }

    fn next_state(&self, world: &World, action: Action) -> Option<World> {
        let mut world = world.clone();
        self.act(&mut world, action).then_some(world)
    }

    fn properties(&self) -> Vec<Property<Quorums>> {
        laws::properties()
    }

    fn within_boundary(&self, world: &World) -> bool {
        world.network.len() <= self.bounds.messages
            && world.stale_requests() <= self.bounds.stale_requests
            && world.nodes.iter().all(|node| node.raft.epoch().0 <= self.bounds.epochs)
    }
}

impl Quorums {
    fn actions_of(&self, world: &World, index: u8, actions: &mut Vec<Action>) {
        let (bounds, spent) = (&self.bounds, &world.spent);
        let node = &world.nodes[usize::from(index)];
        let stands = has(bounds.standing, index) && !world.is_observer(index);
        let elapses = match &node.raft.role {
            Role::Leader(_) => spent.resignations < bounds.resignations,
            Role::Unattached(_) | Role::Follower(_) => stands,
            Role::Prospective(_) | Role::Candidate(_) | Role::Resigned(_) => true,
        };
        if elapses {
            actions.push(Action::Elapse(index));
        }
        if let Role::Follower(role) = &node.raft.role
            && bounds.gone
            && role.has_fetched
        {
            actions.push(Action::Gone(index));
        }
        let is_durable = node.log.durable_end == node.log.end();
        if bounds.slow_flush && !is_durable {
            actions.push(Action::Flush(index));
        }
        if spent.crashes < bounds.crashes {
            actions.push(Action::Reboot { node: index, keeps_unflushed: false });
            if !is_durable {
                actions.push(Action::Reboot { node: index, keeps_unflushed: true });
            }
        }
        if spent.time_outs < bounds.time_outs {
            let connections = node.raft.connections.connections.iter();
            let waiting = connections.filter(|(_, known)| matches!(known, Connection::InFlight { .. }));
            actions.extend(waiting.map(|(to, _)| Action::GiveUp(index, *to)));
        }
        if spent.snapshots < bounds.snapshots && node.claimed > node.log.start {
            actions.push(Action::Snapshot(index));
        }
    }

    fn actions_of_leader(&self, world: &World, index: u8, actions: &mut Vec<Action>) {
        let (bounds, spent) = (&self.bounds, &world.spent);
        let node = &world.nodes[usize::from(index)];
        if spent.appends < bounds.appends {
            actions.push(Action::Append(index));
        }
        if world.needs_begin_epoch(index) {
            actions.push(Action::BeginEpoch(index));
        }
        if bounds.idle_fetches && node.has_parked() {
            actions.push(Action::FetchesWaitedInVain(index));
        }
        if spent.voter_changes < bounds.voter_changes {
            for other in 0..bounds.nodes {
                actions.push(match node.raft.voters().contains(key(other)) {
                    true => Action::RemoveVoter { leader: index, node: other },
                    false => Action::AddVoter { leader: index, node: other },
                });
            }
        }
    }

    /// False where it changes nothing.
    fn act(&self, world: &mut World, action: Action) -> bool {
        let bounds = &self.bounds;
        match action {
            Action::Deliver(message) => world.deliver(&message, bounds),
            Action::Lose(message) => {
                world.network.retain(|known| known.fingerprint != message.fingerprint);
            }
            Action::Elapse(index) => {
                let leads = world.leads(index);
                world.spent.resignations += u8::from(leads);
                self.tick(world, index, |node| node.elapse());
            }
            Action::GiveUp(index, to) => {
                world.spent.time_outs += 1;
                self.tick(world, index, |node| node.give_up(to));
            }
            Action::BeginEpoch(index) => self.tick(world, index, |node| node.begin_epoch_is_due()),
            Action::FetchesWaitedInVain(index) => self.tick(world, index, |node| node.parked_are_due()),
            Action::Gone(index) => self.lose_leader(world, index),
            Action::Flush(index) => {
                world.step(index, None, bounds, |node, out| world::flush(node, false, out));
            }
            Action::Append(index) => {
                world.spent.appends += 1;
                let batch = Bytes::copy_from_slice(&[world.spent.appends]);
                world.step(index, None, bounds, |node, out| {
                    let epoch = node.raft.epoch();
                    node.raft.append(now(), epoch, &batch, &mut node.log, out).map(|_| ())
                });
            }
            Action::Reboot { node, keeps_unflushed } => {
                world.spent.crashes += 1;
                world.reboot(node, keeps_unflushed, bounds);
            }
            Action::Snapshot(index) => {
                world.spent.snapshots += 1;
                world.step(index, None, bounds, |node, _| {
                    let voters = node.raft.quorum.voters_at(Offset(node.claimed - 1));
                    node.log.take_snapshot(node.claimed, settings::voter_mask(voters));
                    Ok(())
                });
            }
            Action::AddVoter { leader, node } => {
                let endpoints = voter(node).endpoints;
                let request = AddVoterRequest { voter: key(node), endpoints, ack_when_committed: true };
                return self.change_voters(world, leader, Request::AddVoter(request));
            }
            Action::RemoveVoter { leader, node } => {
                let request = RemoveVoterRequest { voter: key(node) };
                return self.change_voters(world, leader, Request::RemoveVoter(request));
            }
        }
        true
    }

    fn tick(&self, world: &mut World, index: u8, due: impl FnOnce(&mut node::Node)) {
        world.step(index, None, &self.bounds, |node, out| {
            due(node);
            node.raft.step(now(), Input::Tick, &mut node.log, out)
        });
    }

    fn lose_leader(&self, world: &mut World, index: u8) {
        world.step(index, None, &self.bounds, |node, out| {
            let Some(leader) = node.raft.role.remote_leader() else { return Ok(()) };
            node.raft.step(now(), Input::Gone(leader), &mut node.log, out)
        });
    }

    fn change_voters(&self, world: &mut World, leader: u8, request: Request) -> bool {
        let before = world.nodes[usize::from(leader)].fingerprint;
        world.spent.voter_changes += 1;
        let is_planted = self.bounds.plant == Some(Plant::ChangesAtOnce);
        world.step(leader, None, &self.bounds, |node, out| {
            let known = node.raft.high_watermark;
            if is_planted {
                forget_open_change(node);
            }
            let input = Input::Request { token: CLIENT, listener: "C".into(), request };
            let done = node.raft.step(now(), input, &mut node.log, out);
            if is_planted {
                node.raft.high_watermark = known;
            }
            done
        });
        world.nodes[usize::from(leader)].fingerprint != before
    }
}

fn forget_open_change(node: &mut node::Node) {
    node.raft.high_watermark = Some(Offset(node.log.end()));
    if let Role::Leader(leader) = &mut node.raft.role {
        leader.change = None;
    }
}
