//! Incremental fetch sessions (KIP-227): a consumer names its partitions once and is answered only what changed.
//! A session belongs to the shard that made it; on another shard its id is unknown and the client begins anew.

use std::collections::BTreeMap;

use platform::Time;
use protocol::{ErrorCode, Str};
use types::Uuid;

/// A session idle for longer may be thrown out by anyone.
const EVICTION_MS: u64 = 120_000;

/// A topic as the request names it: by id from version 13, by name before; the other one is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct TopicKey {
    pub id: Uuid,
    pub name: Str,
}

/// What a client wants of one partition.
#[derive(Clone, Debug, PartialEq)]
pub struct FetchItem {
    pub topic: TopicKey,
    pub partition: i32,
    pub fetch_offset: i64,
    pub max_bytes: i32,
    pub current_leader_epoch: i32,
    pub last_fetched_epoch: i32,
    pub log_start_offset: i64,
}

/// What was answered for a partition last, as far as it decides whether to answer again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answered {
    pub error: ErrorCode,
    pub high_watermark: i64,
    pub log_start_offset: i64,
    pub has_records: bool,
    /// A diverging epoch or a preferred replica.
    pub has_advice: bool,
}

#[derive(Debug)]
struct Cached {
    item: FetchItem,
    high_watermark: i64,
    log_start_offset: i64,
}

#[derive(Debug)]
struct Session {
    epoch: i32,
    uses_topic_ids: bool,
    privileged: bool,
    created_ms: u64,
    used_ms: u64,
    /// In the order in which they are filled: those with data go to the end, so that none starves.
    partitions: BTreeMap<u64, Cached>,
    places: BTreeMap<(TopicKey, i32), u64>,
    next_place: u64,
}

impl Session {
    fn insert(&mut self, cached: Cached) {
        let key = (cached.item.topic.clone(), cached.item.partition);
        self.places.insert(key, self.next_place);
        self.partitions.insert(self.next_place, cached);
        self.next_place += 1;
    }

    fn remove(&mut self, topic: &TopicKey, partition: i32) -> Option<Cached> {
        let place = self.places.remove(&(topic.clone(), partition))?;
        self.partitions.remove(&place)
    }

    fn cached(&mut self, topic: &TopicKey, partition: i32) -> Option<&mut Cached> {
        let place = self.places.get(&(topic.clone(), partition))?;
        self.partitions.get_mut(place)
    }

    /// The others, which keep their places, are filled before it from now on.
    fn move_to_end(&mut self, topic: &TopicKey, partition: i32) {
        if let Some(cached) = self.remove(topic, partition) {
            self.insert(cached);
        }
    }

    fn update(&mut self, wanted: Vec<FetchItem>, forgotten: &[(TopicKey, i32)]) {
        for (topic, partition) in forgotten {
            self.remove(topic, *partition);
        }
        for item in wanted {
            match self.cached(&item.topic, item.partition) {
                Some(cached) => cached.item = FetchItem { topic: cached.item.topic.clone(), ..item },
                None => {
                    self.insert(Cached { item: detached(item), high_watermark: -1, log_start_offset: -1 })
                }
            }
        }
    }
}

/// The name is a slice of the request's frame, which must not live as long as the session.
fn detached(item: FetchItem) -> FetchItem {
    let topic = TopicKey { id: item.topic.id, name: item.topic.name.detached() };
    FetchItem { topic, ..item }
}

/// How the answer to one fetch is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Context {
    Sessionless,
    /// All partitions are answered and a session is made of them if there is room.
    Full {
        privileged: bool,
        uses_topic_ids: bool,
    },
    /// Only what changed is answered.
    Incremental {
        session: i32,
    },
}

/// The head of a fetch request, as far as sessions go.
#[derive(Clone, Copy, Debug)]
pub struct SessionRequest {
    pub session: i32,
    pub epoch: i32,
    pub uses_topic_ids: bool,
    /// The fetch comes from a replica.
    pub privileged: bool,
}

