//! Where the replicas of new partitions go: striped over racks and brokers, leaders in turn, from a random start.

use std::collections::BTreeMap;

use platform::Random;
use protocol::Str;

/// A broker that may get replicas.
#[derive(Clone, Debug, PartialEq)]
pub struct Usable {
    pub id: i32,
    pub rack: Option<Str>,
    pub fenced: bool,
}

/// Brokers handed out one after the other from an offset that moves with each partition.
struct Ring {
    ids: Vec<i32>,
    /// Partition of which `index` tells how many were handed out.
    epoch: u64,
    index: usize,
    offset: usize,
}

impl Ring {
    fn new(mut ids: Vec<i32>, random: &mut Random) -> Ring {
        ids.sort_unstable();
        let offset = if ids.is_empty() { 0 } else { random.below(ids.len() as u64) as usize };
        Ring { ids, epoch: 0, index: 0, offset }
    }

    fn next(&mut self, epoch: u64) -> Option<i32> {
        if self.ids.is_empty() {
            return None;
        }
        if self.epoch != epoch {
            self.epoch = epoch;
            self.index = 0;
            self.offset = (self.offset + 1) % self.ids.len();
        }
        if self.index >= self.ids.len() {
            return None;
        }
        let id = self.ids.get((self.index + self.offset) % self.ids.len()).copied();
        self.index += 1;
        id
    }

    fn shuffle(&mut self, random: &mut Random) {
        shuffle(&mut self.ids, random);
    }
}

fn shuffle<T>(list: &mut [T], random: &mut Random) {
    for i in (1..list.len()).rev() {
        list.swap(i, random.below(i as u64 + 1) as usize);
    }
}

struct Rack {
    unfenced: Ring,
    fenced: Ring,
}

struct Racks {
    racks: Vec<Rack>,
    unfenced_count: usize,
    epoch: u64,
    offset: usize,
}

impl Racks {
    fn new(usable: &[Usable], random: &mut Random) -> Racks {
        let mut by_rack: BTreeMap<Option<Str>, (Vec<i32>, Vec<i32>)> = BTreeMap::new();
        for broker in usable {
            let lists = by_rack.entry(broker.rack.clone()).or_default();
            if broker.fenced { lists.1.push(broker.id) } else { lists.0.push(broker.id) }
        }
        let mut racks = Vec::with_capacity(by_rack.len());
        for (unfenced, fenced) in by_rack.into_values() {
            racks.push(Rack { unfenced: Ring::new(unfenced, random), fenced: Ring::new(fenced, random) });
        }
        let offset = if racks.is_empty() { 0 } else { random.below(racks.len() as u64) as usize };
        Racks {
            unfenced_count: usable.iter().filter(|broker| !broker.fenced).count(),
            racks,
            epoch: 0,
            offset,
        }
    }

    /// One partition's replicas, its leader first.
    fn place(&mut self, replication_factor: usize, random: &mut Random) -> Vec<i32> {
        self.begin_epoch(random);
        let mut replicas = Vec::with_capacity(replication_factor);
        let count = self.racks.len();
        let mut leader_rack = None;
        for step in 0..count {
            let position = (self.offset + step) % count;
            if let Some(id) = self.racks[position].unfenced.next(self.epoch) {
                replicas.push(id);
                leader_rack = Some(position);
                break;
            }
        }
        let mut position = self.offset;
        let mut passed_over = 0;
        while replicas.len() < replication_factor && passed_over < 2 * count {
            let here = position % count;
            position = here + 1;
            passed_over += 1;
            if leader_rack == Some(here) {
                leader_rack = None;
                continue;
            }
            let rack = &mut self.racks[here];
            if let Some(id) = rack.unfenced.next(self.epoch).or_else(|| rack.fenced.next(self.epoch)) {
                replicas.push(id);
                passed_over = 0;
            }
        }
        self.epoch += 1;
        self.offset += 1;
        replicas
    }

    /// When every unfenced broker has led once, the order is drawn anew.
    fn begin_epoch(&mut self, random: &mut Random) {
        if self.epoch == self.unfenced_count as u64 && self.unfenced_count > 1 {
            shuffle(&mut self.racks, random);
            for rack in &mut self.racks {
                rack.unfenced.shuffle(random);
                rack.fenced.shuffle(random);
            }
            self.epoch = 0;
        }
        if self.offset >= self.racks.len() {
            self.offset = 0;
        }
    }
}

/// Replicas for `count` partitions, or Kafka's words for why not.
pub fn place(
    usable: &[Usable],
    count: usize,
    replication_factor: i16,
    random: &mut Random,
) -> Result<Vec<Vec<i32>>, String> {
    let wanted = usize::try_from(replication_factor).unwrap_or(0);
    let prefix = format!("Unable to replicate the partition {replication_factor} time(s): ");
    if wanted == 0 {
        return Err("Invalid replication factor 0: the replication factor must be positive.".to_owned());
    }
    if !usable.iter().any(|broker| !broker.fenced) {
        let why = "All brokers are currently fenced, or have all their log directories cordoned.";
        return Err(prefix + why);
    }
    if wanted > usable.len() {
        return Err(format!(
            "{prefix}The target replication factor of {replication_factor} cannot be reached because only {} \
             broker(s) are registered or some brokers have all their log directories cordoned.",
            usable.len()
        ));
    }
    let mut racks = Racks::new(usable, random);
    Ok((0..count).map(|_| racks.place(wanted, random)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn broker(id: i32, rack: Option<&'static str>, fenced: bool) -> Usable {
        Usable { id, rack: rack.map(Str::from), fenced }
    }

    #[test]
    fn leaders_go_round_and_replicas_differ() {
        for seed in 0..50 {
            let mut random = Random::new(seed);
            let usable: Vec<Usable> = (0..5).map(|id| broker(id, None, false)).collect();
            let placed = place(&usable, 10, 3, &mut random).unwrap();
            for replicas in &placed {
                assert_eq!(replicas.iter().collect::<BTreeSet<_>>().len(), 3, "{placed:?}");
            }
            let leaders: BTreeSet<i32> = placed[..5].iter().map(|replicas| replicas[0]).collect();
            assert_eq!(leaders.len(), 5, "{placed:?}");
        }
    }

    #[test]
    fn racks_alternate() {
        for seed in 0..50 {
            let mut random = Random::new(seed);
            let rack = |id: i32| if id < 3 { "a" } else { "b" };
            let usable: Vec<Usable> = (0..6).map(|id| broker(id, Some(rack(id)), false)).collect();
            for replicas in place(&usable, 12, 2, &mut random).unwrap() {
                assert_ne!(rack(replicas[0]), rack(replicas[1]), "{replicas:?}");
            }
        }
    }

    #[test]
    fn the_fenced_come_last_and_never_lead() {
        for seed in 0..50 {
            let mut random = Random::new(seed);
            let usable = [broker(0, None, true), broker(1, None, false), broker(2, None, false)];
            for replicas in place(&usable, 6, 3, &mut random).unwrap() {
                assert_eq!(replicas[2], 0, "{replicas:?}");
            }
        }
    }

    #[test]
    fn refusals() {
        let mut random = Random::new(1);
        let one = [broker(1, None, false)];
        let message = place(&one, 1, 3, &mut random).unwrap_err();
        assert!(
            message.starts_with("Unable to replicate the partition 3 time(s): The target replication factor")
        );
        assert!(place(&[broker(1, None, true)], 1, 1, &mut random).unwrap_err().contains("currently fenced"));
    }
}
