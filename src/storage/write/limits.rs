//! Places under limits, as one transaction sees and changes them.
//!
//! An execution passes its limits one after the other, in the order of [`Limit`]s that its submit names: those of a key
//! first, then those of its tenant, then those of all tenants. It holds a place under each that it has passed, and waits
//! for the next one. So nobody waits for a place while holding one that others wait for further down, and a place that
//! is given back goes to whoever waits first. Only what has passed all of them is put into a queue.
//!
//! Places are counted, never kept as a number: who holds one has a row, which goes with the end of the execution in the
//! same transaction.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::{
    super::{
        Error,
        places::{LIMITED_QUEUE, PlaceState, TimerKind},
    },
    notice::Notice,
    working::Working,
};
use crate::model::{Execution, ExecutionId, Limit, LimitPolicy, Micros, Refusal};
use entity::{limit_place, ready, timer};

/// A row of `limit_place`.
pub(super) type PlaceKey = (ExecutionId, i64);

/// In what order executions wait: those of tenants in turn, and else as in a queue.
type Turn = (i64, i64, Micros, ExecutionId);

/// The places and tokens of what has the same bucket.
#[derive(Debug, Default)]
pub(super) struct Bucket {
    /// The number of places that are held.
    pub(super) held: i64,
    /// Those that wait first; as many as can come to have their turn in this transaction.
    waiting: BTreeSet<Turn>,
    turns: HashMap<ExecutionId, Turn>,
}

impl Bucket {
    fn wait(&mut self, turn: Turn) {
        let (.., id) = turn;
        self.leave(id);
        self.waiting.insert(turn);
        self.turns.insert(id, turn);
    }

    fn leave(&mut self, id: ExecutionId) {
        if let Some(turn) = self.turns.remove(&id) {
            self.waiting.remove(&turn);
        }
    }
}

/// What a transaction has loaded of limits.
#[derive(Debug, Default)]
pub(super) struct LoadedLimits {
    before: BTreeMap<PlaceKey, limit_place::Model>,
    places: BTreeMap<PlaceKey, limit_place::Model>,
    pub(super) buckets: HashMap<String, Bucket>,
    /// Up to when the tokens of buckets are taken.
    pub(super) rates: HashMap<String, Micros>,
    rates_changed: BTreeSet<String>,
    /// The turns of those whose tenants take turns.
    ranks: HashMap<ExecutionId, HashMap<String, i64>>,
}

/// What became of an execution that has come to its limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Passed {
    /// All of them.
    All,
    /// It waits for a place.
    Waits,
    /// It has tokens from this time on.
    At(Micros),
}

impl LoadedLimits {
    /// Takes in a row of the database.
    pub(super) fn load(&mut self, row: limit_place::Model) {
        let key = (ExecutionId(row.execution_id), row.position);
        if row.state == PlaceState::Waiting.code() {
            let turn = turn_of(&self.ranks, &row);
            let bucket = self.buckets.entry(row.bucket.clone()).or_default();
            bucket.wait(turn);
        }
        self.before.insert(key, row.clone());
        self.places.insert(key, row);
    }

    /// Notes the turn of an execution among those of all tenants that wait for a bucket, before it is loaded.
    pub(super) fn rank(&mut self, id: ExecutionId, bucket: &str, rank: i64) {
        let of_it = self.ranks.entry(id).or_default();
        of_it.insert(bucket.to_owned(), rank);
    }

    /// The rows of one execution, in order.
    pub(super) fn of(&self, id: ExecutionId) -> impl Iterator<Item = &limit_place::Model> {
        let all = self.places.range((id, i64::MIN)..=(id, i64::MAX));
        all.map(|(_, row)| row)
    }

    /// All rows.
    pub(super) fn all(&self) -> impl Iterator<Item = &limit_place::Model> {
        self.places.values()
    }

    fn keys_of(&self, id: ExecutionId) -> Vec<PlaceKey> {
        let all = self.places.range((id, i64::MIN)..=(id, i64::MAX));
        all.map(|(key, _)| *key).collect()
    }

    /// Rows to insert, to update and to delete.
    pub(super) fn changes(
        &self,
    ) -> (
        Vec<limit_place::Model>,
        Vec<limit_place::Model>,
        Vec<PlaceKey>,
    ) {
        let made = self.places.iter();
        let made = made.filter(|(key, _)| !self.before.contains_key(key));
        let changed = self.places.iter();
        let changed =
            changed.filter(|(key, row)| self.before.get(key).is_some_and(|old| old != *row));
        let gone = self.before.keys();
        let gone = gone.filter(|key| !self.places.contains_key(key));
        (
            made.map(|(_, row)| row.clone()).collect(),
            changed.map(|(_, row)| row.clone()).collect(),
            gone.copied().collect(),
        )
    }

