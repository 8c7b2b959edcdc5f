//! A broker that was not there at the beginning comes, and perhaps goes again: it is registered only while it is wanted,
//! nobody becomes a replica who is not registered, and whoever is unfenced has read of its own registration. At the end
//! who has come is unfenced and has a share, and who has gone is in no list of anybody.

use std::collections::{BTreeMap, BTreeSet};

use metadata::image::MetadataImage;
use protocol::Str;
use types::TopicIdPartition;

use crate::replicas::Reign;
use crate::world::MachineIndex;

/// Where it stands, as whoever runs it wants it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Its machine has an empty disk and is off.
    Away,
    Here,
    /// Others are to have its replicas.
    Draining,
    /// It is to stop and not to start again.
    Stopping,
    Down,
    /// It was unregistered.
    Gone,
}

pub struct Newcomer {
    pub machine: MachineIndex,
    pub stage: Stage,
    /// Whether it is fenced, as the newest image says; none where it is not registered.
    pub is_fenced: Option<bool>,
    /// Partitions that name it as a replica, with their topics' names.
    pub held: BTreeMap<TopicIdPartition, Str>,
    /// A partition counts it as one that may lead (KIP-966). One that is unregistered stays so, as in Kafka, and nobody
    /// else may lead then.
    pub is_eligible: bool,
    /// Somebody has asked to unregister it: that may be carried out late, and twice.
    pub was_unwanted: bool,
    /// It was unregistered while it was wanted: it comes back when it is started again, not by itself.
    pub is_out: bool,
    /// It is to have another empty disk when it has gone.
    pub comes_back: bool,
    /// It had a share when the faults were over.
    pub had_share: bool,
}

impl Newcomer {
    pub fn new(machine: MachineIndex) -> Newcomer {
        Newcomer {
            machine,
            stage: Stage::Away,
            is_fenced: None,
            held: BTreeMap::new(),
            is_eligible: false,
            was_unwanted: false,
            is_out: false,
            comes_back: false,
            had_share: false,
        }
    }

    /// Nobody switches its machine on.
    pub fn is_off(&self) -> bool {
        matches!(self.stage, Stage::Away | Stage::Stopping | Stage::Down | Stage::Gone)
    }

    /// Partitions may be moved to it.
    pub fn takes_replicas(&self) -> bool {
        self.stage == Stage::Here && self.is_fenced.is_some()
    }

    /// Nothing more is going to happen to it when the faults are over.
    pub fn is_at_rest(&self) -> bool {
        match self.stage {
            Stage::Here => self.is_fenced == Some(false) && self.had_share,
            Stage::Gone => self.held.is_empty() && !self.comes_back,
            _ => false,
        }
    }

