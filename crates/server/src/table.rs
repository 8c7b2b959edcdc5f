//! Things by a number that is never used twice, found without a search: the low bits are the place.

/// At most 2^24 things at once.
const PLACE_BITS: u32 = 24;

#[derive(Debug)]
pub struct Table<T> {
    places: Vec<Option<(u64, T)>>,
    free: Vec<usize>,
    sequence: u64,
    len: usize,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Table { places: Vec::new(), free: Vec::new(), sequence: 0, len: 0 }
    }
}

impl<T> Table<T> {
    /// The number for the next `insert`.
    pub fn next_id(&mut self) -> u64 {
        let place = self.free.last().copied().unwrap_or(self.places.len());
        self.sequence = self.sequence.wrapping_add(1);
        self.sequence << PLACE_BITS | place as u64
    }

    pub fn insert(&mut self, id: u64, value: T) {
        let place = place(id);
        if place == self.places.len() {
            self.places.push(Some((id, value)));
        } else {
            self.free.pop();
            self.places[place] = Some((id, value));
        }
        self.len += 1;
    }

    pub fn get_mut(&mut self, id: u64) -> Option<&mut T> {
        match self.places.get_mut(place(id)) {
            Some(Some((held, value))) if *held == id => Some(value),
            _ => None,
        }
    }

    pub fn remove(&mut self, id: u64) -> Option<T> {
        self.get_mut(id)?;
        let (_, value) = self.places.get_mut(place(id))?.take()?;
        self.free.push(place(id));
        self.len -= 1;
        Some(value)
    }

    pub fn ids(&self, wanted: impl Fn(&T) -> bool) -> Vec<u64> {
        self.places.iter().flatten().filter(|(_, value)| wanted(value)).map(|(id, _)| *id).collect()
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}

fn place(id: u64) -> usize {
    (id & ((1 << PLACE_BITS) - 1)) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_number_finds_nothing() {
        let mut table = Table::default();
        let a = table.next_id();
        table.insert(a, "a");
        let b = table.next_id();
        table.insert(b, "b");
        assert_eq!(table.remove(a), Some("a"));
        assert_eq!(table.remove(a), None);
        let c = table.next_id();
        table.insert(c, "c");
        assert_eq!(place(a), place(c), "the place is used again");
        assert_eq!(table.get_mut(a), None);
        assert_eq!(table.get_mut(c), Some(&mut "c"));
        assert_eq!(table.ids(|v| *v == "b"), [b]);
    }
}