    /// The tokens that were taken, each with its bucket.
    pub(super) fn rates_taken(&self) -> impl Iterator<Item = (&str, Micros)> {
        let rate = |bucket: &String| self.rates.get(bucket).copied();
        let all = self.rates_changed.iter();
        all.filter_map(move |bucket| Some((bucket.as_str(), rate(bucket)?)))
    }

    /// Returns whether nothing was loaded or made.
    pub(super) fn is_empty(&self) -> bool {
        self.before.is_empty() && self.places.is_empty()
    }

    fn has_room(&self, bucket: &str, most: i64) -> bool {
        self.buckets.get(bucket).is_none_or(|it| it.held < most)
    }

    /// The limit that refuses an intent now.
    pub(super) fn refusing<'a>(&self, limits: &'a [Limit], now: Micros) -> Option<&'a Limit> {
        let refuses = |limit: &&Limit| {
            if limit.policy != LimitPolicy::Reject {
                return false;
            }
            let next_at = self.rates.get(&limit.bucket).copied().unwrap_or_default();
            match limit.take_token(next_at, now) {
                Some((start_at, _)) => start_at > now,
                None => !self.has_room(&limit.bucket, limit.most),
            }
        };
        limits.iter().find(refuses)
    }

    /// Puts an execution under limits, none of which it has passed.
    fn add(&mut self, execution: &Execution, limits: &[Limit]) {
        for (position, limit) in (0..).zip(limits) {
            let row = limit_place::Model {
                execution_id: execution.id.0,
                position,
                tenant_id: execution.intent.tenant_id.to_string(),
                bucket: limit.bucket.clone(),
                name: limit.name.clone(),
                is_shared: limit.is_shared,
                most: limit.most,
                per_micros: limit.per_micros,
                policy: limit.policy.code(),
                state: PlaceState::Ahead.code(),
                queue: String::new(),
                priority: 0,
                ready_at: 0,
            };
            self.places.insert((execution.id, position), row);
        }
    }

    /// Notes where an execution will stand when it has passed, and so when its turn is.
    fn stand(&mut self, id: ExecutionId, place: &ready::Model) {
        for key in self.keys_of(id) {
            let Some(row) = self.places.get_mut(&key) else {
                continue;
            };
            if let Some(bucket) = self.buckets.get_mut(&row.bucket) {
                bucket.leave(id);
            }
            row.queue.clone_from(&place.queue);
            (row.priority, row.ready_at) = (place.priority, place.ready_at);
        }
    }

    /// Passes limits up to the first one that has no place or no token now.
    fn pass(&mut self, id: ExecutionId, now: Micros) -> Passed {
        for key in self.keys_of(id) {
            let Some(row) = self.places.get_mut(&key) else {
                continue;
            };
            if row.state == PlaceState::Held.code() {
                continue;
            }
            let limit = limit_of(row);
            let next_at = self.rates.get(&row.bucket).copied().unwrap_or_default();
            if let Some((start_at, then)) = limit.take_token(next_at, now) {
                row.state = PlaceState::Held.code();
                self.rates.insert(row.bucket.clone(), then);
                self.rates_changed.insert(row.bucket.clone());
                if start_at > now {
                    return Passed::At(start_at);
                }
                continue;
            }
            let bucket = self.buckets.entry(row.bucket.clone()).or_default();
            if bucket.held < row.most {
                bucket.held += 1;
                row.state = PlaceState::Held.code();
            } else {
                row.state = PlaceState::Waiting.code();
                bucket.wait(turn_of(&self.ranks, row));
                return Passed::Waits;
            }
        }
        Passed::All
    }

    /// Gives up the places of an execution; the buckets that then have room.
    fn give_back(&mut self, id: ExecutionId, for_ever: bool) -> Vec<String> {
        let mut freed = Vec::new();
        for key in self.keys_of(id) {
            let Some(row) = self.places.get_mut(&key) else {
                continue;
            };
            if let Some(bucket) = self.buckets.get_mut(&row.bucket) {
                if row.state == PlaceState::Held.code() && row.per_micros.is_none() {
                    bucket.held -= 1;
                    freed.push(row.bucket.clone());
                }
                bucket.leave(id);
            }
            row.state = PlaceState::Ahead.code();
            if for_ever {
                self.places.remove(&key);
            }
        }
        freed
    }

    /// Whoever waits first for a place of a bucket, if it has room: the place is theirs.
    fn next_of(&mut self, name: &str) -> Option<ExecutionId> {
        let bucket = self.buckets.get_mut(name)?;
        let turn = *bucket.waiting.first()?;
        let (.., id) = turn;
        let waiting = PlaceState::Waiting.code();
        let all = self.places.range_mut((id, i64::MIN)..=(id, i64::MAX));
        let mut all = all.map(|(_, row)| row);
        let row = all.find(|row| row.bucket == name && row.state == waiting)?;
        if bucket.held >= row.most {
            return None;
        }
        bucket.leave(id);
        bucket.held += 1;
        row.state = PlaceState::Held.code();
        Some(id)
    }
}