    /// The newest image; `fenced` by machines that are registered.
    fn image(&mut self, image: &MetadataImage, fenced: &BTreeMap<MachineIndex, bool>) -> Result<(), String> {
        let node = self.machine as i32 + 1;
        let before = std::mem::replace(&mut self.is_fenced, fenced.get(&self.machine).copied());
        self.held.clear();
        self.is_eligible = false;
        for topic in image.topics.iter() {
            for (partition, state) in topic.partitions.iter().filter(|(_, one)| one.replicas.contains(&node))
            {
                self.is_eligible |= state.eligible_leader_replicas.contains(&node);
                let id = TopicIdPartition { topic_id: topic.id, partition: *partition };
                self.held.insert(id, topic.name.clone());
            }
        }
        let is_wanted = matches!(self.stage, Stage::Here | Stage::Draining);
        self.is_out = self.is_fenced.is_none() && (self.is_out || (before.is_some() && is_wanted));
        match (self.stage, before, self.is_fenced) {
            (Stage::Away | Stage::Gone, _, Some(_)) => {
                Err(format!("broker {node} is registered, it is {:?}", self.stage))
            }
            (stage, Some(_), None) if !self.was_unwanted => {
                Err(format!("broker {node} is registered no more, it is {stage:?}"))
            }
            (Stage::Down, Some(_), None) => {
                self.stage = Stage::Gone;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// When all has healed.
    pub fn check_end(&self, reigns: &BTreeMap<TopicIdPartition, Reign>) -> Result<(), String> {
        let Newcomer { machine, stage, is_fenced, .. } = self;
        let names_it = |reign: &Reign| {
            let mut all = reign.replicas.iter().chain(&reign.in_sync).chain(&reign.leader);
            all.any(|one| one == machine)
        };
        let named = reigns.iter().find(|(_, reign)| names_it(reign));
        match (stage, named) {
            (Stage::Gone, Some((id, reign))) => {
                Err(format!("machine {machine} has gone and has {id} still: {reign:?}"))
            }
            _ if self.is_at_rest() => Ok(()),
            _ => Err(format!(
                "machine {machine} that came late is {stage:?} at the end, fenced {is_fenced:?}, with {} replicas",
                self.held.len()
            )),
        }
    }
}

/// Who is registered, whether one comes or not.
#[derive(Default)]
pub struct Registrations {
    /// Whether they are fenced, in the newest image.
    fenced: BTreeMap<MachineIndex, bool>,
    /// Machines and epochs that were unfenced before.
    unfenced: BTreeSet<(MachineIndex, i64)>,
}

impl Registrations {
    /// The newest image, with who has each partition in it and before. `shown`: up to where each machine has heard.
    pub fn image(
        &mut self,
        image: &MetadataImage,
        (before, after): (&BTreeMap<TopicIdPartition, Reign>, &BTreeMap<TopicIdPartition, Reign>),
        shown: &BTreeMap<MachineIndex, i64>,
        newcomer: Option<&mut Newcomer>,
    ) -> Result<(), String> {
        let mut fenced = BTreeMap::new();
        for broker in image.cluster.brokers.values() {
            let Some(machine) = usize::try_from(broker.id - 1).ok() else { continue };
            fenced.insert(machine, broker.fenced);
            let is_new = !broker.fenced && self.unfenced.insert((machine, broker.epoch));
            let heard = shown.get(&machine).copied().unwrap_or(-1);
            if is_new && heard < broker.epoch {
                let epoch = broker.epoch;
                return Err(format!(
                    "machine {machine}, registered at {epoch}, is unfenced and has read up to {heard}"
                ));
            }
        }
        // who was unregistered since may have been named before
        let known =
            |machine: &MachineIndex| fenced.contains_key(machine) || self.fenced.contains_key(machine);
        for (id, reign) in after {
            let had = before.get(id).map_or(&[][..], |before| &before.replicas);
            let mut new = reign.replicas.iter().filter(|one| !had.contains(one));
            if let Some(one) = new.find(|one| !known(one)) {
                return Err(format!("{id}: {one} is to be a replica and is not registered: {reign:?}"));
            }
        }
        let found = newcomer.map_or(Ok(()), |newcomer| newcomer.image(image, &fenced));
        self.fenced = fenced;
        found
    }
}

#[cfg(test)]
mod tests {
    use types::Uuid;

    use super::*;

    const ID: TopicIdPartition = TopicIdPartition { topic_id: Uuid([1; 16]), partition: 0 };

    fn reigns(replicas: &[MachineIndex]) -> BTreeMap<TopicIdPartition, Reign> {
        [(ID, Reign { replicas: replicas.to_vec(), ..Reign::default() })].into()
    }

    #[test]
    fn who_has_come_has_a_share_and_who_has_gone_has_none() {
        for (stage, is_fenced, had_share, replicas, holds) in [
            (Stage::Here, Some(false), true, vec![0, 3], true),
            (Stage::Here, Some(true), true, vec![0, 3], false),
            (Stage::Here, None, true, vec![0, 3], false),
            (Stage::Here, Some(false), false, vec![0], false),
            (Stage::Draining, Some(false), true, vec![0, 3], false),
            (Stage::Down, Some(true), true, vec![0], false),
            (Stage::Away, None, false, vec![0], false),
            (Stage::Gone, None, true, vec![0], true),
            (Stage::Gone, None, true, vec![0, 3], false),
        ] {
            let newcomer = Newcomer { stage, is_fenced, had_share, ..Newcomer::new(3) };
            assert_eq!(newcomer.check_end(&reigns(&replicas)).is_ok(), holds, "{stage:?} {replicas:?}");
        }
    }

    #[test]
    fn nobody_becomes_a_replica_who_is_not_registered() {
        for (known, before, after, holds) in [
            (vec![0, 1, 3], vec![0, 1], vec![0, 3], true),
            (vec![0, 1], vec![0, 1], vec![0, 3], false),
            // it stays in the list until it is taken out
            (vec![0, 1], vec![0, 3], vec![0, 3], true),
        ] {
            let fenced = known.iter().map(|machine| (*machine, false)).collect();
            let mut all = Registrations { fenced, ..Registrations::default() };
            let image = MetadataImage::default();
            let found = all.image(&image, (&reigns(&before), &reigns(&after)), &BTreeMap::new(), None);
            assert_eq!(found.is_ok(), holds, "{known:?} {before:?} {after:?}");
        }
    }

    #[test]
    fn registered_only_while_it_is_wanted() {
        use Stage::*;
        for (stage, was_unwanted, before, now, then) in [
            (Away, false, None, Some(true), None),
            (Here, false, None, Some(true), Some(Here)),
            (Here, false, Some(false), None, None),
            (Here, true, Some(false), None, Some(Here)),
            (Down, true, Some(true), None, Some(Gone)),
            (Down, true, Some(true), Some(true), Some(Down)),
            (Gone, true, None, Some(true), None),
        ] {
            let mut newcomer = Newcomer { stage, was_unwanted, is_fenced: before, ..Newcomer::new(3) };
            let fenced = now.map(|fenced| (3, fenced)).into_iter().collect();
            let found = newcomer.image(&MetadataImage::default(), &fenced);
            assert_eq!(found.is_ok(), then.is_some(), "{stage:?} {before:?} {now:?}");
            assert_eq!(newcomer.stage, then.unwrap_or(stage), "{stage:?} {before:?} {now:?}");
        }
    }
}
