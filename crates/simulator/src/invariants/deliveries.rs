//! A group is given every record: whoever goes on for another begins no later than the other was given records, and
//! no committed offset is ahead of what was delivered.

use std::collections::BTreeMap;

use super::commits::Place;

#[derive(Default)]
pub struct Deliveries {
    /// Everything before it was delivered to some member.
    delivered: BTreeMap<Place, i64>,
}

impl Deliveries {
    /// A member that stood at `from` was given all up to `to`.
    pub fn delivered(&mut self, place: &Place, from: i64, to: i64) -> Option<String> {
        let known = self.delivered.entry(place.clone()).or_default();
        if from > *known {
            return Some(format!("{place:?} goes on from {from}, records were delivered up to {known} only"));
        }
        *known = to.max(*known);
        None
    }

    /// Somebody read this committed offset.
    pub fn committed(&self, place: &Place, offset: i64) -> Option<String> {
        let known = self.delivered.get(place).copied().unwrap_or(0);
        (offset > known).then(|| format!("{offset} is committed for {place:?}, delivered was up to {known}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_left_out() {
        let place: Place = ("g".into(), "t".into(), 0);
        let mut deliveries = Deliveries::default();
        assert_eq!(deliveries.delivered(&place, 0, 10), None);
        assert_eq!(deliveries.delivered(&place, 4, 8), None, "twice is no harm");
        assert_eq!(deliveries.delivered(&place, 10, 12), None);
        assert!(deliveries.delivered(&place, 13, 14).is_some());
        assert_eq!(deliveries.committed(&place, 12), None);
        assert!(deliveries.committed(&place, 13).is_some());
    }
}