/// All sessions of one shard.
#[derive(Debug)]
pub struct FetchSessions {
    slots: usize,
    sessions: BTreeMap<i32, Session>,
    /// Sum of the sessions' partitions.
    partitions: usize,
    pub evictions: u64,
}

impl FetchSessions {
    pub fn new(slots: usize) -> FetchSessions {
        FetchSessions { slots, sessions: BTreeMap::new(), partitions: 0, evictions: 0 }
    }

    /// How many there may be.
    pub fn slots(&self) -> usize {
        self.slots
    }

    pub fn contains(&self, id: i32) -> bool {
        self.sessions.contains_key(&id)
    }

    pub fn len(&self) -> usize {
        self.sessions.len()
    }

    pub fn partition_count(&self) -> usize {
        self.partitions
    }

    /// Which partitions this request is about, in the order in which they are to be filled.
    pub fn begin(
        &mut self,
        now: Time,
        request: SessionRequest,
        wanted: Vec<FetchItem>,
        forgotten: &[(TopicKey, i32)],
    ) -> Result<(Context, Vec<FetchItem>), ErrorCode> {
        let SessionRequest { session: id, epoch, uses_topic_ids, privileged } = request;
        if epoch <= 0 {
            if id != 0 {
                self.remove(id);
            }
            let full = Context::Full { privileged, uses_topic_ids };
            return Ok((if epoch == 0 { full } else { Context::Sessionless }, wanted));
        }
        let session = self.sessions.get_mut(&id).ok_or(ErrorCode::FetchSessionIdNotFound)?;
        if session.epoch != epoch {
            return Err(ErrorCode::InvalidFetchSessionEpoch);
        }
        if session.uses_topic_ids != uses_topic_ids {
            return Err(ErrorCode::FetchSessionTopicIdError);
        }
        let before = session.partitions.len();
        session.update(wanted, forgotten);
        self.partitions = self.partitions + session.partitions.len() - before;
        if session.partitions.is_empty() {
            self.remove(id);
            return Ok((Context::Sessionless, Vec::new()));
        }
        session.epoch = if epoch == i32::MAX { 1 } else { epoch + 1 };
        session.used_ms = now.monotonic_ms();
        let items = session.partitions.values().map(|cached| cached.item.clone()).collect();
        Ok((Context::Incremental { session: id }, items))
    }

    /// Whether an incremental answer shows this partition; remembers what it is told. `item` is one that `begin` gave.
    pub fn must_answer(&mut self, session: i32, item: &FetchItem, answered: Answered) -> bool {
        let Some(session) = self.sessions.get_mut(&session) else { return true };
        let Some(cached) = session.cached(&item.topic, item.partition) else { return true };
        let changed = answered.has_records
            || answered.has_advice
            || answered.error != ErrorCode::None
            || cached.high_watermark != answered.high_watermark
            || cached.log_start_offset != answered.log_start_offset;
        // -1 differs from any answer: after an error the partition is shown again
        let failed = answered.error != ErrorCode::None;
        cached.high_watermark = if failed { -1 } else { answered.high_watermark };
        cached.log_start_offset = answered.log_start_offset;
        if answered.has_records {
            session.move_to_end(&item.topic, item.partition);
        }
        changed
    }

    /// Makes a session of a full fetch's partitions. 0 where there is no room for one.
    pub fn create(
        &mut self,
        now: Time,
        random: &mut platform::Random,
        context: Context,
        answered: impl ExactSizeIterator<Item = (FetchItem, Answered)>,
    ) -> i32 {
        let Context::Full { privileged, uses_topic_ids } = context else { return 0 };
        let count = answered.len();
        if count == 0 || self.slots == 0 || !self.make_room(now, privileged, count) {
            return 0;
        }
        let id = loop {
            let id = (random.below(i32::MAX as u64 - 1) + 1) as i32;
            if !self.sessions.contains_key(&id) {
                break id;
            }
        };
        let mut session = Session {
            epoch: 1,
            uses_topic_ids,
            privileged,
            created_ms: now.monotonic_ms(),
            used_ms: now.monotonic_ms(),
            partitions: BTreeMap::new(),
            places: BTreeMap::new(),
            next_place: 0,
        };
        for (item, answered) in answered {
            let failed = answered.error != ErrorCode::None;
            let high_watermark = if failed { -1 } else { answered.high_watermark };
            session.remove(&item.topic, item.partition);
            session.insert(Cached {
                item: detached(item),
                high_watermark,
                log_start_offset: answered.log_start_offset,
            });
        }
        self.partitions += session.partitions.len();
        self.sessions.insert(id, session);
        id
    }

