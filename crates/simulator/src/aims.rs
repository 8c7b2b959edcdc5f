//! Faults that hit where it hurts: the leader of a busy partition, the active controller, a group's coordinator.

use crate::faults::Fault;
use crate::invariants::durability::Death;
use crate::world::{MachineIndex, World};

impl World {
    /// The machine that such a fault is for, if there is one just now.
    pub fn aim(&mut self, fault: Fault) -> Option<MachineIndex> {
        match fault {
            Fault::HitLeader => self.busy_leader(),
            Fault::HitController => self.active_controller(),
            Fault::HitCoordinator => self.coordinator(),
            _ => None,
        }
    }

    /// It dies, or hangs so long that others take over.
    pub fn hit(&mut self, machine: MachineIndex) {
        match self.draws.more.below(4) {
            0 => self.pause(machine),
            1 if !self.model.is_strict => self.die(machine, Death::PowerLoss),
            _ => self.die(machine, Death::Kill),
        }
    }

    /// Who leads one of the three partitions with the most batches.
    fn busy_leader(&mut self) -> Option<MachineIndex> {
        let led = self.model.reigns.iter().filter(|(id, _)| self.model.is_live(id.topic_id));
        let batches = |id| self.model.logs.get(id).map_or(0, |log| log.batches.len());
        let mut busy: Vec<_> = led.filter_map(|(id, reign)| Some((batches(id), reign.leader?))).collect();
        busy.sort();
        busy.reverse();
        busy.truncate(3);
        let at = self.draws.more.below(busy.len() as u64) as usize;
        busy.get(at).map(|(_, leader)| *leader)
    }

    /// Who leads the quorum in the newest epoch.
    fn active_controller(&self) -> Option<MachineIndex> {
        let nodes = self.machines.iter().enumerate();
        let nodes = nodes.filter_map(|(machine, one)| Some((machine, one.node.as_ref()?.quorum.standing())));
        let leaders = nodes.filter(|(_, standing)| standing.is_leader);
        leaders.max_by_key(|(_, standing)| standing.epoch).map(|(machine, _)| machine)
    }

    fn coordinator(&mut self) -> Option<MachineIndex> {
        let group = format!("group-{}", self.draws.more.below(2));
        let id = self.model.partition_of_group(&group)?;
        self.model.reigns.get(&id)?.leader
    }
}