fn turn_of(ranks: &HashMap<ExecutionId, HashMap<String, i64>>, row: &limit_place::Model) -> Turn {
    let id = ExecutionId(row.execution_id);
    let rank = ranks.get(&id).and_then(|of_it| of_it.get(&row.bucket));
    // Among those of tenants, who has not waited before comes last.
    let without = if row.is_shared { i64::MAX } else { 0 };
    let rank = rank.copied().unwrap_or(without);
    (rank, row.priority, row.ready_at, id)
}

fn limit_of(row: &limit_place::Model) -> Limit {
    Limit {
        name: String::new(),
        bucket: String::new(),
        is_shared: row.is_shared,
        most: row.most,
        per_micros: row.per_micros,
        policy: LimitPolicy::from_code(row.policy).unwrap_or(LimitPolicy::Queue),
    }
}

impl Working {
    /// Refuses an intent that a limit has no place for and whose policy says so.
    pub(super) fn check_limits(&self, limits: &[Limit]) -> Result<(), Error> {
        match self.limits.refusing(limits, self.now) {
            Some(limit) => Err(Refusal::LimitReached {
                limit: limit.name.clone(),
            }
            .into()),
            None => Ok(()),
        }
    }

    /// Puts an execution that was just made under limits.
    pub(super) fn limit(&mut self, id: ExecutionId, limits: &[Limit]) {
        if let Some(execution) = self.executions.see(&id).filter(|_| !limits.is_empty()) {
            self.limits.add(execution, limits);
        }
    }

    /// Lets an execution pass its limits, to stand in `place` then; whether it has.
    pub(super) fn pass_limits(&mut self, id: ExecutionId, place: &ready::Model) -> bool {
        if self.executions.see(&id).is_none_or(|row| row.limits == 0) {
            return true;
        }
        self.limits.stand(id, place);
        self.advance(id)
    }

    /// Goes on with an execution whose queue its places know.
    fn advance(&mut self, id: ExecutionId) -> bool {
        match self.limits.pass(id, self.now) {
            Passed::All => true,
            Passed::Waits => {
                let waiting = PlaceState::Waiting.code();
                let policy = LimitPolicy::CancelPrevious.code();
                let waits = self.limits.of(id).find(|row| row.state == waiting);
                if let Some(row) = waits.filter(|row| row.policy == policy) {
                    let bucket = row.bucket.clone();
                    self.changes.notices.push(Notice::Overtaken { bucket });
                }
                false
            }
            Passed::At(at) => {
                self.wait_for_token(id, at);
                false
            }
        }
    }

    fn wait_for_token(&mut self, id: ExecutionId, at: Micros) {
        let Some(tenant) = self.limits.of(id).next().map(|row| row.tenant_id.clone()) else {
            return;
        };
        let kind = TimerKind::Start.code();
        let timer = timer::Model {
            execution_id: id.0,
            kind,
            tenant_id: tenant,
            queue: LIMITED_QUEUE.to_owned(),
            fire_at: at,
        };
        self.changes.timers_in.insert((id, kind), timer);
        self.changes.notices.push(Notice::Timer(at));
    }

    /// Gives the places of an execution to those that wait for them: for ever if it has ended, or until it is to run
    /// again.
    pub(super) fn leave_limits(&mut self, id: ExecutionId, for_ever: bool) {
        let freed = self.limits.give_back(id, for_ever);
        // The last one first: what waits there came before those that now get as far.
        for bucket in freed.into_iter().rev() {
            self.fill(&bucket);
        }
    }

    /// Gives the free places of a bucket to those that wait first; the number of those.
    pub(super) fn fill(&mut self, bucket: &str) -> usize {
        let mut filled = 0;
        while let Some(next) = self.limits.next_of(bucket) {
            filled += 1;
            if self.advance(next) {
                self.enter_queue(next);
            }
        }
        filled
    }

    /// Puts an execution, which need not be loaded, into the queue that its places know.
    fn enter_queue(&mut self, id: ExecutionId) {
        let Some(row) = self.limits.of(id).next() else {
            return;
        };
        let place = ready::Model {
            execution_id: row.execution_id,
            tenant_id: row.tenant_id.clone(),
            queue: row.queue.clone(),
            priority: row.priority,
            ready_at: row.ready_at,
        };
        self.changes.notices.push(Notice::ready(row.queue.clone()));
        self.changes.ready_in.insert(id, place);
    }
}