    fn remove(&mut self, id: i32) {
        if let Some(session) = self.sessions.remove(&id) {
            self.partitions -= session.partitions.len();
        }
    }

    /// True where a session of `size` partitions fits, after throwing another one out if need be.
    fn make_room(&mut self, now: Time, privileged: bool, size: usize) -> bool {
        if self.sessions.len() < self.slots {
            return true;
        }
        let now_ms = now.monotonic_ms();
        let idle = self.sessions.iter().min_by_key(|(_, session)| session.used_ms);
        let victim = match idle {
            Some((id, session)) if now_ms.saturating_sub(session.used_ms) > EVICTION_MS => Some(*id),
            _ => self.smaller_victim(now_ms, privileged, size),
        };
        let Some(victim) = victim else { return false };
        self.remove(victim);
        self.evictions += 1;
        true
    }

    /// The least session that one of `size` partitions may displace: old ones by all, young consumers' by replicas.
    fn smaller_victim(&self, now_ms: u64, privileged: bool, size: usize) -> Option<i32> {
        let evictable = |session: &Session| {
            now_ms.saturating_sub(session.created_ms) > EVICTION_MS || privileged && !session.privileged
        };
        let (rank, id) = self
            .sessions
            .iter()
            .filter(|(_, session)| evictable(session))
            .map(|(id, session)| ((session.privileged, session.partitions.len()), *id))
            .min()?;
        ((privileged, size) >= rank).then_some(id)
    }
}

#[cfg(test)]
mod tests {
    use platform::Random;

    use super::*;

    const FULL: SessionRequest =
        SessionRequest { session: 0, epoch: 0, uses_topic_ids: true, privileged: false };

    fn item(partition: i32, fetch_offset: i64) -> FetchItem {
        FetchItem {
            topic: TopicKey { id: Uuid([1; 16]), name: Str::default() },
            partition,
            fetch_offset,
            max_bytes: 1000,
            current_leader_epoch: -1,
            last_fetched_epoch: -1,
            log_start_offset: -1,
        }
    }

    fn answer(high_watermark: i64) -> Answered {
        Answered {
            error: ErrorCode::None,
            high_watermark,
            log_start_offset: 0,
            has_records: false,
            has_advice: false,
        }
    }

    fn at(ms: u64) -> Time {
        Time { monotonic_us: ms * 1000, wall_ms: 0 }
    }

    fn create(sessions: &mut FetchSessions, ms: u64, partitions: i32) -> i32 {
        let items: Vec<_> = (0..partitions).map(|p| item(p, 0)).collect();
        let (context, items) = sessions.begin(at(ms), FULL, items, &[]).unwrap();
        let answered: Vec<_> = items.into_iter().map(|item| (item, answer(5))).collect();
        sessions.create(at(ms), &mut Random::new(ms), context, answered.into_iter())
    }

    #[test]
    fn an_incremental_answer_shows_what_changed() {
        let mut sessions = FetchSessions::new(10);
        let id = create(&mut sessions, 0, 3);
        let request = SessionRequest { session: id, epoch: 1, ..FULL };
        let (context, items) = sessions.begin(at(1), request, vec![item(1, 7)], &[]).unwrap();
        assert_eq!(context, Context::Incremental { session: id });
        assert_eq!(
            items.iter().map(|i| (i.partition, i.fetch_offset)).collect::<Vec<_>>(),
            [(0, 0), (1, 7), (2, 0)]
        );
        assert!(!sessions.must_answer(id, &items[0], answer(5)));
        assert!(sessions.must_answer(id, &items[1], answer(6)));
        let failed = Answered { error: ErrorCode::NotLeaderOrFollower, ..answer(5) };
        assert!(sessions.must_answer(id, &items[2], failed));
        assert!(sessions.must_answer(id, &items[2], answer(5)), "shown again after an error");
    }

    #[test]
    fn who_had_records_is_filled_after_those_who_had_none() {
        let mut sessions = FetchSessions::new(10);
        let id = create(&mut sessions, 0, 4);
        let orders = [(1, [0, 1, 2, 3], &[0, 2][..]), (2, [1, 3, 0, 2], &[1]), (3, [3, 0, 2, 1], &[])];
        for (epoch, order, with_records) in orders {
            let request = SessionRequest { session: id, epoch, ..FULL };
            let (_, items) = sessions.begin(at(1), request, vec![], &[]).unwrap();
            assert_eq!(items.iter().map(|item| item.partition).collect::<Vec<_>>(), order);
            for item in &items {
                let has_records = with_records.contains(&item.partition);
                assert_eq!(
                    sessions.must_answer(id, item, Answered { has_records, ..answer(5) }),
                    has_records
                );
            }
        }
    }

    #[test]
    fn requests_that_do_not_fit_the_session_are_refused() {
        let mut sessions = FetchSessions::new(10);
        let id = create(&mut sessions, 0, 1);
        for (request, error) in [
            (SessionRequest { session: id + 1, epoch: 1, ..FULL }, ErrorCode::FetchSessionIdNotFound),
            (SessionRequest { session: id, epoch: 2, ..FULL }, ErrorCode::InvalidFetchSessionEpoch),
            (
                SessionRequest { session: id, epoch: 1, uses_topic_ids: false, ..FULL },
                ErrorCode::FetchSessionTopicIdError,
            ),
        ] {
            assert_eq!(sessions.begin(at(0), request, vec![], &[]).unwrap_err(), error);
        }
        // a final epoch closes it
        let last = SessionRequest { session: id, epoch: -1, ..FULL };
        assert_eq!(sessions.begin(at(0), last, vec![item(0, 0)], &[]).unwrap().0, Context::Sessionless);
        assert_eq!(sessions.len(), 0);
        assert_eq!(sessions.partition_count(), 0);
    }

    #[test]
    fn a_session_without_partitions_ends() {
        let mut sessions = FetchSessions::new(10);
        let id = create(&mut sessions, 0, 1);
        let request = SessionRequest { session: id, epoch: 1, ..FULL };
        let forgotten = [(item(0, 0).topic, 0)];
        let (context, items) = sessions.begin(at(0), request, vec![], &forgotten).unwrap();
        assert_eq!((context, items.len(), sessions.len()), (Context::Sessionless, 0, 0));
    }

    #[test]
    fn sessions_are_displaced_when_idle_or_old_and_smaller() {
        for (ms, size, granted) in [(1000, 9, false), (EVICTION_MS + 1, 1, true)] {
            let mut sessions = FetchSessions::new(1);
            assert_ne!(create(&mut sessions, 0, 2), 0);
            assert_eq!(create(&mut sessions, ms, size) != 0, granted, "at {ms}");
        }
        let mut sessions = FetchSessions::new(1);
        let id = create(&mut sessions, 0, 2);
        let used = SessionRequest { session: id, epoch: 1, ..FULL };
        sessions.begin(at(EVICTION_MS), used, vec![], &[]).unwrap();
        assert_eq!(create(&mut sessions, EVICTION_MS + 10, 1), 0, "smaller than the old one");
        assert_ne!(create(&mut sessions, EVICTION_MS + 10, 3), 0, "larger than the old one");
        assert_eq!(sessions.evictions, 1);
    }
}
